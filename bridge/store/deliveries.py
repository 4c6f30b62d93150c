"""Deliveries: what came in, in its own bytes, written before it is understood."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.orm import Session

from bridge.store import counting
from bridge.store.ids import new_id
from bridge.store.insert import insert_new
from bridge.store.tables import PUT_OFF, Delivery

# The sources that are no network.
DESK_SOURCE = "zendesk"
TEAM_SOURCE = "slack"
# What waits for a person: it failed each time, or says nothing that its source should say.
NOT_UNDERSTOOD = ("failed", "unreadable")
ID_LENGTH = 255  # of a sender's id


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
    by_id: bool = False,
) -> str | None:
    """Write a delivery down; return its row's id, or None when it is there already.

    Other bytes under an id that is known are news: a sender mends what was refused, or gives
    two events one id. ``by_id``: only where nobody understood the first ones; what was
    understood is a repetition by its id alone, as in a list that counts the likes of each post.
    """
    row_id = new_id()
    values = {
        "id": row_id,
        "installation": installation,
        "source": source,
        "account": account,
        "delivery_id": delivery_id,
        "received_at": at,
        "body": body,
        "state": state,
        "attempts": 0,
        "due_at": at,
        "reason": reason,
    }
    new = insert_new(tx, Delivery, **values)
    if not new and _says_else(tx, values, by_id=by_id):
        new = insert_new(tx, Delivery, **values | {"delivery_id": _apart(delivery_id, body)})
    outcome = state if new else "repeated"
    counting.note(tx, "bridge_deliveries_total", source=source, account=account, outcome=outcome)
    return row_id if new else None


def _says_else(tx: Session, values: Mapping[str, Any], *, by_id: bool) -> bool:
    """Whether the delivery that has the id of these *values* had other bytes, so that they are news."""
    known = tx.connection().execute(_KNOWN, values).first()
    if known is None:
        return True  # it was deleted at this moment
    if known.same is None or known.same:
        return False  # of what was erased (NULL) nothing may come back
    return not by_id or known.state in NOT_UNDERSTOOD


def _apart(delivery_id: str, body: bytes) -> str:
    """The id under which other bytes than the first ones of *delivery_id* are kept."""
    return f"{delivery_id[:ID_LENGTH]} {hashlib.sha256(body).hexdigest()[:16]}"


def find(
    tx: Session, installation: str, source: str, account: str, delivery_id: str, body: bytes
) -> Delivery | None:
    """The delivery with that id: the one with these bytes, or else the first."""
    ids = (delivery_id, _apart(delivery_id, body))
    rows = tx.scalars(
        select(Delivery)
        .where(
            Delivery.installation == installation,
            Delivery.source == source,
            Delivery.account == account,
            Delivery.delivery_id.in_(ids),
        )
        .order_by(Delivery.id)
    ).all()
    return next((row for row in rows if row.body == body), rows[0] if rows else None)


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery that nobody has understood yet. ``body`` is None when its words were erased."""

    id: str
    source: str
    account: str
    received_at: datetime
    body: bytes | None


def find_received(tx: Session, row_id: str) -> Received | None:
    """The delivery with that row id, unless somebody has said what became of it."""
    found = tx.connection().execute(_RECEIVED, {"of": row_id}).first()
    return None if found is None else Received(*found)


def settle(tx: Session, row_id: str, state: str, at: datetime, reason: str | None = None) -> bool:
    """Say what became of the delivery with that row id; False when somebody has.

    Nobody else can until *tx* ends. A row that *tx* has read already does not show it.
    """
    settled = tx.connection().execute(_SETTLE, {"of": row_id, "to": state, "why": reason, "then": at}).first()
    if settled is None:
        return False
    counting.note(
        tx, "bridge_deliveries_total", source=settled.source, account=settled.account, outcome=state
    )
    return True


def some_are_tried_again(tx: Session) -> bool:
    """Whether there are deliveries that made no sense yet and are tried again."""
    return tx.connection().execute(_WAITING).first() is not None


# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_DELIVERIES = Delivery.__table__.c
# Compared there: a repetition is no reason to read megabytes.
_KNOWN = select(_DELIVERIES.state, (_DELIVERIES.body == bindparam("body")).label("same")).where(
    *(_DELIVERIES[name] == bindparam(name) for name in ("installation", "source", "account", "delivery_id"))
)
_IS_RECEIVED = and_(_DELIVERIES.id == bindparam("of"), _DELIVERIES.state == "received")
_RECEIVED = select(
    _DELIVERIES.id, _DELIVERIES.source, _DELIVERIES.account, _DELIVERIES.received_at, _DELIVERIES.body
).where(_IS_RECEIVED)
_SETTLE = (
    update(Delivery.__table__)  # type: ignore[arg-type]
    .where(_IS_RECEIVED)
    .values(state=bindparam("to"), reason=bindparam("why"), done_at=bindparam("then"))
    .returning(_DELIVERIES.source, _DELIVERIES.account)
)
_WAITING = select(_DELIVERIES.id).where(PUT_OFF).limit(1)


def dismiss(delivery: Delivery, at: datetime, by: str) -> None:
    """A person has seen that nothing is lost with *delivery*: it waits for nobody any more."""
    delivery.state, delivery.done_at = "unwanted", at
    delivery.reason = f"dismissed by {by}: {delivery.reason or 'no reason'}"


def take_again(delivery: Delivery, at: datetime) -> None:
    """Have *delivery* taken in once more: harmless, since facts that are known change nothing."""
    delivery.state, delivery.attempts, delivery.due_at, delivery.reason = "received", 0, at, None
