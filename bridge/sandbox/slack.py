"""A fake Slack: one workspace with its channels, the Web API, and people who press buttons.

https://docs.slack.dev/reference/methods
Operations are named by their method (``chat.postMessage``), for the chaos knobs.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import requests
from flask import Flask, Response, jsonify, request

from bridge.sandbox.faults import CallLog, Faults, FaultyApp
from bridge.sandbox.serving import Served
from bridge.sandbox.signing import slack_headers
from bridge.sandbox.slack_blocks import BlocksError, Json, check_blocks, parts_of, plain_part

CHANNELS = (
    "support-technical", "incident-response", "product-feedback", "sales", "sales-leads", "community",
    "triage", "social-triage", "bridge-admin",
)  # fmt: skip
SCOPES = "chat:write,users:read,users:read.email,channels:read,groups:read,channels:history,groups:history"
BOT, BOT_USER, TEAM = "B0BRIDGE1", "U0BRIDGE1", "T0SANDBOX"
# Not everybody in Slack is an agent in the desk: U0TOMAS has no ticket licence.
PEOPLE = {
    "U0ANA0001": ("ana", "Ana", "agent-one@example.com"),
    "U0BEN0002": ("ben", "Ben", "agent-two@example.com"),
    "U0TOMAS03": ("tomas", "Tomas", "tomas@example.com"),
}

NAMES = {user: name for user, (_, name, _) in PEOPLE.items()} | {BOT_USER: "Loop bridge"}


@dataclass
class Channel:
    id: str
    name: str
    has_bot: bool = True
    messages: list[Message] = field(default_factory=list)


@dataclass
class Message:
    channel: str
    ts: str
    text: str
    blocks: list[Json]
    metadata: Json | None
    thread_ts: str | None = None
    edited_at: datetime | None = None

    def as_json(self, *, with_metadata: bool) -> Json:
        body: Json = {
            "type": "message",
            "user": BOT_USER,
            "bot_id": BOT,
            "ts": self.ts,
            "text": self.text,
            "team": TEAM,
        }
        if self.blocks:
            body["blocks"] = self.blocks
        if self.thread_ts:
            body["thread_ts"] = self.thread_ts
        if self.edited_at:
            body["edited"] = {"user": BOT_USER, "ts": self.ts}
        if with_metadata and self.metadata:
            body["metadata"] = self.metadata
        return body


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    action_id: str
    value: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed a button. ``status`` is the bridge's answer, 0 for none."""

    channel: str
    ts: str
    label: str
    user: str
    status: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CardView:
    """A message in a channel as people see it. ``parts`` is what `slack_blocks.parts_of` gives."""

    channel: str
    channel_name: str
    ts: str
    text: str
    parts: tuple[Json, ...]
    buttons: tuple[Button, ...]
    metadata: Json | None
    at: datetime
    edited_at: datetime | None

    @property
    def links(self) -> tuple[str, ...]:
        """Every address that the card links to."""
        runs = [run for part in self.parts for run in part.get("runs", ())]
        return tuple(run["href"] for run in runs if run["href"])

    @property
    def words(self) -> str:
        """Everything that the card says, in one string."""
        return "\n".join(str(part["text"]) for part in self.parts if part.get("text")) or self.text

    def button(self, label: str) -> Button | None:
        """The first button whose label contains *label*."""
        return next((one for one in self.buttons if label.lower() in one.label.lower()), None)


class SlackError(Exception):
    """An answer with ``ok: false``; ``code`` is Slack's error."""

    def __init__(self, code: str, **more: Any) -> None:
        self.code = code
        self.more = more
        super().__init__(code)


