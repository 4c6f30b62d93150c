"""How the rooms talk HTTP: one call, a time and a size for its answer, and what that means for the caller.

A read is repeated in place for a few seconds; a write never. What comes back
is given its class once, here:

=====================  =====================  ======================
what came back         on a read              on a write
=====================  =====================  ======================
2xx in its shape       the answer             the answer
2xx in no shape        VendorBusyError        VendorUnclearError
2xx too large          VendorRefusedError     VendorUnclearError
401, 403               VendorAuthError        VendorAuthError
*gone* (per call)      VendorGoneError        VendorGoneError
429                    VendorBusyError        VendorBusyError
5xx, timeout, reset    VendorBusyError        VendorUnclearError
no connection          VendorBusyError        VendorBusyError
anything else          VendorRefusedError     VendorRefusedError
=====================  =====================  ======================
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from pydantic import TypeAdapter, ValidationError
from requests.auth import AuthBase

from bridge.core.deadline import in_time, time_left
from bridge.core.patience import again
from bridge.core.retry_after import retry_after_s
from bridge.errors import (
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)

MAX_ANSWER_BYTES = 8 * 1024 * 1024
LONGEST_WAIT_S = 3600.0
_CHUNK = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A 2xx answer in the shape that was asked for. ``links`` holds its Link header by relation."""

    value: T
    links: Mapping[str, str]


