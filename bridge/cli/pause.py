"""``bridge pause`` and ``resume``: the emergency stop for everything public."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from sqlalchemy import Select, select

from bridge.cli.opened import opened_database, who
from bridge.core.intent import MOVING, Effect
from bridge.store import cases, intents, lanes
from bridge.store.tables import Intent


@click.command()
@click.option("--reason", help="Shown wherever it is said that it is paused.")
def pause(reason: str | None) -> None:
    """Stop everything public, and nothing else. Tickets and cards go on."""
    now = datetime.now(UTC)
    with opened_database() as database, database.write() as tx:
        before = lanes.parked(tx, now).get(lanes.PUBLIC)
        # Whoever paused first had a reason; it is replaced by another reason only.
        if before is None or reason:
            lanes.park(tx, lanes.PUBLIC, reason or "paused by a person", who(), now)
        waiting = len(list(tx.scalars(_replies())))
    head = "Paused." if before is None else f"It was paused already: {before.reason}."
    wait = "1 public reply waits" if waiting == 1 else f"{waiting} public replies wait"
    click.echo(f"{head} {wait}; `bridge resume` lets {'it' if waiting == 1 else 'them'} go on.")


@click.command()
def resume() -> None:
    """Let public replies leave again."""
    with opened_database() as database, database.write() as tx:
        if not lanes.resume(tx, lanes.PUBLIC):
            click.echo("Nothing was paused.")
            return
        now = datetime.now(UTC)
        for intent in tx.scalars(_replies()):
            intents.wake_case(cases.lock(tx, intent.case_id), now)
    click.echo("Resumed.")


def _replies() -> Select[Intent]:
    return select(Intent).where(Intent.effect == Effect.REPLY, Intent.state.in_(MOVING))
