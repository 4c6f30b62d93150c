"""Who is alive: the workers, and the proof that a sender is dead.

On SQLite one process at a time runs flows. It holds an OS lock on the database's
folder for life; the kernel gives the lock up when the process dies, however it
dies. So whoever holds the lock knows that every other worker is dead.

On PostgreSQL any number of processes run flows. Each holds an advisory lock of its own
on a connection that does nothing else; the server gives the lock up when the connection
ends. A process that is only paused keeps it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
import uuid
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import psycopg
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from bridge.errors import FolderInUseError, StoreBusyError, StoreError
from bridge.store import embedded
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.insert import insert_new
from bridge.store.tables import WorkerRow

log = logging.getLogger(__name__)


class NotPresentError(StoreBusyError):
    """This process can no longer prove that it lives: nothing may be sent until it can again."""


class ProofOfLife(ABC):
    """What a worker holds while it lives, and what others can see of it."""

    @abstractmethod
    def acquire(self, worker: str) -> None:
        """Hold it, for as long as the process lives. Raises StoreError."""

    @abstractmethod
    def release(self) -> None:
        """Give it up; does nothing when it is not held."""

    @abstractmethod
    def lives(self, tx: Session, worker: str) -> bool:
        """Whether *worker* holds it at this moment."""

    @abstractmethod
    def proves_death(self) -> bool:
        """Whether a process that lives keeps it in any case, and cannot merely have been cut off from it."""


class FolderLock(ProofOfLife):
    """The lock beside an embedded database. Held until `release`, or until the process dies."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None
        self._worker = ""

    def acquire(self, worker: str = "") -> None:
        """Raises FolderInUseError, naming the holder, when another process has it; StoreError."""
        embedded.make_folder(self.path)
        embedded.keep_to_ourselves(self.path)
        try:
            self._file = self._opened()
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written ({error.strerror}): see who may write in that folder and "
                "what room its disk has, or name another with BRIDGE_DATA or DATABASE_URL"
            ) from error
        self._worker = worker

    def _opened(self) -> IO[str]:
        """The file, locked, with our name in it. Raises FolderInUseError, OSError."""
        file = self.path.open("a+", encoding="utf-8")
        try:
            if not _locked(file):
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise FolderInUseError(
                    f"{holder} already runs the bridge on {self.path.parent}: "
                    "stop it first, or give this one a folder of its own with BRIDGE_DATA"
                )
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        except BaseException:
            # Whatever it was: closing gives the lock up again, if it was ours.
            with suppress(OSError):
                file.close()  # a full disk refuses what is still to be written a second time
            raise
        return file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def is_held(self) -> bool:
        """Whether some process holds it now; whoever asks does not, but for a moment."""
        try:
            file = self.path.open(encoding="utf-8")
        except FileNotFoundError:
            return False
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def lives(self, tx: Session, worker: str) -> bool:
        return worker == self._worker

    def proves_death(self) -> bool:
        return True


