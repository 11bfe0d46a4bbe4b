#!/usr/bin/env python3
"""The lines of the client's standards that the command decides: which client, which resource, which scope, whose server."""
from place import *

WELL_KNOWN = "/.well-known/"


class Mcp(Scripted):
    """A resource at /mcp and its authorization server, at one origin; members that the scenario changes replace theirs.

    Each client that it registers, and each token that it gives out, has a number.
    """

    def __init__(self, challenge="", resource=None, server=None, token=None, prefix="registered"):
        self.clients = self.tokens = 0
        self.prefix = prefix
        self.challenge, self.resource, self.server_members, self.token = challenge, resource or {}, server or {}, token or {}
        super().__init__({
            "/mcp": lambda _: (401, "", {"WWW-Authenticate": "Bearer" + self.challenge}),
            WELL_KNOWN + "oauth-protected-resource/mcp": lambda _: (200, self.members(
                {"resource": self.base + "/mcp", "authorization_servers": [self.base]}, self.resource)),
            WELL_KNOWN + "oauth-authorization-server": lambda _: (200, self.members({
                "issuer": self.base, "authorization_endpoint": self.base + "/authorize", "token_endpoint": self.base + "/token",
                "registration_endpoint": self.base + "/register", "code_challenge_methods_supported": ["S256"],
            }, self.server_members)),
            "/register": self.register, "/token": self.give,
        })

    @staticmethod
    def members(usual, changed):
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def register(self, request):
        self.clients += 1
        sent = json.loads(request.body)
        return 201, {"client_id": f"{self.prefix}-{self.clients}", "redirect_uris": sent["redirect_uris"]}

    def give(self, request):
        self.tokens += 1
        return 200, {"access_token": f"at-{self.tokens}", "refresh_token": f"rt-{self.tokens}", "token_type": "Bearer",
                     "expires_in": 3600} | self.token

    def forms(self, path):
        """The forms that were posted there, each parameter a list."""
        return [urllib.parse.parse_qs(body, keep_blank_values=True) for method, at, body, _ in self.asked
                if method == "POST" and at == path]

    @property
    def registrations(self):
        return [json.loads(body) for method, at, body, _ in self.asked if method == "POST" and at == "/register"]

    def forget(self):
        self.asked.clear()


def log_in(home, name, server, *arguments, url=True):
    """From the command to its end; returns the authorization request's query and what was said."""
    named = ("--url", server.base + "/mcp") if url else ()
    running = home.start("login", name, *named, "--no-browser", *arguments)
    try:
        query = query_of(running.url())
    except RuntimeError as error:
        expect(f"{name} begins", False, error)
        running.end()
        return {}, ""
    get(query["redirect_uri"] + "?" + urllib.parse.urlencode({"state": query["state"], "code": "code"}))
    outcome = running.end()
    expect(f"{name} is logged in", outcome.status == 0, outcome)
    return query, outcome.err


def refresh(home, name, server):
    """One more refresh; who asks in the second of the last one gets what that brought."""
    before, end = len(server.forms("/token")), time.monotonic() + PATIENCE
    while len(server.forms("/token")) == before and time.monotonic() < end:
        home.must("token", name, "--refresh")


def clients():
    """11: one that is given or configured; a document; a registration, the earlier one first; else somebody is asked."""
    with Home() as home:
        server = Mcp()
        query, _ = log_in(home, "given", server, "--client-id", "mine")
        expect("a given client is used", query.get("client_id") == "mine" and server.registrations == [], query, server.paths())
        expect("at the token endpoint too", [form["client_id"] for form in server.forms("/token")] == [["mine"]])

        server = Mcp()
        home.settings("configured", f"url: {server.base}/mcp\nclient_id: written\n")
        query, _ = log_in(home, "configured", server, url=False)
        expect("a configured one too", query.get("client_id") == "written" and server.registrations == [], query)
        query, _ = log_in(home, "configured", server, "--client-id", "mine", url=False)
        expect("and a given one before it", query.get("client_id") == "mine" and server.registrations == [], query)

        server = Mcp()
        query, said = log_in(home, "document", server, "--client-metadata-url", "https://client.invalid/vault.json")
        expect("no document where the server takes none, and that is said", query.get("client_id") == "registered-1"
               and "client metadata documents" in said, query, said)
        expect("one is registered then", len(server.registrations) == 1, server.paths())

        server = Mcp()
        first, _ = log_in(home, "again", server)
        second, _ = log_in(home, "again", server, url=False)
        expect("one is registered once", first.get("client_id") == second.get("client_id") == "registered-1"
               and len(server.registrations) == 1, first, second, server.paths())
        expect("with a redirect that is then kept", first.get("redirect_uri") == second.get("redirect_uri")
               and server.registrations[0]["redirect_uris"] == [first.get("redirect_uri")], first, second)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", urllib.parse.urlsplit(first["redirect_uri"]).port))
            taken.listen()
            third, _ = log_in(home, "again", server, url=False)
        expect("anew where its port is taken", third.get("client_id") == "registered-2"
               and third.get("redirect_uri") != first.get("redirect_uri") and len(server.registrations) == 2, third)
        expect("with the redirect of that moment", server.registrations[-1]["redirect_uris"] == [third.get("redirect_uri")])
        fourth, _ = log_in(home, "again", server, "--register-auth", "none", url=False)
        expect("and where that is asked for", fourth.get("client_id") == "registered-3", fourth)

        server = Mcp(server={"registration_endpoint": None})
        outcome = home.vault("login", "asked", "--url", server.base + "/mcp", "--no-browser", "--timeout", "5s")
        fails("nobody to ask", outcome, 78, "--client-id")
        expect("and nothing posted", all(method == "GET" for method, *_ in server.asked), server.paths())


