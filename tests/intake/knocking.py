"""Somebody at the door: the three hooks, and how each vendor signs what it sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bridge.app import Bridge
from bridge.core.card import Action
from bridge.sandbox.signing import readable_secret, standard_signature
from bridge.slack.blocks import action_id
from bridge.store.tables import Delivery

PLAZA_SECRET = readable_secret("test-plaza-secret-one")
TAGS_SECRET = readable_secret("test-tag-source-secret-one")
ZENDESK_SECRET = "test-webhook-secret"
SLACK_SECRET = "test-slack-signing-secret"

# Nobody listens at these addresses: the door needs no vendor.
ENVIRONMENT = {
    "ZENDESK_SUBDOMAIN": "sandbox",
    "ZENDESK_URL": "http://127.0.0.1:1",
    "ZENDESK_CLIENT_ID": "test-client",
    "ZENDESK_CLIENT_SECRET": "test-client-secret",
    "ZENDESK_WEBHOOK_SECRET": ZENDESK_SECRET,
    "SLACK_BOT_TOKEN": "xoxb-test-token",
    "SLACK_SIGNING_SECRET": SLACK_SECRET,
    "SLACK_API_URL": "http://127.0.0.1:1/api/",
    "KOPI_PLAZA_SECRET": PLAZA_SECRET,
    "KOPI_PLAZA_REPLY_URL": "http://127.0.0.1:1/replies",
    "KOPI_MASTODON_URL": "http://127.0.0.1:1",
    "KOPI_MASTODON_TOKEN": "test-mastodon-kopi",
    "ROWER_MASTODON_URL": "http://127.0.0.1:1",
    "ROWER_MASTODON_TOKEN": "test-mastodon-rower",
    "TAG_SOURCE_SECRET": TAGS_SECRET,
}

Headers = dict[str, str]


def created(text: str = "The app logs me out every hour", **changes: Any) -> bytes:
    """A ``social.message.created``, as bytes that are not all ASCII where *text* is not."""
    data = {
        "id": "post-1",
        "author": {"id": "dewi", "handle": "@dewi"},
        "text": text,
        "created_at": "2026-11-21T11:59:30Z",
    }
    return json.dumps({"type": "social.message.created", "data": data | changes}, ensure_ascii=False).encode()


def hint(**changes: Any) -> bytes:
    """What our trigger in the desk sends."""
    return json.dumps({"schema": 1, "event": "commented", "ticket_id": "7"} | changes).encode()


def press(action: str = action_id(Action.WHY), trigger: str = "1.2.three", **changes: Any) -> bytes:
    """A pressed button, as the form that Slack posts."""
    button = {"action_id": action, "block_id": "b", "value": "case-1", "action_ts": "1700000100.25"}
    payload = {
        "type": "block_actions",
        "user": {"id": "U0ANA0001", "username": "ana"},
        "container": {"type": "message", "message_ts": "1.2", "channel_id": "C00000001"},
        "trigger_id": trigger,
        "actions": [button | {"type": "button"}],
    }
    return urlencode({"payload": json.dumps(payload | changes)}).encode()


def sign_standard(secret: str, body: bytes, at: str, number: str = "msg_1") -> Headers:
    return {
        "webhook-id": number,
        "webhook-timestamp": at,
        "webhook-signature": standard_signature(secret, number, at, body),
    }


def sign_zendesk(secret: str, body: bytes, at: str, number: str = "") -> Headers:
    digest = hmac.digest(secret.encode(), at.encode() + body, hashlib.sha256)
    return {
        "X-Zendesk-Webhook-Signature-Timestamp": at,
        "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
    }


def sign_slack(secret: str, body: bytes, at: str, number: str = "") -> Headers:
    digest = hmac.digest(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256)
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest.hex()}"}


def seconds(at: float) -> str:
    return str(int(at))


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


@dataclass(frozen=True)
class Hook:
    """One address of the door. ``stamp`` writes a time as this vendor writes it in its header."""

    name: str
    path: str
    secret: str
    good: bytes
    sign: Callable[..., Headers]
    stamp: Callable[[float], str]
    content_type: str = "application/json"

    def headers(
        self, body: bytes, *, age_s: float = 0, secret: str | None = None, number: str = "msg_1"
    ) -> Headers:
        at = self.stamp(time.time() - age_s)
        return self.sign(self.secret if secret is None else secret, body, at, number)

    def knock(self, client: FlaskClient, body: bytes, headers: Headers | None = None) -> TestResponse:
        """Post *body*, signed now unless *headers* are given."""
        given = self.headers(body) if headers is None else headers
        return client.post(self.path, data=body, headers=given, content_type=self.content_type)


STANDARD = Hook("standard", "/hooks/social/kopi-plaza", PLAZA_SECRET, created(), sign_standard, seconds)
ZENDESK = Hook("zendesk", "/hooks/zendesk", ZENDESK_SECRET, hint(), sign_zendesk, iso)
SLACK = Hook(
    "slack",
    "/slack/events",
    SLACK_SECRET,
    press(),
    sign_slack,
    seconds,
    "application/x-www-form-urlencoded",
)
HOOKS = (STANDARD, ZENDESK, SLACK)


def names(hooks: Iterable[Hook]) -> list[str]:
    return [hook.name for hook in hooks]


def stored(bridge: Bridge) -> list[Delivery]:
    """Every delivery that is written down, oldest first."""
    with bridge.world.database.read() as tx:
        return list(tx.query(Delivery).order_by(Delivery.id))
