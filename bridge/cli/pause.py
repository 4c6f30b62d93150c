"""``bridge pause`` and ``resume``: the emergency stop for everything public."""

from __future__ import annotations

import time
from datetime import datetime

import click
from sqlalchemy.orm import Session

from bridge.cli.opened import for_a_worker, opened_database, time_at, who
from bridge.cli.terminal import quoted, say
from bridge.core.intent import MOVING, Effect, IntentState
from bridge.errors import StoreBusyError
from bridge.flows import cards
from bridge.store import cases, intents, lanes
from bridge.store.database import Database
from bridge.store.tables import Intent

# Cases in one transaction, and the time after it in which others come to write: the door waits for no more.
AT_ONCE = 50
BETWEEN_S = 0.02


@click.command()
@click.option("--reason", help="Shown wherever it is said that it is paused.")
def pause(reason: str | None) -> None:
    """Stop everything public, and nothing else. Tickets and cards go on."""
    with opened_database() as database:
        with database.write() as tx:
            now = time_at(database)
            before = lanes.parked(tx, now).get(lanes.PUBLIC)
            # Whoever paused first had a reason; it is replaced by another reason only.
            if before is None or reason:
                lanes.park(tx, lanes.PUBLIC, reason or "paused by a person", who(), now)
        # From here on nothing leaves, however long it takes to tell all whom it concerns.
        try:
            waiting, leaving = _tell(database, now)
        except StoreBusyError as error:
            say(f"Paused: nothing public leaves. Not all cards say so yet ({error}): run it again.", err=True)
            return
    head = "Paused."
    if before is not None:
        head = f"It was paused already: {quoted(before.reason, '  ')}."
        if reason and reason != before.reason:
            head += f" Now the reason is: {quoted(reason, '  ')}."
    wait = "1 public reply waits" if waiting == 1 else f"{waiting} public replies wait"
    late = ""
    if leaving:
        are = "1 is on its" if leaving == 1 else f"{leaving} are on their"
        late = f" {are} way already, and may still appear."
    say(f"{head} {wait}; `bridge resume` lets {'it' if waiting == 1 else 'them'} go on.{late}")


@click.command()
def resume() -> None:
    """Let public replies leave again."""
    with opened_database() as database:
        with database.write() as tx:
            if not lanes.resume(tx, lanes.PUBLIC):
                say("Nothing was paused.")
                return
            waits = for_a_worker(database, tx)
        try:
            _tell(database, time_at(database))
        except StoreBusyError as error:
            waits += f" Some of it may take five minutes ({error})."
    say(f"Resumed.{waits}")


def _tell(database: Database, now: datetime) -> tuple[int, int]:
    """Have the cases looked at whose replies a pause keeps or lets go, and their cards drawn.

    The running bridge tells their tickets. Gives how many of those replies a pause keeps, and how
    many nothing holds back any more: their calls have begun, and nobody has told their end.
    """
    with database.read() as tx:
        concerned = intents.cases_with_replies(tx)
    waiting = leaving = 0
    for first in range(0, len(concerned), AT_ONCE):
        if first:
            time.sleep(BETWEEN_S)
        with database.write() as tx:
            for case_id in concerned[first : first + AT_ONCE]:
                kept, begun = _tell_one(tx, case_id, now)
                waiting, leaving = waiting + kept, leaving + begun
    return waiting, leaving


def _tell_one(tx: Session, case_id: str, now: datetime) -> tuple[int, int]:
    case = cases.lock(tx, case_id)
    moving = [one for one in intents.of_case(tx, case_id, MOVING) if one.effect == Effect.REPLY]
    begun = [one for one in moving if _has_begun(one)]
    if moving:
        intents.wake_case(case, now)
        if cards.current_card(tx, case) is not None:
            cards.show_at(tx, case, now)
    return len(moving) - len(begun), len(begun)


def _has_begun(intent: Intent) -> bool:
    # After a restore everything is *sending*, and nobody is its sender.
    return intent.state == IntentState.SENDING and intent.sender is not None and intent.over_at is None
