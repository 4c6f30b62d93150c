"""``bridge case``: the case files."""

from __future__ import annotations

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.cli.opened import ago, find_case, for_a_worker, opened_database, short, span, time_at, who
from bridge.cli.terminal import first_of, limited, quoted, say, say_more, table
from bridge.core.case import CaseState
from bridge.core.intent import MOVING, IntentState
from bridge.store import casefile, cases, intents, lanes, messages, tickets
from bridge.store.tables import Case, TicketRow

_UNDER_WORDS = " " * len("  2026-01-01 00:00:00  ")


@click.group()
def case() -> None:
    """Read the case files, and have a case looked at again."""


@case.command("list")
@click.option("--open-loops", is_flag=True, help="Only solved cases without a receipt, the oldest first.")
@limited
def list_(open_loops: bool, limit: int) -> None:
    """List cases, newest first."""
    with opened_database() as database, database.read() as tx:
        query = select(Case).order_by(Case.id.desc())
        if open_loops:
            query = select(Case).where(Case.state == CaseState.SOLVED).order_by(Case.id)
        found, more = first_of(tx, query, limit)
        lines = table(_HEADINGS, [_line(tx, row) for row in found])
    if not found:
        lines = ["No open loops." if open_loops else "No cases yet."]
    say("\n".join(lines))
    say_more(more)


@case.command()
@click.argument("which", metavar="ID")
def show(which: str) -> None:
    """Tell the story of one case. ID is a case's id, the end of one, or a ticket's number."""
    with opened_database() as database, database.read() as tx:
        row = find_case(tx, which)
        its_tickets = list(
            tx.scalars(select(TicketRow).where(TicketRow.case_id == row.id).order_by(TicketRow.number))
        )
        say(f"Case {row.id}")
        say(f"  state     {row.state}" + (f", {row.receipt}" if row.receipt else ""))
        if row.receipt_url:
            say(f"  receipt   {row.receipt_url}")
        say(f"  thread    {row.network} {row.thread_root}")
        say(f"  brand     {row.brand}, account {row.account}")
        say(f"  route     {row.route or 'none'} → {row.queue}: {row.reason} ({row.route_place})")
        say(f"  language  {row.language} ({row.language_reason})")
        say(f"  public    {'possible' if row.light else 'not possible'}: {row.light_reason}")
        for ticket in its_tickets:
            say(f"  ticket    {ticket.ticket_id} ({ticket.state}) {ticket.url}")
        say("\nStages")
        _stages(row)
        say("\nThe customer's words (UTC)")
        for post in messages.of_case(tx, row.id):
            text = "(deleted)" if post.deleted_at else (post.text or "(erased)")
            say(f"  {post.posted_at:%Y-%m-%d %H:%M:%S}  {quoted(text, _UNDER_WORDS)}")
        say("\nWhat happened (UTC)")
        for event in casefile.read(tx, row.id):
            of = str(event.data.get("intent") or event.data.get("message") or "")
            say(
                f"  {event.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]
                + f"  {event.kind:<11} {event.text}"
                + _reference(of)
            )
        waiting = intents.waiting_for_a_person(tx, row.id)
        for intent in waiting:
            say(
                f"\nWaits for a person: {intents.named(intent)}, intent {short(intent.id)}\n  {intent.reason}"
            )
        shut = lanes.parked(tx, time_at(database))
        for intent in intents.of_case(tx, row.id, MOVING):
            for parked in lanes.keeping(shut, intent):
                say(f"\nWaits: {intents.named(intent)}, intent {short(intent.id)}")
                say(f"  {quoted(parked.said, '    ')}")


@case.command()
@click.argument("which", metavar="ID")
def replay(which: str) -> None:
    """Have the running bridge look at a case again now: read its tickets, try what waits for a later time.

    Safe: what it has done, it does not do twice, and what is being sent is not hurried. ID as for show.
    """
    with opened_database() as database, database.write() as tx:
        now = time_at(database)
        row = cases.lock(tx, find_case(tx, which).id)
        found = cases.rows(tx, TicketRow, row.id)
        for ticket in found:
            if ticket.state == "current":
                tickets.hint(ticket, now)
        waiting = intents.of_case(tx, row.id, [IntentState.APPROVED])
        for intent in waiting:
            intent.due_at = now
        row.failures = 0
        intents.wake_case(row, now)
        casefile.tell(tx, row.id, now, "replay", f"looked at again, asked for by {who()}")
        read = sum(ticket.state == "current" for ticket in found)
        waits = for_a_worker(database, tx)
    counts = f"tickets to read {read}, waiting intents {len(waiting)}"
    say(f"Case {short(row.id)} is looked at again: {counts}.{waits}")


def _reference(identity: str) -> str:
    return f"  [{short(identity)}]" if identity else ""


_HEADINGS = ("CASE", "TICKET", "STATE", "NETWORK", "CUSTOMER", "QUEUE", "POSTED", "")


def _line(tx: Session, row: Case) -> tuple[str, ...]:
    posts, its_tickets = messages.of_case(tx, row.id), cases.rows(tx, TicketRow, row.id)
    waiting = len(intents.waiting_for_a_person(tx, row.id))
    asks = f"waits for a person ({waiting})" if waiting else None
    return (
        short(row.id),
        its_tickets[-1].ticket_id if its_tickets else "-",
        row.state,
        row.network,
        next((post.author_handle for post in posts if post.author_handle), "-"),
        row.queue,
        f"{ago(row.posted_at)} ago",
        ", ".join(filter(None, (row.receipt, asks))),
    )


def _stages(row: Case) -> None:
    stages = (
        ("posted", row.posted_at),
        ("tagged", row.tagged_at),
        ("received", row.received_at),
        ("ticket opened", row.ticket_opened_at),
        ("claimed", row.claimed_at),
        ("first public word", row.first_public_word_at),
        ("solved", row.solved_at),
        ("approved", row.approved_at),
        ("closed", row.closed_at),
    )
    known = [(name, at) for name, at in stages if at is not None]
    # By the second: some of these times are vendors', which know no less. Within one, as above.
    for name, at in sorted(known, key=lambda stage: stage[1].replace(microsecond=0)):
        after = span((at - row.posted_at).total_seconds())
        say(f"  {name:<18} {at:%Y-%m-%d %H:%M:%S} UTC   {after} after the post")
