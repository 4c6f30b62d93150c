"""Blanking a person's words and names, and the ids that are made of them.

An id is replaced by a pseudonym that is always the same for the same installation,
network and id. So rows still hang together, and a later copy of an erased post finds
its row and stays blank. It is a digest: who can guess an id can recognise it, nobody
can read it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from bridge.store.tables import Delivery, Erasure, Intent, Message

PREFIX = "erased:"
BLANK_MESSAGE: dict[str, Any] = {
    "author_handle": None,
    "author_name": None,
    "author_url": None,
    "followers": None,
    "sentiment": None,
    "text": None,
    "parent_text": None,
    "permalink": None,
    "attachments": [],
}
# What a draft says about our own rows; the rest of it is words.
KEPT_OF_DRAFT = (
    "message", "version", "number", "follow_up_of",
    "of", "erasure", "ticket_id", "requester_id", "channel", "id", "queue", "question",
)  # fmt: skip
HIDDEN = "(erased)"
# A shorter quotation may be anybody's words.
_LEAST_QUOTE = 12
_MANY = 500


def pseudonym(installation: str, network: str, identity: str) -> str:
    """What stands for *identity* after it was erased; one that is erased already stays as it is."""
    if identity.startswith(PREFIX):
        return identity
    digest = hashlib.sha256("\n".join((installation, network, identity)).encode())
    return PREFIX + digest.hexdigest()


def is_erased(identity: str | None) -> bool:
    return identity is not None and identity.startswith(PREFIX)


def blank(row: Message, at: datetime) -> None:
    """Take the words and names off *row*; its ids stay."""
    for column, value in BLANK_MESSAGE.items():
        setattr(row, column, list(value) if isinstance(value, list) else value)
    row.erased_at = row.erased_at or at


def blank_intent(intent: Intent) -> None:
    """Take the words off an intent that is settled."""
    intent.draft = {name: value for name, value in intent.draft.items() if name in KEPT_OF_DRAFT}
    intent.payload = intent.outcome = None


def blank_card(intent: Intent) -> bool:
    """Take the customer's words and name off what *intent* showed the team; whether there were any."""
    card = (intent.payload or {}).get("card")
    if card is None:
        return False
    blank = {**card, "text": "", "author": "", "permalink": None}
    if blank == card:
        return False
    intent.payload = {**(intent.payload or {}), "card": blank}
    return True


def blank_target(intent: Intent, post: str) -> bool:
    """Take what *post* (a global id) says off the reply *intent*, which answers it or an answer to it."""
    target = (intent.payload or {}).get("target")
    if target is None:
        return False
    blank = target
    if target["id"] == post:
        nobody = {**target["author"], "handle": "", "name": "", "url": None, "followers": None}
        blank = {**target, "author": nobody, "text": "", "permalink": None, "attachments": []}
        blank["sentiment"] = None
    elif target["parent_id"] == post:
        blank = {**target, "parent_text": None}
    if blank == target:
        return False
    intent.payload = {**(intent.payload or {}), "target": blank}
    return True


def without(value: Any, words: Collection[str]) -> Any:
    """*value*, as JSON has it, without the strings in *words* and without long quotations of them."""
    if isinstance(value, str):
        if value in words:
            return ""
        for said in words:
            if len(said) >= _LEAST_QUOTE:
                value = value.replace(said, HIDDEN)
        return value
    if isinstance(value, list):
        return [without(one, words) for one in value]
    if isinstance(value, dict):
        return {name: without(one, words) for name, one in value.items()}
    return value


def record(
    tx: Session,
    *,
    installation: str,
    at: datetime,
    cause: str,
    by: str,
    network: str | None = None,
    counts: dict[str, Any] | None = None,
    remains: Iterable[str] = (),
) -> Erasure:
    """Write the proof down. It holds numbers and sentences of ours, nobody's words."""
    proof = Erasure(
        installation=installation,
        at=at,
        cause=cause,
        by=by,
        network=network,
        counts=counts or {},
        remains=list(remains),
    )
    tx.add(proof)
    tx.flush()
    return proof


def remains_too(tx: Session, erasure_id: str, sentence: str) -> None:
    """Add to a proof what could not be erased after all."""
    proof = tx.get(Erasure, erasure_id, with_for_update=True)
    if proof is not None and sentence not in proof.remains:
        proof.remains = [*proof.remains, sentence]


