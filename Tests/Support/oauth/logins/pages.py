#!/usr/bin/env python3
"""Logins in a real browser, started by `vault` itself, as far as the page that says how it went.

The pictures are left in .build/login-pages (or $VAULT_LOGIN_PAGES), for people to look at.
"""
SHOWS_A_BROWSER = True

from place import *

PICTURES = os.environ.get("VAULT_LOGIN_PAGES") or os.path.realpath(os.path.join(OAUTH, "../../../.build/login-pages"))
CONTRAST = {"light": "rgb(244, 245, 247)", "dark": "rgb(20, 22, 26)"}


def visit(home, server, picture, *options, client="public", arguments=()):
    """One login whose browser is a headless Chromium; returns how vault ended and what the page was."""
    path = os.path.join(PICTURES, picture + ".png")
    fifo = f"{home.root}/{picture}"
    os.mkfifo(fifo)
    command = [sys.executable, os.path.join(OAUTH, "browser_login.py"), "--screenshot", path, *options]
    # The URL is this script's one argument, as vault gives it; the pipe says when the browser has ended.
    home.environment["BROWSER"] = home.script("chromium", f'exec {shlex.join(command)} "$1" > {shlex.quote(fifo)} 2>&1')
    running = home.start("login", picture, "--issuer", server.issuer, "--client-id", client, *arguments)
    # Its own end of the pipe too, so that a vault that starts no browser does not leave this waiting.
    with open(fifo, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    outcome = running.end()
    found = next((json.loads(line) for line in said.splitlines() if line.startswith("{")), None)
    if found is None:
        raise RuntimeError(f"the browser ended without a page: {said[-2000:]} {outcome}")
    with open(path, "rb") as file:
        expect(f"{picture}: a picture, {path}", file.read(8) == b"\x89PNG\r\n\x1a\n")
    console = [line for line in found["console"] if "favicon" not in line and "400" not in line]
    expect(f"{picture}: the browser complains of nothing", console == [], console)
    return outcome, found


def pages():
    if not shutil.which(os.environ.get("CHROMIUM", "chromium")):
        # `.ci/setup test` installs it.
        expect("there is a browser (on Debian: apt-get install chromium chromium-driver)", False)
        return
    os.makedirs(PICTURES, exist_ok=True)
    server = authlib()
    server.control(consent="page")
    port = free_port()
    foreign = Server("canaille", "--redirect", f"http://127.0.0.1:{port}/callback")
    with Home() as home:
        outcome, page = visit(home, server, "success")
        expect("success: logged in by a browser", outcome.status == 0 and outcome.out == "", outcome)
        expect("success: the page", page["title"] == "You are logged in" and "go back to the terminal" in page["text"]
               and page["path"] == "/callback" and page["background"] == CONTRAST["light"], page)
        outcome, page = visit(home, server, "denied", "--deny", "--dark")
        fails("denied: not logged in", outcome, 5, "denied")
        expect("denied: the page, in the dark", page["title"] == "The login did not succeed" and page["background"] == CONTRAST["dark"]
               and "The terminal in which vault runs says why" in page["text"], page)
        # Somebody else's identity provider, with its own pages for name, password and consent, on a telephone's screen.
        outcome, page = visit(home, foreign, "foreign-narrow-dark", "--dark", "--width", "390", client="vault-test",
                              arguments=("--port", str(port), "--scope", "openid"))
        expect("foreign: logged in by a browser", outcome.status == 0, outcome)
        expect("foreign: nothing overflows 390 pixels", page["title"] == "You are logged in" and page["overflows"] is False
               and page["background"] == CONTRAST["dark"], page)
        outcome, page = visit(home, server, "denied-narrow", "--deny", "--width", "390")
        expect("narrow: the page of failure fits too", page["title"] == "The login did not succeed" and not page["overflows"], page)
        expect("two were stored", home.names() == ["oauth:foreign-narrow-dark", "oauth:success"], home.names())


if __name__ == "__main__":
    main(pages)
