"""Lanes to the outside, and those that are parked, by a refusal of credentials or by a person.

A lane is the queue of calls to one vendor or account: what one of them keeps waiting, keeps no
other waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from sqlalchemy import Insert, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bridge.core.intent import Effect
from bridge.store.tables import Intent, Lane

DESK = "desk"
TEAM = "team"
PUBLIC = "public"  # everything that the public would read, on every network: parked, and never an intent's


def of_account(account: str) -> str:
    """The lane of an account: its outage keeps no other account's replies waiting."""
    return f"account:{account}"


class Parked(NamedTuple):
    """A lane that is parked; ``until`` None: until somebody resumes it."""

    name: str
    until: datetime | None
    reason: str
    since: datetime

    @property
    def said(self) -> str:
        """Since when and why, for people."""
        what = "everything public is paused" if self.name == PUBLIC else f"lane {self.name} is parked"
        return f"{what} since {self.since:%d %b %H:%M} UTC: {self.reason}"


# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_COLUMNS = Lane.__table__.c
_LANES = select(_COLUMNS.name, _COLUMNS.until, _COLUMNS.reason, _COLUMNS.since)


def parked(tx: Session, at: datetime) -> dict[str, Parked]:
    """The lanes that are parked now, by name."""
    rows = (Parked(*row) for row in tx.connection().execute(_LANES))
    return {row.name: row for row in rows if row.until is None or row.until > at}


def blocks(shut: Mapping[str, Parked], intent: Intent) -> bool:
    """Whether one of the lanes *shut* keeps *intent* from leaving."""
    return bool(keeping(shut, intent))


def keeping(shut: Mapping[str, Parked], intent: Intent) -> list[Parked]:
    """Those of the lanes *shut* that keep *intent* from leaving."""
    if not shut:
        return []
    kept_by = (intent.lane, PUBLIC) if Effect(intent.effect).is_public else (intent.lane,)
    return [shut[name] for name in kept_by if name in shut]


def park(tx: Session, name: str, reason: str, by: str, at: datetime, span: timedelta | None = None) -> None:
    """Park *name* for *span*, or until it is resumed."""
    until = None if span is None else at + span
    connection = tx.connection()
    connection.execute(
        _parking(connection.dialect.name),
        {"name": name, "since": at, "reason": reason, "by": by, "until": until},
    )


@cache
def _parking(dialect: str) -> Insert:
    """One statement: a row that was found might be gone, resumed, by the time it is written."""
    made = postgresql if dialect == "postgresql" else sqlite
    insert = made.insert(Lane.__table__)
    anew = {name: insert.excluded[name] for name in ("reason", "by", "until")}
    statement: Insert = insert.on_conflict_do_update(index_elements=["name"], set_=anew)
    return statement


def bound(tx: Session, until: datetime) -> None:
    """Have no lane be parked for longer than *until*, unless until it is resumed."""
    tx.execute(update(Lane).where(Lane.until > until).values(until=until))


def resume(tx: Session, name: str) -> bool:
    """Open *name* again; False when it was not parked."""
    # One statement: of two who resume at once, one finds nothing.
    return tx.scalar(delete(Lane).where(Lane.name == name).returning(Lane.name)) is not None
