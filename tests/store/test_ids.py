"""Ids: UUIDs that sort by the time they were made."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from bridge.store import ids
from bridge.store.ids import made_at, new_id


@pytest.fixture(autouse=True)
def counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of these tests are ahead: no other test's ids must have to follow theirs."""
    monkeypatch.setattr(ids, "_last", ids._last)


def test_an_id_is_a_uuid_of_version_7():
    """RFC 9562: the version, the variant, and the time to the millisecond."""
    before = datetime.now(UTC)
    made = new_id()
    read = uuid.UUID(made)
    assert (str(read), read.version, read.variant) == (made, 7, uuid.RFC_4122)
    assert abs(made_at(made) - before) < timedelta(seconds=5)


def test_ids_sort_as_they_were_made_whatever_the_clock_does():
    """Many in one millisecond, and after a clock that was put back."""
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as clock:
        made = [new_id() for _ in range(5_000)]
        clock.shift(timedelta(hours=-1))
        made += [new_id() for _ in range(10)]
    assert made == sorted(set(made))


def test_an_id_sorts_behind_one_that_another_machine_made():
    """Its clock may be ahead; what comes next without it need not follow."""
    ahead = "ffff0000-0000-7fff-bfff-ffffffffffff"
    assert new_id(after=ahead) > ahead
    assert new_id() < ahead


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_processes_that_were_one_make_different_ids():
    """A fork has the same memory, and must not have the same dice."""
    with time_machine.travel(datetime(2031, 1, 1, tzinfo=UTC), tick=False):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, new_id().encode())
            os._exit(0)
        os.waitpid(child, 0)
        ends = [new_id(), os.read(reading, 36).decode()]
    os.close(reading)
    os.close(writing)
    # Made at the same moment by the same counter.
    assert ends[0][:18] == ends[1][:18]
    assert ends[0] != ends[1]
