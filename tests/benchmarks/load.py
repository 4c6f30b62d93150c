"""The load generator: a fixed number of keep-alive connections, each with one request under way.

    python -m tests.benchmarks.load URL SECRET --count 2000 --connections 16 [--mark RUN]

Signs every post beforehand, so that the CPU is the server's while the clock runs.
Prints one line of JSON: how many were taken, in how long, p50, p99 and the slowest in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit

from bridge.sandbox.signing import standard_headers
from tests.benchmarks.wire import Messages

TEXT = "The app logs me out every hour, and whatever I had not saved by then is gone. Please help! " * 2


def posts(url: str, secret: str, mark: str, number: int) -> list[bytes]:
    """Whole requests: tagged posts of different customers, signed now (good for five minutes)."""
    parts = urlsplit(url)
    made = []
    for turn in range(number):
        body = json.dumps(
            {
                "type": "social.message.created",
                "data": {
                    "id": f"{mark}-{turn}",
                    "author": {"id": f"{mark}-customer-{turn}", "handle": f"@customer{turn}"},
                    "text": f"{TEXT}({turn:06})",
                    "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "tags": ["technical-issue"],
                },
            }
        ).encode()
        headers = {
            "Host": parts.netloc,
            "Content-Length": str(len(body)),
            **standard_headers(secret, f"{mark}-{turn}", body),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        made.append(f"POST {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return made


class Sender(Messages):
    """One connection. ``waits`` gets the seconds that each answer took."""

    def __init__(self, queue: list[bytes], waits: list[float], statuses: dict[str, int]) -> None:
        super().__init__()
        self._queue, self._waits, self._statuses = queue, waits, statuses
        self.done = asyncio.get_running_loop().create_future()

    def next(self) -> None:
        if not self._queue:
            self.transport.close()
            return
        self._began = time.perf_counter()
        self.transport.write(self._queue.pop())

    def message(self, head: bytes, body: bytes) -> None:
        self._waits.append(time.perf_counter() - self._began)
        status = head[9:12].decode()
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)


async def send(url: str, queue: list[bytes], connections: int) -> dict[str, object]:
    parts = urlsplit(url)
    number, waits, statuses = len(queue), list[float](), dict[str, int]()
    loop = asyncio.get_running_loop()
    senders = []
    for _ in range(connections):
        _, sender = await loop.create_connection(
            lambda: Sender(queue, waits, statuses), parts.hostname, parts.port
        )
        senders.append(sender)
    began = time.perf_counter()
    for sender in senders:
        sender.next()
    await asyncio.wait_for(asyncio.gather(*(sender.done for sender in senders)), timeout=240)
    took = time.perf_counter() - began
    waits.sort()
    return {
        "sent": number,
        "statuses": statuses,
        "seconds": took,
        "per_second": len(waits) / took,
        "p50_ms": 1000 * waits[len(waits) // 2],
        "p99_ms": 1000 * waits[int(len(waits) * 0.99)],
        "max_ms": 1000 * waits[-1],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("secret")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--mark", default="run")
    given = parser.parse_args()
    queue = posts(given.url, given.secret, given.mark, given.count)
    print(json.dumps(asyncio.run(send(given.url, queue, given.connections))), flush=True)


if __name__ == "__main__":
    main()
