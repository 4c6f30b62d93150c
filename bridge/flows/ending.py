"""The end of a case: its receipt."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bridge.core.case import CaseState, Receipt, move
from bridge.core.intent import UNSETTLED, Effect, IntentState
from bridge.flows import cards, drafting, writing
from bridge.flows.world import World
from bridge.store import casefile, intents, logbook
from bridge.store.tables import Case, Intent

TEMPLATE = "template"  # in a reply's draft: whose words it has
UNSAID = "unsaid"  # there too: the template that had no place for what an agent gave as the resolution


def supersede(tx: Session, world: World, case: Case, why: str) -> None:
    """Take back closing replies that wait for a person: nobody should be asked about them any more.

    Whoever wrote one hears that it stayed where it was.
    """
    for intent in intents.of_case(tx, case.id, [IntentState.HELD]):
        if intent.effect == Effect.REPLY and intent.closing:
            _take_back(tx, world, case, intent, why)
            if not intent.draft.get(TEMPLATE):
                note = writing.not_posted_note(why)
                drafting.note(tx, case, f"refused:{intent.id}", note, world.clock.now())


def drop_template(tx: Session, world: World, case: Case, why: str) -> None:
    """Take back the brand's template that has not left: somebody has written a closing word of their own."""
    for intent in intents.of_case(tx, case.id, [IntentState.APPROVED]):
        if intent.draft.get(TEMPLATE) and intent.decided_by is None:
            _take_back(tx, world, case, intent, why)


def _take_back(tx: Session, world: World, case: Case, intent: Intent, why: str) -> None:
    now = world.clock.now()
    intents.advance(intent, IntentState.REFUSED, reason=why)
    intent.decided_by, intent.settled_at = "the bridge", now
    casefile.tell(tx, case.id, now, "refused", f"closing reply: {why}", intent=intent.id)


def ends(tx: Session, case: Case, intent: Intent) -> bool:
    """Whether what became of the reply *intent* is the end of *case*.

    Not when the brand's template is to follow, because the customer wrote while this was unclear.
    """
    if not intent.closing or case.state != CaseState.SOLVED:
        return False
    later = [one for one in intents.of_case(tx, case.id, UNSETTLED) if one.id > intent.id]
    return not any(one.closing and one.draft.get(TEMPLATE) for one in later)


def close(
    tx: Session,
    world: World,
    case: Case,
    receipt: Receipt,
    *,
    url: str | None = None,
    reason: str | None = None,
) -> None:
    """End *case* with *receipt*, said on the ticket and on the card."""
    now = world.clock.now()
    supersede(tx, world, case, "the loop was closed in another way")
    case.state = move(CaseState(case.state), CaseState.CLOSED).value
    case.closed_at = now
    _give(tx, case, receipt, now, url=url, reason=reason)
    logbook.note(tx, "case closed", case=case.id, network=case.network)
    cards.show(tx, world, case)


def renew(tx: Session, world: World, case: Case, receipt: Receipt, url: str) -> None:
    """Closing words are on the thread after all: give *case* that *receipt*, if it was not closable.

    Any other receipt stays, and so does when the case ended: it is told and counted as one end.
    """
    if case.receipt == Receipt.NOT_CLOSABLE:
        _give(tx, case, receipt, world.clock.now(), url=url, after_all=True)


def _give(
    tx: Session,
    case: Case,
    receipt: Receipt,
    now: datetime,
    *,
    url: str | None,
    reason: str | None = None,
    after_all: bool = False,
) -> None:
    case.receipt, case.receipt_url, case.receipt_reason = receipt.value, url or None, reason
    said = receipt.value + (f": {reason}" if reason else "") + (", after all" if after_all else "")
    casefile.tell(tx, case.id, now, "receipt", said, url=url)
    logbook.note(tx, f"receipt: {receipt.value}", case=case.id, network=case.network)
    note = writing.receipt_note(receipt.value, url, reason, _unsaid_by(tx, case, receipt, url))
    drafting.note(tx, case, f"receipt:{now.isoformat()}", note, now)


def _unsaid_by(tx: Session, case: Case, receipt: Receipt, url: str | None) -> str | None:
    """The template whose words closed the loop without the resolution that an agent had given."""
    if receipt not in (Receipt.PUBLIC, Receipt.PRIVATE):
        return None
    for intent in intents.of_case(tx, case.id, [IntentState.CONFIRMED]):
        if UNSAID in intent.draft and ((intent.outcome or {}).get("permalink") or None) == (url or None):
            return str(intent.draft[UNSAID])
    return None
