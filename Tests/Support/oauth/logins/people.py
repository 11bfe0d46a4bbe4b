#!/usr/bin/env python3
"""People and programs around a login: two at once, a crowd that wants one token, and an answer that is pasted."""
from place import *


def two_logins():
    """A second login of the same name is told of the first, and does not disturb it; another name is free."""
    server = authlib()
    with Home() as home:
        first = home.login("x", server)
        url = first.waiting_url()
        outcome = home.login("x", server).end()
        fails("a second login", outcome, 5, "already", "vault login x")
        other = home.login("y", server)
        get(drive(other.url()))
        expect("another name meanwhile", other.end().status == 0)
        expect("the first still waits", first.process.poll() is None)
        get(drive(url))
        expect("and succeeds", first.end().status == 0 and home.names() == ["oauth:x", "oauth:y"])
        # The waiting one killed: nothing is in the way of the next.
        first = home.login("x", server)
        first.waiting_url()
        first.process.kill()
        first.process.wait()
        home.logged_in("x", server)
        expect("a killed login is in nobody's way", home.vault("token", "x").status == 0)


def a_crowd():
    """Twenty terminals with a dead grant: one browser, one login, and the token for all of them."""
    server = authlib()
    with Home() as home:
        home.logged_in("x", server)
        server.post("/_revoke")
        dead = home.vault("token", "x", "--refresh", "--login")
        fails("without a terminal", dead, 5, "vault login x")
        started = len(home.browsers())
        expect("and no browser", started == 1)
        crowd = [home.start("token", "x", "--login", terminal=True) for _ in range(20)]
        # Whoever is first shows the URL; the others wait for that login, or come when it is over.
        found = None
        deadline = time.monotonic() + PATIENCE
        while found is None and time.monotonic() < deadline:
            found = next((one for one in crowd if re.search(r"^https?://\S+\r?\n", one.shown, re.M)), None)
        if not expect("one of them shows a URL", found is not None, *[one.shown for one in crowd]):
            return
        others = [one for one in crowd if one is not found]
        for one in others:
            one.shows("another login")
        expect("the others wait for it", all("under way" in one.shown for one in others), *[one.shown for one in others])
        get(drive(found.url()))
        outcomes = [one.end() for one in crowd]
        expect("all end well", all(outcome.status == 0 for outcome in outcomes), *[o for o in outcomes if o.status])
        expect("with the same token", len({outcome.out for outcome in outcomes}) == 1 and outcomes[0].out.strip())
        expect("one browser was started", len(home.browsers()) == started + 1, home.browsers())
        expect("one code was exchanged", len(server.log("token", grant_type="authorization_code")) == 2)
        token = outcomes[0].out.strip()
        expect("the token is good", requests.get(server.facts["resource"], headers={"Authorization": f"Bearer {token}"}).ok)
        quiet = home.start("token", "x", "--login", "--refresh", "--no-input", terminal=True)
        expect("a live grant asks nobody", quiet.end().status == 0)


def pasted():
    """The address at which a browser elsewhere ended, typed at the terminal or, with --paste, piped in."""
    server = authlib()
    with Home() as home:
        running = home.login("x", server, "--no-browser", terminal=True)
        url = running.waiting_url()
        callback = drive(url)
        for wrong in ("what?", "http://127.0.0.1:1/callback?code=forged&state=x",
                      callback.replace("state=", "state=x"), callback.replace("127.0.0.1", "127.0.0.2")):
            before = running.shown.count("not the answer")
            running.type(wrong + "\n")
            running.wait_for(lambda shown: shown.count("not the answer") > before)
            expect(f"not taken: {wrong[:20]}…", running.shown.count("not the answer") == before + 1
                   and running.process.poll() is None, running.shown)
        running.type(callback + "\n")
        outcome = running.end()
        expect("typed at the terminal", outcome.status == 0 and outcome.out == "", outcome)
        expect("no browser with --no-browser", home.browsers() == [])
        for what, change in (("the query alone", lambda text: text.split("?")[1]),
                             ("without its scheme, a fragment behind it", lambda text: text.removeprefix("http://") + "#_=_"),
                             ("with blanks around it", lambda text: f"  {text} \r")):
            running = home.login("x", server, "--no-browser", "--paste", stdin=subprocess.PIPE)
            running.process.stdin.write((change(drive(running.waiting_url())) + "\n").encode())
            running.process.stdin.flush()
            outcome = running.end()
            expect(f"piped in: {what}", outcome.status == 0 and outcome.out == "", outcome)
        running = home.login("x", server, "--paste", stdin=subprocess.PIPE)
        running.process.stdin.close()
        get(drive(running.waiting_url()))
        expect("the end of standard input ends nothing", running.end().status == 0)
        running = home.login("x", server, "--no-input", stdin=subprocess.PIPE)
        url = running.url()
        running.process.stdin.close()
        get(drive(url))
        expect("--no-input reads nothing, and the browser's way works", running.end().status == 0)


