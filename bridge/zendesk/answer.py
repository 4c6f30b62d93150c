"""What an answer of Zendesk, or the lack of one, means for the caller.

Zendesk has four shapes of error body, and sometimes none:
https://developer.zendesk.com/api-reference/introduction/requests/#400-range
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from bridge.core.retry_after import retry_after_s
from bridge.errors import (
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.zendesk.rate import LONGEST_WAIT_S

VENDOR = "zendesk"
# Codes look like this; a sentence may quote the request, that is, a customer.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}")
_REDIRECT = "a redirect, which is not followed"
_CLOSED = "closed prevents ticket update"


def fault(operation: str, response: requests.Response, *, repeatable: bool) -> VendorError | None:
    """The error that *response* stands for, or None when it is a 2xx.

    *repeatable*: the call may be sent again without harm (reads, upserts), so a 5xx or
    a 408 means "later" and not "look first", and a redirect "later" and not "never".
    """
    status = response.status_code
    if 200 <= status <= 299:
        return None
    body = _json(response)
    code = code_in(body)
    wait = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC), LONGEST_WAIT_S)
    broken = status >= 500 or status == 408
    if status in (409, 423, 429) or (broken and repeatable):
        return VendorBusyError(VENDOR, operation, code, status=status, retry_after_s=wait)
    if broken:
        return VendorUnclearError(VENDOR, operation, code, status=status)
    if 300 <= status <= 399 and repeatable:
        # A page for a time of maintenance, or a wrong address: a lane that goes on failing is told to people.
        return VendorBusyError(VENDOR, operation, _REDIRECT, status=status)
    kind, reason = _refusal(status, code, body)
    return kind(VENDOR, operation, ": ".join(part for part in (code, reason) if part), status=status)


def _refusal(status: int, code: str, body: Any) -> tuple[type[VendorError], str]:
    """The class for a 3xx or 4xx, and a sentence of ours where the code alone says too little."""
    kind: type[VendorError] = VendorRefusedError
    reason = ""
    if status == 400 and code.startswith("IdempotentRequestError"):
        # The key is known with other bytes: an earlier try of ours has arrived.
        kind = VendorUnclearError
    elif status == 401:
        kind, reason = VendorAuthError, "the credentials do not work"
    elif status == 403:
        kind, reason = VendorAuthError, "the token's scopes, the user's role or the plan do not allow this"
    elif status == 404 and body is not None and not code.startswith("InvalidEndpoint"):
        kind = VendorGoneError
    elif status == 404:
        # Not a missing record but a missing account or address: no case may be ended by that.
        reason = "no Zendesk API answers at this address"
    elif status == 422 and _CLOSED in " ".join(_descriptions(body)):
        kind, reason = VendorGoneError, "the ticket is closed"
    elif 300 <= status <= 399:
        reason = _REDIRECT
    return kind, reason


def no_answer(operation: str, error: requests.RequestException, *, repeatable: bool) -> VendorError:
    """The error for a call that got no whole answer."""
    if _never_left(error):
        return VendorBusyError(VENDOR, operation, "no connection")
    reason = "no answer in time" if isinstance(error, requests.Timeout) else "the connection broke"
    if repeatable:
        return VendorBusyError(VENDOR, operation, reason)
    return VendorUnclearError(VENDOR, operation, reason)


def other_shape(operation: str, *, repeatable: bool) -> VendorError:
    """The error for a 2xx whose body is not what the vendor documents: once, or each time.

    Busy where it is safe to ask again: who always answers so is told as a lane that fails.
    """
    reason = "the answer has another shape than documented"
    if repeatable:
        return VendorBusyError(VENDOR, operation, reason)
    return VendorUnclearError(VENDOR, operation, reason)


def code_in(body: Any) -> str:
    """The vendor's error code in any of the shapes, with the names of the fields at fault; or ``""``."""
    if not isinstance(body, dict):
        return ""
    error, errors, details = body.get("error"), body.get("errors"), body.get("details")
    if isinstance(error, dict):
        error = error.get("title")
    if error is None and isinstance(errors, list) and errors and isinstance(errors[0], dict):
        error = errors[0].get("code") or errors[0].get("title")
    if not isinstance(error, str) or not _CODE.fullmatch(error):
        return ""
    fields = [name for name in details if _CODE.fullmatch(name)] if isinstance(details, dict) else []
    return f"{error} ({', '.join(fields)})" if fields else error


def _never_left(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    # NewConnectionError covers refused connections, unreachable hosts and unknown names.
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)


def _json(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _descriptions(body: Any) -> Iterator[str]:
    details = body.get("details") if isinstance(body, dict) else None
    for faults in details.values() if isinstance(details, dict) else ():
        for entry in faults if isinstance(faults, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("description"), str):
                yield entry["description"].lower()
