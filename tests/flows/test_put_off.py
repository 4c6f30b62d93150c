"""What fails is tried again, later each time; a delivery until somebody has taken it in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.flows import failed, take_in
from bridge.store import deliveries
from bridge.store.tables import Case, Cursor, Delivery, Event, Message
from tests.flows.alone import Engine
from tests.store.conftest import NOON, add_delivery


def delivery(engine: Engine) -> str:
    with engine.database.write() as tx:
        return add_delivery(tx)


def read(engine: Engine, row: str) -> Delivery:
    with engine.database.read() as tx:
        return tx.get_one(Delivery, row)


def test_what_somebody_else_has_taken_in_has_not_failed(engine: Engine):
    """Two workers had it: one failed after the other was done."""
    row = delivery(engine)
    with engine.database.write() as tx:
        deliveries.settle(tx, row, "done", NOON)
    for _ in range(take_in.TRIES):
        take_in.put_off(engine.world, row, "the vendor was away")
    assert (read(engine, row).state, read(engine, row).reason) == ("done", None)


def test_what_fails_is_tried_less_and_less_often_and_then_waits_for_a_person(engine: Engine):
    """Never at once, and never for ever."""
    row = delivery(engine)
    waits = []
    for _ in range(take_in.TRIES):
        assert read(engine, row).state == "received"
        take_in.put_off(engine.world, row, "the vendor was away")
        waits.append(read(engine, row).due_at - NOON)
    assert waits == [timedelta(seconds=2**n) for n in range(1, take_in.TRIES + 1)]
    assert read(engine, row).state == "failed"


def test_a_case_that_meets_an_error_of_ours_waits_longer_each_time_and_its_file_says_so(engine: Engine):
    """The thread that met it is free for the others."""
    with engine.database.read() as tx:
        key = tx.query(Case).one().id
    waits = []
    for _ in range(11):
        failed.put_off(engine.world, "work", key)
        with engine.database.read() as tx:
            waits.append((tx.get_one(Case, key).due_at - NOON).total_seconds())
            said = [event.text for event in tx.query(Event).where(Event.kind == "error")]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert said == [failed.UNEXPECTED] * 11


@pytest.mark.parametrize("flow", ["poll", "reconcile", "astray"])
def test_what_has_a_cursor_says_there_that_it_does_not_work(engine: Engine, flow: str):
    """`/readyz` reads it."""
    with engine.database.write() as tx:
        tx.add(Cursor(key="it", due_at=NOON, failures=0))
    failed.put_off(engine.world, flow, "it")
    with engine.database.read() as tx:
        cursor = tx.get_one(Cursor, "it")
        assert (cursor.failures, cursor.reason) == (1, failed.UNEXPECTED)
        assert cursor.due_at - NOON == timedelta(seconds=2)


@pytest.mark.parametrize("flow", ["work", "poll", "consider", "take_in", "sweep"])
def test_what_is_not_there_any_more_is_not_put_off(engine: Engine, flow: str):
    """It was erased meanwhile, or the flow has no row of its own."""
    failed.put_off(engine.world, flow, "nobody")
    with engine.database.read() as tx:
        assert [tx.query(row).count() for row in (Cursor, Delivery, Message)] == [0, 0, 0]
