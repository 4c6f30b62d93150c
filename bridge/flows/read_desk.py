"""The desk's truth, read: what agents wrote and solved becomes replies and endings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState, move
from bridge.core.desk import Ticket, Update
from bridge.core.verdict import Verdict, judge
from bridge.errors import VendorGoneError
from bridge.flows import cards, close_loop, drafting
from bridge.flows.world import World
from bridge.store import casefile, intents, leases
from bridge.store.leases import Lease
from bridge.store.tables import Case, TicketRow

# Nobody solves this many tickets one by one in so short a time.
BULK = 5
BULK_SPAN = timedelta(seconds=10)


def unread(tx: Session, case_id: str) -> TicketRow | None:
    """The case's next ticket that somebody hinted at since it was last read."""
    return tx.scalars(
        select(TicketRow)
        .where(
            TicketRow.case_id == case_id,
            TicketRow.hinted_at.is_not(None),
            TicketRow.read_at.is_(None) | (TicketRow.read_at < TicketRow.hinted_at),
        )
        .order_by(TicketRow.number)
    ).first()


def read(world: World, row: TicketRow, lease: Lease) -> None:
    """Read what is new on a ticket, and decide on each update once.

    Raises VendorError when the desk cannot be read now.
    """
    if world.desk is None:
        return
    try:
        ticket = world.desk.read_ticket(row.ticket_id)
        history = world.desk.read_updates(row.ticket_id, None)
    except VendorGoneError:
        ticket, history = None, []
    seen = [update.id for update in history]
    updates = history[seen.index(row.last_update_id) + 1 :] if row.last_update_id in seen else history
    notes = [
        update.comment.text
        for update in history
        if update.comment is not None and not update.comment.public and update.stamp is None
    ]
    with world.database.write() as tx:
        leases.guard(tx, lease)
        case = tx.get_one(Case, row.case_id)
        stored = tx.get_one(TicketRow, row.id)
        stored.read_at = row.hinted_at
        case.failures = 0
        if ticket is None:
            stored.state = "deleted"
            casefile.tell(tx, case.id, world.clock.now(), "desk", f"ticket {row.ticket_id} was deleted")
            return
        for update in updates:
            _hear(_Reading(tx, world, case, stored, ticket, notes), update)
            stored.last_update_id = update.id
        if ticket.merged_into is not None and stored.state != "merged":
            _follow_merge(tx, world, case, stored, ticket.merged_into)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One ticket being read. ``notes`` are its internal comments."""

    tx: Session
    world: World
    case: Case
    row: TicketRow
    ticket: Ticket
    notes: list[str]

    def answer(self, update: Update, verdict: Verdict, *, hold: str | None, closing: bool = False) -> None:
        if verdict.say is not None:
            close_loop.answer(
                self.tx,
                self.world,
                self.case,
                update,
                verdict.say.text,
                notes=self.notes,
                hold=hold,
                closing=closing,
            )


def _hear(reading: _Reading, update: Update) -> None:
    tx, world, case = reading.tx, reading.world, reading.case
    verdict = judge(update, reading.ticket, drafting.customer_external_id(case))
    if verdict.ignored:
        return
    parts = []
    if verdict.say:
        parts.append("a public comment")
    if update.status:
        parts.append(f"status {update.status}")
    what = " and ".join(parts)
    casefile.tell(tx, case.id, world.clock.now(), "desk", what, update=update.id, ticket=reading.ticket.id)
    if verdict.closed:
        reading.row.state = "closed"
    if verdict.reopened and case.state == CaseState.SOLVED:
        case.state = move(CaseState.SOLVED, CaseState.OPEN).value
        case.solved_at = None
        close_loop.withdraw(tx, world, case, "The ticket was reopened before the closing reply left.")
    if verdict.solved:
        _solved(reading, update, verdict)
    else:
        reading.answer(update, verdict, hold=verdict.hold)
    cards.show(tx, world, case)


def _solved(reading: _Reading, update: Update, verdict: Verdict) -> None:
    case = reading.case
    if case.state == CaseState.CLOSED:
        # Solved again after the receipt: a comment in it is an answer, the loop is closed already.
        reading.answer(update, verdict, hold=verdict.hold)
        return
    case.state = move(CaseState(case.state), CaseState.SOLVED).value
    case.solved_at, case.solved_by = update.at, update.actor_id
    reading.tx.flush()
    hold = verdict.hold or _bulk(reading.tx, case, update.at)
    if verdict.say is not None:
        reading.answer(update, verdict, hold=hold, closing=True)
    else:
        close_loop.close(reading.tx, reading.world, case, update, hold=hold)


def _bulk(tx: Session, case: Case, at: datetime) -> str | None:
    together = tx.scalar(
        select(func.count())
        .select_from(Case)
        .where(
            Case.solved_by == case.solved_by,
            Case.solved_at >= at - BULK_SPAN,
            Case.solved_at <= at + BULK_SPAN,
        )
    )
    return "Many tickets were solved at once." if (together or 0) >= BULK else None


def _follow_merge(tx: Session, world: World, case: Case, row: TicketRow, target: str) -> None:
    """The desk merged our ticket into another: from now on that one speaks for the case."""
    now = world.clock.now()
    row.state = "merged"
    taken = tx.scalars(
        select(TicketRow).where(TicketRow.installation == row.installation, TicketRow.ticket_id == target)
    ).first()
    casefile.tell(tx, case.id, now, "desk", f"ticket {row.ticket_id} was merged into {target}")
    if taken is not None:
        return  # that ticket stands for a case of its own: it cannot speak for two
    tx.add(
        TicketRow(
            installation=row.installation,
            case_id=case.id,
            number=row.number + 1,
            ticket_id=target,
            url=row.url.replace(row.ticket_id, target),
            requester_id=row.requester_id,
            opened_at=now,
            hinted_at=now,
        )
    )
    intents.wake_case(case, now)
