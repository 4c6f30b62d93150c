"""How many flows talk to one vendor at once, and how often one that fails is asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.ports import Clock
from bridge.errors import VendorBusyError, VendorError, VendorUnclearError
from bridge.flows import backoff
from bridge.store.clock import SystemClock

CROWDED = timedelta(milliseconds=500)  # where there is no room for a moment
# Those who were turned away come again one after the other: so many of them that the vendor has something
# to do, and so few that what waits for other lanes is found between them.
APART = timedelta(milliseconds=20)
LONGEST_QUEUE = timedelta(minutes=10)
# A vendor that failed so often, with nothing done in between, is asked by one at a time, later each time.
# One case that fails again and again says nothing of the others: it waits by itself.
SICK = 5
LONGEST_REST = timedelta(seconds=30)


@dataclass(slots=True)
class _Lane:
    taken: int = 0
    failures: int = 0  # in a row, each of another case than the one before
    failed_for: str = ""
    rests_until: datetime | None = None
    queued_until: datetime | None = None  # when the last of those who were turned away comes again


class Slots:
    """Shared by the threads of a process: an outage must not take all of them, nor all of their time."""

    def __init__(self, each: int, clock: Clock | None = None) -> None:
        """*each*: calls of one lane at once. Without a *clock*, the machine's."""
        self._each = each
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}

    def has_room(self, lane: str) -> bool:
        """Whether `take` would find room now. Only `take` can promise it."""
        with self._lock:
            return self._has_room(self._lane(lane))

    def take(self, lane: str) -> bool:
        """Whether there was room; then `give` it back."""
        with self._lock:
            found = self._lane(lane)
            if not self._has_room(found):
                return False
            found.taken += 1
            return True

    def give(self, lane: str) -> None:
        with self._lock:
            self._lane(lane).taken -= 1

    def heard(self, lane: str, case: str, error: VendorError | None) -> None:
        """What came of a call for *case*: only a vendor that is busy, or does not answer, has failed."""
        with self._lock:
            found = self._lane(lane)
            if not isinstance(error, VendorBusyError | VendorUnclearError):
                found.failures, found.failed_for, found.rests_until = 0, "", None
                return
            if found.failed_for == case:
                return
            found.failures, found.failed_for = found.failures + 1, case
            if found.failures >= SICK:
                rest = backoff.after(error, found.failures - SICK, LONGEST_REST)
                found.rests_until = self._clock.now() + min(rest, LONGEST_REST)

    def next_turn(self, lane: str, earliest: datetime | None = None) -> datetime:
        """When somebody for whom there is no room now may ask again, not before *earliest*.

        Each who asks gets a later time.
        """
        with self._lock:
            found, now = self._lane(lane), self._clock.now()
            first = max(now + CROWDED, earliest or now, self._rest_ends(found, now))
            after = found.queued_until + APART if found.queued_until is not None else first
            found.queued_until = min(max(first, after), first + LONGEST_QUEUE)  # clocks are put back
            return found.queued_until

    def _lane(self, name: str) -> _Lane:
        return self._lanes.setdefault(name, _Lane())

    def _has_room(self, lane: _Lane) -> bool:
        if lane.failures < SICK:
            return lane.taken < self._each
        now = self._clock.now()
        return lane.taken == 0 and self._rest_ends(lane, now) <= now

    @staticmethod
    def _rest_ends(lane: _Lane, now: datetime) -> datetime:
        # Longer than any rest: the clock was put back since it began.
        if lane.rests_until is None or lane.rests_until > now + LONGEST_REST:
            return now
        return lane.rests_until
