"""Whether the database can be written, found out by a write that is undone."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert

from bridge.errors import StoreBusyError
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.tables import Delivery

# Twice the largest delivery, and more than the page cache of an embedded database holds: what is
# smaller stays in memory until its commit, and tells nothing of the disk.
SIZE = 4 * 1024 * 1024


class _UndoError(Exception):
    """Ends the transaction without a trace."""


def why_not(database: Database) -> str | None:
    """Why *database* cannot be written: "the database cannot be written: <cause>"; None when it can.

    Asks by writing as much as the largest delivery takes, so it is for those who were asked, or
    have met a write that failed (`Database.in_doubt`), not for every few seconds.
    """
    try:
        with database.write() as tx:
            now = datetime.now(UTC)
            row = {
                "id": new_id(),
                "installation": "",
                "source": "",
                "account": "",
                "delivery_id": new_id(),
                "received_at": now,
                "due_at": now,
                "body": bytes(SIZE),
                "state": "unwanted",
                "attempts": 0,
            }
            tx.connection().execute(insert(Delivery.__table__), row)  # type: ignore[arg-type]
            raise _UndoError
    except _UndoError:
        database.in_doubt = False
        return None
    except StoreBusyError as error:
        return str(error)
