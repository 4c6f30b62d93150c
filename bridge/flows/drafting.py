"""Asking for something to happen outside: one function per kind of wish."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from bridge.core.intent import Effect, IntentState
from bridge.flows import cards, writing
from bridge.store import intents, messages
from bridge.store.lanes import DESK, TEAM
from bridge.store.tables import Case, CustomerRow, Intent, Message


def register(tx: Session, case: Case, at: datetime) -> None:
    """Have the customer of *case* known to the desk, unless they are already."""
    if requester_of(tx, case) is None:
        intents.draft(
            tx,
            case,
            Effect.REGISTER_CUSTOMER,
            target=f"{case.network}:{case.author_id}",
            cause=f"case:{case.id}",
            lane=DESK,
            at=at,
        )


def register_anew(tx: Session, case: Case, requester_id: str, at: datetime) -> None:
    """The same where the desk knows *requester_id*, who was the customer, no more.

    Each case that finds it out asks for itself, as at first: no other's turn would wake it. Until
    the desk has answered, what is known stays, and whoever relies on it finds out as well.
    """
    if requester_of(tx, case) == requester_id:
        intents.draft(
            tx,
            case,
            Effect.REGISTER_CUSTOMER,
            target=f"{case.network}:{case.author_id}",
            cause=f"case:{case.id}:instead of:{requester_id}",
            lane=DESK,
            at=at,
            content={"requester_id": requester_id},
        )


def is_gone(tx: Session, case: Case, requester_id: str) -> bool:
    """Whether *case* waits for somebody in the place of *requester_id*."""
    return any(
        one.effect == Effect.REGISTER_CUSTOMER
        and one.draft.get("requester_id") == requester_id
        and one.state != IntentState.CONFIRMED
        for one in intents.of_case(tx, case.id)
    )


def replace_requester(tx: Session, case: Case, before: str, requester_id: str) -> None:
    """Remember *requester_id* as the customer of *case* where *before* is remembered."""
    tx.execute(_REPLACE, {**_author(case), "was": before, "is_now": requester_id})
    tx.info.get(_KNOWN, {}).pop(case.id, None)


def open_ticket(
    tx: Session,
    case: Case,
    message: Message,
    at: datetime,
    number: int,
    follow_up_of: str | None = None,
    instead_of: str | None = None,
) -> None:
    """*instead_of*: the intent that could not, because its requester was gone."""
    content = {
        "message": message.id,
        "version": version(message),
        "number": number,
        "follow_up_of": follow_up_of,
        **({"instead_of": instead_of} if instead_of else {}),
    }
    intents.draft(
        tx,
        case,
        Effect.OPEN_TICKET,
        target=case.id,
        cause=f"ticket:{number}",
        lane=DESK,
        at=at,
        content=content,
    )


def note(tx: Session, case: Case, cause: str, text: str, at: datetime) -> None:
    """Say *text* on the case's ticket, internally; nothing when the case has no ticket."""
    if case.with_ticket:
        _draft_update(tx, case, cause, at, text=text, public=False)


def note_waiting(tx: Session, case: Case, intent: Intent, reason: str, at: datetime) -> None:
    """Tell whoever wrote the words of *intent* that they wait for a person from now on, and why.

    By the moment, since what somebody let out may have to wait again. What is *unknown* again
    is told again only if there is something new to say.
    """
    write = writing.unknown_note if intent.state == IntentState.UNKNOWN else writing.held_note
    text = write(reason, asked=cards.asks(tx, case))
    if intent.state == IntentState.UNKNOWN and _is_said(tx, case, f"held:{intent.id}:", text):
        return
    note(tx, case, f"held:{intent.id}:{at.isoformat()}", text, at)


def _is_said(tx: Session, case: Case, cause: str, text: str) -> bool:
    return any(
        one.cause.startswith(cause) and one.draft.get("text") == text for one in intents.of_case(tx, case.id)
    )


def note_paused(tx: Session, case: Case, intent: Intent, said: str, at: datetime) -> bool:
    """Tell once that the words of *intent* wait because, as is *said*, everything public is paused.

    False when that was told already.
    """
    if not case.with_ticket:
        return False
    return _draft_update(tx, case, f"paused:{intent.id}", at, text=writing.paused_note(said), public=False)


