"""The disk is full: nothing is promised that cannot be kept, and it goes on when there is room again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import requests

from bridge.errors import StoreBusyError
from bridge.sandbox import Sandbox
from bridge.sandbox.signing import standard_headers
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


def limit(running: InProcess, pages: int | None) -> None:
    """Let the database grow to *pages* more than it has; None: as it likes."""
    with running.database.engine.connect().execution_options(bridge_read=True) as connection:
        now = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        most = 2**30 if pages is None else now + pages
        assert connection.exec_driver_sql(f"PRAGMA max_page_count = {most}").scalar_one() == most


def test_a_full_disk_is_said_at_the_door_and_heals_by_itself(sandbox: Sandbox, tmp_path: Path):
    """503 with a wait, so that the sender repeats; the flows try again, and one case comes of it."""
    running = InProcess(tmp_path / "data", sandbox)
    try:
        limit(running, 0)
        refused = send(running, sandbox)
        assert (503, "5") == (refused.status_code, refused.headers["Retry-After"])
        assert requests.get(f"{running.url}/healthz", timeout=5).status_code == 200

        limit(running, None)
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
        limit(running, 0)
        fill(running)
        fault.release()
        eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the reply")

        limit(running, None)
        eventually(
            lambda: sandbox.zendesk.ticket(ticket.id).says("was posted", public=False), what="the note"
        )
        assert 1 == len(brand_posts(sandbox.plaza))
    finally:
        running.stop()


def fill(running: InProcess) -> None:
    """Use up what is left of the last pages."""
    for number in range(2000):
        try:
            with running.database.write() as tx:
                tx.connection().exec_driver_sql(
                    "INSERT INTO tallies (name, labels, value) VALUES (?, ?, 1)",
                    (f"filler {number}", "x" * 200),
                )
        except StoreBusyError:
            return
    raise AssertionError("it never filled up")