def in_a_loop():
    """Standard input that is no terminal belongs to the script around: each of its lines is one login."""
    server = authlib()
    with Home() as home:
        program = Home.program
        Home.program = home.script("loop", 'while read -r name; do "$VAULT" login "$name" "$@"; done')
        try:
            running = home.start("--issuer", server.issuer, "--client-id", "public", stdin=subprocess.PIPE, VAULT=program)
            running.process.stdin.write(b"a\nb\nc\n")
            running.process.stdin.close()
            for number in (1, 2, 3):
                found = running.wait_for(lambda shown: len(urls := re.findall(r"^(https?://\S+)\n", shown, re.M)) >= number and urls)
                if not expect(f"login {number} begins", found, running.shown):
                    break
                get(drive(found[-1]))
            outcome = running.end()
        finally:
            Home.program = program
        expect("three names, three logins", home.names() == ["oauth:a", "oauth:b", "oauth:c"], outcome)
        expect("nobody is told to paste", "paste" not in outcome.err, outcome)


def in_the_background():
    """`vault login x &` at a terminal is not stopped for reading from it."""
    server = authlib()
    with Home() as home:
        # Job control, as a person's shell has it: the login is in a group of its own, behind the shell's.
        program = Home.program
        Home.program = home.script("behind", 'set -m; "$VAULT" "$@" & job=$!; set +m; wait $job; exit $?')
        try:
            running = home.login("x", server, terminal=True, VAULT=program)
        finally:
            Home.program = program
        get(drive(running.waiting_url()))
        outcome = running.end()
        expect("a login in the background", outcome.status == 0 and home.names() == ["oauth:x"], outcome)


def adopting():
    """A copy of another program's grant becomes the vault's own only once that program has lost it."""
    with Home() as home:
        fixture = os.path.join(OAUTH, "../../TokenImportTests/Fixtures/codex/auth.json")
        original = json.load(open(fixture))

        def imported(**changes):
            path = home.file("home/.codex/auth.json", json.dumps(original | changes))
            outcome = home.vault("import", path, "--name", "codex", "--yes")
            expect("imported", outcome.status == 0, outcome)
            return path

        path = imported()
        shown = home.must("show", "codex", "--json").json
        expect("held for its owner", shown["state"] == "held", shown)
        token = home.must("token", "codex").out.strip()
        expect("its access token is handed out", token == original["tokens"]["access_token"])
        outcome = home.vault("adopt", "codex")
        fails("without --yes and a terminal", outcome, 10, path, "vault adopt codex --yes")
        expect("nothing was changed", json.load(open(path)) == original
               and home.must("show", "codex", "--json").json["state"] == "held")
        # The owner refreshes meanwhile.
        newer = json.loads(json.dumps(original))
        newer["tokens"]["refresh_token"] = "rt-NEWER"
        newer["last_refresh"] = "2029-12-31T23:30:00Z"
        home.file("home/.codex/auth.json", json.dumps(newer))
        outcome = home.vault(*home.hinted(outcome))
        expect("the hinted command adopts", outcome.status == 0, outcome)
        revealed = home.must("show", "codex", "--reveal", "--json").json
        expect("active, with the owner's newer token", revealed["state"] == "active"
               and revealed["refresh_token"] == "rt-NEWER", revealed["state"])
        left = open(path).read() if os.path.exists(path) else ""
        expect("the file has lost the grant", "rt-NEWER" not in left and token not in left, left)
        again = home.vault("adopt", "codex")
        expect("once more: nothing to do", again.status == 0 and "not held" in again.err, again)
        home.must("remove", "codex", "--yes")
        path = imported()
        os.unlink(path)
        outcome = home.vault("adopt", "codex")
        expect("the file is gone: active without a question", outcome.status == 0
               and home.must("show", "codex", "--json").json["state"] == "active", outcome)
        home.must("remove", "codex", "--yes")
        path = imported()
        running = home.start("adopt", "codex", terminal=True)
        running.shows("Take it out")
        running.type("n\n")
        outcome = running.end()
        expect("a no at the terminal changes nothing", outcome.status in (3, 10) and json.load(open(path)) == original, outcome)
        running = home.start("adopt", "codex", terminal=True)
        running.shows("Take it out")
        running.type("y\n")
        expect("a yes does it", running.end().status == 0
               and home.must("show", "codex", "--json").json["state"] == "active")


if __name__ == "__main__":
    main(two_logins, a_crowd, pasted, in_a_loop, in_the_background, adopting)
