"""A delivery that fails is tried again, until somebody has taken it in."""

from __future__ import annotations

from datetime import timedelta

from bridge.flows import take_in
from bridge.store import deliveries
from bridge.store.tables import Delivery
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