class SlackSandbox:
    """One workspace. ``bot_token`` and ``signing_secret`` are what the bridge is configured with.

    ``posts_per_second`` limits chat.postMessage per channel (None: no limit).
    """

    def __init__(self, faults: Faults, calls: CallLog, *, posts_per_second: float | None = None) -> None:
        self.bot_token = "xoxb-test-token"
        self.signing_secret = "test-slack-signing-secret"
        self.posts_per_second = posts_per_second
        self.bridge_url: str | None = None
        self.press_timeout_s = 3.0  # then Slack shows a warning triangle
        self.lock = threading.RLock()
        self.channels = {
            f"C0{number:07d}": Channel(f"C0{number:07d}", name) for number, name in enumerate(CHANNELS, 1)
        }
        self.presses: list[Pressed] = []
        self.whispers: list[Json] = []  # ephemeral messages and modals, oldest first
        self._last_ts = 0
        self._last_post: dict[str, float] = {}
        self._triggers: dict[str, float] = {}
        self._responses: dict[str, Json] = {}
        self._served = Served("slack", FaultyApp("slack", self._app(), faults, calls))
        self.url = self._served.url
        self.api_url = f"{self.url}/api/"

    def stop(self) -> None:
        self._served.stop()

    # --- what people do and read -----------------------------------------------

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
            place = self._channel(channel)
            message = self._message(place, ts)
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
        self._triggers[trigger_id] = time.monotonic() + 3
        response_id = uuid.uuid4().hex
        self._responses[response_id] = {"channel": place.id, "user": user, "ts": message.ts, "left": 5}
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
            places = self.channels.values() if channel is None else [self._channel(channel)]
            return [
                _view(place, message)
                for place in places
                for message in place.messages
                if message.thread_ts in (None, message.ts)
            ]

    def thread(self, ts: str) -> list[CardView]:
        """The replies in the thread under the card *ts*, oldest first."""
        with self.lock:
            return [
                _view(place, message)
                for place in self.channels.values()
                for message in place.messages
                if message.thread_ts == ts and message.ts != ts
            ]

    # --- the Web API -----------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask("sandbox-slack", static_folder=None)
        methods: dict[str, Callable[[Json], Json]] = {
            "api.test": lambda _: {},
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.list": self._list,
            "conversations.info": self._info,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.join": self._join,
            "users.info": self._user_info,
            "users.lookupByEmail": self._user_by_email,
            "views.open": self._open_view,
        }
        for name, method in methods.items():
            app.add_url_rule(f"/api/{name}", name, self._call(method), methods=["GET", "POST"])
        app.add_url_rule("/response/<response_id>", "response_url", self._respond, methods=["POST"])
        return app

    def _call(self, method: Callable[[Json], Json]) -> Callable[[], Response]:
        def answer() -> Response:
            arguments = _arguments()
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                with self.lock:
                    if (token or arguments.get("token")) != self.bot_token:
                        raise SlackError("invalid_auth" if token else "not_authed")
                    response = jsonify({"ok": True} | method(arguments))
            except SlackError as error:
                response = jsonify({"ok": False, "error": error.code} | error.more)
                if error.code == "ratelimited":
                    response.status_code = 429
                    response.headers["Retry-After"] = "1"
            except BlocksError as error:
                messages = {"messages": [error.reason]}
                response = jsonify({"ok": False, "error": error.code, "response_metadata": messages})
            response.headers["x-oauth-scopes"] = SCOPES
            return response

        return answer

    def _auth_test(self, _: Json) -> Json:
        return {
            "url": f"{self.url}/",
            "team": "Sandbox",
            "user": "loop-bridge",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "is_enterprise_install": False,
        }

    def _channel(self, reference: str, *, by_name: bool = True) -> Channel:
        if reference in self.channels:
            return self.channels[reference]
        for channel in self.channels.values():
            if by_name and channel.name == reference.removeprefix("#"):
                return channel
        raise SlackError("channel_not_found")

    def _message(self, channel: Channel, ts: str) -> Message:
        for message in channel.messages:
            if message.ts == ts:
                return message
        raise SlackError("message_not_found")

    def _post_message(self, arguments: Json) -> Json:
        channel = self._channel(str(arguments.get("channel", "")))
        if not channel.has_bot:
            raise SlackError("not_in_channel")
        self._limit_posts(channel.id)
        message = self._new_message(channel, arguments)
        channel.messages.append(message)
        return {"channel": channel.id, "ts": message.ts, "message": message.as_json(with_metadata=True)}

    def _limit_posts(self, channel: str) -> None:
        if self.posts_per_second is None:
            return
        now = time.monotonic()
        if now - self._last_post.get(channel, -10.0) < 1 / self.posts_per_second:
            raise SlackError("ratelimited")
        self._last_post[channel] = now

    def _new_message(self, channel: Channel, arguments: Json) -> Message:
        blocks = arguments.get("blocks") or []
        check_blocks(blocks)
        text = str(arguments.get("text") or "")[:40_000]
        if not text and not blocks:
            raise SlackError("no_text")
        # Two messages in one microsecond would share their name.
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        ts = f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"
        thread_ts = arguments.get("thread_ts")
        return Message(
            channel.id, ts, text, blocks, _metadata(arguments), str(thread_ts) if thread_ts else None
        )

    def _update(self, arguments: Json) -> Json:
        channel = self._channel(str(arguments.get("channel", "")), by_name=False)
        message = self._message(channel, str(arguments.get("ts")))
        text = arguments.get("text")
        if text is not None and len(str(text)) > 4000:
            raise SlackError("msg_too_long")
        if "blocks" in arguments:
            check_blocks(arguments["blocks"])
        elif text is None:
            raise SlackError("no_text")
        # Text without blocks takes the old blocks away; metadata that is left out stays.
        message.blocks = arguments.get("blocks") or []
        message.text = str(text) if text is not None else message.text
        message.metadata = _metadata(arguments) or message.metadata
        message.edited_at = datetime.now(UTC)
        return {"channel": channel.id, "ts": message.ts, "text": message.text}

    def _post_ephemeral(self, arguments: Json) -> Json:
        channel = self._channel(str(arguments.get("channel", "")))
        if arguments.get("user") not in PEOPLE:
            raise SlackError("user_not_in_channel")
        message = self._new_message(channel, arguments)
        self._whisper(str(arguments["user"]), channel.id, message.text, message.blocks)
        return {"message_ts": message.ts}

    def _whisper(self, user: str, channel: str | None, text: str, blocks: list[Json]) -> None:
        parts = parts_of(blocks, NAMES) or [plain_part(text)]
        self.whispers.append({"user": user, "channel": channel, "text": text, "parts": parts})

    def _list(self, arguments: Json) -> Json:
        rows = [_channel_json(channel) for channel in self.channels.values()]
        start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
        following = str(start + size) if start + size < len(rows) else ""
        return {"channels": rows[start : start + size], "response_metadata": {"next_cursor": following}}

    def _info(self, arguments: Json) -> Json:
        return {"channel": _channel_json(self._channel(str(arguments.get("channel", "")), by_name=False))}

    def _join(self, arguments: Json) -> Json:
        channel = self._channel(str(arguments.get("channel", "")), by_name=False)
        channel.has_bot = True
        return {"channel": _channel_json(channel)}

    def _history(self, arguments: Json) -> Json:
        channel = self._channel(str(arguments.get("channel", "")), by_name=False)
        if not channel.has_bot:
            raise SlackError("not_in_channel")
        found = [one for one in channel.messages if one.thread_ts in (None, one.ts)]
        return _page(list(reversed(found)), arguments)

    def _replies(self, arguments: Json) -> Json:
        channel = self._channel(str(arguments.get("channel", "")), by_name=False)
        root = self._message(channel, str(arguments.get("ts")))
        found = [root] + [one for one in channel.messages if one.thread_ts == root.ts and one is not root]
        return _page(found, arguments)

    def _user_info(self, arguments: Json) -> Json:
        user = str(arguments.get("user"))
        if user not in PEOPLE:
            raise SlackError("user_not_found")
        return {"user": _user_json(user)}

    def _user_by_email(self, arguments: Json) -> Json:
        for user, (_, _, email) in PEOPLE.items():
            if email == arguments.get("email"):
                return {"user": _user_json(user)}
        raise SlackError("users_not_found")

    def _open_view(self, arguments: Json) -> Json:
        deadline = self._triggers.pop(str(arguments.get("trigger_id")), None)
        if deadline is None:
            raise SlackError("invalid_trigger_id")
        if deadline < time.monotonic():
            raise SlackError("expired_trigger_id")
        view = arguments.get("view") or {}
        for name in ("title", "submit", "close"):
            if len(_title(view.get(name))) > 24:
                raise SlackError("invalid_arguments")
        check_blocks(view.get("blocks"))
        self._whisper("", None, _title(view.get("title")), view["blocks"])
        return {"view": view | {"id": f"V{uuid.uuid4().hex[:9].upper()}"}}

    def _respond(self, response_id: str) -> tuple[str, int]:
        with self.lock:
            place = self._responses.get(response_id)
            if place is None or place["left"] == 0:
                return "expired_url", 404
            place["left"] -= 1
            arguments = request.get_json(silent=True) or {}
            blocks = arguments.get("blocks") or []
            if arguments.get("replace_original"):
                message = self._message(self.channels[place["channel"]], place["ts"])
                message.blocks, message.text = blocks, str(arguments.get("text") or message.text)
                message.edited_at = datetime.now(UTC)
            else:
                self._whisper(place["user"], place["channel"], str(arguments.get("text") or ""), blocks)
            return "ok", 200