def parts(ids: Collection[str]) -> Iterator[list[str]]:
    each = sorted(ids)
    for start in range(0, len(each), _MANY):
        yield each[start : start + _MANY]


# --- deliveries ----------------------------------------------------------------------


def hidden_delivery(installation: str, source: str, delivery_id: str) -> str:
    """What stands for the id of an erased delivery, so that the same item is known when it is read again."""
    return pseudonym(installation, source, delivery_id)


def hide_delivery(tx: Session, delivery: Delivery) -> None:
    """Take the bytes off *delivery*, and an id that may be the address of a post."""
    delivery.body, delivery.delivery_id = None, _hidden_ids(tx, [delivery])[delivery.id]


def _hidden_ids(tx: Session, rows: Iterable[Any]) -> dict[str, str]:
    """What shall stand for the id of each of these deliveries, by their rows' ids.

    A sender may repeat what was erased: the door no longer knows it by its id, and writes
    it down a second time. Two rows cannot have one pseudonym, so that of the later one goes on.
    """
    found: dict[str, str] = {}
    by_place: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in rows:
        by_place[row.installation, row.source, row.account].append(row)
    for (installation, source, account), some in by_place.items():
        hidden = {row.id: hidden_delivery(installation, source, row.delivery_id) for row in some}
        with tx.no_autoflush:
            there = tx.execute(
                select(Delivery.id, Delivery.delivery_id).where(
                    Delivery.installation == installation,
                    Delivery.source == source,
                    Delivery.account == account,
                    Delivery.delivery_id.in_(set(hidden.values())),
                )
            ).all()
        taken = {one.delivery_id for one in there if one.id not in hidden}
        found |= {key: f"{one}:{key}" if one in taken else one for key, one in hidden.items()}
    return found


def known_hidden(tx: Session, installation: str, source: str, account: str, ids: Collection[str]) -> set[str]:
    """Which of the delivery *ids* belong to deliveries that were erased."""
    hidden = {hidden_delivery(installation, source, one): one for one in ids}
    found = tx.scalars(
        select(Delivery.delivery_id).where(
            Delivery.installation == installation,
            Delivery.source == source,
            Delivery.account == account,
            Delivery.delivery_id.in_(hidden),
        )
    )
    return {hidden[one] for one in found}


def blank_bodies(tx: Session, ids: Collection[str]) -> int:
    """Blank these deliveries; returns how many there were that still had a body."""
    number = 0
    columns = (Delivery.id, Delivery.installation, Delivery.source, Delivery.account, Delivery.delivery_id)
    for part in parts(ids):
        found = tx.execute(select(*columns).where(Delivery.id.in_(part), Delivery.body.is_not(None))).all()
        if found:
            hidden = _hidden_ids(tx, found)
            # Not as objects: there may be many thousands, and everybody who writes waits meanwhile.
            tx.execute(
                update(Delivery),
                [{"id": row.id, "body": None, "delivery_id": hidden[row.id]} for row in found],
            )
        number += len(found)
    return number


def not_taken_in(tx: Session) -> Iterator[str]:
    """The bodies of deliveries that nobody has understood yet, as text."""
    bodies = tx.scalars(select(Delivery.body).where(Delivery.state == "received"))
    return (text_of(body) for body in bodies)


def bodies_between(
    tx: Session, after: tuple[datetime, str] | None, until: datetime, since: datetime | None = None
) -> list[Any]:
    """Up to some hundred deliveries with a body: (received_at, id, body, delivery_id), oldest first."""
    query = (
        select(Delivery.received_at, Delivery.id, Delivery.body, Delivery.delivery_id)
        .where(Delivery.received_at <= until, Delivery.body.is_not(None), Delivery.state != "received")
        .order_by(Delivery.received_at, Delivery.id)
        .limit(_MANY)
    )
    if since is not None:
        query = query.where(Delivery.received_at >= since)
    if after is not None:
        at, last = after
        query = query.where(Delivery.received_at >= at, or_(Delivery.received_at > at, Delivery.id > last))
    return list(tx.execute(query).all())


def text_of(body: bytes | None) -> str:
    """A body to be searched, whatever its bytes are."""
    return (body or b"").decode("utf-8", "replace")
