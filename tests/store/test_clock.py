"""The clock that all processes of an installation share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.store.clock import SharedClock
from bridge.store.database import Database

HALF_A_MINUTE = timedelta(seconds=30)


class Machine:
    """A machine's clock that is wrong; ``slow`` makes each look at it later than the one before."""

    def __init__(self, by: timedelta, slow: timedelta = timedelta(0)) -> None:
        self.by, self.slow = by, slow

    def now(self) -> datetime:
        self.by += self.slow
        return datetime.now(UTC) + self.by


def is_right(clock: SharedClock) -> bool:
    return abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2)


@pytest.mark.parametrize("by", [HALF_A_MINUTE, -HALF_A_MINUTE])
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_machine_whose_clock_is_wrong_goes_by_the_servers(either: Database, by: timedelta):
    """And again when its clock was set meanwhile."""
    machine = Machine(by)
    clock = SharedClock(either, machine)
    assert not is_right(clock)
    clock.set()
    assert is_right(clock)
    machine.by = timedelta(0)
    clock.set()
    assert is_right(clock)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_an_answer_that_took_long_replaces_nothing_that_is_known(either: Database):
    """When in that time the server looked, nobody can tell; at first it is better than nothing."""
    machine = Machine(HALF_A_MINUTE)
    clock = SharedClock(either, machine)
    clock.set()
    machine.slow = timedelta(seconds=20)
    clock.set()
    machine.by, machine.slow = HALF_A_MINUTE, timedelta(0)
    assert is_right(clock)


def test_an_embedded_database_has_the_machines_clock(database: Database):
    """One process on one machine: there is no other."""
    clock = SharedClock(database, Machine(HALF_A_MINUTE))
    clock.set()
    assert not is_right(clock)
