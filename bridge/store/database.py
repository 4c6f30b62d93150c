"""The database: one engine, short transactions, and the rules of SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from bridge.errors import StoreBusyError, StoreError
from bridge.store import embedded

MIGRATIONS = Path(__file__).parent / "migrations"


# What a server does in mid-flow (a restart, a failover, a lock that takes too long) is "not just now".
_BUSY = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
# Of these, what only says that others write, too.
_RIVALRY = (DeadlockDetected, LockNotAvailable, SerializationFailure)
# SQLite's names for what a file's or a folder's rights keep from it, in words that do not speak of rights.
_RIGHTS = ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY")

# One migration at a time, whoever starts it. Any number that nothing else of ours locks.
_MIGRATING = 7_255_421


class Database:
    """Where the tables are.

    On SQLite all threads share one connection: its own lock between threads is
    unfair, the pool's queue is not. So a thread must never open a transaction
    inside another, and never hold one across a call to the outside. On PostgreSQL
    every thread may have one, and whoever reads in order to write locks the row first
    (`store.cases.lock`): SQLite's transactions come one after the other, those do not.
    """

    def __init__(self, url: str | URL, *, busy_timeout_s: float = 2.5, connections: int = 5) -> None:
        """``connections`` is for a server; an embedded database always has one.

        Makes nothing: `migrate` makes the file and its folder.
        """
        self.url = make_url(url)
        self.info: dict[str, Any] = {}  # what each writing session is given to know
        # Whether a write has failed, and not for the locks of others on a server. Not taken back by the
        # next that works: a small one finds room in a page that is there already. `store.room` finds out.
        self.in_doubt = False
        self._queue = threading.Lock()
        self._patience_s = 4 * busy_timeout_s
        self.embedded = self.url.get_backend_name() == "sqlite"
        if not self.embedded:
            self.name = self.url.render_as_string(hide_password=True)
            self.engine: Engine = _server_engine(self.url, connections, busy_timeout_s)
            return
        self.file = Path(self.url.database or "")
        self.name = str(self.file)
        self.engine = embedded.engine(self.url, busy_timeout_s)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def write(self, *, first: bool = False) -> Iterator[Session]:
        """A transaction that is committed at the end of the block.

        ``first`` goes past all others of this process that wait for the one connection
        of an embedded database: for the door, where somebody waits for an answer.
        Raises StoreBusyError when the database cannot be written just now.
        """
        try:
            with (
                self._turn(first),
                Session(self.engine, expire_on_commit=False, info=self.info) as session,
                session.begin(),
            ):
                yield session
        except _BUSY as error:
            if not isinstance(getattr(error, "orig", None), _RIVALRY):
                self.in_doubt = True
            raise StoreBusyError(f"the database cannot be written: {_cause(error)}") from error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A read-only transaction on one snapshot. Raises StoreBusyError like `write`."""
        try:
            with (
                self._turn(),
                self._snapshot() as connection,
                Session(connection, expire_on_commit=False, autoflush=False) as session,
            ):
                yield session
        except _BUSY as error:
            raise StoreBusyError(f"the database cannot be read: {_cause(error)}") from error

    @contextmanager
    def _turn(self, first: bool = False) -> Iterator[None]:
        """Only one of many waits at the pool at a time, so that who is first meets one rival there."""
        if first or not self.embedded:
            yield
            return
        if not self._queue.acquire(timeout=self._patience_s):
            raise PoolTimeoutError("no connection was free in time")
        try:
            yield
        finally:
            self._queue.release()

    def empty_log(self) -> bool:
        """Take what was overwritten out of an embedded database's write-ahead log, too.

        False when it cannot be done just now, because somebody reads or writes; always True on
        a server, whose log is its own business.
        """
        if not self.embedded:
            return True
        try:
            with self._turn(), closing(self.engine.raw_connection()) as connection:
                cursor = connection.cursor()
                busy, _frames, _moved = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy
        except (sqlite3.Error, *_BUSY):
            return False

    def migrate(self) -> str:
        """Bring the tables to this code's revision; return that revision.

        Raises StoreBusyError when the database cannot be written just now, StoreError when its folder
        cannot be made, and what `revision` raises.
        """
        config = migrations_config()
        self.revision()  # refuses a newer database before anything is touched
        if self.embedded:
            embedded.make_folder(self.file)
        try:
            with self.engine.begin() as connection:
                if not self.embedded:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except _BUSY as error:
            raise StoreBusyError(f"the database cannot be migrated: {_cause(error)}") from error
        return self.head()

    def revision(self) -> str | None:
        """The revision of the tables; None when there are none. Makes no file.

        Raises StoreError when the database is newer than this code, or the file is no database.
        """
        if self._is_missing():
            return None
        try:
            with self._snapshot() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
        except _BUSY as error:
            raise StoreBusyError(f"the database {self.name} cannot be read: {_cause(error)}") from error
        except DatabaseError as error:
            raise StoreError(
                f"{self.name} cannot be used ({_cause(error)}): "
                "point DATABASE_URL elsewhere, or restore a backup"
            ) from error
        known = {script.revision for script in _scripts().walk_revisions()}
        if current is not None and current not in known:
            raise StoreError(
                f"the database is at revision {current}, which this version of the bridge does not know: "
                "install the newer version again, or restore a backup"
            )
        return current

    def _is_missing(self) -> bool:
        # What is there and cannot be reached is for SQLite to complain of.
        if not self.embedded or self.url.query.get("uri"):
            return False
        try:
            self.file.stat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def require_current(self) -> None:
        """Raise StoreError unless the tables are at this code's revision."""
        if self.revision() != self.head():
            raise StoreError("the database is not migrated: run `bridge migrate` first")

    def head(self) -> str:
        """The revision that this code's tables have."""
        head = _scripts().get_current_head()
        if head is None:
            raise StoreError("the package has no migrations: install it again")
        return head

    def _snapshot(self) -> Connection:
        """A connection whose reads all see the same moment."""
        connection = self.engine.connect()
        if self.embedded:
            embedded.begin_to_read(connection)
            return connection
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def migrations_config() -> Config:
    """What Alembic has to know, but for the connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@cache
def _scripts() -> ScriptDirectory:
    """What this code's tables have been. Read once: each revision is a file of its own."""
    return ScriptDirectory.from_config(migrations_config())


def _server_engine(url: URL, connections: int, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=4 * busy_timeout_s,
        pool_pre_ping=True,  # a server that was restarted is found out before a transaction begins
        hide_parameters=True,
        connect_args={"connect_timeout": 5},
    )
    event.listen(engine, "connect", lambda session, _record: _prepare_server(session, busy_timeout_s))
    return engine


def _prepare_server(connection: Any, busy_timeout_s: float) -> None:
    connection.autocommit = True
    for setting in (
        "synchronous_commit = on",  # what is answered is on the disk, whatever the server's default is
        f"lock_timeout = '{2 * busy_timeout_s * 1000:.0f}ms'",
        "statement_timeout = '60s'",
        # No transaction waits for the outside: one that is silent belongs to a process that stands
        # still, and its locks must not outlast its leases.
        f"idle_in_transaction_session_timeout = '{6 * busy_timeout_s * 1000:.0f}ms'",
    ):
        connection.execute(f"SET {setting}")
    connection.autocommit = False


def _cause(error: Exception) -> str:
    original = getattr(error, "orig", None)
    if original is None:
        return "no connection was free in time"
    rights = str(getattr(original, "sqlite_errorname", "")).startswith(_RIGHTS)
    told = " ".join(str(original).split())
    return f"{told}: see who may read and write it, and in its folder" if rights else told
