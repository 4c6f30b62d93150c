"""The fake Slack's memory: people, channels, messages, and how a message is seen."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bridge.sandbox.slack.blocks import Json, check_blocks, parts_of, plain_part

CHANNELS = (
    "support-technical", "incident-response", "product-feedback", "sales", "sales-leads", "community",
    "triage", "social-triage", "bridge-admin",
)  # fmt: skip
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
    is_archived: bool = False
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


class Workspace:
    """The state of one workspace. Callers hold ``lock``.

    ``whispers`` are ephemeral messages and modals, oldest first; ``triggers`` maps a
    trigger id to the monotonic time of its end, ``responses`` what a response_url leads to.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.channels = {
            f"C0{number:07d}": Channel(f"C0{number:07d}", name) for number, name in enumerate(CHANNELS, 1)
        }
        self.deactivated: set[str] = set()
        self.presses: list[Pressed] = []
        self.whispers: list[Json] = []
        self.triggers: dict[str, float] = {}
        self.responses: dict[str, Json] = {}
        self._last_ts = 0

    def channel(self, reference: str, *, by_name: bool = True) -> Channel:
        if reference in self.channels:
            return self.channels[reference]
        for channel in self.channels.values():
            if by_name and channel.name == reference.removeprefix("#"):
                return channel
        raise SlackError("channel_not_found")

    def message(self, channel: Channel, ts: str) -> Message:
        for message in channel.messages:
            if message.ts == ts:
                return message
        raise SlackError("message_not_found")

    def new_message(self, channel: Channel, arguments: Json) -> Message:
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
            channel.id, ts, text, blocks, metadata_of(arguments), str(thread_ts) if thread_ts else None
        )

    def whisper(self, user: str, channel: str | None, text: str, blocks: list[Json]) -> None:
        parts = parts_of(blocks, NAMES) or [plain_part(text)]
        self.whispers.append({"user": user, "channel": channel, "text": text, "parts": parts})


def metadata_of(arguments: Json) -> Json | None:
    metadata = arguments.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if not metadata.get("event_type"):
        raise SlackError("invalid_metadata_schema")
    return metadata


def view_of(place: Channel, message: Message) -> CardView:
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
