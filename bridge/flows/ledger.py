"""Carrying out intents: exactly once outside, as far as that can be had.

An intent is committed as *sending*, with its sender, before the call, and settled
after it. After a crash or an unclear answer the bridge looks before it sends again:

    found                                        → confirmed
    not found, the vendor's key covers a resend  → sent again
    not found, timeout and settle time not over  → looked for again then
    not found after that, nobody can be sending  → sent again (a public reply: once)
    not found after that, the sender may live    → unknown: a person settles it

"Nobody can be sending" means that the sender is provably dead, or that it has itself
recorded the end of its call (`over_at`): a call that has ended sends nothing later.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy.orm import Session

from bridge.core import deadline
from bridge.core.intent import MOVING, IntentState
from bridge.errors import (
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.flows import backoff, cards, effects, taken_back
from bridge.flows.recipe import DECIDED, SEEN, Outcome, Recipe, Stop
from bridge.flows.world import World
from bridge.store import casefile, cases, counting, erasure, intents, lanes, leases, tickets
from bridge.store.leases import Lease
from bridge.store.tables import Case, Intent

log = logging.getLogger(__name__)

AUTH_PAUSE = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=1)
STUMBLES = 8
TOLD_TRIES = 20  # the case's file has each of so many tries, and then one of so many
READ_WAIT = timedelta(minutes=10)  # for a ticket that cannot be read; the reading itself ends it
LONGEST_ASKED = timedelta(hours=1)  # for a vendor that says itself how long


class Way(Enum):
    """What to do about an intent that was found *sending*."""

    SEND = auto()
    WAIT = auto()
    ASK = auto()


def way_on(
    *, at: datetime, settled_at: datetime, covered: bool, resends: bool, over_at: datetime | None
) -> tuple[Way, datetime]:
    """What to do about a *sending* intent whose effect a look has not found, and when.

    ``settled_at`` is when the effect of the latest call must have turned up; ``over_at`` from
    when on nobody can be making that call any more, None while somebody may; ``resends``
    whether the recipe lets it be sent by itself once more.
    """
    if covered:
        return Way.SEND, at
    if at < settled_at:
        return Way.WAIT, settled_at
    if over_at is None or not resends:
        return Way.ASK, at
    return (Way.WAIT, over_at) if at < over_at else (Way.SEND, at)


def stumbled(world: World, intent_id: str, lease: Lease) -> None:
    """An error of our own came up with an intent: later again, and in the end a person is asked."""
    with world.database.write() as tx:
        now = world.clock.now()
        leases.guard(tx, lease, now + world.timing.lease)
        case = cases.lock(tx, lease.key.removeprefix("case:"))
        intent = intents.one(tx, case, intent_id)
        if intent.state not in MOVING:
            return  # somebody has decided about it meanwhile
        intent.attempts += 1
        intent.due_at = now + backoff.doubling(intent.attempts)
        _tell(tx, intent, now, "error", ": the log has it")
        ours = intent.sender == lease.holder and not world.is_calling(intent.id)
        if intent.state == IntentState.SENDING and intent.over_at is None and ours:
            # Whatever it was, our call has ended; what became of it nobody knows.
            intent.over_at = now
            intent.unclear += 1
        if intent.attempts >= STUMBLES:
            to = IntentState.UNKNOWN if intent.state == IntentState.SENDING else IntentState.HELD
            why = "The bridge itself fails on this; its log says why."
            intents.advance(intent, to, reason=why)
            effects.recipe(world, intent.effect).waits(tx, case, intent, why)
            cards.show(tx, world, case)
        intents.wake_case(case, intent.due_at)


Settle = Callable[[Session, Case], None]


@dataclass
class Attempt:
    """One intent, taken a step further. The caller holds the lease on the intent's case.

    An intent that nobody has tried and that needs no look before is written down as
    *sending* by the transaction that chose it (`begin`), sent (`call`), and settled by the
    transaction that chooses what comes next: two commits around each call, and no more; what
    is begun together shares them. What has to be looked at goes its way alone (`look`).
    """

    world: World
    recipe: Recipe
    intent_id: str
    lease: Lease
    readings: Mapping[str, datetime] = field(default_factory=dict)  # see `taken_back.to_read`
    asked: bool = False  # whether the vendor was, and how it failed
    error: VendorError | None = None

    def begin(self, tx: Session, intent: Intent, case: Case) -> bool:
        """Write down that it is being sent; False when it has to be looked at first.

        *tx* has seen that its lane is open. An error comes before anything was written.
        """
        if intent.state != IntentState.APPROVED or self.recipe.checks:
            return False
        self._freeze(tx, intent, case)
        return self._write_sending(tx, intent, case)

    def call(self, intent: Intent) -> Settle:
        """Make the call of an intent that is written down as *sending*; give what settles it."""
        self.asked = True
        try:
            with (
                self.world.calling(intent.id),
                self.world.tallies.timed("bridge_call_seconds", lane=intent.lane),
                deadline.within(self._time_left(intent).total_seconds()),
            ):
                outcome = self.recipe.send(intent)
        except VendorError as error:
            failure = self.error = error
            return lambda tx, case: self._failed(tx, case, failure)
        return lambda tx, case: self._confirm(tx, case, outcome)

    def put_off(self, wait: timedelta, why: str) -> Settle:
        """It was written down as *sending*, and nothing was sent: give what takes that back for *wait*."""
        return lambda tx, case: self._put_off(tx, case, wait, why)

    def look(self) -> Settle | None:
        """Look for what an earlier try did, or whether the first may be made, and go on from there.

        Gives what settles it; None when that is done.
        """
        began = self.world.clock.now()
        with self.world.database.write() as tx:
            intent, case = self._load(tx)
            self._freeze(tx, intent, case)
            if self._waits_for_its_ticket(tx, case, intent, began):
                return None
            claimed = intents.claimed_objects(tx, case.id, but=intent.id)
        try:
            if intent.state == IntentState.SENDING:
                self.asked = True
                found = self.recipe.look(intent, claimed)
                if found is not None:
                    seen = replace(found, found=True)
                    return lambda tx, case: self._confirm(tx, case, seen, how=", found outside")
                way, at = self._way(intent)
                if way is not Way.SEND:
                    return lambda tx, case: self._leave(tx, case, way, at)
            quotes = erasure.quotes(intent)  # it was on its way when that was erased
            stop = Stop(False, erasure.QUOTES_WHY) if quotes else taken_back.stop(intent)
            if stop is None:
                self.asked = self.asked or self.recipe.checks
                stop = self.recipe.check(intent)
            if stop is not None:
                return lambda tx, case: self._stop(tx, case, stop)
        except VendorError as error:
            # Only looks were made: whatever happened, nothing changed outside.
            failure = self.error = error
            return lambda tx, case: self._look_failed(tx, case, failure)
        return self._send(began)

    def _send(self, looked_at: datetime) -> Settle | None:
        """Make the call, unless something keeps it from leaving that came up since the look began."""
        with self.world.database.write() as tx:
            intent, case = self._load(tx)
            shut = lanes.parked(tx, self.world.clock.now())
            if lanes.blocks(shut, intent):
                return None
            ticket = taken_back.to_read(tx, self.world, case, intent, looked_at, self.readings)
            if ticket is not None:
                # It comes first in this turn, and then there is a fresh reading, however long it took.
                tickets.hint(ticket, self.world.clock.now())
                intents.wake_case(case, intent.due_at)
                return None
            if not self._write_sending(tx, intent, case):
                return None
        return self.call(intent)

    def _waits_for_its_ticket(self, tx: Session, case: Case, intent: Intent, at: datetime) -> bool:
        """Whether the ticket has to be read before *intent* is sent, and could not be in this turn.

        What may be on the thread already is looked for all the same.
        """
        if intent.state != IntentState.APPROVED:
            return False
        ticket = taken_back.to_read(tx, self.world, case, intent, at, self.readings)
        if ticket is None or not tickets.is_unread(ticket):
            return False
        intent.due_at = at + READ_WAIT
        if intent.reason != taken_back.UNREAD_WHY:
            # No try of its own: it is the desk that cannot be asked.
            intent.reason = taken_back.UNREAD_WHY
            _tell(tx, intent, at, "put off", f": {intent.reason}")
        intents.wake_case(case, intent.due_at)
        return True

    def _freeze(self, tx: Session, intent: Intent, case: Case) -> None:
        if intent.payload is None:
            intent.payload = self.recipe.freeze(tx, case, intent)

    def _write_sending(self, tx: Session, intent: Intent, case: Case) -> bool:
        """False when somebody has decided about it meanwhile."""
        now = self.world.clock.now()
        if intent.state not in MOVING:
            return False  # a person was faster
        self.world.presence.require(tx, self.lease.holder)
        if intent.state == IntentState.SENDING:
            intent.unclear += intent.over_at is None  # its sender died without a word
        else:
            intents.advance(intent, IntentState.SENDING)
        intent.sender, intent.sent_at, intent.over_at = self.lease.holder, now, None
        intent.first_sent_at = intent.first_sent_at or now
        intent.attempts += 1
        if _is_told(intent):
            _tell(tx, intent, now, "sending", f" (try {intent.attempts})")
        return True

    def _time_left(self, intent: Intent) -> timedelta:
        """What is left of the time that a call has from when it was written down.

        A process that was stopped in between must not wake up and send what somebody
        else has looked for and decided about meanwhile. Raises VendorBusyError.
        """
        now = self.world.clock.now()
        # A clock that was put back meanwhile gives nobody more time than a call has.
        gone = max(now - (intent.sent_at or now), timedelta(0))
        left = self.world.timing.call_timeout - gone
        if left <= timedelta(0):
            raise VendorBusyError("bridge", "any call", "the process stood still before it could call")
        return left

    def _confirm(self, tx: Session, case: Case, outcome: Outcome, how: str = "") -> None:
        intent = intents.one(tx, case, self.intent_id)
        now = self.world.clock.now()
        intent.settled_at, intent.outcome_id, intent.outcome = now, outcome.id, outcome.data
        intents.advance(intent, IntentState.CONFIRMED)
        _tell(tx, intent, now, "confirmed", how + (f" → {outcome.id}" if outcome.id else ""))
        self.recipe.confirmed(tx, case, intent, outcome)

    def _put_off(self, tx: Session, case: Case, wait: timedelta, why: str) -> None:
        intent = intents.one(tx, case, self.intent_id)
        now = self.world.clock.now()
        self._nothing_happened(intent, now, why)
        if _is_told(intent):
            _tell(tx, intent, now, "put off", f": {intent.reason}")
        intent.attempts -= 1  # no call was made
        intent.due_at = now + wait
        intents.wake_case(case, intent.due_at)

    def _failed(self, tx: Session, case: Case, error: VendorError) -> None:
        """Settle a call that did not succeed, by what its class says to do next."""
        intent = intents.one(tx, case, self.intent_id)
        now = self.world.clock.now()
        log.warning("%s of case %s failed: %s", intents.named(intent), case.id, error)
        _count(tx, intent, error)
        if _is_told(intent) or not isinstance(error, VendorBusyError | VendorAuthError):
            _tell(tx, intent, now, "failed", f": {error}")
        match error:
            case VendorBusyError():
                self._nothing_happened(intent, now, str(error))
                intent.due_at = now + self._wait(intent, error)
            case VendorAuthError():
                self._nothing_happened(intent, now, str(error))
                intent.due_at = now + AUTH_PAUSE
                lanes.park(tx, intent.lane, str(error), "the vendor's answer", now, AUTH_PAUSE)
                log.error("lane %s is parked for a minute: %s", intent.lane, error)
            case VendorGoneError() if self.recipe.can_be_gone:
                intents.advance(intent, IntentState.GONE, reason=str(error))
                intent.settled_at = now
                self.recipe.lost(tx, case, intent, error)
            case VendorRefusedError() | VendorGoneError():
                intents.advance(intent, IntentState.REFUSED, reason=str(error))
                # The vendor's no: whoever approved it is not who refused it.
                intent.settled_at, intent.decided_by = now, None
                self.recipe.refused(tx, case, intent, error)
                log.error("%s of case %s was refused: %s", intent.effect, case.id, error)
                if intent.lane != lanes.TEAM:
                    cards.show(tx, self.world, case)
            case VendorUnclearError():
                intent.over_at = now
                intent.reason = str(error)
                intent.unclear += 1
                intent.due_at = now + self.recipe.settle_of(intent) + self._wait_again(intent)
            case _:
                raise error
        intents.wake_case(case, intent.due_at)

    @staticmethod
    def _nothing_happened(intent: Intent, now: datetime, why: str) -> None:
        """This call changed nothing; an earlier one may have, so then the next try looks first again.

        Not where a person has let it out all the same, knowing of the earlier ones.
        """
        if intent.unclear > intent.draft.get(DECIDED, 0):
            intent.over_at = now
        else:
            intents.advance(intent, IntentState.APPROVED)
        intent.reason = why

    def _look_failed(self, tx: Session, case: Case, error: VendorError) -> None:
        intent = intents.one(tx, case, self.intent_id)
        now = self.world.clock.now()
        _count(tx, intent, error)
        if intent.state not in MOVING:
            return  # somebody has decided about it while we looked
        if _is_told(intent):
            _tell(tx, intent, now, "look failed", f": {error}")
        if isinstance(error, VendorGoneError) and self.recipe.can_be_gone:
            intents.advance(intent, IntentState.GONE, reason=str(error))
            intent.settled_at = now
            self.recipe.lost(tx, case, intent, error)
            return
        if isinstance(error, VendorAuthError):
            lanes.park(tx, intent.lane, str(error), "the vendor's answer", now, AUTH_PAUSE)
        if isinstance(error, VendorRefusedError | VendorGoneError):
            self._ask(tx, case, intent, f"the bridge could not look: {error}")
            return
        intent.attempts += 1
        intent.due_at = now + self._wait(intent, error)
        intents.wake_case(case, intent.due_at)

    def _way(self, intent: Intent) -> tuple[Way, datetime]:
        now = self.world.clock.now()
        with self.world.database.write() as tx:
            over_at = intent.over_at or self._sender_over_at(tx, intent, now)
        return way_on(
            at=now,
            settled_at=self._settled_at(intent, now),
            covered=self.recipe.covered(intent, now),
            resends=self._may_resend(intent),
            over_at=over_at,
        )

    def _sender_over_at(self, tx: Session, intent: Intent, now: datetime) -> datetime | None:
        """From when on the sender of *intent* cannot be calling any more; None while it may."""
        if intent.sender == self.world.presence.worker:
            # Our own call, which has ended: only what became of it could not be written down.
            return None if self.world.is_calling(intent.id) else now
        return self.world.presence.dead_at(tx, intent.sender, now, self.world.timing.call_timeout)

    def _settled_at(self, intent: Intent, now: datetime) -> datetime:
        """When the effect of the latest call must have turned up."""
        if intent.over_at is not None:
            return intent.over_at + self.recipe.settle_of(intent)
        return (intent.sent_at or now) + self.world.timing.call_timeout + self.recipe.settle_of(intent)

    def _may_resend(self, intent: Intent) -> bool:
        unclear = intent.unclear + (intent.over_at is None)
        return self.recipe.resends is None or unclear <= self.recipe.resends

    def _leave(self, tx: Session, case: Case, way: Way, at: datetime) -> None:
        intent = intents.one(tx, case, self.intent_id)
        if way is Way.ASK:
            tried = self._may_resend(intent)
            why = "its sender may still be at it" if tried else "it is not sent a third time by itself"
            self._ask(tx, case, intent, f"the call may have happened, and {why}")
            return
        intent.due_at = at
        intents.wake_case(case, at)

    def _ask(self, tx: Session, case: Case, intent: Intent, reason: str) -> None:
        to = IntentState.UNKNOWN if intent.state == IntentState.SENDING else IntentState.HELD
        intents.advance(intent, to, reason=reason)
        _tell(tx, intent, self.world.clock.now(), to.value, f": {reason}")
        self.recipe.waits(tx, case, intent, f"{reason}.")
        cards.show(tx, self.world, case)

    def _stop(self, tx: Session, case: Case, stop: Stop) -> None:
        intent = intents.one(tx, case, self.intent_id)
        if intent.state not in MOVING:
            return  # somebody has decided about it while we looked
        now = self.world.clock.now()
        to = IntentState.GONE if stop.gone else IntentState.HELD
        intents.advance(intent, to, reason=stop.reason)
        _tell(tx, intent, now, to.value, f": {stop.reason}")
        if stop.gone:
            intent.settled_at = now
            self.recipe.lost(tx, case, intent, None)
        else:
            if stop.waive is not None:
                # Let pass by whoever approves it, not by our having asked.
                intent.draft = {**intent.draft, SEEN: stop.waive}
            self.recipe.waits(tx, case, intent, stop.reason)
        cards.show(tx, self.world, case)

    def _load(self, tx: Session) -> tuple[Intent, Case]:
        until = self.world.clock.now() + self.world.timing.lease
        leases.guard(tx, self.lease, until)
        case = cases.lock(tx, self.lease.key.removeprefix("case:"))
        return tx.get_one(Intent, self.intent_id), case

    @staticmethod
    def _wait_again(intent: Intent) -> timedelta:
        """A vendor that fails on every write is not written to every few seconds."""
        return backoff.doubling(intent.unclear) - timedelta(seconds=2)

    @staticmethod
    def _wait(intent: Intent, error: VendorError) -> timedelta:
        """The vendor's own wait where it gave one, else a doubling one; never quite the same twice."""
        spread = random.uniform(1.0, 1.25)  # noqa: S311 - spreads load, hides nothing
        return min(backoff.after(error, intent.attempts, LONGEST_WAIT) * spread, LONGEST_ASKED)


def _tell(tx: Session, intent: Intent, at: datetime, kind: str, said: str) -> None:
    casefile.tell(tx, intent.case_id, at, kind, f"{intents.named(intent)}{said}", intent=intent.id)


def _is_told(intent: Intent) -> bool:
    """Whether this try is in the case's file: a vendor that is down for a day must not fill it."""
    return intent.attempts <= TOLD_TRIES or intent.attempts % TOLD_TRIES == 0


def _count(tx: Session, intent: Intent, error: VendorError) -> None:
    counting.note(tx, "bridge_vendor_errors_total", lane=intent.lane, error=type(error).__name__)
