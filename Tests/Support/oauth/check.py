#!/usr/bin/env python3
"""Tries every server and driver of this folder once, and says what it saw: check.py [--browser]"""
import base64
import concurrent.futures
import hashlib
import http.server
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from drive_login import drive
from mcp_client import call

here = os.path.dirname(os.path.realpath(__file__))
running = []


def start(script, *arguments):
    command = [sys.executable, os.path.join(here, script), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    running.append(process)
    facts = json.loads(process.stdout.readline())
    facts["process"] = process
    return facts


def expect(what, holds, *seen):
    print(f"{'ok  ' if holds else 'FAIL'} {what}", *([] if holds else seen), flush=True)
    if not holds:
        failures.append(what)


failures = []
REDIRECT = "http://127.0.0.1:8765/callback"


def challenge():
    verifier = secrets.token_urlsafe(32)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(server, client, redirect=REDIRECT, **more):
    verifier, digest = challenge()
    query = {
        "response_type": "code", "client_id": client, "redirect_uri": redirect, "state": "s t", "code_challenge": digest,
        "code_challenge_method": "S256", "scope": "openid email", "nonce": secrets.token_hex(8), **more,
    }
    return server["authorization_endpoint"] + "?" + urllib.parse.urlencode(query), verifier, query


def basic_of(server):
    if "client_secret" not in server:
        return None
    return tuple(urllib.parse.quote_plus(server[name]) for name in ("client_id", "client_secret"))


def login(server, client, **more):
    redirect = more.pop("redirect", REDIRECT)
    url, verifier, query = authorization_url(server, client, redirect, **more)
    callback = urllib.parse.urlsplit(drive(url))
    answer = {name: values[0] for name, values in urllib.parse.parse_qs(callback.query).items()}
    form = {"grant_type": "authorization_code", "code": answer.get("code"), "redirect_uri": redirect,
            "client_id": client, "code_verifier": verifier}
    return answer, requests.post(server["token_endpoint"], data=form, auth=basic_of(server)), query


def refresh(server, token, client="public", endpoint=None, **arguments):
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client}
    return requests.post(endpoint or server["token_endpoint"], data=form, timeout=20, auth=basic_of(server), **arguments)


