"""Which mapping serves: one switch at a time, whoever asks for it."""

from __future__ import annotations

import threading
import time

import pytest

from bridge.store import ids, versions
from bridge.store.database import Database
from tests.postgres import Postgres
from tests.store.conftest import NOON


@pytest.fixture
def shared(postgres: Postgres):
    database = Database(postgres.migrated_database())
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


def test_the_latest_switch_is_the_one_that_was_made_last(database: Database, monkeypatch: pytest.MonkeyPatch):
    """The clock of the machine that made the one before it was half a minute ahead."""
    now = time.time_ns()
    with database.write() as tx:
        versions.serve(tx, "first", {}, NOON, "git")
    monkeypatch.setattr(ids.time, "time_ns", lambda: now + 30 * 10**9)
    with database.write() as tx:
        versions.serve(tx, "good", {}, NOON, "git")
    monkeypatch.setattr(ids.time, "time_ns", lambda: now)
    monkeypatch.setattr(ids, "_last", 0)  # another process
    with database.write() as tx:
        versions.serve(tx, "bad", {}, NOON, "git", trial=True)

    with database.read() as tx:
        assert [switch.version for switch in versions.switches(tx, 9)] == ["bad", "good", "first"]
        on_trial = versions.on_trial(tx)
    assert on_trial is not None
    assert (on_trial[0].version, on_trial[1]) == ("bad", "good")
