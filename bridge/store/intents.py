"""The ledger: what we want to happen outside, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, object_session

from bridge.core.case import CaseState
from bridge.core.intent import MOVING, NEEDS_PERSON, Effect, IntentState, move
from bridge.store import cases, logbook
from bridge.store.ids import new_id
from bridge.store.tables import Case, Intent

_QUESTION = "question"  # in an intent's draft: how often a person has been asked about it


def draft(
    tx: Session,
    case: Case,
    effect: Effect,
    *,
    target: str,
    cause: str,
    lane: str,
    at: datetime,
    content: dict[str, Any] | None = None,
    state: IntentState = IntentState.APPROVED,
    reason: str | None = None,
    closing: bool = False,
    due_at: datetime | None = None,
) -> Intent | None:
    """Write an intent down; None when this cause has asked for it already."""
    if _is_known(tx, case, effect.value, target, cause):
        return None
    known = of_case(tx, case.id)
    intent = Intent(
        id=new_id(after=known[-1].id if known else None),  # their order is what leaves first
        case_id=case.id,
        effect=effect.value,
        target=target,
        cause=cause,
        lane=lane,
        state=IntentState.DRAFTED.value,
        closing=closing,
        draft=content or {},
        waived=[],
        attempts=0,
        unclear=0,
        created_at=at,
        due_at=due_at or at,
    )
    advance(intent, state, reason=reason)
    cases.add(tx, case, intent)
    _log(tx, intent, IntentState.DRAFTED)
    wake_case(case, intent.due_at)
    return intent


def _is_known(tx: Session, case: Case, effect: str, target: str, cause: str) -> bool:
    asked = (effect, target, cause)
    if case.id in (target, cause.removeprefix("case:")):  # then no other case can have asked for it
        return any(asked == (one.effect, one.target, one.cause) for one in of_case(tx, case.id))
    query = select(Intent.id).where(Intent.effect == effect, Intent.target == target, Intent.cause == cause)
    return tx.scalar(query) is not None


_UPDATES = {
    "opened": "note on the ticket: why it is here",
    "message": "customer's post to the ticket",
    "beside": "note on a ticket that is not connected",
    "edited": "note on the ticket: the post was edited",
    "deleted": "note on the ticket: the post was deleted",
    "claim": "assignment of the ticket",
    "assigned": "assignment of the ticket",
    "posted": "note on the ticket: posted",
    "retagged": "note on the ticket: tagged anew",
    "held": "note on the ticket: waits for a person",
    "paused": "note on the ticket: waits for the end of the pause",
    "receipt": "receipt on the ticket",
    "astray": "note on a ticket that is not connected",
}


_OTHERS = {
    Effect.REGISTER_CUSTOMER: "customer to the desk",
    Effect.OPEN_TICKET: "ticket",
    Effect.POST_CARD: "card",
    Effect.UPDATE_CARD: "card drawn anew",
    Effect.POST_NOTE: "note under the card",
    Effect.POST_COPY: "notice to another team",
    Effect.REDACT_COMMENT: "redaction of a comment on the ticket",
    Effect.REDACT_TICKET: "redaction of the ticket's subject",
    Effect.ERASE_CUSTOMER: "erasure of the customer's name in the desk",
    Effect.BLANK_POST: "blanking of an earlier post to the team",
}


def named(intent: Intent) -> str:
    """What *intent* does, in the case file's and the card's words."""
    effect = Effect(intent.effect)
    if effect is Effect.REPLY:
        return "closing reply" if intent.closing else "answer"
    if effect is Effect.UPDATE_TICKET:
        return _UPDATES.get(intent.cause.partition(":")[0], "note on the ticket: not posted")
    return _OTHERS[effect]


def advance(intent: Intent, to: IntentState, *, reason: str | None = None) -> None:
    """Move *intent* along the table of `core.intent`. Raises CaseMoveError.

    To have a person decide about it is a new question, also where it waited already.
    """
    before = IntentState(intent.state)
    if to.needs_person:
        intent.draft = {**intent.draft, _QUESTION: question(intent) + 1}
    if before != to:
        intent.state = move(before, to).value
    intent.reason = reason
    tx = object_session(intent)
    if tx is not None:  # a new one is in none yet: see `draft`
        _log(tx, intent, before)


# What somebody may ask the log about; that a note or a card was written is in the case's file.
_LOGGED = {
    IntentState.HELD: "is held for a person",
    IntentState.UNKNOWN: "is unknown: a person has to look",
    IntentState.REFUSED: "was refused",
    IntentState.GONE: "was given up: what it was for is gone",
}


def _log(tx: Session, intent: Intent, before: IntentState) -> None:
    """Have the log say what *intent* became. By its id: reasons may name people."""
    now = IntentState(intent.state)
    if now == before or not logbook.is_kept():
        return
    case = tx.get(Case, intent.case_id)
    ids = {"case": intent.case_id, "intent": intent.id, "network": case.network if case else None}
    if now in _LOGGED:
        logbook.note(tx, f"{named(intent)} {_LOGGED[now]}", **ids)
    elif now is IntentState.APPROVED and before in (*NEEDS_PERSON, IntentState.REFUSED):
        logbook.note(tx, f"{named(intent)} was approved by a person", **ids)
    elif now is IntentState.CONFIRMED and intent.effect == Effect.OPEN_TICKET:
        logbook.note(tx, "ticket opened", **ids, ticket=intent.outcome_id)
    elif now is IntentState.CONFIRMED and Effect(intent.effect).is_public:
        logbook.note(tx, f"{named(intent)} is on the thread", **ids)


def question(intent: Intent) -> int:
    """Which question a person is asked about *intent*, or was asked last: 1 for the first, 0 for none yet."""
    counted = intent.draft.get(_QUESTION)
    if counted is not None:
        return int(counted)
    # Earlier versions did not count; what they asked about waits still, or somebody has decided.
    return int(intent.state in NEEDS_PERSON or intent.decided_by is not None)


def wake_case(case: Case, at: datetime) -> None:
    """Have a flow look at *case* at *at*, or earlier if it was due earlier."""
    case.due_at = at if case.due_at is None else min(case.due_at, at)


def look_again(tx: Session, lanes: Collection[str], at: datetime) -> None:
    """Have each case looked at that waits for one of *lanes*: it may work by now, as after a start.

    None that is closed: without a team's tool each of them waits for it, for ever.
    """
    waiting = select(Intent.case_id).where(Intent.state.in_(MOVING), Intent.lane.in_(lanes))
    late = or_(Case.due_at.is_(None), Case.due_at > at)
    unfinished = Case.state != CaseState.CLOSED
    tx.execute(update(Case).where(unfinished, late, Case.id.in_(waiting)).values(due_at=at))


def of_case(tx: Session, case_id: str, states: Collection[IntentState] | None = None) -> list[Intent]:
    """The intents of a case, oldest first."""
    found = cases.rows(tx, Intent, case_id)
    if states is None:
        return found
    return [intent for intent in found if intent.state in states]


def cases_with_replies(tx: Session) -> list[str]:
    """The cases that have replies which may leave, or are on their way."""
    # Told apart here: SQLite would look for the effect, and find every reply there ever was.
    rows = tx.execute(select(Intent.case_id, Intent.effect).where(Intent.state.in_(MOVING)).distinct())
    return sorted({case_id for case_id, effect in rows if effect == Effect.REPLY})


def one(tx: Session, case: Case, intent_id: str) -> Intent:
    """The intent of *case* with that id. Raises LookupError."""
    return {intent.id: intent for intent in of_case(tx, case.id)}[intent_id]


def some_ticket_opens(tx: Session) -> bool:
    """Whether a ticket is being opened whose number nobody has told us yet."""
    query = select(Intent.id).where(Intent.state == IntentState.SENDING, Intent.effect == Effect.OPEN_TICKET)
    return tx.scalar(query.limit(1)) is not None


def claimed_objects(tx: Session, case_id: str, but: str | None = None) -> frozenset[str]:
    """The vendors' objects that this case's intents made: none of them matches another intent."""
    found = cases.rows(tx, Intent, case_id)
    return frozenset(one.outcome_id for one in found if one.outcome_id and one.id != but)


def waiting_for_a_person(tx: Session, case_id: str) -> list[Intent]:
    return of_case(tx, case_id, NEEDS_PERSON)
