#!/usr/bin/env python3
"""Servers that want to be believed: their texts on the terminal, their URLs in a browser, and secrets where they do not
belong."""
import base64

from place import *

# What a terminal acts upon, or a person misreads.
ODD = "red\x1b[31m\r\nvault: error: forged\u202ecba\u2066\u0007\u009b2J"


def metadata(server, **more):
    return {"issuer": server.base, "authorization_endpoint": server.base + "/authorize",
            "token_endpoint": server.base + "/token", "device_authorization_endpoint": server.base + "/device",
            "code_challenge_methods_supported": ["S256"], **more}


def scripted(routes, **more):
    server = Scripted(routes)
    routes["/.well-known/oauth-authorization-server"] = lambda _: (200, metadata(server, **more))
    return server


def clean(what, outcome, *words):
    """No control character reached the terminal, and no line that the server wrote."""
    forged = [line for line in outcome.err.splitlines() if line.startswith("vault: error: forged")]
    expect(f"{what}: nothing that a terminal acts upon", not controls(outcome.err.replace("\x07", "BEL")) and "\x07" not in outcome.err
           and not forged and outcome.out == "" and all(word in outcome.err for word in words), outcome)


def texts():
    """Error descriptions, codes and names with escape sequences, line breaks and turned-around text."""
    with Home() as home:
        server = scripted({"/token": lambda _: (400, {"error": "invalid_grant", "error_description": ODD})})
        for terminal in (False, True):
            running = home.login("x", server, terminal=terminal)
            url = running.waiting_url()
            answer = urllib.parse.urlencode({"error": "access_denied", "error_description": ODD, "state": query_of(url)["state"]})
            page = get(redirect_of(url) + "?" + answer)
            outcome = running.end()
            clean(f"a refusal {'on a terminal' if terminal else ''}", outcome, "access_denied")
            expect("with exit 5, and nothing of it on the page", outcome.status == 5 and "red" not in page.text, outcome, page.text)
        for code in ("bad\x1b[2J", "access_denied\r\nvault: hint: rm -rf", "x" * 5000):
            running = home.login("x", server)
            url = running.waiting_url()
            get(redirect_of(url) + "?" + urllib.parse.urlencode({"error": code, "state": query_of(url)["state"]}))
            running.signal(signal.SIGTERM)
            clean(f"an error code {code[:8]!r}", running.end())
        running = home.login("x", server)
        url = running.waiting_url()
        get(f"{redirect_of(url)}?code=a&state={query_of(url)['state']}")
        outcome = running.end()
        clean("a token endpoint's refusal", outcome, "invalid_grant")
        for what, answer in (
            ("user code", {"user_code": ODD}), ("verification page", {"verification_uri": "https://a.example/" + ODD}),
            ("complete page", {"verification_uri_complete": "https://a.example/\u202e"}),
            ("error", {"error": "x", "error_description": ODD, "device_code": None}),
            ("error code", {"error": ODD, "device_code": None}),
        ):
            body = {"device_code": "d", "user_code": "ABCD", "verification_uri": "https://a.example/", "expires_in": 2,
                    "interval": 1} | answer
            server = scripted({"/device": lambda _: (400 if "error" in body else 200, body)})
            outcome = home.login("x", server, "--device").end()
            clean(f"device: {what}", outcome)
            expect(f"device: {what}: ended", outcome.status in (5, 9, 10, 78), outcome)
        server = scripted({"/token": lambda _: (401, {"error": "invalid_client", "error_description": ODD})})
        clean("client credentials", home.login("x", server, "--client-credentials").end(), "invalid_client")
        server = scripted({"/token": lambda _: (200, {"access_token": "a\x1b[31mb", "token_type": "Bearer"})})
        clean("a token with an escape", home.login("x", server, "--client-credentials").end())
        claims = base64.urlsafe_b64encode(json.dumps({"email": "me\u202e\x1b]0;x\x07@example.org"}).encode()).decode().rstrip("=")
        token = {"access_token": "at", "token_type": "Bearer", "scope": "read", "id_token": f"e30.{claims}.e30"}
        server = scripted({"/token": lambda _: (200, token)})
        outcome = home.login("x", server, "--client-credentials").end()
        clean("the account's name", outcome)
        for arguments in (["list"], ["show", "x"]):
            shown = home.vault(*arguments)
            expect(f"{arguments[0]}: the account's name", shown.status == 0 and not controls(shown.out + shown.err), shown)
        expect("no such thing was stored", home.names() == ["oauth:x"], home.names())


# bad-inputs.md: URLs on their way to a browser or a fetch.
URLS = [
    "http:$(calc)", 'https://a/?x="&calc', "https://a/`id`", "https://a/|id", "https://a/\nb", "https://a/\u202eb", "-https://a.example",
    "--help", "%action", "https://a.example/ b", "javascript:alert(1)", "data:text/html,x", "file://localhost/etc/passwd",
    "smb://a.example/x", "mailto:a@a.example", "http://localhost.evil/", "http://127.0.0.1@evil/", "http://0x7f.1/",
    "http://evil.example/", "https://user:pw@a.example/", "https://a.example/#fragment", "https://", "https://a b/", "//a.example/x",
    "https://a\\@b.example/", "ftp://a.example/", "",
]


