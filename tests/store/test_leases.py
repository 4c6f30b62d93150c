"""One flow at a time per key, and the proof that a sender is dead."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from bridge.errors import FolderInUseError, StoreBusyError, StoreError
from bridge.store import leases
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.leases import Lease, LeaseLostError
from bridge.store.presence import FolderLock, Presence, SessionLock, last_seen, presence
from bridge.store.standing import living_workers
from bridge.store.tables import LeaseRow, WorkerRow
from tests.postgres import Postgres
from tests.running import eventually
from tests.store.conftest import NOON

SPAN = timedelta(seconds=30)


def take(database: Database, presence: Presence, at=NOON, key: str = "case:1") -> Lease | None:
    with database.write() as tx:
        return leases.take(tx, key, presence, at, SPAN)


def test_a_lease_is_taken_once_until_it_is_given_back(database: Database):
    """Two flows of one living worker, one key: the second gets nothing."""
    worker = presence(database)
    first = take(database, worker)
    assert first is not None
    assert (first.key, first.holder) == ("case:1", worker.worker)
    assert take(database, worker, NOON + SPAN - timedelta(seconds=1)) is None
    assert take(database, worker, key="case:2") is not None
    with database.write() as tx:
        leases.give_back(tx, first)
    second = take(database, worker)
    assert second is not None
    assert second.fence > first.fence


def test_what_was_given_back_is_free_by_every_clock(database: Database):
    """The clock was an hour ahead and is put right, or the other machine's goes behind."""
    ahead, other = presence(database), presence(database)
    lease = take(database, ahead, NOON + timedelta(hours=1))
    assert lease is not None
    with database.write() as tx:
        leases.give_back(tx, lease)
    assert take(database, other, NOON) is not None


def test_a_living_holders_lease_can_be_taken_when_it_ends(database: Database):
    """Not a moment earlier: a slow flow is not a dead one."""
    worker = presence(database)
    before = take(database, worker)
    assert before is not None
    assert take(database, worker, NOON + SPAN - timedelta(microseconds=1)) is None
    again = take(database, worker, NOON + SPAN)
    assert again is not None
    assert again.fence > before.fence


def test_a_dead_workers_lease_is_taken_at_once(database: Database):
    """Whoever holds the folder's lock knows that every other worker is dead: nobody waits for its lease."""
    dead, living = presence(database), presence(database)
    before = take(database, dead)
    assert before is not None
    after = take(database, living)
    assert after is not None
    assert after.holder == living.worker
    assert after.fence > before.fence


def test_the_lease_of_a_worker_that_said_goodbye_is_taken_at_once(postgres: Postgres):
    """Also while the server still has its session, as one under load does for seconds after it was closed."""
    database = Database(postgres.migrated_database())
    old, new = presence(database), presence(database)
    try:
        old.claim()
        old.enter(database, NOON)
        assert take(database, old) is not None
        assert take(database, new) is None
        with mock.patch.object(SessionLock, "release"):
            old.leave(database, NOON)
            assert take(database, new) is not None
    finally:
        for one in (old, new):
            one.release()
        database.close()


def test_the_fence_grows_with_every_holder(database: Database):
    """So that an older holder can always be told from a newer one, even in the same worker."""
    worker = presence(database)
    fences = []
    for number in range(5):
        lease = take(database, worker, NOON + number * SPAN)
        assert lease is not None
        fences.append(lease.fence)
    assert fences == sorted(set(fences))


def test_a_lost_lease_raises_before_anything_is_written(database: Database):
    """A flow that slept through its lease finds out in the transaction in which it would have written."""
    sleeper, other = presence(database), presence(database)
    lost = take(database, sleeper)
    assert lost is not None
    assert take(database, other)
    with pytest.raises(LeaseLostError, match="case:1"), database.write() as tx:
        leases.guard(tx, lost)
    with database.write() as tx:
        leases.give_back(tx, lost)  # does nothing: it is not ours to give
    with database.read() as tx:
        row = tx.get_one(LeaseRow, "case:1")
        assert (row.holder, row.until) == (other.worker, NOON + SPAN)


def test_a_guard_extends_the_lease(database: Database):
    """A flow with much to do keeps its key as long as it works."""
    worker = presence(database)
    lease = take(database, worker)
    assert lease is not None
    with database.write() as tx:
        leases.guard(tx, lease, NOON + 10 * SPAN)
    assert take(database, worker, NOON + 9 * SPAN) is None


def test_a_lease_that_was_swept_away_is_lost(database: Database):
    """Its row is gone: nobody may write under it."""
    lease = take(database, presence(database))
    assert lease is not None
    with database.write() as tx:
        leases.forget_old(tx, NOON + timedelta(hours=1))
    with pytest.raises(LeaseLostError), database.write() as tx:
        leases.guard(tx, lease)


def test_old_leases_are_forgotten_and_others_kept(database: Database):
    """The table does not grow for ever."""
    worker = presence(database)
    take(database, worker, NOON - timedelta(hours=2), "case:old")
    given_back = take(database, worker, NOON, "case:new")
    assert given_back is not None
    with database.write() as tx:
        leases.give_back(tx, given_back)
        leases.forget_old(tx, NOON - timedelta(hours=1))
    with database.read() as tx:
        assert [row.key for row in tx.query(LeaseRow)] == ["case:new"]


def seen(database: Database) -> datetime | None:
    with database.read() as tx:
        return last_seen(tx)


