"""/metrics: the numbers of the whole installation, in Prometheus' own format, and cheap."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, event, insert

from bridge.app import Bridge
from bridge.errors import StoreBusyError
from bridge.sandbox import Sandbox
from bridge.store import lanes
from bridge.store.tables import Case, Cursor, Delivery, Event, Intent
from tests.running import InProcess, eventually
from tests.stories.seen import brand_posts, the_card, the_ticket
from tests.watch.conftest import NOON, both, close, open_bridge

Samples = dict[str, list[tuple[dict[str, str], float]]]


def parsed(text: str) -> Samples:
    """The samples by name, as Prometheus' own parser reads them."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def scrape(bridge: Bridge) -> Samples:
    bridge.world.tallies.bring(bridge.world.database)
    answer = bridge.web.test_client().get("/metrics")
    assert answer.status_code == 200
    return parsed(answer.get_data(as_text=True))


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of those of *name* that have *labels*."""
    return sum(one for had, one in samples.get(name, []) if labels.items() <= had.items())


def test_a_played_story_is_counted(tmp_path: Path):
    """From the complaint to the receipt: each number once, by what it was."""
    with Sandbox() as sandbox:
        running = InProcess(tmp_path / "data", sandbox)
        try:
            sandbox.plaza.post("dewi", "The app logs me out every hour", language="en")
            ticket = the_ticket(sandbox)
            the_card(sandbox, "support-technical")
            sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")
            eventually(lambda: brand_posts(sandbox.plaza), what="the reply")
            eventually(
                lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt"
            )
            requests.post(f"{running.url}/hooks/zendesk", data=b"{}", timeout=5)
            for one in running.bridge.beside:
                one.stop()
            text = requests.get(f"{running.url}/metrics", timeout=5)
            samples = parsed(text.text)
        finally:
            running.stop()
    assert text.headers["Content-Type"].startswith("text/plain; version=")
    assert value(samples, "bridge_receipts_total", receipt="closed publicly") == 1
    assert [
        value(samples, "bridge_case_moves_total", state=state) for state in ("open", "solved", "closed")
    ] == [1, 1, 1]
    for effect in ("open_ticket", "post_card", "reply"):
        assert value(samples, "bridge_intents_total", effect=effect, outcome="confirmed") == 1, effect
    assert value(samples, "bridge_deliveries_total", source="standard", outcome="done") >= 1
    assert value(samples, "bridge_deliveries_total", source="zendesk", outcome="done") >= 1
    assert value(samples, "bridge_requests_refused_total", reason="unauthentic") == 1
    for stage in (
        "posted_to_received",
        "received_to_ticket",
        "received_to_first_public_word",
        "solved_to_closed",
        "posted_to_closed",
    ):
        assert value(samples, "bridge_stage_seconds_count", stage=stage) == 1, stage
        assert value(samples, "bridge_stage_seconds_bucket", stage=stage, le="+Inf") == 1
    assert value(samples, "bridge_door_seconds_count", route="/hooks/zendesk", status="401") == 1
    assert value(samples, "bridge_call_seconds_count", lane="desk") >= 1
    assert value(samples, "bridge_vendor_calls_left", vendor="desk", limit="account") > 0
    assert value(samples, "bridge_workers") == 1
    assert value(samples, "bridge_heard_timestamp_seconds", source="zendesk") > 0
    assert value(samples, "bridge_poll_failures", cursor="poll:kopi-mastodon") == 0
    assert not re.search("dewi|logs me out|4\\.3|test-|whsec_", text.text)


def test_what_was_rolled_back_is_not_counted(bridge: Bridge):
    """It did not happen."""
    with pytest.raises(RuntimeError), bridge.world.database.write() as tx:
        tx.add(case("one"))
        tx.flush()
        raise RuntimeError
    assert value(scrape(bridge), "bridge_case_moves_total") == 0
    with bridge.world.database.write() as tx:
        tx.add(case("one"))
    assert value(scrape(bridge), "bridge_case_moves_total") == 1


@both
def test_what_a_restart_finds_is_counted_on(bridge: Bridge, clock, channel, store_url: str):
    """Numbers that only grow do so over restarts and processes."""
    with bridge.world.database.write() as tx:
        tx.add(case("one"))
    close(bridge)
    again = open_bridge(store_url, clock, channel)
    with again.world.database.write() as tx:
        tx.add(case("two"))
    assert value(scrape(again), "bridge_case_moves_total", state="open") == 2
    close(again)


@both
def test_what_is_so_now_is_shown(bridge: Bridge, clock):
    """Open cases, what waits and since when, parked lanes, polls that fail."""
    with bridge.world.database.write() as tx:
        tx.add(case("one", state="solved", solved_at=NOON - timedelta(hours=2)))
        tx.add(case("two"))
        tx.flush()
        tx.add(intent("one", state="held"))
        tx.add(intent("two", state="approved", created_at=NOON - timedelta(minutes=10)))
        tx.add(Cursor(key="poll:kopi-mastodon", due_at=NOON, heard_at=NOON, failures=2))
        lanes.park(tx, "desk", "answered 401", "the vendor's answer", NOON)
    samples = scrape(bridge)
    assert value(samples, "bridge_cases", state="solved") == 1
    assert value(samples, "bridge_cases", state="open") == 1
    assert value(samples, "bridge_open_loop_oldest_seconds") == 7200
    assert value(samples, "bridge_intents_unsettled", effect="reply", state="held") == 1
    assert value(samples, "bridge_intent_oldest_seconds") == 600
    assert value(samples, "bridge_lane_parked", lane="desk") == 1
    assert value(samples, "bridge_poll_failures", cursor="poll:kopi-mastodon") == 2
    assert value(samples, "bridge_poll_worked_timestamp_seconds") == NOON.timestamp()
    (info,) = samples["bridge_info"]
    assert bridge.world.mappings.current.version.startswith(info[0]["mapping_version"])


def test_every_name_keeps_to_the_conventions(bridge: Bridge):
    """Counters end in _total, spans and times in _seconds; every family has its help and its type."""
    text = bridge.web.test_client().get("/metrics").get_data(as_text=True)
    families = list(text_string_to_metric_families(text))
    assert len(families) > 20
    for family in families:
        assert family.name.startswith("bridge_")
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_a_database_that_cannot_be_read_is_503(bridge: Bridge, monkeypatch: pytest.MonkeyPatch):
    """A scrape that fails is a gap in the graph, and Prometheus' own `up` says so."""

    def busy() -> None:
        raise StoreBusyError("the database cannot be read: it restarts")

    monkeypatch.setattr(bridge.world.database, "read", busy)
    assert bridge.web.test_client().get("/metrics").status_code == 503


