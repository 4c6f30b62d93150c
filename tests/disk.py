"""A disk that is full, as an embedded database meets it."""

from __future__ import annotations

from bridge.errors import StoreBusyError
from bridge.store.database import Database
from bridge.store.ids import new_id


def limit(database: Database, pages: int | None) -> None:
    """Let *database* grow to *pages* more than it has; None: as it likes."""
    with database.engine.connect().execution_options(bridge_read=True) as connection:
        now = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        most = 2**30 if pages is None else now + pages
        assert connection.exec_driver_sql(f"PRAGMA max_page_count = {most}").scalar_one() == most


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
