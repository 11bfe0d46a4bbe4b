#!/usr/bin/env python3
"""MCP servers nobody here wrote, behind OAuth: mcp_servers.py [--kind reference|fastmcp] [--issuers N] […]

  reference   the MCP Python SDK's own authorization server and, at another origin, its resource server; with
              `--issuers 2` a second authorization server to move to
  fastmcp     FastMCP's server with its in-memory provider, authorization server and resource in one origin

Routes, metadata, registration, token endpoint and the tools' transport are the packages'. What they lack is ours: a
page that asks for consent, what `POST /_control` sets, 403 for a tool that wants another scope, and client ids that are
the URL of a metadata document. `GET /_log` says what every one of them was asked, values of tokens left out. Prints one
JSON line when they listen; ends when its standard input closes.
"""
import argparse
import asyncio
import dataclasses
import hashlib
import html
import json
import logging
import os
import secrets
import socket
import ssl
import time
import urllib.parse
import urllib.request

# Neither package asks the network for a newer one of itself.
os.environ |= {"FASTMCP_CHECK_FOR_UPDATES": "off", "FASTMCP_SHOW_SERVER_BANNER": "false"}

import uvicorn
from mcp.server.auth.handlers.metadata import MetadataHandler
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken, AuthorizationCode, OAuthAuthorizationServerProvider, RefreshToken, TokenError, construct_redirect_uri,
)
from mcp.server.auth.routes import build_metadata, cors_middleware, create_auth_routes, create_protected_resource_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.auth import InvalidRedirectUriError, OAuthClientInformationFull, OAuthToken
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lifetime import announce, end_with_standard_input

SCOPES = ["read", "write", "admin", "audit", "extra"]
# What may be repeated in the log; of everything else only the name is.
HARMLESS = {"resource", "scope", "grant_type", "client_id", "redirect_uri", "response_type", "prompt", "token_type_hint",
            "code_challenge_method"}
SECRET_HEADERS = {"authorization", "cookie", "proxy-authorization"}


@dataclasses.dataclass
class Control:
    """What `POST /_control` sets; whatever is not mentioned stays."""

    # "page" asks with two buttons, "auto" grants at once, "deny" refuses at once.
    consent: str = "page"
    # Seconds for which an access token is good.
    lifetime: int = 3600
    # Whether a refresh gives a new refresh token and ends the old one. FastMCP's provider always does.
    rotation: bool = True
    # The scope that a tool wants, by the tool's name; without it the answer is 403 with a challenge.
    tool_scopes: dict = dataclasses.field(default_factory=dict)
    # The authorization server that the resource names, by its number.
    authorization_server: int = 0
    # RFC 9207: sent, and advertised.
    iss: bool = False
    # Whether a client id may be the URL of a metadata document, and the certificates trusted for fetching it.
    client_metadata: bool = False
    client_metadata_ca: str = None
    # Registered clients' secrets end after so many seconds.
    client_secret_expiry_seconds: int = None
    # What a client may ask for that registered without naming scopes.
    default_scopes: list = dataclasses.field(default_factory=lambda: list(SCOPES))
    # Replaces members of the reference's authorization server metadata; null takes one out.
    metadata: dict = dataclasses.field(default_factory=dict)
    # Texts to look for in whatever is asked from now on; an entry's "contains" has those found, by their number.
    watch: list = dataclasses.field(default_factory=list)


control = Control()
entries = []
# Every authorization server's, for `GET /_clients`.
providers = []


