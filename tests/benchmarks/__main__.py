"""Measure what the door and a loop cost, on this machine, now.

    python -m tests.benchmarks            prints each figure, its target, and whether it is met
    python -m tests.benchmarks --check    the same, and exits 1 unless every target is met

Everything runs on loopback, in processes that this one starts and stops: the real
``bridge web`` and ``bridge serve``, a stub of Zendesk and Slack that takes 50 ms to
answer, a load generator, and the floor, which is gunicorn with a bare Flask route.
SQLite, ``synchronous=FULL``. Door and floor take turns: read their ratio, since
absolute figures are the disk's. A loop's floor is its calls to vendors, made one after the
other with nothing around them. The same loops are opened by ``bridge web`` and one, then two
``bridge worker`` on a PostgreSQL of the benchmark's own, on the same machine.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.calls import measure_calls
from tests.benchmarks.loops import Loops, measure_loops, measure_workers
from tests.benchmarks.processes import Stub, load, settle, start_door, start_floor, start_serve
from tests.postgres import Postgres

CONNECTIONS = 16
ROUNDS = 3
POSTS = 2000
LOOPS = 600


class Report:
    """Prints figures as they come; ``failed`` counts the targets that were missed."""

    def __init__(self) -> None:
        self.failed = 0

    def say(self, what: str, value: str, target: str = "", met: bool | None = None) -> None:
        verdict = {None: "", True: "met", False: "NOT MET"}[met]
        self.failed += met is False
        print(f"{what:<44} {value:>18}   {target:<12} {verdict}", flush=True)


def measure_start(report: Report, folder: Path) -> None:
    """From the process's start to its first /healthz, and what it holds when it has nothing to do."""
    with Stub() as stub:
        times = []
        for turn in range(3):
            with start_serve(folder / "start", stub, threads=8) as serve:
                times.append(serve.started_in_s)
                if turn == 2:
                    settle(serve)
                    idle = serve.resident_mb()
    start_s = statistics.median(times)
    report.say("start, to the first /healthz", f"{start_s:.2f} s", "<= 2 s", start_s <= 2)
    report.say("memory, idle (serve, 8 threads)", f"{idle:.0f} MB", "<= 150 MB", idle <= 150)


def measure_door(report: Report, folder: Path, posts: int) -> None:
    """Door, floor, door, floor …: the same posts by the same generator."""
    with start_door(folder / "door") as door, start_floor(folder / "floor") as floor:
        both = {"door": door, "floor": floor}
        found: dict[str, list[dict[str, float]]] = {"door": [], "floor": []}
        for name, service in both.items():
            load(service, count=200, connections=CONNECTIONS, mark=f"warm-{name}")
        for turn in range(ROUNDS):
            for name, service in both.items():
                figures = load(service, count=posts, connections=CONNECTIONS, mark=f"round-{turn}")
                found[name].append(figures)
                report.say(
                    f"  {name}, round {turn + 1}",
                    f"{figures['per_second']:.0f}/s",
                    f"p50 {figures['p50_ms']:.0f}, p99 {figures['p99_ms']:.0f} ms",
                )
    rate = {name: statistics.median(one["per_second"] for one in rounds) for name, rounds in found.items()}
    for name, rounds in found.items():
        p50, p99 = (statistics.median(one[f"p{n}_ms"] for one in rounds) for n in (50, 99))
        report.say(f"{name}: answers, p50, p99", f"{rate[name]:.0f}/s", f"{p50:.0f} ms, {p99:.0f} ms")
    ratio = rate["door"] / rate["floor"]
    report.say("door / floor", f"{ratio:.2f}", ">= 0.70", ratio >= 0.7)


def say_loops(report: Report, found: Loops, calls_ms: float) -> None:
    report.say(
        "loops opened (ticket and card)", f"{found.per_second:.0f}/s", ">= 60/s", found.per_second >= 60
    )
    report.say("CPU a message, whole process", f"{found.cpu_ms:.1f} ms", "<= 10 ms", found.cpu_ms <= 10)
    report.say("its floor: the calls to vendors alone", f"{calls_ms:.1f} ms")
    report.say("CPU a message / its floor", f"{found.cpu_ms / calls_ms:.2f}")
    report.say("calls to vendors a loop", f"{found.calls:.1f}")
    report.say("bytes of database a loop", f"{found.bytes_each / 1024:.1f} KiB")
    report.say("memory, before and after", f"{found.before_mb:.0f}, {found.after_mb:.0f} MB")


def measure_both_workers(report: Report, folder: Path, loops: int) -> None:
    """What a second worker gives, where the server shares the machine with them."""
    server = Postgres(folder / "postgresql", durable=True)
    try:
        one, two = (
            measure_workers(folder / f"workers-{n}", server, loops, connections=CONNECTIONS, workers=n)
            for n in (1, 2)
        )
    finally:
        server.close()
    for name, found in (("one worker", one), ("two workers", two)):
        report.say(
            f"PostgreSQL, a door and {name}: loops", f"{found.per_second:.0f}/s", f"{found.cpu_ms:.1f} ms CPU"
        )
    report.say("two workers / one", f"{two.per_second / one.per_second:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--check", action="store_true", help="exit 1 unless every target is met")
    parser.add_argument("--only", choices=["start", "door", "loops", "workers"], help="one part of it")
    parser.add_argument("--posts", type=int, default=POSTS, help="posts in each round at the door")
    parser.add_argument("--loops", type=int, default=LOOPS, help="loops to open")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    report = Report()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {CONNECTIONS} connections")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only in (None, "start"):
            measure_start(report, folder)
        if given.only in (None, "door"):
            measure_door(report, folder, given.posts)
        if given.only in (None, "loops"):
            found = measure_loops(folder / "loops", given.loops, connections=CONNECTIONS)
            say_loops(report, found, measure_calls(given.loops))
        if given.only in (None, "workers"):
            measure_both_workers(report, folder, given.loops)
    if given.check and report.failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
