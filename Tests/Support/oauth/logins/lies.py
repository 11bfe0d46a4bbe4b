#!/usr/bin/env python3
"""MCP servers that lie about themselves, that register something else than was asked, and that are older than metadata."""
import base64
import gzip

from hostile import URLS
from mcp_place import *

# Not told apart by cli.md: an answer that nobody can use is the server's trouble, its configuration, or unsafe.
UNUSABLE = (9, 10, 78)


def without_repeats(steps):
    """A server in trouble may be asked again; that is not another request."""
    return [step for number, step in enumerate(steps) if number == 0 or steps[number - 1] != step]


def stopped(what, home, liar, statuses, requests_made, *words, arguments=(), others=()):
    """The login ended before it registered or printed a URL, and asked for nothing more than it says here."""
    outcome = home.vault("login", "x", "--url", liar.base + "/mcp", "--no-browser", "--timeout", "5s", *arguments)
    statuses = statuses if isinstance(statuses, tuple) else (statuses,)
    urls = [line for line in outcome.err.splitlines() if re.match(r"https?://", line)]
    holds = outcome.status in statuses and urls == [] and outcome.out == "" and not controls(outcome.err) \
        and sum(line.startswith("vault: error: ") for line in outcome.err.splitlines()) == 1 and all(word in outcome.err for word in words)
    expect(f"{what}: exit {outcome.status}, before any URL", holds, outcome, f"expected {statuses} {words}")
    if requests_made is not None:
        asked = without_repeats(liar.requests())
        expect(f"{what}: asked for {len(requests_made)}", asked == requests_made
               and len(liar.requests()) <= len(asked) + 5, liar.requests())
    for other in others:
        expect(f"{what}: and nobody else", other.requests() == [], other.requests())
    if not arguments and requests_made and not any("POST" in step for step in requests_made):
        liar.asked.clear()
        told = home.vault("discover", liar.base + "/mcp", "--json")
        steps = ["GET " + urllib.parse.urlsplit(step["url"]).path for step in told.json["steps"]]
        expect(f"{what}: discover tells every step", [step for step in steps if step in liar.requests()] == liar.requests()
               and not controls(told.out + told.err) and bool(told.json["error"]) == (told.status != 0), told, liar.requests())
    return outcome


def begins(what, home, liar, arguments=(), url="/mcp"):
    """The counter-check: the login goes as far as the browser; returns the URL's query and what was on standard error."""
    running = start_login(home, "y", liar.base + url, *arguments)
    try:
        query = query_of(running.url())
    except RuntimeError as error:
        expect(f"{what}: works", False, error, liar.requests())
        return {}, ""
    redirected(running)
    outcome = running.end()
    expect(f"{what}: works", outcome.status == 0, outcome, liar.requests())
    return query, outcome.err


