"""The tables. One row of each is said in its docstring.

A person's words and names are only in the columns listed in `PERSONAL`: blanking those
leaves a case file that still reads. Networks make ids of names, too (`store.forget`
replaces them). Times are aware UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TextClause,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bridge.core.case import CaseState
from bridge.core.intent import IntentState
from bridge.store.ids import new_id
from bridge.store.utc import Utc


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - the form that SQLAlchemy documents
        datetime: Utc,
        # No length: how long a vendor's ids are is the vendor's business. See `store.storable`.
        str: String(),
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


def _id() -> Mapped[str]:
    return mapped_column(String(36), primary_key=True, default=new_id)


# The rows that a partial index holds. A query has to say it in the same words, without parameters, or
# its planner does not know that the index holds all of them.
PUT_OFF = text("state = 'received' AND due_at > received_at")  # made no sense yet, and is tried again
FOUND = text("kind = 'found'")  # what no webhook told, see `flows.finds`
CLOSED_EVER = text("closed_at IS NOT NULL")
REFUSED_OUTSIDE = text("state = 'refused' AND decided_by IS NULL")  # nobody has decided that it is over


_THREAD = ("installation", "network", "account", "thread_root")


def _partial(name: str, *columns: str, where: TextClause, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


class Delivery(Base):
    """Bytes that came in, from whom, with what id."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("installation", "source", "account", "delivery_id"),
        Index("ix_deliveries_due", "state", "due_at"),
        # It has "state" for SQLite's planner: else it takes the index above, and reads all that waits.
        _partial("ix_deliveries_put_off", "state", "due_at", where=PUT_OFF),
        Index("ix_deliveries_heard", "source", "account", "received_at"),
        Index("ix_deliveries_received_at", "received_at"),
    )

    id: Mapped[str] = _id()
    installation: Mapped[str]
    source: Mapped[str]  # a network's name, "zendesk", "slack"
    account: Mapped[str]
    delivery_id: Mapped[str]
    received_at: Mapped[datetime]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(default="received")  # received | done | failed | unwanted | unreadable
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class Message(Base):
    """One social message, its latest version; a placeholder while only a tag or a delete is known."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("installation", "network", "global_id"),
        Index("ix_messages_due", "due_at"),
        Index("ix_messages_thread", "network", "account", "thread_root"),
        Index("ix_messages_case", "case_id", "posted_at"),
        Index("ix_messages_author", "network", "author_id"),
        Index("ix_messages_received_at", "received_at"),
    )

    id: Mapped[str] = _id()
    installation: Mapped[str]
    network: Mapped[str]
    global_id: Mapped[str]
    account: Mapped[str | None]
    native_id: Mapped[str | None]
    thread_root: Mapped[str | None]
    parent_id: Mapped[str | None]
    parent_text: Mapped[str | None] = mapped_column(Text)
    author_id: Mapped[str | None]
    author_handle: Mapped[str | None]
    author_name: Mapped[str | None]
    author_url: Mapped[str | None] = mapped_column(Text)
    followers: Mapped[int | None] = mapped_column(BigInteger)
    text: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None]
    permalink: Mapped[str | None] = mapped_column(Text)
    visibility: Mapped[str | None]
    kind: Mapped[str | None]  # NULL: written before there were kinds
    severity: Mapped[str | None]
    sentiment: Mapped[str | None]
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    own: Mapped[bool] = mapped_column(Boolean, default=False)
    posted_at: Mapped[datetime | None]
    edited_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    erased_at: Mapped[
        datetime | None
    ]  # its words and names are gone for good: no later copy brings them back
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"))
    due_at: Mapped[datetime | None]  # set while a flow has to consider it

    @property
    def complete(self) -> bool:
        """Whether the post itself is known, not only a tag or a delete of it."""
        return self.posted_at is not None


class MessageTag(Base):
    """A fact about a message: tagged with what, by which source, when, by whom."""

    __tablename__ = "message_tags"
    __table_args__ = (UniqueConstraint("message_id", "name", "source"),)

    id: Mapped[str] = _id()
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id"))
    name: Mapped[str]
    source: Mapped[str]
    tagged_at: Mapped[datetime]
    tagger: Mapped[str | None]
    removed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]  # the source's time of the latest word, so that late words lose


class Case(Base):
    """One customer's matter in one thread."""

    __tablename__ = "cases"
    __table_args__ = (
        _partial("uq_cases_open", *_THREAD, "author_id", unique=True, where=text("state != 'closed'")),
        Index("ix_cases_due", "due_at"),
        Index("ix_cases_state", "state", "posted_at"),
        Index("ix_cases_solved", "solved_by", "solved_at"),
        Index("ix_cases_author", "network", "author_id"),
        Index("ix_cases_closed_at", "closed_at"),
        _partial("ix_cases_lately", "network", "account", "closed_at", where=CLOSED_EVER),
    )

    id: Mapped[str] = _id()
    installation: Mapped[str]
    network: Mapped[str]
    account: Mapped[str]
    brand: Mapped[str]
    thread_root: Mapped[str]
    author_id: Mapped[str]
    state: Mapped[str] = mapped_column(default=CaseState.OPEN.value)
    route: Mapped[str | None]
    queue: Mapped[str]
    route_place: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[Any]] = mapped_column(default=list)
    language: Mapped[str]
    language_reason: Mapped[str] = mapped_column(Text, default="")
    closing: Mapped[str]
    priority: Mapped[str | None]
    kind: Mapped[str | None]  # the ticket's type
    ticket_tags: Mapped[list[Any]] = mapped_column(default=list)
    with_ticket: Mapped[bool] = mapped_column(Boolean, default=True)
    light: Mapped[bool] = mapped_column(Boolean, default=True)
    light_reason: Mapped[str] = mapped_column(Text, default="")
    mapping_version: Mapped[str]
    promise_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    solved_by: Mapped[str | None]  # the desk's user
    failures: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]  # when a flow should look again; NULL: nothing is open
    posted_at: Mapped[datetime]
    tagged_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    ticket_opened_at: Mapped[datetime | None]  # set with the first ticket: `cases.lock` relies on it
    claimed_at: Mapped[datetime | None]
    first_public_word_at: Mapped[datetime | None]
    solved_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    receipt: Mapped[str | None]
    receipt_url: Mapped[str | None] = mapped_column(Text)
    receipt_reason: Mapped[str | None] = mapped_column(Text)


