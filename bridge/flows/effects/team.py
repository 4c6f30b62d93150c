"""Effects in the team's tool."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from bridge.core.card import Card, CardRef
from bridge.core.case import CaseState, Receipt, move
from bridge.core.ports import Team
from bridge.errors import VendorBusyError, VendorError
from bridge.flows import cards, drafting, writing
from bridge.flows.recipe import Outcome, Recipe
from bridge.store import casefile, cases, erasure, logbook, messages
from bridge.store.tables import CardRow, Case, Intent

_card = TypeAdapter(Card)


class TeamRecipe(Recipe):
    settle = timedelta(seconds=15)  # no key of ours keeps a second one away: a slow tool has this long

    @property
    def team(self) -> Team:
        if self.world.team is None:
            raise VendorBusyError("team", "any call", "it is not set up")
        return self.world.team


class _Drawn(TeamRecipe):
    """What shows the whole card."""

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        self._forget_words(tx, case, intent)

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        self._forget_words(tx, case, intent)
        super().lost(tx, case, intent, error)

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        self._forget_words(tx, case, intent)

    @staticmethod
    def _forget_words(tx: Session, case: Case, intent: Intent) -> None:
        """A post went while the card was on its way, and its bytes were still needed: see `flows.erase`."""
        if any(post.erased_at is not None for post in messages.of_case(tx, case.id)):
            erasure.blank_card(intent)


class PostCard(_Drawn):
    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        channel = self.world.mappings.current.queues.get(case.queue)
        stored = channel or self.world.mappings.version(tx, case.mapping_version).queues[case.queue]
        return {
            "channel": stored.channel,
            "card": _card.dump_python(cards.draw(tx, self.world, case), mode="json"),
        }

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        ref = self.team.post_card(payload["channel"], _card.validate_python(payload["card"]), intent.id)
        return _outcome(ref)

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        payload = intent.payload or {}
        ref = self.team.find_card(payload["channel"], intent.id, intent.first_sent_at or intent.created_at)
        return None if ref is None else _outcome(ref)

    def at_address(self, url: str) -> Outcome | None:
        ref = self.team.locate(url)
        return None if ref is None else _outcome(ref)

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        now = self.world.clock.now()
        cases.add(
            tx,
            case,
            CardRow(
                case_id=case.id,
                queue=case.queue,
                channel=outcome.data["channel"],
                message_id=outcome.data["id"],
                posted_at=now,
            ),
        )
        if not case.with_ticket and case.state == CaseState.OPEN:
            # A route that asks for no reply owes the public nothing once its team is told.
            case.state = move(CaseState(case.state), CaseState.CLOSED).value
            case.receipt, case.closed_at = Receipt.NO_REPLY.value, now
            casefile.tell(tx, case.id, now, "receipt", Receipt.NO_REPLY.value)
            logbook.note(tx, f"receipt: {Receipt.NO_REPLY.value}", case=case.id, network=case.network)
            logbook.note(tx, "case closed", case=case.id, network=case.network)
        # Something may have happened between the drawing and the posting.
        if _card.dump_python(cards.draw(tx, self.world, case), mode="json") != (intent.payload or {})["card"]:
            cards.show(tx, self.world, case)
        super().confirmed(tx, case, intent, outcome)

    def waits(self, tx: Session, case: Case, intent: Intent, reason: str) -> None:
        """No card can ask about itself: the ticket tells it, and the list of what is wrong."""
        text = writing.card_note(intent.id, reason)
        drafting.note(tx, case, f"held:{intent.id}", text, self.world.clock.now())


def _outcome(ref: CardRef) -> Outcome:
    return Outcome(f"{ref.channel}:{ref.id}", {"channel": ref.channel, "id": ref.id})


class _OnACard(TeamRecipe):
    """What needs the card to be there still."""

    can_be_gone = True

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        """Somebody deleted the card: the case gets another, or nobody would see what it asks."""
        drafting.post_card(tx, case, self.world.clock.now(), cause=f"after:{intent.id}")


class UpdateCard(_Drawn, _OnACard):
    """Safe to repeat: the same card again."""

    def covered(self, intent: Intent, at: datetime) -> bool:
        return True

    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        return cards.current_card(tx, case) is not None

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        row = cards.current_card(tx, case)
        if row is None:
            raise ValueError("ready() comes before freeze()")
        return {
            "channel": row.channel,
            "id": row.message_id,
            "card": _card.dump_python(cards.draw(tx, self.world, case), mode="json"),
        }

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        ref = CardRef(payload["channel"], payload["id"])
        self.team.update_card(ref, _card.validate_python(payload["card"]))
        return Outcome("")

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        return None


class PostNote(_OnACard):
    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        return cards.current_card(tx, case) is not None

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        row = cards.current_card(tx, case)
        if row is None:
            raise ValueError("ready() comes before freeze()")
        return {"channel": row.channel, "id": row.message_id, "text": intent.draft["text"]}

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        return Outcome(
            self.team.post_note(CardRef(payload["channel"], payload["id"]), payload["text"], intent.id)
        )

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        payload = intent.payload or {}
        found = self.team.find_note(CardRef(payload["channel"], payload["id"]), intent.id)
        return None if found is None else Outcome(found)


class PostCopy(TeamRecipe):
    """A notice in the channel of a team that another team's case concerns, too."""

    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        # There is one ticket, and the notice leads to it.
        return not case.with_ticket or cards.current_ticket(tx, case) is not None

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        today, pinned = self.world.mappings.current, self.world.mappings.version(tx, case.mapping_version)
        told = today.queues.get(intent.draft["queue"]) or pinned.queues[intent.draft["queue"]]
        owner = today.queues.get(case.queue) or pinned.queues[case.queue]
        brand = today.brands.get(case.brand)
        ticket = cards.current_ticket(tx, case)
        return {
            "channel": told.channel,
            "text": writing.copy_notice(
                brand.name if brand else case.brand,
                self.world.label(case.network, case.account),
                owner.label,
                case.route or "fallback",
                ticket.ticket_id if ticket else None,
                owner.channel,
                intent.draft.get("tags"),
            ),
            "link": ticket.url if ticket else None,
        }

    def send(self, intent: Intent) -> Outcome:
        payload = intent.payload or {}
        ts = self.team.announce(payload["channel"], payload["text"], intent.id, payload["link"])
        return Outcome(f"{payload['channel']}:{ts}")

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        payload = intent.payload or {}
        since = intent.first_sent_at or intent.created_at
        found = self.team.find_announcement(payload["channel"], intent.id, since)
        return None if found is None else Outcome(f"{payload['channel']}:{found}")

    def at_address(self, url: str) -> Outcome | None:
        ref = self.team.locate(url)
        return None if ref is None else _outcome(ref)

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        """The card's own team is told: it may know another way to reach the other one."""
        cards.show(tx, self.world, case)
