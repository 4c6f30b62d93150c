"""How each vendor signs what it sends: the sending side, and Standard Webhooks' receiving side."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime


def readable_secret(phrase: str) -> str:
    """A Standard Webhooks secret made of *phrase*; it protects nothing but the sandbox."""
    return "whsec_" + base64.b64encode(phrase.encode().ljust(24, b".")).decode()


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """``v1,<base64>`` as Standard Webhooks 1.0.0 wants it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = _hmac(key, f"{message_id}.{timestamp}.".encode() + body)
    return "v1," + base64.b64encode(digest).decode()


def standard_headers(secret: str, message_id: str, body: bytes) -> dict[str, str]:
    """The headers of a Standard Webhooks request that is sent now."""
    timestamp = str(int(datetime.now(UTC).timestamp()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "Plaza-Webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": standard_signature(secret, message_id, timestamp, body),
    }


def standard_is_authentic(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a Standard Webhooks request is signed with *secret* and at most 5 minutes off."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(datetime.now(UTC).timestamp() - int(timestamp)) > 300:
        return False
    expected = standard_signature(secret, message_id, timestamp, body).encode()
    offered = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, signature) for signature in offered)


def zendesk_headers(secret: str, body: bytes) -> dict[str, str]:
    """Zendesk: base64 HMAC over timestamp and raw body, keyed with the secret's text.

    https://developer.zendesk.com/documentation/webhooks/verifying/
    """
    timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(_hmac(secret.encode(), timestamp.encode() + body)).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Zendesk Webhook",
        "X-Zendesk-Webhook-Signature": signature,
        "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
    }


def slack_headers(secret: str, body: bytes, content_type: str) -> dict[str, str]:
    """Slack: ``v0=`` and a hex HMAC over ``v0:timestamp:body``.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    timestamp = str(int(datetime.now(UTC).timestamp()))
    digest = _hmac(secret.encode(), f"v0:{timestamp}:".encode() + body).hex()
    return {
        "Content-Type": content_type,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }
