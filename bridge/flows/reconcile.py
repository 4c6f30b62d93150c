"""The sweep over the desk's export: what no webhook told is found, read, and counted.

The export says which tickets changed; what changed is read from their audits, just
as after a webhook. A version of a ticket is hinted at once. Sweeps overlap, since
the desk writes some changes down late, and leaves the newest minute out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState
from bridge.core.desk import Change, Changes
from bridge.core.intent import IntentState
from bridge.errors import VendorError
from bridge.flows import astray, backoff, drafting, finds, settle, writing
from bridge.flows.backoff import LONGEST_WAIT
from bridge.flows.effects.desk import follow_up_on_its_way
from bridge.flows.recipe import Outcome
from bridge.flows.world import World
from bridge.store import cases, intents, leases, tickets
from bridge.store.deliveries import DESK_SOURCE
from bridge.store.insert import insert_new
from bridge.store.leases import Lease
from bridge.store.tables import Case, Cursor, TicketRow

log = logging.getLogger(__name__)

KEY = f"export:{DESK_SOURCE}"
OVERLAP = timedelta(minutes=1)
FIRST_BACK = timedelta(minutes=5)
PERIODS = 3  # that may pass without a whole sweep before somebody should look
# Where the export does not work, tickets of open loops are read unasked, a few at a time.
OPEN_LOOP = [state.value for state in CaseState if state is not CaseState.CLOSED]
READ_UNASKED = timedelta(minutes=10)
TICKETS_A_BEAT = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sweep stands: all up to ``seen`` (the desk's time) is known; ``page`` if unfinished."""

    seen: datetime
    page: str | None = None

    @classmethod
    def read(cls, value: str) -> Place:
        found = json.loads(value)
        return cls(datetime.fromisoformat(found["seen"]), found["page"])

    def __str__(self) -> str:
        return json.dumps({"seen": self.seen.isoformat(), "page": self.page})


def expect(tx: Session, world: World, *, at_once: bool = False) -> None:
    """Have a cursor while there is a desk. *at_once*: at a start, when nobody knows what was missed."""
    cursor = tx.get(Cursor, KEY)
    if world.desk is None:
        if cursor is not None:
            tx.delete(cursor)
        return
    now = world.clock.now()
    if cursor is None:
        insert_new(tx, Cursor, key=KEY, due_at=now, failures=0)
    else:
        # A clock that was ahead for a moment puts no sweep off for longer than it is ever put off.
        longest = max(world.timing.sweep, LONGEST_WAIT)
        cursor.due_at = min(cursor.due_at, now if at_once else now + longest)


def fall_back(tx: Session, now: datetime) -> None:
    """While the export is refused, have the tickets of open loops read that have not been for long."""
    cursor = tx.get(Cursor, KEY)
    if cursor is None or not cursor.failures:
        return
    heard_at = func.coalesce(TicketRow.hinted_at, TicketRow.opened_at)  # webhooks may never have come at all
    stale = (
        select(TicketRow.id, TicketRow.case_id)
        .join(Case, Case.id == TicketRow.case_id)
        # By the states' names, which an index finds: what is closed grows for ever.
        .where(Case.state.in_(OPEN_LOOP), TicketRow.state == "current")
        .where(heard_at <= now - READ_UNASKED)
        .order_by(heard_at)
        .limit(TICKETS_A_BEAT)
    )
    # By the cases' ids, as whoever locks several does: else two would wait for each other.
    for ticket_id, case_id in sorted(tx.execute(stale).all(), key=lambda found: found[1]):
        case = cases.lock(tx, case_id)
        ticket = tx.get_one(TicketRow, ticket_id)
        tickets.hint(ticket, now)
        ticket.swept_at = ticket.hinted_at
        intents.wake_case(case, now)


def standing(tx: Session, now: datetime, period: timedelta) -> tuple[bool, str]:
    """Whether the sweep does its work, and up to where it came, in words."""
    cursor = tx.get(Cursor, KEY)
    if cursor is None or (cursor.heard_at is None and not cursor.failures):
        return True, "has not come to its end yet"
    found = finds.of_late(tx, now, timedelta(days=1))
    told = f"found in the last day what no webhook told: {found}"
    if cursor.heard_at is None or cursor.value is None:
        return False, f"never worked: {cursor.reason}"
    seen = Place.read(cursor.value).seen
    ended = f"ended {(now - cursor.heard_at).total_seconds():.0f} s ago, up to {seen:%Y-%m-%d %H:%M:%S} UTC"
    well = not cursor.failures and now - cursor.heard_at <= PERIODS * period
    return well, f"{ended}; {told}" + (f"; since then: {cursor.reason}" if cursor.reason else "")


def reconcile(world: World, key: str) -> None:
    """Read one page of the export. Harmless when it is not due, or somebody else is at it."""
    with world.lease(key) as lease:
        if lease is None or world.desk is None:
            return
        with world.database.read() as tx:
            cursor = tx.get(Cursor, key)
            if cursor is None or cursor.due_at > world.clock.now():
                return
            place = Place.read(cursor.value) if cursor.value else _beginning(tx, world)
        try:
            page = world.desk.read_changes(place.seen - OVERLAP, place.page)
        except VendorError as error:
            _put_off(world, lease, place, error)
            return
        _take(world, page)
        _go_on(world, lease, place, page)


def _beginning(tx: Session, world: World) -> Place:
    """The first time: from when the oldest ticket of an open loop was opened, else from a moment ago."""
    oldest = tx.scalar(
        select(func.min(TicketRow.opened_at))
        .join(Case, Case.id == TicketRow.case_id)
        .where(Case.state != CaseState.CLOSED)
    )
    recent = world.clock.now() - FIRST_BACK
    return Place(recent if oldest is None else min(oldest, recent))


def _go_on(world: World, lease: Lease, place: Place, page: Changes) -> None:
    """Remember where the sweep stands; the next page is due at once, the next sweep in its time."""
    # Only what was seen moves the mark, never a clock: "the end" is a minute old, and the desk's own.
    seen = max([place.seen, *(change.at for change in page.changes)])
    with world.database.write() as tx:
        leases.guard(tx, lease)
        cursor = tx.get_one(Cursor, lease.key)
        now = world.clock.now()
        cursor.value = str(Place(seen, page.cursor))
        cursor.due_at = now if page.more else now + world.timing.sweep
        cursor.failures, cursor.reason = 0, None
        if not page.more:
            cursor.heard_at = now


def _put_off(world: World, lease: Lease, place: Place, error: VendorError) -> None:
    with world.database.write() as tx:
        leases.guard(tx, lease)
        cursor = tx.get_one(Cursor, lease.key)
        now = world.clock.now()
        asked = backoff.asked_for(error)
        ended = cursor.heard_at
        # Asked to wait, or the budget is used up: that is no failure, unless it goes on and on.
        if asked is None or (ended is not None and now - ended > PERIODS * world.timing.sweep):
            since = f"since {ended:%Y-%m-%d %H:%M} UTC: " if ended is not None else ""
            cursor.failures, cursor.reason = cursor.failures + 1, f"{since}{error}"
        if asked is None:
            # The cursor of an unfinished page may be what is refused: begin again at the mark.
            cursor.value = str(Place(place.seen))
        cursor.due_at = now + min(backoff.after(error, cursor.failures), LONGEST_WAIT)
    log.warning("%s did not work: %s", lease.key, error)


def _take(world: World, page: Changes) -> None:
    with world.database.read() as tx:
        ids = [change.ticket_id for change in page.changes]
        known = _rows(tx, world, ids)
        sources = _rows(tx, world, [c.follow_up_of for c in page.changes if c.follow_up_of is not None])
    # Short transactions, one a case: who works on it meanwhile has to wait for no more than that.
    for change in page.changes:
        row = known.get(change.ticket_id)
        if row is not None:
            if row.swept_to is None or row.swept_to < change.at:
                _hint(world, row, change)
        elif astray.is_named_ours(world, change.external_id):
            _identify(world, change, (change.external_id or "").removeprefix(f"{world.installation}:"))
        elif change.deleted:
            continue
        elif change.follow_up_of in sources:
            _adopt(world, sources[change.follow_up_of], change)


