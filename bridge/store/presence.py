"""Who is alive: the workers, and the proof that a sender is dead.

On SQLite one process at a time runs flows. It holds an OS lock on the database's
folder for life; the kernel gives the lock up when the process dies, however it
dies. So whoever holds the lock knows that every other worker is dead.
"""

from __future__ import annotations

import fcntl
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.errors import FolderInUseError
from bridge.store.ids import new_id
from bridge.store.tables import WorkerRow


class FolderLock:
    """The lock beside an embedded database. Held until `release`, or until the process dies."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises FolderInUseError, naming the holder, when another process has it."""
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise FolderInUseError(
                f"{holder} already runs the bridge on {self.path.parent}: "
                "stop it first, or give this one a folder of its own with BRIDGE_DATA"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Presence:
    """This worker's row, and what it knows of others."""

    def __init__(self) -> None:
        self.worker = new_id()

    def is_dead(self, worker: str | None) -> bool:
        """Whether *worker* is provably dead: not this one, and we hold the folder's lock."""
        return worker != self.worker

    def enrol(self, tx: Session, at: datetime) -> None:
        tx.add(
            WorkerRow(id=self.worker, host=socket.gethostname(), pid=os.getpid(), started_at=at, seen_at=at)
        )

    def beat(self, tx: Session, at: datetime) -> None:
        row = tx.get(WorkerRow, self.worker)
        if row is not None:
            row.seen_at = at

    def leave(self, tx: Session, at: datetime) -> None:
        row = tx.get(WorkerRow, self.worker)
        if row is not None:
            row.stopped_at = at


def last_seen(tx: Session) -> datetime | None:
    """When a worker that has not stopped was last seen."""
    return tx.scalars(
        select(WorkerRow.seen_at).where(WorkerRow.stopped_at.is_(None)).order_by(WorkerRow.seen_at.desc())
    ).first()
