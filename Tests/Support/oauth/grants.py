"""The grants of the authorization server, as Authlib has them, over `State`."""
import base64
import binascii
import secrets
import time
import urllib.parse

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Payload
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError, InvalidGrantError, InvalidRequestError, UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants.base import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import OpenIDCode
from flask import g
from joserfc import jwt

import proofs
from state import Code, Device, Token, fingerprint

METHODS = ["private_key_jwt", "client_secret_basic", "client_secret_post", "none"]
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
USER = "alice"


def basic_authentication(state):
    """Basic with the form decoding of RFC 6749 §2.3.1, which Authlib does without the plus sign, or without any."""

    def authenticate(query_client, request):
        scheme, _, encoded = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidClientError(status_code=401, description="Basic credentials cannot be read")
        if state.control.basic == "form":
            name, secret = urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)
        client = query_client(name)
        if client is None or not client.check_client_secret(secret):
            raise InvalidClientError(status_code=401, description="no such client, or not its secret")
        return client

    return authenticate


class PushedPayload(FlaskOAuth2Payload):
    """The parameters that were pushed (RFC 9126), in the place of those of the request."""

    def __init__(self, request, pushed):
        super().__init__(request)
        self._pushed = pushed

    @property
    def data(self):
        return self._pushed


class Server(AuthorizationServer):
    def __init__(self, app, state, issuer, token_endpoint):
        self.state, self.issuer = state, issuer
        super().__init__(app, state.clients.get, self.keep)
        self.register_token_generator("default", self.make)
        self.register_client_auth_method("client_secret_basic", basic_authentication(state))
        self.register_client_auth_method(
            "private_key_jwt", proofs.assertion_authentication(state, issuer, token_endpoint)
        )

    def authenticate_client(self, request, methods, endpoint="token"):
        client = super().authenticate_client(request, methods, endpoint)
        g.facts.update(client_id=client.id, method=request.auth_method)
        return client

    def create_oauth2_request(self, request):
        request = super().create_oauth2_request(request)
        pushed = self.state.pushed.get(request.payload.data.get("request_uri"))
        if pushed is not None:
            request.payload = PushedPayload(request._request, pushed)
        return request

    def make(self, grant_type, client, user=None, scope=None, expires_in=None, include_refresh_token=True):
        control = self.state.control
        token = {
            "access_token": "at-" + secrets.token_urlsafe(32),
            "token_type": "DPoP" if g.jkt else "Bearer",
            "expires_in": int(control.lifetime),
        }
        if control.expires_in == "omit":
            del token["expires_in"]
        elif control.expires_in is not None:
            token["expires_in"] = control.expires_in
        if include_refresh_token:
            token["refresh_token"] = "rt-" + secrets.token_urlsafe(32)
        if scope is not None:
            token["scope"] = scope
        return token

    def keep(self, token, request):
        before = request.refresh_token if isinstance(request.refresh_token, Token) else None
        family = before.family if before else secrets.token_urlsafe(8)
        common = dict(client_id=request.client.id, user=request.user, scope=token.get("scope", ""), family=family)
        access = Token(
            token["access_token"], "access", expires_at=time.time() + self.state.control.lifetime, jkt=g.jkt, **common
        )
        self.state.tokens[access.token] = access
        g.facts.update(family=family, issued_access_token=fingerprint(access.token))
        if "refresh_token" in token:
            # RFC 9449 §5: the refresh tokens of public clients are bound, those of confidential ones are not.
            jkt = before.jkt if before else (g.jkt if request.client.method == "none" else None)
            refresh = Token(token["refresh_token"], "refresh", expires_at=float("inf"), jkt=jkt, **common)
            self.state.tokens[refresh.token] = refresh
            g.facts.update(issued_refresh_token=fingerprint(refresh.token))

    def id_token(self, client_id, scope, user, nonce=None, auth_time=None):
        now = int(time.time())
        claims = {
            "iss": self.issuer(), "sub": user, "aud": client_id, "iat": now,
            "exp": now + int(self.state.control.id_token_lifetime), "email": f"{user}@example.org",
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if auth_time is not None:
            claims["auth_time"] = auth_time
        claims.update(self.state.control.id_token)
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.state.key.kid}, claims, self.state.key)


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code, request):
        data = request.payload.data
        state = self.server.state
        state.codes[code] = Code(
            code=code,
            client_id=request.client.id,
            redirect_uri=request.payload.redirect_uri,
            scope=request.payload.scope or "",
            nonce=data.get("nonce"),
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
            resource=data.getlist("resource"),
            expires_at=time.time() + 600,
            auth_time=int(time.time()),
            jkt=data.get("dpop_jkt"),
        )

    def query_authorization_code(self, code, client):
        found = self.server.state.codes.get(code)
        if found is None or found.client_id != client.id or time.time() > found.expires_at:
            return None
        if found.jkt is not None and found.jkt != g.jkt:
            raise InvalidGrantError("the code is bound to another DPoP key")
        g.facts["authorized_resource"] = found.resource
        return found

    def delete_authorization_code(self, authorization_code):
        self.server.state.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return USER


