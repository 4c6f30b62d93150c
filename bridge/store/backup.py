"""Copying a live database into a file, and a file into an empty database.

A backup is always an SQLite file with the same tables, whatever it was made of: ordinary
tools can look into it, and it is also the way from SQLite to PostgreSQL.

What happened between the backup and the restore is written down nowhere. So a restored
bridge says nothing public until a person has had a look; what was about to be sent is looked
for outside first; and what agents wrote in between is held (`told_in_between`).
"""

from __future__ import annotations

import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Table, delete, exists, func, insert, select, text, update
from sqlalchemy.orm import Session

from bridge.core.intent import IntentState
from bridge.errors import StoreBusyError, StoreError
from bridge.store import lanes
from bridge.store.database import Database
from bridge.store.ids import made_at
from bridge.store.insert import is_shared
from bridge.store.presence import at_work
from bridge.store.tables import (
    Alert,
    Base,
    Case,
    Cursor,
    Event,
    Intent,
    Lane,
    LeaseRow,
    MappingVersion,
    Tally,
    TicketRow,
    WorkerRow,
)

ROWS_AT_ONCE = 500
CLOCKS = timedelta(minutes=1)
_ELSEWHERE = "give another name, or another folder"
# What a bridge writes without anything happening to it. Its events are of no case then: which mapping served.
_OF_ITSELF = [
    Base.metadata.tables[row.__tablename__]
    for row in (Event, LeaseRow, WorkerRow, Lane, Cursor, Tally, Alert, MappingVersion)
]
TAKEN, RESTORED = "backup taken", "restored"  # lanes that nothing goes by; their times are what counts


def back_up(database: Database, file: Path, at: datetime, by: str) -> dict[str, int]:
    """Copy *database* as it is at this moment into *file*; say how many rows of which table.

    It may be at work meanwhile. Raises StoreError when there is such a file, or it cannot be written.
    """
    try:
        if file.exists():
            raise StoreError(f"{file} exists already: give the backup another name, or remove it")
        database.require_current()
        folder = tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise StoreError(f"{file} cannot be written ({error.strerror}): {_ELSEWHERE}") from error
    with folder:
        part = Path(folder.name) / file.name  # whoever sees the file sees it whole
        copy = Database(URL.create("sqlite", database=str(part)))
        try:
            copy.migrate()
            with database.read() as source, copy.write() as target:
                counts = _copy(source, target, Base.metadata.sorted_tables)
                target.merge(Lane(name=TAKEN, since=at, until=at, reason="a backup was taken", by=by))
        except StoreBusyError as error:
            # Which of the two databases it was, its words do not say.
            raise StoreError(
                f"{file} cannot be made from {database.name}: {error}. "
                f"See what room there is in {file.parent}, and who may write there"
            ) from error
        finally:
            copy.close()
        try:
            part.replace(file)
        except OSError as error:
            raise StoreError(f"{file} cannot be written ({error.strerror}): {_ELSEWHERE}") from error
    return counts


def restore(file: Path, database: Database, at: datetime, by: str) -> dict[str, int]:
    """Copy the backup *file* into the empty *database*; say how many rows of which table.

    A backup of an older version is brought up to date, in a copy. Empty is also a database on which
    a bridge ran and heard nothing. Raises StoreError when *file* is no backup or a newer one, or when
    *database* holds something already, or is in use.
    """
    require_file(file)
    with _private_copy(file) as backup:
        _require_backup(file, backup)
        backup.migrate()
        database.migrate()
        with database.read() as target:
            _require_unused(target, database)
        with backup.read() as source, database.write() as target:
            _lock(target)
            _require_unused(target, database)
            _clear(target)
            counts = _copy(source, target, Base.metadata.sorted_tables)
            _be_careful(target, at, by)
    return counts


def require_file(file: Path) -> None:
    """Raise StoreError unless there is such a file."""
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"there is no file {file}") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be read ({error.strerror}): see who may") from error
    if not stat.S_ISREG(mode):
        raise StoreError(f"{file} is not a file: give one that `bridge backup` made")


def told_in_between(tx: Session, case_id: str, at: datetime) -> bool:
    """Whether what was said on the case at *at* may have been passed on by a bridge whose memory is lost.

    Never on a case that was opened since the restore: nobody knew its tickets before.
    """
    row = tx.get(Lane, RESTORED)
    if row is None or row.until is None or made_at(case_id) > row.until:
        return False
    # Vendors' times are theirs, and of whole seconds; what was decided on before is not asked about again.
    return row.since - CLOCKS <= at <= row.until + CLOCKS


