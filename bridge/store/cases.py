"""Cases, and the lock that whoever changes one takes first."""

from __future__ import annotations

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from bridge.store.tables import Case


def lock(tx: Session, case_id: str) -> Case:
    """The case as it is now; nobody else changes it, or what hangs on it, until *tx* ends.

    Every transaction that drafts or settles something of a case takes this lock before it
    reads: what a flow believes of a case would else be out of date when it writes. SQLite
    has no such lock and needs none, its transactions come one after the other.
    """
    return tx.scalars(_LOCKED, {"wanted": case_id}).one()


def locked(query: Select[Case]) -> Select[Case]:
    """*query*, with the cases it finds locked and as they are now."""
    # Not FOR UPDATE: that would also keep others from adding rows that point to the case.
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)


# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_LOCKED = locked(select(Case).where(Case.id == bindparam("wanted")))
