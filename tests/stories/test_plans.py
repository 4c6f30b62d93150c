"""Whatever a loop asks the database, it asks through an index: a million old cases cost it nothing."""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event

from bridge.flows import reconcile
from bridge.sandbox import Sandbox
from bridge.store import deliveries
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


def test_a_ticket_is_recorded_without_reading_all_that_waits_to_be_taken_in(store_url: str):
    """After an outage many thousand posts wait, and each of their tickets asks whether a hint came early."""
    with closing(Database(store_url)) as database:
        database.migrate()
        asked = Asked(database)
        with database.read() as tx:
            assert not deliveries.some_wait(tx)
        [plan] = asked.plans().values()
    assert "ix_deliveries_put_off" in plan
