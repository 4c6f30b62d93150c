"""The desk says "look there", and says it again."""

from __future__ import annotations

import pytest

from bridge.app import Bridge
from bridge.store import deliveries
from bridge.store.tables import Delivery


@pytest.fixture
def woken(bridge: Bridge) -> list[str]:
    found: list[str] = []
    bridge.door.wake = lambda _flow, key: found.append(key)
    return found


def test_the_same_hint_again_is_looked_at_again(bridge: Bridge, woken: list[str]):
    """Two updates within a second are the same bytes with the same time: the second is news all the same."""
    assert bridge.door.hint("zendesk", "1", b"{}")
    with bridge.world.database.write() as tx:
        assert deliveries.settle(tx, woken[0], "done", bridge.door.clock.now())
    assert not bridge.door.hint("zendesk", "1", b"{}")
    with bridge.world.database.read() as tx:
        [row] = tx.query(Delivery)
        assert (row.id, row.state) == (woken[0], "received")
        assert row.due_at <= bridge.door.clock.now()
    assert woken == [row.id, row.id]


def test_what_is_no_hint_is_taken_in_once(bridge: Bridge, woken: list[str]):
    """A network's or a press's delivery that comes again is no news."""
    given = ("standard", "kopi-plaza", "1", b"{}")
    assert bridge.door.record(*given)
    with bridge.world.database.write() as tx:
        deliveries.settle(tx, woken[0], "done", bridge.door.clock.now())
    assert not bridge.door.record(*given)
    with bridge.world.database.read() as tx:
        assert [row.state for row in tx.query(Delivery)] == ["done"]
    assert len(woken) == 1
