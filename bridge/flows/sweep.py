"""The sweep: wakes what is due, what was committed and never woken, and what a dead worker held.

It only wakes and hints, and both are harmless. One worker at a time does it all the same,
or each due row would be told as often as there are workers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import case as sql_case
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bridge.core.intent import MOVING
from bridge.flows import listen, reconcile, take_in
from bridge.flows.ledger import AUTH_PAUSE, LONGEST_ASKED
from bridge.flows.retain import EVERY
from bridge.flows.world import World
from bridge.store import cases, lanes, leases
from bridge.store.standing import ASTRAY
from bridge.store.tables import Case, Cursor, Delivery, Intent, Message

log = logging.getLogger(__name__)

SWEEP = "sweep"
AT_ONCE = 500
RETAIN = "retain"
BEAT = timedelta(seconds=5)
LEASES_KEPT = timedelta(hours=1)


class Sweep:
    """Call it every second or so."""

    def __init__(self, world: World, crowded: Callable[[], bool] = lambda: False) -> None:
        """*crowded* says whether so many wake-ups wait that no more should be added."""
        self._world = world
        self._crowded = crowded
        self._beat_at: datetime | None = None
        self._retained_at: datetime | None = None
        self._mine = False
        self._paused = False

    def __call__(self, _key: str) -> None:
        now = self._world.clock.now()
        try:
            self._world.mappings.refresh(now)
            if _is_over(self._beat_at, BEAT, now):
                self._beat(now)
        finally:
            # Whatever that met: what is due waits for none of it.
            self._wake_due(now)

    def _beat(self, now: datetime) -> None:
        world = self._world
        world.presence.stay(world.database, now)
        with world.database.write() as tx:
            self._mine = leases.keep(tx, SWEEP, world.presence, now, 3 * BEAT)
        if self._mine:
            with world.database.write() as tx:
                leases.forget_old(tx, now - LEASES_KEPT)
                _bring_back(tx, world, now)
                listen.expect(tx, world)
                reconcile.expect(tx, world)
                reconcile.fall_back(tx, now)
            world.wake("watch", "")
            world.wake("canary", "")
        self._beat_at = now

    def _wake_due(self, now: datetime) -> None:
        world = self._world
        if not self._mine or self._crowded():
            return
        if _is_over(self._retained_at, EVERY, now):
            world.wake(RETAIN, "")
            self._retained_at = now
        for flow, key in self._due(now):
            world.wake(flow, key)

    def _log_pause(self, tx: Session, now: datetime) -> None:
        """A pause is another process's command, so its log is not the one that people read."""
        paused = lanes.PUBLIC in lanes.parked(tx, now)
        if paused != self._paused:
            self._paused = paused
            log.info("everything public is paused" if paused else "public replies go on: the pause is over")

    def _due(self, now: datetime) -> list[tuple[str, str]]:
        with self._world.database.read() as tx:
            self._log_pause(tx, now)
            received = select(Delivery.id).where(Delivery.state == "received", Delivery.due_at <= now)
            found = [
                ("take_in", key) for key in tx.scalars(received.order_by(Delivery.due_at).limit(AT_ONCE))
            ]
            heard = select(Message.id).where(Message.due_at <= now)
            found += [("consider", key) for key in tx.scalars(heard.order_by(Message.due_at).limit(AT_ONCE))]
            open_ = select(Case.id).where(Case.due_at <= now)
            found += [("work", key) for key in tx.scalars(open_.order_by(Case.due_at).limit(AT_ONCE))]
            asked = select(Cursor.key).where(Cursor.due_at <= now)
            found += [
                (_flow_of(key), key) for key in tx.scalars(asked.order_by(Cursor.due_at).limit(AT_ONCE))
            ]
        return found


def _is_over(begun_at: datetime | None, span: timedelta, now: datetime) -> bool:
    """Whether *span* has passed; also when the clock was put back to before *begun_at*."""
    return begun_at is None or not timedelta(0) <= now - begun_at < span


def _bring_back(tx: Session, world: World, now: datetime) -> None:
    """Have nothing due later than it is ever put off: a clock that was ahead for a moment did that.

    Else all that was put off in that moment would wait, untold, until the hour that it showed.
    """
    settle = world.timing.settle or timedelta(0)
    longest = now + LONGEST_ASKED + settle + world.timing.call_timeout + world.timing.lease
    leases.bound(tx, longest)
    lanes.bound(tx, now + AUTH_PAUSE)
    tries = now + take_in.LONGEST_WAIT
    waiting = update(Delivery).where(Delivery.state == "received", Delivery.due_at > tries)
    tx.execute(waiting.values(due_at=now))
    # Considered at once, or half a minute later.
    tx.execute(update(Message).where(Message.due_at > tries).values(due_at=now))
    late = (Intent.state.in_(MOVING), Intent.due_at > longest)
    concerned = tx.scalars(select(Intent.case_id).where(*late).distinct().limit(AT_ONCE)).all()
    for case_id in sorted(concerned):
        held = cases.lock(tx, case_id)
        ended, sent = (
            sql_case((column > now, now), else_=column) for column in (Intent.over_at, Intent.sent_at)
        )
        tx.execute(
            update(Intent)
            .where(Intent.case_id == case_id, *late)
            .values(due_at=now, over_at=ended, sent_at=sent)
        )
        held.due_at = now
    # What a case itself waits for may be far: it is only woken to see that.
    tx.execute(update(Case).where(Case.due_at > longest).values(due_at=longest))


def _flow_of(cursor: str) -> str:
    if cursor.startswith(ASTRAY):
        return "astray"
    return "reconcile" if cursor == reconcile.KEY else "poll"
