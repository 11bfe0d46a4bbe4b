#!/usr/bin/env python3
"""Logins that begin with nothing but the URL of an MCP server, at servers nobody here wrote."""
from mcp_place import *

from authority import Authority

CONSENT = ["GET /authorize", "GET /consent", "POST /consent"]


def from_url_to_tool(kind, issuer):
    """From the URL of a resource to a tool that says whose the token is; `issuer` is the log's name of who gives tokens."""
    server = Packages("--kind", kind)
    url = server.resource
    discovery = ["resource GET /mcp", f"resource GET {PROTECTED}/mcp", f"{issuer} GET {SERVER}"]
    with Home() as home:
        told = home.must("discover", url, "--json").json
        base, found = server.issuer.rstrip("/"), told["authorization_server"]
        expect(f"{kind}: discover names what was found",
               found["issuer"] == server.issuer and found["source"] == "protected_resource_metadata" and found["pkce"] == "S256"
               and all(found[f"{what}_endpoint"] == f"{base}/{path}" for what, path in (
                   ("authorization", "authorize"), ("token", "token"), ("registration", "register"), ("revocation", "revoke")))
               and told["resource"]["resource"] == url and told["error"] is None, told)
        expect(f"{kind}: and from where", [(step["url"], step["status"]) for step in told["steps"]] == [
            (url, 401), (server.facts["metadata"], 200), (base + SERVER, 200)], told)
        expect(f"{kind}: with three requests", server.asked() == discovery, server.asked())
        shown = home.vault("discover", url)
        expect(f"{kind}: for people too", shown.status == 0 and server.issuer in shown.out, shown)
        server.forget()

        outcome, address, page = log_in(home, "work", url)
        expect(f"{kind}: logged in", outcome.status == 0 and outcome.out == "" and page.status_code == 200, outcome, page.text)
        asked = discovery + [f"{issuer} POST /register"] + [f"{issuer} {step}" for step in CONSENT] + [f"{issuer} POST /token"]
        expect(f"{kind}: these requests, and nothing else", server.asked() == asked, server.asked())
        expect(f"{kind}: no browser was started", home.browsers() == [])
        for entry in server.log()[:3]:
            headers = entry["headers"]
            plain = headers.get("accept-encoding") == "identity" and "application/json" in headers.get("accept", "")
            expect(f"{kind}: {entry['endpoint']}: asked plainly and without credentials",
                   plain and not {"authorization", "cookie"} & set(headers) and entry["query"] == [], headers)
        registered = server.last("/register")["json"]
        redirect = redirect_of(address)
        expect(f"{kind}: registered as what it is",
               registered["application_type"] == "native" and registered["redirect_uris"] == [redirect]
               and sorted(registered["grant_types"]) == ["authorization_code", "refresh_token"]
               and registered["token_endpoint_auth_method"] == "none" and registered["response_types"] == ["code"]
               and re.fullmatch(r"http://127\.0\.0\.1:\d+/\S*", redirect), registered)
        query = query_of(address)
        client = server.clients()[0]["client_id"]
        expect(f"{kind}: what the browser asks for", query["client_id"] == client and query["scope"] == "read"
               and query["code_challenge_method"] == "S256" and query["response_type"] == "code", query)
        expect(f"{kind}: the code is exchanged by the client alone",
               sorted(server.last("/token")["form"]) == ["client_id", "code", "code_verifier", "grant_type", "redirect_uri", "resource"]
               and "authorization" not in server.last("/token")["headers"], server.last("/token"))

        token = home.must("token", "work").out.strip()
        who = tool(url, "whoami", f"Bearer {token}")
        expect(f"{kind}: the SDK's client calls a tool", who == {"subject": "alice", "scopes": ["read"], "client_id": client}, who)
        fresh = home.vault("token", "work", "--refresh")
        expect(f"{kind}: refreshed", fresh.status == 0 and fresh.out.strip() not in ("", token), fresh)
        last = server.last("/token")
        expect(f"{kind}: the refresh names the resource and no scope",
               last["values"]["grant_type"] == "refresh_token" and "scope" not in last["form"], last)
        named = [entry["values"].get("resource") for entry in server.log() if entry["endpoint"] in ("/authorize", "/token")]
        expect(f"{kind}: one resource in authorize, token and refresh", named == [url] * 3, named)
        who = tool(url, "whoami", f"Bearer {fresh.out.strip()}")
        expect(f"{kind}: and the fresh token is good", isinstance(who, dict) and who["subject"] == "alice", who)
        facts = home.must("show", "work", "--json")
        expect(f"{kind}: the entry knows its issuer", facts.json["issuer"] == server.issuer and facts.json["has_refresh_token"], facts)

        server.forget()
        outcome, again, _ = log_in(home, "work", url)
        expect(f"{kind}: a second login discovers anew and registers nothing", outcome.status == 0 and server.asked() == [
            step for step in asked if "/register" not in step], outcome, server.asked())
        expect(f"{kind}: with the same client and redirect", query_of(again)["client_id"] == client and redirect_of(again) == redirect
               and len(server.clients()) == 1, again)
        expect(f"{kind}: one entry", home.names() == ["oauth:work"], home.names())
        server.forget()
        outcome, wider, _ = log_in(home, "work", url, "--scope", "read", "--scope", "write")
        token = home.must("token", "work").out.strip()
        who = tool(url, "whoami", f"Bearer {token}")
        expect(f"{kind}: more scopes than it was registered for: registered again", outcome.status == 0 and isinstance(who, dict)
               and sorted(who["scopes"]) == ["read", "write"], outcome, who, server.asked())
        client = query_of(wider)["client_id"]
        outcome, other, _ = log_in(home, "other", url)
        kept = home.vault("token", "work", "--refresh")
        expect(f"{kind}: another name leaves the first as it is", outcome.status == 0 and kept.status == 0
               and server.last("/token")["values"]["client_id"] == client, outcome, kept)
        denied, _, _ = log_in(home, "denied", url, deny=True)
        fails(f"{kind}: a person who says no", denied, 5, "access_denied")