def _title(text: Json | None) -> str:
    return str((text or {}).get("text", ""))


def _arguments() -> Json:
    """A call's arguments, however they came; JSON inside forms is read."""
    given: Json = {
        **request.args.to_dict(),
        **request.form.to_dict(),
        **(request.get_json(silent=True) or {}),
    }
    for name in ("blocks", "metadata", "view"):
        if isinstance(given.get(name), str):
            try:
                given[name] = json.loads(given[name])
            except ValueError:
                given[name] = None
    return given


def _metadata(arguments: Json) -> Json | None:
    metadata = arguments.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if not metadata.get("event_type"):
        raise SlackError("invalid_metadata_schema")
    return metadata


def _page(found: list[Message], arguments: Json) -> Json:
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    inclusive = str(arguments.get("inclusive", "")).lower() in ("1", "true")
    within = [
        one
        for one in found
        if oldest < float(one.ts) < latest or (inclusive and float(one.ts) in (oldest, latest))
    ]
    start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
    with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
    more = start + size < len(within)
    return {
        "messages": [one.as_json(with_metadata=with_metadata) for one in within[start : start + size]],
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + size) if more else ""},
    }


def _channel_json(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": True,
        "is_archived": False,
        "is_private": False,
        "is_member": channel.has_bot,
    }


def _user_json(user: str) -> Json:
    handle, name, email = PEOPLE[user]
    profile = {"email": email, "display_name": name, "real_name": name}
    return {
        "id": user,
        "team_id": TEAM,
        "name": handle,
        "real_name": name,
        "is_bot": False,
        "profile": profile,
    }


def _find_button(blocks: list[Json], action_id: str, value: str | None) -> Json:
    for number, block in enumerate(blocks):
        elements = [*block.get("elements", []), *([block["accessory"]] if "accessory" in block else [])]
        for element in elements:
            if element.get("action_id") == action_id and value in (None, element.get("value")):
                return {**element, "block_id": block.get("block_id", f"block-{number}")}
    raise LookupError(f"the card has no button {action_id}")


def _view(place: Channel, message: Message) -> CardView:
    parts = parts_of(message.blocks, NAMES) or [plain_part(message.text)]
    buttons = tuple(
        Button(one["label"], one["action_id"], one["value"])
        for part in parts
        for one in part.get("buttons", ())
    )
    return CardView(
        place.id,
        place.name,
        message.ts,
        message.text,
        tuple(parts),
        buttons,
        message.metadata,
        _time_of(message.ts),
        message.edited_at,
    )


def _time_of(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)
