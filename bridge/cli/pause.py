"""``bridge pause`` and ``resume``: the emergency stop for everything public."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.cli.opened import for_a_worker, opened_database, who
from bridge.core.intent import MOVING, Effect
from bridge.flows import cards
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
        waiting = _tell(tx, now)
    head = "Paused."
    if before is not None:
        head = f"It was paused already: {before.reason}."
        if reason and reason != before.reason:
            head += f" Now the reason is: {reason}."
    wait = "1 public reply waits" if waiting == 1 else f"{waiting} public replies wait"
    click.echo(f"{head} {wait}; `bridge resume` lets {'it' if waiting == 1 else 'them'} go on.")


@click.command()
def resume() -> None:
    """Let public replies leave again."""
    with opened_database() as database, database.write() as tx:
        if not lanes.resume(tx, lanes.PUBLIC):
            click.echo("Nothing was paused.")
            return
        _tell(tx, datetime.now(UTC))
        waits = for_a_worker(database, tx)
    click.echo(f"Resumed.{waits}")


def _tell(tx: Session, now: datetime) -> int:
    """Have the cases looked at whose replies a pause keeps or lets go, and their cards drawn.

    The running bridge tells their tickets. Gives the number of those replies.
    """
    replies = select(Intent.case_id).where(Intent.effect == Effect.REPLY, Intent.state.in_(MOVING))
    waiting = list(tx.scalars(replies.order_by(Intent.case_id)))
    for case_id in dict.fromkeys(waiting):
        case = cases.lock(tx, case_id)
        intents.wake_case(case, now)
        if cards.current_card(tx, case) is not None:
            cards.show_at(tx, case, now)
    return len(waiting)
