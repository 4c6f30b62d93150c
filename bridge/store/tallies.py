"""Tallies: what /metrics counts, of all processes together.

    world.tallies.add("bridge_sweep_finds_total", what="delivery")     # + 1
    world.tallies.add("bridge_sweep_finds_total", 3, what="delivery")  # + 3
    world.tallies.observe("bridge_stage_seconds", seconds, stage="posted_to_received")

Each process counts in memory, which costs a lock and an addition, and brings what it
has counted to the table every few seconds (`Tallies.bring`). A process that is killed
takes the counts of those seconds with it: facts are in the other tables, never here.
Count after the commit: what is rolled back did not happen.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bridge.errors import StoreBusyError
from bridge.store.database import Database
from bridge.store.tables import Tally

SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
LONG_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 86400.0, 3 * 86400.0, 7 * 86400.0)


@dataclass(frozen=True, slots=True)
class Number:
    """One kind of number. Values of ``labels`` are names of ours or of the mapping, nobody's words."""

    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often something took how long. ``bounds`` are the upper ends of its buckets, in seconds."""

    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]


COUNTERS: dict[str, Number] = {
    "bridge_deliveries_total": Number(
        "What came in, by where from and what became of it.", ("source", "account", "outcome")
    ),
    "bridge_requests_refused_total": Number("Requests that the door refused, by why.", ("reason",)),
    "bridge_case_moves_total": Number("Cases that came into a state.", ("state",)),
    "bridge_receipts_total": Number("How cases ended.", ("receipt",)),
    "bridge_intents_total": Number("What was wanted outside, and what became of it.", ("effect", "outcome")),
    "bridge_vendor_errors_total": Number("Calls that failed, by what to do next.", ("lane", "error")),
    "bridge_flow_errors_total": Number("Flows that ended in an error that nobody expected.", ("flow",)),
    "bridge_sweep_finds_total": Number("What no webhook told and the sweep found.", ("what",)),
    "bridge_alerts_total": Number("Conditions that began and need a person.", ("condition",)),
}
GAUGES: dict[str, Number] = {
    "bridge_vendor_calls_left": Number(
        "Calls that a vendor last said it still takes, by its limit.", ("vendor", "limit")
    ),
}
HISTOGRAMS: dict[str, Histogram] = {
    "bridge_door_seconds": Histogram("How long the door took to answer.", ("route", "status"), SHORT_S),
    "bridge_call_seconds": Histogram("How long a write to a vendor took.", ("lane",), SHORT_S),
    "bridge_stage_seconds": Histogram("How long a case took from one stage to the next.", ("stage",), LONG_S),
}


_Key = tuple[str, tuple[tuple[str, str], ...]]


class Tallies:
    """What this process has counted and not yet brought to the table. Safe among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: defaultdict[_Key, float] = defaultdict(float)
        self._shown: dict[_Key, float] = {}

    def add(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Count *value* more. A name or a label that `COUNTERS` does not have is our bug: KeyError."""
        _require(name, COUNTERS[name].labels, labels)
        key = name, tuple(sorted(labels.items()))
        with self._lock:
            self._counted[key] += value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Count one more that took *seconds*. Raises KeyError like `add`, for `HISTOGRAMS`."""
        metric = HISTOGRAMS[name]
        _require(name, metric.labels, labels)
        seconds = max(0.0, seconds)
        place = bisect_left(metric.bounds, seconds)
        bound = str(metric.bounds[place]) if place < len(metric.bounds) else "+Inf"
        plain = tuple(sorted(labels.items()))
        with self._lock:
            self._counted[name, tuple(sorted((*plain, ("le", bound))))] += 1
            self._counted[f"{name}_sum", plain] += seconds

    @contextmanager
    def timed(self, name: str, **labels: str) -> Iterator[None]:
        """Observe how long the block takes, however it ends."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.observe(name, time.monotonic() - begun, **labels)

    def show(self, name: str, value: float, **labels: str) -> None:
        """Say how much there is of something; the latest word counts. KeyError like `add`, for `GAUGES`."""
        _require(name, GAUGES[name].labels, labels)
        with self._lock:
            self._shown[name, tuple(sorted(labels.items()))] = value

    def bring(self, database: Database) -> None:
        """Add what was counted to the table. Raises StoreBusyError; then nothing is lost."""
        with self._lock:
            counted, self._counted = self._counted, defaultdict(float)
            shown, self._shown = self._shown, {}
        if not counted and not shown:
            return
        try:
            with database.write() as tx:
                connection = tx.connection()
                dialect = connection.dialect.name
                # In one order everywhere: two processes that lock rows crosswise would wait for ever.
                for (name, labels), value in sorted({**counted, **shown}.items()):
                    written = json.dumps(dict(labels), sort_keys=True, ensure_ascii=False)
                    row = {"name": name, "labels": written, "value": value}
                    connection.execute(_shows(dialect) if name in GAUGES else _grows(dialect), row)
        except StoreBusyError:
            with self._lock:
                for key, value in counted.items():
                    self._counted[key] += value
                self._shown = {**shown, **self._shown}
            raise


def read(tx: Session) -> dict[str, list[tuple[dict[str, str], float]]]:
    """All that was ever counted: by name, the labels and the value. A histogram's buckets have ``le``."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, labels, value in tx.execute(
        select(Tally.name, Tally.labels, Tally.value).order_by(Tally.name, Tally.labels)
    ):
        found.setdefault(name, []).append((json.loads(labels), value))
    return found


def _require(name: str, declared: tuple[str, ...], given: Mapping[str, Any]) -> None:
    if len(given) != len(declared) or any(label not in given for label in declared):
        raise KeyError(f"{name} has the labels {declared}")


@cache
def _grows(dialect: str) -> Insert:
    """What adds to a number; made once, because that takes longer than to run it."""
    statement = _insert(dialect)
    return statement.on_conflict_do_update(
        index_elements=["name", "labels"], set_={"value": Tally.value + statement.excluded.value}
    )


@cache
def _shows(dialect: str) -> Insert:
    """What replaces it."""
    statement = _insert(dialect)
    return statement.on_conflict_do_update(
        index_elements=["name", "labels"], set_={"value": statement.excluded.value}
    )


def _insert(dialect: str) -> postgresql.Insert | sqlite.Insert:
    made: postgresql.Insert | sqlite.Insert
    made = (postgresql if dialect == "postgresql" else sqlite).insert(Tally.__table__)
    return made
