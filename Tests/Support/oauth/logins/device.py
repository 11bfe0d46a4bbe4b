#!/usr/bin/env python3
"""Logins that are confirmed on another device, and those that need no person at all."""
import ssl

from place import *

POLL = "urn:ietf:params:oauth:grant-type:device_code"


def polls(server):
    return [entry["outcome"] for entry in server.log("token", grant_type=POLL)]


def until_polled(server, times):
    """Waits until the server was asked so often."""
    deadline = time.monotonic() + PATIENCE
    while len(polls(server)) < times and time.monotonic() < deadline:
        pass


def confirmed():
    """The code and the page on standard error; one answer that grants, and no question after it."""
    server = authlib()
    server.control(device_interval=1, device_enforce_interval=True)
    with Home() as home:
        running = home.login("x", server, "--device")
        page = running.url()
        running.shows("Waiting for the login")
        code = server.state()["user_codes"][0]
        lines = [line.strip() for line in running.shown.splitlines()]
        expect("code, page, and page with the code, each alone on its line",
               code in lines and page in lines and any(code in line and line.startswith("http") for line in lines), lines)
        expect("15 minutes at most", "15 minutes" in running.shown, running.shown)
        expect("no browser", home.browsers() == [])
        until_polled(server, 1)
        server.post("/_device/approve", user_code=code)
        outcome = running.end()
        asked = polls(server)
        expect("logged in, with one grant, asked for last", outcome.status == 0 and outcome.out == ""
               and asked[-1] == "granted" and set(asked[:-1]) == {"authorization_pending"}, outcome, asked)
        expect("never faster than the server wants", "slow_down" not in asked)
        token = home.must("token", "x").out.strip()
        expect("the token is good", requests.get(server.facts["resource"], headers={"Authorization": f"Bearer {token}"}).ok)
        fresh = home.vault("token", "x", "--refresh")
        expect("and is refreshed", fresh.status == 0 and fresh.out.strip() != token, fresh)


def slowed_down():
    """`slow_down` adds five seconds for good, and the code on a terminal is also a picture."""
    server = authlib()
    server.control(device_interval=1, device_slow_down=1)
    with Home() as home:
        running = home.login("x", server, "--device", terminal=True)
        running.shows("Waiting for the login")
        picture = [line for line in running.shown.splitlines() if set(line.strip()) & set("█▀▄")]
        expect("a picture on a terminal", len(picture) >= 12 and len({len(line.rstrip()) for line in picture}) <= 2,
               running.shown)
        until_polled(server, 1)
        server.post("/_device/approve", user_code=server.state()["user_codes"][0])
        outcome = running.end()
        log = [entry["monotonic"] for entry in server.log("token", grant_type=POLL)]
        asked = polls(server)
        expect("slow_down, then the grant, six seconds later", outcome.status == 0 and asked == ["slow_down", "granted"]
               and 5.9 <= log[1] - log[0] < 20, asked, log)
        plain = home.login("y", server, "--device", terminal=True, NO_COLOR="1")
        plain.shows("Waiting for the login")
        expect("no picture with NO_COLOR", not set(plain.shown) & set("█▀▄"), plain.shown)
        plain.type("\x03")
        fails("Ctrl-C", plain.end(), 130)
        expect("one was stored", home.names() == ["oauth:x"])


def refused():
    """A denial, a code that runs out, and --timeout: exit 5, and nobody asks the server any more."""
    server = authlib()
    server.control(device_interval=1)
    with Home() as home:
        running = home.login("x", server, "--device")
        running.shows("Waiting for the login")
        server.post("/_device/approve", user_code=server.state()["user_codes"][0], approve=False)
        outcome = running.end()
        fails("denied", outcome, 5, "denied")
        asked = polls(server)
        expect("asked no more after the answer", asked[-1] == "access_denied"
               and set(asked[:-1]) <= {"authorization_pending"}, asked)
        expect("the hint is the command", outcome.hint.endswith(
            f"vault login x --issuer {server.issuer} --client-id public --device"), outcome.hint)
        server.control(device_lifetime=2)
        before = len(polls(server))
        outcome = home.login("x", server, "--device").end()
        fails("expired", outcome, 5, "within 2 s")
        expect("asked within the two seconds only", len(polls(server)) - before <= 2, polls(server)[before:])
        server.control(device_lifetime=900)
        outcome = home.login("x", server, "--device", "--timeout", "1s").end()
        fails("--timeout", outcome, 5, "within 1 s")
        expect("nothing stored", home.names() == [])
        server.control(metadata={"device_authorization_endpoint": None})
        fails("no device endpoint", home.login("x", server, "--device").end(), 78, "--device-url")
        running = home.login("x", server, "--device", "--device-url", server.facts["device_authorization_endpoint"])
        running.shows("Waiting for the login")
        server.post("/_device/approve", user_code=server.state()["user_codes"][-1])
        expect("--device-url", running.end().status == 0)