MANY = 4_000


@pytest.fixture
def large(bridge: Bridge) -> Bridge:
    """Very much that is over, and a little that is open."""
    closed, held = row(case("", state="closed", closed_at=NOON)), row(case(""))
    settled, waiting = row(intent("", state="confirmed")), row(intent("", state="held"))
    with bridge.world.database.write() as tx:
        for kind, count, a_case, an_intent in (("c", MANY, closed, settled), ("o", 50, held, waiting)):
            names = [f"{kind}{number}" for number in range(count)]
            tx.execute(insert(Case), [a_case | {"id": name, "thread_root": name} for name in names])
            changes = ({"id": f"i{name}", "case_id": name, "target": name} for name in names)
            tx.execute(insert(Intent), [an_intent | change for change in changes])
            told = [
                {"id": f"e{name}", "case_id": name, "at": NOON, "kind": "came in", "text": "x", "data": {}}
                for name in names
            ]
            tx.execute(insert(Event), told)
        for over in ({"state": "refused", "decided_by": "the bridge"}, {"state": "gone"}):
            facts = settled | {"decided_by": None} | over
            key = over["state"]
            changes = (
                {"id": f"{key}{number}", "case_id": f"c{number}", "target": f"c{number}", "cause": key}
                for number in range(MANY)
            )
            tx.execute(insert(Intent), [facts | change for change in changes])
        states = ("done", "unwanted")
        tx.execute(
            insert(Delivery), [delivery(number) | {"state": states[number % 2]} for number in range(MANY)]
        )
    return bridge


def reads(bridge: Bridge, path: str) -> list[tuple[str, Any]]:
    """Each statement that answering *path* runs, with its parameters."""
    seen: list[tuple[str, Any]] = []
    engine = bridge.world.database.engine

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        assert bridge.web.test_client().get(path).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    assert len(seen) > 5
    return seen


