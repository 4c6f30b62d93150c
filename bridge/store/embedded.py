"""SQLite as the bridge uses it: one file, durable at each commit, its write lock taken at the start."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from bridge.errors import StoreError

_JSON = json.JSONDecoder()
_READS = "reads only"  # in a connection's info: its next transaction will not write


def engine(url: URL, busy_timeout_s: float) -> Engine:
    """An engine with one connection for all threads. Nothing is opened yet."""
    made = create_engine(
        url.set(drivername="sqlite+bridge"),
        pool_size=1,
        max_overflow=0,
        pool_timeout=4 * busy_timeout_s,  # a burst queues here in turn; each holds it for a moment
        hide_parameters=True,  # parameters are customers' words
        json_deserializer=lambda text: _JSON.raw_decode(text)[0],  # without looks for space around it
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
    )
    event.listen(made, "connect", lambda connection, _record: _prepare(connection, busy_timeout_s))
    return made


def make_folder(file: Path) -> None:
    """Make the folder of the database *file*. Raises StoreError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {file.parent} cannot be made: {error.strerror}") from error


def begin_to_read(connection: Connection) -> None:
    """Begin a transaction of *connection* that lets others write meanwhile; close it where that fails."""
    connection.info[_READS] = True
    try:
        connection.begin()
    except BaseException:
        # Whatever it was: nobody else has the connection to close it, and it is the only one.
        connection.close()
        raise


class _Dialect(SQLiteDialect_pysqlite):
    """SQLAlchemy's own, but for how a file is made and how a transaction begins.

    Not by listening to "do_connect" and "begin": an engine with such a listener asks at each
    statement who else wants to hear of it.
    """

    supports_statement_cache = True

    def connect(self, *arguments: Any, **options: Any) -> Any:
        if not options.get("uri"):
            keep_to_ourselves(arguments[0])
        return super().connect(*arguments, **options)

    def do_begin(self, dbapi_connection: Any) -> None:
        # Taking the write lock at once: a transaction that reads and then writes can
        # otherwise fail half-way, because another process wrote in between.
        reads = dbapi_connection.info.pop(_READS, False)
        dbapi_connection.cursor().execute("BEGIN" if reads else "BEGIN IMMEDIATE")


registry.register("sqlite.bridge", __name__, _Dialect.__name__)


def keep_to_ourselves(file: str | Path) -> None:
    """Make a new file readable for its owner only: customers' words will be in it, and in its logs."""
    # A file that is there is not opened: closing it would drop the locks that this process has on it.
    # What cannot be made is SQLite's to complain of.
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(connection: Any, busy_timeout_s: float) -> None:
    # The driver's own implicit BEGIN is deferred; ours is immediate (see `_Dialect`).
    connection.isolation_level = None
    # Who makes the file's log is refused at once, not after SQLite's own wait, while another
    # process that has just come to the new file does the same.
    patiently = Retrying(
        retry=retry_if_exception(_is_busy),
        stop=stop_after_delay(busy_timeout_s),
        wait=wait_random(0.01, 0.05),
        reraise=True,
    )
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        patiently(cursor.execute, f"PRAGMA {pragma}")
    cursor.close()


def _is_busy(error: BaseException) -> bool:
    # The lowest byte is SQLite's code, whatever more it says about it.
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
