"""Whether the database can be written: found out by a write that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, select, text

from bridge.store import room
from bridge.store.database import Database
from bridge.store.tables import Delivery
from tests.disk import fill, limit
from tests.postgres import Postgres


@pytest.fixture
def either(store_url: str) -> Iterator[Database]:
    database = Database(store_url)
    database.migrate()
    yield database
    database.close()


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