def lies():
    with Home() as home:
        other = Liar({"*": [{"status": 500}]})

        # oauth-client.md 3: the resource is the URL asked for, or a same-origin parent by whole path segments.
        for resource in ("https://other.example/mcp", other.base + "/mcp", "{base}/mcp2", "{base}/mc", "{base}/mcp/sub", "{base}/MCP",
                         "{base}/mcp?x=1", "{base}/mcp#x", "http://a@127.0.0.1/mcp", "", 7):
            liar = Liar(honest())
            liar.answers[PROTECTED + "/mcp"] = [{"body": {"resource": resource, "authorization_servers": [other.base]}}]
            statuses = 10 if resource not in ("", 7) else UNUSABLE
            stopped(f"the resource {resource!r}", home, liar, statuses, FOUND[:2], others=[other])
        for path, resource in (("/mcp", "/mcp"), ("/mcp", ""), ("/mcp", "/"), ("/mcp/", "/mcp"), ("/a/b/mcp", "/a/b"), ("/a/b/mcp", "/a/"),
                               ("/mcp?x=1", "/mcp?x=1"), ("/mcp?x=1", "/mcp"), ("", ""), ("", "/"), ("/", "")):
            liar = Liar(honest() | {"*": [challenge("Bearer")]})
            place = PROTECTED + path.partition("?")[0].removesuffix("/" if path == "/" else "no")
            liar.answers[place] = [{"body": {"resource": "{base}" + resource, "authorization_servers": ["{base}"]}}]
            query, _ = begins(f"{path!r} of the resource {resource!r}", home, liar, url=path)
            form = form_of(liar.of("/token")[-1]) if liar.of("/token") else {}
            expect(f"{path!r} of the resource {resource!r}: one string everywhere", query.get("resource") == form.get("resource")
                   and query.get("resource") == liar.base + resource, query, form)
        liar = Liar(honest())
        liar.answers[PROTECTED + "/a/b/mcp"] = [{"body": {"resource": "{base}/a/bc", "authorization_servers": ["{base}"]}}]
        liar.answers["*"] = [challenge("Bearer")]
        outcome = home.vault("login", "x", "--url", liar.base + "/a/b/mcp", "--no-browser", "--timeout", "5s")
        expect("half a segment is no parent", outcome.status == 10 and len(liar.requests()) == 2, outcome, liar.requests())

        # 5: the issuer, byte for byte.
        for issuer in ("{base}/", "https://evil.example", "{BASE}", "{base}?", "{base}#", other.base, "", None):
            liar = Liar({})
            liar.answers = honest(issuer=issuer and issuer.replace("{BASE}", liar.base.upper()))
            stopped(f"the issuer {issuer!r}", home, liar, 10 if issuer else UNUSABLE, FOUND, others=[other])

        # 7: endpoints.
        for member in ("authorization_endpoint", "token_endpoint", "registration_endpoint"):
            for url in ("http://evil.example/x", "http://10.0.0.1/x", "http://169.254.169.254/latest", "http://localhost.evil/x",
                        "http://127.0.0.1@evil.example/x", "https://user:pw@a.example/x", "https://a.example/#x",
                        "javascript:alert(1)", "file:///etc/passwd"):
                stopped(f"{member} {url}", home, Liar(honest(**{member: url})), 10, FOUND)
        for url in ("http://evil.example", "ftp://a.example", "https://a@b.example", "http://10.0.0.1"):
            liar = Liar(honest())
            liar.answers[PROTECTED + "/mcp"] = [{"body": {"resource": "{base}/mcp", "authorization_servers": [url]}}]
            stopped(f"the authorization server {url}", home, liar, 10, FOUND[:2])
            liar = Liar(honest())
            liar.answers["GET /mcp"] = [challenge(f'Bearer resource_metadata="{url}/x"')]
            stopped(f"the resource's metadata at {url}", home, liar, 10, FOUND[:1])
        liar = Liar(honest())
        liar.answers[PROTECTED + "/mcp"] = [{"body": {"resource": "{base}/mcp", "authorization_servers": []}}]
        stopped("no authorization server", home, liar, (10, 78), FOUND[:2])

        # 6: PKCE.
        for methods in (["plain"], [], ["s256"]):
            stopped(f"PKCE by {methods}", home, Liar(honest(code_challenge_methods_supported=methods)), 10, FOUND, "S256")
        stopped("no word of PKCE", home, Liar(honest(code_challenge_methods_supported=None)), 10, FOUND, "--pkce-unadvertised")
        query, _ = begins("no word of PKCE, with --pkce-unadvertised", home, Liar(honest(code_challenge_methods_supported=None)),
                          ["--pkce-unadvertised"])
        expect("S256 all the same", query.get("code_challenge_method") == "S256", query)

        # 4: what ends the search, and what does not.
        for status in (500, 503):
            liar = Liar(honest())
            liar.answers[PROTECTED + "/mcp"] = [{"status": status}]
            stopped(f"{status} for the resource's metadata", home, liar, 9, FOUND[:2])
            stopped(f"{status} for the server's metadata", home, Liar(honest() | {SERVER: [{"status": status}]}), 9, FOUND)
        stopped("no answer for the server's metadata", home, Liar(honest() | {SERVER: [{"drop": True}]}), 9, FOUND)
        for what, answer in (
            ("malformed JSON", {"body": "{"}), ("HTML", {"body": "<html>", "headers": {"Content-Type": "text/html"}}),
            ("a list", {"body": []}), ("a word", {"body": '"x"'}), ("more than 1 MiB", honest()[SERVER][0] | {"padding": 1 << 20}),
            ("100,000 brackets", {"body": "[" * 100000}), ("33 deep", {"body": '{"a":' * 33 + "1" + "}" * 33}),
            ("a member twice", {"body": '{"issuer":"{base}","issuer":"{base}"}'}), ("nothing", {"body": ""}),
        ):
            stopped(f"the server's metadata is {what}", home, Liar(honest() | {SERVER: [answer]}), UNUSABLE, FOUND)
            stopped(f"the resource's metadata is {what}", home, Liar(honest() | {PROTECTED + "/mcp": [answer]}), UNUSABLE, FOUND[:2])
        odd = "red\x1b[31m\r\nvault: error: forged\u202e"
        stopped("an issuer that a terminal acts upon", home, Liar(honest(issuer=odd)), UNUSABLE, FOUND)

        # 1 and 2: the challenge.
        liar = Liar(honest())
        liar.answers["GET /mcp"] = [challenge('Bearer resource_metadata="{base}/elsewhere"')]
        stopped("metadata that is not where the challenge says", home, liar, UNUSABLE, ["GET /mcp", "GET /elsewhere"])
        for fields in (['Bearer scope="a", scope="b"'], ['Bearer error="a", error="b", scope="a"']):
            liar = Liar(honest() | {"GET /mcp": [challenge(*fields)]})
            stopped(f"the challenge {fields}", home, liar, UNUSABLE, ["GET /mcp"])
        for fields in (
            ['Basic realm="x", Bearer error_description="need scope=admin", scope="ok"'],
            ['Basic realm="x, Bearer scope=admin"', 'bEaReR SCOPE="ok"'], ['Bearer realm="a \\" scope=admin", scope = "ok"'],
        ):
            liar = Liar(honest() | {"GET /mcp": [challenge(*fields)]})
            query, _ = begins(f"the challenge {fields}", home, liar)
            expect(f"the challenge {fields}: its scope", query.get("scope") == "ok", query)
        liar = Liar(honest() | {"GET /mcp": [challenge("Bearer")]})
        liar.answers[PROTECTED] = liar.answers.pop(PROTECTED + "/mcp")
        begins("metadata at the root only", home, liar)
        expect("after the path's own", liar.requests()[:4] == ["GET /mcp", f"GET {PROTECTED}/mcp", f"GET {PROTECTED}", f"GET {SERVER}"],
               liar.requests())
        for found in (f"{SERVER}/t", f"{CONNECT}/t", f"/t{CONNECT}"):
            liar = Liar(honest(issuer="{base}/t"))
            liar.answers[PROTECTED + "/mcp"] = [{"body": {"resource": "{base}/mcp", "authorization_servers": ["{base}/t"]}}]
            liar.answers[found] = liar.answers[SERVER]
            places = [f"{SERVER}/t", f"{CONNECT}/t", f"/t{CONNECT}"]
            begins(f"an issuer with a path, metadata at {found}", home, liar)
            looked = [step for step in liar.requests()[2:] if step.startswith("GET ")]
            expect("asked in order, and never the root", looked == ["GET " + place for place in places[:places.index(found) + 1]],
                   liar.requests())
        liar = Liar(honest())
        liar.answers[CONNECT] = liar.answers.pop(SERVER)
        begins("OpenID Connect's metadata alone", home, liar)

        expect("nothing was stored but by logins that went through", home.names() == ["oauth:y"], home.names())