def test_a_worker_is_seen_until_it_leaves(database: Database):
    """`bridge doctor` and /readyz ask this."""
    worker = presence(database)
    assert seen(database) is None
    worker.claim()
    worker.enter(database, NOON)
    worker.stay(database, NOON + SPAN)
    assert seen(database) == NOON + SPAN
    worker.leave(database, NOON + 2 * SPAN)
    assert seen(database) is None
    with database.read() as tx:
        assert tx.get_one(WorkerRow, worker.worker).pid == os.getpid()


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Database]:
    """A migrated database of one's own on a server."""
    database = Database(postgres.migrated_database())
    yield database
    database.close()


@pytest.fixture
def rowless(server: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Presence]:
    """A worker that has its proof of life, and whose row could not be written: the disk was full."""
    worker = presence(server)
    worker.claim()
    with monkeypatch.context() as full:
        full.setattr(server, "write", mock.Mock(side_effect=StoreBusyError("the disk is full")))
        with pytest.raises(StoreBusyError):
            worker.enter(server, NOON)
    yield worker
    worker.release()


def test_a_worker_whose_row_could_not_be_written_writes_it_later(server: Database, rowless: Presence):
    """It would work for ever without being one of the living workers."""
    name = rowless.worker
    rowless.stay(server, NOON + SPAN)
    rowless.stay(server, NOON + 2 * SPAN)
    with server.read() as tx:
        assert living_workers(tx, NOON) == 1
        row = tx.get_one(WorkerRow, name)
        assert (row.started_at, row.seen_at) == (NOON + SPAN, NOON + 2 * SPAN)


def test_a_sender_that_never_had_a_row_has_a_calls_time_from_when_it_was_missed(
    server: Database, rowless: Presence
):
    """It may be alive and only cut off, in mid-call. Whoever asks again is told the same, no later end."""
    call, finder = timedelta(seconds=15), presence(server)

    def dead_at(at: datetime) -> datetime | None:
        with server.write() as tx:
            return finder.dead_at(tx, rowless.worker, at, call)

    assert dead_at(NOON) is None
    rowless.release()
    eventually(lambda: dead_at(NOON), what="the end of the session")
    assert dead_at(NOON) == NOON + call
    assert dead_at(NOON + timedelta(hours=1)) == NOON + call
    with server.read() as tx:
        assert living_workers(tx, NOON) == 0
        assert last_seen(tx) is None


def test_a_sender_without_a_row_is_dead_at_once_where_the_folders_lock_has_changed_hands(database: Database):
    """The kernel gives that lock up when the process has ended, and not before."""
    with database.write() as tx:
        assert presence(database).dead_at(tx, new_id(), NOON, timedelta(seconds=15)) == NOON


HOLD = """
import sys, time
from pathlib import Path
from bridge.store.presence import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(file: Path):
    """Another process that has the folder's lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_with_the_first_one_named(file: Path, holder):
    """Who has it, where, and the two ways out."""
    with pytest.raises(FolderInUseError) as refused:
        FolderLock(file).acquire()
    assert f"process {holder.pid} on " in str(refused.value)
    assert str(file.parent) in str(refused.value)
    assert "BRIDGE_DATA" in str(refused.value)


def test_a_killed_holder_gives_the_lock_up(file: Path, holder):
    """SIGKILL, and no file to delete by hand: the kernel lets go."""
    holder.send_signal(signal.SIGKILL)
    lock = FolderLock(file)

    def acquired() -> bool:
        try:
            lock.acquire()
        except FolderInUseError:
            return False
        return True

    eventually(acquired, within=5, what="the lock")
    assert lock.path.read_text().startswith(f"process {os.getpid()} on ")
    lock.release()


def test_a_released_lock_is_free_and_releasing_twice_is_harmless(file: Path):
    """`stop` may come twice."""
    first, second = FolderLock(file), FolderLock(file)
    first.acquire()
    with pytest.raises(FolderInUseError):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_whose_holder_could_not_be_written_down_is_nobodys(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    """The disk is full: said as such, and the next try finds the lock free."""

    def full() -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = FolderLock(file)
    with monkeypatch.context() as patched:
        patched.setattr(socket, "gethostname", full)
        with pytest.raises(StoreError, match="No space left on device"):
            lock.acquire()
    lock.acquire()
    assert FolderLock(file).is_held()
    lock.release()


def test_whether_it_is_held_can_be_asked_by_anybody(file: Path, holder):
    """Without taking it from whoever has it, or keeping it from whoever wants it."""
    lock = FolderLock(file.with_name("nobody.db"))
    assert not lock.is_held()
    lock.acquire()
    lock.release()
    assert not lock.is_held()
    assert FolderLock(file).is_held()
    holder.kill()
    eventually(lambda: not FolderLock(file).is_held(), what="the lock is free")


def test_who_only_asks_keeps_nobody_from_starting(file: Path):
    """The doctor looks at the very moment when the bridge starts."""
    asking = file.with_name(f"{file.name}.lock").open("a+")
    fcntl.flock(asking, fcntl.LOCK_SH)
    timer = threading.Timer(0.05, asking.close)
    timer.start()
    lock = FolderLock(file)
    lock.acquire()
    lock.release()
    timer.join()


def test_two_databases_in_one_folder_have_a_lock_each(tmp_path: Path):
    """The lock belongs to the database, not to everything around it."""
    locks = FolderLock(tmp_path / "one.db"), FolderLock(tmp_path / "two.db")
    for lock in locks:
        lock.acquire()
    for lock in locks:
        lock.release()
