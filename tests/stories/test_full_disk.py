"""The disk is full: nothing is promised that cannot be kept, and it goes on when there is room again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import requests

from bridge.sandbox import Sandbox
from bridge.sandbox.signing import standard_headers
from tests.disk import fill, limit
from tests.running import InProcess, eventually
from tests.stories.seen import brand_posts, the_card, the_ticket

LONG = "The app logs me out every hour. " * 2000


def send(running: InProcess, sandbox: Sandbox) -> requests.Response:
    """A long post, signed, as its sender repeats it."""
    body = json.dumps(
        {
            "type": "social.message.created",
            "data": {
                "id": "long-1",
                "author": {"id": "dewi", "handle": "@dewi"},
                "text": LONG,
                "language": "en",
                "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "tags": ["technical-issue"],
            },
        }
    ).encode()
    return requests.post(
        f"{running.url}/hooks/social/kopi-plaza",
        data=body,
        headers=standard_headers(sandbox.plaza.secret, "long-1", body),
        timeout=10,
    )


def test_a_full_disk_is_said_at_the_door_and_heals_by_itself(sandbox: Sandbox, tmp_path: Path):
    """503 with a wait, so that the sender repeats; the flows try again, and one case comes of it."""
    running = InProcess(tmp_path / "data", sandbox)
    try:
        limit(running.database, 0)
        refused = send(running, sandbox)
        assert (503, "5") == (refused.status_code, refused.headers["Retry-After"])
        assert requests.get(f"{running.url}/healthz", timeout=5).status_code == 200

        limit(running.database, None)
        assert 202 == send(running, sandbox).status_code
        ticket = the_ticket(sandbox)
        the_card(sandbox, "support-technical")
        assert [ticket.id] == [one.id for one in sandbox.zendesk.tickets()]
    finally:
        running.stop()


def test_a_disk_that_fills_up_in_mid_flow_doubles_nothing(sandbox: Sandbox, tmp_path: Path):
    """The reply is out, and that cannot be written down: it is looked for when there is room."""
    running = InProcess(tmp_path / "data", sandbox)
    try:
        sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])
        ticket = the_ticket(sandbox)
        the_card(sandbox, "support-technical")
        fault = sandbox.faults.add("plaza", "reply", "hold_after")
        sandbox.zendesk.agent_comments(ticket.id, "Which version is it?")
        assert fault.reached.wait(15)
        limit(running.database, 0)
        fill(running.database)
        fault.release()
        eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the reply")

        limit(running.database, None)
        eventually(
            lambda: sandbox.zendesk.ticket(ticket.id).says("was posted", public=False), what="the note"
        )
        assert 1 == len(brand_posts(sandbox.plaza))
    finally:
        running.stop()


def test_a_full_disk_is_told_without_the_tables(sandbox: Sandbox, tmp_path: Path):
    """The admin channel hears of it once; /readyz says it as long as it lasts, also between small writes."""
    running = InProcess(tmp_path / "data", sandbox, BRIDGE_ADMIN_CHANNEL="#bridge-admin")
    try:
        limit(running.database, 0)
        fill(running.database)
        assert 503 == send(running, sandbox).status_code
        eventually(lambda: told(sandbox), what="the message")
        assert "the database cannot be written: database or disk is full" in told(sandbox)[0]
        for _ in range(3):
            answer = requests.get(f"{running.url}/readyz", timeout=5)
            assert (503, "down") == (answer.status_code, answer.json()["status"])
            assert answer.json()["problems"][0].startswith("the database cannot be written: ")
            with running.database.write() as tx:  # there is room in a page that is there already
                tx.connection().exec_driver_sql("UPDATE tallies SET value = value + 1")

        limit(running.database, None)
        assert 202 == send(running, sandbox).status_code
        answer = requests.get(f"{running.url}/readyz", timeout=5)
        assert not any("cannot be written" in one for one in answer.json()["problems"])
        assert 1 == len(told(sandbox))
    finally:
        running.stop()


def told(sandbox: Sandbox) -> list[str]:
    return [card.words for card in sandbox.slack.cards("bridge-admin")]
