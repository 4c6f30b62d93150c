"""The effect that the public sees."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bridge.core.account import Account
from bridge.core.address import is_web_address
from bridge.core.case import CaseState, Receipt
from bridge.core.intent import Effect
from bridge.core.ports import Connection
from bridge.core.reply import Obstacle, Preflight, Published, Reply
from bridge.errors import VendorAuthError, VendorError, VendorGoneError, VendorRefusedError
from bridge.flows import cards, drafting, ending, news, replies, told, writing
from bridge.flows.close_loop import EDITED, WROTE_AGAIN
from bridge.flows.recipe import Outcome, Recipe, Stop
from bridge.flows.replies import thawed
from bridge.store import casefile, intents, messages
from bridge.store.tables import Case, Intent

_published = TypeAdapter(Published)

CLOSED = "a closed thread"
NOT_THERE = "The network does not let us reply there."
BULK_SOLVE = "a bulk solve"
BANNED = "banned:"  # and the word
# Nobody solves this many tickets one by one in so short a time.
BULK = 5
BULK_SPAN = timedelta(seconds=10)


class PublicReply(Recipe):
    # Looking may miss a text that a server rewrites, so a second copy is one too many to risk twice.
    resends = 1
    can_be_gone = True
    checks = True

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
            case = tx.get_one(Case, intent.case_id)
            stop = _case_stop(tx, case, intent)
            waived = tx.scalars(
                select(Intent.waived).where(Intent.case_id == case.id, Intent.effect == Effect.REPLY)
            )
            # What a person let pass once is no news for the next reply.
            known = intents.claimed_objects(tx, case.id) | {seen for each in waived for seen in each}
        if self._account(intent).brand != case.brand:
            return Stop(False, f"Account {reply.account} belongs to another brand by now.")
        stop = stop or self._voice_stop(case, intent)
        if stop is not None:
            return stop
        account = self._account(intent)
        seen = self._line(intent).preflight(reply.target, known)
        found = news.take_in(self.world, case, account, reply.target, seen.thread)
        edited_at = seen.edited_at
        if Obstacle.EDITED in seen.obstacles and edited_at is None:
            # A network that tells no time of an edit here may have told us of it with one.
            with self.world.database.read() as tx:
                edited_at = _edited_at(tx, case, reply)
        stop = _stop_for(seen, intent, told.edit_mark(edited_at))
        unread = news.not_let_pass(found, known)
        if stop is None and intent.closing and unread:
            return Stop(False, WROTE_AGAIN, unread[-1].id)
        return stop

    def waive(self, tx: Session, case: Case, intent: Intent) -> None:
        seen = [f"{BANNED}{word}" for word in replies.banned_words(self.world, case, intent)]
        seen += [intent.draft[told.EDIT]] if told.EDIT in intent.draft else []
        intent.waived = [*intent.waived, *seen]
        if intent.closing:
            intent.waived = [*intent.waived, _posts_seen(tx, case, intent), BULK_SOLVE]

    def send(self, intent: Intent) -> Outcome:
        return outcome_of(self._line(intent).reply(thawed(intent), intent.id))

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        try:
            found = self._line(intent).find_reply(thawed(intent), intent.id, claimed)
        except VendorGoneError as error:
            # Not "gone, so say it elsewhere": our reply may well have outlived what it answers.
            raise VendorRefusedError(error.vendor, error.operation, "the post is gone") from error
        return None if found is None else outcome_of(found)

    def at_address(self, url: str) -> Outcome | None:
        return outcome_of(Published(id=url, permalink=url)) if is_web_address(url) else None

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        now = self.world.clock.now()
        link = outcome.data.get("permalink") or ""
        case.first_public_word_at = case.first_public_word_at or now
        if ending.ends(tx, case, intent):
            ending.close(tx, self.world, case, _receipt(intent), url=link)
        else:
            drafting.note(tx, case, f"posted:{intent.id}", writing.posted_note(link, intent.closing), now)
            if intent.closing:
                ending.renew(tx, self.world, case, _receipt(intent), link)
        cards.show(tx, self.world, case)

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        if replies.say_elsewhere(tx, self.world, case, intent):
            return
        reason = intent.reason or "the post is gone"
        if ending.ends(tx, case, intent):
            ending.close(tx, self.world, case, Receipt.CUSTOMER_GONE, reason=reason)
        else:
            note = writing.not_posted_note(reason)
            drafting.note(tx, case, f"gone:{intent.id}", note, self.world.clock.now())
        cards.show(tx, self.world, case)

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        now = self.world.clock.now()
        if error is not None:
            casefile.tell(tx, case.id, now, "open loop", "the network refused the reply; a person has to act")
            drafting.note(tx, case, f"refused:{intent.id}", writing.not_posted_note(str(error)), now)
        elif ending.ends(tx, case, intent):
            reason = f"{intent.decided_by} decided not to post the closing reply"
            ending.close(tx, self.world, case, Receipt.NOT_CLOSABLE, reason=reason)
        else:
            reason = f"{intent.decided_by} decided against it"
            drafting.note(tx, case, f"refused:{intent.id}", writing.not_posted_note(reason), now)

    def waits(self, tx: Session, case: Case, intent: Intent, reason: str) -> None:
        """The agent who wrote it reads that it is not there."""
        drafting.note_waiting(tx, case, intent, reason, self.world.clock.now())

    def _voice_stop(self, case: Case, intent: Intent) -> Stop | None:
        """A word that the brand has banned while the reply waited, and that nobody has let pass."""
        for word in replies.banned_words(self.world, case, intent):
            seen = f"{BANNED}{word}"
            if seen not in intent.waived:
                return Stop(False, f'It says "{word}", which the brand does not say any more.', seen)
        return None

    def _account(self, intent: Intent) -> Account:
        """Today's credentials of the account that answers; no other brand's can stand in."""
        account = self.world.account(thawed(intent).account)
        if account is None:
            raise VendorAuthError("network", "reply", f"{intent.lane} is in no mapping file any more")
        return account

    def _line(self, intent: Intent) -> Connection:
        return self.world.connect(self._account(intent))


def _receipt(intent: Intent) -> Receipt:
    """How a closing reply that the bridge posted ends a case: by who can read it."""
    return Receipt.PUBLIC if thawed(intent).target.visibility.is_public else Receipt.PRIVATE


def _case_stop(tx: Session, case: Case, intent: Intent) -> Stop | None:
    """Whether the case has moved on since a closing reply was drafted."""
    if not intent.closing:
        return None
    seen = _posts_seen(tx, case, intent)
    if seen in intent.waived:
        return None
    if seen != told.NO_NEWS:
        return Stop(False, WROTE_AGAIN, seen)
    if case.state != CaseState.SOLVED:
        # Another word closed the loop first: an agent's next one is an answer as any other.
        is_answer = case.state == CaseState.CLOSED and not intent.draft.get(ending.TEMPLATE)
        return None if is_answer else Stop(False, "The ticket is not solved any more.", seen)
    if BULK_SOLVE not in intent.waived and _solved_together(tx, case) >= BULK:
        return Stop(False, "Many tickets were solved at once.", BULK_SOLVE)
    return None


def _solved_together(tx: Session, case: Case) -> int:
    """How many cases the same user of the desk solved at about the same time, this one among them."""
    if case.solved_at is None:
        return 0
    query = select(func.count()).where(
        Case.solved_by == case.solved_by,
        Case.solved_at >= case.solved_at - BULK_SPAN,
        Case.solved_at <= case.solved_at + BULK_SPAN,
    )
    return tx.scalar(query) or 0


def _posts_seen(tx: Session, case: Case, intent: Intent) -> str:
    """Up to which post of the customer a decision about *intent* counts."""
    newer = [row for row in messages.of_case(tx, case.id) if row.received_at > intent.created_at]
    return told.mark(newer[-1]) if newer else told.NO_NEWS


def _edited_at(tx: Session, case: Case, reply: Reply) -> datetime | None:
    """When the post that *reply* answers was edited last, as far as we were told."""
    posts = messages.of_case(tx, case.id)
    return next((row.edited_at for row in posts if row.global_id == reply.target.id), None)


def _stop_for(seen: Preflight, intent: Intent, edit: str) -> Stop | None:
    """The first of the obstacles that no person let pass: one that they did hides no other."""
    if Obstacle.GONE in seen.obstacles:
        return Stop(gone=True, reason=seen.detail or "the post is gone")
    if Obstacle.ANSWERED in seen.obstacles:
        answer = seen.answer.id if seen.answer else None
        return Stop(False, "Somebody has answered from the brand's account, outside the bridge.", answer)
    if Obstacle.EDITED in seen.obstacles and edit not in intent.waived:
        return Stop(False, EDITED, edit)
    if Obstacle.CLOSED in seen.obstacles and CLOSED not in intent.waived:
        return Stop(False, seen.detail or NOT_THERE, CLOSED)
    return None


def outcome_of(published: Published) -> Outcome:
    return Outcome(published.id, _published.dump_python(published, mode="json"))
