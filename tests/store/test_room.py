"""Whether the database can be written: found out by a write that leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from bridge.errors import StoreBusyError
from bridge.store import insert, room
from bridge.store.database import Database
from bridge.store.tables import Delivery
from tests.disk import fill, limit
from tests.postgres import Postgres


def test_a_write_that_is_tried_is_undone(either: Database):
    """Nobody sees a delivery that never came."""
    either.in_doubt = True
    assert room.why_not(either) is None
    assert not either.in_doubt
    with either.read() as tx:
        assert tx.scalar(select(func.count()).select_from(Delivery)) == 0


def test_it_reaches_the_disk(database: Database, file):
    """What only the memory holds would tell nothing of the disk."""
    database.empty_log()
    assert room.why_not(database) is None
    assert file.with_name(f"{file.name}-wal").stat().st_size > 100_000


def test_a_refused_write_is_remembered_until_one_of_some_size_works(database: Database):
    """A small one may find room in a page that is there already."""
    assert not database.in_doubt
    limit(database, 0)
    fill(database)
    assert database.in_doubt
    with database.write() as tx:
        tx.connection().execute(text("UPDATE tallies SET value = 2"))
    assert room.why_not(database) == "the database cannot be written: database or disk is full"
    assert database.in_doubt
    limit(database, None)
    assert room.why_not(database) is None
    assert not database.in_doubt


def test_waiting_for_others_says_nothing_of_the_disk(
    postgres: Postgres, open_server: Callable[[str], Database]
):
    """A lock that takes too long, and two that wait for each other: busy, and no reason to try the disk."""
    server = open_server(postgres.migrated_database())
    both = threading.Barrier(2)
    busy: list[StoreBusyError] = []

    def take(*names: str, wait: bool) -> None:
        try:
            with server.write() as tx:
                insert.alone(tx, names[0])
                if wait:
                    both.wait(5)
                insert.alone(tx, names[1])
        except StoreBusyError as error:
            busy.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda names: take(*names, wait=True), [("a", "b"), ("b", "a")]))
    assert "deadlock" in str(busy.pop())
    with server.write() as tx:
        tx.execute(text("SET LOCAL lock_timeout = '5s'"))
        insert.alone(tx, "b")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(take, "a", "b", wait=False).result()
    assert "lock timeout" in str(busy.pop())
    assert not server.in_doubt


def test_a_server_that_only_reads_is_said_to(postgres: Postgres, open_server: Callable[[str], Database]):
    """A standby, or a database that somebody has set so: one sentence, and no table was changed."""
    url = postgres.new_database()
    open_server(url).migrate()
    why = room.why_not(
        open_server(f"{url}{'&' if '?' in url else '?'}options=-cdefault_transaction_read_only%3Don")
    )
    assert why == "the database cannot be written: cannot execute INSERT in a read-only transaction"


@pytest.fixture
def open_server() -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def open_(url: str) -> Database:
        opened.append(Database(url))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()
