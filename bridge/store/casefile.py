"""The case file: what happened, line by line. Ids and facts; nobody's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.store.tables import Event


def tell(tx: Session, case_id: str | None, at: datetime, kind: str, text: str, **data: Any) -> None:
    """Add a line to the file of *case_id* (None: it belongs to no case)."""
    tx.add(Event(case_id=case_id, at=at, kind=kind, text=text, data=data))


def read(tx: Session, case_id: str) -> list[Event]:
    """The whole file, oldest first."""
    return list(tx.scalars(select(Event).where(Event.case_id == case_id).order_by(Event.id)))
