"""What the scenarios of `vault login --url` share."""
from place import *

from lying_resource import Liar
from mcp_client import call

WELL_KNOWN = "/.well-known/"
PROTECTED = WELL_KNOWN + "oauth-protected-resource"
SERVER = WELL_KNOWN + "oauth-authorization-server"
CONNECT = WELL_KNOWN + "openid-configuration"


class Packages(Server):
    """One of the servers of mcp_servers.py."""

    def __init__(self, *arguments):
        super().__init__("mcp_servers.py", *arguments)
        self.resource, self.issuers = self.facts["resource"], self.facts["issuers"]

    def forget(self):
        requests.get(self.base + "/_forget").raise_for_status()

    def clients(self):
        return requests.get(self.base + "/_clients").json()

    def asked(self):
        """Who was asked for what, in order."""
        return [f"{entry['server']} {entry.get('method', '')} {entry['endpoint']}" for entry in self.log()]

    def last(self, endpoint, **values):
        return self.log(endpoint, **values)[-1]


def start_login(home, name, url, *arguments, **options):
    return home.start("login", name, "--url", url, "--no-browser", *arguments, **options)


def log_in(home, name, url, *arguments, deny=False, **options):
    """From the command to its end, with the driver as the browser."""
    running = start_login(home, name, url, *arguments, **options)
    shown = running.url()
    page = get(drive(shown, deny=deny))
    return running.end(), shown, page


def redirected(running, **answer):
    """Comes back to the listener with an answer of the scenario's own."""
    query = query_of(running.url())
    return get(query["redirect_uri"] + "?" + urllib.parse.urlencode({"state": query["state"], "code": "code"} | answer))


def until_asked(liar, step, running):
    """Waits for a request, as long as there is a `vault` to make it."""
    while step not in liar.requests() and running.process.poll() is None:
        time.sleep(0.01)


def tool(url, name, authorization):
    """What the SDK's client is told by a tool; the error's text where it is none."""
    try:
        return call(url, name, authorization)
    except BaseException as error:
        while getattr(error, "exceptions", None):
            error = error.exceptions[0]
        return f"{type(error).__name__}: {error}"


class Proxy:
    """A `vault proxy` that runs; its address and what it wants to be shown."""

    def __init__(self, home, name, url, *arguments, **options):
        self.running = running = home.start("proxy", name, "--to", url, *arguments, **options)
        with running.changed:
            running.changed.wait_for(lambda: running.out.count("\n") >= 2 or running.open == 0, PATIENCE)
        if running.out.count("\n") < 2:
            raise RuntimeError(f"the proxy said nothing: {running.end()}")
        self.url, self.authorization = running.out.splitlines()[:2]

    def end(self):
        self.running.signal(signal.SIGTERM)
        return self.running.end()


def honest(**changes):
    """An MCP server and its authorization server at one origin, as they should be; members of the metadata may differ."""
    metadata = {
        "issuer": "{base}", "authorization_endpoint": "{base}/authorize", "token_endpoint": "{base}/token",
        "registration_endpoint": "{base}/register", "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"], "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
    } | changes
    return {
        "GET /mcp": [challenge('Bearer resource_metadata="{base}%s/mcp"' % PROTECTED)],
        PROTECTED + "/mcp": [{"body": {"resource": "{base}/mcp", "authorization_servers": ["{base}"]}}],
        SERVER: [{"body": {name: value for name, value in metadata.items() if value is not None}}],
        "POST /register": [{"status": 201, "echo": {"client_id": "registered"}}],
        "POST /token": [{"body": {"access_token": "at-1", "refresh_token": "rt-1", "token_type": "Bearer", "expires_in": 3600}}],
    }


def challenge(*fields, status=401):
    return {"status": status, "headers": {"WWW-Authenticate": list(fields)}}


def json_of(entry):
    return json.loads(entry["body"])


def form_of(entry):
    return dict(urllib.parse.parse_qsl(entry["body"], keep_blank_values=True))


FOUND = ["GET /mcp", f"GET {PROTECTED}/mcp", f"GET {SERVER}"]
