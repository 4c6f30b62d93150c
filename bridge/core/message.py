"""A social message, as every network's room normalises it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Visibility(StrEnum):
    """Who may read a message, widest first. Only the first two are public."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    DIRECT = "direct"

    @property
    def is_public(self) -> bool:
        return self in (Visibility.PUBLIC, Visibility.UNLISTED)


class MessageKind(StrEnum):
    """How a message was said. Told apart by whoever brings it; see `MessageKind.of`."""

    PUBLIC = "public"  # begins a thread, for all to read
    REPLY = "reply"  # answers another, for all to read
    REVIEW = "review"  # judges a place, an app or a thing on a site for that
    DIRECT = "direct"  # not for all to read: a private message, or a post for followers only

    @classmethod
    def of(cls, visibility: Visibility, *, answers: bool) -> MessageKind:
        """The kind of a message where nobody calls it a review."""
        if not visibility.is_public:
            return cls.DIRECT
        return cls.REPLY if answers else cls.PUBLIC


class Severity(StrEnum):
    """How much is at stake, in the word of the source or of a route. Lowest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Sentiment(StrEnum):
    """The mood that a source reads in a message."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class EventKind(StrEnum):
    """What can happen to a message."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    TAGGED = "tagged"
    UNTAGGED = "untagged"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message. ``id`` is stable on its network; handle and name may change.

    ``followers`` is how many the network said they have; None where nobody said it.
    """

    id: str
    handle: str
    name: str = ""
    url: str | None = None
    followers: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, video or file that came with a message; never fetched by the bridge."""

    kind: str
    url: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """A fact about a message: who called it what, where and when."""

    name: str
    source: str
    at: datetime
    by: str | None = None


@dataclass(frozen=True, slots=True)
class SocialMessage:
    """One message in its latest version.

    ``id`` is the message's global id on ``network`` (its URI, where the network has
    one): the same post brought by another way has the same id. ``native_id`` is what
    the API of ``account`` (the key of the brand account that heard it) calls it.
    ``root_id`` and ``parent_id`` are global ids; ``root_id`` is None while the thread
    is not known, and the message's own id when it starts one. Times are aware UTC.
    ``own`` marks a message that our own account wrote. ``severity`` and ``sentiment``
    are None where the source gives none.
    """

    network: str
    id: str
    account: str
    author: Author
    text: str
    posted_at: datetime
    native_id: str = ""
    root_id: str | None = None
    parent_id: str | None = None
    parent_text: str | None = None
    permalink: str | None = None
    language: str | None = None
    visibility: Visibility = Visibility.PUBLIC
    attachments: tuple[Attachment, ...] = ()
    edited_at: datetime | None = None
    tags: frozenset[str] = frozenset()
    own: bool = False
    kind: MessageKind = MessageKind.PUBLIC
    severity: Severity | None = None
    sentiment: Sentiment | None = None

    @property
    def thread(self) -> str:
        """The id of the thread: its root where known, else the message itself."""
        return self.root_id or self.id


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One thing that a source told us about one message.

    ``message`` is given for created and updated (a tag source that knows the whole
    post may give it too), ``tags`` for tagged and untagged. A tag source speaks of a
    message by ``network`` and ``message_id`` only.
    """

    kind: EventKind
    network: str
    message_id: str
    at: datetime
    message: SocialMessage | None = None
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class RawItem:
    """A polled item in its own bytes, to be recorded before it is understood.

    ``delivery_id`` is the same whenever the same version of the same thing is read.
    """

    delivery_id: str
    body: bytes
