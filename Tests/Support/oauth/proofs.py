"""Signed proofs that clients send: assertions (RFC 7523) and DPoP (RFC 9449), verified by hand."""
import base64
import hashlib
import json
import time

from authlib.oauth2.rfc6749.errors import InvalidClientError, OAuth2Error
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class UseNonceError(OAuth2Error):
    error = "use_dpop_nonce"


class InvalidProofError(OAuth2Error):
    error = "invalid_dpop_proof"


def assertion_authentication(state, issuer, token_endpoint):
    """The client authentication method `private_key_jwt` for Authlib."""

    def authenticate(query_client, request):
        form = request.form
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            return None
        try:
            claims = jws.extract_compact((form.get("client_assertion") or "").encode())
            unverified = json.loads(claims.payload)
        except (JoseError, ValueError) as error:
            raise InvalidClientError(description=f"the assertion cannot be read: {error}")
        client = query_client(unverified.get("iss"))
        if client is None or client.key is None:
            raise InvalidClientError(description="the assertion's issuer is no client with a key")
        try:
            claims = jwt.decode(form["client_assertion"], client.key, algorithms=["ES256", "RS256"]).claims
        except JoseError as error:
            raise InvalidClientError(description=f"the assertion's signature is not the client's: {error}")
        now = time.time()
        wanted = issuer() if state.control.assertion_audience == "issuer" else token_endpoint()
        audience = claims.get("aud")
        complaints = {
            "iss and sub are not the client id": not claims.get("iss") == claims.get("sub") == client.id,
            f"aud is not {wanted}": audience != wanted and audience != [wanted],
            "exp is missing, past, or more than five minutes away": not now < claims.get("exp", 0) <= now + 301,
            "iat is not now": abs(claims.get("iat", now) - now) > 60,
            "client_id differs": form.get("client_id", client.id) != client.id,
        }
        for complaint, applies in complaints.items():
            if applies:
                raise InvalidClientError(description=complaint)
        if not claims.get("jti") or not state.is_first("assertion", claims["jti"]):
            raise InvalidClientError(description="jti is missing or was used before")
        return client

    return authenticate


def dpop_thumbprint(state, header, method, url, access_token=None):
    """Verifies a DPoP proof and returns the thumbprint of its key; None where there is none."""
    if header is None:
        return None
    try:
        unverified = jws.extract_compact(header.encode()).headers()
        if unverified.get("typ") != "dpop+jwt" or "d" in unverified.get("jwk", {}):
            raise InvalidProofError(description="typ is not dpop+jwt, or the jwk is private")
        key = ECKey.import_key(unverified["jwk"])
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        claims = jwt.decode(header, key, algorithms=["ES256"], registry=registry).claims
    except (JoseError, ValueError, KeyError) as error:
        raise InvalidProofError(description=f"{type(error).__name__}: {error}")
    complaints = {
        "htm": claims.get("htm") != method,
        "htu": claims.get("htu") != url,
        "iat": abs(claims.get("iat", 0) - time.time()) > 300,
        "jti": not claims.get("jti") or not state.is_first("dpop", claims["jti"]),
    }
    if access_token is not None:
        digest = hashlib.sha256(access_token.encode()).digest()
        complaints["ath"] = claims.get("ath") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    for claim, is_wrong in complaints.items():
        if is_wrong:
            raise InvalidProofError(description=f"{claim} is wrong or was used before")
    if state.control.dpop_nonce and claims.get("nonce") != state.dpop_nonce:
        raise UseNonceError(description="the server wants its nonce")
    return key.thumbprint()
