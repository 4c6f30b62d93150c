"""What is kept only for so long: old words are blanked, old rows that nothing needs are deleted.

Each function does one small batch in the caller's transaction, by statements alone, and
says where to go on; on SQLite everybody else waits for as long as such a batch takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, delete, null, select, update
from sqlalchemy.orm import Session

from bridge.core.intent import MOVING, NEEDS_PERSON, IntentState
from bridge.store.erasure import BLANK_MESSAGE, PREFIX, blank_later
from bridge.store.messages import WITHOUT_CASE
from bridge.store.tables import Case, Delivery, Erasure, Intent, Message, MessageTag

RETENTION = "retention"
ROWS = 500
CASES = 50  # each has some ten rows of other tables

Mark = tuple[datetime, str]


@dataclass
class Batch:
    """How many rows were touched, by table, and where the next batch begins (None: there is none)."""

    counts: dict[str, int] = field(default_factory=dict)
    mark: Mark | None = None


def blank_cases(tx: Session, mark: Mark, until: datetime, at: datetime) -> Batch:
    """Blank the messages and intents of cases that were closed before *until*."""
    found = _page(tx, Case.closed_at, Case.id, mark, until, CASES, lock=True)
    ids = [case_id for _, case_id in found]
    messages = _run(
        tx,
        update(Message)
        .where(Message.case_id.in_(ids), Message.erased_at.is_(None))
        .values(**BLANK_MESSAGE, erased_at=at),
    )
    # What nobody has answered for so long is answered by this.
    tx.execute(
        update(Intent)
        .where(Intent.case_id.in_(ids), Intent.state.in_(NEEDS_PERSON))
        .values(state=IntentState.REFUSED.value, reason="erased", decided_by="the bridge", settled_at=at)
    )
    # What is on its way still needs its words, and no later run comes back to this case.
    moving = select(Intent).where(Intent.case_id.in_(ids), Intent.state.in_(MOVING))
    for intent in tx.scalars(moving):
        blank_later(intent)
    intents = _run(
        tx,
        update(Intent)
        .where(Intent.case_id.in_(ids), Intent.state.not_in(MOVING))
        .values(draft={}, payload=null(), outcome=null()),
    )
    return Batch({"cases": len(ids), "messages": messages, "intents": intents}, _next(found))


def blank_messages(tx: Session, mark: Mark, until: datetime, at: datetime) -> Batch:
    """Blank messages that came before *until* and belong to no case."""
    found = _page(tx, Message.received_at, Message.id, mark, until, ROWS)
    ids = [row_id for _, row_id in found]
    caseless = update(Message).where(Message.id.in_(ids), WITHOUT_CASE, Message.erased_at.is_(None))
    number = _run(tx, caseless.values(**BLANK_MESSAGE, erased_at=at))
    return Batch({"messages": number}, _next(found))


def blank_deliveries(tx: Session, mark: Mark, until: datetime, _at: datetime) -> Batch:
    """Blank the bodies of deliveries that came before *until*."""
    found = _page(tx, Delivery.received_at, Delivery.id, mark, until, ROWS)
    ids = [row_id for _, row_id in found]
    with_body = update(Delivery).where(
        Delivery.id.in_(ids), Delivery.body.is_not(None), Delivery.state != "received"
    )
    return Batch({"deliveries": _run(tx, with_body.values(body=null()))}, _next(found))


def delete_messages(tx: Session, mark: Mark, until: datetime, _at: datetime) -> Batch:
    """Delete messages that came before *until* and belong to no case, but not the mark of an erased one."""
    found = _page(tx, Message.received_at, Message.id, mark, until, ROWS)
    query = select(Message.id).where(
        Message.id.in_([row_id for _, row_id in found]),
        WITHOUT_CASE,
        Message.global_id.not_like(f"{PREFIX}%"),
    )
    # Locked: one that comes to a case meanwhile, or gets a tag, drops out or waits.
    ids = list(tx.scalars(query.order_by(Message.id).with_for_update()))
    tx.execute(delete(MessageTag).where(MessageTag.message_id.in_(ids)))
    number = _run(tx, delete(Message).where(Message.id.in_(ids)))
    return Batch({"messages deleted": number}, _next(found))


def delete_deliveries(tx: Session, mark: Mark, until: datetime, _at: datetime) -> Batch:
    """Delete deliveries that came before *until*."""
    found = _page(tx, Delivery.received_at, Delivery.id, mark, until, ROWS)
    number = _run(tx, delete(Delivery).where(Delivery.id.in_([row_id for _, row_id in found])))
    return Batch({"deliveries deleted": number}, _next(found))


def last_proof(tx: Session, installation: str) -> Erasure | None:
    """The latest run's: its ``counts`` name the times up to which everything is done."""
    return tx.scalars(
        select(Erasure)
        .where(Erasure.installation == installation, Erasure.cause == RETENTION)
        .order_by(Erasure.id.desc())
        .limit(1)
    ).first()


def _page(
    tx: Session, column: Any, key: Any, mark: Mark, until: datetime, rows: int, *, lock: bool = False
) -> Sequence[Any]:
    at, last = mark
    # Two conditions where one OR would do: this way the index on the time is walked.
    query = (
        select(column, key)
        .where(column >= at, column <= until, (column > at) | (key > last))
        .order_by(column, key)
        .limit(rows)
    )
    if lock:
        # As everybody who changes a case does first: one that is opened again meanwhile drops out.
        query = query.with_for_update(key_share=True)
    return tx.execute(query).all()


def _next(found: Sequence[Any]) -> Mark | None:
    if not found:
        return None
    at, last = found[-1]
    return at, last


def _run(tx: Session, statement: Executable) -> int:
    result = tx.execute(statement, execution_options={"synchronize_session": False})
    return result.rowcount if isinstance(result, CursorResult) else 0
