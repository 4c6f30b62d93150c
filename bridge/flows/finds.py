"""What no webhook told and a sweep found: a line in the case file, and a number in /metrics."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.flows.world import World
from bridge.store import casefile
from bridge.store.tables import FOUND, Event

METRIC = "bridge_sweep_finds_total"
KIND = "found"


def tell(tx: Session, case_id: str | None, at: datetime, text: str, what: str, finds: int = 1) -> None:
    """Write *finds* down: *what* is the vendor that should have told."""
    casefile.tell(tx, case_id, at, KIND, f"{text}: no webhook had told of it", what=what, finds=finds)


def count(world: World, what: str, finds: int) -> None:
    """Count *finds*. Call it after the commit that repaired them."""
    if finds:
        world.tallies.add(METRIC, finds, what=what)


def of_late(tx: Session, now: datetime, span: timedelta) -> int:
    """How many finds were written down in the last *span*."""
    query = select(Event).where(FOUND, Event.at > now - span)
    return sum(event.data["finds"] for event in tx.scalars(query))
