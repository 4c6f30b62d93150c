"""The end of a case: its receipt."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bridge.core.case import CaseState, Receipt, move
from bridge.core.intent import Effect, IntentState
from bridge.flows import cards, drafting, writing
from bridge.flows.world import World
from bridge.store import casefile, intents
from bridge.store.tables import Case, Intent

TEMPLATE = "template"  # in a reply's draft: whose words it has


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
    case.receipt, case.receipt_url, case.receipt_reason = receipt.value, url or None, reason
    case.closed_at = now
    casefile.tell(tx, case.id, now, "receipt", receipt.value + (f": {reason}" if reason else ""), url=url)
    drafting.note(
        tx,
        case,
        f"receipt:{case.closed_at.isoformat()}",
        writing.receipt_note(receipt.value, url, reason),
        now,
    )
    cards.show(tx, world, case)


def renew(tx: Session, world: World, case: Case, url: str) -> None:
    """A case that could not be closed publicly was, by words that an agent wrote after its receipt."""
    now = world.clock.now()
    case.receipt, case.receipt_url, case.receipt_reason = Receipt.PUBLIC.value, url or None, None
    casefile.tell(tx, case.id, now, "receipt", f"{Receipt.PUBLIC.value}, after all", url=url)
    note = writing.receipt_note(Receipt.PUBLIC.value, url, None)
    drafting.note(tx, case, f"receipt:{now.isoformat()}", note, now)