def urls():
    """As the issuer, an endpoint or a verification page: exit 10, no browser, and no connection but to the one server."""
    with Home() as home:
        trace = home.root + "/trace"
        strace = ["strace", "-f", "-e", "trace=connect", "-o", trace]

        def refused(what, url, *arguments, allowed=(), **options):
            outcome = home.vault(*arguments, "--timeout", "1s", prefix=strace, **options)
            with open(trace) as file:
                ports = re.findall(r"sin6?_port=htons\((\d+)\)", file.read())
            expect(f"{what} {url!r}", outcome.status in (10, 64, 78) and not controls(outcome.err) and "vault: error: " in outcome.err
                   and "https://a/?x" not in outcome.out and set(ports) <= {str(port) for port in allowed}, outcome, ports)
            return outcome

        codes = []
        for url in URLS:
            outcome = refused("issuer", url, "login", "x", f"--issuer={url}", "--client-id", "x")
            codes.append(outcome.status)
        expect("nearly all are exit 10", codes.count(10) >= len(codes) - 2, list(zip(URLS, codes)))
        # An address that is right for a request, and wrong for a browser or a token.
        codes = []
        for url in URLS:
            for field in ("auth_url", "token_url"):
                endpoints = {"auth_url": "https://a.invalid/a", "token_url": "https://a.invalid/t", field: url}
                home.settings("y", json.dumps(endpoints | {"client_id": "x"}))
                codes.append((field, url, refused(field, url, "login", "y").status))
        # A settings file holds neither controls nor empty texts, whatever they are for: that is exit 78.
        wrong = {url for _, url, status in codes if status != 10}
        expect("all but three are exit 10", wrong == {"https://a/\nb", "https://a/\u202eb", ""}, wrong)
        for url in URLS:
            answer = {"device_code": "d", "user_code": "ABCD", "verification_uri": url, "expires_in": 2, "interval": 1}
            server = scripted({"/device": lambda _: (200, answer)})
            outcome = home.vault("login", "z", "--issuer", server.issuer, "--client-id", "x", "--device")
            # People are sent to pages with a fragment; requests never are.
            expect(f"verification page {url!r}", "#" in url or outcome.status in (9, 10) and "Waiting" not in outcome.err
                   and server.paths()[-1] == "/device", outcome)
            server = scripted({}, authorization_endpoint=url)
            outcome = home.vault("login", "z", "--issuer", server.issuer, "--client-id", "x", "--timeout", "1s")
            expect(f"metadata's authorization endpoint {url!r}", outcome.status in (10, 78)
                   and "Waiting" not in outcome.err, outcome)
        expect("no browser, and nothing stored", home.browsers() == [] and home.names() == [], home.browsers())
        # An endpoint with a query of its own keeps it; one that names our parameters is refused.
        home.settings("q", json.dumps({"auth_url": "https://a.invalid/a?tenant=1;x=$(id)", "token_url": "https://a.invalid/t",
                                       "client_id": "x"}))
        outcome = home.vault("login", "q", "--timeout", "1s")
        started = home.browsers()
        expect("a query of its own is kept, and nothing a shell acts upon", outcome.status in (5, 10) and all(
            "tenant=1" in url and not set("$();`'\"") & set(url) for url in started), started, outcome)
        for parameter in ("redirect_uri=https://evil.example", "client_id=evil", "state=1"):
            home.settings("q", json.dumps({"auth_url": f"https://a.invalid/a?{parameter}", "token_url": "https://a.invalid/t",
                                           "client_id": "x"}))
            before = len(home.browsers())
            fails(f"an endpoint with {parameter}", home.vault("login", "q", "--timeout", "1s"), 10)
            expect("and no browser", len(home.browsers()) == before)


