"""The line to one Zendesk account: a requests.Session that is given to zenpy.

zenpy 2.0.57 sleeps on a 429 for as long as Zendesk says, repeats some reads behind
our back, cannot send headers and cannot renew a token. This session answers for all
of that before zenpy sees anything: it raises the bridge's own errors, repeats reads
for some seconds and sends each write once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError, ReadTimeoutError

from bridge.core.deadline import in_time, time_left
from bridge.core.patience import again
from bridge.errors import SettingsError, VendorBusyError, VendorRefusedError
from bridge.zendesk.account import ZendeskAccount
from bridge.zendesk.answer import VENDOR, fault, no_answer
from bridge.zendesk.rate import RateState
from bridge.zendesk.token import RUN_SCOPES, BearerAuth, TokenProvider

log = logging.getLogger(__name__)

_CHUNK = 65536
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Call:
    """What the requests inside a ``calling`` block are for.

    ``repeatable`` None: reads may be repeated, writes may not. ``patient``: a read is
    repeated in place while Zendesk is busy.
    """

    operation: str = "request"
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool | None = None
    patient: bool = True


# A variable of the context and no argument: zenpy has no way to hand one through.
_CALL: ContextVar[Call] = ContextVar("zendesk_call")
_UNNAMED = Call()


@contextmanager
def calling(
    operation: str,
    headers: Mapping[str, str] | None = None,
    *,
    repeatable: bool | None = None,
    patient: bool = True,
) -> Iterator[None]:
    """Name what the requests in this block do, and add *headers* to each."""
    token = _CALL.set(Call(operation, headers or {}, repeatable, patient))
    try:
        yield
    finally:
        _CALL.reset(token)


class Line(HTTPAdapter):
    """Sends once, to the address that is really dialled, within a time for the whole answer.

    Everything above this sees Zendesk's own addresses: zenpy knows an answer by them.
    """

    def __init__(self, account: ZendeskAccount) -> None:
        super().__init__(max_retries=0)
        self._account = account

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, timeout: float | None = None, **kwargs: Any
    ) -> requests.Response:
        dialled = request.copy()
        dialled.url = self._account.base + (request.url or "").removeprefix(self._account.home)
        timeout_s = timeout or self._account.timeout_s
        deadline = time.monotonic() + timeout_s
        kwargs["stream"] = True
        response = super().send(dialled, timeout=timeout_s, **kwargs)
        try:
            response._content = _whole(response.raw, deadline)
        except requests.RequestException:
            response.close()
            raise
        response.request = request
        return response


def _whole(raw: Any, deadline: float) -> bytes:
    """The body of an answer, read piece by piece as it comes."""
    try:
        return b"".join(in_time(iter(lambda: raw.read1(_CHUNK, decode_content=True), b""), deadline))
    except TimeoutError:
        raise requests.ReadTimeout("the answer did not end in time") from None
    except ReadTimeoutError:
        raise requests.ReadTimeout("no more of the answer came") from None
    except HTTPError:
        raise requests.ConnectionError("the answer broke off") from None


def dial(account: ZendeskAccount) -> requests.Session:
    """A session without credentials."""
    session = requests.Session()
    _prepare(session, account)
    return session


def _prepare(session: requests.Session, account: ZendeskAccount) -> None:
    session.adapters.clear()
    session.mount(account.home, Line(account))
    session.headers["User-Agent"] = "loop-bridge"
    if urlsplit(account.base).hostname in _LOOPBACK:
        # HTTP_PROXY in the environment would catch loopback calls as well.
        session.trust_env = False


class ZendeskSession(requests.Session):
    """One thread's session. Token and rate state are shared by the account's threads.

    Raises the classes of VendorError, and nothing else, for whatever is not a 2xx.
    Redirects are not followed, and links to other hosts are refused: the credentials
    go to one address only. ``sleep`` passes the time between two attempts of a read.
    """

    def __init__(
        self,
        account: ZendeskAccount,
        provider: TokenProvider | None,
        rates: RateState,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._again = again(sleep)
        self._account = account
        self._provider = provider
        self._rates = rates
        self.skew_s: float | None = None  # Zendesk's clock minus ours, by the last answer
        _prepare(self, account)
        self._environment = self.merge_environment_settings(account.home, {}, None, None, None)
        if provider is not None:
            self.auth = BearerAuth(provider)
        else:
            self.auth = HTTPBasicAuth(f"{account.email}/token", account.api_token or "")

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        call = _CALL.get(_UNNAMED)
        method = method.upper()
        if self._provider is not None:
            self._provider.token()  # now: what repeats the request below must not repeat its patience, too
        if method in ("GET", "HEAD") and call.patient:
            return self._again.copy()(self._once, call, method, url, **kwargs)
        return self._once(call, method, url, **kwargs)

    def _once(self, call: Call, method: str, url: str, **kwargs: Any) -> requests.Response:
        repeatable = method in ("GET", "HEAD") if call.repeatable is None else call.repeatable
        address = self._address(url, call)
        path = urlsplit(address).path
        wait = self._rates.wait_before(method, path)
        if wait is not None:
            raise VendorBusyError(VENDOR, call.operation, "the rate limit is used up", retry_after_s=wait)
        kwargs["headers"] = {**self.headers, **(kwargs.get("headers") or {}), **call.headers}
        for theirs in ("timeout", "allow_redirects"):  # not zenpy's to decide: nor does it know of deadlines
            kwargs.pop(theirs, None)
        try:
            response = self._exchange(method, address, kwargs, self._time_left(call, method))
            if response.status_code == 401 and self._forget(response):
                # A token can be revoked before its time. A 401 did nothing: once more is safe.
                response = self._exchange(method, address, kwargs, self._time_left(call, method))
        except requests.RequestException as error:
            raise no_answer(call.operation, error, repeatable=repeatable) from None
        self._rates.note(method, path, response.headers)
        self._note_clock(response)
        error_found = fault(call.operation, response, repeatable=repeatable)
        if error_found is not None:
            raise error_found
        return response

    def _exchange(
        self, method: str, address: str, content: Mapping[str, Any], timeout_s: float
    ) -> requests.Response:
        """`requests.Session.request`, but for what does not change from call to call.

        It would ask the environment each time, and merge what nobody sets: a fifth of a call's CPU.
        """
        prepared = requests.PreparedRequest()
        prepared.prepare(method, address, auth=self.auth, **content)
        return self.send(prepared, timeout=timeout_s, allow_redirects=False, **self._environment)

    def _address(self, url: str, call: Call) -> str:
        address = urljoin(self._account.home + "/", url)
        for own in (self._account.home, self._account.base):
            if address.startswith(own + "/"):
                return self._account.home + address.removeprefix(own)
        raise VendorRefusedError(VENDOR, call.operation, "a link leads to another host")

    def _time_left(self, call: Call, method: str) -> float:
        """Signed in before it is asked: that can take as long as a call."""
        if self._provider is not None:
            self._provider.token()
        if method in ("GET", "HEAD"):
            return self._account.timeout_s
        return time_left(self._account.timeout_s, VENDOR, call.operation)

    def _forget(self, response: requests.Response) -> bool:
        if self._provider is None:
            return False
        used = str(response.request.headers.get("Authorization", ""))
        self._provider.discard(used.removeprefix("Bearer "))
        return True

    def _note_clock(self, response: requests.Response) -> None:
        try:
            theirs = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        if theirs.tzinfo is not None:
            self.skew_s = (theirs - datetime.now(UTC)).total_seconds()


def provider_for(
    account: ZendeskAccount,
    scopes: tuple[str, ...] = RUN_SCOPES,
    sleep: Callable[[float], None] = time.sleep,
) -> TokenProvider | None:
    """The token provider, or None for the old e-mail and token pair, which is warned of.

    Raises SettingsError when the account has neither.
    """
    if account.client_id and account.client_secret:
        return TokenProvider(account, lambda: dial(account), scopes, sleep=sleep)
    if account.email and account.api_token:
        log.warning(
            "Zendesk API tokens stop working on 2027-04-30 and new ones cannot be made: "
            "set ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET"
        )
        return None
    raise SettingsError(
        "Zendesk needs ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET (an OAuth confidential client)"
    )
