"""What is counted in memory and summed in a table, over all processes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from bridge.errors import StoreBusyError
from bridge.store import tallies
from bridge.store.database import Database
from bridge.store.tallies import Tallies


def read(database: Database) -> dict[str, list[tuple[dict[str, str], float]]]:
    with database.read() as tx:
        return tallies.read(tx)


def test_processes_add_up(database: Database) -> None:
    """Two processes that count the same thing, several times over: one number, the sum."""
    one, other = Tallies(), Tallies()
    for count in (one, other):
        count.add("bridge_sweep_finds_total", what="delivery")
        count.bring(database)
        count.add("bridge_sweep_finds_total", 2, what="delivery")
        count.add("bridge_sweep_finds_total", what="update")
        count.bring(database)
        count.bring(database)
    found = read(database)["bridge_sweep_finds_total"]
    assert found == [({"what": "delivery"}, 6), ({"what": "update"}, 2)]


def test_a_database_that_cannot_be_written_keeps_the_count(
    database: Database, open_database: Callable[..., Database]
) -> None:
    """What could not be brought is brought the next time, with what was counted meanwhile."""
    count = Tallies()
    count.add("bridge_receipts_total", receipt="public")
    with open_database().write() as tx, pytest.raises(StoreBusyError):
        tx.execute(text("SELECT 1"))  # takes the lock
        count.bring(database)
    count.add("bridge_receipts_total", receipt="public")
    count.bring(database)
    assert read(database)["bridge_receipts_total"] == [({"receipt": "public"}, 2)]


def test_threads_lose_no_count(database: Database) -> None:
    """Eight threads count while a ninth brings: nothing is lost, nothing twice."""
    count, done = Tallies(), threading.Event()

    def bring() -> None:
        while not done.is_set():
            count.bring(database)

    def add() -> None:
        for _ in range(500):
            count.add("bridge_receipts_total", receipt="public")

    bringer = threading.Thread(target=bring)
    adders = [threading.Thread(target=add) for _ in range(8)]
    for thread in (bringer, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    done.set()
    bringer.join()
    count.bring(database)
    assert read(database)["bridge_receipts_total"] == [({"receipt": "public"}, 4000)]


def test_a_span_falls_into_one_bucket(database: Database) -> None:
    """The bucket whose upper end it does not pass; what no bound holds is in +Inf; spans are summed."""
    count = Tallies()
    for seconds in (1.0, 1.01, -3.0, 10_000_000.0):
        count.observe("bridge_stage_seconds", seconds, stage="posted_to_received")
    count.bring(database)
    found = read(database)
    buckets = {labels["le"]: value for labels, value in found["bridge_stage_seconds"]}
    assert buckets == {"1.0": 2, "5.0": 1, "+Inf": 1}
    assert found["bridge_stage_seconds_sum"] == [({"stage": "posted_to_received"}, 10_000_002.01)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda count: count.add("bridge_recepts_total", receipt="public"),
        lambda count: count.add("bridge_receipts_total"),
        lambda count: count.add("bridge_receipts_total", receipt="public", case="1"),
        lambda count: count.add("bridge_receipts_total", reciept="public"),
        lambda count: count.observe("bridge_stage_seconds", 1.0),
    ],
)
def test_a_name_that_nobody_declared_is_refused(wrong: Callable[[Tallies], None]) -> None:
    """A misspelt name or label would be a number that no dashboard shows."""
    with pytest.raises(KeyError):
        wrong(Tallies())
