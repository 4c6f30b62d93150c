"""Tickets that are ours by their external id, and that no row knows: a backup was restored since.

What an agent writes on one reaches nobody, so a person is told: in a note on the ticket,
where a case holds its thread again, and by a condition until the ticket is closed, merged
or deleted. Each has a cursor, which says when to look at it again and what was seen last.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.desk import Ticket, TicketStatus, Update
from bridge.core.intent import UNCLEAR, Effect
from bridge.errors import VendorError, VendorGoneError
from bridge.flows import backoff, cards, drafting, writing
from bridge.flows.world import World
from bridge.store import cases, intents, leases, messages, tickets
from bridge.store.insert import insert_new
from bridge.store.leases import Lease
from bridge.store.standing import ASTRAY
from bridge.store.tables import Case, Cursor, Intent, Message, TicketRow

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(hours=6)
# Of one customer; the newest hold what came in after a backup.
CASES = 20
LEAST_QUOTE = 12  # letters: a shorter post may be anybody's words


def is_named_ours(world: World, external_id: str | None) -> bool:
    """Whether *external_id* is one that this installation gives to tickets."""
    return (external_id or "").startswith(f"{world.installation}:")


def notice(tx: Session, world: World, ticket_id: str) -> str:
    """Have a ticket that no row knows looked at, now; returns the key to wake ``astray`` with."""
    key, now = f"{ASTRAY}{ticket_id}", world.clock.now()
    if not insert_new(tx, Cursor, key=key, due_at=now, failures=0):
        tx.get_one(Cursor, key).due_at = now
    return key


def opening(tx: Session, case: Case, number: str) -> Intent | None:
    """What opened, or opens, the ticket of *case* with that number."""
    openings = (i for i in intents.of_case(tx, case.id) if i.effect == Effect.OPEN_TICKET)
    return next((intent for intent in openings if str(intent.draft.get("number")) == number), None)


def is_on_its_way(opens: Intent) -> bool:
    """Whether a ticket may be the answer to a call that is under way, or that nobody knows the end of."""
    return opens.state in UNCLEAR


def look(world: World, key: str) -> None:
    """See whether the ticket of *key* still concerns a person, and tell them. Harmless when not due."""
    ticket_id = key.removeprefix(ASTRAY)
    with world.lease(key) as lease:
        if lease is None or world.desk is None:
            return
        with world.database.read() as tx:
            cursor = tx.get(Cursor, key)
        if cursor is None or cursor.due_at > world.clock.now():
            return
        try:
            ticket, history = world.desk.read_ticket(ticket_id), world.desk.read_updates(ticket_id)
        except VendorGoneError:
            _end(world, lease)
            return
        except VendorError as error:
            _put_off(world, lease, error)
            return
        if not is_named_ours(world, ticket.external_id) or ticket.merged_into is not None:
            _end(world, lease)
        elif ticket.status == TicketStatus.CLOSED:
            _end(world, lease)  # nobody can write on it any more
        else:
            _tell(world, lease, ticket, history)


def _tell(world: World, lease: Lease, ticket: Ticket, history: Sequence[Update]) -> None:
    with world.database.write() as tx:
        case = _case_of(tx, world, ticket, history)
        if case is not None:
            case = cases.lock(tx, case.id)
        leases.guard(tx, lease)
        known = tx.scalars(
            select(TicketRow).where(
                TicketRow.installation == world.installation, TicketRow.ticket_id == ticket.id
            )
        ).first()
        cursor, now = tx.get_one(Cursor, lease.key), world.clock.now()
        if known is not None:
            tx.delete(cursor)
            if case is not None and case.id == known.case_id:
                # Its number was known late: what was said on it before has been told to nobody.
                tickets.hint(known, now)
                intents.wake_case(case, now)
            return
        if case is not None and _may_open(tx, world, case, ticket):
            cursor.due_at = now + world.timing.call_timeout  # it will be known, or asked about
            return
        row = None if case is None else cards.current_ticket(tx, case)
        speaks = None if row is None else row.ticket_id
        if case is not None and speaks is not None:
            text = writing.astray_note(speaks)
            drafting.note_elsewhere(tx, case, ticket.id, "astray", text, now)
        if cursor.heard_at is None:
            log.warning("ticket %s has an external id of ours, and no case knows it", ticket.id)
        since = json.loads(cursor.value)["since"] if cursor.value else now.isoformat()
        cursor.value = json.dumps({"url": ticket.url, "speaks": speaks, "since": since})
        cursor.heard_at, cursor.failures, cursor.reason = now, 0, None
        age = now - datetime.fromisoformat(since)
        cursor.due_at = now + min(LONGEST_WAIT, max(world.timing.sweep, age))
    if case is not None:
        world.wake("work", case.id)


def _case_of(tx: Session, world: World, ticket: Ticket, history: Sequence[Update]) -> Case | None:
    """The case that holds what *ticket* was opened with: its own, or the one that took the post in again."""
    named, _, _ = (ticket.external_id or "").removeprefix(f"{world.installation}:").partition(":")
    own = tx.get(Case, named)
    if own is not None or not history or history[0].comment is None:
        return own
    network, _, author_id = (ticket.requester_external_id or "").removeprefix("social:").partition(":")
    theirs = (
        select(Case)
        .where(Case.installation == world.installation, Case.network == network, Case.author_id == author_id)
        .order_by(Case.opened_at.desc())
        .limit(CASES)
    )
    said = history[0].comment.text.split()
    for case in tx.scalars(theirs):
        if any(_is_in(post, said) for post in messages.of_case(tx, case.id)):
            return case
    return None


def _is_in(post: Message, said: Sequence[str]) -> bool:
    if post.permalink and post.permalink in said:
        return True
    words = " ".join((post.text or "").split())
    return len(words) >= LEAST_QUOTE and words in " ".join(said)


def _may_open(tx: Session, world: World, case: Case, ticket: Ticket) -> bool:
    named, _, number = (ticket.external_id or "").removeprefix(f"{world.installation}:").partition(":")
    intent = opening(tx, case, number) if named == case.id else None
    return intent is not None and is_on_its_way(intent)


def _end(world: World, lease: Lease) -> None:
    with world.database.write() as tx:
        leases.guard(tx, lease)
        tx.delete(tx.get_one(Cursor, lease.key))


def _put_off(world: World, lease: Lease, error: VendorError) -> None:
    with world.database.write() as tx:
        leases.guard(tx, lease)
        cursor = tx.get_one(Cursor, lease.key)
        cursor.failures, cursor.reason = cursor.failures + 1, str(error)
        cursor.due_at = world.clock.now() + backoff.after(error, cursor.failures)
