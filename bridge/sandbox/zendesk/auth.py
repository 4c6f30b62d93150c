"""The fake Zendesk's door: OAuth client credentials, scopes, and the old e-mail/token pair.

https://developer.zendesk.com/documentation/api-basics/authentication/
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from dataclasses import dataclass

from bridge.sandbox.zendesk.records import Json

_RESOURCES = {"tickets", "users", "webhooks", "triggers"}


class AuthError(Exception):
    """An OAuth request that is answered with *status* and the error code."""

    def __init__(self, status: int, code: str) -> None:
        self.status = status
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Token:
    scopes: frozenset[str]
    expires_at: float  # monotonic seconds


class Door:
    """Mints and checks access tokens. Callers hold the fake's lock.

    ``allowed_scopes`` is the client's own list: None allows every scope. ``api_token`` is
    the old kind, which no account can make any more; None here too.
    """

    def __init__(self, client_id: str, client_secret: str) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.allowed_scopes: set[str] | None = None
        self.api_token: str | None = None
        self._tokens: dict[str, Token] = {}

    def mint(self, wanted: Json) -> Json:
        """Answer a token request. ``expires_in`` is in the answer only if the request sent it."""
        if wanted.get("grant_type") != "client_credentials":
            raise AuthError(400, "unsupported_grant_type")
        known = hmac.compare_digest(str(wanted.get("client_id", "")), self.client_id)
        if not known or not hmac.compare_digest(str(wanted.get("client_secret", "")), self.client_secret):
            raise AuthError(401, "invalid_client")
        scopes = frozenset(str(wanted.get("scope") or "read").split())
        if self.allowed_scopes is not None and not scopes <= self.allowed_scopes:
            raise AuthError(400, "invalid_scope")
        lifetime = wanted.get("expires_in")
        if lifetime is not None and not 300 <= int(lifetime) <= 172_800:
            raise AuthError(400, "invalid_request")
        value = secrets.token_hex(16)
        self._tokens[value] = Token(scopes, time.monotonic() + int(lifetime or 1800))
        answer = {"access_token": value, "token_type": "bearer", "scope": " ".join(sorted(scopes))}
        return answer if lifetime is None else answer | {"expires_in": int(lifetime)}

    def revoke_all(self) -> None:
        """Every access token stops working, as when an admin resets them."""
        self._tokens.clear()

    def scopes_of(self, authorization: str) -> frozenset[str] | None:
        """The scopes of an Authorization header; None if it opens nothing."""
        kind, _, value = authorization.partition(" ")
        if kind.lower() == "bearer":
            token = self._tokens.get(value)
            return token.scopes if token and token.expires_at > time.monotonic() else None
        if kind.lower() == "basic" and self.api_token is not None:
            try:
                pair = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
            user, _, token_value = pair.partition(":")
            if user.endswith("/token") and hmac.compare_digest(token_value, self.api_token):
                return frozenset({"read", "write"})
        return None


def is_allowed(scopes: frozenset[str], method: str, path: str) -> bool:
    """Whether *scopes* allow this request. Audits need plain ``read``."""
    deed = "read" if method in ("GET", "HEAD") else "write"
    if deed in scopes:
        return True
    parts = path.removeprefix("/api/v2/").replace("comment_redactions/", "tickets/").split("/")
    return parts[0] in _RESOURCES and "audits" not in parts and f"{parts[0]}:{deed}" in scopes
