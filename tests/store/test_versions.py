"""Which mapping serves: one switch at a time, whoever asks for it."""

from __future__ import annotations

import threading

import pytest

from bridge.store import versions
from bridge.store.database import Database
from tests.postgres import Postgres
from tests.store.conftest import NOON


@pytest.fixture
def shared(postgres: Postgres):
    database = Database(postgres.new_database())
    database.migrate()
    yield database
    database.close()


def undo(database: Database) -> bool:
    with database.write() as tx:
        return versions.serve(tx, "good", {}, NOON, "the canary", undone="why", instead_of="bad")


def test_two_workers_that_undo_the_same_edit_undo_it_once(shared: Database):
    """The second waits for the first, and finds it done; what came after is nothing to undo."""
    for version in ("good", "bad"):
        with shared.write() as tx:
            versions.serve(tx, version, {}, NOON, "git")
    second: list[bool] = []
    with shared.write() as tx:
        assert versions.serve(tx, "good", {}, NOON, "the canary", undone="why", instead_of="bad")
        other = threading.Thread(target=lambda: second.append(undo(shared)))
        other.start()
        other.join(0.3)
        assert other.is_alive()
    other.join(10)

    assert second == [False]
    with shared.read() as tx:
        assert versions.undone(tx) == ("bad", "why")
        assert len(versions.switches(tx, 10)) == 3
