"""Working on a case: doing what it waits for, until it has to wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from bridge.core.case import CaseState
from bridge.core.intent import MOVING, Effect, IntentState
from bridge.errors import SettingsError, StoreBusyError, VendorError, VendorRefusedError
from bridge.flows import backoff, cards, drafting, read_desk, taken_back, writing
from bridge.flows.effects import recipe
from bridge.flows.ledger import Attempt, Settle, stumbled
from bridge.flows.slots import Slots
from bridge.flows.world import World
from bridge.store import casefile, cases, erasure, intents, lanes, leases
from bridge.store.conditions import STUCK
from bridge.store.lanes import DESK, TEAM
from bridge.store.leases import Lease, LeaseLostError
from bridge.store.tables import Case, Intent, TicketRow

log = logging.getLogger(__name__)

# Whoever ends a pause wakes what waits for its end; what is being written down just then they do not see.
PAUSE_LOOK = timedelta(minutes=5)
ELSEWHERE_LOOK = timedelta(hours=1)  # what is not set up here may be in another process: see `look_again`
# What is begun beside another call is sent at once after it, or begun anew: what was seen of its sender and
# its lane when it was written down must not be old when it is sent.
AT_ONCE = timedelta(seconds=1)
# Between two readings of a ticket that could not be read: while the desk is busy, and where it refuses.
LONGEST_UNREAD, LONGEST_REFUSED = timedelta(seconds=30), timedelta(hours=1)
TOLD_UNREAD = 20  # times in a row that the case's file tells of; the list of what is wrong does from then on


def work(world: World, slots: Slots, key: str) -> None:
    """Bring the case *key* as far as it goes now. Harmless when there is nothing to do."""
    turn = Turn(world, slots, key)
    with turn.given_back_when_it_fails(), world.database.write() as tx:
        turn.begin(tx)
    turn.go()


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing to do outside: read a ticket, or an intent. ``begun``: it is *sending* already."""

    subject: TicketRow | Intent
    lane: str
    begun: bool = False


