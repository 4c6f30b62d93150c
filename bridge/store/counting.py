"""What becomes of cases, intents and deliveries is counted when its transaction commits, and only then.

Listens to every session for what is changed as an object, whichever flow does it; what is
written by a statement of its own (a new case, a delivery) says so: `opened`, `note`. Costs
nothing where a database has no tallies (a command beside the bridge).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import PassiveFlag, Session
from sqlalchemy.orm.attributes import get_history, instance_state

from bridge.core.case import Receipt
from bridge.core.intent import IntentState
from bridge.store.database import Database
from bridge.store.tables import Base, Case, Delivery, Intent
from bridge.store.tallies import Tallies

TALLIES, COUNTED = "tallies", "counted"
# What is merely on its way is a gauge, not a count.
OUTCOMES = {state.value for state in IntentState if state not in (IntentState.DRAFTED, IntentState.APPROVED)}
STAGES = (
    ("received_to_ticket", "received_at", "ticket_opened_at"),
    ("received_to_first_public_word", "received_at", "first_public_word_at"),
)


def count_in(database: Database, tallies: Tallies) -> None:
    """Have what *database* commits from now on counted in *tallies*."""
    database.info[TALLIES] = tallies


def note(tx: Session, name: str, **labels: str) -> None:
    """Count one more of *name*, if and when *tx* commits."""
    if TALLIES in tx.info:
        tx.info.setdefault(COUNTED, []).append((name, None, labels))


def opened(tx: Session, case: Case) -> None:
    """Count a new case, if and when *tx* commits."""
    if TALLIES in tx.info:
        note(tx, "bridge_case_moves_total", state=case.state)
        _timed(tx, "posted_to_received", case.posted_at, case.received_at)


def _timed(tx: Session, stage: str, begun: datetime, over: datetime) -> None:
    seconds = (over - begun).total_seconds()
    tx.info.setdefault(COUNTED, []).append(("bridge_stage_seconds", seconds, {"stage": stage}))


@event.listens_for(Session, "before_flush")
def _look(tx: Session, _context: Any, _objects: Any) -> None:
    if TALLIES not in tx.info:
        return
    for row in (*tx.new, *tx.dirty):
        if isinstance(row, Case):
            _look_at_case(tx, row)
        elif isinstance(row, Intent) and _became(row, "state") and row.state in OUTCOMES:
            note(tx, "bridge_intents_total", effect=row.effect, outcome=row.state)
        elif isinstance(row, Delivery) and _became(row, "state") and row.state != "received":
            account = row.account
            note(tx, "bridge_deliveries_total", source=row.source, account=account, outcome=row.state)


def _look_at_case(tx: Session, case: Case) -> None:
    if _became(case, "state"):
        note(tx, "bridge_case_moves_total", state=case.state)
    for stage, begun, over in STAGES:
        if _became(case, over):
            _timed(tx, stage, getattr(case, begun), getattr(case, over))
    if _became(case, "closed_at") and case.receipt is not None and case.closed_at is not None:
        note(tx, "bridge_receipts_total", receipt=case.receipt)
        if case.receipt == Receipt.PUBLIC:
            if case.solved_at is not None:
                _timed(tx, "solved_to_closed", case.solved_at, case.closed_at)
            _timed(tx, "posted_to_closed", case.posted_at, case.closed_at)


def _became(row: Base, attribute: str) -> bool:
    """Whether this flush gives *attribute* a value that it did not have."""
    if attribute not in instance_state(row).committed_state:
        return False
    # Not `inspect(row).attrs`, which makes an object for each column of the row.
    change = get_history(row, attribute, PassiveFlag.PASSIVE_NO_INITIALIZE)
    added = list(change.added or ())
    return bool(added) and added[0] is not None and added != list(change.deleted or ())


@event.listens_for(Session, "after_commit")
def _count(tx: Session) -> None:
    tallies: Tallies | None = tx.info.get(TALLIES)
    if tallies is None:
        return
    for name, seconds, labels in tx.info.pop(COUNTED, ()):
        if seconds is None:
            tallies.add(name, **labels)
        else:
            tallies.observe(name, seconds, **labels)


@event.listens_for(Session, "after_rollback")
def _forget(tx: Session) -> None:
    tx.info.pop(COUNTED, None)
