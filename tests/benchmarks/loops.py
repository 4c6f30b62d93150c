"""Loops, end to end: posts at the door, until each has its ticket and its card."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import Stub, load, start_serve

THREADS = 64
LONGEST_S = 300


@dataclass(frozen=True, slots=True)
class Loops:
    """``cpu_ms``: user and system time of the bridge's process, until it rests, for one message."""

    per_second: float
    cpu_ms: float
    calls: float
    bytes_each: float
    before_mb: float
    after_mb: float


def measure_loops(folder: Path, number: int, *, connections: int) -> Loops:
    """Post *number* tagged complaints of different customers at once."""
    with Stub() as stub, start_serve(folder, stub, threads=THREADS) as serve:
        load(serve, count=THREADS, connections=connections, mark="warm")
        _until_open(stub, THREADS, serve.log)
        serve.settle()
        before_mb, cpu_s, size = serve.resident_mb(), serve.cpu_s(), _size(folder)
        calls = sum(stub.counts()["calls"].values())
        began = time.monotonic()
        load(serve, count=number, connections=connections, mark="loop")
        _until_open(stub, THREADS + number, serve.log)
        took = time.monotonic() - began
        serve.settle()
        return Loops(
            per_second=number / took,
            cpu_ms=1000 * (serve.cpu_s() - cpu_s) / number,
            calls=(sum(stub.counts()["calls"].values()) - calls) / number,
            bytes_each=(_size(folder) - size) / number,
            before_mb=before_mb,
            after_mb=serve.resident_mb(),
        )


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
