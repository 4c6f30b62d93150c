"""Writing a row at once, which somebody else may be writing at this moment."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import literal, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_dict, set_committed_value
from sqlalchemy.sql.dml import ReturningInsert

from bridge.store.tables import Base


def insert_new(tx: Session, table: type[Base], **values: Any) -> bool:
    """Insert a row of *table*, or leave the one that is there; whether it was new.

    Looking first and inserting then would let two transactions look at once. Columns
    that are not given get their defaults. What the row refers to must have been written:
    this does not flush *tx*.
    """
    connection = tx.connection()
    return connection.scalar(_statement(table, connection.dialect.name), values) is not None


def add_new(tx: Session, row: Base) -> bool:
    """`insert_new` the values of *row*; if it was new, *row* belongs to *tx* like one that it has read.

    For what other rows refer to: a flush knows no order among tables, and one more costs
    more than the rest of a small transaction. Not for a table with a JSON column that may be
    NULL: "not given" would be written as JSON's null.
    """
    given = instance_dict(row)
    for name, default in _defaults(type(row)):
        if name not in given:
            set_committed_value(row, name, default(None) if callable(default) else default)
    if not insert_new(tx, type(row), **{name: given[name] for name, _default in _defaults(type(row))}):
        return False
    make_transient_to_detached(row)
    tx.add(row)
    return True


@cache
def _defaults(table: type[Base]) -> tuple[tuple[str, Any], ...]:
    """The columns, each with its default: a value, or a function of SQLAlchemy's context."""
    return tuple((column.key, getattr(column.default, "arg", None)) for column in table.__table__.columns)


@cache
def _statement(table: type[Base], dialect: str) -> ReturningInsert[tuple[int]]:
    # Made once, and without values: SQLAlchemy then finds its SQL ready at each execution.
    made = postgresql if dialect == "postgresql" else sqlite
    insert = made.insert(table.__table__).on_conflict_do_nothing()
    statement: ReturningInsert[tuple[int]] = insert.returning(literal(1))
    return statement


def is_shared(tx: Session) -> bool:
    """Whether others may write while *tx* does. On SQLite every transaction that writes is alone."""
    return tx.get_bind().dialect.name == "postgresql"


def alone(tx: Session, *keys: str) -> None:
    """Be the only transaction about each of *keys* until this one ends.

    For what has no row to lock yet, like the first post of a thread. Whoever needs several
    asks for them together: they are taken in one order everywhere.
    """
    if is_shared(tx):
        tx.connection().execute(_ALONE, {"keys": sorted(keys)})


def alone_at_once(tx: Session, key: str) -> bool:
    """`alone` without waiting; False when somebody else is alone with *key*."""
    return not is_shared(tx) or bool(tx.connection().scalar(_ALONE_AT_ONCE, {"key": key}))


_ALONE = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(CAST(:keys AS text[])) AS key"
)
_ALONE_AT_ONCE = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
