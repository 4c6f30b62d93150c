"""How things stand: the reads behind /readyz, /metrics and the watch.

Each uses an index whose part that matters is as large as what is open, not as what
ever was: a scrape of a database with millions of rows reads the same few.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState
from bridge.core.intent import MOVING, NEEDS_PERSON, UNSETTLED, Effect
from bridge.store.deliveries import NOT_UNDERSTOOD
from bridge.store.tables import REFUSED_OUTSIDE, Alert, Case, Cursor, Delivery, Intent, WorkerRow

ASTRAY = "astray:"  # begins the key of a cursor: see `flows.astray`
_OPEN = (CaseState.OPEN.value, CaseState.SOLVED.value)
_EVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many, and since when the oldest waits."""

    count: int
    oldest_at: datetime | None

    def age_s(self, at: datetime) -> float:
        return max(0.0, (at - self.oldest_at).total_seconds()) if self.oldest_at else 0.0


@dataclass(frozen=True, slots=True)
class Astray:
    """A ticket of ours that no row knows; ``speaks`` is the ticket that stands for its thread now."""

    ticket_id: str
    url: str
    speaks: str | None


def open_cases(tx: Session) -> dict[str, int]:
    """Cases that are not closed, by state. What is closed grows for ever and is counted, not read."""
    rows = tx.execute(select(Case.state, func.count()).where(Case.state.in_(_OPEN)).group_by(Case.state))
    return {**dict.fromkeys(_OPEN, 0), **dict(rows.all())}


def open_loops(tx: Session) -> Backlog:
    """Cases that are solved and have no receipt."""
    query = select(func.count(), func.min(Case.solved_at)).where(Case.state == CaseState.SOLVED)
    count, oldest = tx.execute(query).one()
    return Backlog(count, oldest)


def failing_cases(tx: Session, often: int) -> int:
    """Cases that failed so often and will be tried again."""
    # A range, so that every planner takes the index, which holds few that are not NULL.
    query = select(func.count()).select_from(Case).where(Case.due_at > _EVER, Case.failures >= often)
    return tx.scalar(query) or 0


def unsettled_intents(tx: Session) -> dict[tuple[str, str], int]:
    """What is wanted outside and is not settled: how many, by effect and state."""
    query = (
        select(Intent.effect, Intent.state, func.count())
        .where(Intent.state.in_(UNSETTLED))
        .group_by(Intent.effect, Intent.state)
    )
    return {(effect, state): count for effect, state, count in tx.execute(query)}


def waiting_intents(tx: Session) -> Backlog:
    """What may leave and has not been confirmed."""
    query = select(func.count(), func.min(Intent.created_at)).where(Intent.state.in_(MOVING))
    count, oldest = tx.execute(query).one()
    return Backlog(count, oldest)


def failing_lanes(tx: Session, often: int) -> dict[str, int]:
    """Lanes that have intents which failed so often and wait."""
    query = (
        select(Intent.lane, func.count())
        .where(Intent.state.in_(MOVING), Intent.attempts >= often)
        .group_by(Intent.lane)
    )
    return dict(tx.execute(query).all())


def refused_intents(tx: Session) -> int:
    """What a vendor refused and nobody has looked at."""
    return tx.scalar(select(func.count()).select_from(Intent).where(REFUSED_OUTSIDE)) or 0


def missing_cards(tx: Session) -> int:
    """Cards of which nobody knows whether they are there: nobody is asked anything about their cases."""
    # Told apart here: SQLite would look for the effect, and find every card that was ever posted.
    query = select(Intent.effect, func.count()).where(Intent.state.in_(NEEDS_PERSON)).group_by(Intent.effect)
    return dict(tx.execute(query).all()).get(Effect.POST_CARD, 0)


def failed_deliveries(tx: Session) -> int:
    """What came in, was not understood, and waits for a person."""
    query = select(func.count()).select_from(Delivery).where(Delivery.state.in_(NOT_UNDERSTOOD))
    return tx.scalar(query) or 0


def untaken_deliveries(tx: Session) -> Backlog:
    """What came in and was not understood yet."""
    query = select(func.count(), func.min(Delivery.received_at)).where(Delivery.state == "received")
    count, oldest = tx.execute(query).one()
    return Backlog(count, oldest)


def overdue_deliveries(tx: Session, before: datetime) -> Backlog:
    """What came in and has been due since before *before*; what waits for its next try is not."""
    query = select(func.count(), func.min(Delivery.due_at)).where(
        Delivery.state == "received", Delivery.due_at < before
    )
    count, oldest = tx.execute(query).one()
    return Backlog(count, oldest)


def living_workers(tx: Session, since: datetime) -> int:
    query = (
        select(func.count())
        .select_from(WorkerRow)
        .where(WorkerRow.stopped_at.is_(None), WorkerRow.gone_at.is_(None), WorkerRow.seen_at >= since)
    )
    return tx.scalar(query) or 0


def cursors(tx: Session) -> list[Cursor]:
    """Where the polls and the sweep stand."""
    return list(tx.scalars(select(Cursor).where(Cursor.key.not_like(f"{ASTRAY}%")).order_by(Cursor.key)))


def astray(tx: Session) -> list[Astray]:
    """Tickets that carry an external id of ours and that no case knows, the first that was noticed first."""
    query = select(Cursor).where(Cursor.key.startswith(ASTRAY), Cursor.value.is_not(None))
    found = [
        (json.loads(cursor.value or ""), cursor.key.removeprefix(ASTRAY)) for cursor in tx.scalars(query)
    ]
    found.sort(key=lambda one: (one[0]["since"], one[1]))
    return [Astray(ticket_id, seen["url"], seen["speaks"]) for seen, ticket_id in found]


def alerts(tx: Session) -> list[Alert]:
    """What the watch has found and not seen end."""
    return list(tx.scalars(select(Alert).where(Alert.ended_at.is_(None)).order_by(Alert.key)))


def heard_at(tx: Session, source: str, account: str) -> datetime | None:
    """When something last came in from there."""
    return tx.scalar(
        select(func.max(Delivery.received_at)).where(Delivery.source == source, Delivery.account == account)
    )


def silent_after(
    tx: Session, source: str, account: str, *, least: timedelta, learn_from: int, enough: int
) -> tuple[datetime, timedelta] | None:
    """When *account* was last heard, and after how long a silence that is no longer usual.

    That is twice the second-longest gap among the last *learn_from* deliveries, and
    *least* at least: the second-longest, so that one outage does not teach us to expect
    the next. None while there are fewer than *enough* deliveries to learn from.
    """
    times = list(
        tx.scalars(
            select(Delivery.received_at)
            .where(Delivery.source == source, Delivery.account == account)
            .order_by(Delivery.received_at.desc())
            .limit(learn_from)
        )
    )
    if len(times) < enough:
        return None
    return times[0], max(least, 2 * _second_longest(times))


def _second_longest(newest_first: list[datetime]) -> timedelta:
    gaps: Iterable[timedelta] = (later - earlier for later, earlier in itertools.pairwise(newest_first))
    return sorted(gaps)[-2]
