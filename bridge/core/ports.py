"""What the flows need of the outside. Rooms implement these; flows see nothing else.

Every method that talks to a vendor has a timeout of its own, never retries a
write, and raises the classes of `bridge.errors.VendorError` and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bridge.core.account import Account, AccountField
from bridge.core.card import Card, CardRef
from bridge.core.desk import Changes, Customer, Ticket, TicketDraft, TicketRef, TicketUpdate, Update
from bridge.core.message import InboundEvent, RawItem, SocialMessage
from bridge.core.reply import Composed, Light, Preflight, Published, Reply


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``bridge doctor``: what was checked, whether it is well, and the fix."""

    check: str
    ok: bool
    detail: str
    fix: str = ""


class Standing(StrEnum):
    """How something that mapping files name stands with a vendor."""

    THERE = "there"
    MISSING = "missing"
    RETIRED = "retired"  # archived, deactivated
    OUTSIDE = "outside"  # it is there, and the bridge is not a member


@dataclass(frozen=True, slots=True)
class Named:
    """One name that mapping files write down, as a vendor knows it.

    ``standing`` None: the vendor could not be asked, and ``detail`` says why. That is
    never "does not exist". ``fix`` says what to do where it is not THERE.
    """

    kind: str
    name: str
    standing: Standing | None
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Exempt:
    """A capability that a network lacks, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network can do. ``Exempt`` says that it cannot, and why.

    ``reply_key_covers_resend``: the same key sent twice makes one post, on every
    server that speaks this protocol; then a second send needs no proof.
    ``one_reply_per_interaction``: a second reply where nobody wrote in between is taken amiss,
    so an answer closes the loop however old it is.
    ``settle_s``: how long after a write a post may still be invisible to a look.
    ``reply_window``: how long after a post the network takes replies to it; None: as long as it is there.
    """

    push: bool | Exempt
    poll: bool | Exempt
    reply: bool | Exempt
    edits: bool | Exempt
    deletions: bool | Exempt
    reply_key_covers_resend: bool
    settle_s: float
    one_reply_per_interaction: bool = False
    reply_window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """One page of a poll. ``cursor`` is opaque, stored together with the items."""

    items: tuple[RawItem, ...]
    cursor: str | None
    more: bool = False


class Connection(Protocol):
    """An account's line to its network's API."""

    def poll(self, cursor: str | None) -> Polled:
        """What is new since *cursor* (None: the first time; old posts are not raked up)."""
        ...

    def read_thread(self, message: SocialMessage) -> tuple[RawItem, ...]:
        """The messages of *message*'s thread as they are now, deletions of it included."""
        ...

    def preflight(self, target: SocialMessage, known: Collection[str]) -> Preflight:
        """Read the parent again, and what the thread shows below it: every obstacle that there is.

        *known* are ids of posts that the bridge made itself.
        """
        ...

    def reply(self, reply: Reply, key: str) -> Published:
        """Post *reply*; *key* is stable for this intent."""
        ...

    def find_reply(self, reply: Reply, key: str, claimed: Collection[str]) -> Published | None:
        """Look for *reply* on the thread; ids in *claimed* belong to other intents."""
        ...

    def find_own_answer(self, target: SocialMessage, claimed: Collection[str]) -> Published | None:
        """A post of our account under *target* that no intent has claimed: written by hand."""
        ...

    def check(self) -> list[Finding]:
        """For ``bridge doctor``: does this account work?"""
        ...


