"""``bridge delivery``: what came in."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from sqlalchemy import select

from bridge.cli.opened import LEAST, ago, opened_database, short
from bridge.cli.terminal import first_of, limited, say, say_more, table
from bridge.store import deliveries
from bridge.store.tables import Delivery

NOT_UNDERSTOOD = ("failed", "unreadable")


@click.group()
def delivery() -> None:
    """See and replay what came in."""


@delivery.command("list")
@click.option("--failed", is_flag=True, help="Only what was not understood, the oldest first.")
@limited
def list_(failed: bool, limit: int) -> None:
    """List deliveries, newest first."""
    with opened_database() as database, database.read() as tx:
        query = select(Delivery).order_by(Delivery.id.desc())
        if failed:
            query = select(Delivery).where(Delivery.state.in_(NOT_UNDERSTOOD)).order_by(Delivery.id)
        rows, more = first_of(tx, query, limit)
    lines = table(
        ("DELIVERY", "STATE", "SOURCE", "ACCOUNT", "RECEIVED", "REASON"),
        [
            (
                short(row.id),
                row.state,
                row.source,
                row.account,
                f"{ago(row.received_at)} ago",
                row.reason or "",
            )
            for row in rows
        ],
    )
    if not rows:
        lines = ["None failed." if failed else "No deliveries yet."]
    say("\n".join(lines))
    say_more(more)


@delivery.command()
@click.argument("which", metavar="ID", required=False)
@click.option("--failed", is_flag=True, help="All that was not understood.")
def replay(which: str | None, failed: bool) -> None:
    """Have the running bridge take a delivery in again. Safe: what it has done, it does not do twice."""
    if bool(which) == failed:
        raise click.UsageError("Give an ID, or --failed.")
    with opened_database() as database, database.write() as tx:
        query = select(Delivery)
        if which:
            query = query.where(Delivery.id.endswith(which, autoescape=True))
        else:
            query = query.where(Delivery.state.in_(NOT_UNDERSTOOD))
        rows = list(tx.scalars(query))
        if which and (len(rows) != 1 or len(which) < LEAST):
            raise click.ClickException(f"There is no delivery {which}. `bridge delivery list` shows them.")
        for row in rows:
            deliveries.take_again(row, datetime.now(UTC))
    say(f"{len(rows)} to be taken in again.")
