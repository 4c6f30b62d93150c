"""Short transactions, one after the other, and a clear word when the database is busy."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from bridge.errors import StoreBusyError, StoreError
from bridge.store import backup, casefile
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.presence import FolderLock
from bridge.store.tables import Event, Lane, LeaseRow
from tests.postgres import Postgres
from tests.store.conftest import NOON


def event(database: Database, at: datetime, words: str = "text") -> str:
    with database.write() as tx:
        row = Event(at=at, kind="kind", text=words)
        tx.add(row)
        tx.flush()
        return row.id


def test_who_comes_to_a_new_file_while_another_makes_it_waits(file: Path, open_database):
    """Two processes that start together: SQLite itself refuses the second at once."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs (x)")
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.3, other.execute, ["COMMIT"])
    done.start()
    with open_database().read() as tx:
        assert tx.scalar(text("PRAGMA journal_mode")) == "wal"
    done.join()
    other.close()


def test_a_new_file_that_stays_locked_is_busy(file: Path, open_database):
    """The wait has an end, and its error is one that callers know."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("CREATE TABLE theirs (x)")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="locked"), open_database(busy_timeout_s=0.1).read():
        pass
    other.close()


def test_a_time_without_a_zone_is_refused(database: Database):
    """A naive time is a bug that would only show hours later."""
    with pytest.raises(StatementError, match="without a zone"):
        event(database, datetime(2026, 1, 5, 12, 0))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC),
        datetime(2026, 1, 5, 19, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7))),
        datetime(2026, 1, 5, 2, 30, 0, 123456, tzinfo=timezone(-timedelta(hours=9, minutes=30))),
    ],
)
def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database, at: datetime):
    """Whatever zone it was given in, to the microsecond."""
    key = event(database, at)
    with database.read() as tx:
        found = tx.get_one(Event, key).at
    assert found == at
    assert found.tzinfo is UTC


def test_an_absent_time_stays_absent(database: Database):
    """NULL is "not yet", never an epoch."""
    with database.write() as tx:
        tx.add(Lane(name="public", until=None, reason="r", by="b", since=NOON))
    with database.read() as tx:
        assert tx.get_one(Lane, "public").until is None


def test_times_are_compared_by_the_database_as_moments(database: Database):
    """A time of another zone is compared after it was turned into UTC."""
    event(database, NOON)
    earlier = datetime(2026, 1, 5, 18, 0, tzinfo=timezone(timedelta(hours=7)))  # 11:00 UTC
    with database.read() as tx:
        assert tx.query(Event).where(Event.at > earlier).count() == 1
        assert tx.query(Event).where(Event.at <= earlier).count() == 0


def test_ids_sort_by_the_time_they_were_made():
    """Version 7: strictly increasing within a process, so that "oldest first" is an index."""
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {(one[14], one[19] in "89ab") for one in ids} == {("7", True)}


def test_ids_of_many_threads_are_all_different():
    """The counter is shared by the flows' threads."""
    made: list[str] = []

    def make() -> None:
        made.extend([new_id() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16_000


def test_an_id_carries_the_time_it_was_made():
    """So ids of two processes sort, too, to the millisecond."""
    milliseconds = int(new_id().replace("-", "")[:12], 16)
    assert abs(milliseconds / 1000 - time.time()) < 1


def test_a_block_that_fails_leaves_nothing_behind(database: Database):
    """All or nothing."""
    with pytest.raises(RuntimeError), database.write() as tx:
        casefile.tell(tx, None, NOON, "kind", "never")
        tx.flush()
        raise RuntimeError
    with database.read() as tx:
        assert tx.query(Event).count() == 0


def test_a_write_while_another_process_writes_is_busy(database: Database, file: Path):
    """Its wait is over: StoreBusyError, with the driver's words and none of the parameters."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with (
            pytest.raises(StoreBusyError, match="cannot be written: database is locked"),
            database.write() as tx,
        ):
            casefile.tell(tx, None, NOON, "kind", "the words of a customer")
    finally:
        other.close()
    event(database, NOON)


def test_reading_goes_on_while_another_process_writes(database: Database, file: Path):
    """`bridge case list` beside a busy bridge: readers never wait for a writer."""
    event(database, NOON)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM events")
    try:
        with database.read() as tx:
            assert tx.query(Event).count() == 1
    finally:
        other.close()


def test_a_second_process_waits_its_turn(database: Database, open_database):
    """A short transaction elsewhere is waited for, not an error."""
    patient = open_database(busy_timeout_s=5)
    inside, leave = threading.Event(), threading.Event()

    def occupy() -> None:
        with database.write() as tx:
            casefile.tell(tx, None, NOON, "kind", "first")
            tx.flush()
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=occupy)
    thread.start()
    assert inside.wait(5)
    threading.Timer(0.1, leave.set).start()
    event(patient, NOON)
    thread.join()
    with database.read() as tx:
        assert [row.text for row in tx.query(Event).order_by(Event.id)] == ["first", "text"]


def test_a_transaction_inside_a_transaction_is_busy_and_does_not_hang(database: Database):
    """A bug of ours that would deadlock a thread with itself shows at once."""
    with database.write() as outer:
        casefile.tell(outer, None, NOON, "kind", "outer")
        outer.flush()
        with (
            pytest.raises(StoreBusyError, match="no connection was free in time"),
            database.write() as inner,
        ):
            casefile.tell(inner, None, NOON, "kind", "inner")
    with database.read() as tx:
        assert [row.text for row in tx.query(Event)] == ["outer"]


def test_parameters_never_stand_in_an_error(database: Database):
    """They are customers' words."""
    with pytest.raises(Exception, match="no such table") as caught, database.read() as tx:
        tx.execute(text("SELECT * FROM nowhere WHERE a = :words"), {"words": "my secret complaint"})
    assert "secret complaint" not in str(caught.value)


def test_what_it_makes_is_for_its_owner_only(tmp_path: Path):
    """Customers' words are in the file and in both of its logs; a file that was there keeps its rights."""
    (tmp_path / "old.db").touch(mode=0o640)
    for name in ("new.db", "old.db"):
        database = Database(f"sqlite:///{tmp_path}/{name}")
        database.migrate()
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob(f"{name}*")}
        database.close()
        allowed = 0o600 if name == "new.db" else 0o640
        assert modes == {name: allowed, f"{name}-wal": allowed, f"{name}-shm": allowed}
    lock = FolderLock(tmp_path / "new.db")
    lock.acquire()
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()


def test_what_is_blank_is_blank_on_the_disk_once_the_log_is_emptied(database: Database, file: Path):
    """Also while it is open: neither the file nor its log holds the words any more."""
    key = event(database, NOON, "a very long complaint " * 500)
    assert in_files(file, b"very long complaint")
    with database.write() as tx:
        tx.get_one(Event, key).text = ""
    assert in_files(file, b"very long complaint")
    assert database.empty_log()
    assert not in_files(file, b"very long complaint")


def test_a_log_that_somebody_reads_is_emptied_another_time(database: Database, file: Path):
    """It is no error: whoever asked says so, or asks again."""
    event(database, NOON)
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM events").fetchall()
    event(database, NOON)
    try:
        assert not database.empty_log()
    finally:
        reader.close()
    assert database.empty_log()


def in_files(file: Path, words: bytes) -> bool:
    return any(words in one.read_bytes() for one in file.parent.glob(f"{file.name}*"))


def test_every_commit_is_durable(database: Database):
    """The 2xx is given after the commit: WAL, fully synchronous, foreign keys on."""
    with database.read() as tx:
        said = {name: tx.execute(text(f"PRAGMA {name}")).scalar() for name in PRAGMAS}
    assert said == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_a_process_that_stands_still_in_a_transaction_loses_its_locks(postgres: Postgres):
    """On a server: the others go on, and it writes nothing when it wakes up."""
    address = postgres.migrated_database()  # to migrate takes longer than a transaction may be silent here
    still, other = Database(address, busy_timeout_s=0.1), Database(address, busy_timeout_s=0.1)
    with still.write() as tx:
        tx.add(LeaseRow(key="case:1", holder="one", until=NOON, fence=1))
    taken = update(LeaseRow).where(LeaseRow.key == "case:1")

    with pytest.raises(StoreBusyError), still.write() as tx:
        tx.execute(taken.values(holder="still"))
        with pytest.raises(StoreBusyError), other.write() as waiting:
            waiting.execute(taken.values(holder="other"))
        time.sleep(0.8)
        with other.write() as waiting:
            waiting.execute(taken.values(holder="other"))
        tx.execute(taken.values(holder="still"))
    with other.read() as tx:
        assert tx.scalars(select(LeaseRow.holder)).one() == "other"
    still.close()
    other.close()


def test_a_backup_for_which_there_is_no_room_names_its_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The database that it is made from may be a server with all the room in the world."""

    def full(source: Session, target: Session, tables: object) -> None:
        target.execute(text("PRAGMA max_page_count = 1"))
        target.execute(text("CREATE TABLE one_more (a)"))

    monkeypatch.setattr(backup, "_copy", full)
    file = tmp_path / "copy.db"
    with pytest.raises(StoreError) as caught:
        backup.back_up(database, file, NOON, "ana")
    assert str(caught.value).startswith(f"{file} cannot be made from {database.name}: ")
    assert f"database or disk is full. See what room there is in {tmp_path}" in str(caught.value)
    assert [one.name for one in tmp_path.iterdir() if "copy" in one.name] == []
