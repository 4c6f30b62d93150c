"""A vendor that is sick is asked by one at a time, and what waits for it keeps nothing else waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.core.intent import Effect
from bridge.errors import VendorBusyError, VendorError, VendorRefusedError, VendorUnclearError
from bridge.flows.ledger import TOLD_TRIES
from bridge.flows.slots import APART, CROWDED, LONGEST_QUEUE, LONGEST_REST, SICK, Slots
from bridge.flows.work import work
from bridge.store import casefile
from tests.flows.alone import LANE, Engine, Standing

SECOND = timedelta(seconds=1)
DOWN = VendorBusyError("desk", "open ticket", status=503)
NO_ANSWER = VendorUnclearError("desk", "open ticket", "no answer")


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def slots(clock: Standing) -> Slots:
    return Slots(4, clock)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    built = Engine(tmp_path, monkeypatch)
    yield built
    built.close()


def fail(slots: Slots, times: int, error: VendorError = DOWN) -> None:
    for number in range(times):
        slots.heard("desk", f"case-{number}", error)


@pytest.mark.parametrize("error", [DOWN, NO_ANSWER], ids=["busy", "no answer"])
def test_a_vendor_that_fails_for_one_case_after_the_other_is_left_alone_for_a_while(
    slots: Slots, clock: Standing, error: VendorError
):
    """Then one asks; the others wait for what comes of it."""
    fail(slots, SICK - 1, error)
    assert slots.take("desk")
    slots.give("desk")
    slots.heard("desk", "case-9", error)
    assert not slots.has_room("desk")
    assert not slots.take("desk")
    assert slots.has_room("team")
    clock.at += 1.1 * SECOND
    assert [slots.take("desk"), slots.take("desk")] == [True, False]
    slots.heard("desk", "case-10", None)
    assert slots.take("desk")


def test_the_rest_gets_longer_up_to_half_a_minute(slots: Slots, clock: Standing):
    """However long the vendor is down: soon after it is back somebody notices."""
    rests = []
    fail(slots, SICK)
    for number in range(8):
        began = clock.at
        while not slots.has_room("desk"):
            clock.at += SECOND / 2
        rests.append((clock.at - began).total_seconds())
        slots.heard("desk", f"probe-{number}", DOWN)
    assert rests == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_the_vendor_asks_for_is_its_rest(slots: Slots, clock: Standing):
    """A rate limit that is over in a moment costs no more than that, and no vendor shuts a lane for long."""
    fail(slots, SICK, VendorBusyError("desk", "open ticket", status=429, retry_after_s=0.2))
    clock.at += 0.3 * SECOND
    assert slots.has_room("desk")
    fail(slots, SICK, VendorBusyError("desk", "open ticket", status=429, retry_after_s=3600))
    clock.at += LONGEST_REST
    assert slots.has_room("desk")


def test_one_case_that_fails_again_and_again_keeps_no_other_waiting(slots: Slots):
    """It is that ticket, not the desk."""
    for _ in range(50):
        slots.heard("desk", "case-1", DOWN)
    assert slots.has_room("desk")


def test_a_vendor_that_says_no_is_well(slots: Slots):
    """It answers."""
    fail(slots, SICK)
    slots.heard("desk", "case-9", VendorRefusedError("desk", "open ticket", "no such group", status=422))
    assert slots.has_room("desk")


def test_a_clock_that_was_ahead_for_a_while_shuts_no_lane(slots: Slots, clock: Standing):
    """The rest began in a time that has not come yet."""
    clock.at += timedelta(days=1)
    fail(slots, SICK)
    clock.at -= timedelta(days=1)
    assert slots.take("desk")
    assert slots.next_turn("desk") == clock.at + CROWDED


def test_those_who_are_turned_away_come_again_one_after_the_other(slots: Slots, clock: Standing):
    """Thousands that wait for one vendor are not all due at once, again and again, before everything else."""
    times = [slots.next_turn("desk") for _ in range(1000)]
    assert times[0] == clock.at + CROWDED
    assert {later - earlier for earlier, later in pairwise(times)} == {APART}
    assert slots.next_turn("team") == clock.at + CROWDED


def test_nobody_is_sent_to_the_end_of_time(slots: Slots, clock: Standing):
    """However many wait, and whatever the clock said before."""
    last = [slots.next_turn("desk") for _ in range(100_000)][-1]
    assert last == clock.at + CROWDED + LONGEST_QUEUE
    clock.at -= timedelta(days=1)
    assert slots.next_turn("desk") == clock.at + CROWDED + LONGEST_QUEUE


def test_who_waits_for_a_lane_comes_when_it_has_rested(slots: Slots, clock: Standing):
    """Not before."""
    fail(slots, SICK + 3)
    assert slots.next_turn("desk") == clock.at + 8 * SECOND
    assert slots.next_turn("desk", clock.at + 60 * SECOND) == clock.at + 60 * SECOND


def test_a_case_of_a_vendor_that_rests_waits_without_a_try(engine: Engine):
    """Neither a call nor a line in its file."""
    slots = Slots(4, engine.clock)
    for number in range(SICK):
        slots.heard(LANE, f"other-{number}", DOWN)
    note = engine.wish(Effect.POST_NOTE)
    work(engine.world, slots, engine.case)
    assert engine.outside.sent == []
    engine.clock.at += 2 * SECOND
    work(engine.world, slots, engine.case)
    assert engine.outside.sent == [note]
    assert slots.has_room(LANE)


def test_a_vendor_that_is_down_for_a_day_does_not_fill_the_file(engine: Engine):
    """The first tries are told, and then one of twenty; the last is told whatever its number."""
    tries = 3 * TOLD_TRIES + 5
    engine.outside.answers = [DOWN] * tries
    note = engine.wish(Effect.POST_NOTE)
    for _ in range(tries + 1):
        engine.work(after=timedelta(minutes=2))
    with engine.database.read() as tx:
        kinds = Counter(line.kind for line in casefile.read(tx, engine.case))
    assert len(engine.outside.sent) == tries + 1
    assert engine.intent(note).attempts == tries + 1
    assert (kinds["sending"], kinds["failed"], kinds["confirmed"]) == (TOLD_TRIES + 2, TOLD_TRIES + 2, 1)
