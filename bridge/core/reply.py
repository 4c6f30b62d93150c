"""A public reply: what is to be said, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.core.message import RawItem, SocialMessage, Visibility


@dataclass(frozen=True, slots=True)
class Composed:
    """A text as the network will show it (with its mention, if it needs one), and its size.

    ``used`` and ``limit`` are in the network's own ``unit``.
    """

    text: str
    used: int
    limit: int
    unit: str

    @property
    def fits(self) -> bool:
        return self.used <= self.limit


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with its text frozen. ``target`` is the customer's message that it answers.

    ``not_before`` is when the reply was first wanted: older posts cannot be it.
    """

    account: str
    target: SocialMessage
    text: str
    language: str
    visibility: Visibility
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """A post of ours on the network."""

    id: str
    permalink: str | None
    at: datetime | None = None


class Obstacle(StrEnum):
    """Why a reply should not leave just now."""

    GONE = "gone"  # deleted, or its author blocked us: no reply, ever
    EDITED = "edited"  # the customer changed the post since
    ANSWERED = "answered"  # somebody answered it from our account outside the bridge
    CLOSED = "closed"  # the network does not let us reply there


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the parent looks like right before a reply.

    ``obstacles`` are all that were found, so that one which a person let pass hides no
    other; none means: go. ``detail`` says why it is gone or closed, ``answer`` is the one
    that was found. ``edited_at`` is the network's time of the latest edit, None where it
    tells none: who let one edit pass knows nothing of the next. ``thread`` is what the look
    showed of the thread below it, to be recorded like what a poll brings; posts of anybody,
    known ones too. Empty where the network shows none.
    """

    obstacles: frozenset[Obstacle] = frozenset()
    detail: str = ""
    answer: Published | None = None
    edited_at: datetime | None = None
    thread: tuple[RawItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Light:
    """Whether a public reply will be possible, said at intake. ``reason`` is for a person."""

    possible: bool
    reason: str
