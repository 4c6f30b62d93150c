"""Whatever a loop asks the database, it asks through an index: a million old cases cost it nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from bridge.flows import finds, reconcile
from bridge.sandbox import Sandbox
from bridge.store import deliveries, standing
from bridge.store.database import Database
from bridge.store.tables import Cursor
from tests.running import InProcess, eventually
from tests.stories.seen import the_card, the_ticket

# What grows with the number of loops. The others have as many rows as there are accounts, workers or edits.
GROWING = "deliveries|messages|message_tags|cases|tickets|cards|customers|intents|events|leases"
WHOLE = re.compile(rf"(SCAN|Seq Scan on) ({GROWING})\b")


class Asked:
    """Every statement that a database was asked, with one set of its parameters."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self.embedded = database.embedded
        self.statements: dict[str, Any] = {}
        event.listen(self._engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection, _cursor, statement: str, parameters: Any, _context, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")) and not many:
            self.statements[statement] = parameters

    def plans(self) -> dict[str, str]:
        event.remove(self._engine, "before_cursor_execute", self._hear)
        explain = "EXPLAIN QUERY PLAN" if self.embedded else "EXPLAIN"
        with self._engine.connect() as connection:
            if not self.embedded:
                # Small tables are read whole where an index would do; now only where there is none.
                connection.exec_driver_sql("SET enable_seqscan = off")
            return {
                statement: "\n".join(
                    str(row[3 if self.embedded else 0])
                    for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
                )
                for statement, parameters in self.statements.items()
            }


def test_no_step_of_a_loop_reads_a_growing_table_from_end_to_end(sandbox: Sandbox, running: InProcess):
    """From the post to the receipt, with an edit, a second post, polls and sweeps."""
    asked = Asked(running.database)
    post = sandbox.plaza.post(
        "dewi", "The app logs me out every hour", language="en", tags=["technical-issue"]
    )
    ticket = the_ticket(sandbox)
    card = the_card(sandbox, "support-technical")
    sandbox.plaza.edit(post.id, "The app logs me out every minute")
    sandbox.plaza.post("dewi", "And my basket is empty then", language="en", reply_to=post.id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("every minute"), what="the edit")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("basket"), what="the second post")
    sandbox.zendesk.agent_comments(ticket.id, "It is fixed in 4.3.", status="solved")

    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")
    client = running.bridge.web.test_client()
    assert {client.get(path).status_code for path in ("/readyz", "/metrics")} == {200}
    time.sleep(6)  # a beat of the sweep, and some polls
    assert card is not None

    plans = asked.plans()
    assert len(plans) > 60
    assert [statement for statement, plan in plans.items() if WHOLE.search(plan)] == []


def test_what_is_read_unasked_is_found_through_an_index(sandbox: Sandbox, running: InProcess, ticket):
    """Where the export is refused, each beat asks for tickets of open loops, however many are closed."""
    asked = Asked(running.database)
    with running.database.write() as tx:
        tx.get_one(Cursor, reconcile.KEY).failures = 1
        reconcile.fall_back(tx, datetime.now(UTC) + timedelta(hours=1))

    plans = asked.plans()
    stale = [statement for statement in plans if "coalesce(tickets.hinted_at" in statement]
    assert len(stale) == 1
    assert [one for one in stale if WHOLE.search(plans[one])] == []


def plan_of(store_url: str, ask: Callable[[Session], object]) -> str:
    """How *ask*, which asks one thing, is answered in a database that has nothing in it yet."""
    with closing(Database(store_url)) as database:
        database.migrate()
        asked = Asked(database)
        with database.read() as tx:
            ask(tx)
        [plan] = asked.plans().values()
    return plan


def test_a_ticket_is_recorded_without_reading_all_that_waits_to_be_taken_in(store_url: str):
    """After an outage many thousand posts wait, and each of their tickets asks whether a hint came early."""
    assert "ix_deliveries_put_off" in plan_of(store_url, deliveries.some_are_tried_again)


def test_what_a_sweep_found_is_counted_without_reading_every_file(store_url: str):
    """Case files are never deleted, and `bridge doctor` asks."""
    now = datetime.now(UTC)
    assert "ix_events_found" in plan_of(store_url, lambda tx: finds.of_late(tx, now, timedelta(days=1)))


def test_missing_cards_are_counted_without_reading_every_card(store_url: str):
    """`/readyz` asks each time."""
    assert "ix_intents_due" in plan_of(store_url, standing.missing_cards)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_case_is_opened_without_reading_all_that_nobody_tagged(sandbox: Sandbox, running: InProcess):
    """Most mentions open no case, and are kept for months. (PostgreSQL knows how many there are.)"""
    asked = Asked(running.database)
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    gathering = "messages.thread_root = .* AND coalesce\\(messages.case_id"
    [plan] = [plan for asks, plan in asked.plans().items() if re.search(gathering, asks)]
    assert "ix_messages_thread" in plan


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_threads_are_read_again_without_reading_all_cases_that_were_closed(running: InProcess):
    """A network that is polled, in its third year."""
    asked = Asked(running.database)
    with running.database.write() as tx:
        for cursor in tx.query(Cursor):
            cursor.due_at = datetime.now(UTC)

    def rereadings() -> list[str]:
        return [asks for asks in asked.statements if re.search("AND cases.with_ticket.*closed_at >", asks)]

    eventually(rereadings, within=15, what="a reading")
    plans = asked.plans()
    assert all("ix_cases_lately" in plans[asks] for asks in rereadings())
