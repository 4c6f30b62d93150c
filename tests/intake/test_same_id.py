"""One id and other bytes: what a sender mends, or says under an id that it gave before, is not lost."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from bridge.app import Bridge
from bridge.store.tables import Delivery
from tests.intake.knocking import STANDARD, ZENDESK, created, hint


def bodies(bridge: Bridge) -> dict[bytes | None, str]:
    """What is written down, and what is thought of it."""
    with bridge.world.database.read() as tx:
        return {row.body: row.state for row in tx.query(Delivery)}


@pytest.mark.parametrize(
    "bad", [created()[:-7], created(created_at="yesterday")], ids=["cut short", "a time"]
)
def test_what_was_refused_and_is_mended_under_its_id_is_taken(
    bridge: Bridge, client: FlaskClient, bad: bytes
):
    """The sender was told 400, mended it, and sent it again with the same id, as it was told to."""
    assert STANDARD.knock(client, bad).status_code == 400
    assert STANDARD.knock(client, created()).status_code == 202
    assert bodies(bridge) == {bad: "unreadable", created(): "received"}
    assert STANDARD.knock(client, created()).status_code == 200
    assert len(bodies(bridge)) == 2


def test_two_posts_under_one_id_are_two(bridge: Bridge, client: FlaskClient):
    """A sender that counts badly costs nobody their complaint."""
    for author in ("dewi", "budi"):
        body = created(id=f"post-of-{author}", author={"id": author})
        assert STANDARD.knock(client, body).status_code == 202
    assert len(bodies(bridge)) == 2


def test_the_longest_id_has_room_for_two(bridge: Bridge):
    """Whatever a sender calls it."""
    given = ("standard", "kopi-plaza", "x" * 10_000)
    assert [bridge.door.record(*given, body) for body in (b"{}", b"[]", b"[]")] == [True, True, False]


def test_two_hints_under_one_id_are_both_looked_at(bridge: Bridge, client: FlaskClient):
    """And the one that comes again is looked at again, not the other."""
    woken: list[str] = []
    bridge.door.wake = lambda _flow, key: woken.append(key)
    first, second = hint(), hint(ticket_id="8")
    assert [ZENDESK.knock(client, body).status_code for body in (first, second, second)] == [202, 202, 200]
    with bridge.world.database.read() as tx:
        looked_at = [tx.get_one(Delivery, key).body for key in woken]
    assert looked_at == [first, second, second]


def test_a_press_that_is_told_of_again_in_other_words_is_one(bridge: Bridge):
    """Its id is made of the press itself; nobody pressed twice."""
    given = {"state": "received", "by_id": True}
    assert bridge.door.record("slack", "", "press-1", b'{"url": 1}', **given)
    assert not bridge.door.record("slack", "", "press-1", b'{"url": 2}', **given)