def openai():
    """`vault login codex --provider openai --device` speaks Codex's own device flow to auth.openai.com, as a proxy on
    this machine plays it, with a certificate of its own."""
    with Home() as home:
        key, certificate = home.root + "/tls.key", home.root + "/tls.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-keyout", key, "-out", certificate, "-subj", "/CN=auth.openai.com",
             "-addext", "subjectAltName=DNS:auth.openai.com"], check=True, capture_output=True)
        answers = iter([(403, {}), (404, ""), (200, {"authorization_code": "code-1", "code_verifier": "v" * 43})])
        server = Scripted({
            "/api/accounts/deviceauth/usercode": lambda _: (200, {
                "device_auth_id": "dev-1", "user_code": "ABCD-1234", "interval": "1"}),
            "/api/accounts/deviceauth/token": lambda _: next(answers),
            "/oauth/token": lambda _: (200, {"access_token": "at-1", "refresh_token": "rt-1", "token_type": "Bearer",
                                             "expires_in": 3600}),
        })
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        connected = []

        def pass_on(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass
            finally:
                target.close()

        def serve(connection):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            connected.append(head.split()[1].decode())
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            inner = context.wrap_socket(connection, server_side=True)
            behind = socket.create_connection(("127.0.0.1", server.port))
            threading.Thread(target=pass_on, args=(behind, inner), daemon=True).start()
            pass_on(inner, behind)

        def accept():
            while True:
                threading.Thread(target=serve, args=(proxy.accept()[0],), daemon=True).start()

        proxy = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=accept, daemon=True).start()
        running = home.start("login", "codex", "--provider", "openai", "--device", "--ca-file", certificate,
                             HTTPS_PROXY=f"http://127.0.0.1:{proxy.getsockname()[1]}")
        outcome = running.end()
        expect("logged in by Codex's flow", outcome.status == 0, outcome, server.paths())
        expect("at its page, with its code", "https://auth.openai.com/codex/device" in outcome.err and "ABCD-1234" in outcome.err)
        expect("nowhere but at auth.openai.com", set(connected) == {"auth.openai.com:443"}, connected)
        device = "/api/accounts/deviceauth"
        expect("two were pending, the third had the code",
               server.paths() == [f"{device}/usercode"] + [f"{device}/token"] * 3 + ["/oauth/token"], server.paths())
        form = urllib.parse.parse_qs(server.asked[-1][2]) if server.asked else {}
        expect("the code's redirect is Codex's", form.get("redirect_uri") == ["https://auth.openai.com/deviceauth/callback"]
               and form.get("client_id") == ["app_EMoamEEZ73f0CkXaXp7hrann"] and form.get("code_verifier") == ["v" * 43], form)
        expect("stored", home.must("token", "codex").out == "at-1\n")


def client_credentials():
    """Nobody is asked; each way to authenticate; and a renewal is another request."""
    server = authlib()
    with Home() as home:
        clients = server.facts["clients"]
        secret = home.file("secret", clients["basic"]["secret"])
        pem = home.file("key.pem", clients["signing"]["pem"])
        for client, options in (
            ("basic", ["--client-secret-file", secret]),
            ("post", ["--client-secret-file", secret, "--client-auth", "client_secret_post"]),
            ("signing", ["--client-key-file", pem]),
        ):
            done = home.vault("login", client, "--issuer", server.issuer, "--client-id", client, "--client-credentials",
                              "--scope", "read", *options)
            expect(f"{client}: logged in", done.status == 0 and done.out == "", done)
            method = clients[client]["method"]
            expect(f"{client}: authenticated by {method}", server.log("token")[-1]["method"] == method, server.log("token")[-1])
            first = home.must("token", client).out.strip()
            expect(f"{client}: the token is good",
                   requests.get(server.facts["resource"], headers={"Authorization": f"Bearer {first}"}).ok)
            fresh = home.vault("token", client, "--refresh")
            last = server.log("token")[-1]
            expect(f"{client}: renewed by asking again", fresh.status == 0 and fresh.out.strip() != first
                   and last["grant_type"] == "client_credentials" and last["method"] == method
                   and last["values"].get("scope") == ["read"], fresh, last)
            shown = home.must("show", client, "--json").json
            expect(f"{client}: no refresh token, and none is missed", not shown["has_refresh_token"]
                   and shown["grant_type"] == "client_credentials", shown)
            expect(f"{client}: no secret in what is shown", clients["basic"]["secret"] not in json.dumps(shown)
                   and "PRIVATE KEY" not in json.dumps(shown))
        again = home.vault("login", "signing")
        expect("by name alone the same again", again.status == 0 and server.log("token")[-1]["method"] == "private_key_jwt"
               and server.log("token")[-1]["grant_type"] == "client_credentials", again)
        expect("no browser", home.browsers() == [])
        wrong = home.file("wrong", "not the secret")
        fails("a wrong secret", home.vault("login", "y", "--issuer", server.issuer, "--client-id", "basic",
              "--client-credentials", "--client-secret-file", wrong), 78, "invalid_client")
        broken = home.file("broken.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        fails("no key in the file", home.vault("login", "y", "--issuer", server.issuer, "--client-id", "signing",
              "--client-credentials", "--client-key-file", broken), 78)
        expect("nothing more stored", home.names() == ["oauth:basic", "oauth:post", "oauth:signing"], home.names())


