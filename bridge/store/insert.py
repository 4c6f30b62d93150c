"""Writing what somebody else may be writing at this moment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import literal, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bridge.store.tables import Base


def insert_new(tx: Session, table: type[Base], **values: Any) -> bool:
    """Insert a row of *table*, or leave the one that is there; whether it was new.

    Looking first and inserting then would let two transactions look at once. Columns
    that are not given get their defaults.
    """
    dialect = postgresql if tx.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return tx.scalar(statement.returning(literal(1))) is not None


def alone(tx: Session, key: str) -> None:
    """Be the only transaction about *key* until this one ends.

    For what has no row to lock yet, like the first post of a thread. On SQLite every
    transaction that writes is alone already.
    """
    if tx.get_bind().dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