def resource():
    """21: the same text in the authorization request, the token request and every refresh; or nowhere."""
    with Home() as home:
        for what, members, arguments, expected in (
            ("its own", {}, (), "{base}/mcp"), ("a parent", {"resource": "{base}/"}, (), "{base}/"),
            ("the bare origin", {"resource": "{base}"}, (), "{base}"), ("a closing slash", {"resource": "{base}/mcp/"}, (), "{base}/mcp/"),
            ("another text", {}, ("--resource", "https://API.example/%7Ex?y=z"), "https://API.example/%7Ex?y=z"),
            ("none", {}, ("--no-resource",), None),
        ):
            server = Mcp()
            server.resource = {name: value.format(base=server.base) for name, value in members.items()}
            wanted = expected and expected.format(base=server.base)
            name = what.replace(" ", "-")
            query, _ = log_in(home, name, server, *arguments)
            refresh(home, name, server)
            refresh(home, name, server)
            forms = server.forms("/token")
            expect(f"{what}: authorization request", query.get("resource") == wanted, query)
            expect(f"{what}: token request and two refreshes", [form.get("resource") for form in forms]
                   == [wanted and [wanted]] * 3, forms)
            expect(f"{what}: they are refreshes", [form["grant_type"] for form in forms[1:]] == [["refresh_token"]] * 2, forms)
            server.forget()
            query, _ = log_in(home, name, server, url=False)
            refresh(home, name, server)
            expect(f"{what}: remembered", query.get("resource") == wanted
                   and [form.get("resource") for form in server.forms("/token")] == [wanted and [wanted]] * 2, query)


def scopes():
    """22: what the user asked for; else the challenge's; else the resource's; else none; and `offline_access` where listed."""
    both = {"scopes_supported": ["listed", "offline_access"]}
    with Home() as home:
        for what, challenge, resource_members, server_members, arguments, scope, prompt in (
            ("the user's", ' scope="named"', {"scopes_supported": ["listed"]}, {}, ("--scope", "mine", "--scope", "other"), "mine other", None),
            ("the challenge's", ' scope="named two"', {"scopes_supported": ["listed"]}, {}, (), "named two", None),
            ("the resource's", "", {"scopes_supported": ["listed", "more"]}, {}, (), "listed more", None),
            ("none", "", {}, {"scopes_supported": ["server"]}, (), None, None),
            ("offline access of the server", ' scope="named"', {}, both, (), "named offline_access", "consent"),
            ("none of the resource", "", {"scopes_supported": ["listed", "offline_access"]}, {"scopes_supported": ["listed"]}, (), "listed", None),
            ("none where the server is silent", "", {"scopes_supported": ["listed", "offline_access"]}, {}, (), "listed", None),
            ("none of the challenge", ' scope="named offline_access"', {}, {}, (), "named", None),
            ("the user's alone", "", {}, both, ("--scope", "mine"), "mine", None),
            ("the user's, with it", "", {}, both, ("--scope", "mine offline_access"), "mine offline_access", "consent"),
        ):
            server = Mcp(challenge, resource_members, server_members, token={"scope": "granted one"})
            name = what.replace(" ", "-").replace("'", "").replace(",", "")
            query, _ = log_in(home, name, server, *arguments)
            expect(f"{what}: {scope}", query.get("scope") == scope, query)
            expect(f"{what}: prompt {prompt}", query.get("prompt") == prompt, query)
            server.token = {}
            refresh(home, name, server)
            forms = server.forms("/token")
            expect(f"{what}: none at the token endpoint", [form.get("scope") for form in forms] == [None, None], forms)
            entry = home.must("show", name, "--json").json
            expect(f"{what}: the scope granted is recorded", "granted one" in json.dumps(entry), entry)


def issuers():
    """14: what one server gave is for that server, and another is shown nothing of it."""
    with Home() as home:
        old, new = Mcp(token={"access_token": "old-access", "refresh_token": "old-refresh"}, prefix="old-client"), Mcp()
        log_in(home, "moved", old)
        old.resource = {"authorization_servers": [new.base]}
        old.forget()
        query, said = log_in(home, "moved", old, url=False)
        seen = json.dumps(new.asked)
        expect("a client is registered at the new one", len(new.registrations) == 1 and query.get("client_id") == "registered-1", seen)
        expect("which is said", new.base in said, said)
        expect("it is shown nothing of the old", "old-" not in seen, seen)
        expect("the old one is posted nothing", all(method == "GET" for method, *_ in old.asked), old.paths())
        expect("and not asked for metadata", WELL_KNOWN + "oauth-authorization-server" not in old.paths(), old.paths())
        old.forget()
        refresh(home, "moved", new)
        expect("a refresh goes to the new one", old.asked == [] and new.forms("/token")[-1]["refresh_token"] == ["rt-1"], new.asked)


if __name__ == "__main__":
    main(clients, resource, scopes, issuers)