class Network(Protocol):
    """A network's declaration and its pure half. Stateless; one instance per network."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def account_fields(self) -> tuple[AccountField, ...]: ...

    def challenge(self, account: Account, query: Mapping[str, str]) -> str | None:
        """The answer to a GET handshake, or None if this is none."""
        ...

    def verify(self, account: Account, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """Return the delivery's id.

        *headers* has lower-case names. Raises UnauthenticRequestError and nothing else.
        """
        ...

    def normalise(self, account: Account, body: bytes, received_at: datetime) -> list[InboundEvent]:
        """Read a delivery's bytes (pushed or polled).

        Raises UnreadablePayloadError, UnsupportedEventError and nothing else.
        """
        ...

    def compose(self, account: Account, text: str, target: SocialMessage) -> Composed:
        """*text* as it would be posted in answer to *target*. Pure."""
        ...

    def light(self, account: Account, message: SocialMessage) -> Light:
        """Whether *message* can be answered in public. Pure; said at intake."""
        ...

    def connect(self, account: Account, *, timeout_s: float) -> Connection: ...


class Desk(Protocol):
    """A help desk."""

    def register_customer(self, customer: Customer) -> str:
        """Create or update the requester; return the desk's id. Safe to repeat."""
        ...

    def open_ticket(self, draft: TicketDraft, key: str) -> TicketRef:
        """Open a ticket. *key* covers a resend of the same draft for two hours."""
        ...

    def find_ticket(self, external_id: str) -> TicketRef | None: ...

    def update_ticket(self, update: TicketUpdate, stamp: str) -> str:
        """Apply *update*; return the id of the update. *stamp* travels in its metadata.

        Raises VendorGoneError when the ticket is closed for good.
        """
        ...

    def find_update(self, ticket_id: str, stamp: str) -> str | None:
        """The id of the update that carries *stamp*, or None."""
        ...

    def read_ticket(self, ticket_id: str) -> Ticket:
        """Raises VendorGoneError when it was deleted."""
        ...

    def read_updates(self, ticket_id: str) -> list[Update]:
        """All the ticket's updates, oldest first. Raises VendorRefusedError when they are too many."""
        ...

    def read_changes(self, since: datetime, cursor: str | None) -> Changes:
        """A page of the tickets that changed at or after *since*, or of those after *cursor*.

        What changed so lately that the desk is not sure of it yet is left out. Every
        ticket of the desk is told, ours or not. *since* counts when *cursor* is None.
        """
        ...

    def redact(self, ticket_id: str, update_id: str | None) -> None:
        """Take every word out of the comment in that update (None: the opening one), for good.

        Safe to repeat. Raises VendorRefusedError where the desk does not allow it.
        """
        ...

    def rename_customer(self, requester_id: str, customer: Customer, is_ours: Callable[[str], bool]) -> bool:
        """Make the requester *customer*, if *is_ours* holds of its external id; safe to repeat.

        False when it is somebody else's record by now: merged, taken over, deleted.
        """
        ...

    def locate(self, url: str) -> TicketRef | None:
        """The ticket at *url*, as an agent copies it from the browser; None when it is none. Pure."""
        ...

    def agent_exists(self, email: str) -> bool: ...

    def calls_left(self) -> Mapping[str, int]:
        """How many calls it last said that it still takes, by the name of the limit. Asks nobody."""
        ...

    def check(self, groups: Collection[str], brands: Collection[str]) -> list[Finding]: ...


class Team(Protocol):
    """Where the owning teams hear of their cases."""

    def post_card(self, channel: str, card: Card, key: str) -> CardRef:
        """Post *card*; *key* travels in the message's metadata."""
        ...

    def find_card(self, channel: str, key: str, since: datetime) -> CardRef | None:
        """The message in *channel* that carries *key*, or None."""
        ...

    def update_card(self, ref: CardRef, card: Card) -> None:
        """Make the card at *ref* show *card*. Safe to repeat."""
        ...

    def blank(self, ref: CardRef) -> None:
        """Take every word out of a message of ours. Safe to repeat."""
        ...

    def post_note(self, ref: CardRef, text: str, key: str) -> str:
        """Say *text* (plain) in the thread under a card."""
        ...

    def find_note(self, ref: CardRef, key: str) -> str | None: ...

    def announce(self, channel: str, text: str, key: str, link: str | None = None) -> str:
        """Say *text* (plain) in *channel*, under no card, with *link* to open; *key* is in its metadata."""
        ...

    def find_announcement(self, channel: str, key: str, since: datetime) -> str | None:
        """The message of `announce` in *channel* that carries *key*, or None."""
        ...

    def locate(self, url: str) -> CardRef | None:
        """The message at *url*, as a person copies it; None when it is none. Pure."""
        ...

    def email_of(self, user_id: str) -> str | None: ...

    def check(self, channels: Mapping[str, str]) -> list[Finding]:
        """*channels*: where each is named, which is where it can be mended."""
        ...
