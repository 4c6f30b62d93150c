"""Leases: one flow at a time per key, with fencing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import Select, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from bridge.store.presence import Presence
from bridge.store.tables import LeaseRow


class LeaseLostError(Exception):
    """Somebody else holds the lease now: stop, without writing."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that was taken. ``fence`` is greater than that of every earlier holder of ``key``."""

    key: str
    holder: str
    fence: int


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LEASES = LeaseRow.__table__
_IS_MINE = and_(
    _LEASES.c.key == bindparam("of"), _LEASES.c.holder == bindparam("by"), _LEASES.c.fence == bindparam("at")
)
# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_MINE = select(_LEASES.c.fence).where(_IS_MINE).with_for_update()
_EXTEND = update(LeaseRow.__table__).where(_IS_MINE).values(until=bindparam("then"))  # type: ignore[arg-type]


def take(tx: Session, key: str, presence: Presence, at: datetime, span: timedelta) -> Lease | None:
    """Take the lease on *key*, or return None while a living holder has it."""
    connection = tx.connection()
    # By the clock too: a key that was forgotten and comes back must not count from 1 again.
    first = _earliest(at)
    wanted = {"key": key, "holder": presence.worker, "until": at + span, "fence": first, "of": at}
    taken = connection.execute(_taking(connection.dialect.name), wanted).first()
    if taken is not None:
        return Lease(key, presence.worker, taken.fence)
    row = tx.scalars(_locked(key)).one()
    if row.until > at and not presence.gone(tx, row.holder):
        return None
    row.holder, row.until, row.fence = presence.worker, at + span, max(row.fence + 1, first)
    tx.flush()
    return Lease(key, presence.worker, row.fence)


@cache
def _taking(dialect: str) -> ReturningInsert[tuple[int]]:
    """Takes a lease that is new, or over; gives its fence."""
    made = postgresql if dialect == "postgresql" else sqlite
    insert = made.insert(_LEASES)
    greatest = func.greatest if dialect == "postgresql" else func.max
    taken = {
        "holder": insert.excluded.holder,
        "until": insert.excluded.until,
        "fence": greatest(_LEASES.c.fence + 1, insert.excluded.fence),
    }
    over = _LEASES.c.until <= bindparam("of")
    upsert = insert.on_conflict_do_update(index_elements=["key"], set_=taken, where=over)
    statement: ReturningInsert[tuple[int]] = upsert.returning(_LEASES.c.fence)
    return statement


def keep(tx: Session, key: str, presence: Presence, at: datetime, span: timedelta) -> bool:
    """Whether this worker owns *key* for *span* from now: it had it, or nobody has."""
    row = tx.scalars(_locked(key)).first()
    if row is not None and row.holder == presence.worker:
        row.until = at + span
        return True
    return take(tx, key, presence, at, span) is not None


def _locked(key: str) -> Select[LeaseRow]:
    return select(LeaseRow).where(LeaseRow.key == key).with_for_update()


def guard(tx: Session, lease: Lease, until: datetime | None = None) -> None:
    """Make sure that *lease* is still ours in this transaction, and extend it to *until*.

    Raises LeaseLostError.
    """
    mine = {"of": lease.key, "by": lease.holder, "at": lease.fence}
    if until is None:
        held = tx.connection().execute(_MINE, mine).first() is not None
    else:
        held = tx.connection().execute(_EXTEND, {**mine, "then": until}).rowcount == 1
    if not held:
        raise LeaseLostError(lease.key)


def give_back(tx: Session, lease: Lease, until: datetime = LONG_AGO) -> None:
    """End *lease*, or have it end at *until*; does nothing when somebody else has it by now.

    Not "now": a clock that is put back, or another machine's that goes behind, would see it held.
    """
    mine = {"of": lease.key, "by": lease.holder, "at": lease.fence}
    tx.connection().execute(_EXTEND, {**mine, "then": until})


def bound(tx: Session, until: datetime) -> None:
    """Have no lease last for longer than *until*: a clock that was ahead may have given one."""
    tx.execute(update(LeaseRow).where(LeaseRow.until > until).values(until=until))


def forget_old(tx: Session, before: datetime) -> None:
    """Delete leases that were taken, and ended, before *before*; no sender of theirs can still be at work."""
    tx.execute(delete(LeaseRow).where(LeaseRow.until < before, LeaseRow.fence < _earliest(before)))


def _earliest(at: datetime) -> int:
    """The least fence of a lease that is taken at *at*."""
    return int(at.timestamp() * 1000)
