"""``bridge delivery``: what came in."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import click
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, defer

from bridge.cli.opened import LEAST, ago, for_a_worker, no_such, opened_database, short, time_at, who
from bridge.cli.terminal import first_of, limited, quoted, say, say_more, table
from bridge.core.plural import counted
from bridge.store import deliveries
from bridge.store.tables import Delivery

LONGEST = 20_000  # letters that a screen is filled with
INDENT = "    "  # of what others wrote, so that no line of it passes for one of ours
_BARE = select(Delivery).options(defer(Delivery.body))  # which may be megabytes
_NOT_UNDERSTOOD = _BARE.where(Delivery.state.in_(deliveries.NOT_UNDERSTOOD))


@click.group()
def delivery() -> None:
    """See what came in, and what it says; replay or dismiss what was not understood."""


@delivery.command("list")
@click.option("--failed", is_flag=True, help="Only what was not understood, the oldest first.")
@limited
def list_(failed: bool, limit: int) -> None:
    """List deliveries, newest first."""
    with opened_database() as database, database.read() as tx:
        query = _NOT_UNDERSTOOD.order_by(Delivery.id) if failed else _BARE.order_by(Delivery.id.desc())
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
@click.argument("which", metavar="ID")
@click.option("--raw", is_flag=True, help="Only its bytes, all of them, as they came.")
def show(which: str, raw: bool) -> None:
    """Show what a delivery says: a person sees whether anything is lost with it."""
    with opened_database() as database, database.read() as tx:
        row = _one(tx, _named(which), which)
        body = row.body
    if raw:
        if body is None:
            raise click.ClickException("Its bytes were erased.")
        click.echo(body, nl=False)
        return
    facts = {
        "delivery": row.id,
        "source": row.source,
        "account": row.account or "-",
        "received": f"{row.received_at:%Y-%m-%d %H:%M:%S} UTC, {ago(row.received_at)} ago",
        "state": f"{row.state}: {row.reason}" if row.reason else row.state,
        "size": "its bytes were erased" if body is None else counted(len(body), "byte", "bytes"),
    }
    say("\n".join(f"{name:<10}{quoted(value, ' ' * 10)}" for name, value in facts.items()))
    if body:
        words = _readable(body)
        say(f"\n{INDENT}{quoted(words[:LONGEST], INDENT)}")
        if len(words) > LONGEST:
            say("\n… and more: --raw writes all.")


def _readable(body: bytes) -> str:
    """JSON in lines of its own where that leaves nothing out; anything else as far as it is text."""
    if len(body) <= LONGEST:  # what is deep grows by its indents: the rest would not be seen anyway
        with suppress(ValueError, RecursionError):
            return json.dumps(json.loads(body, object_pairs_hook=_whole), ensure_ascii=False, indent=2)
    return body.decode(errors="backslashreplace")


def _whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError where a name stands twice: the first one's words would not be shown."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _named(which: str) -> Select[Delivery]:
    return _BARE.where(Delivery.id.endswith(which, autoescape=True)).order_by(Delivery.id).limit(2)


def _one(tx: Session, named: Select[Delivery], which: str) -> Delivery:
    rows = list(tx.scalars(named))
    if len(rows) != 1 or len(which) < LEAST:
        raise no_such("delivery", which)
    return rows[0]


def _has_bytes(tx: Session, row: Delivery) -> bool:
    return bool(tx.scalar(select(Delivery.body.is_not(None)).where(Delivery.id == row.id)))


_all_failed = click.option("--failed", is_flag=True, help="All that was not understood.")


@delivery.command()
@click.argument("which", metavar="[ID]", required=False)
@_all_failed
def replay(which: str | None, failed: bool) -> None:
    """Have the running bridge take a delivery in again. Safe: what it has done, it does not do twice."""
    with opened_database() as database, database.write() as tx:
        chosen, now = _chosen(tx, which, failed), time_at(database)
        rows = [row for row in chosen if _has_bytes(tx, row)]
        if which and not rows:
            raise click.ClickException(f"Nothing of delivery {short(chosen[0].id)} is left: it was erased.")
        for row in rows:
            deliveries.take_again(row, now)
        waits = for_a_worker(database, tx) if rows else ""
    say(f"{len(rows)} to be taken in again.{waits}")
    if erased := len(chosen) - len(rows):
        say(f"Of {erased} nothing is left, they were erased: `bridge delivery dismiss` puts them away.")


@delivery.command()
@click.argument("which", metavar="[ID]", required=False)
@_all_failed
def dismiss(which: str | None, failed: bool) -> None:
    """Say that nothing is lost with what was not understood: it is no problem any more. It stays listed."""
    with opened_database() as database, database.write() as tx:
        rows, now = _chosen(tx, which, failed), time_at(database)
        for row in rows:
            if row.state not in deliveries.NOT_UNDERSTOOD:
                raise click.ClickException(f"Delivery {short(row.id)} is {row.state}: it waits for nobody.")
            deliveries.dismiss(row, now, who())
    say(f"{len(rows)} dismissed.")


def _chosen(tx: Session, which: str | None, failed: bool) -> list[Delivery]:
    """The one that *which* names, or all that failed; locked, as they are now."""
    if bool(which) == failed:
        raise click.UsageError("Give an ID, or --failed.")
    if not which:
        return list(tx.scalars(_NOT_UNDERSTOOD.order_by(Delivery.id).with_for_update()))
    return [_one(tx, _named(which).with_for_update(), which)]