class Turn:
    """A turn at one case: choose, do, settle and choose what comes next, until it has to wait.

    `begin` it in a transaction, and `go` when that is committed.
    """

    flow = "work"

    def __init__(self, world: World, slots: Slots, key: str) -> None:
        self.key = key  # the case's id
        self._world = world
        self._slots = slots
        self._again_at: dict[str, datetime] = {}
        self._readings: dict[str, datetime] = {}  # when this turn has read tickets, by their rows' ids
        self._lease: Lease | None = None
        self._steps: list[_Step] = []
        self._late: set[str] = set()  # lanes that another one has kept waiting

    def begin(self, tx: Session, made: Case | None = None) -> None:
        """Take the lease on the case and choose; nothing when somebody else has it.

        *made*: the case, when *tx* itself has made it, so that nobody else can know of it. Any
        other must not be locked yet: whoever works on one has its lease first.
        """
        span = self._world.timing.lease
        now = self._world.clock.now()
        self._lease = leases.take(tx, f"case:{self.key}", self._world.presence, now, span)
        if self._lease is not None:
            self._steps = self._next(tx, made or cases.lock(tx, self.key))

    def go(self) -> None:
        """Do what was chosen, and what comes after it; give the lease back."""
        with self.given_back_when_it_fails():
            while self._steps:
                self._steps = self._go_on(self._carry_out(self._steps))
        self._lease = None  # given back by the transaction that found nothing more to do

    @contextmanager
    def given_back_when_it_fails(self) -> Iterator[None]:
        """Gives the lease back when the block fails, whatever became of its transaction."""
        try:
            yield
        except BaseException:
            # Whatever it was, the lease must not be kept by nobody.
            if self._lease is not None:  # harmless when its taking was rolled back
                self._world.give_back(self._lease)
            raise

    def _carry_out(self, steps: list[_Step]) -> list[tuple[_Step, Settle]]:
        done: list[tuple[_Step, Settle]] = []
        for step in steps:
            try:
                if isinstance(step.subject, Intent) and step is not steps[0] and self._is_late(step.subject):
                    settle: Settle | None = self._begin_anew(step.subject)
                else:
                    settle = self._do(step)
            except Exception:
                # What was done before it is settled first. This one is *sending*, and comes up again.
                if not done:
                    raise
                log.exception("case %s: what was begun beside other things failed", self.key)
                break
            if settle is not None:
                done.append((step, settle))
        return done

    def _is_late(self, intent: Intent) -> bool:
        now = self._world.clock.now()
        return now - (intent.sent_at or now) > AT_ONCE

    def _do(self, step: _Step) -> Settle | None:
        """The part outside; gives what settles it."""
        if not self._slots.take(step.lane):
            return self._put_off(step)
        try:
            if isinstance(step.subject, TicketRow):
                return self._read(step.subject)
            return self._try(step.subject, begun=step.begun)
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # One thing that cannot be done must not keep the case's others from being done.
            if isinstance(step.subject, TicketRow):
                raise
            with _named(step):
                log.exception("intent %s of case %s failed", step.subject.id, self.key)
            stumbled(self._world, step.subject.id, self._held)
            return None
        finally:
            self._slots.give(step.lane)

    def _try(self, intent: Intent, *, begun: bool) -> Settle | None:
        attempt = self._attempt(intent)
        with bound_contextvars(intent=intent.id):
            settle = attempt.call(intent) if begun else attempt.look()
        if attempt.asked:
            self._slots.heard(intent.lane, self.key, attempt.error)
        return settle

    def _begin_anew(self, intent: Intent) -> Settle:
        """What was begun beside *intent* took long: its lane comes first then."""
        self._late.add(intent.lane)
        return self._attempt(intent).put_off(timedelta(0), "what was begun beside it took long")

    def _put_off(self, step: _Step) -> Settle | None:
        """Others were faster: the lane had room when the step was chosen."""
        at = self._slots.next_turn(step.lane)
        if isinstance(step.subject, Intent) and step.begun:
            why = f"too many calls of lane {step.lane} were under way"
            return self._attempt(step.subject).put_off(at - self._world.clock.now(), why)
        self._again_at[step.lane] = at
        return None

    def _go_on(self, done: list[tuple[_Step, Settle]]) -> list[_Step]:
        try:
            with self._world.database.write() as tx:
                case = self._hold(tx)
                for step, settle in done:
                    with _named(step):
                        settle(tx, case)
                return self._next(tx, case)
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # What came of several intents may be at odds with one of them only.
            if not done or isinstance(done[0][0].subject, TicketRow):
                raise
            log.exception("case %s: what came of it cannot be settled together", self.key)
        for step, settle in done:
            self._settle_alone(step, settle)
        with self._world.database.write() as tx:
            return self._next(tx, self._hold(tx))

    def _settle_alone(self, step: _Step, settle: Settle) -> None:
        """What came of one intent must not keep what came of another from being written down."""
        try:
            with self._world.database.write() as tx:
                case = self._hold(tx)
                with _named(step):
                    settle(tx, case)
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # It cannot be written down as it should: a person hears of it in the end.
            with _named(step):
                log.exception("intent %s of case %s failed", step.subject.id, self.key)
            stumbled(self._world, step.subject.id, self._held)

    def _hold(self, tx: Session) -> Case:
        """The case, locked, with a lease that is still ours."""
        until = self._world.clock.now() + self._world.timing.lease
        leases.guard(tx, self._held, until)
        return cases.lock(tx, self.key)

    def _read(self, ticket: TicketRow) -> Settle | None:
        try:
            read_desk.read(self._world, ticket, self._held)
        except VendorError as error:
            failure = error
            self._slots.heard(DESK, self.key, error)
            return lambda tx, case: self._unread(tx, case, ticket, failure)
        self._slots.heard(DESK, self.key, None)
        self._readings[ticket.id] = self._world.clock.now()
        return lambda tx, _case: taken_back.go_on(tx, self.key, self._readings[ticket.id])

    def _unread(self, tx: Session, case: Case, ticket: TicketRow, error: VendorError) -> None:
        now = self._world.clock.now()
        case.failures += 1
        refused = isinstance(error, VendorRefusedError)
        wait = backoff.after(error, case.failures, LONGEST_REFUSED if refused else LONGEST_UNREAD)
        if case.failures <= TOLD_UNREAD:
            casefile.tell(tx, case.id, now, "desk", f"ticket {ticket.ticket_id} could not be read: {error}")
        if refused and case.failures >= STUCK:
            # What is refused again and again does not pass by waiting. Said once, whatever comes of it.
            note = writing.unreadable_note(ticket.ticket_id, str(error))
            drafting.post_note(tx, case, f"unreadable:{ticket.ticket_id}", note, now)
        self._again_at[DESK] = now + wait

    def _next(self, tx: Session, case: Case) -> list[_Step]:
        """What can be done now. Nothing: the case's ``due_at`` says when to look again.

        One intent of each lane is begun together, with one commit for all; what has to be looked
        at first goes its way alone. The lease is given back when there is nothing.
        """
        world, again_at = self._world, self._again_at
        now = world.clock.now()
        erasure.finish(intents.of_case(tx, case.id))
        due: list[datetime] = []
        ticket = read_desk.unread(tx, case.id)
        if ticket is not None and world.desk is not None:
            at = again_at.get(DESK, now)
            if at <= now and self._slots.has_room(DESK):
                return [_Step(ticket, DESK)]
            due.append(at if at > now else self._slots.next_turn(DESK))
        waiting = _waiting(tx, world, case)
        if case.state != CaseState.CLOSED and len(waiting) < len(intents.of_case(tx, case.id, MOVING)):
            due.append(now + ELSEWHERE_LOOK)
        shut = lanes.parked(tx, now) if waiting else {}
        if lanes.PUBLIC in shut and _tell_paused(tx, world, case, shut[lanes.PUBLIC].said):
            waiting = _waiting(tx, world, case)
        kept_by = {lane.name: lane for intent in waiting for lane in lanes.keeping(shut, intent)}
        due += [
            self._slots.next_turn(name, lane.until) if lane.until else now + PAUSE_LOOK
            for name, lane in kept_by.items()
        ]
        steps: list[_Step] = []
        heads = _heads(tx, world, case, [i for i in waiting if not lanes.blocks(shut, i)])
        late, self._late = self._late, set()
        for head in sorted(heads, key=lambda head: head.lane not in late):
            at = max(head.due_at, again_at.get(head.lane, head.due_at))
            if at > now:
                due.append(at)
            elif steps and case.with_ticket and case.ticket_opened_at is None:
                break  # a card that is drawn after the ticket was opened has its number at once
            elif not self._slots.has_room(head.lane):
                due.append(self._slots.next_turn(head.lane))
            elif self._begun(tx, head, case):
                steps.append(_Step(head, head.lane, begun=True))
            elif not steps:
                return [_Step(head, head.lane)]
        if steps:
            return steps
        case.due_at = min(due, default=None)
        leases.give_back(tx, self._held)
        return []

    def _begun(self, tx: Session, intent: Intent, case: Case) -> bool:
        try:
            return self._attempt(intent).begin(tx, intent, case)
        except (LeaseLostError, StoreBusyError, SettingsError):
            raise
        except Exception:
            # `look` comes to the same place, and `_do` knows what to do about it there.
            with bound_contextvars(intent=intent.id):
                log.exception("intent %s of case %s cannot be begun", intent.id, case.id)
            return False

    def _attempt(self, intent: Intent) -> Attempt:
        return Attempt(self._world, recipe(self._world, intent.effect), intent.id, self._held, self._readings)

    @property
    def _held(self) -> Lease:
        if self._lease is None:
            raise LeaseLostError(self.key)
        return self._lease


