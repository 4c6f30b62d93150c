"""The store cannot write: senders are told to come again, and lose nothing by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from sqlalchemy.exc import DatabaseError
from werkzeug.test import TestResponse

from bridge.app import Bridge
from bridge.store import deliveries
from bridge.store.database import Database
from tests.disk import pragma
from tests.intake.knocking import HOOKS, STANDARD, ZENDESK, Hook, names, stored


@contextmanager
def another_process_holds_the_lock(bridge: Bridge) -> Iterator[None]:
    pragma(bridge.world.database, "busy_timeout=50")  # the test need not wait as long as the bridge would
    other = sqlite3.connect(bridge.world.database.file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.close()


@contextmanager
def the_file_is_read_only(bridge: Bridge) -> Iterator[None]:
    """SQLite then answers as it does without write permission, which root would have anyway."""
    pragma(bridge.world.database, "query_only=1")
    yield
    pragma(bridge.world.database, "query_only=0")


def is_told_to_come_again(answer: TestResponse) -> None:
    assert 503 == answer.status_code
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert b"" == answer.data


@pytest.mark.parametrize(
    "trouble",
    [another_process_holds_the_lock, the_file_is_read_only],
    ids=lambda trouble: trouble.__name__,
)
@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_503_with_a_wait_and_the_repetition_is_taken(bridge, client, hook: Hook, trouble: Callable):
    """Some senders never repeat a 500, and all of those that we know repeat this."""
    with trouble(bridge):
        is_told_to_come_again(hook.knock(client, hook.good))
    assert [] == stored(bridge)

    assert hook.knock(client, hook.good).status_code in (200, 202)
    assert ["received"] == [row.state for row in stored(bridge)]


@pytest.mark.parametrize("hook", (STANDARD, ZENDESK), ids=("standard", "zendesk"))
def test_a_full_disk_is_503_too(bridge, client, hook: Hook):
    """The lock was free and the row did not fit: nothing of it is left behind."""
    body = hook.good + b" " * 300_000
    with bridge.world.database.read() as tx:
        pages = tx.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
    pragma(bridge.world.database, f"max_page_count={pages}")
    is_told_to_come_again(hook.knock(client, body))
    pragma(bridge.world.database, "max_page_count=1000000")
    assert [] == stored(bridge)

    assert 202 == hook.knock(client, body).status_code


@pytest.mark.parametrize("hook", (STANDARD, ZENDESK), ids=("standard", "zendesk"))
def test_even_rubbish_is_503_while_it_cannot_be_kept(bridge, client, hook: Hook):
    """400 would be the last that we hear of it; its bytes are to be kept first."""
    with another_process_holds_the_lock(bridge):
        is_told_to_come_again(hook.knock(client, b"{"))
    assert 400 == hook.knock(client, b"{").status_code
    assert [b"{"] == [row.body for row in stored(bridge)]


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_an_error_that_nobody_expected_is_503_too(bridge, client, hook: Hook, monkeypatch):
    """The file is no database any more, say: the sender is told to come again, and the log has the rest."""

    def fail(_database: Database, **_given: bool) -> NoReturn:
        raise DatabaseError("BEGIN IMMEDIATE", None, sqlite3.DatabaseError("file is not a database"))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", fail)
        is_told_to_come_again(hook.knock(client, hook.good))
    assert hook.knock(client, hook.good).status_code in (200, 202)
    assert ["received"] == [row.state for row in stored(bridge)]


def test_an_error_over_a_repetition_is_503_too(bridge, client, monkeypatch):
    """The desk's second hint with the same id is written down in another way."""
    same = ZENDESK.headers(ZENDESK.good)  # in the next second it would be another
    assert 202 == ZENDESK.knock(client, ZENDESK.good, same).status_code

    def fail(*_given: object) -> NoReturn:
        raise RuntimeError("nobody expected this")

    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "take_again", fail)
        is_told_to_come_again(ZENDESK.knock(client, ZENDESK.good, same))
    assert 200 == ZENDESK.knock(client, ZENDESK.good, same).status_code


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_who_is_not_authentic_hears_nothing_of_our_troubles(bridge, client, hook: Hook):
    """Verified before anything is written: still 401."""
    with another_process_holds_the_lock(bridge):
        assert 401 == hook.knock(client, hook.good, {}).status_code
