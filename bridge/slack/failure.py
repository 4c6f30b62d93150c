"""What Slack's refusals mean for the caller.

https://docs.slack.dev/reference/methods/chat.postMessage#errors and
https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException
from urllib.error import URLError

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bridge.core.retry_after import retry_after_s
from bridge.errors import (
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)

VENDOR = "Slack"
LONGEST_WAIT_S = 3600.0

AUTH = {
    "invalid_auth": "the bot token is not valid: set SLACK_BOT_TOKEN to the token of the installed app",
    "not_authed": "no bot token was sent: set SLACK_BOT_TOKEN",
    "token_revoked": "the bot token was revoked: install the app again and set SLACK_BOT_TOKEN",
    "token_expired": "the bot token has expired: turn token rotation off and install the app again",
    "account_inactive": "the app was removed from the workspace: install it again",
    "missing_scope": "a scope is missing: update the app from the manifest and install it again",
    "not_allowed_token_type": "this is no bot token: SLACK_BOT_TOKEN begins with xoxb-",
    "no_permission": "the app lacks a permission: update it from the manifest and install it again",
    "org_login_required": "the workspace is being moved into an organisation: install the app again",
    "team_access_not_granted": "the app is not allowed in this workspace: ask the owner to approve it",
    "access_denied": "the workspace denies the app access: ask the owner to approve it",
    "ekm_access_denied": "the workspace's keys were taken from the app: ask the owner",
}
REFUSED = {
    "channel_not_found": "the app sees no such channel: create it, or invite the app to it",
    "is_archived": "the channel is archived: unarchive it, or name another in queues.yaml",
    "not_in_channel": "the app is not in the channel: invite it there",
    "msg_too_long": "the text is longer than Slack takes",
    "msg_blocks_too_long": "the card is longer than Slack takes",
    "invalid_blocks": "Slack does not take these blocks",
    "restricted_action": "the workspace does not let apps post in this channel: ask its owner",
    "cant_update_message": "the message is not the app's own",
    "edit_window_closed": "the workspace forbids editing messages of this age: ask its owner",
}
GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
BUSY = frozenset({"ratelimited", "rate_limited", "request_timeout"})
# "It's possible some aspect of the operation succeeded before the error was raised."
UNCLEAR = frozenset({"fatal_error", "internal_error", "service_unavailable", "team_added_to_org"})

_CODE = re.compile(r"[a-z0-9_]{1,60}")
_SCOPES = re.compile(r"[a-z0-9_:.,-]{1,120}")


def called(
    operation: str, call: Callable[[], SlackResponse], *, write: bool, owed: str | None = None
) -> SlackResponse:
    """The answer to *call*, made once; it has the field *owed*.

    Raises the classes of VendorError and nothing else.
    """
    # `from None`: slack_sdk puts the whole answer, and urllib the address, into their messages.
    try:
        answer = call()
    except SlackApiError as error:
        raise of_answer(operation, error, write=write) from None
    except (OSError, HTTPException, ValueError, LookupError, AttributeError) as error:
        # The last three: slack_sdk stumbles over an unknown charset, or JSON that is no object.
        raise of_transport(operation, error, write=write) from None
    if not isinstance(answer.data, dict) or (owed is not None and not answer.data.get(owed)):
        detail = "an answer that is none" if owed is None else f"an answer without {owed}"
        raise _unsettled(operation, detail, write=write, status=int(answer.status_code))
    return answer


def of_answer(operation: str, error: SlackApiError, *, write: bool) -> VendorError:
    """The error for an answer of Slack that is not ``ok``."""
    status = int(error.response.status_code)
    data = error.response.data
    said = data.get("error") if isinstance(data, dict) else None
    # An answer that is no JSON arrives as an "error" that quotes the page.
    code = said if isinstance(said, str) and _CODE.fullmatch(said) else None
    if status == 429 or code in BUSY:
        wait_s = retry_after_s(_header(error, "retry-after"), datetime.now(UTC), LONGEST_WAIT_S)
        return VendorBusyError(VENDOR, operation, code or "", status=status, retry_after_s=wait_s)
    redirect = 300 <= status < 400  # it is not followed, so a write has done nothing
    broken = status >= 500 or status == 408 or code in UNCLEAR or (status == 200 and code is None)
    if broken or (redirect and not write):
        return _unsettled(operation, code or "no answer of Slack's API", write=write, status=status)
    if code in AUTH:
        return VendorAuthError(VENDOR, operation, f"{code}{_needed(data)}: {AUTH[code]}", status=status)
    if code in GONE:
        return VendorGoneError(VENDOR, operation, code, status=status)
    if code in REFUSED:
        return VendorRefusedError(VENDOR, operation, f"{code}: {REFUSED[code]}", status=status)
    unknown = "a redirect, which is not followed" if redirect else ""
    return VendorRefusedError(VENDOR, operation, code or unknown, status=status)


def of_transport(operation: str, error: Exception, *, write: bool) -> VendorError:
    """The error for a call that brought no answer that could be read."""
    reason = error.reason if isinstance(error, URLError) else error
    # These three are raised before a byte of the request has left.
    if isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
        return VendorBusyError(VENDOR, operation, f"not reached ({type(reason).__name__})")
    name = "URLError" if isinstance(reason, str) else type(reason).__name__
    return _unsettled(operation, f"no answer ({name})", write=write, status=None)


def _needed(data: object) -> str:
    """The scope that Slack says is missing, where it does."""
    needed = data.get("needed") if isinstance(data, dict) else None
    return f" {needed}" if isinstance(needed, str) and _SCOPES.fullmatch(needed) else ""


def _unsettled(operation: str, detail: str, *, write: bool, status: int | None) -> VendorError:
    kind = VendorUnclearError if write else VendorBusyError
    return kind(VENDOR, operation, detail, status=status)


def _header(error: SlackApiError, name: str) -> str | None:
    for key, value in error.response.headers.items():
        if key.lower() == name:
            return str(value)
    return None