def bound():
    """DPoP: tokens that are worth nothing without the vault's key, with the server's nonces."""
    server = authlib()
    with Home() as home:
        server.control(dpop_nonce=True)
        home.logged_in("x", server, "--dpop")
        plain = home.vault("token", "x")
        fails("the token alone", plain, 10, "--dpop METHOD URL", "vault proxy x")
        fails("as a header", home.vault("token", "x", "--header"), 10, "--dpop METHOD URL")
        fails("as JSON", home.vault("token", "x", "--json"), 10, "--dpop METHOD URL")

        def ask(*more, query=""):
            done = home.must("token", "x", "--dpop", "GET", server.facts["resource"] + query, *more)
            fields = dict(line.split(": ", 1) for line in done.lines)
            return fields, requests.get(server.facts["resource"], headers=fields)

        server.control(dpop_nonce=False)
        fields, answer = ask()
        expect("both headers", list(fields) == ["Authorization", "DPoP"] and fields["Authorization"].startswith("DPoP "), fields)
        expect("the server takes them", answer.status_code == 200, answer.headers)
        expect("once", requests.get(server.facts["resource"], headers=fields).status_code == 401)
        expect("and not as a Bearer token", requests.get(server.facts["resource"], headers={
            "Authorization": "Bearer " + fields["Authorization"].split()[1]}).status_code == 401)
        expect("a new proof for the next", ask()[1].status_code == 200)
        expect("whatever the query holds", ask(query="?$filter=a#part")[1].status_code == 200)
        server.control(dpop_nonce=True)
        refused = ask()[1]
        expect("it wants a nonce", refused.status_code == 401 and "DPoP-Nonce" in refused.headers, refused.headers)
        answer = ask("--nonce", refused.headers["DPoP-Nonce"])[1]
        expect("with its nonce", answer.status_code == 200, answer.headers)
        server.post("/_nonce")
        before = home.must("show", "x", "--reveal", "--json").json
        fresh = home.vault("token", "x", "--refresh", "--dpop", "GET", server.facts["resource"])
        after = home.must("show", "x", "--reveal", "--json").json
        asked = [entry["outcome"] for entry in server.log("token", grant_type="refresh_token")]
        expect("refreshed with the server's nonce, asked for once", fresh.status == 0
               and asked == ["use_dpop_nonce", "granted"] and before["refresh_token"] != after["refresh_token"], fresh, asked)
        running = home.start("login", "x")
        get(drive(running.url()))
        expect("a new login by name alone", running.end().status == 0)
        fails("is bound as the old one was", home.vault("token", "x"), 10, "--dpop")
        gone = home.vault("logout", "x", "--yes", "--json")
        expect("logged out", gone.status == 0 and gone.json["revocation"] == "revoked", gone)


def pushed():
    """A server that wants the request beforehand: the browser's URL holds a reference and nothing else."""
    server = authlib()
    server.control(require_par=True)
    with Home() as home:
        running = home.login("x", server, "--scope", "read")
        url = running.url()
        expect("a reference in the URL", sorted(query_of(url)) == ["client_id", "request_uri"], url)
        get(drive(url))
        outcome = running.end()
        seen = server.log("par")[0]
        expect("pushed, and logged in", outcome.status == 0 and seen["outcome"] == "ok"
               and "code_challenge" in seen["parameters"] and "redirect_uri" in seen["parameters"], outcome, seen)
        secret = home.file("secret", server.facts["clients"]["basic"]["secret"])
        running = home.start("login", "y", "--issuer", server.issuer, "--client-id", "basic", "--client-secret-file", secret)
        get(drive(running.url()))
        expect("by a client with a secret too", running.end().status == 0 and server.log("par")[-1]["method"] == "client_secret_basic")


