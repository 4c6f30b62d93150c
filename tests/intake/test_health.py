"""What /healthz and /readyz say, and which of it takes the service out of the balancer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from bridge.app import Bridge
from bridge.store import deliveries, lanes
from bridge.store.tables import Cursor, Lane, WorkerRow
from tests.disk import fill, limit
from tests.intake.knocking import STANDARD, created, stored


@pytest.fixture
def worker(bridge: Bridge) -> Iterator[None]:
    """A worker that was seen just now."""
    world = bridge.world
    world.presence.claim()
    world.presence.enter(world.database, world.clock.now())
    yield
    world.presence.leave(world.database, world.clock.now())


def ready(client: FlaskClient) -> tuple[int, str, list[str]]:
    """The status, the word for it, and the problems."""
    answer = client.get("/readyz")
    assert answer.is_json
    return answer.status_code, answer.json["status"], answer.json["problems"]


def only_problem(client: FlaskClient) -> str:
    """What is wrong, when it is one thing and the service works all the same."""
    status, word, problems = ready(client)
    assert (200, "degraded", 1) == (status, word, len(problems)), problems
    return problems[0]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_healthz_says_that_the_process_is_alive_and_nothing_else(bridge, client):
    """No worker, no tables even: a restart would heal nothing."""
    with bridge.world.database.write() as tx:
        tx.connection().exec_driver_sql("DROP TABLE workers")

    answer = client.get("/healthz")
    assert (200, {"status": "ok"}) == (answer.status_code, answer.json)


def test_readyz_is_ok_when_all_is_well(bridge, client, worker):
    """And it says which mapping serves, when the worker was seen, and what waits."""
    report = client.get("/readyz").json

    assert "ok" == report["status"]
    assert [] == report["problems"]
    assert bridge.world.mappings.current.version.startswith(report["mapping_version"])
    assert report["worker_seen_at"].endswith("+00:00")
    assert (0.0, 0, 0) == (
        report["oldest_waiting_intent_s"],
        report["waiting_for_a_person"],
        report["open_loops"],
    )
    assert {} == report["refused_since_start"]


def test_without_a_worker_it_is_down(client):
    """What comes in is written down, and nobody would do it."""
    status, word, problems = ready(client)
    assert (503, "down") == (status, word)
    assert problems[0].startswith("no worker is alive, and none has ever been: start `bridge worker`")


def test_a_full_disk_that_only_the_workers_have_met_is_not_called_a_missing_worker(bridge, client, worker):
    """A door of its own that nobody knocks at has written nothing: the worker's silence makes it try."""
    world, database = bridge.world, bridge.world.database
    world.presence.stay(database, world.clock.now() - timedelta(seconds=31))
    limit(database, 0)
    fill(database)
    database.in_doubt = False  # what another process has met, this one does not know
    _, word, problems = ready(client)
    assert "down" == word
    assert problems[0].startswith("the database cannot be written: database or disk is full: ")
    assert not any("no worker" in one for one in problems)

    limit(database, None)
    assert ready(client)[2][0].startswith("no worker is alive since ")
    assert not database.in_doubt


def test_a_full_disk_is_said_first_and_instead_of_what_follows_from_it(bridge, client):
    """A worker that cannot write that it lives is not gone: nobody is told to start another."""
    database = bridge.world.database
    limit(database, 0)
    fill(database)
    status, word, problems = ready(client)
    assert (503, "down") == (status, word)
    assert problems[0].startswith("the database cannot be written: database or disk is full: ")
    assert not any("no worker" in one for one in problems)

    limit(database, None)
    assert "no worker is alive" in ready(client)[2][0]
    assert not any("cannot be written" in one for one in ready(client)[2])


def test_it_writes_nothing_while_nothing_has_failed(bridge, client, worker):
    """It is asked every few seconds; and what it tries when it must leaves no trace."""
    database = bridge.world.database
    before = stored(bridge)
    assert "ok" == ready(client)[1]
    with database.read() as tx:
        changes = tx.connection().exec_driver_sql("SELECT total_changes()").scalar_one()
    ready(client)
    with database.read() as tx:
        assert changes == tx.connection().exec_driver_sql("SELECT total_changes()").scalar_one()
    database.in_doubt = True
    assert "ok" == ready(client)[1]
    assert not database.in_doubt
    assert before == stored(bridge)


def test_a_worker_that_is_gone_is_noticed(bridge, client, worker):
    """Killed half a minute ago: it could not say goodbye."""
    world = bridge.world
    seen = world.clock.now() - timedelta(seconds=31)
    world.presence.stay(world.database, seen)
    status, word, problems = ready(client)
    assert (503, "down") == (status, word)
    assert f"no worker is alive since {seen:%Y-%m-%d %H:%M:%S} UTC" in problems[0]


