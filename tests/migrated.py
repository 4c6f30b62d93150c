"""Databases that have their tables already: migrated once in a process, and copied from then on.

That migrating makes the same tables, tests/store/test_migration.py shows.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy.engine import make_url

from bridge.flows import engine
from bridge.store.database import Database

copies: set[str] = set()  # the addresses of databases on a server that had their tables from the start


def prepare(url: str) -> None:
    """Bring the database at *url* to this code's tables; a file that is not there yet is a copy."""
    if not begin(url):
        migrate(url)


def begin(url: str) -> bool:
    """Put a copy there if *url* is a file that is not there yet; whether what is there is a copy."""
    if url in copies:
        return True
    address = make_url(url)
    file = Path(address.database or "")
    if address.get_backend_name() != "sqlite" or file.exists():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(_embedded())
    return True


def migrate(url: str) -> None:
    """The tables of the bridge, and on a server those of its queue."""
    database = Database(url)
    database.migrate()
    database.close()
    engine.prepare(url)


@cache
def _embedded() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bridge.db"
        migrate(f"sqlite:///{file}")
        return file.read_bytes()
