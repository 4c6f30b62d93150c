"""What every kind of effect must be able to do, so that the ledger can carry it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bridge.errors import VendorError
from bridge.flows.world import World
from bridge.store.tables import Case, Intent

SEEN = "seen"  # in an intent's draft: what stopped it last
DECIDED = "unclear calls decided"  # in an intent's draft: how many a person has decided about


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the vendor made of an intent: its object's id, and what our tables need of it.

    ``found``: it was come upon later, by a look or a person, and is no answer to the call itself.
    """

    id: str
    data: dict[str, Any] = field(default_factory=dict)
    found: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """A reason, found right before the call, not to make it."""

    gone: bool
    reason: str
    waive: str | None = None  # what a person lets pass by approving it all the same


class Recipe(ABC):
    """One kind of outward effect.

    The hooks that are not abstract are for the effects that have something to add.

    ``send`` makes exactly one call that changes something outside. ``look`` finds what
    an earlier try may have done. Neither runs inside a transaction; the others do.
    """

    settle = timedelta(seconds=5)  # how long after a write a look may still miss it
    resends: int | None = None  # how often it may be sent again when a look finds nothing; None: any
    checks = False  # whether there is something to look at outside before it may be sent
    can_be_gone = False  # else a target that is not there is a refusal, and somebody is told

    def __init__(self, world: World) -> None:
        self.world = world

    def settle_of(self, intent: Intent) -> timedelta:
        return self.world.timing.settle if self.world.timing.settle is not None else self.settle

    def covered(self, intent: Intent, at: datetime) -> bool:
        """Whether the vendor's own key makes a second send harmless."""
        return False

    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        """Whether what the intent builds on is there."""
        return True

    @abstractmethod
    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        """The exact payload, made before the first try and never again."""

    def check(self, intent: Intent) -> Stop | None:
        """A last look before the first try, for recipes that say ``checks``."""
        return None

    def waive(self, tx: Session, case: Case, intent: Intent) -> None:  # noqa: B027
        """A person lets it out as things stand: note what `check` must not stop again."""

    @abstractmethod
    def send(self, intent: Intent) -> Outcome: ...

    @abstractmethod
    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None: ...

    def at_address(self, url: str) -> Outcome | None:
        """What a person says was done, by its address; None when *url* is none of such a thing."""
        return None

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:  # noqa: B027
        """It happened: put it into our tables, and draft what follows."""

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:  # noqa: B027
        """What it was meant for is gone."""

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:  # noqa: B027
        """The vendor, or a person (*error* is None), said no."""

    def waits(self, tx: Session, case: Case, intent: Intent, reason: str) -> None:  # noqa: B027
        """It waits for a person from now on, *held* or *unknown*."""
