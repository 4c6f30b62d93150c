"""Whether the bridge can do its work, in words that say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState
from bridge.core.intent import IntentState
from bridge.errors import MappingError, StoreError
from bridge.intake.door import Door
from bridge.store import lanes
from bridge.store.presence import last_seen
from bridge.store.tables import Case, Cursor, Delivery, Intent

WORKER_GONE = timedelta(seconds=30)
TOO_OLD = timedelta(minutes=15)
STUCK = 5
FAILED_OFTEN = 3


@dataclass(frozen=True, slots=True)
class Health:
    """``mapping_error`` gives the faults of an edit that is not served, ``mapping_version`` what is.

    ``missing`` says what is not set up, each in a sentence.
    """

    door: Door
    mapping_version: Callable[[], str]
    mapping_error: Callable[[], MappingError | None]
    missing: Callable[[], list[str]] = list

    def report(self) -> dict[str, Any]:
        """``status`` is ok, degraded (it works, somebody should look) or down."""
        try:
            with self.door.database.read() as tx:
                report = self._read(tx, self.door.clock.now())
        except StoreError as error:
            return {"status": "down", "problems": [str(error)]}
        return report

    def _read(self, tx: Session, now: datetime) -> dict[str, Any]:
        seen = last_seen(tx)
        oldest = tx.scalar(
            select(func.min(Intent.created_at)).where(
                Intent.state.in_([IntentState.APPROVED.value, IntentState.SENDING.value])
            )
        )
        refused = tx.scalar(
            select(func.count())
            .select_from(Intent)
            .where(Intent.state == IntentState.REFUSED, Intent.decided_by.is_(None))
        )
        stuck = tx.scalar(select(func.count()).select_from(Case).where(Case.failures >= STUCK))
        waiting = tx.scalar(
            select(func.count())
            .select_from(Intent)
            .where(Intent.state.in_([IntentState.HELD.value, IntentState.UNKNOWN.value]))
        )
        failed = tx.scalar(select(func.count()).select_from(Delivery).where(Delivery.state == "failed"))
        loops = tx.scalar(select(func.count()).select_from(Case).where(Case.state == CaseState.SOLVED.value))
        parked = {lane.name: lane.reason for lane in lanes.parked(tx, now).values()}
        polls = tx.scalars(select(Cursor).where((Cursor.failures > 0) | Cursor.heard_at.is_(None)))
        deaf = [
            f"{row.key} does not work: {row.reason}" if row.failures else f"{row.key}: not heard yet"
            for row in polls
        ]
        oldest_s = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
        down, problems = [], []
        if seen is None or now - seen > WORKER_GONE:
            down.append("no worker is alive: start `bridge worker` (or `bridge serve`)")
        fault = self.mapping_error()
        if fault is not None:
            problems.append(f"the mapping files are faulty, the last good version serves: {fault.faults[0]}")
        problems += self.missing()
        problems += [f"lane {name} is parked: {reason}" for name, reason in parked.items()]
        problems += deaf
        if oldest_s > TOO_OLD.total_seconds():
            problems.append(f"the oldest intent has waited for {oldest_s:.0f} s: see `bridge intent list`")
        if refused:
            problems.append(f"vendors refused {refused} intents: see `bridge intent list`")
        for lane, count in self._failing(tx):
            problems.append(f"lane {lane}: {count} intents failed {FAILED_OFTEN} times or more, and wait")
        if stuck:
            problems.append(f"{stuck} cases failed again and again: see the log and `bridge case list`")
        if failed:
            problems.append(f"{failed} deliveries failed: see `bridge delivery list --failed`")
        return {
            "status": "down" if down else "degraded" if problems else "ok",
            "problems": down + problems,
            "mapping_version": self.mapping_version()[:12],
            "worker_seen_at": seen.isoformat() if seen else None,
            "oldest_waiting_intent_s": round(oldest_s, 1),
            "waiting_for_a_person": waiting or 0,
            "open_loops": loops or 0,
            "refused_since_start": dict(self.door.counts),
        }

    @staticmethod
    def _failing(tx: Session) -> list[tuple[str, int]]:
        """Which lanes have intents that failed again and again, and how many."""
        query = (
            select(Intent.lane, func.count())
            .where(
                Intent.state.in_([IntentState.APPROVED.value, IntentState.SENDING.value]),
                Intent.attempts >= FAILED_OFTEN,
            )
            .group_by(Intent.lane)
        )
        return [(lane, count) for lane, count in tx.execute(query)]
