"""Blanking a person's words and names, and the ids that are made of them.

An id is replaced by a pseudonym that is always the same for the same installation,
network and id. So rows still hang together, and a later copy of an erased post finds
its row and stays blank. It is a digest: who can guess an id can recognise it, nobody
can read it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from bridge.core.intent import UNCLEAR, UNSENT, Effect, IntentState
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
# What calls and our own rows need, and nobody has said: never struck, whatever word somebody has posted.
_NO_WORDS = frozenset(KEPT_OF_DRAFT) | {
    "account", "network", "native_id", "root_id", "parent_id", "posted_at", "edited_at", "language",
    "visibility", "kind", "not_before", "at", "external_id", "author_id", "assignee_email", "public", "tags",
    "group", "priority", "type", "brand", "stage", "route", "case_id", "intent_id", "claimed_by", "receipt",
    "actions", "severity", "copies", "template", "seen", "edit", "source", "taken_back",
}  # fmt: skip
# In the draft of an intent: what becomes of parts of its payload when it is final (none left: it became),
# None for "blank it". A call that is under way, or a person who decides, needs them as they are till then.
LATER = "later"
# What a person lets pass who lets a reply out that `quotes` what was erased, and why one is asked.
QUOTES = "quotes:erased"
QUOTES_WHY = "It quotes or names what its author has deleted since, or had erased."
# Of the proof, while there is such a reply.
QUOTED = "in public answers that quote or name it and have not left: until that is decided for each"
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


def may_have_been_sent(intent: Intent) -> bool:
    """Whether the outside may know *intent* by its key already: its bytes must stay the same then."""
    let_out = intent.state in UNSENT and intent.decided_by is not None and intent.first_sent_at is not None
    return intent.payload is not None and (intent.state in UNCLEAR or let_out)


def rewrite(intent: Intent, change: Callable[[Any], Any]) -> bool:
    """Put *change* on what *intent* keeps: at once or, where that is still needed, by `finish`.

    Returns whether there was anything to change.
    """
    now, later = intent.payload or {}, intent.draft.get(LATER) or {}
    draft, outcome, payload = change(intent.draft), change(intent.outcome), change({**now, **later})
    if (draft, outcome, payload) == (intent.draft, intent.outcome, {**now, **later}):
        return False
    struck = {name for name in now if payload[name] != now[name]}
    waits = struck & _needed(intent)
    if waits:
        if draft.get(LATER, {}) is not None:
            draft = {**draft, LATER: {name: payload[name] for name in waits}}
    elif later or (intent.effect == Effect.REPLY and "text" in struck):
        draft = {**draft, LATER: {}}
    intent.draft, intent.outcome = draft, outcome
    if intent.payload is not None:
        intent.payload = {**payload, **{name: now[name] for name in waits}}
    return True


def _needed(intent: Intent) -> frozenset[str]:
    """The parts of a payload that must stay as they are for now."""
    if IntentState(intent.state).is_final:
        return frozenset()
    if intent.effect == Effect.REPLY:
        # No call may say other words than a person wrote, or look for others than were sent.
        return frozenset({"text"})
    return frozenset(intent.payload or ()) if may_have_been_sent(intent) else frozenset()


def blank_later(intent: Intent) -> None:
    """Have *intent* blanked when it is final."""
    intent.draft = {**intent.draft, LATER: None}


def quotes(intent: Intent) -> bool:
    """Whether a reply that has not left holds what was erased since, and nobody has let that pass."""
    return "text" in (intent.draft.get(LATER) or {}) and QUOTES not in intent.waived


def finish(settled: Collection[Intent]) -> None:
    """Do what had to wait until the intents of a case were final; *settled* are all of that case."""
    for intent in settled:
        if intent.draft.get(LATER, {}) == {} or not IntentState(intent.state).is_final:
            continue
        later, words = intent.draft[LATER], (intent.payload or {}).get("text")
        if later is None:
            blank_intent(intent)
            continue
        intent.draft = {**intent.draft, LATER: {}}
        if intent.payload is not None:
            intent.payload = {**intent.payload, **later}
            if "card" in later:
                blank_card(intent)
        if intent.effect == Effect.REPLY and words:
            for card in settled:  # it stood there as a question
                if "card" in (card.payload or {}):
                    rewrite(card, lambda value, said=words: without(value, [said]))  # type: ignore[misc]


def without(value: Any, words: Collection[str]) -> Any:
    """*value*, as JSON has it, without the strings in *words* and without long quotations of them.

    What is no words by its name in a dict stays as it is.
    """
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
        return {name: one if name in _NO_WORDS else without(one, words) for name, one in value.items()}
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
