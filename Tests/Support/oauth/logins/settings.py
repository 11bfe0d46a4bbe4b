#!/usr/bin/env python3
"""Where a login finds what it needs: the user's settings, presets of their own and ours, and parameters of those."""
from place import *


def own_settings():
    """oauth/NAME.yaml in Moat's form is all a login needs; a malformed one is an error with its line."""
    server = authlib()
    with Home() as home:
        home.settings("x", f"auth_url: {server.base}/authorize\ntoken_url: {server.base}/token\nclient_id: public\n"
                           "scopes:\n  - read\n  - write\n")
        running = home.start("login", "x")
        url = running.url()
        expect("its scopes", query_of(url)["scope"] == "read write", url)
        get(drive(url))
        outcome = running.end()
        expect("logged in by the file alone", outcome.status == 0, outcome)
        expect("and no metadata was asked for", server.log("metadata") == [])
        secret = server.facts["clients"]["basic"]["secret"]
        path = home.settings("y", f"auth_url: {server.base}/authorize\ntoken_url: {server.base}/token\nclient_id: basic\n"
                                  f"client_secret: '{secret}'\n")
        running = home.start("login", "y")
        get(drive(running.url()))
        expect("with its client secret", running.end().status == 0 and server.log("token")[-1]["method"] == "client_secret_basic")
        os.chmod(path, 0o644)
        fails("a secret that others can read", home.vault("login", "y"), 10, "chmod 600", path)
        for what, text, words in (
            ("an unknown field", "token_url: https://a.example/t\nclient-id: x\n", ("line 2", "client-id")),
            ("no YAML", "token_url: [\nclient_id: x\n", ("line",)),
            ("a list for a text", "client_id:\n  - a\ntoken_url: https://a.example/t\n", ("line", "client_id")),
            ("a field twice", "client_id: a\nclient_id: b\n", ("line", "client_id")),
            ("a list for a resource's url", "url: [https://mcp.example/mcp]\nclient_id: a\n", ("line 1", "url")),
        ):
            path = home.settings("bad", text)
            fails(f"settings: {what}", home.vault("login", "bad"), 78, path, *words)
        home.settings("bad", "issuer: http://evil.example\nclient_id: x\n")
        fails("settings: plain http", home.vault("login", "bad"), 10)
        home.settings("part", f"issuer: {server.issuer}\nclient_id: nobody\n")
        running = home.start("login", "part", "--client-id", "public")
        expect("an option comes before the file", query_of(running.url())["client_id"] == "public")
        get(drive(running.url()))
        expect("and logs in", running.end().status == 0)


def providers():
    """A preset of the user's; one that nobody knows; one whose client the user must register."""
    server = authlib()
    with Home() as home:
        home.provider("mine", f"title: Mine\nissuer: {server.issuer}\nclient_id: public\nscopes: [read]\n"
                              "redirect: {host: localhost, path: /back}\nauthorization_parameters: {audience: api}\n")
        running = home.start("login", "work", "--provider", "mine")
        query = query_of(running.url())
        expect("the preset's redirect, scope and parameters", query["redirect_uri"].startswith("http://localhost:")
               and query["redirect_uri"].endswith("/back") and query["scope"] == "read" and query["audience"] == "api", query)
        get(drive(running.url()))
        expect("logged in by a preset of the user's", running.end().status == 0)
        expect("which the entry names", home.must("show", "work", "--json").json["provider"] == "mine")
        running = home.start("login", "mine")
        get(drive(running.url()))
        expect("the preset of the entry's own name", running.end().status == 0)
        running = home.start("login", "gone", "--provider", "mine")
        get(drive(running.url()))
        running.end()
        kept = home.configuration + "/providers/mine.yaml"
        os.rename(kept, kept + ".away")
        server.post("/_revoke")
        running = home.start(*home.hinted(home.vault("token", "gone", "--refresh")))
        get(drive(running.url()))
        expect("a hint holds for a provider without a preset", running.end().status == 0)
        os.rename(kept + ".away", kept)
        fails("an unknown provider", home.vault("login", "x", "--provider", "nope"), 4, "nope", "github", "mine")
        for name, page in (("github", "https://github.com/settings/developers"), ("spotify", "https://developer.spotify.com")):
            outcome = home.vault("login", name)
            fails(f"{name} needs a client", outcome, 78, page, f"vault login {name} --client-id")
        fails("nothing says where", home.vault("login", "whatever"), 78, "--provider", "--issuer", "oauth/whatever.yaml")
        home.provider("broken", "title: Broken\nissuer: https://a.example\nscope: [read]\n")
        fails("a malformed preset", home.vault("login", "x", "--provider", "broken"), 78, "broken.yaml", "line 3", "scope")