@contextmanager
def analysed(bridge: Bridge) -> Iterator[Connection]:
    """A connection whose plans know how much there is, as a server's do by themselves after a while."""
    with bridge.world.database.engine.connect() as connection:
        if not bridge.world.database.embedded:
            connection.exec_driver_sql("ANALYZE")
        yield connection


def plans(bridge: Bridge, path: str) -> Iterator[tuple[str, str]]:
    """Each statement that answering *path* runs, with the database's plan for it."""
    seen, embedded = reads(bridge, path), bridge.world.database.embedded
    with analysed(bridge) as connection:
        for statement, parameters in seen:
            explain = "EXPLAIN QUERY PLAN" if embedded else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
            yield statement, "\n".join(str(found[3 if embedded else 0]) for found in rows)


def rows_looked_at(connection: Connection, statement: str, parameters: Any) -> int:
    """How many rows running *statement* takes into the hand; on SQLite, not fewer than that."""
    if connection.dialect.name != "sqlite":
        [[[plan]]] = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        return looked_at(plan["Plan"])
    steps = itertools.count()
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: next(steps) < 0, STEPS)
    try:
        connection.exec_driver_sql(statement, parameters).all()
    finally:
        driver.set_progress_handler(None, 0)
    return next(steps)


STEPS = 4
"""Of SQLite's machine, at least, for a row that is found through an index and counted or left out."""


def looked_at(node: dict[str, Any]) -> int:
    own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return int(max(own, *map(looked_at, node.get("Plans", [])), 0))


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
@both
def test_nothing_that_grows_for_ever_is_read_from_end_to_end(large: Bridge, path: str):
    """Cases, intents and deliveries are reached through an index whose part that matters is small."""
    scans = [
        (statement, plan)
        for statement, plan in plans(large, path)
        if re.search(r"(SCAN|Seq Scan on) (cases|intents|deliveries|messages|events)\b", plan)
    ]
    assert scans == []


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
@both
def test_no_read_works_through_what_is_over(large: Bridge, path: str):
    """An index does not help where most of the part that is read has to be left out, row by row."""
    seen = reads(large, path)
    with analysed(large) as connection:
        long = {one[0]: rows for one in seen if (rows := rows_looked_at(connection, *one)) >= MANY / 4}
    assert long == {}


def test_the_time_of_a_scrape_does_not_grow_with_what_is_over(large: Bridge):
    """Thousands of closed cases cost no more than none: the fastest of some scrapes takes milliseconds."""
    client = large.web.test_client()

    def once() -> float:
        begun = time.monotonic()
        assert client.get("/metrics").status_code == 200
        return time.monotonic() - begun

    once()
    assert min(once() for _ in range(5)) < 0.1


def case(key: str, **given: Any) -> Case:
    facts: dict[str, Any] = {
        "id": key,
        "installation": "bridge",
        "network": "standard",
        "account": "kopi-plaza",
        "brand": "kopi",
        "thread_root": key,
        "author_id": "author-1",
        "queue": "support-technical",
        "route_place": "10-social.yaml:1:1",
        "reason": "because",
        "language": "en",
        "closing": "auto",
        "mapping_version": "one",
        "posted_at": NOON,
        "received_at": NOON,
        "opened_at": NOON,
        "state": "open",
    }
    return Case(**{**facts, **given})


def intent(case_id: str, **given: Any) -> Intent:
    facts: dict[str, Any] = {
        "id": f"i-{case_id}",
        "case_id": case_id,
        "effect": "reply",
        "target": case_id,
        "cause": "update:1",
        "lane": "account:kopi-plaza",
        "created_at": NOON,
        "due_at": NOON,
    }
    return Intent(**{**facts, **given})


def delivery(number: int) -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "installation": "bridge",
        "source": "standard",
        "account": "kopi-plaza",
        "delivery_id": f"d{number}",
        "received_at": NOON + timedelta(seconds=number),
        "due_at": NOON,
        "state": "done",
    }


def row(made: Case | Intent) -> dict[str, Any]:
    """The values that were given to *made*."""
    return {name: found for name, found in vars(made).items() if not name.startswith("_")}
