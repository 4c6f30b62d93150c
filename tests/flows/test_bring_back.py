"""A clock that was ahead for a moment: what it put off comes back, and nothing else is touched."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.intent import IntentState
from bridge.flows import sweep
from bridge.store import lanes, leases
from bridge.store.tables import Case, Delivery, Intent, Lane, LeaseRow, Message
from tests.flows.alone import Engine
from tests.store.conftest import NOON, add_delivery

FAR = NOON + timedelta(days=365)


def bring_back(engine: Engine) -> None:
    with engine.database.write() as tx:
        sweep._bring_back(tx, engine.world, engine.clock.now())


def test_a_lease_of_a_clock_that_was_ahead_ends(engine: Engine):
    """Its holder stands still: nobody else would touch the case until the year that it showed."""
    with engine.database.write() as tx:
        leases.take(tx, "case:1", engine.world.presence, FAR, engine.world.timing.lease)
    bring_back(engine)
    with engine.database.read() as tx:
        assert tx.get_one(LeaseRow, "case:1").until < NOON + timedelta(hours=2)


def test_what_came_in_under_a_clock_that_was_ahead_is_taken_in_now(engine: Engine):
    """A delivery that was tried then, and a message that was heard then."""
    with engine.database.write() as tx:
        row = add_delivery(tx, at=FAR)
        tx.add(
            Message(
                id="message-1",
                installation="bridge",
                network="standard",
                global_id="post-1",
                received_at=FAR,
                due_at=FAR,
            )
        )
    bring_back(engine)
    with engine.database.read() as tx:
        assert tx.get_one(Delivery, row).due_at == NOON
        assert tx.get_one(Message, "message-1").due_at == NOON


def test_a_call_of_a_clock_that_was_ahead_is_looked_for_in_its_own_time(engine: Engine):
    """When it was sent, and when it ended, cannot be later than now."""
    wished = engine.wish(
        state=IntentState.SENDING, sender="another", sent_at=FAR, over_at=FAR, due_at=FAR, first_sent_at=FAR
    )
    bring_back(engine)
    brought = engine.intent(wished)
    assert (brought.due_at, brought.sent_at, brought.over_at) == (NOON, NOON, NOON)
    with engine.database.read() as tx:
        assert tx.get_one(Case, engine.case).due_at == NOON


def test_when_a_call_was_made_stays_when_only_its_wait_was_wrong(engine: Engine):
    """Else a call would seem younger than it is, or one that has no end would seem to have one."""
    sent = NOON - timedelta(minutes=1)
    wished = engine.wish(state=IntentState.SENDING, sender="another", sent_at=sent, over_at=None, due_at=FAR)
    bring_back(engine)
    assert (engine.intent(wished).sent_at, engine.intent(wished).over_at) == (sent, None)


def test_what_waits_as_long_as_things_may_wait_is_left_alone(engine: Engine):
    """A vendor asked for an hour, a person has not decided, and somebody paused everything."""
    asked = engine.wish(due_at=NOON + timedelta(hours=1))
    held = engine.wish(cause="update:2", state=IntentState.HELD, due_at=FAR)
    with engine.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", NOON)
        lanes.park(tx, "desk", "answered 401", "the vendor's answer", FAR, timedelta(minutes=1))
    bring_back(engine)
    assert engine.intent(asked).due_at == NOON + timedelta(hours=1)
    with engine.database.read() as tx:
        assert tx.get_one(Intent, held).due_at == FAR
        assert tx.get_one(Lane, lanes.PUBLIC).until is None
        until = tx.get_one(Lane, "desk").until
    assert until is not None
    assert until <= NOON + timedelta(minutes=1)