def own():
    server = start("authorization_server.py")
    base = server["base"]
    control = lambda **body: requests.post(base + "/_control", json=body)
    get = lambda path: requests.get(base + path).json()
    answer, got, query = login(server, "public", resource=base + "/resource")
    token = got.json()
    expect("code with PKCE", got.status_code == 200 and answer["state"] == "s t" and answer["iss"] == server["issuer"], got.text)
    claims = jwt.decode(token["id_token"], __import__("joserfc.jwk").jwk.KeySet.import_key_set(get("/jwks"))).claims
    expect("id token with the nonce", claims["nonce"] == query["nonce"], claims)
    bearer = lambda token: requests.get(server["resource"], headers={"Authorization": "Bearer " + token}).status_code
    expect("resource takes the token", bearer(token["access_token"]) == 200)
    requests.post(base + "/_expire")
    expect("and not once it is expired", bearer(token["access_token"]) == 401)
    second = refresh(server, token["refresh_token"]).json()
    expect("refresh rotates", second["refresh_token"] != token["refresh_token"] and "id_token" in second, second)
    reused = refresh(server, token["refresh_token"])
    expect("a reused token is invalid_grant", reused.status_code == 400 and reused.json()["error"] == "invalid_grant", reused.text)
    expect("and its family is gone", refresh(server, second["refresh_token"]).json()["error"] == "invalid_grant")
    expect("access token too", bearer(second["access_token"]) == 401)
    expect("the log says reuse", [e for e in get("/_log") if e["outcome"] == "reuse"] and get("/_state")["reuses"] == 1)
    expect("and holds no token", token["refresh_token"] not in json.dumps(get("/_log")))
    wrong, _, _ = login(server, "public")
    bad = requests.post(server["token_endpoint"], data={"grant_type": "authorization_code", "code": wrong["code"],
                        "redirect_uri": REDIRECT, "client_id": "public", "code_verifier": "x" * 43})
    expect("a wrong verifier is refused", bad.status_code == 400, bad.text)
    url, _, _ = authorization_url(server, "public", code_challenge_method="plain")
    expect("plain PKCE is refused", "error=invalid_request" in drive(url))
    control(consent="page")
    url, _, _ = authorization_url(server, "public")
    expect("denied at the page", "error=access_denied" in drive(url, deny=True), drive(url, deny=True))
    control(consent="auto", rotation=False)
    token = login(server, "public")[1].json()
    kept = refresh(server, token["refresh_token"]).json()
    again = refresh(server, token["refresh_token"])
    expect("without rotation", "refresh_token" not in kept and again.status_code == 200, kept)
    control(rotation=True)

    secret = server["clients"]["basic"]["secret"]
    quoted = tuple(urllib.parse.quote_plus(text) for text in ("basic", secret))
    cc = {"grant_type": "client_credentials", "scope": "read"}
    ask = lambda form, **more: requests.post(server["token_endpoint"], data=form, **more)
    expect("Basic, form-encoded", ask(cc, auth=quoted).status_code == 200, ask(cc, auth=quoted).text)
    raw = base64.b64encode(f"basic:{secret}".encode()).decode()
    raw_header = {"Authorization": "Basic " + raw}
    expect("Basic as it is, refused", ask(cc, headers=raw_header).status_code == 401, ask(cc, headers=raw_header).text)
    control(basic="raw")
    expect("Basic as it is, when told", ask(cc, headers=raw_header).status_code == 200)
    control(basic="form")
    expect("post", ask(cc | {"client_id": "post", "client_secret": secret}).status_code == 200)
    expect("post for a Basic client, refused", ask(cc | {"client_id": "basic", "client_secret": secret}).status_code == 401)
    expect("public client has no client credentials", ask(cc | {"client_id": "public"}).status_code in (400, 401))
    key = ECKey.import_key(server["clients"]["signing"]["pem"])
    now = int(time.time())

    def assertion(**more):
        claims = {"iss": "signing", "sub": "signing", "aud": server["issuer"], "jti": secrets.token_hex(8), "iat": now,
                  "exp": now + 300, **more}
        return cc | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                     "client_assertion": jwt.encode({"alg": "ES256"}, claims, key)}

    good = assertion()
    expect("private_key_jwt", ask(good).status_code == 200, ask(good).text)
    expect("the same jti twice, refused", ask(good).json()["error"] == "invalid_client")
    expect("a foreign audience, refused", ask(assertion(aud="https://x")).json()["error"] == "invalid_client")
    expect("six minutes, refused", ask(assertion(exp=now + 400)).json()["error"] == "invalid_client")

    device = requests.post(server["device_authorization_endpoint"], data={"client_id": "public", "scope": "read"}).json()
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "public", "device_code": device["device_code"]}
    expect("device: pending", ask(poll).json()["error"] == "authorization_pending", ask(poll).text)
    control(device_slow_down=1)
    expect("device: slow_down", ask(poll).json()["error"] == "slow_down")
    requests.post(base + "/_device/approve", json={"user_code": device["user_code"]})
    expect("device: granted", "refresh_token" in ask(poll).json())
    expect("device: once", ask(poll).status_code == 400)
    device = requests.post(server["device_authorization_endpoint"], data={"client_id": "public"}).json()
    requests.post(device["verification_uri_complete"], data={"user_code": device["user_code"], "answer": "deny"})
    expect("device: denied", ask(poll | {"device_code": device["device_code"]}).json()["error"] == "access_denied")

    control(require_par=True)
    url, verifier, query = authorization_url(server, "public")
    expect("PAR is required", requests.get(url, allow_redirects=False).status_code == 400)
    pushed = requests.post(base + "/par", data=query)
    expect("pushed", pushed.status_code == 201, pushed.text)
    url = server["authorization_endpoint"] + "?" + urllib.parse.urlencode({"client_id": "public", "request_uri": pushed.json()["request_uri"]})
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(drive(url)).query)["code"][0]
    got = ask({"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": "public", "code_verifier": verifier})
    expect("code of a pushed request", got.status_code == 200, got.text)
    control(require_par=False)
    token = got.json()
    exchange = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "client_id": "public",
                "subject_token": token["id_token"], "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
                "requested_token": "openai-api-key"}
    expect("token exchange", ask(exchange).json().get("issued_token_type") == "openai-api-key", ask(exchange).text)
    revoked = requests.post(server["revocation_endpoint"], data={"token": token["refresh_token"], "client_id": "public"})
    expect("revocation", revoked.status_code == 200 and refresh(server, token["refresh_token"]).status_code == 400, revoked.text)

    proof_key = ECKey.generate_key("P-256")

    def proof(method, url, **more):
        claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_hex(8), **more}
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": proof_key.as_dict(private=False)}
        return jwt.encode(header, claims, proof_key, registry=__import__("joserfc.jws").jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False))

    url, verifier, query = authorization_url(server, "public")
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(drive(url)).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": "public", "code_verifier": verifier}
    control(dpop_nonce=True)
    first = ask(form, headers={"DPoP": proof("POST", server["token_endpoint"])})
    expect("DPoP: the server wants its nonce", first.json()["error"] == "use_dpop_nonce" and "DPoP-Nonce" in first.headers, first.text)
    nonce = first.headers["DPoP-Nonce"]
    bound = ask(form, headers={"DPoP": proof("POST", server["token_endpoint"], nonce=nonce)})
    expect("DPoP: bound", bound.status_code == 200 and bound.json()["token_type"] == "DPoP", bound.text)
    ath = base64.urlsafe_b64encode(hashlib.sha256(bound.json()["access_token"].encode()).digest()).rstrip(b"=").decode()
    headers = {"Authorization": "DPoP " + bound.json()["access_token"], "DPoP": proof("GET", server["resource"], ath=ath, nonce=nonce)}
    got = requests.get(server["resource"], headers=headers)
    expect("DPoP: resource", got.status_code == 200, got.headers)
    expect("DPoP: not as a Bearer token", bearer(bound.json()["access_token"]) == 401)
    control(dpop_nonce=False)
    expect("DPoP: no refresh without the key", refresh(server, bound.json()["refresh_token"]).json()["error"] == "invalid_dpop_proof")
    got = refresh(server, bound.json()["refresh_token"], headers={"DPoP": proof("POST", server["token_endpoint"])})
    expect("DPoP: refresh with it", got.status_code == 200, got.text)

    for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
        expect(path, get(path)["issuer"] == server["issuer"])
    below = start("authorization_server.py", "--issuer-path", "/tenant")
    found = [requests.get(below["base"] + path).status_code for path in (
        "/.well-known/oauth-authorization-server/tenant", "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")]
    expect("metadata below a path", found == [200, 200, 200, 404], found)

    for fault, what in (
        ({"kind": "status", "status": 503, "body": "x", "headers": {"Retry-After": "7"}}, lambda r: r.status_code == 503 and r.headers["Retry-After"] == "7"),
        ({"kind": "error", "error": "invalid_client", "status": 401}, lambda r: r.status_code == 401 and r.json()["error"] == "invalid_client"),
        ({"kind": "redirect", "location": "http://127.0.0.2:1/"}, lambda r: r.status_code == 307),
        ({"kind": "html"}, lambda r: r.status_code == 200 and "Hotel" in r.text),
        ({"kind": "gzip"}, lambda r: r.headers["Content-Encoding"] == "gzip" and r.json()["access_token"]),
        ({"kind": "expires_in", "value": "1e400"}, lambda r: r.json()["expires_in"] == "1e400"),
        ({"kind": "expires_in", "value": "omit"}, lambda r: "expires_in" not in r.json()),
        ({"kind": "no_rotation"}, lambda r: "refresh_token" not in r.json()),
        ({"kind": "patch", "set": {"access_token": None}}, lambda r: "access_token" not in r.json()),
        ({"kind": "drip", "interval": 0.001}, lambda r: r.status_code == 200 and r.json()["access_token"]),
    ):
        token = login(server, "public")[1].json()
        control(faults=[fault | {"grant_type": "refresh_token"}])
        got = refresh(server, token["refresh_token"], allow_redirects=False)
        expect(f"fault {fault['kind']}", what(got), got.status_code, got.text[:200])
    for kind, spent in (("drop-after-rotation", True), ("drop-before", False), ("truncate", True)):
        for reset in (False, True):
            token = login(server, "public")[1].json()
            control(faults=[{"kind": kind, "grant_type": "refresh_token", "reset": reset}])
            try:
                refresh(server, token["refresh_token"])
                answered = True
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                answered = False
            after = refresh(server, token["refresh_token"])
            expect(f"fault {kind} {'with a RST' if reset else ''}", not answered and (after.status_code == 400) == spent, answered, after.text)
    token = login(server, "public")[1].json()
    control(faults=[{"kind": "hang", "grant_type": "refresh_token"}])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(refresh, server, token["refresh_token"])
        while get("/_state")["hanging"] == 0:
            time.sleep(0.01)
        expect("fault hang", not waiting.done() and requests.post(base + "/_release").json()["released"] == 1)
        expect("and goes on", waiting.result().status_code == 200)
    token = login(server, "public")[1].json()
    with concurrent.futures.ThreadPoolExecutor(150) as pool:
        statuses = list(pool.map(lambda _: refresh(server, token["refresh_token"]).status_code, range(150)))
    expect("150 at once: one refresh, the others reuse", statuses.count(200) == 1 and statuses.count(400) == 149, statuses)
    expect("unknown control refused", control(nonsense=1).status_code == 400 and control(faults=[{"kind": "x"}]).status_code == 400)
    return server