@contextmanager
def _private_copy(file: Path) -> Iterator[Database]:
    """A copy of *file* that has no name on any disk, so that nothing of it is left whatever happens.

    *file* itself is only read. Raises StoreError when it is no database, or a damaged one.
    """
    log = file.with_name(f"{file.name}-wal")
    if log.is_file() and log.stat().st_size:
        raise StoreError(
            f"{file} is not all: the newest rows are in {log.name}, beside it. "
            "Make a backup of that database with `bridge backup`, and restore that"
        )
    # What SQLite calls a temporary database: removed from its folder as soon as it is opened.
    copy = Database("sqlite:///file:?uri=true")
    address = f"file:{quote(str(file.resolve()))}?mode=ro&immutable=1"
    try:
        with (
            closing(copy.engine.raw_connection()) as target,
            closing(sqlite3.connect(address, uri=True)) as source,
        ):
            source.backup(target.driver_connection)  # type: ignore[arg-type]
            verdict = target.cursor().execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        yield copy
    except sqlite3.Error as error:
        said = " ".join(str(error).split())
        raise StoreError(f"{file} cannot be used as a backup ({said}): give another file") from error
    finally:
        copy.close()


def _require_backup(file: Path, copy: Database) -> None:
    try:
        revision = copy.revision()
    except StoreError as error:
        raise StoreError(f"{file} cannot be used as a backup: {error}") from error
    if revision is None:
        raise StoreError(f"{file} is no backup of a bridge: give a file that `bridge backup` made")


def _copy(source: Session, target: Session, tables: Iterable[Table]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in tables:
        counts[table.name] = 0
        rows = source.execute(select(table).execution_options(yield_per=ROWS_AT_ONCE))
        for some in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in some])
            counts[table.name] += len(some)
    return counts


def _require_unused(tx: Session, database: Database) -> None:
    """Raise StoreError if anything happened in *database*, or somebody works on it."""
    for table in Base.metadata.sorted_tables:
        if table not in _OF_ITSELF and tx.scalar(select(exists(select(table)))):
            raise StoreError(
                f"{database.name} is not empty: a backup goes into a new database only, "
                "so that nothing that happened since is forgotten unseen"
            )
    for worker in at_work(tx, database):
        raise StoreError(
            f"process {worker.pid} on {worker.host} runs the bridge on {database.name}: stop it first"
        )


def _lock(tx: Session) -> None:
    """Have nobody else write, nor begin to work, until *tx* ends."""
    if is_shared(tx):
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        tx.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))


def _clear(tx: Session) -> None:
    """Delete what a bridge wrote to which nothing happened: the backup's counts, as in a new database."""
    for table in _OF_ITSELF:
        tx.execute(delete(table))


def _be_careful(tx: Session, at: datetime, by: str) -> None:
    """Take it that anything may have happened since the backup was taken."""
    taken = tx.get(Lane, TAKEN)
    since = taken.since if taken is not None else at
    latest = tx.scalar(select(func.max(Case.id)))
    # Whatever the clocks of the machines say: no case that was restored is later than this.
    until = at if latest is None else max(at, made_at(latest))
    tx.merge(Lane(name=RESTORED, since=since, until=until, reason="restored from a backup", by=by))
    lanes.park(
        tx,
        lanes.PUBLIC,
        f"restored from a backup of {since:%Y-%m-%d %H:%M} UTC: look at `bridge intent list` first",
        by,
        at,
    )
    # Looked for, like the intents of a sender that died: it may have been sent long ago.
    tx.execute(
        update(Intent)
        .where(Intent.state == IntentState.APPROVED)
        .values(state=IntentState.SENDING.value, sender=None, sent_at=at, over_at=None)
    )
    # None of them works on this database; their own calls may still end, so they are missed, not stopped.
    tx.execute(
        update(WorkerRow)
        .where(WorkerRow.stopped_at.is_(None), WorkerRow.gone_at.is_(None))
        .values(gone_at=at)
    )
    tx.execute(update(TicketRow).where(TicketRow.state == "current").values(hinted_at=at))
    tx.execute(update(Case).where(Case.state != "closed").values(due_at=at))
