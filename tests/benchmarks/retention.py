"""How fast retention works through a SQLite database, and how long anybody has to wait for it.

    python -m tests.benchmarks.retention [--messages 1000000] [--keep FOLDER]

Fills a database with old loops (a message, a delivery, a tenth of a case with its
intents), runs retention once as the worker does, and prints rows a second and the
longest transaction. The second run blanks nothing and shows what an idle hour costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from bridge import app, settings
from bridge.flows import retain
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.tables import Case, Delivery, Intent, Message
from tests.running import REPOSITORY

WORDS = "The app logs me out every hour, and nobody has answered for three days. " * 3
INTENTS_A_CASE = 8
MESSAGES_A_CASE = 4  # of ten; the other six were never tagged
BATCH = 2_000


class Timed(Database):
    """Notes how long each transaction held the database's one place for writing."""

    spans: list[float]

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as tx:
            tx.connection()
            began = time.perf_counter()
            yield tx
        self.spans.append(time.perf_counter() - began)


def fill(database: Database, number: int) -> None:
    """*number* messages and as many deliveries over a year that ended 200 days ago."""
    now = datetime.now(UTC)
    for start in range(0, number, BATCH):
        rows: dict[type, list[dict[str, Any]]] = {Case: [], Message: [], Delivery: [], Intent: []}
        for index in range(start, min(start + BATCH, number)):
            at = now - timedelta(days=200) - timedelta(days=150) * (1 - index / number)
            if index % 10 == 0:
                case_id = new_id()
                rows[Case].append(a_case(case_id, index, at))
                rows[Intent] += [an_intent(case_id, kind, at) for kind in range(INTENTS_A_CASE)]
            with_case = index % 10 < MESSAGES_A_CASE
            rows[Message].append(a_message(index, at, case_id if with_case else None))
            rows[Delivery].append(a_delivery(index, at))
        with database.write() as tx:
            for table, values in rows.items():
                if values:
                    tx.execute(insert(table), values)


def a_case(case_id: str, index: int, at: datetime) -> dict[str, Any]:
    facts = dict.fromkeys(("brand", "queue", "route_place", "reason", "mapping_version"), "kopi")
    stages = dict.fromkeys(("posted_at", "received_at", "opened_at", "closed_at"), at)
    return {
        **facts,
        **stages,
        "id": case_id,
        "installation": "bridge",
        "network": "standard",
        "account": "kopi-plaza",
        "thread_root": f"plaza-{index}",
        "author_id": f"author-{index}",
        "state": "closed",
        "language": "en",
        "closing": "auto",
        "receipt": "closed publicly",
    }


def an_intent(case_id: str, kind: int, at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "case_id": case_id,
        "effect": "update_ticket",
        "target": case_id,
        "cause": f"message:{kind}",
        "lane": "desk",
        "state": "confirmed",
        "draft": {"text": WORDS},
        "payload": {"ticket_id": "1", "text": WORDS},
        "outcome": {"url": "https://desk.example/1"},
        "created_at": at,
        "due_at": at,
        "settled_at": at,
    }


def a_message(index: int, at: datetime, case_id: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "installation": "bridge",
        "network": "standard",
        "account": "kopi-plaza",
        "global_id": f"plaza-{index}",
        "native_id": f"plaza-{index}",
        "thread_root": f"plaza-{index}",
        "author_id": f"author-{index}",
        "author_handle": f"author-{index}",
        "author_name": "Somebody",
        "text": WORDS,
        "permalink": f"https://plaza.example/p/plaza-{index}",
        "visibility": "public",
        "attachments": [],
        "own": False,
        "posted_at": at,
        "received_at": at,
        "case_id": case_id,
    }


def a_delivery(index: int, at: datetime) -> dict[str, Any]:
    body = {
        "type": "social.message.created",
        "data": {"id": f"plaza-{index}", "text": WORDS, "more": "x" * 400},
    }
    return {
        "id": new_id(),
        "installation": "bridge",
        "source": "standard",
        "account": "kopi-plaza",
        "delivery_id": f"msg_{index}",
        "received_at": at,
        "body": json.dumps(body).encode(),
        "state": "done",
        "attempts": 0,
        "due_at": at,
        "done_at": at,
    }


def measure(database: Timed, world: Any, rows: int) -> None:
    database.spans = []
    began, cpu = time.perf_counter(), time.process_time()
    retain.retain(world)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    spans = sorted(database.spans)
    print(
        f"retention  {took:8.1f} s  {rows / took:9,.0f} rows/s  cpu {cpu:6.1f} s  {len(spans)} transactions: "
        f"median {1000 * spans[len(spans) // 2]:.1f} ms, p99 {1000 * spans[int(len(spans) * 0.99)]:.1f} ms, "
        f"longest {1000 * spans[-1]:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the database, kept afterwards")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = given.keep or Path(made)
        loaded = settings.load({"BRIDGE_DATA": str(folder), "BRIDGE_MAPPINGS": str(REPOSITORY / "mappings")})
        database = Timed(loaded.database_url)
        database.spans = []
        database.migrate()
        began = time.perf_counter()
        fill(database, given.messages)
        size = database.file.stat().st_size / 2**20
        rows = given.messages * 2 + given.messages // 10 * (1 + INTENTS_A_CASE)
        print(f"filled     {time.perf_counter() - began:8.1f} s  {rows:,} rows, {size:,.0f} MiB")
        world = app.build(loaded, flows=False).world
        world.database.close()
        world.database = database
        measure(database, world, rows)
        measure(database, world, rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory {peak:,.0f} MiB; the file is {database.file.stat().st_size / 2**20:,.0f} MiB")
        database.close()


if __name__ == "__main__":
    main()