def _named(step: _Step) -> AbstractContextManager[None]:
    """What is logged meanwhile says which intent it is about."""
    return bound_contextvars(intent=step.subject.id) if isinstance(step.subject, Intent) else nullcontext()


def _waiting(tx: Session, world: World, case: Case) -> list[Intent]:
    return [intent for intent in intents.of_case(tx, case.id, MOVING) if _has_port(world, intent)]


def _tell_paused(tx: Session, world: World, case: Case, said: str) -> bool:
    """Have the ticket and the card say, once, that words wait for the end of a pause; False: they did."""
    now = world.clock.now()
    approved = intents.of_case(tx, case.id, [IntentState.APPROVED])
    replies = [intent for intent in approved if Effect(intent.effect).is_public]
    told = [drafting.note_paused(tx, case, intent, said, now) for intent in replies]
    if any(told):
        cards.show(tx, world, case)
    return any(told)


def _has_port(world: World, intent: Intent) -> bool:
    """Whether this process can reach that vendor at all; what is not set up keeps its intents waiting."""
    if intent.lane == DESK:
        return world.desk is not None
    return intent.lane != TEAM or world.team is not None


def _heads(tx: Session, world: World, case: Case, waiting: list[Intent]) -> list[Intent]:
    """The oldest intent of each lane that can be carried out as things stand, the desk's first."""
    heads: dict[str, Intent] = {}
    for intent in waiting:
        if intent.lane in heads:
            continue
        # After a restore everything is *sending*, also what never could be sent yet.
        tried = intent.state == IntentState.SENDING and intent.first_sent_at is not None
        if tried or recipe(world, intent.effect).ready(tx, case, intent):
            heads[intent.lane] = intent
    return sorted(heads.values(), key=lambda intent: intent.lane != DESK)