class EnforcedPKCE(CodeChallenge):
    """S256 and nothing else, for every client."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_challenge(self, grant, redirect_uri):
        data = grant.request.payload.data
        if not data.get("code_challenge"):
            raise InvalidRequestError("code_challenge is missing", redirect_uri=redirect_uri)
        if data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method is not S256", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)


class IDTokens(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return any(code.nonce == nonce for code in request.client and self.state.codes.values() or ())

    def __init__(self, server):
        super().__init__(require_nonce=False)
        self.server, self.state = server, server.state

    def encode_id_token(self, token, request):
        code = request.authorization_code
        return self.server.id_token(request.client.id, token["scope"], request.user, code.nonce, code.auth_time)


class RefreshTokenGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self):
        return self.server.state.control.rotation and g.fault["kind"] != "no_rotation"

    def authenticate_refresh_token(self, refresh_token):
        state = self.server.state
        token = state.tokens.get(refresh_token)
        if token is None or token.kind != "refresh" or not token.check_client(self.request.client):
            return None
        g.facts["family"] = token.family
        if token.is_spent:
            # OAuth 2.1 §4.3.1: "the authorization server … will revoke the active refresh token".
            state.revoke_family(token.family)
            g.facts["reuse"] = True
            raise InvalidGrantError("the refresh token was used before; every token of its grant is revoked now")
        if token.is_revoked:
            raise InvalidGrantError("the refresh token is revoked")
        if token.jkt is not None and token.jkt != g.jkt:
            raise proofs.InvalidProofError(description="the refresh token is bound to another DPoP key")
        return token

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def issue_token(self, user, refresh_token):
        token = super().issue_token(user, refresh_token)
        if "openid" in (token.get("scope") or "").split():
            token["id_token"] = self.server.id_token(self.request.client.id, token["scope"], user)
        return token

    def revoke_old_credential(self, refresh_token):
        if self.INCLUDE_NEW_REFRESH_TOKEN:
            refresh_token.is_spent = True


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [method for method in METHODS if method != "none"]


class DeviceGrant(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_device_credential(self, device_code):
        return self.server.state.devices.get(device_code)

    def query_user_grant(self, user_code):
        device = self.request.payload.data.get("device_code")
        device = self.server.state.devices[device]
        control = self.server.state.control
        if control.device_slow_down > 0 or device.answer is None:
            return None
        return USER, device.answer

    def should_slow_down(self, credential):
        control, now = self.server.state.control, time.time()
        if control.device_slow_down > 0:
            control.device_slow_down -= 1
            return True
        before, credential.polled_at = credential.polled_at, now
        if control.device_enforce_interval and before is not None and now - before < credential.interval:
            credential.interval += 5
            return True
        return False

    def create_token_response(self):
        answer = super().create_token_response()
        # A code that has been redeemed is gone: a second poll mints nothing.
        self.server.state.devices.pop(self.request.credential.device_code, None)
        return answer


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    @property
    def INTERVAL(self):
        return self.server.state.control.device_interval

    @property
    def EXPIRES_IN(self):
        return int(self.server.state.control.device_lifetime)

    def get_verification_uri(self):
        return self.server.issuer() + "/device"

    def save_device_credential(self, client_id, scope, data):
        self.server.state.devices[data["device_code"]] = Device(
            data["device_code"], data["user_code"], client_id, scope or "",
            time.time() + self.server.state.control.device_lifetime, self.INTERVAL,
        )


class TokenExchangeGrant(BaseGrant, TokenEndpointMixin):
    """RFC 8693, for access tokens and id tokens of this server."""

    GRANT_TYPE = EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    TYPES = "urn:ietf:params:oauth:token-type:"

    def validate_token_request(self):
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(EXCHANGE):
            raise UnauthorizedClientError()
        form, state = self.request.form, self.server.state
        subject, kind = form.get("subject_token"), form.get("subject_token_type")
        if not subject or not kind:
            raise InvalidRequestError("subject_token or subject_token_type is missing")
        self.request.client = client
        if kind == self.TYPES + "access_token":
            token = state.tokens.get(subject)
            if token is None or token.kind != "access" or token.is_revoked or token.is_expired():
                raise InvalidRequestError("the subject token is not good")
            self.request.user, self.scope = token.user, form.get("scope", token.scope)
        elif kind == self.TYPES + "id_token":
            try:
                claims = jwt.decode(subject, state.key, algorithms=["RS256"]).claims
            except Exception:
                raise InvalidRequestError("the subject token is no id token of this server")
            if claims.get("exp", 0) < time.time():
                raise InvalidRequestError("the subject token has expired")
            self.request.user, self.scope = claims["sub"], form.get("scope", "")
        else:
            raise InvalidRequestError("the subject token is of an unknown type")

    def create_token_response(self):
        token = self.generate_token(user=self.request.user, scope=self.scope, include_refresh_token=False)
        self.save_token(token)
        wanted = self.request.form.get("requested_token_type") or self.request.form.get("requested_token")
        token["issued_token_type"] = wanted or self.TYPES + "access_token"
        return 200, token, self.TOKEN_RESPONSE_HEADER


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string, token_type_hint):
        return self.server.state.tokens.get(token_string)

    def revoke_token(self, token, request):
        # RFC 7009 §2.1: with a refresh token, the access tokens of the same grant go too.
        if token.kind == "refresh":
            state = self.server.state
            for family in {other.family for other in state.tokens.values() if other.family == token.family
                           or state.control.revocation_ends_all and other.client_id == token.client_id}:
                state.revoke_family(family)
        token.is_revoked = True
        g.facts["family"] = token.family


def register(server):
    """Gives the server everything above."""
    server.register_grant(AuthorizationCodeGrant, [EnforcedPKCE(required=True), IDTokens(server)])
    for grant in (RefreshTokenGrant, ClientCredentialsGrant, DeviceGrant, TokenExchangeGrant):
        server.register_grant(grant)
    server.register_endpoint(DeviceEndpoint)
    server.register_endpoint(Revocation)

    class Issuer(IssuerParameter):
        def get_issuer(self):
            iss = server.state.control.iss
            return server.issuer() if iss is True else iss or None

    server.register_extension(lambda hooks: Issuer()(hooks))