def canaries():
    """No token, code, verifier or client secret in an argument, an environment, a note, a document or a file."""
    names = ("access", "refresh", "id", "code", "client", "second-access", "second-refresh")
    canary = {name: f"{name}-{os.urandom(16).hex()}" for name in names}
    verifiers = []

    def token(request):
        if request.form["grant_type"] == "authorization_code":
            verifiers.append(request.form["code_verifier"])
            if request.form["code"] != canary["code"]:
                return 400, {"error": "invalid_grant", "error_description": "Invalid authorization code: " + request.form["code"]}
            return granted("")
        if request.form["refresh_token"] == canary["second-refresh"]:
            return 400, {"error": "invalid_grant", "error_description": "Invalid refresh token: " + request.form["refresh_token"]}
        return granted("second-")

    def granted(which):
        return 200, {"access_token": canary[which + "access"], "refresh_token": canary[which + "refresh"],
                     "id_token": "e30.e30." + canary["id"], "token_type": "Bearer", "expires_in": 3600}

    routes = {"/token": token, "/revoke": lambda _: (200, "")}
    server = scripted(routes)
    routes["/.well-known/oauth-authorization-server"] = lambda _: (
        200, metadata(server, revocation_endpoint=server.base + "/revoke"))
    with Home() as home:
        secret = home.file("secret", canary["client"])
        trace = home.root + "/trace"
        strace = ["strace", "-f", "-v", "-s", "100000", "-e", "trace=execve", "-o", trace]

        def look(data, where, but=()):
            data = data if isinstance(data, bytes) else data.encode()
            for what, text in list(canary.items()) + [("verifier", verifier) for verifier in verifiers]:
                core = text.encode()
                forms = [core, core.hex().encode(), base64.b64encode(core)[:-4], base64.b64encode(b"x" + core)[4:-4],
                         base64.b64encode(b"xx" + core)[4:-4]]
                if what not in but and any(form in data for form in forms):
                    expect(f"no {what} in {where}", False)

        def watched(outcome, what, prints=()):
            with open(trace, "rb") as file:
                calls = file.read()
            look(calls, f"the arguments and environments of {what}")
            look(outcome.err, f"the standard error of {what}")
            look(outcome.out, f"the standard output of {what}", prints)
            return outcome

        def login(*arguments, code="code", paste=False):
            running = home.login("x", server, "--client-id", "x", "--client-secret-file", secret, "--scope", "read", *arguments,
                                 prefix=strace, stdin=subprocess.PIPE)
            url = running.waiting_url()
            answer = f"{redirect_of(url)}?code={canary[code]}&state={query_of(url)['state']}"
            if paste:
                running.process.stdin.write((answer + "\n").encode())
                running.process.stdin.flush()
            else:
                look(get(answer).text, "the page")
            return watched(running.end(), "login " + " ".join(arguments))

        expect("a code that the server refuses, and repeats", login(code="id").status == 5)
        expect("logged in", login().status == 0)
        expect("logged in by a pasted answer", login("--json", "-v", "--paste", paste=True).status == 0)
        for arguments, prints in (
            (["token", "x"], ["access"]), (["token", "x", "--refresh", "--json"], ["second-access"]), (["token", "x", "--header", "-v"], ["second-access"]),
            (["token", "x", "--id-token"], ["id"]), (["show", "x"], []), (["show", "x", "--json"], []), (["list", "--json"], []),
            (["status"], []), (["doctor"], []),
        ):
            outcome = watched(home.vault(*arguments, prefix=strace), " ".join(arguments), prints)
            expect(f"{' '.join(arguments)}: ran", outcome.status == 0, outcome)
            expect(f"{' '.join(arguments)}: prints what it is to print", all(canary[name] in outcome.out for name in prints))
        dead = watched(home.vault("token", "x", "--refresh", prefix=strace), "token x --refresh")
        fails("a refresh token that the server refuses, and repeats", dead, 5, "vault login x")
        watched(home.vault("show", "x", "--json", prefix=strace), "show x --json")
        for folder, _, names in os.walk(home.root):
            for name in names:
                path = os.path.join(folder, name)
                if path not in (secret, trace) and os.path.isfile(path):
                    with open(path, "rb") as file:
                        look(file.read(), path)
        expect("logged out", watched(home.vault("logout", "x", "--yes", "--json", "-v", prefix=strace), "logout").status == 0)
        expect("three verifiers, each its own", len(set(verifiers)) == len(verifiers) == 3, verifiers)


def impostor():
    """A server whose metadata names another's token endpoint beside endpoints of its own is not that other server."""
    good = authlib()
    name = good.facts["clients"]["basic"]["secret"]
    with Home() as home:
        secret = home.file("secret", name)
        running = home.start("login", "work", "--issuer", good.issuer, "--client-id", "basic", "--client-secret-file", secret,
                             "--scope", "read")
        get(drive(running.url()))
        expect("logged in at the good one", running.end().status == 0)
        routes = {"/par": lambda _: (201, {"request_uri": "urn:x", "expires_in": 90})}
        evil = scripted(routes, token_endpoint=good.facts["token_endpoint"], require_pushed_authorization_requests=True)
        routes["/.well-known/oauth-authorization-server"] = lambda _: (200, metadata(
            evil, token_endpoint=good.facts["token_endpoint"], require_pushed_authorization_requests=True,
            pushed_authorization_request_endpoint=evil.base + "/par"))
        fails("no client for it", home.vault("login", "work", "--issuer", evil.issuer, "--timeout", "1s"), 78, "--client-id")
        expect("it was asked for its metadata alone", {method for method, *_ in evil.asked} == {"GET"}, evil.asked)
        home.vault("login", "work", "--issuer", evil.issuer, "--client-id", "basic", "--timeout", "1s")
        pushed = [(body, headers) for method, _, body, headers in evil.asked if method == "POST"]
        expect("nor is it shown the secret, or the scope, with the client's name", len(pushed) == 1 and not any(
            "client_secret" in body or "scope" in body or "Authorization" in headers for body, headers in pushed), pushed)


if __name__ == "__main__":
    main(texts, urls, canaries, impostor)