class TicketRow(Base):
    """What stands for a case in the desk; several over time (follow-ups, merges)."""

    __tablename__ = "tickets"
    __table_args__ = (UniqueConstraint("installation", "ticket_id"), Index("ix_tickets_case", "case_id"))

    id: Mapped[str] = _id()
    installation: Mapped[str]
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"))
    number: Mapped[int]  # 1, and more for follow-ups
    ticket_id: Mapped[str]
    url: Mapped[str] = mapped_column(Text)
    requester_id: Mapped[str]
    state: Mapped[str] = mapped_column(default="current")  # current | closed | deleted | merged
    opened_at: Mapped[datetime]
    hinted_at: Mapped[datetime | None]  # somebody said that something happened
    read_at: Mapped[datetime | None]  # up to which hint the updates were read
    last_update_id: Mapped[str | None]
    read_since: Mapped[datetime | None]  # what is older is none of this case's (a merge's target)
    swept_at: Mapped[datetime | None]  # when the desk's export last hinted at it
    swept_to: Mapped[datetime | None]  # the desk's time of the version that the export hinted at


class CardRow(Base):
    """What stands for a case in the team's tool."""

    __tablename__ = "cards"
    __table_args__ = (Index("ix_cards_case", "case_id"),)

    id: Mapped[str] = _id()
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"))
    queue: Mapped[str]
    channel: Mapped[str]
    message_id: Mapped[str]
    posted_at: Mapped[datetime]


class CustomerRow(Base):
    """A social identity as the desk knows it."""

    __tablename__ = "customers"
    __table_args__ = (UniqueConstraint("installation", "network", "author_id"),)

    id: Mapped[str] = _id()
    installation: Mapped[str]
    network: Mapped[str]
    author_id: Mapped[str]
    requester_id: Mapped[str]
    registered_at: Mapped[datetime]


