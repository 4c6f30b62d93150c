"""Working on a case: what it waits for, one thing after the other, until it has to wait."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from bridge.core.intent import IntentState
from bridge.errors import SettingsError, StoreBusyError, VendorBusyError, VendorError
from bridge.flows import read_desk
from bridge.flows.cards import TEAM
from bridge.flows.drafting import DESK
from bridge.flows.effects import recipe
from bridge.flows.ledger import Attempt, Settle, stumbled
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
        self._taken: Counter[str] = Counter()

    def take(self, lane: str) -> bool:
        """Whether there was room; then `give` it back."""
        with self._lock:
            if self._taken[lane] >= self._each:
                return False
            self._taken[lane] += 1
            return True

    def give(self, lane: str) -> None:
        with self._lock:
            self._taken[lane] -= 1


def work(world: World, slots: Slots, key: str) -> None:
    """Bring the case *key* as far as it goes now. Harmless when there is nothing to do."""
    _Turn(world, slots, key).go()


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing to do outside: read a ticket, or an intent. ``begun``: it is *sending* already."""

    subject: TicketRow | Intent
    lane: str
    begun: bool = False


class _Turn:
    """A turn at one case: choose, do, settle and choose what comes next, until it has to wait."""

    def __init__(self, world: World, slots: Slots, case_id: str) -> None:
        self._world = world
        self._slots = slots
        self._case_id = case_id
        self._again_at: dict[str, datetime] = {}
        self._lease: Lease | None = None
        self._slot: str | None = None  # the lane that this turn holds a slot of

    def go(self) -> None:
        try:
            step = self._begin()
            while step is not None:
                settle = self._do(step)
                step = self._go_on(step, settle)
            self._lease = None  # given back by the transaction that found nothing more to do
        finally:
            # The slot too: the transaction that took it may have failed to commit.
            self._give_slot()
            self._let_go()

    def _begin(self) -> _Step | None:
        with self._world.database.write() as tx:
            span = self._world.timing.lease
            lease = leases.take(
                tx, f"case:{self._case_id}", self._world.presence, self._world.clock.now(), span
            )
            if lease is None:
                return None
            self._lease = lease
            return self._next(tx, self._hold(tx))

    def _take_slot(self, lane: str) -> bool:
        if not self._slots.take(lane):
            return False
        self._slot = lane
        return True

    def _give_slot(self) -> None:
        if self._slot is not None:
            self._slots.give(self._slot)
            self._slot = None

    def _do(self, step: _Step) -> Settle | None:
        """The part outside; gives what settles it."""
        try:
            if isinstance(step.subject, TicketRow):
                return self._read(step.subject)
            attempt = self._attempt(step.subject)
            with bound_contextvars(intent=step.subject.id):
                return attempt.call(step.subject) if step.begun else attempt.look()
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # One thing that cannot be done must not keep the case's others from being done.
            if isinstance(step.subject, TicketRow):
                raise
            log.exception("intent %s of case %s failed", step.subject.id, self._case_id)
            stumbled(self._world, step.subject.id, self._held)
            return None
        finally:
            self._give_slot()

    def _go_on(self, step: _Step, settle: Settle | None) -> _Step | None:
        try:
            with self._world.database.write() as tx:
                case = self._hold(tx)
                if settle is not None:
                    settle(tx, case)
                return self._next(tx, case)
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # What came of it cannot be written down as it should: a person hears of it in the end.
            if isinstance(step.subject, TicketRow) or settle is None:
                raise
            log.exception("intent %s of case %s failed", step.subject.id, self._case_id)
            stumbled(self._world, step.subject.id, self._held)
        with self._world.database.write() as tx:
            return self._next(tx, self._hold(tx))

    def _hold(self, tx: Session) -> Case:
        """The case, locked, with a lease that is still ours."""
        until = self._world.clock.now() + self._world.timing.lease
        leases.guard(tx, self._held, until)
        return cases.lock(tx, self._case_id)

    def _read(self, ticket: TicketRow) -> Settle | None:
        try:
            read_desk.read(self._world, ticket, self._held)
        except VendorError as error:
            failure = error
            return lambda tx, case: self._unread(tx, case, ticket, failure)
        return None

    def _unread(self, tx: Session, case: Case, ticket: TicketRow, error: VendorError) -> None:
        seconds = error.retry_after_s if isinstance(error, VendorBusyError) else None
        now = self._world.clock.now()
        case.failures += 1
        wait = timedelta(seconds=seconds if seconds is not None else 2.0 ** min(case.failures, 5))
        casefile.tell(tx, case.id, now, "desk", f"ticket {ticket.ticket_id} could not be read: {error}")
        self._again_at[DESK] = now + wait

    def _next(self, tx: Session, case: Case) -> _Step | None:
        """The next thing that can be done now. None: the case's ``due_at`` says when to look again.

        The lane of what is given is taken; the lease is given back with None.
        """
        world, again_at = self._world, self._again_at
        now = world.clock.now()
        due: list[datetime] = []
        ticket = read_desk.unread(tx, case.id)
        if ticket is not None and world.desk is not None:
            at = again_at.get(DESK, now)
            if at <= now and self._take_slot(DESK):
                return _Step(ticket, DESK)
            due.append(at if at > now else now + CROWDED)
        shut = lanes.parked(tx, now)
        waiting = [i for i in intents.of_case(tx, case.id, MOVING) if _has_port(world, i)]
        due += [
            lane.until for lane in shut.values() if lane.until and any(i.lane == lane.name for i in waiting)
        ]
        for head in _heads(tx, world, case, [i for i in waiting if not lanes.blocks(shut, i)]):
            at = max(head.due_at, again_at.get(head.lane, head.due_at))
            if at > now:
                due.append(at)
            elif not self._take_slot(head.lane):
                due.append(now + CROWDED)
            else:
                return _Step(head, head.lane, self._begun(tx, head, case))
        case.due_at = min(due, default=None)
        leases.give_back(tx, self._held, now)
        return None

    def _begun(self, tx: Session, intent: Intent, case: Case) -> bool:
        try:
            return self._attempt(intent).begin(tx, intent, case)
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # `look` comes to the same place, and `_do` knows what to do about it there.
            log.exception("intent %s of case %s cannot be begun", intent.id, case.id)
            return False

    def _attempt(self, intent: Intent) -> Attempt:
        return Attempt(self._world, recipe(self._world, intent.effect), intent.id, self._held)

    @property
    def _held(self) -> Lease:
        if self._lease is None:
            raise LeaseLostError(self._case_id)
        return self._lease

    def _let_go(self) -> None:
        if self._lease is not None:
            with self._world.database.write() as tx:
                leases.give_back(tx, self._lease, self._world.clock.now())


def _has_port(world: World, intent: Intent) -> bool:
    """Whether this process can reach that vendor at all; what is not set up keeps its intents waiting."""
    if intent.lane == DESK:
        return world.desk is not None
    return intent.lane != TEAM or world.team is not None


def _heads(tx: Session, world: World, case: Case, waiting: list[Intent]) -> list[Intent]:
    """The oldest intent of each lane that can be carried out as things stand, the desk's first.

    A card that is drawn after the ticket was opened has its number at once.
    """
    heads: dict[str, Intent] = {}
    for intent in waiting:
        if intent.lane in heads:
            continue
        if intent.state == IntentState.SENDING or recipe(world, intent.effect).ready(tx, case, intent):
            heads[intent.lane] = intent
    return sorted(heads.values(), key=lambda intent: intent.lane != DESK)
