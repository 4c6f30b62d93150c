"""What commands beside the running bridge open: its settings and tables, nothing that is started."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge import settings
from bridge.errors import NoDatabaseError
from bridge.store.clock import SharedClock, SystemClock
from bridge.store.conditions import WORKER_GONE, nobody_works
from bridge.store.database import Database
from bridge.store.presence import FolderLock, last_seen
from bridge.store.tables import Case, TicketRow

if TYPE_CHECKING:
    from bridge.flows.world import World

SHORT = 12
LEAST = 4  # fewer letters of an id may name something by accident


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
    from bridge import app  # noqa: PLC0415 - takes a second, which commands that only read need not wait for

    with opened_database():
        pass
    bridge = app.build(settings.load(), flows=False, serves=False)
    try:
        yield bridge.world
    finally:
        bridge.stop()


def time_at(database: Database) -> datetime:
    """What time it is for all who work on *database*. Raises StoreBusyError."""
    clock = SharedClock(database, SystemClock())
    clock.set()
    return clock.now()


def who() -> str:
    """Who is at the keyboard, for the case file."""
    return f"{getpass.getuser()} (command line)"


def for_a_worker(database: Database, tx: Session) -> str:
    """ " It goes on when a worker runs: …", for the end of a sentence; empty while one is alive."""
    seen = last_seen(tx)
    if seen is not None and may_live(database) and time_at(database) - seen < WORKER_GONE:
        return ""
    return f" It goes on when a worker runs: {nobody_works(tx)}."


def may_live(database: Database) -> bool:
    """Whether a worker can be alive: on an embedded database, whoever is has the lock."""
    return not database.embedded or FolderLock(database.file).is_held()


def short(identity: str) -> str:
    """The end of an id: its beginning is the time, and so the same for neighbours."""
    return identity[-SHORT:]


def no_such(what: str, named: str) -> click.ClickException:
    """*named* is the end of no id, of several, or too short to be one's."""
    return click.ClickException(
        f"There is no {what} {named}, or more than one whose id ends so ({LEAST} letters at least). "
        f"`bridge {what} list` shows them."
    )


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
        raise no_such("case", named)
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