class SessionLock(ProofOfLife):
    """An advisory lock on a PostgreSQL session of its own.

    A pooler that shares sessions between clients (PgBouncer's transaction mode) breaks it:
    `acquire` finds that out, and refuses.
    """

    def __init__(self, database: Database) -> None:
        # libpq's own form of the address: this connection is no part of any pool.
        self._address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._session: psycopg.Connection | None = None

    def acquire(self, worker: str) -> None:
        """Raises StoreBusyError when the server cannot be reached, or shares its sessions."""
        self.release()
        try:
            session = psycopg.connect(self._address, autocommit=True, connect_timeout=5)
            # A machine that lost its power says no goodbye: the server asks, and knows within a minute.
            for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
                session.execute(f"SET tcp_keepalives_{name} = {value}".encode())
            session.execute("SET idle_session_timeout = 0")
            session.execute("SELECT pg_advisory_lock(%s)", (_number(worker),))
        except psycopg.Error as error:
            raise StoreBusyError(f"no session of PostgreSQL can be had: {str(error).strip()}") from error
        self._session = session

    def release(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def lives(self, tx: Session, worker: str) -> bool:
        # Having it for this transaction's length shows that no session holds it.
        statement = text("SELECT pg_try_advisory_xact_lock_shared(:number)")
        return not tx.scalar(statement, {"number": _number(worker)})

    def proves_death(self) -> bool:
        return False


class Presence:
    """This process among the workers: its row, its proof of life, and what it knows of others.

    ``worker`` changes when the proof was lost and had again, as after a restart of the
    server: what the old one had begun is then seen as a dead worker's.
    """

    def __init__(self, proof: ProofOfLife) -> None:
        self._proof = proof
        self.worker = new_id()

    def claim(self) -> None:
        """Take the proof of life. Raises FolderInUseError, StoreError."""
        self._proof.acquire(self.worker)

    def release(self) -> None:
        """Give the proof up. To `leave` is better for who has entered."""
        self._proof.release()

    def enter(self, database: Database, at: datetime) -> None:
        """Be one of the workers, with the proof that was claimed. Raises StoreError."""
        with database.write() as tx:
            self._sign_on(tx, at)
        log.info("worker %s signed on", self.worker)

    def stay(self, database: Database, at: datetime) -> None:
        """Say that this worker lives; come back as a new one when the proof was lost. Raises StoreError."""
        with database.write() as tx:
            held = self._proof.lives(tx, self.worker)
            row = tx.get(WorkerRow, self.worker)
            if held and row is not None:
                row.seen_at = at
            elif held:
                self._sign_on(tx, at)  # when the proof was taken, the row could not be written
        if not held:
            self.worker = new_id()
            self.claim()
            self.enter(database, at)

    def _sign_on(self, tx: Session, at: datetime) -> None:
        tx.add(
            WorkerRow(id=self.worker, host=socket.gethostname(), pid=os.getpid(), started_at=at, seen_at=at)
        )

    def leave(self, database: Database, at: datetime) -> None:
        """Give the proof up, after the last call has ended. Raises StoreError."""
        try:
            with database.write() as tx:
                row = tx.get(WorkerRow, self.worker)
                if row is not None:
                    row.stopped_at = at
            log.info("worker %s said goodbye", self.worker)
        finally:
            self.release()

    def require(self, tx: Session, worker: str) -> None:
        """Make sure that this process is *worker* still, and that others can see it.

        To be asked in the transaction that comes before a call: whoever finds the call's
        intent later must be able to tell that its sender lives. Raises NotPresentError.
        """
        if worker != self.worker or not self._proof.lives(tx, worker):
            raise NotPresentError("the database no longer knows that this worker lives; it signs on anew")

    def gone(self, tx: Session, worker: str) -> bool:
        """Whether *worker* no longer lives, or has said goodbye: its leases are free."""
        if worker == self.worker:
            return False
        if not self._proof.lives(tx, worker):
            return True
        # A server under load may end a session seconds after its client did: the goodbye counts.
        return tx.scalar(select(WorkerRow.stopped_at).where(WorkerRow.id == worker)) is not None

    def dead_at(self, tx: Session, worker: str | None, at: datetime, call: timedelta) -> datetime | None:
        """From when on *worker* can have no call under way any more; None while it may.

        A worker that stopped by itself had finished them. One that went without a word may
        be a process that lives and has only lost its session: it had that when it wrote its
        last call down, and has sent it, or never will, within *call* of that (`core.deadline`).
        One that never could write its row gets one here: from when on is for whoever asks again.
        """
        if worker is None:
            return at
        if not self.gone(tx, worker):
            return None
        if self._proof.proves_death():
            return at
        insert_new(tx, WorkerRow, id=worker, host="", pid=0, started_at=at, seen_at=at, gone_at=at)
        row = tx.get_one(WorkerRow, worker, with_for_update=True)
        if row.stopped_at is not None:
            return at
        row.gone_at = row.gone_at or at
        return row.gone_at + call


def _locked(file: IO[str]) -> bool:
    """Lock *file* for this process alone. Tried again for a moment: somebody may only ask (`is_held`)."""
    for wait_s in (0.02, 0.05, 0.1, 0.0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(wait_s)
        else:
            return True
    return False


def presence(database: Database) -> Presence:
    """The presence of a worker on *database*; nothing is taken yet."""
    return Presence(FolderLock(database.file) if database.embedded else SessionLock(database))


def at_work(tx: Session, database: Database) -> list[WorkerRow]:
    """The workers on a server's *database* that live; on an embedded one, whoever has the lock is alone."""
    if database.embedded:
        return []
    proof = SessionLock(database)
    signed_on = tx.scalars(select(WorkerRow).where(WorkerRow.stopped_at.is_(None))).all()
    return [row for row in signed_on if proof.lives(tx, row.id)]


def last_seen(tx: Session) -> datetime | None:
    """When a worker was last seen that has not stopped, and that nobody has found gone."""
    return tx.scalars(
        select(WorkerRow.seen_at)
        .where(WorkerRow.stopped_at.is_(None), WorkerRow.gone_at.is_(None))
        .order_by(WorkerRow.seen_at.desc())
    ).first()


def alive_since(tx: Session, seen_after: datetime) -> datetime | None:
    """Since when there has been a worker that was seen after *seen_after*; None when there is none."""
    return tx.scalar(
        select(func.min(WorkerRow.started_at))
        .where(WorkerRow.stopped_at.is_(None), WorkerRow.gone_at.is_(None))
        .where(WorkerRow.seen_at >= seen_after)
    )


def gone_since(tx: Session) -> datetime | None:
    """When the last worker that there was stopped, or else was seen last; None if there never was one."""
    ended = func.coalesce(WorkerRow.stopped_at, WorkerRow.seen_at)
    return tx.scalars(select(ended).order_by(ended.desc()).limit(1)).first()


def _number(worker: str) -> int:
    """A worker's advisory lock: the random half of its id, as the signed 64 bits that PostgreSQL takes."""
    return uuid.UUID(worker).int & 0x7FFF_FFFF_FFFF_FFFF
