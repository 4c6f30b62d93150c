"""Lanes that are parked and opened at the same moment on PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import event

from bridge.store import lanes
from bridge.store.database import Database
from tests.postgres import meanwhile, somebody_waits
from tests.running import eventually
from tests.store.conftest import NOON

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def paused(either: Database) -> None:
    """Everything public is, by somebody."""
    with either.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", NOON)


def test_a_pause_at_the_moment_of_a_resume_is_no_error(either: Database):
    """What it found parked is opened before it has written: one comes after the other."""
    resumed: list[bool] = []

    def resume() -> None:
        with either.write() as other:
            resumed.append(lanes.resume(other, lanes.PUBLIC))

    thread = threading.Thread(target=resume)

    def and_then_resume(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "INSERT INTO lanes" in statement:
            thread.start()
            eventually(lambda: somebody_waits(either) or not thread.is_alive())

    event.listen(either.engine, "after_cursor_execute", and_then_resume)
    with either.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a flood", "dewi", NOON)
        assert lanes.parked(tx, NOON)[lanes.PUBLIC].reason == "a flood"
    thread.join()
    assert resumed == [True]
    with either.read() as tx:
        assert lanes.parked(tx, NOON) == {}


def test_of_two_who_resume_at_once_one_has_done_it(either: Database):
    """The other finds nothing paused."""
    second: list[bool] = []

    def resume() -> None:
        with either.write() as other:
            second.append(lanes.resume(other, lanes.PUBLIC))

    with either.write() as tx:
        assert lanes.resume(tx, lanes.PUBLIC)
        with meanwhile(either, resume):
            tx.commit()
    assert second == [False]