def fingerprint(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class DocumentClient(OAuthClientInformationFull):
    """A client that its own document describes."""

    def validate_redirect_uri(self, redirect_uri):
        """RFC 8252 §7.3: "The authorization server MUST allow any port to be specified at the time of the request for
        loopback IP redirect URIs"."""

        def portless(uri):
            parts = urllib.parse.urlsplit(str(uri))
            is_loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
            return parts._replace(netloc=parts.hostname if is_loopback else parts.netloc).geturl()

        if redirect_uri is None or portless(redirect_uri) not in {portless(uri) for uri in self.redirect_uris or []}:
            raise InvalidRedirectUriError(f"Redirect URI '{redirect_uri}' is not in the client's document")
        return redirect_uri


def described_client(url):
    """The client whose id is the URL of its metadata document; None where that is no such document."""
    trust = ssl.create_default_context(cafile=control.client_metadata_ca)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with direct.open(url, timeout=10) as answer:
            document = json.loads(answer.read(1 << 16))
    except (OSError, ValueError) as error:
        entries.append({"server": "document", "endpoint": url, "failed": str(error)})
        return None
    entries.append({"server": "document", "endpoint": url, "client_id": document.get("client_id")})
    # draft-ietf-oauth-client-id-metadata-document: "The client_id […] MUST match the URL of the document", and none of
    # the methods that rest on a shared secret.
    method = document.get("token_endpoint_auth_method", "none")
    if document.get("client_id") != url or method != "none" or "client_secret" in document:
        return None
    return DocumentClient.model_validate({"scope": " ".join(SCOPES)} | document | {"token_endpoint_auth_method": method})


class Consenting:
    """Asks a person before it lets a provider's redirect happen."""

    def ask(self, redirect, client, params):
        if control.iss:
            redirect = construct_redirect_uri(redirect, iss=self.identifier)
        denied = construct_redirect_uri(
            str(params.redirect_uri), error="access_denied", error_description="They said no", state=params.state,
            iss=self.identifier if control.iss else None)
        if control.consent != "page":
            return denied if control.consent == "deny" else redirect
        request = secrets.token_urlsafe(16)
        self.asked[request] = (redirect, denied, client.client_id, params)
        return f"{self.identifier.rstrip('/')}/consent?request={request}"

    async def get_client(self, client_id):
        known = self.clients.get(client_id)
        if known is None and control.client_metadata and client_id.startswith("https://"):
            known = await asyncio.to_thread(described_client, client_id)
        return known

    async def consent(self, request):
        if request.method == "POST":
            form = await request.form()
            redirect, denied, _, _ = self.asked.pop(str(form.get("request")))
            return RedirectResponse(redirect if form.get("answer") == "allow" else denied, 302)
        found = self.asked.get(request.query_params.get("request", ""))
        if found is None:
            return Response("no such request", 400)
        _, _, client, params = found
        asks = f"{html.escape(client)} wants {html.escape(' '.join(params.scopes or []) or 'nothing in particular')}"
        return HTMLResponse(f"""<!doctype html><title>Allow this?</title><h1>Allow this?</h1><p>{asks}</p>
<form method="post" action="consent"><input type="hidden" name="request" value="{html.escape(request.query_params['request'])}">
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></form>""")

    def consent_route(self):
        return Route("/consent", self.consent, methods=["GET", "POST"])


class InMemory(Consenting, OAuthAuthorizationServerProvider):
    """What the SDK leaves to its user: clients, codes and tokens, for as long as the process runs."""

    def __init__(self, identifier):
        self.identifier = identifier
        self.clients, self.codes, self.access, self.refresh, self.asked = {}, {}, {}, {}, {}

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32), client_id=client.client_id, scopes=params.scopes or [], subject="alice",
            expires_at=time.time() + 300, **params.model_dump(include={
                "code_challenge", "redirect_uri", "redirect_uri_provided_explicitly", "resource"}))
        self.codes[code.code] = code
        return self.ask(construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state), client, params)

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        if self.codes.pop(authorization_code.code, None) is None:
            raise TokenError("invalid_grant", "the code was used before")
        return self.issue(client, authorization_code, authorization_code.scopes)

    async def load_refresh_token(self, client, refresh_token):
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        if control.rotation:
            del self.refresh[refresh_token.token]
        return self.issue(client, refresh_token, scopes, None if control.rotation else refresh_token.token)

    def issue(self, client, origin, scopes, kept=None):
        facts = {"client_id": client.client_id, "scopes": scopes, "resource": origin.resource, "subject": origin.subject}
        access = AccessToken(token="at-" + secrets.token_urlsafe(32), expires_at=int(time.time()) + control.lifetime, **facts)
        self.access[access.token] = access
        refresh = kept or "rt-" + secrets.token_urlsafe(32)
        self.refresh[refresh] = RefreshToken(token=refresh, **facts | {"scopes": origin.scopes})
        return OAuthToken(access_token=access.token, expires_in=control.lifetime, scope=" ".join(scopes), refresh_token=refresh)

    async def load_access_token(self, token):
        return self.access.get(token)

    async def revoke_token(self, token):
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)


class Challenging:
    """Answers 403 where a tool wants a scope that the token lacks, as the MCP authorization specification has it."""

    def __init__(self, app, load, metadata_url):
        self.app, self.load, self.metadata_url = app, load, metadata_url

    async def __call__(self, scope, receive, send):
        rpc = scope.get("rpc") or {}
        wanted = control.tool_scopes.get((rpc.get("params") or {}).get("name")) if rpc.get("method") == "tools/call" else None
        authorization = dict(scope.get("headers", [])).get(b"authorization", b"").decode()
        token = await self.load(authorization[len("Bearer "):]) if wanted and authorization else None
        if token is None or wanted in token.scopes:
            return await self.app(scope, receive, send)
        # Runtime insufficient scope: what the operation needs, and where to read about the resource.
        challenge = f'Bearer error="insufficient_scope", scope="{wanted}", resource_metadata="{self.metadata_url}"'
        answer = JSONResponse({"error": "insufficient_scope"}, 403, {"WWW-Authenticate": challenge})
        await answer(scope, receive, send)


