"""What commands beside the running bridge open: its settings and tables, nothing that is started."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import click
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bridge import app, settings
from bridge.errors import NoDatabaseError
from bridge.flows.world import World
from bridge.store.database import Database
from bridge.store.tables import Case, TicketRow

SHORT = 12
LEAST = 4  # fewer letters of an id may name something by accident
ROWS = TypeVar("ROWS")

limited = click.option(
    "--limit",
    type=click.IntRange(min=1, max=10_000),
    default=50,
    show_default=True,
    help="How many at the most; how many more there are is said.",
)


@contextmanager
def opened_database() -> Iterator[Database]:
    """Raises NoDatabaseError where there is none yet, and makes none."""
    database = Database(settings.load().database_url)
    try:
        if database.revision() is None:
            raise NoDatabaseError(
                f"there is no database yet ({database.name}): start `bridge serve`, or set BRIDGE_DATA or "
                "DATABASE_URL as the running bridge has it"
            )
        database.require_current()
        yield database
    finally:
        database.close()


@contextmanager
def opened_world() -> Iterator[World]:
    """The whole world, for what has to render or to ask a vendor. Raises as `opened_database` does."""
    with opened_database():
        pass
    bridge = app.build(settings.load(), flows=False)
    try:
        yield bridge.world
    finally:
        bridge.stop()


def first_of(tx: Session, query: Select[ROWS], limit: int) -> tuple[list[ROWS], int]:
    """The first *limit* rows of *query*, and how many there are beyond them."""
    rows = list(tx.scalars(query.limit(limit)))
    if len(rows) < limit:
        return rows, 0
    found = tx.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    return rows, found - len(rows)


def say_more(number: int) -> None:
    """A list that was cut says so: what is not shown must not be taken for not there."""
    if number:
        click.echo(f"… and {number} more (--limit)")


def who() -> str:
    """Who is at the keyboard, for the case file."""
    return f"{getpass.getuser()} (command line)"


def short(identity: str) -> str:
    """The end of an id: its beginning is the time, and so the same for neighbours."""
    return identity[-SHORT:]


def find_case(tx: Session, named: str) -> Case:
    """The case with this id, the end of an id, or the number of one of its tickets."""
    case = tx.get(Case, named)
    if case is None and named.isdigit():
        case = tx.scalars(
            select(Case).join(TicketRow, TicketRow.case_id == Case.id).where(TicketRow.ticket_id == named)
        ).first()
    if case is None and len(named) >= LEAST:
        found = list(tx.scalars(select(Case).where(Case.id.endswith(named, autoescape=True)).limit(2)))
        case = found[0] if len(found) == 1 else None
    if case is None:
        raise click.ClickException(f"There is no case {named}. `bridge case list` shows them.")
    return case


def ago(moment: datetime | None) -> str:
    """How long ago, in two units at the most."""
    if moment is None:
        return "-"
    return span((datetime.now(UTC) - moment).total_seconds())


def span(seconds: float) -> str:
    seconds = max(0, int(seconds))
    for size, unit, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit} {rest // below} {small}"
    return f"{seconds} s"
