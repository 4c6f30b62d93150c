"""A flow met what nobody expected: what it was about comes again, later each time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bridge.flows import take_in
from bridge.flows.backoff import doubling
from bridge.flows.world import World
from bridge.store import casefile
from bridge.store.tables import Case, Cursor, Message

UNEXPECTED = "an unexpected error; the log has it"
# A message counts no failures.
WAIT_OF_MESSAGE = timedelta(seconds=30)


def put_off(world: World, flow: str, key: str) -> None:
    """Have what *flow* looks at under *key* wait. The other flows have no row: the engine begins them anew.

    Raises StoreError.
    """
    world.tallies.add("bridge_flow_errors_total", flow=flow)
    if flow == "take_in":
        take_in.put_off(world, key, UNEXPECTED)
    elif flow in _WAITS:
        with world.database.write() as tx:
            _WAITS[flow](tx, key, world.clock.now())


def _message(tx: Session, key: str, now: datetime) -> None:
    message = tx.get(Message, key)
    if message is not None:
        message.due_at = now + WAIT_OF_MESSAGE


def _cursor(tx: Session, key: str, now: datetime) -> None:
    cursor = tx.get(Cursor, key)
    if cursor is not None:
        cursor.failures, cursor.reason = cursor.failures + 1, UNEXPECTED
        cursor.due_at = now + doubling(cursor.failures)


def _case(tx: Session, key: str, now: datetime) -> None:
    case = tx.get(Case, key, with_for_update={"key_share": True})
    if case is not None:
        case.failures += 1
        case.due_at = now + doubling(case.failures)
        casefile.tell(tx, case.id, now, "error", UNEXPECTED)


_WAITS: dict[str, Callable[[Session, str, datetime], None]] = {
    "consider": _message,
    "poll": _cursor,
    "reconcile": _cursor,
    "astray": _cursor,
    "work": _case,
}
