"""Many loops for a long time, to see what grows.

    python -m tests.benchmarks.soak                        half an hour at 10 messages a second
    python -m tests.benchmarks.soak --minutes 5 --rate 10

``bridge serve`` on SQLite against the stub of Zendesk and Slack. Prints, for each tenth of the time:
memory, file handles, threads, how long the door took, how long its floor took (gunicorn with a bare
Flask route that commits one row, knocked at in between), and how many loops wait to be opened; then
how much the database grew for one loop. Exits 1, with the reason, when the last third is worse than
the second, or when a ticket or a card is missing or there twice. What
the processor and the disk of a shared machine do meanwhile, door and floor feel alike: latency is
judged by their ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.load import posts
from tests.benchmarks.processes import SECRET, Service, Stub, settle, start_floor, start_serve
from tests.benchmarks.wire import Messages

PARTS = 10
SIGNED_FOR_S = 60  # signatures are good for five minutes: no more than this is signed ahead
FLAT = 1.10  # so much more in the last third than in the second is growth, not noise


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the run ended with. Latencies in ms; ``floor_ms`` is a p50."""

    resident_mb: float
    files: int
    threads: int
    p50_ms: float
    p99_ms: float
    floor_ms: float
    behind: int

    @property
    def p50_by_floor(self) -> float:
        return self.p50_ms / self.floor_ms


class Knock(Messages):
    """One connection that sends when it is told to, and says how long the answer took."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: asyncio.Future[str] | None = None

    def message(self, head: bytes, body: bytes) -> None:
        assert self.answered is not None
        self.answered.set_result(head[9:12].decode())

    async def post(self, request: bytes) -> float:
        began = time.perf_counter()
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        status = await asyncio.wait_for(self.answered, timeout=60)
        if status != "202":
            raise RuntimeError(f"the door answered {status}")
        return 1000 * (time.perf_counter() - began)


async def knock(url: str, requests: list[bytes], rate: float, began: float) -> list[float]:
    """Send *requests* one after the other, *rate* a second; give how long each answer took, in ms, sorted."""
    parts = urlsplit(url)
    _, door = await asyncio.get_running_loop().create_connection(Knock, parts.hostname, parts.port)
    took = list[float]()
    for turn, request in enumerate(requests):
        await asyncio.sleep(max(0.0, began + turn / rate - time.perf_counter()))
        took.append(await door.post(request))
    door.transport.close()
    return sorted(took)


async def knock_at_both(door: str, floor: str, mark: str, number: int, rate: float) -> list[list[float]]:
    """By turns, so that neither waits for the other's processor."""
    at_once = max(1, round(SIGNED_FOR_S * rate))
    took: list[list[float]] = [[], []]
    for first in range(0, number, at_once):
        many = min(at_once, number - first)
        at_door, at_floor = (posts(url, SECRET, f"{mark}-{first}", many) for url in (door, floor))
        now = time.perf_counter()
        both = await asyncio.gather(
            knock(door, at_door, rate, now), knock(floor, at_floor, rate, now + 0.5 / rate)
        )
        took = [sorted(before + more) for before, more in zip(took, both, strict=True)]
    return took


def soak(folder: Path, minutes: float, rate: float) -> bool:
    """Whether nothing grew, and everything is there once."""
    number = round(minutes * 60 * rate / PARTS)
    found: list[Part] = []
    with (
        Stub() as stub,
        start_serve(folder / "serve", stub, threads=8) as serve,
        start_floor(folder / "floor") as floor,
    ):
        folder = folder / "serve"
        print("part   memory  files  threads   p50 ms   p99 ms   floor   ratio  behind", flush=True)
        sizes = [_size(folder)]
        for part in range(PARTS):
            took, least = asyncio.run(knock_at_both(serve.hook, floor.hook, f"soak-{part}", number, rate))
            behind = number * (part + 1) - stub.counts()["cards"]
            found.append(_look(serve, took, least, behind))
            one = found[-1]
            print(
                f"{part + 1:>4} {one.resident_mb:>5.0f} MB {one.files:>6} {one.threads:>8} "
                f"{one.p50_ms:>8.1f} {one.p99_ms:>8.1f} {one.floor_ms:>7.1f} {one.p50_by_floor:>7.2f} "
                f"{one.behind:>7}",
                flush=True,
            )
        settle(serve)
        sizes.append(_size(folder))
        counts = stub.counts()
    loops = number * PARTS
    print(f"{loops} loops, {counts['tickets']} tickets, {counts['cards']} cards, {counts['doubled']} doubled")
    print(f"the database grew by {(sizes[1] - sizes[0]) / loops / 1024:.1f} KiB a loop")
    grown = [name for name in ("resident_mb", "files", "threads", "p50_by_floor") if _grew(found, name)]
    wrong = [f"grew: {', '.join(grown)}"] if grown else []
    wrong += astray(loops, counts)
    print("; ".join(wrong) or "flat, and everything is there once")
    return not wrong


def astray(loops: int, counts: dict[str, int]) -> list[str]:
    """What the stub's *counts* say is missing, or there too often."""
    found = [f"{counts[what]} {what}, not {loops}" for what in ("tickets", "cards") if counts[what] != loops]
    return [*found, *([f"{counts['doubled']} doubled"] if counts["doubled"] else [])]


def _look(serve: Service, took: list[float], least: list[float], behind: int) -> Part:
    [process] = serve.processes()
    return Part(
        resident_mb=serve.resident_mb(),
        files=len(list(Path(f"/proc/{process}/fd").iterdir())),
        threads=len(list(Path(f"/proc/{process}/task").iterdir())),
        p50_ms=took[len(took) // 2],
        p99_ms=took[int(len(took) * 0.99)],
        floor_ms=least[len(least) // 2],
        behind=behind,
    )


def _grew(found: list[Part], name: str) -> bool:
    values = [float(getattr(part, name)) for part in found]
    third = len(values) // 3
    return statistics.median(values[-third:]) > FLAT * statistics.median(values[third:-third])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("bridge.db*"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=10)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="bridge-soak-") as folder:
        sys.exit(0 if soak(Path(folder), given.minutes, given.rate) else 1)


if __name__ == "__main__":
    main()