def again():
    """A second login by name alone: in the first one's way, and by what the server says of itself now."""
    server = authlib()
    server.control(device_interval=1)

    def confirm(running):
        running.shows("Waiting for the login")
        server.post("/_device/approve", user_code=server.state()["user_codes"][-1])
        return running.end()

    with Home() as home:
        expect("by a code", confirm(home.login("x", server, "--device", "--scope", "read")).status == 0)
        before = len(server.log("device_authorization"))
        outcome = confirm(home.start("login", "x"))
        asked = server.log("device_authorization")
        expect("by a code again, for the same scope", outcome.status == 0 and len(asked) == before + 1
               and asked[-1]["values"]["scope"] == ["read"] and home.browsers() == [], outcome, asked[-1])
        server.post("/_revoke")
        outcome = home.vault("token", "x", "--refresh")
        fails("the grant has ended", outcome, 5, "vault login x")
        expect("the hinted command asks by a code too", confirm(home.start(*home.hinted(outcome))).status == 0
               and home.browsers() == [])
        running = home.start("login", "x", "--browser")
        get(drive(running.url()))
        expect("--browser is another way", running.end().status == 0)
        running = home.start("login", "x")
        expect("and the way from then on", "code_challenge" in query_of(running.url()))
        get(drive(running.url()))
        running.end()
        server.control(metadata={"device_authorization_endpoint": None})
        url = server.facts["device_authorization_endpoint"]
        expect("--device-url", confirm(home.login("y", server, "--device", "--device-url", url)).status == 0)
        expect("is kept", confirm(home.start("login", "y")).status == 0)
        server.control(metadata={})
        port = free_port()
        running = home.login("z", server, "--port", str(port))
        get(drive(running.url()))
        running.end()
        # What the server wants now, it says in its metadata.
        server.control(require_par=True)
        running = home.start("login", "z")
        url = running.url()
        expect("pushed where the server wants that now", sorted(query_of(url)) == ["client_id", "request_uri"], url)
        callback = drive(url)
        expect("to the port it had", urllib.parse.urlsplit(callback).port == port, callback)
        get(callback)
        expect("and logged in", running.end().status == 0)
        server.control(require_par=False)
        running = home.start("login", "z", "--timeout", "20s")
        callback = drive(running.waiting_url())
        parts = [part for part in callback.split("?")[1].split("&") if not part.startswith("iss=")]
        answer = get(callback.split("?")[0] + "?" + "&".join(parts))
        expect("an answer without iss is refused", answer.status_code == 400, answer.text)
        get(callback)
        expect("one with it is taken", running.end().status == 0)
        home.provider("old", f"title: Old\nissuer: {server.issuer}\nclient_id: public\n")
        server.control(metadata={"code_challenge_methods_supported": None})
        fails("a preset's server that lists no PKCE", home.vault("login", "p", "--provider", "old"), 10, "--pkce-unadvertised")
        for arguments in (("--provider", "old", "--pkce-unadvertised"), ()):
            running = home.start("login", "p", *arguments)
            get(drive(running.url()))
            outcome = running.end()
            expect(f"is taken with the option, and the next time {arguments}", outcome.status == 0
                   and "does not say that it supports PKCE" in outcome.err, outcome)
        running = home.login("q", server)
        get(drive(running.url()))
        outcome = running.end()
        expect("whoever names the issuer vouches for it", outcome.status == 0 and "supports PKCE" in outcome.err, outcome)


def secret_for_key():
    """The way a client proves itself is the one that is given now."""
    server = authlib()
    clients = server.facts["clients"]
    with Home() as home:
        pem = home.file("client.pem", clients["signing"]["pem"])
        done = home.vault("login", "x", "--issuer", server.issuer, "--client-id", "signing", "--client-key-file", pem,
                          "--client-credentials")
        expect("by a key", done.status == 0 and server.log("token")[-1]["method"] == "private_key_jwt", done)
        secret = home.file("secret", "x")
        home.vault("login", "x", "--client-secret-file", secret)
        asked = server.log("token")[-1]
        expect("then by a secret, as it is given", asked["has_authorization"] and "client_assertion" not in asked["parameters"],
               asked)


if __name__ == "__main__":
    main(confirmed, slowed_down, refused, openai, client_credentials, bound, pushed, again, secret_for_key)