def reference():
    """The SDK's own servers, two origins."""
    from_url_to_tool("reference", "issuer")


def fastmcp():
    """FastMCP's, one origin, with an issuer that ends in a slash and a challenge that names the scope."""
    from_url_to_tool("fastmcp", "resource")


def proxied():
    """The SDK's client behind `vault proxy`, with nothing but its address and its secret."""
    for kind in ("reference", "fastmcp"):
        server = Packages("--kind", kind)
        with Home() as home:
            log_in(home, "work", server.resource)
            token = home.must("token", "work").out.strip()
            proxy = Proxy(home, "work", server.resource)
            expect(f"{kind}: an address and a secret of its own", proxy.url.startswith("http://127.0.0.1:")
                   and proxy.authorization.startswith("Bearer ") and token not in proxy.authorization)
            server.forget()
            who = tool(proxy.url, "whoami", proxy.authorization)
            expect(f"{kind}: a tool through the proxy", isinstance(who, dict) and who["subject"] == "alice", who, proxy.running.shown)
            expect(f"{kind}: to the resource and nowhere else", {step.split()[0] + step.split()[-1] for step in server.asked()} == {
                "resource/mcp"}, server.asked())
            server.forget()
            # The client that was just ended may have had a stream open, and be late to close it.
            late = {"resource GET /mcp", "resource DELETE /mcp"}
            for what, headers in (
                ("no secret", {}), ("another", {"Authorization": "Bearer x"}), ("the token itself", {"Authorization": f"Bearer {token}"}),
                ("a foreign Host", {"Authorization": proxy.authorization, "Host": "evil.example"}),
            ):
                answer = requests.post(proxy.url, json={}, headers=headers, timeout=PATIENCE)
                expect(f"{kind}: {what} gets nowhere", 400 <= answer.status_code < 500 and set(server.asked()) <= late, answer.status_code)
            server.control(lifetime=1)
            home.must("token", "work", "--refresh")
            who = tool(proxy.url, "whoami", proxy.authorization)
            expect(f"{kind}: and refreshes", isinstance(who, dict) and server.log("/token") != [], who, server.asked())
            ended = proxy.end()
            expect(f"{kind}: ended by the signal, secrets on standard output only", ended.status == 143
                   and proxy.authorization.split()[1] not in ended.err and token not in ended.out + ended.err, ended)


