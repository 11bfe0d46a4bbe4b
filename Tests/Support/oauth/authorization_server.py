#!/usr/bin/env python3
"""An authorization server on 127.0.0.1 that says what it saw and fails as it is told.

Prints one JSON line with its port, endpoints and clients when it listens; ends when its standard input closes. Control:

  POST /_control          state.Control's members; also "faults": […] (faults.py), "clear_faults": true
  GET  /_log              everything it was asked, tokens as fingerprints (the first 8 bytes of their SHA-256, in hex)
  GET  /_state            how many requests hang, how many faults wait, how many grants were revoked
  POST /_release          lets those that hang go on
  POST /_expire           every access token is expired now
  POST /_revoke           every token is revoked now
  POST /_nonce            a new DPoP nonce from now on
  POST /_device/approve   {"user_code": …, "approve": true}
"""
import argparse
import dataclasses
import json
import os
import secrets
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, g, jsonify, redirect, render_template_string, request
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.datastructures import MultiDict
from werkzeug.serving import WSGIRequestHandler, make_server

import faults as faults_module
import grants
import proofs
from lifetime import announce, end_with_standard_input
from state import Client, State, fingerprint

# What form encoding must get right: a colon, a per cent sign, a plus, a space and a letter beyond ASCII.
SECRET = "a:b%+ \u00e9"
PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>{{ title }}</title><h1>{{ title }}</h1>
<p>{{ text }}</p><form method=post>{% if code is not none %}<input name=user_code value="{{ code }}">{% endif %}
<button id=allow name=answer value=allow>Allow</button> <button id=deny name=answer value=deny>Deny</button></form></html>"""

state, faults = State(), faults_module.Faults()
state.key = RSAKey.generate_key(2048, {"kid": "signing"})
app = Flask(__name__)
base = {}


def issuer():
    return base["url"] + base["path"]


def token_endpoint():
    return base["url"] + "/token"


server = grants.Server(app, state, issuer, token_endpoint)
grants.register(server)


@app.before_request
def begin():
    g.facts, g.jkt, g.fault = {}, None, {"kind": None}


def seen():
    """What a log entry says of the request: names of parameters, values only where they are no secret."""
    form = request.form if request.method == "POST" else request.args
    shown = ("client_id", "grant_type", "resource", "scope", "redirect_uri", "response_type", "token_type_hint", "prompt",
             "requested_token_type", "requested_token", "subject_token_type", "code_challenge_method", "application_type")
    return {
        "parameters": sorted(form),
        "values": {name: form.getlist(name) for name in shown if name in form},
        "content_type": request.content_type,
        "accept": request.headers.get("Accept"),
        "accept_encoding": request.headers.get("Accept-Encoding"),
        "user_agent": request.headers.get("User-Agent"),
        "has_authorization": "Authorization" in request.headers,
        "has_dpop": "DPoP" in request.headers,
        "code": fingerprint(form.get("code")),
        "refresh_token": fingerprint(form.get("refresh_token")),
    }


def outcome(response):
    if response.status_code < 300:
        return "granted" if request.path == "/token" else "ok"
    return (response.get_json(silent=True) or {}).get("error", str(response.status_code))


def with_nonce(response):
    if state.control.dpop_nonce:
        response.headers["DPoP-Nonce"] = state.dpop_nonce
    return response


def carry_out():
    """The token request itself, one at a time."""
    with state.lock:
        try:
            g.jkt = proofs.dpop_thumbprint(state, request.headers.get("DPoP"), request.method, token_endpoint())
            response = server.create_token_response()
        except OAuth2Error as error:
            response = server.handle_response(error.status_code, dict(error.get_body()), error.get_headers())
        entry = g.facts | {"outcome": "reuse" if g.facts.get("reuse") else outcome(response)}
    return with_nonce(response), entry


@app.post("/token")
def token():
    facts = {"grant_type": request.form.get("grant_type"), **seen()}
    g.fault = fault = faults.take(facts["grant_type"])
    kind = fault["kind"]
    entry = state.log("token", **facts, method=None, fault=kind, outcome="received")

    if kind == "drop-before":
        entry["outcome"] = "dropped"
        faults_module.cut(request.environ, fault.get("reset", False))
        return Response()
    if kind == "hang" and fault.get("before"):
        faults.hang()
    response = faults_module.without_processing(fault, Response)
    if response is not None and not fault.get("process"):
        entry["outcome"] = "answered by fault"
        return response
    answer, more = carry_out()
    entry.update(more)
    response = faults_module.altered(fault, response or answer)
    if kind == "hang" and not fault.get("before"):
        faults.hang()
    elif kind == "drop-after-rotation":
        faults_module.cut(request.environ, fault.get("reset", False))
        return Response()
    elif kind in ("truncate", "drip"):
        body = response.get_data()
        if kind == "truncate":
            faults_module.send_raw(request.environ, response, body, part=fault.get("bytes", len(body) // 2),
                                    reset=fault.get("reset", False))
        else:
            faults_module.send_raw(request.environ, response, body, interval=fault.get("interval", 0.1))
        return Response()
    return response


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    entry = state.log("authorize", **seen(), http_method=request.method, outcome="received")
    with state.lock:
        pushed = "request_uri" in request.values
        if state.control.require_par and not pushed or pushed and request.values["request_uri"] not in state.pushed:
            entry["outcome"] = "invalid_request"
            return Response("the authorization request must be pushed (RFC 9126)", 400)
        try:
            grant = server.get_consent_grant(end_user=grants.USER)
        except OAuth2Error as error:
            entry["outcome"] = error.error
            return server.handle_error_response(server.create_oauth2_request(request), error)
        answer = {"auto": "allow", "deny": "deny"}.get(state.control.consent, request.form.get("answer"))
        if answer is None:
            entry["outcome"] = "asked"
            text = f"{grant.client.id} asks for: {grant.request.payload.scope or 'nothing in particular'}"
            return render_template_string(PAGE, title="Allow access?", text=text, code=None)
        entry["outcome"] = "allowed" if answer == "allow" else "denied"
        response = server.create_authorization_response(grant=grant, grant_user=grants.USER if answer == "allow" else None)
        if pushed:
            state.pushed.pop(request.values["request_uri"], None)
        return response


@app.post("/par")
def push():
    entry = state.log("par", **seen(), outcome="received")
    with state.lock:
        query = server.create_oauth2_request(request)
        try:
            server.authenticate_client(query, grants.METHODS, "token")
            server.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            entry.update(g.facts, outcome=error.error)
            error.redirect_uri = None
            return server.handle_response(error.status_code, dict(error.get_body()), error.get_headers())
        uri = "urn:ietf:params:oauth:request_uri:" + secrets.token_urlsafe(16)
        state.pushed[uri] = MultiDict(request.form)
        entry.update(g.facts, outcome="ok")
        return jsonify(request_uri=uri, expires_in=90), 201


def endpoint(name, logged):
    entry = state.log(logged, **seen(), outcome="received")
    with state.lock:
        response = server.create_endpoint_response(name)
        entry.update(g.facts, outcome=outcome(response))
    return response


@app.post("/device_authorization")
def device_authorization():
    return endpoint("device_authorization", "device_authorization")


@app.post("/revoke")
def revoke():
    # A log must say which token it was: the fingerprint of what was sent.
    g.facts["token"] = fingerprint(request.form.get("token"))
    return endpoint("revocation", "revoke")


@app.route("/device", methods=["GET", "POST"])
def device():
    if request.method == "POST":
        found = approve(request.form.get("user_code"), request.form.get("answer") == "allow")
        return "<p id=done>Done.</p>" if found else ("<p>There is no such code.</p>", 404)
    return render_template_string(PAGE, title="Connect a device", text="", code=request.args.get("user_code", ""))


def approve(user_code, answer):
    with state.lock:
        for device in state.devices.values():
            if device.user_code == user_code:
                device.answer = answer
                return True
    return False


@app.post("/register")
def register():
    body = request.get_json()
    entry = state.log("register", body=body, outcome="received")
    method = body.get("token_endpoint_auth_method", "client_secret_basic")
    if not body.get("redirect_uris") or method not in grants.METHODS[1:]:
        entry["outcome"] = "invalid_client_metadata"
        return jsonify(error="invalid_client_metadata"), 400
    client = Client("dyn-" + secrets.token_urlsafe(8), method, redirects=body["redirect_uris"])
    answer = body | {"client_id": client.id, "token_endpoint_auth_method": method, "client_id_issued_at": 0}
    if method != "none":
        client.secret = secrets.token_urlsafe(16)
        answer |= {"client_secret": client.secret, "client_secret_expires_at": 0}
    state.clients[client.id] = client
    entry.update(outcome="ok", client_id=client.id)
    return jsonify(answer), 201


@app.get("/resource")
def resource():
    scheme, _, presented = (request.headers.get("Authorization") or "").partition(" ")
    found = state.tokens.get(presented)
    entry = state.log("resource", scheme=scheme, access_token=fingerprint(presented), outcome="ok")

    def refused(error):
        entry["outcome"] = error
        challenge = f'{"DPoP" if scheme.lower() == "dpop" else "Bearer"} error="{error}", resource_metadata="{metadata_url}"'
        return with_nonce(Response("", 401, {"WWW-Authenticate": challenge}))

    metadata_url = base["url"] + "/.well-known/oauth-protected-resource/resource"
    if found is None or found.kind != "access" or found.is_revoked or found.is_expired():
        return refused("invalid_token")
    if scheme.lower() != ("dpop" if found.jkt else "bearer"):
        return refused("invalid_token")
    if found.jkt:
        try:
            jkt = proofs.dpop_thumbprint(state, request.headers.get("DPoP"), "GET", base["url"] + "/resource", presented)
        except OAuth2Error as error:
            return refused(error.error)
        if jkt != found.jkt:
            return refused("invalid_dpop_proof")
    return with_nonce(jsonify(user=found.user, client_id=found.client_id, scope=found.scope))


@app.get("/.well-known/oauth-protected-resource/resource")
def protected_resource():
    state.log("protected_resource_metadata", outcome="ok")
    return jsonify(resource=base["url"] + "/resource", authorization_servers=[issuer()])


@app.get("/.well-known/oauth-authorization-server")
@app.get("/.well-known/oauth-authorization-server/<path:path>")
@app.get("/.well-known/openid-configuration")
@app.get("/.well-known/openid-configuration/<path:path>")
@app.get("/<path:path>/.well-known/openid-configuration")
@app.get("/oidc/.well-known/oauth-authorization-server")
def metadata(path=""):
    state.log("metadata", path=request.path, outcome="ok")
    if "/" + path != (base["path"] or "/"):
        return Response("", 404)
    url = base["url"]
    document = {
        "issuer": issuer(),
        "authorization_endpoint": url + "/authorize",
        "token_endpoint": token_endpoint(),
        "device_authorization_endpoint": url + "/device_authorization",
        "revocation_endpoint": url + "/revoke",
        "registration_endpoint": url + "/register",
        "pushed_authorization_request_endpoint": url + "/par",
        "require_pushed_authorization_requests": state.control.require_par,
        "jwks_uri": url + "/jwks",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", grants.EXCHANGE,
                                  "urn:ietf:params:oauth:grant-type:device_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "offline_access", "read", "write"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": grants.METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": bool(state.control.iss),
    }
    document.update(state.control.metadata)
    return jsonify({name: value for name, value in document.items() if value is not None})


@app.get("/jwks")
def jwks():
    return jsonify(KeySet([state.key]).as_dict(private=False))


@app.post("/_control")
def control():
    body = request.get_json()
    known = {field.name for field in dataclasses.fields(state.control)}
    unknown = set(body) - known - {"faults", "clear_faults"}
    if unknown:
        return jsonify(error=f"no such control: {sorted(unknown)}"), 400
    try:
        if body.pop("clear_faults", False):
            faults.clear()
        faults.add(body.pop("faults", []))
    except ValueError as error:
        return jsonify(error=str(error)), 400
    with state.lock:
        for name, value in body.items():
            setattr(state.control, name, value)
    return jsonify(dataclasses.asdict(state.control))


@app.get("/_log")
def log():
    with state.lock:
        return jsonify(state.entries)


@app.get("/_state")
def current():
    with state.lock:
        return jsonify(
            hanging=faults.hanging, faults=faults.queue, families_revoked=state.families_revoked,
            user_codes=[device.user_code for device in state.devices.values() if device.answer is None],
            refreshes=sum(entry.get("grant_type") == "refresh_token" and entry["outcome"] == "granted" for entry in state.entries),
            reuses=sum(entry["outcome"] == "reuse" for entry in state.entries),
        )


@app.post("/_release")
def release():
    return jsonify(released=faults.release())


@app.post("/_expire")
def expire():
    state.expire_access_tokens()
    return jsonify({})


@app.post("/_revoke")
def revoke_everything():
    with state.lock:
        for token in state.tokens.values():
            token.is_revoked = True
    return jsonify({})


@app.post("/_nonce")
def new_nonce():
    with state.lock:
        state.dpop_nonce = secrets.token_urlsafe(12)
    return jsonify(nonce=state.dpop_nonce)


@app.post("/_device/approve")
def approve_device():
    body = request.get_json()
    return jsonify({}) if approve(body["user_code"], body.get("approve", True)) else (jsonify(error="no such code"), 404)


class Handler(WSGIRequestHandler):
    """Says nothing on standard error: queries hold codes."""

    def log(self, type, message, *arguments):
        if type == "error":
            sys.stderr.write(f"authorization_server: {message % arguments}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--issuer-path", default="", help="the path of the issuer, for discovery below one: /tenant")
    arguments = parser.parse_args()
    signing = ECKey.generate_key("P-256")
    state.clients.update({
        "public": Client("public", "none"),
        "basic": Client("basic", "client_secret_basic", SECRET),
        "post": Client("post", "client_secret_post", SECRET),
        "signing": Client("signing", "private_key_jwt", key=signing),
        # The public client that every Databricks workspace knows.
        "databricks-cli": Client("databricks-cli", "none"),
    })
    web = make_server("127.0.0.1", arguments.port, app, threaded=True, request_handler=Handler)
    web.daemon_threads = True
    web.socket.listen(1024)
    base.update(url=f"http://127.0.0.1:{web.server_port}", path=arguments.issuer_path)
    end_with_standard_input()
    announce(
        port=web.server_port, base=base["url"], issuer=issuer(), authorization_endpoint=base["url"] + "/authorize",
        token_endpoint=token_endpoint(), revocation_endpoint=base["url"] + "/revoke",
        device_authorization_endpoint=base["url"] + "/device_authorization", resource=base["url"] + "/resource",
        clients={
            "public": {"method": "none"},
            "basic": {"method": "client_secret_basic", "secret": SECRET},
            "post": {"method": "client_secret_post", "secret": SECRET},
            "signing": {"method": "private_key_jwt", "pem": signing.as_pem(private=True).decode()},
        },
    )
    web.serve_forever()


if __name__ == "__main__":
    main()
