"""Retention: words are kept for so many days after their case was closed, and no longer."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from bridge.flows.world import World
from bridge.store import erasure, leases, retention
from bridge.store.leases import Lease
from bridge.store.retention import RETENTION, Batch, Mark

log = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
# Rows that nothing needs any more go after so many times the days.
SECOND_PERIOD = 2
# The door and the flows get their turn between two batches.
BREATH_S = 0.01
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)

Step = Callable[[Session, Mark, datetime, datetime], Batch]
BLANKING: tuple[Step, ...] = (
    retention.blank_cases,
    retention.blank_messages,
    retention.blank_deliveries,
)
DELETING: tuple[Step, ...] = (retention.delete_messages, retention.delete_deliveries)


def retain(world: World, _key: str = "") -> None:
    """Blank and delete what is old enough; one process at a time, in small batches.

    What was done is remembered as a proof, so that each run begins where the last one ended.
    """
    days = world.timing.retention
    if days is None:
        return
    with world.lease(RETENTION) as lease:
        if lease is None:
            return
        now = world.clock.now()
        with world.database.read() as tx:
            proof = retention.last_proof(tx, world.installation)
        done = {} if proof is None else proof.counts
        counts: Counter[str] = Counter()
        reached = {}
        for name, steps, until in (
            ("blank until", BLANKING, now - days),
            ("deleted until", DELETING, now - SECOND_PERIOD * days),
        ):
            since = datetime.fromisoformat(done[name]) if name in done else _BEGINNING
            reached[name] = max(since, until).isoformat()
            for step in steps:
                counts += _all(world, lease, step, since, until, now)
        if counts:
            _prove(world, lease, dict(counts), reached, now)
            log.info("retention: %s", ", ".join(f"{number} {table}" for table, number in counts.items()))
    # Every hour, whoever erased: words that are blank in the tables are still in the log behind them.
    if not world.database.empty_log():
        log.info("retention: the database's write-ahead log is in use; the next run empties it")


def _all(
    world: World, lease: Lease, step: Step, since: datetime, until: datetime, now: datetime
) -> Counter[str]:
    counts: Counter[str] = Counter()
    mark: Mark | None = (since, "")
    while mark is not None:
        with world.database.write() as tx:
            leases.guard(tx, lease, world.clock.now() + world.timing.lease)
            batch = step(tx, mark, until, now)
        counts.update(batch.counts)
        mark = batch.mark
        if mark is not None:
            time.sleep(BREATH_S)
    return +counts


def _prove(
    world: World, lease: Lease, counts: dict[str, int], reached: dict[str, str], now: datetime
) -> None:
    """One proof a day, which the runs of that day add to."""
    with world.database.write() as tx:
        leases.guard(tx, lease)
        proof = retention.last_proof(tx, world.installation)
        if proof is None or proof.at < now - _DAY:
            erasure.record(
                tx,
                installation=world.installation,
                at=now,
                cause=RETENTION,
                by="the bridge",
                counts={**counts, **reached},
            )
            return
        sums = {table: proof.counts.get(table, 0) + number for table, number in counts.items()}
        proof.counts = {**proof.counts, **sums, **reached}
