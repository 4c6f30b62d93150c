"""An intent: one thing that we want to happen outside, and the moves it may make."""

from __future__ import annotations

from enum import StrEnum

from bridge.errors import CaseMoveError


class Effect(StrEnum):
    """What an intent does. The value is stored; a new effect is a new row in `flows.effects`."""

    REGISTER_CUSTOMER = "register_customer"
    OPEN_TICKET = "open_ticket"
    UPDATE_TICKET = "update_ticket"
    POST_CARD = "post_card"
    UPDATE_CARD = "update_card"
    POST_NOTE = "post_note"
    POST_COPY = "post_copy"
    REPLY = "reply"
    REDACT_COMMENT = "redact_comment"
    REDACT_TICKET = "redact_ticket"
    ERASE_CUSTOMER = "erase_customer"
    BLANK_POST = "blank_post"

    @property
    def is_public(self) -> bool:
        return self is Effect.REPLY


class IntentState(StrEnum):
    """(held →) approved → sending → confirmed | refused | gone | unknown; all moves are in `MOVES`.

    Held is only what needs a person first, or again. Drafted is where every intent begins,
    and none is ever stored so: `store.intents.draft` moves it on before it is written.
    """

    DRAFTED = "drafted"
    HELD = "held"
    APPROVED = "approved"
    SENDING = "sending"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    GONE = "gone"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        return self in (IntentState.CONFIRMED, IntentState.REFUSED, IntentState.GONE)

    @property
    def needs_person(self) -> bool:
        return self in NEEDS_PERSON


_S = IntentState
# Sets of states that several rooms ask for.
NEEDS_PERSON = (_S.HELD, _S.UNKNOWN)
MOVING = (_S.APPROVED, _S.SENDING)  # it goes on by itself
UNSENT = (_S.HELD, _S.APPROVED)  # no call of it is under way, and none is unclear
UNCLEAR = (_S.SENDING, _S.UNKNOWN)  # a call of it may be under way, or may have happened
UNSETTLED = (*MOVING, *NEEDS_PERSON)  # it may still come to be

MOVES: dict[IntentState, frozenset[IntentState]] = {
    _S.DRAFTED: frozenset({_S.HELD, _S.APPROVED, _S.REFUSED, _S.GONE}),
    # Confirmed without a call: a person says that it is there already.
    _S.HELD: frozenset({_S.APPROVED, _S.REFUSED, _S.GONE, _S.CONFIRMED}),
    _S.APPROVED: frozenset({_S.SENDING, _S.HELD, _S.REFUSED, _S.GONE, _S.CONFIRMED}),
    # Back to approved only when it is certain that nothing happened outside.
    _S.SENDING: frozenset({_S.CONFIRMED, _S.REFUSED, _S.GONE, _S.UNKNOWN, _S.APPROVED, _S.HELD}),
    # A person settles it, or a later look finds it.
    _S.UNKNOWN: frozenset({_S.CONFIRMED, _S.REFUSED, _S.APPROVED, _S.GONE}),
    # A person asks for a refused text again, or has posted it.
    _S.REFUSED: frozenset({_S.APPROVED, _S.CONFIRMED}),
    _S.CONFIRMED: frozenset(),
    _S.GONE: frozenset(),
}


def move(current: IntentState, to: IntentState) -> IntentState:
    """Return *to* if the table allows it, else raise CaseMoveError."""
    if to not in MOVES[current]:
        raise CaseMoveError(f"an intent cannot go from {current} to {to}")
    return to