def parameters():
    """A workspace's host: looked up at its own place, kept for the next login, refused where it leads elsewhere."""
    server = authlib()
    with Home() as home:
        fails("a host is needed", home.vault("login", "dbx", "--provider", "databricks"), 64, "host")
        for host in ("http://evil.example", "https://a.example/path", "https://user@a.example", "a.example\\@b.example",
                     "http://127.0.0.1.evil.example", "https://a.example?x", "https://a b"):
            outcome = home.vault("login", "dbx", "--provider", "databricks", "--host", host)
            expect(f"host {host}: refused", outcome.status in (10, 64) and "error" in outcome.err, outcome)
        running = home.start("login", "dbx", "--provider", "databricks", "--host", server.base)
        url = running.url()
        query = query_of(url)
        expect("databricks-cli, its scopes, the bare origin of localhost", query["client_id"] == "databricks-cli"
               and query["scope"] == "all-apis offline_access" and re.fullmatch(r"http://localhost:\d+", query["redirect_uri"]),
               query)
        expect("metadata below /oidc", [entry["path"] for entry in server.log("metadata")]
               == ["/oidc/.well-known/oauth-authorization-server"])
        get(drive(url))
        outcome = running.end()
        expect("logged in", outcome.status == 0, outcome)
        server.post("/_revoke")
        outcome = home.vault("token", "dbx", "--refresh")
        fails("the grant has ended", outcome, 5, "vault login dbx")
        running = home.start(*home.hinted(outcome), "--paste", stdin=subprocess.PIPE)
        query = query_of(running.url())
        expect("the hinted command is the same login again", query["client_id"] == "databricks-cli"
               and query["scope"] == "all-apis offline_access" and re.fullmatch(r"http://localhost:\d+", query["redirect_uri"]),
               query)
        # As an address bar shows it, typed where the browser is on another machine.
        running.process.stdin.write((drive(running.url()).replace("?", "/?", 1) + "\n").encode())
        running.process.stdin.flush()
        expect("and logs in, by a pasted answer", running.end().status == 0)
        running = home.start("login", "y", "--provider", "generic", "--issuer", server.issuer, "--client-id", "public")
        get(drive(running.url()))
        expect("any issuer by the generic preset", running.end().status == 0)


def hints():
    """Whoever is told to log in again can copy the command."""
    server = authlib()
    with Home() as home:
        server.control(consent="deny")
        running = home.login("x", server, "--scope", "read", "--scope", "a b")
        get(drive(running.url()))
        outcome = running.end()
        fails("denied", outcome, 5, "vault login x")
        server.control(consent="auto")
        running = home.start(*home.hinted(outcome))
        query = query_of(running.url())
        expect("the hint of a first login has its options", query["scope"] == "read a b", outcome.hint)
        get(drive(running.url()))
        expect("and works", running.end().status == 0)
        def expired():
            # One that has no refresh token, and whose access token has run out.
            server.control(faults=[{"kind": "patch", "grant_type": "authorization_code",
                                    "set": {"refresh_token": None, "expires_in": 0}}])
            home.logged_in("x", server)

        for what, change in (("revoked", lambda: server.post("/_revoke")), ("expired", expired)):
            change()
            outcome = home.vault("token", "x", "--refresh")
            fails(f"{what}: token", outcome, 5, "vault login x")
            running = home.start(*home.hinted(outcome))
            get(drive(running.url()))
            expect(f"{what}: the hinted login works", running.end().status == 0)
            expect(f"{what}: and the token is there", home.vault("token", "x").status == 0)
        outcome = home.vault("logout", "x")
        fails("logout with nobody to ask", outcome, 3)
        again = home.vault(*home.hinted(outcome))
        expect("the hinted logout works", again.status == 0 and home.names() == [], again)
        outcome = home.vault("login", "x", "--issuer", "https://a.example", "--client-id", "x", "--device", "--browser")
        fails("a contradiction", outcome, 64, "contradict")


