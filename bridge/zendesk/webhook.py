"""Zendesk's webhook: who sent it, and which ticket it hints at. Pure.

https://developer.zendesk.com/documentation/webhooks/verifying/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bridge.core.desk import Hint
from bridge.errors import UnauthenticRequestError, UnreadablePayloadError, UnsupportedEventError

SCHEMA = 1  # of the body that our triggers send
FRESH_FOR = timedelta(minutes=10)  # Zendesk names no window; its retries are over well before

_SIGNATURE = "x-zendesk-webhook-signature"
_TIMESTAMP = "x-zendesk-webhook-signature-timestamp"
_TICKET_EVENT = "zen:event-type:ticket."
_ID_LIMIT = 200


def verify(body: bytes, headers: Mapping[str, str], now: datetime, secrets: tuple[str, ...]) -> str:
    """Return the delivery's id: an event's own id, else a digest of what was signed.

    *headers* has lower-case names. Zendesk's invocation id is not used, since the
    signature does not cover it. Raises UnauthenticRequestError and nothing else.
    """
    timestamp = headers.get(_TIMESTAMP, "")
    signature = headers.get(_SIGNATURE, "")
    # Verify before parsing: re-serialised JSON has another signature.
    signed = timestamp.encode("utf-8", "replace") + body
    # An empty secret is none: anybody can sign with it.
    secrets = tuple(secret for secret in secrets if secret)
    if not secrets:
        raise UnauthenticRequestError("no webhook secret is set")
    if not any(_matches(secret, signed, signature) for secret in secrets):
        raise UnauthenticRequestError("wrong signature")
    if abs(now - _moment(timestamp)) > FRESH_FOR:
        raise UnauthenticRequestError("stale timestamp")
    return _event_id(body) or hashlib.sha256(signed).hexdigest()


def read_hint(body: bytes) -> Hint:
    """Which ticket the body speaks of: our triggers' ids, or one of Zendesk's ticket events.

    Raises UnreadablePayloadError for any other shape, UnsupportedEventError for
    events that are not about tickets and for bodies of a newer schema.
    """
    payload = _object(body)
    if payload is None:
        raise UnreadablePayloadError("not a JSON object")
    event_type = payload.get("type")
    if isinstance(event_type, str) and event_type.startswith("zen:event-type:"):
        if not event_type.startswith(_TICKET_EVENT):
            raise UnsupportedEventError("an event that is not about a ticket")
        detail = payload.get("detail")
        if not isinstance(detail, dict):
            raise UnreadablePayloadError("a ticket event without its detail")
        return Hint(_ticket_id(detail.get("id")), _external_id(detail.get("external_id")))
    if "schema" not in payload:
        raise UnreadablePayloadError("neither a trigger's body nor an event")
    if payload["schema"] != SCHEMA:
        raise UnsupportedEventError("a trigger's body of another schema: run bridge setup zendesk")
    return Hint(_ticket_id(payload.get("ticket_id")), _external_id(payload.get("ticket_external_id")))


def _matches(secret: str, signed: bytes, signature: str) -> bool:
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(digest), signature.encode("utf-8", "replace"))


def _moment(timestamp: str) -> datetime:
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        raise UnauthenticRequestError("malformed timestamp") from None
    if moment.tzinfo is None:
        raise UnauthenticRequestError("a timestamp without a zone")
    return moment


def _event_id(body: bytes) -> str | None:
    payload = _object(body) or {}
    event_id = payload.get("id")
    return event_id if isinstance(event_id, str) and 0 < len(event_id) <= _ID_LIMIT else None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _ticket_id(value: object) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise UnreadablePayloadError("no ticket id")
    return text


def _external_id(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
