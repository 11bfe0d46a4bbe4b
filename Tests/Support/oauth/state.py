"""What the authorization server knows: clients, grants, tokens, its log and what it was told to do."""
import dataclasses
import datetime
import hashlib
import secrets
import threading
import time

from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc8628 import DeviceCredentialMixin
from authlib.oidc.core import AuthorizationCodeMixin


def fingerprint(token):
    """Names a token without saying it: eight bytes of its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else None


@dataclasses.dataclass
class Client(ClientMixin):
    id: str
    method: str
    secret: str | None = None
    # A public JWK, for private_key_jwt.
    key: object = None
    # None: any loopback redirect, whatever its port and path (RFC 8252 §7.3).
    redirects: list | None = None
    grants: tuple | None = None
    scopes: tuple | None = None

    def get_client_id(self):
        return self.id

    def get_default_redirect_uri(self):
        return self.redirects[0] if self.redirects else None

    def get_allowed_scope(self, scope):
        if not scope or self.scopes is None:
            return scope or ""
        return " ".join(word for word in scope.split() if word in self.scopes)

    def check_redirect_uri(self, uri):
        loopback = ("http://127.0.0.1", "http://localhost", "http://[::1]")
        if self.redirects is not None:
            return uri in self.redirects
        return any(uri == host or uri.startswith((host + ":", host + "/")) for host in loopback)

    def check_client_secret(self, secret):
        return self.secret is not None and secrets.compare_digest(self.secret.encode(), secret.encode())

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return self.grants is None or grant_type in self.grants


@dataclasses.dataclass
class Code(AuthorizationCodeMixin):
    code: str
    client_id: str
    redirect_uri: str | None
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    resource: list
    expires_at: float
    auth_time: int
    jkt: str | None = None

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return self.auth_time

    def get_acr(self):
        return None

    def get_amr(self):
        return None


@dataclasses.dataclass
class Token:
    """An access token or a refresh token; the family is every token that came of one consent."""

    token: str
    kind: str
    client_id: str
    user: str | None
    scope: str
    family: str
    expires_at: float
    jkt: str | None = None
    is_spent: bool = False
    is_revoked: bool = False

    def check_client(self, client):
        return client.get_client_id() == self.client_id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return int(self.expires_at - time.time())

    def is_expired(self):
        return time.time() >= self.expires_at


@dataclasses.dataclass
class Device(DeviceCredentialMixin):
    device_code: str
    user_code: str
    client_id: str
    scope: str
    expires_at: float
    interval: int
    polled_at: float | None = None
    answer: bool | None = None

    def get_client_id(self):
        return self.client_id

    def get_scope(self):
        return self.scope

    def get_user_code(self):
        return self.user_code

    def get_nonce(self):
        return None

    def get_auth_time(self):
        return None

    def is_expired(self):
        return time.time() >= self.expires_at


@dataclasses.dataclass
class Control:
    """What `POST /_control` sets; whatever is not mentioned stays."""

    # "auto" grants at once, "page" asks with two buttons, "deny" refuses at once.
    consent: str = "auto"
    rotation: bool = True
    # Seconds for which an access token is really good.
    lifetime: float = 3600
    # What answers say instead of the lifetime; "omit" leaves it out, None says the lifetime.
    expires_in: object = None
    # Claims of id tokens that replace the true ones (null takes one out), and their lifetime in seconds.
    id_token: dict = dataclasses.field(default_factory=dict)
    id_token_lifetime: float = 3600
    # RFC 9207: sent and advertised; a text is sent instead of the issuer.
    iss: object = True
    require_par: bool = False
    # Whether revoking one refresh token ends every grant of that user and client, as many servers have it.
    revocation_ends_all: bool = False
    # RFC 9449: whether proofs must carry the server's nonce.
    dpop_nonce: bool = False
    device_interval: int = 5
    device_lifetime: float = 900
    # Whether polling faster than the interval is answered by slow_down; and how many polls are, whatever their speed.
    device_enforce_interval: bool = False
    device_slow_down: int = 0
    # What the aud of a client assertion must be: "issuer" or "token_endpoint".
    assertion_audience: str = "issuer"
    # What the form-decoding of Basic credentials is: "form" (RFC 6749 §2.3.1) or "raw", as some servers have it.
    basic: str = "form"
    # Replaces metadata members; null takes one out.
    metadata: dict = dataclasses.field(default_factory=dict)


class State:
    def __init__(self):
        # One request is carried out at a time: two that present the same refresh token cannot both find it unspent.
        self.lock = threading.RLock()
        self.control = Control()
        self.clients, self.codes, self.tokens, self.devices, self.pushed = {}, {}, {}, {}, {}
        self.seen = set()
        self.dpop_nonce = secrets.token_urlsafe(12)
        self.entries = []
        self.families_revoked = 0

    def log(self, endpoint, **facts):
        with self.lock:
            now = datetime.datetime.now(datetime.timezone.utc)
            entry = {"time": now.isoformat(), "monotonic": time.monotonic(), "endpoint": endpoint, **facts}
            self.entries.append(entry)
            return entry

    def revoke_family(self, family):
        with self.lock:
            self.families_revoked += 1
            for token in self.tokens.values():
                if token.family == family:
                    token.is_revoked = True

    def expire_access_tokens(self):
        with self.lock:
            for token in self.tokens.values():
                if token.kind == "access":
                    token.expires_at = 0

    def is_first(self, purpose, word):
        """Whether a jti is seen for the first time."""
        with self.lock:
            if (purpose, word) in self.seen:
                return False
            self.seen.add((purpose, word))
            return True
