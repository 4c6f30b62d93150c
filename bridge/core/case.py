"""A case: one customer's matter in one thread, and the moves it may make."""

from __future__ import annotations

from enum import StrEnum

from bridge.errors import CaseMoveError


class CaseState(StrEnum):
    """Where a case stands. What has happened to it besides is in its timestamps.

    open     somebody has to do something for the customer
    solved   the desk says solved; the loop is not closed yet
    closed   there is a receipt
    """

    OPEN = "open"
    SOLVED = "solved"
    CLOSED = "closed"


class Receipt(StrEnum):
    """How a case ended."""

    PUBLIC = "closed publicly"
    PRIVATE = "closed privately"
    BY_HAND = "closed by hand"
    NOT_CLOSABLE = "not closable"
    CUSTOMER_GONE = "customer gone"
    NO_REPLY = "no public reply asked for"


MOVES: dict[CaseState, frozenset[CaseState]] = {
    # A case without a ticket, or one whose customer left, ends without being solved.
    CaseState.OPEN: frozenset({CaseState.SOLVED, CaseState.CLOSED}),
    # Reopened by the customer or the agent before the closing reply left.
    CaseState.SOLVED: frozenset({CaseState.CLOSED, CaseState.OPEN}),
    # The customer came back: the same case, another round.
    CaseState.CLOSED: frozenset({CaseState.OPEN}),
}


def move(current: CaseState, to: CaseState) -> CaseState:
    """Return *to* if the table allows it.

    Raises CaseMoveError otherwise. Staying where it is, is no move and never raises.
    """
    if to != current and to not in MOVES[current]:
        raise CaseMoveError(f"a case cannot go from {current} to {to}")
    return to