def browser():
    """The URL that `vault` prints, in a headless Chromium, as far as the page of success."""
    server = Packages()
    with Home() as home:
        picture = home.root + "/page.png"
        fifo = home.root + "/said"
        os.mkfifo(fifo)
        command = [sys.executable, os.path.join(OAUTH, "browser_login.py"), "--screenshot", picture]
        home.environment["BROWSER"] = home.script("chromium", f'exec {shlex.join(command)} "$1" > {shlex.quote(fifo)} 2>&1')
        for name in ("CHROMIUM", "CHROMEDRIVER"):
            if os.environ.get(name):
                home.environment[name] = os.environ[name]
        running = home.start("login", "work", "--url", server.resource)
        with open(fifo, "rb") as pipe:
            said = pipe.read().decode(errors="replace")
        outcome = running.end()
        page = next((json.loads(line) for line in said.splitlines() if line.startswith("{")), {})
        expect("logged in by a browser", outcome.status == 0 and page.get("title") == "You are logged in", outcome, said[-800:])
        who = tool(server.resource, "whoami", "Bearer " + home.must("token", "work").out.strip())
        expect("and the token is good", isinstance(who, dict) and who["subject"] == "alice", who)


def moved():
    """The resource names another authorization server: nothing of the old is shown to the new."""
    server = Packages("--issuers", "2")
    with Home() as home:
        outcome, _, _ = log_in(home, "work", server.resource, "--register-auth", "client_secret_post")
        expect("logged in with a secret at the first", outcome.status == 0, outcome)
        old = server.clients()[0]
        entry = home.must("show", "work", "--reveal", "--json").json
        canaries = [old["client_id"], old["client_secret"], entry["refresh_token"], entry["access_token"]]
        expect("there are four things to keep", all(canaries) and len(set(canaries)) == 4)
        server.control(authorization_server=1, watch=canaries)
        server.forget()
        outcome, address, _ = log_in(home, "work", server.resource)
        expect("logged in at the second", outcome.status == 0, outcome)
        expect("which it says", server.issuers[1] in outcome.err, outcome)
        asked = [step for step in server.asked() if step.startswith("issuer1")]
        expect("registered there", f"issuer1 POST /register" in asked and address.startswith(server.issuers[1]), server.asked())
        shown = [entry for entry in server.log() if entry.get("contains")]
        expect("nobody was shown anything of the old", shown == [], shown)
        expect("the old server was not asked", [step for step in server.asked() if step.startswith("issuer ")] == [], server.asked())
        server.forget()
        fresh = home.vault("token", "work", "--refresh")
        expect("refreshed at the second", fresh.status == 0 and server.asked() == ["issuer1 POST /token"]
               and server.log()[0]["contains"] == [], fresh, server.asked())
        who = tool(server.resource, "whoami", f"Bearer {fresh.out.strip()}")
        expect("its token is good", isinstance(who, dict) and who["subject"] == "alice", who)
        # And back: the first client may be used again, but only there.
        new = [client for client in server.clients() if client["client_id"] != old["client_id"]]
        entry = home.must("show", "work", "--reveal", "--json").json
        server.control(authorization_server=0, watch=[new[0]["client_id"], entry["refresh_token"], entry["access_token"]])
        server.forget()
        outcome, _, _ = log_in(home, "work", server.resource)
        expect("and back, with nothing of the second", outcome.status == 0 and not any(
            entry["contains"] for entry in server.log()), outcome, server.asked())


