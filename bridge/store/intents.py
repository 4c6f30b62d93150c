"""The ledger: what we want to happen outside, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from bridge.core.intent import Effect, IntentState, move
from bridge.store.tables import Case, Intent


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
    known = tx.scalars(
        select(Intent.id).where(Intent.effect == effect, Intent.target == target, Intent.cause == cause)
    ).first()
    if known is not None:
        return None
    intent = Intent(
        case_id=case.id,
        effect=effect.value,
        target=target,
        cause=cause,
        lane=lane,
        state=IntentState.DRAFTED.value,
        closing=closing,
        draft=content or {},
        created_at=at,
        due_at=due_at or at,
    )
    tx.add(intent)
    advance(intent, state, reason=reason)
    wake_case(case, intent.due_at)
    tx.flush()
    return intent


_UPDATES = {
    "opened": "note on the ticket: why it is here",
    "message": "customer's post to the ticket",
    "edited": "note on the ticket: the post was edited",
    "deleted": "note on the ticket: the post was deleted",
    "claim": "assignment of the ticket",
    "posted": "note on the ticket: posted",
    "retagged": "note on the ticket: tagged anew",
    "held": "note on the ticket: waits for a person",
    "receipt": "receipt on the ticket",
}


_OTHERS = {
    Effect.REGISTER_CUSTOMER: "customer to the desk",
    Effect.OPEN_TICKET: "ticket",
    Effect.POST_CARD: "card",
    Effect.UPDATE_CARD: "card drawn anew",
    Effect.POST_NOTE: "note under the card",
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
    """Move *intent* along the table of `core.intent`. Raises CaseMoveError."""
    if intent.state != to:
        intent.state = move(IntentState(intent.state), to).value
    intent.reason = reason


def wake_case(case: Case, at: datetime) -> None:
    """Have a flow look at *case* at *at*, or earlier if it was due earlier."""
    case.due_at = at if case.due_at is None else min(case.due_at, at)


def of_case(tx: Session, case_id: str, states: Iterable[IntentState] | None = None) -> list[Intent]:
    """The intents of a case, oldest first."""
    if states is None:
        return list(tx.scalars(_OF_CASE, {"of": case_id}))
    asked = [state.value for state in states]
    return list(tx.scalars(_OF_CASE_IN, {"of": case_id, "asked": asked}))


# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_OF_CASE = select(Intent).where(Intent.case_id == bindparam("of")).order_by(Intent.id)
_OF_CASE_IN = _OF_CASE.where(Intent.state.in_(bindparam("asked", expanding=True)))


def claimed_objects(tx: Session, case_id: str, but: str | None = None) -> frozenset[str]:
    """The vendors' objects that this case's intents made: none of them matches another intent."""
    query = select(Intent.outcome_id).where(Intent.case_id == case_id, Intent.outcome_id.is_not(None))
    if but is not None:
        query = query.where(Intent.id != but)
    return frozenset(outcome for outcome in tx.scalars(query) if outcome)


def waiting_for_a_person(tx: Session, case_id: str) -> list[Intent]:
    return list(
        tx.scalars(
            select(Intent)
            .where(
                Intent.case_id == case_id,
                or_(Intent.state == IntentState.HELD, Intent.state == IntentState.UNKNOWN),
            )
            .order_by(Intent.id)
        )
    )
