"""Words that an agent takes back after they were read: made internal, redacted or changed on the ticket.

No trigger of the desk tells of that, so the ticket is read once more before words leave that have
waited. What is on the thread already stays there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bridge.core.desk import Comment, Update
from bridge.core.intent import UNSETTLED, Effect, IntentState
from bridge.flows import cards, drafting, ending
from bridge.flows.recipe import Stop
from bridge.flows.told import cause_of
from bridge.flows.world import World
from bridge.store import casefile, intents
from bridge.store.tables import Case, Intent, TicketRow

SOURCE = "source"  # in a reply's draft: the digest of the agent's words as they were read
TAKEN_BACK = "taken_back"  # there too: what has become of them since, as a mark
# As a rule words leave within this time of their reading, and cost no second one.
FRESH = timedelta(seconds=10)

INTERNAL_WHY = "The agent has made this comment internal since."
UNREAD_WHY = "The ticket is read once more first."
CHANGED_WHY = "This comment was redacted or changed on the ticket since."
_PREFIX = "taken back:"
_INTERNAL = f"{_PREFIX}internal"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def hold(tx: Session, world: World, case: Case, history: Sequence[Update]) -> None:
    """Hold the replies whose words *history*, a ticket's updates, does not show publicly as they were read.

    One that is being sent is stopped before it is sent again: see `stop`. A person who
    lets one out knowing this is not asked about the same again.
    """
    updates = {update.id: update for update in history}
    found = [one for one in intents.of_case(tx, case.id, UNSETTLED) if _has_agents_words(one)]
    for intent in found:
        update = updates.get(cause_of(intent))
        mark = _mark(intent, update.comment) if update is not None and update.comment is not None else None
        if mark is not None and mark not in (intent.draft.get(TAKEN_BACK), *intent.waived):
            intent.draft = {**intent.draft, TAKEN_BACK: mark}
            _ask(tx, world, case, intent, _reason(mark))


def stop(intent: Intent) -> Stop | None:
    """A reason not to send *intent* (again): its words were taken back, and nobody has let that pass."""
    mark = intent.draft.get(TAKEN_BACK)
    return None if mark is None or mark in intent.waived else Stop(False, _reason(mark), mark)


def let_pass(intent: Intent) -> list[str]:
    """What whoever approves *intent* now lets pass of this."""
    return [intent.draft[TAKEN_BACK]] if TAKEN_BACK in intent.draft else []


def to_read(
    tx: Session, world: World, case: Case, intent: Intent, at: datetime, readings: Mapping[str, datetime]
) -> TicketRow | None:
    """The ticket to be read once more before *intent* is sent; None where there is no need.

    *at* is when the look at the thread begins: however long that takes, a ticket that was read
    right before it is not read again. *readings*: when this turn has read tickets, by their rows'
    ids; what others have read is known by the hint that had them do it, which is earlier. An earlier
    ticket of the case is not asked, since on a closed one nothing is made internal any more.
    """
    if world.desk is None or not _has_agents_words(intent):
        return None
    row = cards.current_ticket(tx, case)
    if row is None or row.state == "deleted":
        return None
    # One that is later than now is of a clock that was ahead, and says nothing.
    known = (readings.get(row.id), row.read_at)
    is_fresh = any(read is not None and at - FRESH <= read <= world.clock.now() for read in known)
    return None if is_fresh else row


def go_on(tx: Session, case_id: str, at: datetime) -> None:
    """The ticket was read: what waited for that alone waits no more."""
    for intent in intents.of_case(tx, case_id, [IntentState.APPROVED]):
        if intent.reason == UNREAD_WHY:
            intent.reason, intent.due_at = None, at


def _has_agents_words(intent: Intent) -> bool:
    return intent.effect == Effect.REPLY and not intent.draft.get(ending.TEMPLATE)


def _mark(intent: Intent, comment: Comment) -> str | None:
    if not comment.public:
        return _INTERNAL
    now = digest(comment.text)
    # Earlier versions did not keep the digest.
    return None if intent.draft.get(SOURCE, now) == now else f"{_PREFIX}{now}"


def _reason(mark: str) -> str:
    return INTERNAL_WHY if mark == _INTERNAL else CHANGED_WHY


def _ask(tx: Session, world: World, case: Case, intent: Intent, reason: str) -> None:
    now, state = world.clock.now(), IntentState(intent.state)
    casefile.tell(tx, case.id, now, "desk", f"{intents.named(intent)}: {reason}", intent=intent.id)
    if state is IntentState.APPROVED:
        intents.advance(intent, IntentState.HELD, reason=reason)
        drafting.note_waiting(tx, case, intent, reason, now)
    elif state.needs_person:
        # Whoever was asked without this has not decided about it.
        intents.advance(intent, state, reason=f"{intent.reason or ''} {reason}".strip())
    cards.show(tx, world, case)
