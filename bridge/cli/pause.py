"""``bridge pause`` and ``resume``: the emergency stop for everything public."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from sqlalchemy import Select, select

from bridge.cli.opened import opened_database, who
from bridge.core.intent import Effect, IntentState
from bridge.store import cases, intents, lanes
from bridge.store.tables import Intent


@click.command()
@click.option("--reason", default="paused by a person", show_default=True)
def pause(reason: str) -> None:
    """Stop everything public, and nothing else. Tickets and cards go on."""
    with opened_database() as database, database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, reason, who(), datetime.now(UTC))
        waiting = len(list(tx.scalars(_replies())))
    click.echo(f"Paused. {waiting} public replies wait; `bridge resume` lets them go on.")


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
    return select(Intent).where(
        Intent.effect == Effect.REPLY, Intent.state.in_([IntentState.APPROVED, IntentState.SENDING])
    )