class Watched:
    """Logs what is asked, and answers the questions of a test."""

    def __init__(self, app, name):
        self.app, self.name = app, name

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        body, more = b"", scope["method"] in ("POST", "PUT", "PATCH")
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"].startswith("/_"):
            return await self.of_tests(scope["path"], body)(scope, receive, send)
        entry = self.entry(scope, body)
        entries.append(entry)
        scope["rpc"] = entry.pop("rpc", None)
        if isinstance(scope["rpc"], dict):
            entry["rpc"] = scope["rpc"].get("method")
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def again():
            return given.pop() if given else await receive()

        async def noted(message):
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            await send(message)

        await self.app(scope, again, noted)

    def entry(self, scope, body):
        query = urllib.parse.parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        headers = {name.decode().lower(): value.decode(errors="replace") for name, value in scope["headers"]}
        entry = {"server": self.name, "method": scope["method"], "endpoint": scope["path"]}
        form, kind = [], headers.get("content-type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            form = urllib.parse.parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        elif kind.startswith("application/json"):
            try:
                entry["rpc" if scope["path"].startswith("/mcp") else "json"] = json.loads(body)
            except ValueError:
                entry["malformed"] = True
        entry |= {
            "query": [name for name, _ in query], "form": [name for name, _ in form],
            "values": {name: value for name, value in query + form if name in HARMLESS},
            "fingerprints": {name: fingerprint(value) for name, value in form if name not in HARMLESS},
            "headers": {name: value.split(" ")[0] if name in SECRET_HEADERS else value for name, value in headers.items()},
        }
        asked = b" ".join([scope["query_string"], body, *(value for _, value in scope["headers"])]).decode(errors="replace")
        entry["contains"] = [number for number, text in enumerate(control.watch)
                             if text in asked or urllib.parse.quote(text, safe="") in asked]
        return entry

    @staticmethod
    def of_tests(path, body):
        if path == "/_log":
            return JSONResponse(entries)
        if path == "/_clients":
            return JSONResponse([client.model_dump(mode="json") for provider in providers for client in provider.clients.values()])
        if path == "/_forget":
            entries.clear()
            return JSONResponse({})
        if path == "/_control":
            settings = json.loads(body)
            if unknown := set(settings) - {field.name for field in dataclasses.fields(Control)}:
                return JSONResponse({"unknown": sorted(unknown)}, 400)
            for name, value in settings.items():
                setattr(control, name, value)
            return JSONResponse(dataclasses.asdict(control))
        return Response("no such question", 404)


def whoami() -> dict:
    """Who the token is of, and what it allows."""
    token = get_access_token()
    return {"subject": token.subject, "scopes": token.scopes, "client_id": token.client_id}


def add_tools(server):
    server.tool(name="whoami")(whoami)
    for name in SCOPES[1:]:
        # One tool for each scope, so that a test can ask for them one after the other.
        server.tool(name=name + "_note")(whoami)
    return server


def authorization_server(identifier):
    """The SDK's own routes. Its metadata is built again for what a test changes."""
    provider = InMemory(identifier)
    providers.append(provider)
    # A path-less issuer as a string keeps its form; an AnyHttpUrl made here would gain a slash.
    issuer = AuthSettings(issuer_url=identifier, resource_server_url=None).issuer_url
    registration = ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES)
    revocation = RevocationOptions(enabled=True)
    routes = create_auth_routes(provider, issuer, None, registration, revocation)

    async def metadata(request):
        told = build_metadata(issuer, None, registration, revocation)
        told.client_id_metadata_document_supported = control.client_metadata or None
        told.authorization_response_iss_parameter_supported = control.iss or None
        for name, value in control.metadata.items():
            setattr(told, name, value)
        return await MetadataHandler(told).handle(request)

    routes = [
        Route(route.path, cors_middleware(metadata, ["GET", "OPTIONS"]), methods=["GET", "OPTIONS"])
        if route.path == "/.well-known/oauth-authorization-server" else route for route in routes]
    app = Starlette(routes=routes + [provider.consent_route()])

    async def configured(scope, receive, send):
        registration.client_secret_expiry_seconds = control.client_secret_expiry_seconds
        registration.default_scopes = control.default_scopes
        await app(scope, receive, send)

    return configured