def cimd():
    """A client id that is the URL of a document (--client-metadata-url)."""
    with Home() as home:
        authority = Authority(home.root)
        certificate, key = authority.issue("localhost")
        documents = Liar({}, name="localhost", certificate=certificate, key=key)
        document = {"client_id": "{base}/client.json", "client_name": "vault", "redirect_uris": ["http://127.0.0.1/callback"],
                    "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                    "token_endpoint_auth_method": "none", "application_type": "native"}
        documents.answers = {"/client.json": [{"body": document}], "/": [{"body": document}],
                             "/other.json": [{"body": document}]}
        own = documents.base + "/client.json"
        trusted = ("--ca-file", authority.file)
        for kind in ("reference",):
            server = Packages("--kind", kind)
            server.control(client_metadata=True, client_metadata_ca=authority.file)
            outcome, address, _ = log_in(home, "work", server.resource, "--client-metadata-url", own, *trusted)
            expect("logged in", outcome.status == 0, outcome)
            expect("with the URL as the client's id, and no registration", query_of(address)["client_id"] == own
                   and server.log("/register") == [] and server.last("/token")["values"]["client_id"] == own, server.asked())
            fresh = home.vault("token", "work", "--refresh")
            expect("refreshed with it", fresh.status == 0 and server.last("/token")["values"]["client_id"] == own, fresh)
            for what, url, statuses in (
                ("another client's document", documents.base + "/other.json", (10, 78)), ("no path", documents.base, (10, 64, 78)),
                ("a path that is nothing", documents.base + "/", (10, 64, 78)), ("a fragment", own + "#x", (10, 64)),
                ("http", own.replace("https:", "http:"), (10, 64)), ("user info", own.replace("//", "//a@"), (10, 64)),
                ("no document", documents.base + "/none.json", (78,)),
            ):
                server.forget()
                outcome = home.vault("login", "bad", "--url", server.resource, "--no-browser", "--client-metadata-url", url,
                                     *trusted, "--timeout", "5s")
                expect(f"{what} is refused before any URL", outcome.status in statuses and "http" not in [
                    line[:4] for line in outcome.err.splitlines()] and not any("POST" in step for step in server.asked()),
                    outcome, server.asked())
            outcome = home.vault("login", "bad", "--url", server.resource, "--no-browser", "--client-metadata-url", own,
                                 "--timeout", "5s")
            expect("an authority nobody trusts", outcome.status in (9, 10, 78) and "registered" not in outcome.err, outcome)
            server.control(client_metadata=False)
            server.forget()
            outcome, address, _ = log_in(home, "plain", server.resource, "--client-metadata-url", own, *trusted)
            expect("where the server does not take such ids it registers", outcome.status == 0
                   and query_of(address)["client_id"] != own and len(server.log("/register")) == 1, outcome, server.asked())


def step_up(server, proxy, tool_name, callers=1, deny=False, call_tool=tool):
    """Calls a tool that wants more, with the driver at the URL that the proxy shows.

    What the callers were told, and the URLs that were shown meanwhile.
    """
    running, before, said = proxy.running, len(proxy.running.shown), []
    threads = [threading.Thread(target=lambda: said.append(call_tool(proxy.url, tool_name, proxy.authorization)))
               for _ in range(callers)]
    for thread in threads:
        thread.start()

    def urls():
        return re.findall(r"^(https?://\S+)\r?\n", running.shown[before:], re.M)

    with running.changed:
        # Woken by what the proxy writes; a tool that answers without any of it is looked for twice a second.
        deadline = time.monotonic() + PATIENCE
        while not urls() and len(said) < callers and running.open and time.monotonic() < deadline:
            running.changed.wait(0.5)
    if found := urls():
        try:
            get(drive(found[0], deny=deny))
        except (requests.RequestException, RuntimeError) as error:
            said.append(f"the page that was shown: {error}")
            return said, found
    for thread in threads:
        thread.join(PATIENCE)
    return said, urls()


def stepping(what, home, server, *arguments):
    """403 insufficient_scope at the proxy: a URL, a login, and the request that was held goes through; three times in all."""
    outcome, _, _ = log_in(home, "work", server.resource, *arguments)
    expect(f"{what}: logged in", outcome.status == 0, outcome)
    server.control(tool_scopes={name + "_note": name for name in ("write", "admin", "audit")})
    proxy = Proxy(home, "work", server.resource, "--no-browser")
    said, urls = step_up(server, proxy, "write_note", callers=2)
    expect(f"{what}: two requests that were held succeed with more", len(said) == 2 and all(
        isinstance(one, dict) and sorted(one["scopes"]) == ["read", "write"] for one in said), said, proxy.running.shown)
    query = query_of(urls[0]) if urls else {}
    expect(f"{what}: by one URL, for what was held plus what was asked", len(urls) == 1
           and sorted(query["scope"].split()) == ["read", "write"] and query["resource"] == server.resource, urls)
    said, urls = step_up(server, proxy, "write_note")
    expect(f"{what}: and asks no second time", len(said) == 1 and isinstance(said[0], dict) and urls == [], said, urls)
    said, urls = step_up(server, proxy, "admin_note")
    expect(f"{what}: a third authorization", len(urls) == 1 and isinstance(said[0], dict)
           and sorted(said[0]["scopes"]) == ["admin", "read", "write"], said, proxy.running.shown)
    count = len(server.log("/authorize"))
    said, urls = step_up(server, proxy, "audit_note")
    expect(f"{what}: no fourth, the 403 is passed on", urls == [] and not isinstance(said[0], dict) and count == 3
           and len(server.log("/authorize")) == 3, said, proxy.running.shown)
    expect(f"{what}: with the command to run", proxy.running.shows("vault login work"), proxy.running.shown)
    proxy.end()
    fresh = home.must("token", "work", "--refresh").out.strip()
    who = tool(server.resource, "admin_note", f"Bearer {fresh}")
    expect(f"{what}: the wider grant is what is stored", isinstance(who, dict) and "admin" in who["scopes"], who)
    # A login by hand is another beginning, and is seen without a restart.
    proxy = Proxy(home, "work", server.resource, "--no-browser")
    outcome, _, _ = log_in(home, "work", server.resource, *arguments, *(
        word for scope in ("read", "write", "admin", "audit") for word in ("--scope", scope)))
    said, urls = step_up(server, proxy, "audit_note")
    expect(f"{what}: a new login is seen", outcome.status == 0 and isinstance(said[0], dict) and urls == [], outcome, said,
           proxy.running.shown)
    proxy.end()


def steps():
    """With clients that are registered again for more, at both packages."""
    for kind in ("reference", "fastmcp"):
        with Home() as home:
            stepping(kind, home, Packages("--kind", kind))


def steps_of_a_document():
    """With a client that its document describes: nothing to register again."""
    with Home() as home:
        authority = Authority(home.root)
        documents = Liar({}, "127.0.0.1", 0, "localhost", *authority.issue("localhost"))
        url = documents.base + "/client.json"
        documents.answers = {"/client.json": [{"body": {
            "client_id": url, "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}}]}
        server = Packages()
        server.control(client_metadata=True, client_metadata_ca=authority.file)
        home.environment["SSL_CERT_FILE"] = authority.file
        stepping("document", home, server, "--client-metadata-url", url)
        expect("nothing was registered", server.log("/register") == [])


def plainly(url, name, authorization):
    """The call of a tool as one request, and all of the answer to it."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}}
    headers = {"Authorization": authorization, "Accept": "application/json, text/event-stream"}
    return requests.post(url, json=body, headers=headers, timeout=PATIENCE)


def no_step():
    """A person who says no: the 403 is passed on as it was, and so is the grant."""
    server = Packages()
    with Home() as home:
        log_in(home, "work", server.resource)
        token = home.must("token", "work").out
        server.control(tool_scopes={"write_note": "write"})
        proxy = Proxy(home, "work", server.resource, "--no-browser")
        said, urls = step_up(server, proxy, "write_note", deny=True, call_tool=plainly)
        answer = said[0]
        expect("refused: the 403 is passed on", len(urls) == 1 and answer.status_code == 403
               and answer.json() == {"error": "insufficient_scope"}, answer, proxy.running.shown)
        expect("with its challenge", "insufficient_scope" in answer.headers.get("WWW-Authenticate", ""), answer.headers)
        expect("and the command to run", proxy.running.shows("vault login work"), proxy.running.shown)
        expect("the grant is as it was", home.must("token", "work").out == token)
        who = tool(proxy.url, "whoami", proxy.authorization)
        expect("and the proxy serves on", isinstance(who, dict), who, proxy.running.shown)
        proxy.end()


if __name__ == "__main__":
    main(reference, fastmcp, proxied, browser, moved, cimd, steps, steps_of_a_document, no_step)
