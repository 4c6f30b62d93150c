"""What a team is shown about a case, and what it may press. No vendor's markup here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Action(StrEnum):
    """A button. The value is what the press carries back."""

    CLAIM = "claim"
    WHY = "why"
    APPROVE = "approve"  # Post it
    REFUSE = "refuse"  # Don't
    THERE_ALREADY = "there_already"  # It is there already


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that waits for a person: a held or unknown text, with the reason.

    ``question`` counts what was asked about the same intent, from 1.
    """

    intent_id: str
    text: str
    reason: str
    actions: tuple[Action, ...]
    question: int = 1


@dataclass(frozen=True, slots=True)
class Card:
    """One case as its team sees it now. Texts are raw; the team's room escapes them.

    ``stage`` is one short line (opened, claimed, answered, solved, closed).
    ``claimed_by`` is the team tool's own user id. ``timeline`` is oldest first.
    ``copies`` are the other teams that are told. ``promise_at`` is read in ``zone``, as on the ticket.
    """

    case_id: str
    title: str
    stage: str
    brand: str
    network: str
    author: str
    text: str
    route: str
    queue: str
    permalink: str | None = None
    priority: str | None = None
    ticket_id: str | None = None
    ticket_url: str | None = None
    promise_at: datetime | None = None
    zone: str = "UTC"
    light: str | None = None
    claimed_by: str | None = None
    receipt: str | None = None
    receipt_url: str | None = None
    next_step: str | None = None
    timeline: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    actions: tuple[Action, ...] = ()
    severity: str | None = None
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardRef:
    """Where a card stands: a channel and the message in it."""

    channel: str
    id: str


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a button, verified. ``subject`` is a case id or an intent id.

    ``question`` is which of the questions about an intent the button was drawn for.
    """

    id: str
    action: Action
    subject: str
    user_id: str
    user_name: str
    at: datetime
    question: int = 1
