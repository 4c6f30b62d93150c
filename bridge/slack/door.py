"""Slack's side of the door: is it Slack, and which button was pressed.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from flask import Request, Response
from slack_bolt import Ack, App, BoltResponse
from slack_bolt.adapter.flask import SlackRequestHandler
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError

from bridge.core.card import Action
from bridge.errors import StoreBusyError, UnauthenticRequestError
from bridge.slack.account import SlackAccount
from bridge.slack.blocks import action_id
from bridge.slack.press import press_id
from bridge.slack.quiet import sdk_logger
from bridge.slack.team import web_client

WINDOW_S = 300
BUSY_RETRY_AFTER_S = 5

# Beside these a payload repeats the card with the customer's words, and carries a
# response_url and a token that open something. None of it is needed, none is kept.
KEPT = ("type", "trigger_id", "user", "team", "container", "actions")

OnPress = Callable[[str, bytes], None]

log = logging.getLogger(__name__)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def verify(body: bytes, headers: Mapping[str, str], now: datetime, secrets: Collection[str]) -> None:
    """Prove that Slack sent *body* within the last five minutes.

    *headers* has lower-case names; any of *secrets* may have signed. Raises
    UnauthenticRequestError and nothing else. Call it on the raw bytes, before Bolt
    sees the request: Bolt answers 500 to a garbled timestamp and logs the body.
    """
    stamp = headers.get("x-slack-request-timestamp", "")
    if not _TIMESTAMP.fullmatch(stamp):
        raise UnauthenticRequestError("Slack: no readable timestamp")
    if abs(now.timestamp() - int(stamp)) > WINDOW_S:
        raise UnauthenticRequestError("Slack: the timestamp is not of now")
    # As bytes: comparing strings raises on what is not ASCII.
    given = headers.get("x-slack-signature", "").encode("utf-8", "replace")
    signed = b"v0:" + stamp.encode() + b":" + body
    matches = [hmac.compare_digest(_signature(secret, signed), given) for secret in secrets if secret]
    if not any(matches):
        raise UnauthenticRequestError("Slack: the signature is of no secret of ours")


def build_app(account: SlackAccount, on_press: OnPress) -> App:
    """A Bolt app that hands each press of our buttons to *on_press*, then acknowledges it.

    *on_press* gets the delivery's id and its bytes (JSON for `read_press`), in the
    caller's thread. If it raises StoreBusyError, Slack is answered 503. All else that
    Slack may send is answered 200 and forgotten. No network is needed to build or run it.
    """
    app = App(
        # Bolt takes the name for a logger of its own, and sets its level.
        name="bridge.slack.sdk.listener",
        logger=sdk_logger("bolt"),
        client=web_client(account),
        # Our own authorize: Bolt's asks Slack when it is built, or at the first press, and with a
        # SLACK_CLIENT_ID in the environment turns to OAuth and drops the token.
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token=account.bot_token),
        # `verify` came first, and knows of secrets in rotation.
        request_verification_enabled=False,
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,
        # Bolt's pool lives in memory: nothing that matters may run there.
        process_before_response=True,
        raise_error_for_unhandled_request=True,
    )
    for action in Action:
        app.action(action_id(action))(_recorder(on_press))
    app.error(_answer_to)
    return app


def flask_handler(app: App) -> Callable[[Request], Response]:
    """Answers a POST of Slack that `verify` has let through."""
    handler = SlackRequestHandler(app)

    def answer(request: Request) -> Response:
        try:
            return handler.handle(request)
        except (ValueError, RecursionError, LookupError, AttributeError, TypeError):
            # Bolt reads the body before it can catch anything: signed rubbish ends here.
            return Response(status=400)

    return answer


def _recorder(on_press: OnPress) -> Callable[..., BoltResponse]:
    def record(body: dict[str, Any], ack: Ack) -> BoltResponse:
        kept = {name: body[name] for name in KEPT if name in body}
        try:
            on_press(press_id(body), json.dumps(kept, sort_keys=True).encode())
        except StoreBusyError:
            return BoltResponse(status=503, headers={"Retry-After": str(BUSY_RETRY_AFTER_S)})
        except Exception as error:  # noqa: BLE001 - a boundary: the person who pressed must see that it failed
            # Without the traceback: it may quote the customer.
            log.error("a press could not be recorded: %s", type(error).__name__)  # noqa: TRY400
            return BoltResponse(status=500)
        return ack()

    return record


def _answer_to(error: Exception) -> BoltResponse:
    """200 to what nobody listens to, 400 to what Bolt stumbles over."""
    return BoltResponse(status=200 if isinstance(error, BoltUnhandledRequestError) else 400)


def _signature(secret: str, signed: bytes) -> bytes:
    return b"v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