def other_server():
    """Endpoints, client and secret of a file go to the file's server and client, whatever options name."""
    server, other = authlib(), authlib()
    secret = server.facts["clients"]["basic"]["secret"]
    ends = {"auth_url": server.facts["authorization_endpoint"], "token_url": server.facts["token_endpoint"]}
    with Home() as home:
        file = home.file("secret", secret)
        mine = {"client_id": "basic", "client_secret": secret}
        for what, settings in (("the issuer", {"issuer": server.issuer}), ("both endpoints", ends),
                               ("the token endpoint", {"token_url": ends["token_url"]}), ("a provider", {"provider": "github"})):
            home.settings("x", json.dumps(settings | mine))
            outcome = home.vault("login", "x", "--issuer", other.issuer, "--timeout", "1s")
            # That server registers clients, so the login goes on: with a client of its own, not with the file's.
            fails(f"{what} in the file, --issuer", outcome, 5, "another server")
            expect(f"{what}: the file's client is not shown there", "client_id=basic" not in outcome.err, outcome)
            # A client of one's own for that other server: everything goes there.
            running = home.start("login", "x", "--issuer", other.issuer, "--client-id", "basic", "--client-secret-file", file)
            url = running.url()
            expect(f"{what}: the login is at the issuer that was named", url.startswith(other.base + "/"), url)
            get(drive(url))
            outcome = running.end()
            expect(f"{what}: and so is the exchange", outcome.status == 0 and server.log("token") == []
                   and other.log("token")[-1]["outcome"] == "granted", outcome)
            home.must("remove", "x", "--yes")
        home.settings("x", json.dumps({"issuer": server.issuer} | mine))
        running = home.start("login", "x", "--client-id", "public")
        get(drive(running.url()))
        asked = (running.end(), server.log("token")[-1])
        expect("another client is not shown the secret", asked[0].status == 0 and not asked[1]["has_authorization"]
               and "client_secret" not in asked[1]["parameters"], *asked)
        running = home.start("login", "x", "--issuer", server.issuer)
        get(drive(running.url()))
        asked = (running.end(), server.log("token")[-1])
        expect("the file's own issuer, named: everything is used", asked[0].status == 0
               and asked[1]["method"] == "client_secret_basic", *asked)
        for timeout in ("0s", "25h", "9223372036854775807s", "-1s", "x"):
            fails(f"--timeout {timeout}", home.vault("login", "x", f"--timeout={timeout}"), 64, "timeout")


def presets():
    """Every preset that needs no server's metadata sends a browser away with S256, and says no more of PKCE than is so."""
    lists = ("gitlab", "google", "huggingface")
    others = ("atlassian", "dropbox", "github", "linear", "microsoft", "notion", "openai", "slack", "spotify")
    with Home() as home:
        for name in lists + others:
            running = home.start("login", name, "--client-id", "x", "--browser")
            query = query_of(running.waiting_url())
            running.signal(signal.SIGTERM)
            outcome = running.end()
            expect(f"{name}: S256", query["code_challenge_method"] == "S256" and outcome.status == 143, outcome)
            expect(f"{name}: a note on PKCE where it is not listed", ("supports PKCE" in outcome.err) == (name in others), outcome)
        outcome = home.vault("login", "databricks", "--host", "127.0.0.1:1")
        expect("databricks: metadata is read first", outcome.status in (9, 10), outcome)


def same_name():
    """An entry keeps the server it was granted by, though a preset has its name."""
    server = authlib()
    with Home() as home:
        home.logged_in("github", server)
        running = home.start("login", "github")
        expect("the entry's own server", running.url().startswith(server.base + "/"), running.shown)
        get(drive(running.url()))
        expect("and logged in", running.end().status == 0)
        fails("the preset, if it is named", home.vault("login", "github", "--provider", "github"), 78, "GitHub", "--client-id")


if __name__ == "__main__":
    main(own_settings, providers, parameters, hints, other_server, presets, same_name)
