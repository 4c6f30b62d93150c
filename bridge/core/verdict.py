"""What one update of a ticket means for the public thread. Pure.

The desk's webhooks are hints; its audits are the truth. One update is one decision:
a comment and a solve in the same update are one reply, not two.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.desk import Comment, Origin, Ticket, TicketStatus, Update

_UNSOLVED = (TicketStatus.NEW, TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.HOLD)

_ORIGIN_REASONS = {
    Origin.API: "It was written by another application, not by a person in the desk.",
    Origin.RULE: "It was done by a trigger or an automation, not by a person.",
    Origin.EMAIL: "It came by e-mail, so it may hold a signature or a quoted thread.",
    Origin.LINKED_PROBLEM: "It was copied here from a problem ticket.",
    Origin.MERGE: "It comes from merging tickets.",
    Origin.OTHER: "It came by a way that the bridge does not know.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``say`` is a public comment to be posted; ``hold`` says why a person must look at it first.

    ``solved`` and ``reopened`` tell what the update did to the ticket, ``closed`` that it
    is closed for good. All empty: nothing of our concern, because ``ignored``.
    """

    say: Comment | None = None
    hold: str | None = None
    solved: bool = False
    reopened: bool = False
    closed: bool = False
    ignored: str | None = None


def judge(update: Update, ticket: Ticket, customer: str) -> Verdict:
    """Decide what *update* means.

    *customer* is the external id of the social identity that the ticket was opened
    for. Only a public comment that a member of staff wrote in the desk's own interface,
    on a ticket that still belongs to that identity, may leave by itself; an internal
    note never leaves at all.
    """
    if update.stamp is not None:
        # Ours; but a trigger may have solved or closed the ticket in the same breath.
        if update.status is TicketStatus.SOLVED:
            return Verdict(solved=True, hold=_ORIGIN_REASONS[Origin.RULE])
        closed = update.status is TicketStatus.CLOSED
        return Verdict(closed=closed, ignored=None if closed else "our own update")
    comment = update.comment
    say = comment if comment is not None and comment.public and comment.by_staff else None
    solved = update.status is TicketStatus.SOLVED
    if say is None and not solved:
        return Verdict(
            reopened=update.status in _UNSOLVED,
            closed=update.status is TicketStatus.CLOSED,
            ignored=None if update.status else "nothing for the public",
        )
    return Verdict(
        say=say,
        hold=_why_hold(update, ticket, customer),
        solved=solved,
        reopened=update.status in _UNSOLVED,
        closed=update.status is TicketStatus.CLOSED,
    )


def _why_hold(update: Update, ticket: Ticket, customer: str) -> str | None:
    if update.origin is not Origin.INTERFACE:
        return _ORIGIN_REASONS[update.origin]
    if (ticket.requester_external_id or "").casefold() != customer.casefold():
        return "The ticket's requester is no longer the person who wrote the post."
    return None
