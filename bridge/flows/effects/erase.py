"""Effects that take words back: on tickets, in the desk's record of a customer, in the team's tool.

All are safe to repeat, so none is looked for. What the outside refuses, or what is not
there any more, is added to the proof of the erasure as something that remains.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bridge.core.card import CardRef
from bridge.core.desk import Customer, TicketUpdate
from bridge.core.intent import Effect, IntentState
from bridge.errors import VendorError
from bridge.flows import drafting, writing
from bridge.flows.effects.desk import DeskRecipe
from bridge.flows.effects.team import TeamRecipe
from bridge.flows.recipe import Outcome, Recipe
from bridge.store import erasure
from bridge.store.tables import Case, Intent


class _Erasing(Recipe):
    """What every erasure has in common. The draft names its proof as ``erasure``."""

    can_be_gone = True

    def covered(self, intent: Intent, at: datetime) -> bool:
        return True

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        return None

    @abstractmethod
    def remains(self, intent: Intent) -> str:
        """What stays outside when this cannot be done. No words and no names."""

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        self._remains(tx, intent, "it is not there any more, or closed")

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        self._remains(tx, intent, str(error) if error else f"{intent.decided_by} decided against it")

    def _remains(self, tx: Session, intent: Intent, why: str) -> None:
        erasure.remains_too(tx, intent.draft["erasure"], f"{self.remains(intent)}: {why}")


class _AfterAnother(_Erasing, DeskRecipe):
    """Undoes what the intent ``of`` did, once that is known."""

    what: str  # of the ticket

    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        source = tx.get_one(Intent, intent.draft["of"])
        return source.state == IntentState.CONFIRMED or intent.payload is not None

    def remains(self, intent: Intent) -> str:
        return f"{self.what} of ticket {(intent.payload or {}).get('ticket_id', '?')}"


class RedactComment(_AfterAnother):
    what = "a comment"

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        source = tx.get_one(Intent, intent.draft["of"])
        if source.effect == Effect.OPEN_TICKET:
            return {"ticket_id": source.outcome_id, "update_id": None}
        return {"ticket_id": intent.draft["ticket_id"], "update_id": source.outcome_id}

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        self.desk.redact(payload["ticket_id"], payload["update_id"])
        return Outcome("")

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        # It could not be blanked before: while it was on its way its bytes were needed.
        erasure.blank_intent(tx.get_one(Intent, intent.draft["of"]))


class RedactTicket(_AfterAnother):
    """The subject and the link: a ticket's own words."""

    what = "the subject and the link"

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        source = tx.get_one(Intent, intent.draft["of"])
        network = self.world.label(case.network, case.account)
        return {"ticket_id": source.outcome_id, "subject": writing.erased_subject(network)}

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        update = TicketUpdate(
            payload["ticket_id"], subject=payload["subject"], fields={"permalink": "", "resolution": ""}
        )
        self.desk.update_ticket(update, intent.id)
        return Outcome("")


class EraseCustomer(_Erasing, DeskRecipe):
    """The name and the social identity of the requester that we made."""

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        return {
            "requester_id": intent.draft["requester_id"],
            "external_id": drafting.customer_external_id(case),
            "network": case.network,
        }

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        prefix = f"social:{payload['network']}:"

        def is_ours(external_id: str) -> bool:
            # What it is called now is compared by its pseudonym: the name itself is kept nowhere.
            _, found, author_id = external_id.partition(prefix)
            hidden = erasure.pseudonym(self.world.installation, payload["network"], author_id)
            return bool(found) and prefix + hidden == payload["external_id"]

        customer = Customer(payload["external_id"], writing.ERASED_NAME)
        done = self.desk.rename_customer(payload["requester_id"], customer, is_ours)
        return Outcome("", {"renamed": done})

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        if not outcome.data["renamed"]:
            self._remains(tx, intent, "it was merged, taken over or deleted in the desk")

    def remains(self, intent: Intent) -> str:
        return f"the name of requester {(intent.payload or {}).get('requester_id', '?')}"


class BlankPost(_Erasing, TeamRecipe):
    """An earlier card of the case, or a note under one."""

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        return {"channel": intent.draft["channel"], "id": intent.draft["id"]}

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        self.team.blank(CardRef(payload["channel"], payload["id"]))
        return Outcome("")

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        """Somebody deleted the message: there is nothing left to blank."""

    def remains(self, intent: Intent) -> str:
        payload = intent.payload or {}
        return f"a message to the team ({payload.get('channel')}:{payload.get('id')})"
