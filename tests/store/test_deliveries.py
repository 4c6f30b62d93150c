"""Deliveries: an id, its bytes, and what is news under an id that is known."""

from __future__ import annotations

import pytest

from bridge.store import deliveries
from bridge.store.database import Database
from bridge.store.tables import Delivery
from tests.store.conftest import NOON

PLACE = {"installation": "bridge", "source": "standard", "account": "kopi-plaza", "delivery_id": "one"}


def told(database: Database, body: bytes, **given: object) -> bool:
    with database.write() as tx:
        return deliveries.record(tx, **{**PLACE, "body": body, "at": NOON, **given}) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("state", ["failed", "unreadable"])
def test_other_bytes_for_what_nobody_understood_are_news(either: Database, state: str, by_id: bool):
    """By webhook, and in a relay's list."""
    assert told(either, b"[", state=state)
    assert [told(either, body, by_id=by_id) for body in (b"[", b"[1]", b"[1]")] == [False, True, False]


@pytest.mark.parametrize(("by_id", "news"), [(False, True), (True, False)])
def test_other_bytes_for_what_was_understood_are_news_unless_the_id_says_it(
    either: Database, by_id: bool, news: bool
):
    """A list tells of the same post again whenever somebody likes it."""
    assert told(either, b'{"likes": 1}', state="done")
    assert told(either, b'{"likes": 2}', by_id=by_id) is news


def test_what_was_erased_does_not_come_back(either: Database):
    """Its bytes are gone, so nothing can be told from them."""
    assert told(either, b"words of somebody")
    with either.write() as tx:
        tx.query(Delivery).one().body = None
    assert not told(either, b"words of somebody")


def test_a_delivery_is_found_by_its_bytes(either: Database):
    """And by its id alone where no such bytes are there."""
    assert told(either, b"first")
    assert told(either, b"second")
    with either.read() as tx:
        found = [deliveries.find(tx, *PLACE.values(), body).body for body in (b"first", b"second", b"third")]
    assert found == [b"first", b"second", b"first"]
