"""Recorded messages, oldest first, in steps small enough that nobody waits for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.sql import ColumnElement

from bridge.core.message import SocialMessage
from bridge.store import messages
from bridge.store.database import Database
from bridge.store.tables import Message, MessageTag

_STEP = 1_000


def count(database: Database, since: datetime) -> int:
    """How many messages `read` gives."""
    with database.read() as tx:
        return tx.scalar(select(func.count()).select_from(Message).where(_is_whole(since))) or 0


def read(
    database: Database, since: datetime, *, of_cases: bool = False
) -> Iterator[tuple[str, datetime, SocialMessage]]:
    """(row id, when it came in, the message with the tags that are on it now), since *since*.

    Our own words and what was erased are left out; *of_cases*: what belongs to no case, too.
    """
    wanted = and_(_is_whole(since), Message.case_id.is_not(None)) if of_cases else _is_whole(since)
    after: tuple[datetime, str] | None = None
    while True:
        query = select(Message).where(wanted).order_by(Message.received_at, Message.id).limit(_STEP)
        if after is not None:
            at, last = after
            later = and_(Message.received_at == at, Message.id > last)
            query = query.where(or_(Message.received_at > at, later))
        with database.read() as tx:
            rows = list(tx.scalars(query))
            tags: dict[str, list[str]] = defaultdict(list)
            asked = select(MessageTag.message_id, MessageTag.name).where(
                MessageTag.message_id.in_([row.id for row in rows]), MessageTag.removed_at.is_(None)
            )
            for message_id, name in tx.execute(asked):
                tags[message_id].append(name)
        for row in rows:
            yield row.id, row.received_at, messages.as_message(row, tags[row.id])
        if len(rows) < _STEP:
            return
        after = (rows[-1].received_at, rows[-1].id)


def _is_whole(since: datetime) -> ColumnElement[bool]:
    return and_(
        Message.received_at >= since,
        Message.posted_at.is_not(None),
        Message.account.is_not(None),
        Message.erased_at.is_(None),
        Message.own.is_(False),
    )
