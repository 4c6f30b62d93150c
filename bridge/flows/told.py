"""What the ticket had heard of the customer when an agent wrote: told by the order of its own updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bridge.core.desk import Update
from bridge.core.intent import Effect, IntentState
from bridge.store import intents, messages
from bridge.store.tables import Case, Intent, Message

NO_NEWS = "posts:none"
EDIT = "edit"  # in a reply's draft: the edit that was told while it waited for a person
_ELSEWHERE = ":elsewhere:"


@dataclass(frozen=True, slots=True)
class Told:
    """All updates of the ticket with that id, oldest first."""

    ticket_id: str
    history: Sequence[Update]

    def unseen(self, tx: Session, case: Case, update_id: str) -> set[str]:
        """The messages that were not on the ticket yet when the update was made, by their row ids.

        Not told by times: clocks of networks and desks differ. Raises ValueError when it is
        no update of this ticket.
        """
        missed = self._missed(tx, case, update_id)
        return {intent.draft["message"] for intent in missed if _tells(intent)}

    def edit_unseen(self, tx: Session, case: Case, update_id: str) -> bool:
        """Whether the customer had edited a post, or has since, and the ticket did not say so when
        the update was made. What was deleted by now counts no more. Raises ValueError as `unseen`.
        """
        missed = [one for one in self._missed(tx, case, update_id) if not _is_off(one)]
        posts = [row for row in messages.of_case(tx, case.id) if messages.is_there(row)]
        return any(one.cause.startswith(edit_cause(row)) for row in posts for one in missed)

    def _missed(self, tx: Session, case: Case, update_id: str) -> list[Intent]:
        """Our updates of this ticket, made or to be made, that were not on it yet at that update."""
        place = [one.id for one in self.history].index(update_id)
        earlier = self.history[:place]
        # By their stamps too: an update whose answer was lost is there before our tables know it.
        there = {one.id for one in earlier} | {one.stamp for one in earlier}
        found = []
        for intent in intents.of_case(tx, case.id):
            if intent.effect != Effect.UPDATE_TICKET:
                continue
            elsewhere = (intent.payload or {}).get("ticket_id") != self.ticket_id
            if intent.state == IntentState.CONFIRMED and elsewhere:
                continue  # on an earlier ticket of the case
            if intent.outcome_id not in there and intent.id not in there:
                found.append(intent)
        return found

    def wrote_after(self, tx: Session, case: Case, reply: Intent) -> bool:
        """Whether the customer wrote something that who wrote the words of *reply* could not know.

        Whether it was said before or after those words were public makes no difference. What
        a person had before their eyes who let them out all the same is known.
        """
        posts = [row for row in messages.of_case(tx, case.id) if row.deleted_at is None]
        seen_until = max((row.received_at for row in posts if mark(row) in reply.waived), default=None)
        if seen_until is not None:
            posts = [row for row in posts if row.received_at > seen_until]
        try:
            unseen = self.unseen(tx, case, cause_of(reply))
        except ValueError:
            # Written on an earlier ticket of the case: when we read it is all that can be compared.
            return any(_came_after(row, reply) for row in posts)
        heard = {one.draft.get("message") for one in intents.of_case(tx, case.id) if _tells(one)}
        return any(row.id in unseen or (row.id not in heard and _came_after(row, reply)) for row in posts)


def _tells(intent: Intent) -> bool:
    """Whether a ticket has words of the customer by *intent*, or is to have them."""
    return not _is_off(intent) and bool(intent.draft.get("message"))


def _is_off(intent: Intent) -> bool:
    return intent.state in (IntentState.REFUSED, IntentState.GONE)


def edit_cause(row: Message) -> str:
    """What the causes of all notes about edits of that post begin with."""
    return f"edited:{row.id}:"


def cause_of(reply: Intent) -> str:
    """The id of the desk's update that asked for *reply*."""
    return reply.cause.removeprefix("update:").partition(_ELSEWHERE)[0]


def elsewhere(reply: Intent, number: int) -> str:
    """The cause of the words of *reply* said under another post."""
    return f"{reply.cause.partition(_ELSEWHERE)[0]}{_ELSEWHERE}{number}"


def mark(row: Message) -> str:
    """Notes on an intent that a person let it out knowing the customer's posts up to this one."""
    return f"posts:{row.id}"


def edit_mark(edited_at: datetime | None) -> str:
    """Notes on an intent that a person let it out knowing this version of the post that it answers."""
    return f"edited:{edited_at.isoformat() if edited_at else ''}"


def _came_after(row: Message, reply: Intent) -> bool:
    return max(row.received_at, row.posted_at or row.received_at) > reply.created_at