class HttpLine:
    """A line to one vendor. ``sleep`` is what passes the time between two attempts of a read."""

    def __init__(self, vendor: str, *, timeout_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._vendor = vendor
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "loop-bridge"
        self._again = again(sleep)

    def read(
        self,
        operation: str,
        url: str,
        shape: TypeAdapter[T],
        *,
        auth: AuthBase,
        params: Mapping[str, str] | None = None,
        gone: Collection[int] = (),
    ) -> Answer[T]:
        """GET *url*. A status in *gone* says that the thing is not there (VendorGoneError)."""

        def once() -> Answer[T]:
            request = requests.Request("GET", url, params=params, auth=auth)
            return self._call(operation, request, shape, gone)

        return self._again.copy()(once)

    def write(
        self,
        operation: str,
        url: str,
        shape: TypeAdapter[T],
        *,
        auth: AuthBase,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        gone: Collection[int] = (),
        only_this: Callable[[bytes], bool] | None = None,
    ) -> Answer[T]:
        """POST *body* (JSON) to *url*, once.

        *only_this* tells by the body of a 403 whether it is this request alone that is refused
        (VendorRefusedError), and not the credentials.
        """
        headers = {"Content-Type": "application/json"} | dict(headers or {})
        request = requests.Request("POST", url, data=body, headers=headers, auth=auth)
        return self._call(operation, request, shape, gone, only_this)

    def _call(
        self,
        operation: str,
        request: requests.Request,
        shape: TypeAdapter[T],
        gone: Collection[int],
        only_this: Callable[[bytes], bool] | None = None,
    ) -> Answer[T]:
        is_write = request.method != "GET"
        timeout_s = time_left(self._timeout_s, self._vendor, operation) if is_write else self._timeout_s
        until = time.monotonic() + timeout_s
        try:
            prepared = self._session.prepare_request(request)
            # What the environment says of proxies and certificates holds, as requests' own shortcuts do it.
            settings = self._session.merge_environment_settings(prepared.url or "", {}, True, None, None)
            # A redirect could carry a signed or authorised request to somebody else.
            response = self._session.send(prepared, timeout=timeout_s, allow_redirects=False, **settings)
        except requests.RequestException as error:
            # "from None": a chained error would show the address with its query.
            raise self._failure(operation, error, is_write=is_write) from None
        with response:
            if response.status_code == 403 and only_this is not None and _is_said(only_this, response, until):
                raise VendorRefusedError(self._vendor, operation, status=403)
            if not 200 <= response.status_code < 300:
                raise self._refusal(operation, response, gone, is_write=is_write)
            try:
                value = shape.validate_json(_read_bounded(response, until))
            except (urllib3.exceptions.HTTPError, TimeoutError, ValidationError) as error:
                error_class: type[VendorError] = VendorUnclearError if is_write else VendorBusyError
                detail = f"the answer could not be read ({type(error).__name__})"
                raise error_class(self._vendor, operation, detail, status=response.status_code) from None
            except _TooLargeError:
                # Asked again, it would be as large.
                error_class = VendorUnclearError if is_write else VendorRefusedError
                detail = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
                raise error_class(self._vendor, operation, detail, status=response.status_code) from None
            return Answer(value, {rel: link["url"] for rel, link in response.links.items()})

    def _failure(self, operation: str, error: requests.RequestException, *, is_write: bool) -> VendorError:
        """The error for a call that brought no answer."""
        if isinstance(error, ValueError):
            # requests' InvalidURL, MissingSchema, InvalidHeader and their kin are ValueErrors.
            return VendorRefusedError(self._vendor, operation, "the address or a header is not valid")
        kind = type(error).__name__
        if is_write and not _was_never_sent(error):
            return VendorUnclearError(self._vendor, operation, kind)
        return VendorBusyError(self._vendor, operation, kind)

    def _refusal(
        self, operation: str, response: requests.Response, gone: Collection[int], *, is_write: bool
    ) -> VendorError:
        """The error for an answer that is no 2xx. The vendor's own words stay out of it."""
        status = response.status_code
        if status in gone:
            return VendorGoneError(self._vendor, operation, status=status)
        if status in (401, 403):
            return VendorAuthError(self._vendor, operation, status=status)
        if status == 429:
            return VendorBusyError(
                self._vendor, operation, status=status, retry_after_s=wait_asked_for(response.headers)
            )
        if status >= 500 or status == 408:
            if is_write:
                return VendorUnclearError(self._vendor, operation, status=status)
            return VendorBusyError(
                self._vendor, operation, status=status, retry_after_s=wait_asked_for(response.headers)
            )
        detail = "it redirects; give the final address" if 300 <= status < 400 else ""
        return VendorRefusedError(self._vendor, operation, detail, status=status)


def is_confidential(url: str) -> bool:
    """Whether a secret may travel to *url*: https, or http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    on_this_machine = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and on_this_machine)


def wait_asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds that a vendor asks us to wait, from 0 to LONGEST_WAIT_S; None when it does not say.

    ``Retry-After``, else ``X-RateLimit-Reset`` as an ISO 8601 time, as Mastodon and its
    relatives send it.
    """
    now = datetime.now(UTC)
    asked = retry_after_s(headers.get("Retry-After"), now, LONGEST_WAIT_S)
    if asked is not None:
        return asked
    until = _iso_time(headers.get("X-RateLimit-Reset", ""))
    if until is None:
        return None
    return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT_S)


def _iso_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class _TooLargeError(Exception):
    """An answer of more than MAX_ANSWER_BYTES."""


def _read_bounded(response: requests.Response, until: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    # Not response.iter_content(): it waits until a chunk is full, however slowly it fills.
    for chunk in in_time(iter(lambda: response.raw.read1(_CHUNK, decode_content=True), b""), until):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise _TooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


def _is_said(saying: Callable[[bytes], bool], response: requests.Response, until: float) -> bool:
    """Whether the body of *response* says so; False for one that cannot be read."""
    try:
        return saying(_read_bounded(response, until))
    except (urllib3.exceptions.HTTPError, TimeoutError, _TooLargeError):
        return False


def _was_never_sent(error: requests.RequestException) -> bool:
    """Whether it is certain that the request did not leave: no connection, or one we did not trust."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    pooled = error.args[0] if error.args else None
    cause = getattr(pooled, "reason", pooled)
    if isinstance(cause, urllib3.exceptions.SSLError):
        return any(isinstance(part, ssl.SSLCertVerificationError) for part in cause.args)
    return isinstance(cause, urllib3.exceptions.NewConnectionError)