def redirects():
    """Discovery follows three, at its own origin; what carries secrets follows none."""
    with Home() as home:
        other = Liar(honest())
        for place, path, asked in (
            ("the resource", "GET /mcp", 1), ("the resource's metadata", PROTECTED + "/mcp", 2), ("the server's metadata", SERVER, 3)
        ):
            for target in (other.base + "/mcp", "https://evil.example/", "http://localhost:{port}/x", "//evil.example/x",
                           "file:///etc/passwd"):
                liar = Liar(honest())
                liar.answers[path] = [{"status": 302, "headers": {"Location": target.replace("{port}", str(liar.port))}}]
                stopped(f"{place} redirects to {target}", home, liar, 10, FOUND[:asked], others=[other])
            for hops in (3, 4):
                liar = Liar(honest())
                final = liar.answers[path]
                chain = [path.split()[-1]] + [f"/hop{number}" for number in range(1, hops + 1)]
                for here, there in zip(chain, chain[1:]):
                    liar.answers[path if here == chain[0] else here] = [{"status": 307, "headers": {"Location": there}}]
                liar.answers[chain[-1]] = final
                if hops == 3:
                    begins(f"{place}: three redirects", home, liar)
                else:
                    stopped(f"{place}: four redirects", home, liar, UNUSABLE, FOUND[:asked] + [f"GET /hop{n}" for n in (1, 2, 3)])
        for status in (302, 307, 308):
            liar = Liar(honest() | {"POST /register": [{"status": status, "headers": {"Location": other.base + "/register"}}]})
            stopped(f"the registration redirects with {status}", home, liar, UNUSABLE, FOUND + ["POST /register"], others=[other])
            liar = Liar(honest() | {"POST /token": [{"status": status, "headers": {"Location": other.base + "/token"}}]})
            running = start_login(home, "x", liar.base + "/mcp")
            redirected(running)
            outcome = running.end()
            expect(f"the token endpoint redirects with {status}: not followed", outcome.status != 0 and other.requests() == []
                   and liar.requests()[-1] == "POST /token", outcome, other.requests())


