"""``/metrics``: the whole installation's numbers, from any of its processes.

Counts and histograms are the tallies of all processes, some seconds old; what is so
now is read from the tables through their indexes. No label holds anybody's words.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from itertools import accumulate

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from bridge import __version__
from bridge.core.ports import Clock
from bridge.errors import MappingError
from bridge.store import lanes, standing, tallies
from bridge.store.conditions import WORKER_GONE
from bridge.store.database import Database
from bridge.store.tallies import COUNTERS, GAUGES, HISTOGRAMS, Number, Tallies

# What is read at each scrape, beside the tallies.
NOW: dict[str, Number] = {
    "bridge_cases": Number("Cases that are not closed.", ("state",)),
    "bridge_open_loop_oldest_seconds": Number("How long the oldest solved case has had no receipt."),
    "bridge_intents_unsettled": Number("What is wanted outside and is not settled.", ("effect", "state")),
    "bridge_intent_oldest_seconds": Number("How long the oldest intent that may leave has waited."),
    "bridge_intents_refused": Number("What vendors refused and nobody has decided on."),
    "bridge_deliveries_untaken": Number("What came in and was not understood yet."),
    "bridge_delivery_oldest_seconds": Number("How long the oldest of those has waited."),
    "bridge_deliveries_failed": Number("What came in, was not understood and waits for a person."),
    "bridge_workers": Number("Workers that are alive."),
    "bridge_lane_parked": Number("Lanes to the outside that are parked.", ("lane",)),
    "bridge_alert_active": Number("What the watch has found and not seen end.", ("condition",)),
    "bridge_poll_failures": Number("Polls that failed since the last that worked.", ("cursor",)),
    "bridge_poll_worked_timestamp_seconds": Number("When a poll last worked.", ("cursor",)),
    "bridge_heard_timestamp_seconds": Number(
        "When something last came in from there.", ("source", "account")
    ),
    "bridge_info": Number("What runs in this process.", ("version", "mapping_version")),
    "bridge_mapping_faulty": Number("Whether this process has an edit of the mapping that it cannot serve."),
}


@dataclass(frozen=True, slots=True)
class Metrics:
    """``sources`` gives who should be heard, each as (source, account); the rest is as for `Health`."""

    database: Database
    clock: Clock
    _: KW_ONLY
    mapping_version: Callable[[], str]
    mapping_error: Callable[[], MappingError | None]
    sources: Callable[[], list[tuple[str, str]]]

    def text(self) -> bytes:
        """The exposition in Prometheus' text format. Raises StoreBusyError."""
        gauges = {name: GaugeMetricFamily(name, of.help, labels=of.labels) for name, of in NOW.items()}
        with self.database.read() as tx:
            families = list(_counted(tx))
            for name, value, labels in (*self._standing(tx), *self._heard(tx), *self._mapping()):
                gauges[name].add_metric(labels, value)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected([*families, *gauges.values()]))
        return generate_latest(registry)

    def _standing(self, tx: Session) -> Iterator[tuple[str, float, tuple[str, ...]]]:
        now = self.clock.now()
        for state, count in standing.open_cases(tx).items():
            yield "bridge_cases", count, (state,)
        for labels, count in standing.unsettled_intents(tx).items():
            yield "bridge_intents_unsettled", count, labels
        yield "bridge_open_loop_oldest_seconds", standing.open_loops(tx).age_s(now), ()
        yield "bridge_intent_oldest_seconds", standing.waiting_intents(tx).age_s(now), ()
        yield "bridge_intents_refused", standing.refused_intents(tx), ()
        untaken = standing.untaken_deliveries(tx)
        yield "bridge_deliveries_untaken", untaken.count, ()
        yield "bridge_delivery_oldest_seconds", untaken.age_s(now), ()
        yield "bridge_deliveries_failed", standing.failed_deliveries(tx), ()
        yield "bridge_workers", standing.living_workers(tx, now - WORKER_GONE), ()
        for lane in lanes.parked(tx, now):
            yield "bridge_lane_parked", 1, (lane,)
        for alert in standing.alerts(tx):
            yield "bridge_alert_active", 1, (alert.key,)

    def _heard(self, tx: Session) -> Iterator[tuple[str, float, tuple[str, ...]]]:
        for cursor in standing.cursors(tx):
            yield "bridge_poll_failures", cursor.failures, (cursor.key,)
            if cursor.heard_at is not None:
                yield "bridge_poll_worked_timestamp_seconds", cursor.heard_at.timestamp(), (cursor.key,)
        for source, account in self.sources():
            at = standing.heard_at(tx, source, account)
            if at is not None:
                yield "bridge_heard_timestamp_seconds", at.timestamp(), (source, account)

    def _mapping(self) -> Iterator[tuple[str, float, tuple[str, ...]]]:
        yield "bridge_info", 1, (__version__, self.mapping_version()[:12])
        yield "bridge_mapping_faulty", self.mapping_error() is not None, ()


def show_metrics(web: Flask, metrics: Metrics, counted: Tallies) -> None:
    """Answer ``/metrics``, and count how long each answer of *web* took."""

    @web.get("/metrics")
    def show() -> Response:
        return Response(metrics.text(), content_type=CONTENT_TYPE_LATEST)

    @web.before_request
    def begin() -> None:
        g.begun = time.monotonic()

    @web.after_request
    def end(answer: Response) -> Response:
        route = request.url_rule.rule if request.url_rule is not None else "none"
        seconds = time.monotonic() - g.begun
        counted.observe("bridge_door_seconds", seconds, route=route, status=str(answer.status_code))
        return answer


class _Collected(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _counted(tx: Session) -> Iterator[Metric]:
    found = tallies.read(tx)
    for name, counter in COUNTERS.items():
        counts = CounterMetricFamily(name, counter.help, labels=counter.labels)
        for labels, value in found.get(name, []):
            counts.add_metric([labels[label] for label in counter.labels], value)
        yield counts
    for name, gauge in GAUGES.items():
        shown = GaugeMetricFamily(name, gauge.help, labels=gauge.labels)
        for labels, value in found.get(name, []):
            shown.add_metric([labels[label] for label in gauge.labels], value)
        yield shown
    for name, histogram in HISTOGRAMS.items():
        spans = HistogramMetricFamily(name, histogram.help, labels=histogram.labels)
        bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
        filled = {
            (tuple(labels[label] for label in histogram.labels), labels["le"]): value
            for labels, value in found.get(name, [])
        }
        for labels, total in found.get(f"{name}_sum", []):
            values = tuple(labels[label] for label in histogram.labels)
            summed = accumulate(filled.get((values, bound), 0.0) for bound in bounds)
            spans.add_metric(values, list(zip(bounds, summed, strict=True)), total)
        yield spans
