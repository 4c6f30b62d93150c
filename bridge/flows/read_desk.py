"""The desk's truth, read: what agents wrote and solved becomes replies and endings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState, move
from bridge.core.desk import Resolution, Ticket, TicketStatus, Update
from bridge.core.verdict import Verdict, judge
from bridge.errors import VendorGoneError
from bridge.flows import cards, close_loop, drafting, finds, taken_back, writing
from bridge.flows.effects.desk import follow_up_on_its_way
from bridge.flows.told import Told
from bridge.flows.world import World
from bridge.store import backup, casefile, cases, insert, intents, leases, tickets
from bridge.store.deliveries import DESK_SOURCE
from bridge.store.leases import Lease
from bridge.store.tables import Case, TicketRow

MERGED_INTO_SOLVED = "The ticket was merged into one that is solved already."


def unread(tx: Session, case_id: str) -> TicketRow | None:
    """The case's next ticket that somebody hinted at since it was last read."""
    return next((row for row in cases.rows(tx, TicketRow, case_id) if tickets.is_unread(row)), None)


def read(world: World, row: TicketRow, lease: Lease) -> None:
    """Read what is new on a ticket, and decide on each update once.

    Raises VendorError when the desk cannot be read now.
    """
    if world.desk is None:
        return
    try:
        # In this order: an update is judged by a ticket that is as new, whatever happens between the reads.
        history = world.desk.read_updates(row.ticket_id)
        ticket = world.desk.read_ticket(row.ticket_id)
        if ticket.merged_into is not None:
            # It is closed, and this is all of it: what the other one said before the merge stays there.
            history = world.desk.read_updates(row.ticket_id)
    except VendorGoneError:
        ticket, history = None, []
    swept = row.swept_at is not None and row.swept_at == row.hinted_at
    seen = [update.id for update in history]
    since_read = history[seen.index(row.last_update_id) + 1 :] if row.last_update_id in seen else history
    notes = [
        update.comment.text
        for update in history
        if update.comment is not None and not update.comment.public and update.stamp is None
    ]
    with world.database.write() as tx:
        leases.guard(tx, lease)
        case = cases.lock(tx, row.case_id)
        stored = tx.get_one(TicketRow, row.id)
        stored.read_at = row.hinted_at
        case.failures = 0
        updates = _since_merge(tx, stored, history, since_read)
        if ticket is None:
            news = _miss(tx, world, case, stored)
        else:
            stored.url = ticket.url
            _restore(tx, world, case, stored, ticket)
            if ticket.merged_into is not None:
                # Several of our tickets may be merged into one that nobody knows, at once: one row for it.
                insert.alone(tx, f"ticket:{ticket.merged_into}")
            goes_on = ticket.merged_into is not None and not _speaks_for_another(tx, case, ticket.merged_into)
            reading = _Reading(tx, world, case, stored, ticket, notes, history, goes_on)
            taken_back.hold(tx, world, case, history)
            news = sum(_hear(reading, update) for update in updates)
            if row.read_at is None and row.read_since is not None:
                _solved_before(reading)
            stored.last_update_id = updates[-1].id if updates else stored.last_update_id
            if ticket.merged_into is not None and stored.state != "merged":
                since = history[-1].at if history else world.clock.now()
                _follow_merge(tx, world, case, stored, ticket.merged_into, since)
        if swept and news:
            what = f"{news} changes of ticket {row.ticket_id}" if news > 1 else f"ticket {row.ticket_id}"
            finds.tell(tx, case.id, world.clock.now(), what, DESK_SOURCE, news)
    finds.count(world, DESK_SOURCE, news if swept else 0)


def _since_merge(tx: Session, row: TicketRow, history: list[Update], updates: list[Update]) -> list[Update]:
    """Those of *updates* that speak for the case: on a merge's target, what came after the merge.

    Told by the place of the merge in the ticket's own history: the desk closes our ticket some time
    after it tells the target, and its times are whole seconds. By the time where none names our ticket.
    """
    if row.read_since is None:
        return updates
    ours = {one.ticket_id for one in cases.rows(tx, TicketRow, row.case_id) if one.state == "merged"}
    places = [place for place, update in enumerate(history) if update.merged & ours]
    if not places:
        return [update for update in updates if update.at > row.read_since]
    after = {update.id for update in history[places[-1] + 1 :]}
    return [update for update in updates if update.id in after]


def _miss(tx: Session, world: World, case: Case, row: TicketRow) -> int:
    """The ticket is not there any more. Returns how much of that is new."""
    if row.state == "deleted":
        return 0
    row.state = "deleted"
    now, what = world.clock.now(), f"ticket {row.ticket_id} was deleted"
    casefile.tell(tx, case.id, now, "desk", what)
    if case.state != CaseState.CLOSED:
        drafting.post_note(tx, case, f"deleted:{row.ticket_id}", writing.no_ticket_note(what), now)
    return 1


def _restore(tx: Session, world: World, case: Case, row: TicketRow, ticket: Ticket) -> None:
    """Somebody took a deleted ticket back: it speaks for the case again, unless another one does by now,
    or is to. Where that is refused in the end, the next words are tried on this one.
    """
    if row.state != "deleted" or follow_up_on_its_way(tx, case):
        return
    if any(one.state == "current" for one in cases.rows(tx, TicketRow, case.id)):
        return
    row.state = "closed" if ticket.status is TicketStatus.CLOSED else "current"
    casefile.tell(tx, case.id, world.clock.now(), "desk", f"ticket {row.ticket_id} was restored")
    cards.show(tx, world, case)


