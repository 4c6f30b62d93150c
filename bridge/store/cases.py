"""Cases, the lock that whoever changes one takes first, and the rows that hang on a case."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from bridge.store import counting, insert
from bridge.store.tables import CardRow, Case, Intent, Message, TicketRow

Row = TypeVar("Row", Intent, TicketRow, CardRow, Message)

_READ = "rows of cases"  # in a session's info: those that it has read, by table and case
_MADE = "new cases"  # in a session's info: those that it has made


def lock(tx: Session, case_id: str) -> Case:
    """The case as it is now; nobody else changes it, or what hangs on it, until *tx* ends.

    Every transaction that drafts or settles something of a case takes this lock before it
    reads: what a flow believes of a case would else be out of date when it writes. SQLite
    has no such lock and needs none, its transactions come one after the other.
    """
    case = tx.scalars(_LOCKED, {"wanted": case_id}).one()
    tx.info.pop(_READ, None)  # what was read before the lock was had
    if case.ticket_opened_at is None:
        tx.info[_READ] = {(TicketRow, case_id): []}  # it is set with the first
    return case


def locked(query: Select[Case]) -> Select[Case]:
    """*query*, with the cases it finds locked and as they are now."""
    # Not FOR UPDATE: that would also keep others from adding rows that point to the case.
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)


def rows(tx: Session, table: type[Row], case_id: str) -> list[Row]:
    """The rows of *table* that hang on the case, the oldest first.

    Asked once in a transaction: while it lasts, only it adds any, and with `add` or `take`.
    """
    return list(_rows(tx, table, case_id))


def begin(tx: Session, case: Case) -> None:
    """Write a new case, on which nothing hangs yet.

    Raises ValueError when there is an open one of the same customer, account and thread.
    """
    if not insert.add_new(tx, case):
        raise ValueError("the thread has an open case already")
    counting.opened(tx, case)
    for table in _OF_CASE:
        tx.info.setdefault(_READ, {})[table, case.id] = []
    tx.info.setdefault(_MADE, []).append(case)


def made(tx: Session) -> list[Case]:
    """The cases that *tx* itself has made: nobody else can know of them before it ends."""
    return list(tx.info.get(_MADE, []))


def add(tx: Session, case: Case, row: Row) -> None:
    """Write a new row that hangs on *case*."""
    _rows(tx, type(row), case.id).append(row)
    tx.add(row)


def take(tx: Session, case: Case, message: Message) -> None:
    """Have *message* belong to *case*."""
    posts = _rows(tx, Message, case.id)
    if message not in posts:
        posts.append(message)
        posts.sort(key=lambda post: (post.posted_at or post.received_at, post.id))
    message.case_id = case.id


def _rows(tx: Session, table: type[Row], case_id: str) -> list[Row]:
    read: dict[Any, list[Row]] = tx.info.setdefault(_READ, {})
    known = read.get((table, case_id))
    if known is None:
        with tx.no_autoflush:  # what this transaction has to write is known to it: see `add`
            known = read[table, case_id] = list(tx.scalars(_OF_CASE[table], {"of": case_id}))
    return known


# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_LOCKED = locked(select(Case).where(Case.id == bindparam("wanted")))
_OF_CASE: dict[Any, Select[Any]] = {
    Intent: select(Intent).where(Intent.case_id == bindparam("of")).order_by(Intent.id),
    TicketRow: select(TicketRow).where(TicketRow.case_id == bindparam("of")).order_by(TicketRow.number),
    CardRow: select(CardRow)
    .where(CardRow.case_id == bindparam("of"))
    .order_by(CardRow.posted_at, CardRow.id),
    Message: select(Message)
    .where(Message.case_id == bindparam("of"))
    .order_by(Message.posted_at, Message.id),
}