def test_a_worker_that_stopped_is_gone_at_once(bridge, client, worker):
    """It said goodbye."""
    stopped = bridge.world.clock.now()
    with bridge.world.database.write() as tx:  # one that was killed earlier, and seen later by nobody
        day_before = stopped - timedelta(days=1)
        tx.add(WorkerRow(id="1", host="h", pid=1, started_at=day_before, seen_at=day_before))
    bridge.world.presence.leave(bridge.world.database, stopped)
    status, word, problems = ready(client)
    assert (503, "down") == (status, word)
    assert f"no worker is alive since {stopped:%Y-%m-%d %H:%M:%S} UTC" in problems[0]


def test_without_its_tables_it_is_down_and_not_a_crash(bridge, client, worker):
    """Somebody put another file in its place."""
    with bridge.world.database.write() as tx:
        tx.connection().exec_driver_sql("DROP TABLE lanes")
    status, word, problems = ready(client)
    assert (503, "down", 1) == (status, word, len(problems))
    assert "database" in problems[0]


def test_a_broken_edit_of_the_mapping_degrades_and_names_the_line(bridge, client, worker, mappings):
    """The last good version serves on; the fault is named as `bridge mappings check` names it."""
    version = client.get("/readyz").json["mapping_version"]
    edit(mappings / "queues.yaml", "priority: high", 'priority: "urgentt"')
    line = (mappings / "queues.yaml").read_text().splitlines().index('    priority: "urgentt"') + 1
    now = bridge.world.clock.now()
    bridge.world.mappings.refresh(now + timedelta(minutes=1))

    problem = only_problem(client)
    assert f"queues.yaml:{line}:" in problem
    assert "urgentt" in problem
    assert version == client.get("/readyz").json["mapping_version"]

    edit(mappings / "queues.yaml", '"urgentt"', "urgent")
    bridge.world.mappings.refresh(now + timedelta(minutes=2))
    assert "ok" == ready(client)[1]
    assert version != client.get("/readyz").json["mapping_version"]


def test_a_parked_lane_is_named_with_its_reason_until_it_is_open_again(bridge, client, worker):
    """Credentials that were refused, or a person who paused what is public."""
    world = bridge.world
    now = world.clock.now()
    with world.database.write() as tx:
        lanes.park(tx, "kopi-mastodon", "mastodon reply answered 401", "the vendor's answer", now)
    problem = only_problem(client)
    assert "kopi-mastodon" in problem
    assert "401" in problem

    with world.database.write() as tx:
        tx.get_one(Lane, "kopi-mastodon").until = now - timedelta(seconds=1)
    assert "ok" == ready(client)[1]


def test_a_delivery_that_failed_for_good_is_counted(bridge, client, worker):
    """And the command that shows it is named."""
    STANDARD.knock(client, STANDARD.good)
    assert "ok" == ready(client)[1]
    with bridge.world.database.write() as tx:
        row = stored_row(tx, bridge)
        row.state = "failed"

    problem = only_problem(client)
    assert "1 delivery could not be understood" in problem
    assert "bridge delivery list --failed" in problem


def test_an_authentic_delivery_that_nobody_can_read_is_counted(bridge, client, worker):
    """A network may have changed its shape: a complaint that is not understood is not forgotten."""
    body = created(author="nobody that we know")
    assert STANDARD.knock(client, body).status_code == 400
    assert "1 delivery could not be understood" in only_problem(client)


def stored_row(tx: Any, bridge: Bridge):
    found = deliveries.find(tx, bridge.world.installation, "standard", "kopi-plaza", "msg_1", STANDARD.good)
    assert found is not None
    return found


def test_an_account_that_cannot_be_polled_is_named(bridge, client, worker):
    """Posts may be missed there: the operator hears of it before a customer does."""
    now = bridge.world.clock.now()
    with bridge.world.database.write() as tx:
        tx.add(Cursor(key="poll:kopi-mastodon", due_at=now, heard_at=now, failures=3, reason="answered 500"))
    problem = only_problem(client)
    assert "poll:kopi-mastodon" in problem
    assert "answered 500" in problem


def test_what_was_refused_at_the_door_is_counted_by_reason(client, worker):
    """A wrong secret shows there, without a word to who knocks and without a word of theirs."""
    STANDARD.knock(client, b"a customer's words", {})
    STANDARD.knock(client, b"{a customer's words")
    counts = client.get("/readyz").json["refused_since_start"]

    assert 2 == sum(counts.values())
    assert all(reason.startswith("standard: ") for reason in counts)
    assert not any("words" in reason for reason in counts)


def test_readyz_holds_no_secret_and_nobodys_words(bridge, client, worker):
    """Anybody who can reach the port can read it."""
    STANDARD.knock(client, STANDARD.good)
    page = client.get("/readyz").text
    assert stored(bridge)
    for hidden in ("logs me out", "dewi", "test-", "whsec_", "xoxb"):
        assert hidden not in page