def _solved_before(reading: _Reading) -> None:
    """Ours was merged into a ticket that was solved already: nobody is going to solve it (again)."""
    solved = reading.ticket.status is TicketStatus.SOLVED
    if solved and reading.case.state == CaseState.OPEN and reading.history:
        _solved(reading, reading.history[-1], Verdict(solved=True, hold=MERGED_INTO_SOLVED))
        cards.show(reading.tx, reading.world, reading.case)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One ticket being read: its internal comments, and all its updates, oldest first.

    ``goes_on`` says that it was merged into a ticket that can speak for the case from now on.
    """

    tx: Session
    world: World
    case: Case
    row: TicketRow
    ticket: Ticket
    notes: list[str]
    history: list[Update]
    goes_on: bool

    @property
    def told(self) -> Told:
        return Told(self.ticket.id, self.history)

    def answer(self, update: Update, verdict: Verdict, *, hold: str | None, closing: bool = False) -> None:
        if verdict.say is not None:
            if self.told.edit_unseen(self.tx, self.case, update.id):
                # The reply is compared with the post as it reads now, not as the agent knew it.
                hold = " ".join(filter(None, (hold, close_loop.EDITED)))
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


def _hear(reading: _Reading, update: Update) -> bool:
    """Decide on one update; False when it is none of our concern."""
    tx, world, case = reading.tx, reading.world, reading.case
    verdict = judge(update, reading.ticket, drafting.customer_external_id(case))
    if verdict.ignored:
        return False
    if verdict.hold is None and backup.told_in_between(tx, case.id, update.at):
        verdict = replace(verdict, hold=close_loop.RESTORED)
    parts = []
    if verdict.say:
        parts.append("a public comment")
    if update.status:
        parts.append(f"status {update.status}")
    what = " and ".join(parts)
    casefile.tell(tx, case.id, world.clock.now(), "desk", what, update=update.id, ticket=reading.ticket.id)
    if verdict.closed:
        if reading.row.state != "merged":  # what closed it may be read later than where it went
            reading.row.state = "closed"
        if case.state == CaseState.OPEN and not reading.goes_on:
            hold = "The ticket was closed without being solved."
            verdict = replace(verdict, solved=True, hold=verdict.hold or hold)
    if verdict.reopened and case.state == CaseState.SOLVED:
        case.state = move(CaseState.SOLVED, CaseState.OPEN).value
        case.solved_at = None
        close_loop.reopened(tx, world, case)
    if verdict.solved:
        _solved(reading, update, verdict)
    else:
        # On a ticket that is solved already it is another closing word, in the place of one that waits.
        closing = case.state == CaseState.SOLVED
        reading.answer(update, verdict, hold=verdict.hold, closing=closing)
    cards.show(tx, world, case)
    return True


def _solved(reading: _Reading, update: Update, verdict: Verdict) -> None:
    case = reading.case
    if case.state == CaseState.CLOSED:
        _solved_again(reading, update, verdict)
        return
    if reading.told.unseen(reading.tx, case, update.id):
        casefile.tell(
            reading.tx,
            case.id,
            reading.world.clock.now(),
            "desk",
            "solved before the customer's last words were on the ticket: it stays open",
        )
        reading.answer(update, verdict, hold="The customer wrote again before this was read.")
        return
    case.state = move(CaseState(case.state), CaseState.SOLVED).value
    case.solved_at, case.solved_by = update.at, update.actor_id
    if verdict.say is not None:
        reading.answer(update, verdict, hold=verdict.hold, closing=True)
    else:
        close_loop.close(
            reading.tx,
            reading.world,
            case,
            update,
            hold=verdict.hold,
            told=reading.told,
            resolution=_resolution(reading, update),
            notes=reading.notes,
        )


def _solved_again(reading: _Reading, update: Update, verdict: Verdict) -> None:
    """Solved after the receipt: a comment in it is another closing word, and leaves under the same rules."""
    if verdict.say is not None:
        reading.answer(update, verdict, hold=verdict.hold, closing=True)
    elif reading.case.receipt is not None:
        note = writing.closed_already_note(reading.case.receipt, reading.case.receipt_url)
        drafting.note(reading.tx, reading.case, f"again:{update.id}", note, reading.world.clock.now())


def _resolution(reading: _Reading, update: Update) -> Resolution | None:
    """What the ticket's field for the public held when *update* had been made."""
    place = [one.id for one in reading.history].index(update.id)
    told = (one.resolution for one in reversed(reading.history[: place + 1]) if one.resolution is not None)
    return next(told, None)


def _follow_merge(
    tx: Session, world: World, case: Case, row: TicketRow, target: str, since: datetime
) -> None:
    """The desk merged our ticket into another: from now on that one speaks for the case."""
    now = world.clock.now()
    casefile.tell(tx, case.id, now, "desk", f"ticket {row.ticket_id} was merged into {target}")
    if _row_of(tx, case, target) is not None:
        # That ticket stands for a case of its own and cannot speak for two: ours is closed,
        # and what the customer writes next opens a follow-up.
        row.state = "closed"
        return
    row.state = "merged"
    cases.add(
        tx,
        case,
        TicketRow(
            installation=row.installation,
            case_id=case.id,
            number=row.number + 1,
            ticket_id=target,
            url=row.url.rpartition("/")[0] + "/" + target,
            requester_id=row.requester_id,
            state="current",
            opened_at=now,
            hinted_at=now,
            read_since=since,
        ),
    )
    intents.wake_case(case, now)


def _row_of(tx: Session, case: Case, ticket_id: str) -> TicketRow | None:
    return tx.scalars(
        select(TicketRow).where(TicketRow.installation == case.installation, TicketRow.ticket_id == ticket_id)
    ).first()


def _speaks_for_another(tx: Session, case: Case, ticket_id: str) -> bool:
    row = _row_of(tx, case, ticket_id)
    return row is not None and row.case_id != case.id
