"""What the bridge says to a help desk and hears from it, in our own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class TicketStatus(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    HOLD = "hold"
    SOLVED = "solved"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Customer:
    """The requester. ``external_id`` is stable: the social identity, not a person's e-mail."""

    external_id: str
    name: str


@dataclass(frozen=True, slots=True)
class TicketDraft:
    """A ticket to be opened, exactly as it will be sent.

    ``text`` is the customer's own, plain; the desk's room makes it safe.
    ``follow_up_of`` is the closed ticket that this one continues. An internal note is
    an update of its own, since a ticket opens with one comment.
    """

    external_id: str
    requester_id: str
    subject: str
    text: str
    tags: tuple[str, ...]
    group: str | None = None
    priority: str | None = None
    type: str | None = None
    brand: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    follow_up_of: str | None = None


@dataclass(frozen=True, slots=True)
class TicketRef:
    id: str
    url: str


@dataclass(frozen=True, slots=True)
class TicketUpdate:
    """One update: a comment by the customer or a note of ours, an assignment, or both.

    ``author_id`` None means the bridge's own user. A comment by anybody else is the customer's:
    it opens a ticket again that waits or is solved. ``public`` is always sent. ``subject`` and
    ``fields`` are changed where they are given.
    """

    ticket_id: str
    text: str | None = None
    public: bool = False
    author_id: str | None = None
    assignee_email: str | None = None
    subject: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in an update of a ticket. ``by_staff`` tells agents from end users."""

    id: str
    author_id: str
    by_staff: bool
    public: bool
    text: str


class Origin(StrEnum):
    """Which way an update came, as far as our rules care."""

    INTERFACE = "interface"  # a person in the desk's own interface
    API = "api"
    RULE = "rule"  # trigger, automation, macro run by the system
    EMAIL = "email"
    LINKED_PROBLEM = "linked problem"
    MERGE = "merge"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an agent wrote into the ticket's field for the public: how the matter was resolved.

    ``by_hand``: a member of staff did, in the desk's own interface.
    """

    text: str
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Update:
    """One update of a ticket, read from its audit: the desk's truth.

    ``stamp`` is ours when we made the update ourselves. ``status`` is the new status
    if this update changed it, ``resolution`` the new one likewise. ``merged`` are the
    tickets that were merged into this one by it.
    """

    id: str
    at: datetime
    actor_id: str
    origin: Origin
    stamp: str | None = None
    comment: Comment | None = None
    status: TicketStatus | None = None
    resolution: Resolution | None = None
    merged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it stands now. ``requester_external_id`` tells whether it is still our customer."""

    id: str
    url: str
    status: TicketStatus
    external_id: str | None
    requester_id: str
    requester_external_id: str | None
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """A ticket that is worth reading again. ``external_id`` may belong to another installation."""

    ticket_id: str
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A ticket of the desk's export: that it changed, not what changed.

    ``at`` is the desk's own time of this version of the ticket, in its own precision.
    ``follow_up_of`` is the closed ticket that this one continues, whoever opened it.
    """

    ticket_id: str
    url: str
    at: datetime
    external_id: str | None = None
    follow_up_of: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """One page of an export, oldest change first. ``cursor`` is opaque; without ``more`` there is none."""

    changes: tuple[Change, ...]
    cursor: str | None = None

    @property
    def more(self) -> bool:
        return self.cursor is not None