class Intent(Base):
    """One thing that we want to happen outside; its payload is frozen before the first try."""

    __tablename__ = "intents"
    __table_args__ = (
        UniqueConstraint("effect", "target", "cause"),
        Index("ix_intents_due", "state", "due_at"),
        Index("ix_intents_case", "case_id", "id"),
        # These two columns, too, are only why SQLite's planner takes this index.
        _partial("ix_intents_refused", "state", "decided_by", where=REFUSED_OUTSIDE),
    )

    id: Mapped[str] = _id()
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"))
    effect: Mapped[str]
    target: Mapped[str]
    cause: Mapped[str]
    lane: Mapped[str]
    state: Mapped[str] = mapped_column(default=IntentState.DRAFTED.value)
    closing: Mapped[bool] = mapped_column(Boolean, default=False)
    draft: Mapped[dict[str, Any]] = mapped_column(default=dict)
    payload: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None] = mapped_column(Text)  # why held, refused, gone or unknown
    waived: Mapped[list[Any]] = mapped_column(default=list)  # what a person saw and let pass
    decided_by: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    unclear: Mapped[int] = mapped_column(Integer, default=0)  # calls whose outcome nobody knows
    sender: Mapped[str | None]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]  # the latest try
    first_sent_at: Mapped[datetime | None]
    over_at: Mapped[datetime | None]  # when the sender itself saw the latest call end, unclear
    settled_at: Mapped[datetime | None]
    outcome_id: Mapped[str | None]  # the vendor's object that this made
    outcome: Mapped[dict[str, Any] | None]


class Event(Base):
    """One line of a case's file. Append-only; ``data`` holds ids and facts, nobody's words."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_case", "case_id", "id"),
        _partial("ix_events_found", "kind", "at", where=FOUND),
    )

    id: Mapped[str] = _id()
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class LeaseRow(Base):
    """Who works on a key, until when; the fence grows with each new holder."""

    __tablename__ = "leases"
    __table_args__ = (Index("ix_leases_until", "until"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]
    fence: Mapped[int] = mapped_column(BigInteger)


class WorkerRow(Base):
    """A process that runs flows."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]  # when another worker first saw that it no longer lives


class Lane(Base):
    """A way to the outside that is parked: credentials refused, or public words paused."""

    __tablename__ = "lanes"

    name: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime | None]  # NULL: until somebody resumes it
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str]
    since: Mapped[datetime]


class Cursor(Base):
    """Where a poll stands, and when it is due again."""

    __tablename__ = "cursors"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]  # when it last worked
    failures: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(Text)


class Tally(Base):
    """One number that only grows, summed over all processes. Its labels are names of ours, nobody's words."""

    __tablename__ = "tallies"

    name: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[str] = mapped_column(primary_key=True)  # JSON, keys sorted
    value: Mapped[float] = mapped_column(Float, default=0.0)


class Alert(Base):
    """Something that a person has to look after, told once, and once more when it is over."""

    __tablename__ = "alerts"

    key: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime]
    told_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Erasure(Base):
    """The proof that somebody's words and names were erased, without any of them."""

    __tablename__ = "erasures"

    id: Mapped[str] = _id()
    installation: Mapped[str]
    at: Mapped[datetime]
    cause: Mapped[str]  # asked | deleted | retention
    by: Mapped[str]
    network: Mapped[str | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)  # rows per table
    remains: Mapped[list[Any]] = mapped_column(
        default=list
    )  # sentences of ours: what could not be erased, where


class MappingVersion(Base):
    """A mapping that served: its content, by hash."""

    __tablename__ = "mapping_versions"

    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    files: Mapped[dict[str, Any]]
    since: Mapped[datetime]
    by: Mapped[str]


PERSONAL: dict[str, tuple[str, ...]] = {
    "messages": (
        "author_handle",
        "author_name",
        "author_url",
        "followers",
        "sentiment",
        "text",
        "parent_text",
        "permalink",
        "attachments",
    ),
    "deliveries": ("body",),
    "intents": ("draft", "payload", "outcome"),
}
