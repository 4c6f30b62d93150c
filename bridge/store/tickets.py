"""Hints at tickets: that somebody should read one (again)."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.store.tables import TicketRow


def hint(ticket: TicketRow, at: datetime) -> None:
    """Have *ticket* read. Machines' clocks differ: a hint is later than every one before it."""
    if ticket.hinted_at is not None:
        at = max(at, ticket.hinted_at + timedelta(microseconds=1))
    ticket.hinted_at = at


def is_unread(ticket: TicketRow) -> bool:
    """Whether somebody hinted at *ticket* since it was last read."""
    if ticket.hinted_at is None:
        return False
    return ticket.read_at is None or ticket.read_at < ticket.hinted_at
