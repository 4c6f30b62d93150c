"""The fake Slack as its people see it: cards in channels, and buttons to press."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from datetime import UTC, datetime
from urllib.parse import urlencode

import requests

from bridge.sandbox.faults import CallLog, Faults, FaultyApp
from bridge.sandbox.serving import Served
from bridge.sandbox.signing import slack_headers
from bridge.sandbox.slack.api import WebApi
from bridge.sandbox.slack.blocks import Json
from bridge.sandbox.slack.workspace import (
    PEOPLE,
    TEAM,
    CardView,
    Channel,
    Message,
    Pressed,
    Workspace,
    view_of,
)


class SlackSandbox(Workspace):
    """One workspace. ``bot_token`` and ``signing_secret`` are what the bridge is configured with.

    ``posts_per_second`` limits chat.postMessage per channel (None: no limit).
    """

    def __init__(self, faults: Faults, calls: CallLog, *, posts_per_second: float | None = None) -> None:
        super().__init__()
        self.bot_token = "xoxb-test-token"
        self.signing_secret = "test-slack-signing-secret"
        self.bridge_url: str | None = None
        self.press_timeout_s = 3.0  # then Slack shows a warning triangle
        api = WebApi(self, self.bot_token, posts_per_second)
        self._served = Served("slack", FaultyApp("slack", api.app, faults, calls))
        self.url = api.url = self._served.url
        self.api_url = f"{self.url}/api/"

    def stop(self) -> None:
        self._served.stop()

    def press(
        self,
        channel: str,
        ts: str,
        action_id: str,
        user: str = "U0ANA0001",
        value: str | None = None,
    ) -> int:
        """Press a button; return the HTTP status of the bridge's answer, 0 if there was none in time.

        Raises LookupError if the card has no such button.
        """
        with self.lock:
            place = self.channel(channel)
            message = self.message(place, ts)
            element = _find_button(message.blocks, action_id, value)
            payload = self._press_payload(place, message, element, user, value)
        status = self._send_press(payload)
        name = PEOPLE[user][1] if user in PEOPLE else user
        label = str((element.get("text") or {}).get("text", action_id))
        with self.lock:
            self.presses.append(Pressed(place.id, ts, label, name, status, datetime.now(UTC)))
        return status

    def _send_press(self, payload: Json) -> int:
        kind = "application/x-www-form-urlencoded"
        body = urlencode({"payload": json.dumps(payload)}).encode()
        if self.bridge_url is None:
            raise LookupError("the sandbox does not know where the bridge is")
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.post(
                    f"{self.bridge_url}/slack/events",
                    data=body,
                    headers=slack_headers(self.signing_secret, body, kind),
                    timeout=self.press_timeout_s,
                ).status_code
        except requests.RequestException:
            return 0

    def _press_payload(
        self, place: Channel, message: Message, element: Json, user: str, value: str | None
    ) -> Json:
        name = PEOPLE[user][0] if user in PEOPLE else user.lower()
        trigger_id = f"{time.time_ns()}.{secrets.token_hex(8)}"
        self.triggers[trigger_id] = time.monotonic() + 3
        response_id = uuid.uuid4().hex
        self.responses[response_id] = {"channel": place.id, "user": user, "ts": message.ts, "left": 5}
        action = {
            "type": "button",
            "action_id": element.get("action_id"),
            "block_id": element["block_id"],
            "text": element.get("text"),
            "value": element.get("value") if value is None else value,
            "action_ts": f"{time.time():.6f}",
        }
        return {
            "type": "block_actions",
            "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
            "api_app_id": "A0BRIDGE1",
            "token": "unused",
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": place.id,
                "is_ephemeral": False,
            },
            "trigger_id": trigger_id,
            "team": {"id": TEAM, "domain": "sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": place.id, "name": place.name},
            "message": message.as_json(with_metadata=False),
            "state": {"values": {}},
            "response_url": f"{self.url}/response/{response_id}",
            "actions": [action],
        }

    def cards(self, channel: str | None = None) -> list[CardView]:
        """The messages in a channel (id or name; None: in all), oldest first, without thread replies."""
        with self.lock:
            places = self.channels.values() if channel is None else [self.channel(channel)]
            return [
                view_of(place, message)
                for place in places
                for message in place.messages
                if message.thread_ts in (None, message.ts)
            ]

    def thread(self, ts: str) -> list[CardView]:
        """The replies in the thread under the card *ts*, oldest first."""
        with self.lock:
            return [
                view_of(place, message)
                for place in self.channels.values()
                for message in place.messages
                if message.thread_ts == ts and message.ts != ts
            ]


def _find_button(blocks: list[Json], action_id: str, value: str | None) -> Json:
    for number, block in enumerate(blocks):
        elements = [*block.get("elements", []), *([block["accessory"]] if "accessory" in block else [])]
        for element in elements:
            if element.get("action_id") == action_id and value in (None, element.get("value")):
                return {**element, "block_id": block.get("block_id", f"block-{number}")}
    raise LookupError(f"the card has no button {action_id}")