def through_proxy(server):
    proxy = start("dropping_proxy.py", "--to", f"127.0.0.1:{server['port']}")
    token = login(server, "public")[1].json()
    endpoint = proxy["base"] + "/token"
    requests.post(proxy["base"] + "/_drop", json={"count": 1, "grant_type": "refresh_token"})
    try:
        refresh(server, token["refresh_token"], endpoint=endpoint)
        expect("proxy drops", False)
    except requests.ConnectionError:
        seen = requests.get(proxy["base"] + "/_dropped").json()
        expect("proxy drops what the server had granted", seen["dropped"] == [{"path": "/token", "status": 200}], seen)
    expect("and then passes on", refresh(server, token["refresh_token"], endpoint=endpoint).json()["error"] == "invalid_grant")


def foreign(script, *arguments):
    server = start(script, *arguments)
    answer, got, query = login(server, server["client_id"], redirect=server["redirect"])
    expect(f"{script}: login", got.status_code == 200 and "refresh_token" in got.json(), answer, got.text)
    again = refresh(server, got.json()["refresh_token"], server["client_id"])
    expect(f"{script}: refresh", again.status_code == 200, again.text)
    once = refresh(server, got.json()["refresh_token"], server["client_id"])
    print("     ", script, "rotates:", "refresh_token" in again.json(), "; the old token again:", once.status_code, once.text[:90].strip())
    # Canaille remembers the consent given above, and asks again only when told to.
    url, _, _ = authorization_url(server, server["client_id"], server["redirect"], prompt="consent")
    denied = drive(url, deny=True)
    expect(f"{script}: denial", "error=access_denied" in denied, denied)
    return server


