"""``bridge intent``: what waits for a person, settled without Slack."""

from __future__ import annotations

from datetime import datetime

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.cli.opened import (
    LEAST,
    ago,
    for_a_worker,
    no_such,
    opened_database,
    opened_world,
    short,
    time_at,
    who,
)
from bridge.cli.terminal import first_of, limited, quoted, say, say_more, table
from bridge.core.intent import MOVING, IntentState
from bridge.flows import settle as settling
from bridge.store import cases, intents, lanes
from bridge.store.tables import Intent


@click.group()
def intent() -> None:
    """See and settle what the bridge wants to happen outside."""


@intent.command("list")
@click.option("--all", "everything", is_flag=True, help="Settled ones too, the newest first.")
@limited
def list_(everything: bool, limit: int) -> None:
    """List what is open, the oldest first: for a person, for its time, on its way, refused by a vendor."""
    with opened_database() as database, database.read() as tx:
        query = select(Intent).order_by(Intent.id.desc() if everything else Intent.id)
        if not everything:
            final = [state.value for state in IntentState if state.is_final]
            refused_outside = (Intent.state == IntentState.REFUSED) & Intent.decided_by.is_(None)
            query = query.where(Intent.state.not_in(final) | refused_outside)
        rows, more = first_of(tx, query, limit)
        shut = lanes.parked(tx, time_at(database))
        heading, *lines = table(
            ("INTENT", "STATE", "WHAT", "CASE", "AGE", "REASON"),
            [
                (
                    short(row.id),
                    row.state,
                    intents.named(row),
                    short(row.case_id),
                    ago(row.created_at),
                    _why(row, shut),
                )
                for row in rows
            ],
        )
        say(heading if rows else "No intents yet." if everything else "Nothing is open.")
        for row, line in zip(rows, lines, strict=True):
            say(line)
            text = (row.payload or {}).get("text") if row.effect == "reply" else None
            if text and IntentState(row.state).needs_person:
                say(f"    “{quoted(text, '     ')}”")
        say_more(more)


@intent.command()
@click.argument("which", metavar="ID")
def approve(which: str) -> None:
    """Let a held text out; try again what a vendor refused. What is unknown is settled instead."""
    with opened_world() as world, world.database.write() as tx:
        found = _find(tx, which)
        _outcome_is_known(tx, found)
        settling.approve(tx, world, found, who(), again=True)
        shut, waits = _shut(tx, found, world.clock.now()), for_a_worker(world.database, tx)
    if shut is None:
        say(f"Approved.{waits}" if waits else "Approved: the running bridge sends it now.")
    elif shut.name == lanes.PUBLIC:
        say(f"Approved. It waits until `bridge resume`: paused, {quoted(shut.reason, '  ')}.")
    else:
        say(f"Approved. It waits for lane {shut.name}, which is parked: {quoted(shut.reason, '  ')}.")


@intent.command()
@click.argument("which", metavar="ID")
def refuse(which: str) -> None:
    """Never let a held text out; leave what a vendor refused. What is unknown is settled instead."""
    with opened_world() as world, world.database.write() as tx:
        found = _find(tx, which)
        _outcome_is_known(tx, found)
        settling.refuse(tx, world, found, who(), again=True)
        waits = for_a_worker(world.database, tx)
    say(f"Refused.{waits}")


@intent.command()
@click.argument("which", metavar="ID")
@click.option("--sent", metavar="URL", help="It happened, or was held or refused and posted by hand: here.")
@click.option("--not-sent", is_flag=True, help="It did not happen, and must not any more.")
@click.option("--send", is_flag=True, help="It did not happen: send it (again).")
def settle(which: str, sent: str | None, not_sent: bool, send: bool) -> None:
    """Say what became of an intent whose outcome is unknown. What is held is approved or refused instead."""
    if [bool(sent), not_sent, send].count(True) != 1:
        raise click.UsageError("Give exactly one of --sent URL, --not-sent and --send.")
    with opened_world() as world, world.database.write() as tx:
        found = _find(tx, which)
        if sent:
            settling.happened(tx, world, found, sent, who())
        elif not_sent:
            _has_an_outcome(tx, found, f"`bridge intent refuse {short(found)}`", IntentState.HELD)
            settling.refuse(tx, world, found, who())
        else:
            again = f"`bridge intent approve {short(found)}`"
            _has_an_outcome(tx, found, again, IntentState.HELD, IntentState.REFUSED)
            settling.approve(tx, world, found, who())
        waits = for_a_worker(world.database, tx)
    say(f"Settled.{waits}")


def _outcome_is_known(tx: Session, intent_id: str) -> None:
    if tx.get_one(Intent, intent_id).state == IntentState.UNKNOWN:
        settle_it = f"`bridge intent settle {short(intent_id)} --sent URL | --not-sent | --send`"
        raise settling.NotWaitingError(
            f"intent {short(intent_id)} is unknown, it may be there already: look, and then {settle_it}"
        )


def _has_an_outcome(tx: Session, intent_id: str, instead: str, *without: IntentState) -> None:
    state = tx.get_one(Intent, intent_id).state
    if state in without:
        raise settling.NotWaitingError(
            f"intent {short(intent_id)} is {state}, there is no outcome to settle: {instead}"
        )


def _why(intent: Intent, shut: dict[str, lanes.Parked]) -> str:
    """Why it is where it is, and why what is free to go does not."""
    tries = f"{intent.attempts} tries" if intent.attempts > 1 else None
    waits = [f"{one.said}." for one in lanes.keeping(shut, intent)] if intent.state in MOVING else []
    return "  ".join(filter(None, (tries, intent.reason, *waits)))


def _shut(tx: Session, intent_id: str, at: datetime) -> lanes.Parked | None:
    """The parked lane that keeps an intent from leaving now."""
    intent = tx.get_one(Intent, intent_id)
    parked = lanes.parked(tx, at)
    return next(iter(lanes.keeping(parked, intent)), None)


def _find(tx: Session, named: str) -> str:
    """The intent's id. Its case is locked: what is asked about it next stays so until it is decided."""
    query = select(Intent.id, Intent.case_id).where(Intent.id.endswith(named, autoescape=True)).limit(2)
    found = tx.execute(query).all()
    if len(found) != 1 or len(named) < LEAST:
        raise no_such("intent", named)
    cases.lock(tx, found[0].case_id)
    return str(found[0].id)