def _rows(tx: Session, world: World, ids: Iterable[str]) -> dict[str | None, TicketRow]:
    query = select(TicketRow).where(
        TicketRow.installation == world.installation, TicketRow.ticket_id.in_(list(ids))
    )
    return {row.ticket_id: row for row in tx.scalars(query)}


def _hint(world: World, known: TicketRow, change: Change) -> None:
    with world.database.write() as tx:
        case = cases.lock(tx, known.case_id)
        row = tx.get_one(TicketRow, known.id)
        row.swept_to = change.at
        if row.state == "merged" or (row.state == "deleted" and change.deleted):
            return
        told = tickets.is_unread(row)
        # Even then: who is reading it now may have read past this change.
        tickets.hint(row, world.clock.now())
        if not told:
            row.swept_at = row.hinted_at
        intents.wake_case(case, world.clock.now())
    world.wake("work", case.id)


def _identify(world: World, change: Change, name: str) -> None:
    """A ticket with an external id of ours that no row knows: the answer of its opening may be lost."""
    case_id, _, number = name.partition(":")
    with world.database.write() as tx:
        case = cases.lock(tx, case_id) if tx.get(Case, case_id) is not None else None
        intent = None if case is None else astray.opening(tx, case, number)
        if _rows(tx, world, [change.ticket_id]):
            return  # since the page was read
        now = world.clock.now()
        if case is None or intent is None or change.deleted or not astray.is_on_its_way(intent):
            woken = "astray", astray.notice(tx, world, change.ticket_id)
        else:
            woken = "work", case.id
            if intent.state == IntentState.UNKNOWN:
                settle.found(tx, world, intent.id, Outcome(change.ticket_id, {"url": change.url}))
                finds.tell(tx, case.id, now, f"ticket {change.ticket_id}", DESK_SOURCE)
            else:
                intent.due_at = now  # it is looked for by itself, and will be found
            intents.wake_case(case, now)
        found = intent is not None and woken[0] == "work" and intent.state == IntentState.CONFIRMED
    finds.count(world, DESK_SOURCE, int(found))
    world.wake(*woken)


def _adopt(world: World, source: TicketRow, change: Change) -> None:
    """Somebody opened a follow-up of a closed ticket in the desk: it speaks for the case from now on."""
    with world.database.write() as tx:
        case = cases.lock(tx, source.case_id)
        rows = cases.rows(tx, TicketRow, case.id)
        now = world.clock.now()
        if any(row.ticket_id == change.ticket_id for row in rows):
            return  # since the page was read
        speaks = next((row.ticket_id for row in rows if row.state == "current"), None)
        beside = speaks is not None or follow_up_on_its_way(tx, case)
        if beside:
            # What is written on this one reaches nobody: said on it, once.
            text = writing.beside_note(speaks)
            drafting.note_elsewhere(tx, case, change.ticket_id, "beside", text, now)
        new = not beside and insert_new(
            tx,
            TicketRow,
            installation=world.installation,
            case_id=case.id,
            number=max(row.number for row in rows) + 1,
            ticket_id=change.ticket_id,
            url=change.url,
            requester_id=source.requester_id,
            opened_at=now,
            hinted_at=now,
            swept_at=now,
            swept_to=change.at,
        )
        if new:
            what = f"ticket {change.ticket_id}, a follow-up of {source.ticket_id}"
            finds.tell(tx, case.id, now, what, DESK_SOURCE)
            intents.wake_case(case, now)
    finds.count(world, DESK_SOURCE, int(new))
    world.wake("work", case.id)