def mcp(kind):
    """Logs in with the SDK's own client, and calls a tool with what it got."""
    server = start("mcp_servers.py", "--kind", kind)
    requests.post(server["base"] + "/_control", json={"lifetime": 60}).raise_for_status()
    who = call(server["resource"], "whoami")
    expect(f"mcp {kind}: the SDK's client is let in", who["subject"] == "alice" and who["scopes"] == ["read"], who)
    log = requests.get(server["base"] + "/_log").json()
    named = [entry["values"]["resource"] for entry in log if entry["endpoint"] in ("/authorize", "/token")]
    expect(f"mcp {kind}: the log knows the resource", named == [server["resource"]] * 2, named)
    text = json.dumps(log)
    expect(f"mcp {kind}: and no token", "at-" not in text and "test_access_token" not in text and "Bearer" in text)
    refused = requests.post(server["base"] + "/_control", json={"nonsense": 1})
    expect(f"mcp {kind}: unknown control refused", refused.status_code == 400)


def in_browser(server, client):
    """A stand-in for the vault's listener shows its success page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = b"<!doctype html><title>Vault</title><h1>Signed in</h1>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    port = urllib.parse.urlsplit(server.get("redirect", REDIRECT)).port
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Page) as listener, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        picture = os.path.join(folder, "page.png")
        command = [sys.executable, os.path.join(here, "browser_login.py"),
                   authorization_url(server, client, server.get("redirect", REDIRECT))[0],
                   "--screenshot", picture, "--expect", "Signed in"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        is_picture = os.path.exists(picture) and open(picture, "rb").read(8) == b"\x89PNG\r\n\x1a\n"
        expect(f"browser: {client} at {server['issuer']}", done.returncode == 0 and is_picture, done.stdout, done.stderr[-800:])
        listener.shutdown()


try:
    mine = own()
    through_proxy(mine)
    servers = [(mine, "public")]
    servers += [(server, server["client_id"]) for server in (
        foreign("oidc_provider_mock"), foreign("oidc_provider_mock", "--registered"), foreign("canaille"))]
    mcp("reference")
    mcp("fastmcp")
    if "--browser" in sys.argv:
        requests.post(mine["base"] + "/_control", json={"consent": "page"})
        for server, client in servers:
            in_browser(server, client)
finally:
    for process in running:
        process.stdin.close()
    expect("every server ends with its standard input", all(process.wait(10) == 0 for process in running))
sys.exit(1 if failures else 0)
