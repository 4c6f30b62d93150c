"""Deliveries: what came in, in its own bytes, written before it is understood."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.store import counting
from bridge.store.ids import new_id
from bridge.store.insert import insert_new
from bridge.store.tables import Delivery

# The sources that are no network.
DESK_SOURCE = "zendesk"
TEAM_SOURCE = "slack"


def record(
    tx: Session,
    *,
    installation: str,
    source: str,
    account: str,
    delivery_id: str,
    body: bytes,
    at: datetime,
    state: str = "received",
    reason: str | None = None,
) -> str | None:
    """Write a delivery down; return its row's id, or None when it is there already."""
    row_id = new_id()
    new = insert_new(
        tx,
        Delivery,
        id=row_id,
        installation=installation,
        source=source,
        account=account,
        delivery_id=delivery_id,
        received_at=at,
        body=body,
        state=state,
        attempts=0,
        due_at=at,
        reason=reason,
    )
    outcome = state if new else "repeated"
    counting.note(tx, "bridge_deliveries_total", source=source, account=account, outcome=outcome)
    return row_id if new else None


def find(tx: Session, installation: str, source: str, account: str, delivery_id: str) -> Delivery | None:
    return tx.scalars(
        select(Delivery).where(
            Delivery.installation == installation,
            Delivery.source == source,
            Delivery.account == account,
            Delivery.delivery_id == delivery_id,
        )
    ).first()


def some_wait(tx: Session) -> bool:
    """Whether there are deliveries that made no sense yet and are tried again."""
    return tx.connection().execute(_WAITING).first() is not None


# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_DELIVERIES = Delivery.__table__.c
_WAITING = (
    select(_DELIVERIES.id)
    .where(_DELIVERIES.state == "received", _DELIVERIES.due_at > _DELIVERIES.received_at)
    .limit(1)
)


def take_again(delivery: Delivery, at: datetime) -> None:
    """Have *delivery* taken in once more: harmless, since facts that are known change nothing."""
    delivery.state, delivery.attempts, delivery.due_at, delivery.reason = "received", 0, at, None
