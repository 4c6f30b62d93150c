"""Leases: one flow at a time per key, with fencing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

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


def take(tx: Session, key: str, presence: Presence, at: datetime, span: timedelta) -> Lease | None:
    """Take the lease on *key*, or return None while a living holder has it."""
    row = tx.scalars(select(LeaseRow).where(LeaseRow.key == key).with_for_update()).first()
    if row is None:
        row = LeaseRow(key=key, holder="", until=at, fence=0)
        tx.add(row)
    elif row.until > at and not presence.is_dead(row.holder):
        return None
    # By the clock too: a key that was forgotten and comes back must not count from 1 again.
    fence = max(row.fence + 1, int(at.timestamp() * 1000))
    row.holder, row.until, row.fence = presence.worker, at + span, fence
    tx.flush()
    return Lease(key, presence.worker, row.fence)


def guard(tx: Session, lease: Lease, until: datetime | None = None) -> None:
    """Make sure that *lease* is still ours in this transaction, and extend it to *until*.

    Raises LeaseLostError.
    """
    row = tx.scalars(select(LeaseRow).where(LeaseRow.key == lease.key).with_for_update()).first()
    if row is None or (row.holder, row.fence) != (lease.holder, lease.fence):
        raise LeaseLostError(lease.key)
    if until is not None:
        row.until = until


def give_back(tx: Session, lease: Lease, at: datetime) -> None:
    """End *lease*; does nothing when somebody else has it by now."""
    row = tx.get(LeaseRow, lease.key)
    if row is not None and (row.holder, row.fence) == (lease.holder, lease.fence):
        row.until = at


def forget_old(tx: Session, before: datetime) -> None:
    """Delete leases that ended before *before*; no sender of theirs can still be at work."""
    tx.execute(delete(LeaseRow).where(LeaseRow.until < before))
