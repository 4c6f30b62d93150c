"""The case file: what happened, line by line. Ids and facts; nobody's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from bridge.store.ids import new_id
from bridge.store.tables import Event

_TOLD = "lines of case files"  # in a session's info: those that its transaction has to write
_WRITE = insert(Event.__table__)  # type: ignore[arg-type]


def tell(
    tx: Session,
    case_id: str | None,
    at: datetime,
    kind: str,
    text: str,
    *,
    after: str | None = None,
    **data: Any,
) -> None:
    """Add a line to the file of *case_id* (None: it belongs to no case).

    It sorts behind the line *after*, too, which another machine may have written. It is written
    when *tx* commits: nothing reads it before, and together they cost less.
    """
    line = {"id": new_id(after), "case_id": case_id, "at": at, "kind": kind, "text": text, "data": data}
    tx.info.setdefault(_TOLD, []).append(line)


@event.listens_for(Session, "before_commit")
def _write(tx: Session) -> None:
    lines = tx.info.pop(_TOLD, None)
    if lines:
        tx.flush()  # the cases first
        tx.connection().execute(_WRITE, lines)


def read(tx: Session, case_id: str) -> list[Event]:
    """The whole file, oldest first."""
    return list(tx.scalars(select(Event).where(Event.case_id == case_id).order_by(Event.id)))
