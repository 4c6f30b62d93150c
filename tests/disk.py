"""A disk that is full, as an embedded database meets it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from bridge.errors import StoreBusyError
from bridge.store.database import Database
from bridge.store.ids import new_id


def limit(database: Database, pages: int | None) -> None:
    """Let *database* grow to *pages* more than it has; None: as it likes."""
    [now] = pragma(database, "page_count")
    most = 2**30 if pages is None else now + pages
    assert pragma(database, f"max_page_count = {most}") == (most,)


def pragma(database: Database, setting: str) -> Any:
    """Ask or set something on the one connection of an embedded database, which its pool keeps."""
    with closing(database.engine.raw_connection()) as connection:
        return connection.cursor().execute(f"PRAGMA {setting}").fetchone()


def fill(database: Database) -> None:
    """Use up what is left of the last pages."""
    for _ in range(2000):
        try:
            with database.write() as tx:
                tx.connection().exec_driver_sql(
                    "INSERT INTO tallies (name, labels, value) VALUES (?, ?, 1)",
                    (f"filler {new_id()}", "x" * 200),
                )
        except StoreBusyError:
            return
    raise AssertionError("it never filled up")
