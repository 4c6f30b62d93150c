"""Loops, end to end: posts at the door, until each has its ticket and its card."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import Running, Service, Stub, load, settle, start_serve, started_apart
from tests.postgres import Postgres

THREADS = 64
OF_EACH_WORKER = 24
LONGEST_S = 300


@dataclass(frozen=True, slots=True)
class Loops:
    """``cpu_ms``: user and system time of the bridge's processes, until they rest, for one message."""

    per_second: float
    cpu_ms: float
    calls: float
    before_mb: float
    after_mb: float
    bytes_each: float


def measure_loops(folder: Path, number: int, *, connections: int) -> Loops:
    """Post *number* tagged complaints of different customers at once, to one process on SQLite."""
    with Stub() as stub, start_serve(folder, stub, threads=THREADS) as serve:
        _open(stub, serve, min(number, THREADS), connections, "warm")
        return _measure(stub, serve, [serve], number, connections, size=lambda: _size(folder))


def measure_workers(folder: Path, server: Postgres, number: int, *, connections: int, workers: int) -> Loops:
    """The same on a PostgreSQL, to a door and so many workers."""
    store = server.migrated_database()
    with (
        Stub() as stub,
        started_apart(folder, stub, store, workers=workers, threads=OF_EACH_WORKER) as (door, others),
    ):
        _open(stub, door, min(number, OF_EACH_WORKER * workers), connections, "warm")
        return _measure(stub, door, [door, *others], number, connections)


def _measure(
    stub: Stub,
    door: Service,
    bridge: Sequence[Running],
    number: int,
    connections: int,
    size: Callable[[], int] = lambda: 0,
) -> Loops:
    """*size*: how many bytes the database has, where that is to be known."""
    settle(*bridge)
    before_mb, cpu_s = _sum(bridge, Running.resident_mb), _sum(bridge, Running.cpu_s)
    before, bytes_before = stub.counts(), size()
    took = _open(stub, door, number, connections, "loop")
    settle(*bridge)
    return Loops(
        per_second=number / took,
        cpu_ms=1000 * (_sum(bridge, Running.cpu_s) - cpu_s) / number,
        calls=(sum(stub.counts()["calls"].values()) - sum(before["calls"].values())) / number,
        before_mb=before_mb,
        bytes_each=(size() - bytes_before) / number,
        after_mb=_sum(bridge, Running.resident_mb),
    )


def _sum(bridge: Sequence[Running], figure: Callable[[Running], float]) -> float:
    return sum(map(figure, bridge))


def _open(stub: Stub, door: Service, number: int, connections: int, mark: str) -> float:
    """Post, and wait until each has its ticket and its card; the seconds that took."""
    goal = stub.counts()["cards"] + number
    began = time.monotonic()
    load(door, count=number, connections=connections, mark=mark)
    _until_open(stub, goal, door.log)
    return time.monotonic() - began


def _until_open(stub: Stub, number: int, log: Path) -> None:
    end = time.monotonic() + LONGEST_S
    while True:
        counts = stub.counts()
        if counts["doubled"]:
            raise RuntimeError(f"something was opened twice: {counts}")
        if counts["tickets"] >= number and counts["cards"] >= number:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"only {counts} of {number}:\n{log.read_text(encoding='utf-8')[-2000:]}")
        time.sleep(0.05)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("bridge.db*"))