def resource_server(resource):
    """The SDK's MCP server, at an origin of its own, with a verifier that knows the issuer it names at the time."""

    class Verifier:
        async def verify_token(self, token):
            return await providers[control.authorization_server].load_access_token(token)

    def settings(issuer):
        return AuthSettings(issuer_url=issuer, resource_server_url=resource, required_scopes=["read"], validate_token_resource=True)

    server = add_tools(MCPServer("reference", token_verifier=Verifier(), auth=settings(providers[0].identifier)))
    app = server.streamable_http_app(
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False))
    named = []
    for provider in providers:
        facts = settings(provider.identifier)
        routes = create_protected_resource_routes(facts.resource_server_url, [facts.issuer_url], facts.required_scopes)
        named.append(Starlette(routes=routes))

    async def either(scope, receive, send):
        is_metadata = scope["type"] == "http" and scope["path"].startswith("/.well-known/oauth-protected-resource")
        await (named[control.authorization_server] if is_metadata else app)(scope, receive, send)

    origin, path = resource.rsplit("/", 1)
    return Challenging(either, Verifier().verify_token, f"{origin}/.well-known/oauth-protected-resource/{path}")


def fastmcp_server(base):
    """FastMCP's server and provider, which bring every route but the page."""
    import fastmcp
    from fastmcp.server.auth.providers import in_memory

    # Both packages say everything twice on standard error otherwise.
    fastmcp.settings.log_enabled = False

    class Provider(Consenting, in_memory.InMemoryOAuthProvider):
        asked, identifier = {}, base + "/"

        async def authorize(self, client, params):
            self.clients.setdefault(client.client_id, client)
            return self.ask(await super().authorize(client, params), client, params)

        async def exchange_authorization_code(self, client, authorization_code):
            return self.owned(await super().exchange_authorization_code(client, authorization_code))

        async def exchange_refresh_token(self, client, refresh_token, scopes):
            return self.owned(await super().exchange_refresh_token(client, refresh_token, scopes))

        def owned(self, token):
            """Says whose it is and for how long, which the package's provider leaves out."""
            stored = self.access_tokens[token.access_token]
            stored.subject, stored.expires_at = "alice", int(time.time()) + control.lifetime
            token.expires_in = control.lifetime
            return token

    provider = Provider(
        base_url=base, required_scopes=["read"], revocation_options=RevocationOptions(enabled=True),
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES, default_scopes=SCOPES))
    providers.append(provider)
    server = add_tools(fastmcp.FastMCP("fastmcp", auth=provider))
    app = server.http_app(path="/mcp")
    app.router.routes.append(provider.consent_route())
    return Challenging(app, provider.load_access_token, base + "/.well-known/oauth-protected-resource/mcp")


def listening(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(128)
    return listener


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["reference", "fastmcp"], default="reference")
    parser.add_argument("--issuers", type=int, default=1, help="how many authorization servers (reference)")
    parser.add_argument("--bind", action="append", default=[], help="the resource's address, then the issuers'")
    parser.add_argument("--name", action="append", default=[], help="the host's name in URLs, in the same order")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", help="PEM; makes every URL https")
    parser.add_argument("--key", help="PEM")
    arguments = parser.parse_args()
    count = 1 if arguments.kind == "fastmcp" else 1 + arguments.issuers
    addresses = (arguments.bind or ["127.0.0.1"]) + arguments.bind[-1:] * count + ["127.0.0.1"] * count
    sockets = [listening(address, arguments.port) for address in addresses[:count]]
    scheme = "https" if arguments.certificate else "http"
    bases = []
    for number, listener in enumerate(sockets):
        port = listener.getsockname()[1]
        name = arguments.name[min(number, len(arguments.name) - 1)] if arguments.name else listener.getsockname()[0]
        bases.append(f"{scheme}://{name}" + ("" if (scheme, port) == ("https", 443) else f":{port}"))
    resource = bases[0] + "/mcp"
    if arguments.kind == "fastmcp":
        issuers, apps = [bases[0] + "/"], [Watched(fastmcp_server(bases[0]), "resource")]
    else:
        issuers = bases[1:]
        made = [authorization_server(base) for base in issuers]
        apps = [Watched(resource_server(resource), "resource")]
        apps += [Watched(app, f"issuer{number or ''}") for number, app in enumerate(made)]
    for name in ("mcp", "fastmcp", "uvicorn", "FastMCP"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    tls = {"ssl_certfile": arguments.certificate, "ssl_keyfile": arguments.key}
    servers = [
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1, **tls)) for app in apps]
    for server, app in zip(servers, apps):
        # Only what has a session manager to start has a lifespan.
        server.config.lifespan = "on" if app is apps[0] else "off"
    running = [asyncio.create_task(server.serve([listener])) for server, listener in zip(servers, sockets)]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
        if ended := [task for task in running if task.done()]:
            return ended[0].result()
    end_with_standard_input()
    announce(kind=arguments.kind, base=bases[0], resource=resource, issuer=issuers[0], issuers=issuers,
             metadata=f"{bases[0]}/.well-known/oauth-protected-resource/mcp")
    await asyncio.gather(*running)


if __name__ == "__main__":
    asyncio.run(main())