def note_elsewhere(tx: Session, case: Case, ticket_id: str, cause: str, text: str, at: datetime) -> None:
    """Say *text* once, internally, on a ticket that is none of the case's own."""
    intents.draft(
        tx,
        case,
        Effect.UPDATE_TICKET,
        target=f"ticket:{ticket_id}",
        cause=cause,
        lane=DESK,
        at=at,
        content={"text": text, "public": False, "ticket_id": ticket_id},
    )


def pass_on(tx: Session, case: Case, message: Message, at: datetime, again: str = "") -> None:
    """Put a later post of the customer on the ticket, in their name."""
    text = writing.later_post(messages.as_message(message))
    _draft_update(
        tx,
        case,
        f"message:{message.id}{again}",
        at,
        text=text,
        public=True,
        message=message.id,
        version=version(message),
    )


def version(message: Message) -> str:
    """Which version of its post *message* holds now."""
    return message.edited_at.isoformat() if message.edited_at else "first"


def is_told(tx: Session, case: Case, message: Message) -> bool:
    """Whether the ticket was opened with this version of *message*, or has heard it."""
    told = (message.id, version(message))
    return any(
        (intent.draft.get("message"), intent.draft.get("version")) == told
        for intent in intents.of_case(tx, case.id)
    )


def assign(tx: Session, case: Case, cause: str, email: str, at: datetime) -> None:
    _draft_update(tx, case, cause, at, assignee_email=email)


def _draft_update(tx: Session, case: Case, cause: str, at: datetime, **content: Any) -> bool:
    """False when that cause has asked for it already."""
    made = intents.draft(
        tx, case, Effect.UPDATE_TICKET, target=case.id, cause=cause, lane=DESK, at=at, content=content
    )
    return made is not None


def known_customer(tx: Session, case: Case) -> CustomerRow | None:
    with tx.no_autoflush:  # a case's flow writes them at once: `insert_new`
        return tx.scalars(_CUSTOMER, _author(case)).first()


def requester_of(tx: Session, case: Case) -> str | None:
    """The desk's user who is the customer of *case*, once it knows them. Asked until then."""
    known: dict[str, str] = tx.info.setdefault(_KNOWN, {})
    if case.id not in known:
        found = tx.connection().execute(_REQUESTER, _author(case)).first()
        if found is None:
            return None
        known[case.id] = found.requester_id
    return known[case.id]


def _author(case: Case) -> dict[str, str]:
    return {"at": case.installation, "on": case.network, "by": case.author_id}


_KNOWN = "requesters of cases"  # in a session's info: those that it has read

# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_CUSTOMER = select(CustomerRow).where(
    CustomerRow.installation == bindparam("at"),
    CustomerRow.network == bindparam("on"),
    CustomerRow.author_id == bindparam("by"),
)
_REQUESTER = _CUSTOMER.with_only_columns(CustomerRow.requester_id)
_CUSTOMERS = CustomerRow.__table__.c
_REPLACE = (
    update(CustomerRow.__table__)  # type: ignore[arg-type]
    .where(
        _CUSTOMERS.installation == bindparam("at"),
        _CUSTOMERS.network == bindparam("on"),
        _CUSTOMERS.author_id == bindparam("by"),
        _CUSTOMERS.requester_id == bindparam("was"),
    )
    .values(requester_id=bindparam("is_now"))
)


def customer_external_id(case: Case) -> str:
    """Who the requester must still be for a reply to leave by itself."""
    return f"social:{case.network}:{case.author_id}"


def post_card(tx: Session, case: Case, at: datetime, cause: str = "opened") -> None:
    intents.draft(tx, case, Effect.POST_CARD, target=case.id, cause=cause, lane=TEAM, at=at)


def post_copies(
    tx: Session,
    case: Case,
    queues: Iterable[str],
    at: datetime,
    cause: str = "opened",
    tags: str | None = None,
) -> None:
    """Tell the teams of *queues* of the case, each in its own channel; *tags* if later ones are why."""
    for queue in queues:
        intents.draft(
            tx,
            case,
            Effect.POST_COPY,
            target=case.id,
            cause=f"{cause}:copy:{queue}",
            lane=TEAM,
            at=at,
            content={"queue": queue, **({"tags": tags} if tags else {})},
        )


def post_note(tx: Session, case: Case, cause: str, text: str, at: datetime) -> None:
    """Say *text* once in the thread under the case's card."""
    intents.draft(
        tx,
        case,
        Effect.POST_NOTE,
        target=case.id,
        cause=cause,
        lane=TEAM,
        at=at,
        content={"text": text},
    )
