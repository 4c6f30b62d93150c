"""The effect that the public sees."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from bridge.core.account import Account
from bridge.core.case import CaseState, Receipt
from bridge.core.ports import Connection
from bridge.core.reply import Obstacle, Preflight, Published, Reply
from bridge.errors import VendorAuthError, VendorError
from bridge.flows import cards, drafting, ending, writing
from bridge.flows.recipe import Outcome, Recipe, Stop
from bridge.store import casefile, intents
from bridge.store.tables import Case, Intent

_reply = TypeAdapter(Reply)
_published = TypeAdapter(Published)

EDITED = "the customer's edit"


def frozen(reply: Reply) -> dict[str, Any]:
    """A reply's payload; frozen when it is drafted, because that text is what people approve."""
    payload: dict[str, Any] = _reply.dump_python(reply, mode="json")
    return payload


def thawed(intent: Intent) -> Reply:
    return _reply.validate_python(intent.payload)


class PublicReply(Recipe):
    def settle_of(self, intent: Intent) -> timedelta:
        if self.world.timing.settle is not None:
            return self.world.timing.settle
        network = self._account(intent).network
        return timedelta(seconds=self.world.networks[network].capabilities.settle_s)

    def covered(self, intent: Intent, at: datetime) -> bool:
        return self.world.networks[self._account(intent).network].capabilities.reply_key_covers_resend

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        raise ValueError("a reply is frozen when it is drafted")

    def check(self, intent: Intent) -> Stop | None:
        reply = thawed(intent)
        with self.world.database.read() as tx:
            known = intents.claimed_objects(tx, intent.case_id) | frozenset(intent.waived)
            brand = tx.get_one(Case, intent.case_id).brand
        if self._account(intent).brand != brand:
            return Stop(False, f"Account {reply.account} belongs to another brand by now.")
        return _stop_for(self._line(intent).preflight(reply.target, known), intent)

    def send(self, intent: Intent) -> Outcome:
        return _outcome(self._line(intent).reply(thawed(intent), intent.id))

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        found = self._line(intent).find_reply(thawed(intent), intent.id, claimed)
        return None if found is None else _outcome(found)

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        now = self.world.clock.now()
        link = outcome.data.get("permalink") or ""
        case.first_public_word_at = case.first_public_word_at or now
        if intent.closing and case.state == CaseState.SOLVED:
            public = thawed(intent).target.visibility.is_public
            ending.close(tx, self.world, case, Receipt.PUBLIC if public else Receipt.PRIVATE, url=link)
        else:
            drafting.note(tx, case, f"posted:{intent.id}", writing.posted_note(link, intent.closing), now)
        cards.show(tx, self.world, case)

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        now = self.world.clock.now()
        reason = intent.reason or "the post is gone"
        if case.state == CaseState.SOLVED:
            ending.close(tx, self.world, case, Receipt.CUSTOMER_GONE, reason=reason)
        else:
            drafting.note(tx, case, f"gone:{intent.id}", writing.not_posted_note(reason), now)
        cards.show(tx, self.world, case)

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        now = self.world.clock.now()
        if error is not None:
            casefile.tell(tx, case.id, now, "open loop", "the network refused the reply; a person has to act")
            drafting.note(tx, case, f"refused:{intent.id}", writing.not_posted_note(str(error)), now)
        elif intent.closing and case.state == CaseState.SOLVED:
            reason = f"{intent.decided_by} decided not to post the closing reply"
            ending.close(tx, self.world, case, Receipt.NOT_CLOSABLE, reason=reason)
        else:
            reason = f"{intent.decided_by} decided against it"
            drafting.note(tx, case, f"refused:{intent.id}", writing.not_posted_note(reason), now)

    def _account(self, intent: Intent) -> Account:
        """Today's credentials of the account that the case came in by; no other brand's can stand in."""
        account = self.world.account(thawed(intent).account)
        if account is None:
            raise VendorAuthError("network", "reply", f"account {intent.lane} is in no mapping file any more")
        return account

    def _line(self, intent: Intent) -> Connection:
        return self.world.connect(self._account(intent))


def _stop_for(seen: Preflight, intent: Intent) -> Stop | None:
    """What the parent's state means for *intent*, less what a person let pass already."""
    match seen.obstacle:
        case Obstacle.GONE:
            return Stop(gone=True, reason=seen.detail or "the post is gone")
        case Obstacle.EDITED if EDITED not in intent.waived:
            return Stop(False, "The customer has edited the post since this was written.", EDITED)
        case Obstacle.ANSWERED:
            answer = seen.answer.id if seen.answer else None
            return Stop(False, "Somebody has answered from the brand's account, outside the bridge.", answer)
        case Obstacle.CLOSED:
            return Stop(False, seen.detail or "The network does not let us reply there.")
    return None


def _outcome(published: Published) -> Outcome:
    return Outcome(published.id, _published.dump_python(published, mode="json"))
