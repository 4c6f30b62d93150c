"""Deliveries that come at once share a commit, and nobody is answered before it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bridge.app import Bridge
from bridge.errors import StoreBusyError
from bridge.intake.recorder import Recorder
from bridge.store import deliveries
from bridge.store.database import Database
from tests.disk import pragma
from tests.intake.knocking import stored
from tests.running import eventually

AT_ONCE = 8


@pytest.fixture
def recorder(bridge: Bridge) -> Recorder:
    return Recorder(bridge.world.database)


@pytest.fixture
def commits(bridge: Bridge) -> list[int]:
    """Grows by the number of rows that anybody else can see, at each commit."""
    seen: list[int] = []

    @event.listens_for(bridge.world.database.engine, "commit")
    def count(_connection: Any) -> None:
        seen.append(1)

    return seen


def delivery(bridge: Bridge, number: int, **changes: Any) -> dict[str, Any]:
    given = {
        "installation": "bridge",
        "source": "standard",
        "account": "kopi-plaza",
        "delivery_id": f"msg_{number}",
        "body": b"{}",
        "at": bridge.world.clock.now(),
    }
    return given | changes


@contextmanager
def somebody_holds_the_connection(bridge: Bridge) -> Iterator[None]:
    """A flow is in the middle of its transaction."""
    with bridge.world.database.read():
        yield


def bring(
    bridge: Bridge,
    recorder: Recorder,
    deliveries: list[dict[str, Any]],
    then: Callable[[], None] = lambda: None,
) -> list[Future[str | None]]:
    """Bring all of them while the database is taken; let go once each waits, and give what became of each."""
    with ThreadPoolExecutor(len(deliveries)) as pool, somebody_holds_the_connection(bridge):
        results = [pool.submit(recorder.record, **one) for one in deliveries]
        eventually(lambda: len(recorder._waiting) == len(deliveries), what="all of them wait")
        then()
    return results


def test_those_that_wait_share_one_commit(bridge, recorder, commits):
    """Eight requests and one commit; each has a row of its own."""
    results = bring(bridge, recorder, [delivery(bridge, number) for number in range(AT_ONCE)])

    assert {result.result() for result in results} == {row.id for row in stored(bridge)}
    assert AT_ONCE == len(stored(bridge))
    assert 1 == len(commits)


def test_nobody_is_answered_before_it_is_durable(bridge, recorder):
    """What `record` has returned is in the file, for every other process to see."""

    def record_and_look(number: int) -> bool:
        row = recorder.record(**delivery(bridge, number))
        with closing(sqlite3.connect(bridge.world.database.file)) as mine:
            return bool(mine.execute("SELECT 1 FROM deliveries WHERE id = ?", (row,)).fetchone())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert all(pool.map(record_and_look, range(60)))
    assert 60 == len(stored(bridge))


def test_the_same_delivery_in_one_commit_is_new_once(bridge, recorder):
    """A sender that repeats itself at once: one row, and one of them is told that it was new."""
    results = bring(bridge, recorder, [delivery(bridge, 1) for _ in range(AT_ONCE)])

    rows = [result.result() for result in results if result.result() is not None]
    assert rows == [row.id for row in stored(bridge)]
    assert 1 == len(rows)


def test_what_shares_a_commit_is_written_in_one_order(bridge, recorder, monkeypatch):
    """However it came: two processes with the same deliveries would else wait for each other."""
    written, record = [], deliveries.record

    def note(tx: Session, **given: Any) -> str | None:
        written.append(given["delivery_id"])
        return record(tx, **given)

    monkeypatch.setattr(deliveries, "record", note)
    bring(bridge, recorder, [delivery(bridge, number) for number in reversed(range(AT_ONCE))])
    assert written == [f"msg_{number}" for number in range(AT_ONCE)]


def test_a_delivery_that_cannot_be_stored_takes_no_other_with_it(bridge, recorder):
    """Whatever is wrong with it, it fails alone."""
    brought = [delivery(bridge, number) for number in range(3)] + [delivery(bridge, 9, state=None)]
    *good, bad = bring(bridge, recorder, brought)

    assert all(result.result() for result in good)
    assert isinstance(bad.exception(), IntegrityError)
    assert ["msg_0", "msg_1", "msg_2"] == sorted(row.delivery_id for row in stored(bridge))


def test_when_nothing_can_be_written_each_is_told_so(bridge, recorder):
    """Another process holds the file: none is stored, none hangs, and the next one is taken."""
    pragma(bridge.world.database, "busy_timeout=50")
    other = sqlite3.connect(bridge.world.database.file, isolation_level=None)

    brought = [delivery(bridge, number) for number in range(AT_ONCE)]
    results = bring(bridge, recorder, brought, then=lambda: other.execute("BEGIN EXCLUSIVE"))
    assert [StoreBusyError] * AT_ONCE == [type(result.exception()) for result in results]
    assert len({id(result.exception()) for result in results}) == AT_ONCE
    other.close()
    assert [] == stored(bridge)

    assert recorder.record(**delivery(bridge, 1))


def test_what_nobody_expected_before_the_database_was_ours_stops_nobody(bridge, recorder, monkeypatch):
    """The file is no database any more, say, or a fault of ours: whoever comes next is not kept waiting."""
    write, tries = Database.write, []

    def fail(database: Database, **given: Any) -> AbstractContextManager[Session]:
        tries.append(1)
        if len(tries) <= 2:
            raise RuntimeError("nobody expected this")
        return write(database, **given)

    monkeypatch.setattr(Database, "write", fail)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(recorder.record, **delivery(bridge, 1))
        assert isinstance(first.exception(timeout=10), RuntimeError)
        second = pool.submit(recorder.record, **delivery(bridge, 2))
        try:
            assert second.result(timeout=10)
        finally:
            for one in recorder._waiting[1:]:  # or the test would never end where it fails
                one.turn.release()
    assert ["msg_2"] == [row.delivery_id for row in stored(bridge)]


def test_who_comes_too_late_for_a_commit_has_the_next(bridge, recorder):
    """Brought while the leader is at the disk: one of them leads on, and nobody is forgotten."""
    late: list[Future[str | None]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:

        @event.listens_for(bridge.world.database.engine, "commit", once=True)
        def bring_more(_connection: Any) -> None:
            late.extend(pool.submit(recorder.record, **delivery(bridge, number)) for number in (1, 2, 3))
            eventually(lambda: len(recorder._waiting) == 3, what="they wait")

        assert recorder.record(**delivery(bridge, 0))
        assert all(result.result(timeout=10) for result in late)
    assert 4 == len(stored(bridge))


def test_the_door_goes_past_flows_that_wait_for_the_database(bridge, recorder):
    """Dozens of flows want it, one after the other: whoever waits for an answer waits for two at most."""
    database = bridge.world.database
    turns: list[str] = []
    waiting: list[int] = []

    @event.listens_for(database.engine, "commit")
    def tell(_connection: Any) -> None:
        # While the connection is held: what a thread writes down afterwards may be late.
        turns.append(threading.current_thread().name)

    def flow(number: int) -> None:
        threading.current_thread().name = "flow"
        waiting.append(number)
        with database.write() as tx:
            tx.connection()
            time.sleep(0.003)

    def knock() -> None:
        threading.current_thread().name = "door"
        recorder.record(**delivery(bridge, 1))

    with ThreadPoolExecutor(31) as pool:
        with database.write() as tx:
            tx.connection()
            done = [pool.submit(flow, number) for number in range(30)]
            eventually(lambda: len(waiting) == 30, what="the flows are there")
            door = pool.submit(knock)
            eventually(lambda: recorder._waiting, what="the door is, too")
            time.sleep(0.8)  # from there to the database it is a few lines
        assert all(one.result() is None for one in [door, *done])
    assert turns.index("door") <= 4, turns
