"""OAuth access tokens by the client-credentials grant.

https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import requests
from pydantic import BaseModel, ConfigDict, ValidationError
from requests.auth import AuthBase

from bridge.core.patience import again
from bridge.errors import VendorAuthError, VendorBusyError, VendorError
from bridge.zendesk.account import ZendeskAccount
from bridge.zendesk.answer import VENDOR, fault, no_answer, other_shape

# Audits are read with the plain "read" scope only; nothing narrower opens them.
RUN_SCOPES = ("read", "tickets:write", "users:write")
# Webhooks, triggers and ticket fields: there is no narrow scope for the last of them.
SETUP_SCOPES = ("read", "write")

_LIFETIME_S = 3600
_SPARE_S = 60
_MINT = "mint token"


class _Grant(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    access_token: str
    scope: str = ""
    # Zendesk leaves this out unless the request asked for a lifetime, as ours does.
    expires_in: float | None = None


class TokenProvider:
    """Mints a token when one is needed and keeps it until a minute before its end.

    Shared by the threads of one account: one of them mints, and what comes of it, a token
    or an error, is for all who waited. *dial* opens a session without credentials. Raises
    VendorAuthError when the client is refused, VendorBusyError when Zendesk cannot answer
    now: a second token does no harm.
    """

    def __init__(
        self,
        account: ZendeskAccount,
        dial: Callable[[], requests.Session],
        scopes: tuple[str, ...] = RUN_SCOPES,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account = account
        self._dial = dial
        self._scopes = scopes
        self._monotonic = monotonic
        self._again = again(sleep)
        self._lock = threading.Lock()  # never held during a call
        self._minting: Future[str] | None = None
        self._token = ""
        self._fresh_until = 0.0
        self.granted: tuple[str, ...] = ()

    def token(self) -> str:
        """A token that is good for a minute at least. Waits for one minting at most, its own or another's."""
        with self._lock:
            if self._token and self._monotonic() < self._fresh_until:
                return self._token
            minting = self._minting
            if minting is None:
                ours = self._minting = Future[str]()
        if minting is not None:
            return minting.result()
        try:
            token = self._mint()
        except BaseException as error:
            # Whatever it was: nobody may wait for ever.
            self._minting = None
            ours.set_exception(error)
            raise
        ours.set_result(token)
        return token

    def discard(self, token: str) -> None:
        """Forget *token*, which Zendesk refused; a newer one of another thread stays."""
        with self._lock:
            if token == self._token:
                self._token = ""

    def _mint(self) -> str:
        grant = self._again.copy()(self._grant)
        lifetime = grant.expires_in or _LIFETIME_S
        with self._lock:
            self._minting = None
            self._token = grant.access_token
            self._fresh_until = self._monotonic() + max(lifetime - _SPARE_S, lifetime / 2)
            self.granted = tuple(grant.scope.split())
        return grant.access_token

    def _grant(self) -> _Grant:
        body = {
            "grant_type": "client_credentials",
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret,
            "scope": " ".join(self._scopes),
            "expires_in": _LIFETIME_S,
        }
        try:
            with self._dial() as session:
                response = session.post(
                    f"{self._account.home}/oauth/tokens",
                    json=body,
                    timeout=self._account.timeout_s,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise no_answer(_MINT, error, repeatable=True) from None
        error_found = fault(_MINT, response, repeatable=True)
        if error_found is not None:
            raise _as_sign_in(error_found)
        try:
            return _Grant.model_validate_json(response.content)
        except ValidationError:
            raise other_shape(_MINT, repeatable=True) from None


class BearerAuth(AuthBase):
    """Puts a current token on each request."""

    def __init__(self, provider: TokenProvider) -> None:
        self._provider = provider

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._provider.token()}"
        return request


def _as_sign_in(error: VendorError) -> VendorError:
    # Whatever is wrong with the request for a token (client, secret, scope, account), it is the
    # credentials that have to be looked at: the lane pauses and no case is parked for it.
    if isinstance(error, VendorBusyError | VendorAuthError):
        return error
    return VendorAuthError(VENDOR, _MINT, error.detail, status=error.status)
