"""A hint about a ticket that no row knows yet: an agent was faster than our record of the desk's answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from bridge.flows import astray
from bridge.flows.slots import Slots
from bridge.flows.take_in import put_off, take_in
from bridge.sandbox import Sandbox
from bridge.store import deliveries, intents
from bridge.store.tables import Case, Cursor, Delivery, TicketRow
from tests.running import InProcess, eventually
from tests.store.conftest import add_delivery
from tests.stories.seen import Ahead, quiet, the_ticket

A_MINUTE = timedelta(minutes=1)
HINT = b'{"schema": 1, "event": "commented", "ticket_id": "4711"}'


@pytest.fixture
def clock(running: InProcess) -> Ahead:
    """The clock of a bridge whose flows only a test runs."""
    running.bridge.engine.stop()
    clock = Ahead()
    clock.rule(running)
    return clock


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some ticket is being opened, all the time."""
    monkeypatch.setattr(intents, "some_ticket_opens", lambda _tx: True)


def heard(running: InProcess) -> str:
    """A hint is written down."""
    with running.database.write() as tx:
        return add_delivery(tx, body=HINT, at=running.bridge.world.clock.now())


def looked_at(running: InProcess, key: str) -> Delivery:
    """The delivery, after another look."""
    take_in(running.bridge.world, Slots(1), key)
    with running.database.read() as tx:
        return tx.get_one(Delivery, key)


def test_it_waits_for_a_minute_however_often_it_is_looked_at(running: InProcess, clock: Ahead, opening: None):
    """Each look puts it off by a second; what ends the wait is the time."""
    key = heard(running)
    for _ in range(70):
        assert looked_at(running, key).state == "received"
    with running.database.read() as tx:
        assert deliveries.some_are_tried_again(tx)
    clock.by += A_MINUTE
    assert looked_at(running, key).reason == "ticket 4711 is none of ours"
    with running.database.read() as tx:
        assert not deliveries.some_are_tried_again(tx)


def test_it_waits_for_a_moment_where_no_ticket_is_being_opened(running: InProcess, clock: Ahead):
    """The answer may be written down in between."""
    key = heard(running)
    assert looked_at(running, key).state == "received"
    clock.by += timedelta(seconds=1)
    assert looked_at(running, key).state == "done"


def test_waiting_is_no_failure(running: InProcess, clock: Ahead, opening: None):
    """Many looks, and then an error: it is tried again soon, and as often as any other."""
    key = heard(running)
    for _ in range(40):
        clock.by += timedelta(seconds=1)
        looked_at(running, key)
    put_off(running.bridge.world, key, "an error")
    with running.database.read() as tx:
        delivery = tx.get_one(Delivery, key)
    assert (delivery.state, delivery.attempts) == ("received", 1)
    assert delivery.due_at <= clock.now() + timedelta(seconds=2)


def test_what_has_failed_very_often_fails_for_good(running: InProcess, clock: Ahead):
    """An earlier version counted its waits there: any number must do."""
    key = heard(running)
    with running.database.write() as tx:
        tx.get_one(Delivery, key).attempts = 59
    put_off(running.bridge.world, key, "an error")
    with running.database.read() as tx:
        assert tx.get_one(Delivery, key).state == "failed"


def test_a_ticket_that_becomes_known_after_all_is_read(sandbox: Sandbox, running: InProcess):
    """The bridge was down for long: the wait is over at once, and the number is known a moment later."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.wait_idle() and quiet(running), what="a quiet moment")
    running.bridge.engine.stop()
    world = running.bridge.world
    with running.database.write() as tx:
        key = astray.notice(tx, world, str(ticket.id))
        before = tx.scalars(select(TicketRow)).one().hinted_at

    astray.look(world, key)
    with running.database.read() as tx:
        row, case = tx.scalars(select(TicketRow)).one(), tx.scalars(select(Case)).one()
        assert tx.get(Cursor, key) is None
    assert row.hinted_at is not None
    assert before is None or row.hinted_at > before
    assert case.due_at is not None
