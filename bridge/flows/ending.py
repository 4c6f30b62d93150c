"""The end of a case: its receipt."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bridge.core.case import CaseState, Receipt, move
from bridge.flows import cards, drafting, writing
from bridge.flows.world import World
from bridge.store import casefile
from bridge.store.tables import Case


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
