"""Clocks that are wrong: far ahead for a moment, or another machine's by half a minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.flows.ledger import AUTH_PAUSE
from bridge.sandbox import Sandbox
from bridge.sandbox.zendesk import TicketView
from bridge.store import lanes
from bridge.store.clock import SystemClock
from bridge.store.tables import Case, Cursor, Lane
from tests.postgres import Postgres
from tests.running import InProcess, eventually
from tests.stories.seen import Ahead, brand_posts, first_poll, the_ticket
from tests.stories.test_held import replies

pytestmark = pytest.mark.usefixtures("quick_sweep")

FAR = timedelta(hours=6)
HALF_A_MINUTE = timedelta(seconds=30)


def test_what_is_polled_is_heard_after_a_clock_was_ahead(sandbox: Sandbox, running: InProcess):
    """The polls, the rereading and the sweep go on in their own time, and the beat does."""
    first_poll(running)
    clock = Ahead()
    clock.rule(running)
    clock.by = FAR
    eventually(lambda: all(at > timedelta(hours=5) for at in due_in(running, clock)), what="far")
    clock.by = timedelta(0)
    sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    the_ticket(sandbox)
    eventually(lambda: all(at <= timedelta(minutes=10) for at in due_in(running, clock)), what="near polls")


def test_a_reply_leaves_after_a_clock_was_ahead(sandbox: Sandbox, running: InProcess, ticket: TicketView):
    """It lingered when the clock was right again, and would have done so until the hour that it showed."""
    clock = Ahead()
    running.bridge.world.clock = clock  # and not the door's: it would take no webhook
    running.bridge.world.timing = replace(running.bridge.world.timing, linger=timedelta(seconds=3))
    clock.by = FAR
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3", status="solved")
    eventually(lambda: replies(running, "approved"), what="the reply")
    clock.by = timedelta(0)
    eventually(lambda: brand_posts(sandbox.plaza), what="the reply")


def test_a_lane_that_was_parked_by_a_clock_ahead_opens_again(
    sandbox: Sandbox, running: InProcess, ticket: TicketView
):
    """A 401 in that moment would keep every reply of the account until the year that it showed."""
    with running.database.write() as tx:
        lane = lanes.of_account(tx.query(Case).one().account)
        next_year = datetime.now(UTC) + timedelta(days=365)
        lanes.park(tx, lane, "answered 401", "the vendor's answer", next_year, AUTH_PAUSE)
    eventually(lambda: parked_for(running, lane) <= AUTH_PAUSE, what="the end of the pause")


def parked_for(running: InProcess, lane: str) -> timedelta:
    with running.database.read() as tx:
        until = tx.get_one(Lane, lane).until
    assert until is not None
    return until - datetime.now(UTC)


def due_in(running: InProcess, clock: Ahead) -> list[timedelta]:
    """When each cursor is due, by the machine's own clock."""
    now = clock.now() - clock.by
    with running.database.read() as tx:
        return [cursor.due_at - now for cursor in tx.query(Cursor)]


def test_a_machine_whose_clock_is_ahead_says_nothing_twice(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    """The answer to a reply was lost, the server shows it late, and another machine takes the case over.

    By its clock the time in which the reply may still be invisible was over long ago.
    """
    with Sandbox(honours_keys=False, visible_after_s=6) as sandbox:
        running = InProcess(
            tmp_path / "data", sandbox, DATABASE_URL=postgres.migrated_database(), BRIDGE_SETTLE_S="8"
        )
        try:
            first_poll(running)
            sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
            ticket = the_ticket(sandbox)
            sandbox.faults.add("mastodon", "post_status", "lost_response")
            sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.", status="solved")
            eventually(lambda: brand_posts(sandbox.mastodon), what="the reply, whose answer is lost")
            running.stop()
            monkeypatch.setattr(SystemClock, "now", lambda _clock: datetime.now(UTC) + HALF_A_MINUTE)
            running.start()
            eventually(
                lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt:"), within=40, what="the receipt"
            )
            assert 1 == len(brand_posts(sandbox.mastodon))
        finally:
            running.stop()