def registrations():
    """What a server makes of a registration is judged before the browser opens."""
    with Home() as home:
        asked = FOUND + ["POST /register"]

        def registering(*answers, **metadata):
            return Liar(honest(**metadata) | {"POST /register": list(answers)})

        begins("201", home, registering({"status": 201, "echo": {"client_id": "a"}}))
        liar = registering({"status": 200, "echo": {"client_id": "a"}})
        query, _ = begins("200", home, liar)
        expect("200: its client", query.get("client_id") == "a" and form_of(liar.of("/token")[-1]).get("client_id") == "a", query)

        for what, echo in (
            ("another redirect", {"redirect_uris": ["https://evil.example/callback"]}),
            ("another port", {"redirect_uris": ["http://127.0.0.1:1/callback"]}),
            ("no redirect", {"redirect_uris": []}), ("another path", {"redirect_uris": ["http://127.0.0.1/evil"]}),
            ("private_key_jwt", {"token_endpoint_auth_method": "private_key_jwt"}),
            ("tls_client_auth", {"token_endpoint_auth_method": "tls_client_auth"}),
            ("a secret's method and no secret", {"token_endpoint_auth_method": "client_secret_basic"}),
            ("no code", {"grant_types": ["client_credentials"]}),
            ("the implicit grant", {"response_types": ["token"], "grant_types": ["implicit"]}),
            ("no client", {"client_id": None}), ("a number for a client", {"client_id": 7}), ("a list for a client", {"client_id": ["a"]}),
            ("an empty client", {"client_id": ""}), ("a client with a line break", {"client_id": "a\nb"}),
        ):
            stopped(f"registered: {what}", home, registering({"status": 201, "echo": {"client_id": "a"} | echo}), UNUSABLE, asked)
        for status, code, exits in (
            (400, "invalid_client_metadata", 78), (400, "invalid_redirect_uri", 78), (401, "invalid_token", 78), (403, "access_denied", 78),
            (404, "", 78), (500, "", 9), (503, "", 9),
        ):
            odd = "no\x1b[31m\r\nvault: error: forged"
            answer = {"status": status, "body": {"error": code, "error_description": odd} if code else "nothing here"}
            outcome = stopped(f"registration refused with {status} {code}", home, registering(answer), exits, asked)
            if exits == 78:
                expect(f"{status} {code}: the hint names what helps", "--client-id" in outcome.hint, outcome)
        for what, answer in (("HTML", {"status": 201, "body": "<html>"}), ("nothing", {"status": 201, "body": ""}),
                             ("a list", {"status": 201, "body": []}), ("204", {"status": 204, "body": ""})):
            stopped(f"the registration answers {what}", home, registering(answer), UNUSABLE, asked)
        liar = Liar(honest(registration_endpoint=None))
        outcome = stopped("nowhere to register", home, liar, 78, FOUND)
        expect("the hint names --client-id", "--client-id" in outcome.hint, outcome)
        liar = Liar(honest(registration_endpoint=None))
        query, _ = begins("nowhere to register, with --client-id", home, liar, ["--client-id", "mine"])
        expect("the client that was given", query.get("client_id") == "mine", query)
        liar = registering({"status": 500})
        begins("a client that is given registers nothing", home, liar, ["--client-id", "mine"])
        expect("and asks no registration", liar.of("/register") == [])

        # A secret nobody asked for is used as the answer says.
        liar = registering({"status": 201, "echo": {
            "client_id": "a", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post"}})
        begins("a secret nobody asked for", home, liar)
        expect("is sent as the answer says", form_of(liar.of("/token")[-1]).get("client_secret") == "s"
               and "Authorization" not in liar.of("/token")[-1]["headers"])


def secrets():
    """Registered secrets: how they are sent, and when they end."""
    with Home() as home:
        secret = "a:b%+ é"
        echo = {"client_id": "i:d", "client_secret": secret, "client_secret_expires_at": 0}
        liar = Liar(honest() | {"POST /register": [{"status": 201, "echo": echo}]})
        begins("--register-auth client_secret_basic", home, liar, ["--register-auth", "client_secret_basic"])
        expect("is asked for", json_of(liar.of("/register")[-1])["token_endpoint_auth_method"] == "client_secret_basic")
        for entry in liar.of("/token"):
            words = entry["headers"].get("Authorization", " ").split(" ")
            pair = base64.b64decode(words[1]).decode().split(":") if words[0] == "Basic" else []
            expect("Basic, form-encoded, and no secret in the form", [urllib.parse.unquote_plus(part) for part in pair] == ["i:d", secret]
                   and "client_secret" not in form_of(entry), words[0], form_of(entry).keys())
            shown = home.must("show", "y", "--json")
            expect("and nobody is shown it", secret not in shown.out and json.dumps(secret)[1:-1] not in shown.out, shown)
        wrong = home.vault("login", "z", "--url", liar.base + "/mcp", "--register-auth", "magic")
        expect("a method nobody knows is a usage error", wrong.status == 64, wrong)

        # The SDK's token endpoint looks for client_id in the form, whatever the method is.
        server = Packages()
        for method in ("client_secret_post", "client_secret_basic"):
            outcome, _, _ = log_in(home, method, server.resource, "--register-auth", method)
            fresh = home.vault("token", method, "--refresh")
            entry = server.last("/token")
            expect(f"{method} at the SDK's server", outcome.status == 0 and fresh.status == 0
                   and ("client_secret" in entry["form"], entry["headers"].get("authorization")) == (
                       (True, None) if method == "client_secret_post" else (False, "Basic")), outcome, fresh, entry)

        echo = {"client_id": "first", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post",
                "client_secret_expires_at": "now+3"}
        later = echo | {"client_id": "second", "client_secret_expires_at": "now+86400"}
        liar = Liar(honest() | {"POST /register": [{"status": 201, "echo": echo}, {"status": 201, "echo": later}]})
        begins("a secret that ends soon", home, liar)
        soon = time.time() + 4
        while time.time() < soon:
            time.sleep(0.05)  # The server's clock is the machine's.
        query, _ = begins("once it has ended", home, liar)
        expect("another client is registered", query.get("client_id") == "second" and len(liar.of("/register")) == 2, liar.requests())
        query, _ = begins("while it lasts", home, liar)
        expect("none is", query.get("client_id") == "second" and len(liar.of("/register")) == 2, liar.requests())
        liar = Liar(honest() | {"POST /register": [{"status": 201, "echo": echo | {"client_secret_expires_at": 1}}]})
        outcome = home.vault("login", "ended", "--url", liar.base + "/mcp", "--no-browser", "--timeout", "1s")
        expect("a secret that ended before it was made: registered once, whatever comes of it", len(liar.of("/register")) == 1
               and outcome.status != 0, outcome, liar.requests())

        # oauth-client.md 13: "register again when […] the redirect no longer fits".
        server = Packages()
        _, first, _ = log_in(home, "port", server.resource)
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", port_of(first)))
            holder.listen()
            outcome, second, _ = log_in(home, "port", server.resource)
            expect("the port is taken: registered with another", outcome.status == 0 and redirect_of(second) != redirect_of(first)
                   and len(server.clients()) == 2, outcome, server.asked())
        outcome, third, _ = log_in(home, "port", server.resource)
        expect("and that one stays", outcome.status == 0 and len(server.clients()) == 2, outcome, server.asked())
        # A server that has forgotten the client: the person sees its page, and can have another.
        outcome, fourth, _ = log_in(home, "port", server.resource, "--port", str(free_port()))
        expect("--port is asked for: registered for it", outcome.status == 0 and len(server.clients()) == 3, outcome, server.asked())


def fallback():
    """MCP 2025-03-26, a server without any metadata: said aloud; and only there."""
    bare = {"GET /mcp": [{"status": 401}], "POST /register": honest()["POST /register"], "POST /token": honest()["POST /token"],
            "/authorize": [{"body": "a page"}]}
    with Home() as home:
        liar = Liar(bare)
        query, said = begins("no metadata at all", home, liar)
        expect("said aloud", "metadata" in said and "/authorize" in said, said)
        expect("S256 is sent", query.get("code_challenge_method") == "S256", query)
        expect("after everything else was looked for", liar.requests() == [
            "GET /mcp", f"GET {PROTECTED}/mcp", f"GET {PROTECTED}", f"GET {SERVER}", f"GET {CONNECT}", "POST /register", "POST /token"],
            liar.requests())
        found = home.vault("discover", liar.base + "/mcp", "--json")
        expect("discover says that it is assumed", found.status == 0 and "POST" not in "".join(liar.requests()[7:]), found)
        # Without metadata of the resource, but with the server's own.
        liar = Liar({name: answers for name, answers in honest(
            authorization_endpoint="{base}/elsewhere/authorize", token_endpoint="{base}/elsewhere/token").items() if PROTECTED not in name})
        liar.answers |= {"GET /mcp": [challenge("Bearer")], "POST /elsewhere/token": liar.answers["POST /token"]}
        begins("the server's metadata at the resource's origin", home, liar)
        expect("its endpoints", "POST /elsewhere/token" in liar.requests() and "POST /token" not in liar.requests(), liar.requests())

        # A server with metadata, or in trouble, never gets it.
        liar = Liar(honest())
        del liar.answers[SERVER]
        stopped("a server that is named and has no metadata", home, liar, UNUSABLE, FOUND + [f"GET {CONNECT}"])
        for path in (PROTECTED + "/mcp", PROTECTED, SERVER, CONNECT):
            stopped(f"500 at {path}", home, Liar(bare | {path: [{"status": 500}]}), 9, None)
        for status in (200, 404):
            liar = Liar(bare | {"GET /mcp": [{"status": status}]})
            outcome = home.vault("login", "x", "--url", liar.base + "/mcp", "--no-browser", "--timeout", "5s")
            expect(f"a URL that answers {status} and says nothing of tokens gets no POST", outcome.status != 0
                   and not any("POST" in step for step in liar.requests()), outcome, liar.requests())


def endings():
    """Answers without an end, and a person who has had enough."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    bomb = gzip.compress(b'{"resource": "x"}' + b" " * 50_000_000).decode("latin-1")
    with Home() as home:
        stream = {"raw": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n"}
        begins("a stream of events without an end, and metadata", home, Liar(honest() | {"GET /mcp": [stream]}))
        refusal = {"raw": "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 99999999\r\n\r\nx"}
        begins("a refusal whose body does not end", home, Liar(honest() | {"GET /mcp": [refusal]}))
        for what, answer in (
            ("chunks without an end", head + "Transfer-Encoding: chunked\r\n\r\n" + ("10000\r\n" + " " * 65536 + "\r\n") * 20),
            ("2 GiB announced", head + "Content-Length: 2147483648\r\n\r\n{"),
            ("gzip that nobody asked for", f"{head}Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n{bomb}"),
            ("header fields without an end", "HTTP/1.1 200 OK\r\n" + "X: " + "x" * 1000 + "\r\n" + ("Y: " + "y" * 1000 + "\r\n") * 1000),
            ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"), ("two answers at once", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2),
        ):
            for path, asked in ((PROTECTED + "/mcp", FOUND[:2]), (SERVER, FOUND)):
                stopped(f"{what} at {path}", home, Liar(honest() | {path: [{"raw": answer}]}), UNUSABLE, asked)
        liar = Liar(honest() | {SERVER: [{"raw": ""}]})
        running = start_login(home, "x", liar.base + "/mcp")
        until_asked(liar, f"GET {SERVER}", running)
        running.signal(signal.SIGINT)
        outcome = running.end()
        expect("interrupted during discovery", outcome.status == 130 and outcome.out == "", outcome)
        liar = Liar(honest() | {"POST /register": [{"raw": ""}]})
        running = start_login(home, "x", liar.base + "/mcp")
        until_asked(liar, "POST /register", running)
        running.signal(signal.SIGTERM)
        outcome = running.end()
        expect("ended during registration", outcome.status == 143 and outcome.out == "", outcome)
        expect("and nothing is stored", home.names() == ["oauth:y"], home.names())


def urls():
    """As the resource's own URL: exit 10, and no browser."""
    with Home() as home:
        for url in URLS:
            for command in (["login", "x", f"--url={url}", "--timeout", "1s"], ["discover", "--", url]):
                outcome = home.vault(*command)
                expect(f"{command[0]} {url!r}", outcome.status in ((10,) if url else (10, 64))
                       and not controls(outcome.err + outcome.out), outcome)
        expect("no browser, and nothing stored", home.browsers() == [] and home.names() == [], home.browsers())


if __name__ == "__main__":
    main(lies, redirects, registrations, secrets, fallback, endings, urls)
