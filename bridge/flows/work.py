"""Working on a case: what it waits for, one thing after the other, until it has to wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bridge.core.intent import IntentState
from bridge.errors import SettingsError, StoreBusyError, VendorBusyError, VendorError
from bridge.flows import read_desk
from bridge.flows.cards import TEAM
from bridge.flows.drafting import DESK
from bridge.flows.effects import recipe
from bridge.flows.ledger import carry_out, stumbled
from bridge.flows.world import World
from bridge.store import casefile, cases, intents, lanes, leases
from bridge.store.leases import Lease, LeaseLostError
from bridge.store.tables import Case, Intent, TicketRow

log = logging.getLogger(__name__)

MOVING = (IntentState.APPROVED, IntentState.SENDING)
CROWDED = timedelta(milliseconds=500)


class Slots:
    """How many flows may be talking to one vendor at once: an outage must not take all threads."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._lock = threading.Lock()
        self._lanes: dict[str, threading.BoundedSemaphore] = {}

    @contextmanager
    def take(self, lane: str) -> Iterator[bool]:
        """Gives False when the lane is full."""
        with self._lock:
            slot = self._lanes.setdefault(lane, threading.BoundedSemaphore(self._each))
        taken = slot.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                slot.release()


def work(world: World, slots: Slots, key: str) -> None:
    """Bring the case *key* as far as it goes now. Harmless when there is nothing to do."""
    with world.lease(f"case:{key}") as lease:
        if lease is None:
            return
        again_at: dict[str, datetime] = {}
        while True:
            step = _next(world, key, lease, again_at)
            if step is None:
                return
            lane = DESK if isinstance(step, TicketRow) else step.lane
            with slots.take(lane) as free:
                if not free:
                    again_at[lane] = world.clock.now() + CROWDED
                elif isinstance(step, TicketRow):
                    _read(world, step, lease, again_at)
                else:
                    _carry_out(world, step, lease)


def _carry_out(world: World, intent: Intent, lease: Lease) -> None:
    try:
        carry_out(world, recipe(world, intent.effect), intent.id, lease)
    except (LeaseLostError, StoreBusyError, SettingsError):
        raise
    except Exception:
        # One thing that cannot be done must not keep the case's others from being done.
        log.exception("intent %s of case %s failed", intent.id, intent.case_id)
        stumbled(world, intent.id, lease)


def _read(world: World, ticket: TicketRow, lease: Lease, again_at: dict[str, datetime]) -> None:
    try:
        read_desk.read(world, ticket, lease)
    except VendorError as error:
        seconds = error.retry_after_s if isinstance(error, VendorBusyError) else None
        with world.database.write() as tx:
            now = world.clock.now()
            case = cases.lock(tx, ticket.case_id)
            case.failures += 1
            wait = timedelta(seconds=seconds if seconds is not None else 2.0 ** min(case.failures, 8))
            casefile.tell(tx, case.id, now, "desk", f"ticket {ticket.ticket_id} could not be read: {error}")
        again_at[DESK] = now + wait


def _next(
    world: World, case_id: str, lease: Lease, again_at: dict[str, datetime]
) -> TicketRow | Intent | None:
    """The next thing that can be done now. None: the case's ``due_at`` says when to look again."""
    with world.database.write() as tx:
        leases.guard(tx, lease, world.clock.now() + world.timing.lease)
        case = cases.lock(tx, case_id)
        now = world.clock.now()
        due: list[datetime] = []
        ticket = read_desk.unread(tx, case_id)
        if ticket is not None and world.desk is not None:
            at = again_at.get(DESK, now)
            if at <= now:
                return ticket
            due.append(at)
        shut = lanes.parked(tx, now)
        waiting = [i for i in intents.of_case(tx, case.id, MOVING) if _has_port(world, i)]
        due += [
            lane.until for lane in shut.values() if lane.until and any(i.lane == lane.name for i in waiting)
        ]
        for head in _heads(tx, world, case, [i for i in waiting if not lanes.blocks(shut, i)]):
            at = max(head.due_at, again_at.get(head.lane, head.due_at))
            if at <= now:
                return head
            due.append(at)
        case.due_at = min(due, default=None)
        return None


def _has_port(world: World, intent: Intent) -> bool:
    """Whether this process can reach that vendor at all; what is not set up keeps its intents waiting."""
    if intent.lane == DESK:
        return world.desk is not None
    return intent.lane != TEAM or world.team is not None


def _heads(tx: Session, world: World, case: Case, waiting: list[Intent]) -> list[Intent]:
    """The oldest intent of each lane that can be carried out as things stand."""
    heads: dict[str, Intent] = {}
    for intent in waiting:
        if intent.lane in heads:
            continue
        if intent.state == IntentState.SENDING or recipe(world, intent.effect).ready(tx, case, intent):
            heads[intent.lane] = intent
    return list(heads.values())
