"""What a person says about an intent that waits for one: on the card, or on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bridge.core.case import Receipt
from bridge.core.intent import MOVING, Effect, IntentState
from bridge.errors import BridgeError
from bridge.flows import cards, drafting, ending, taken_back, writing
from bridge.flows.effects import recipe
from bridge.flows.effects.network import outcome_of
from bridge.flows.recipe import DECIDED, SEEN, Outcome
from bridge.flows.replies import thawed
from bridge.flows.world import World
from bridge.store import casefile, cases, erasure, intents
from bridge.store.tables import Case, Intent


class NotWaitingError(BridgeError):
    """The intent does not wait for a person (any more)."""


class QuestionChangedError(NotWaitingError):
    """It waits, but for another reason than the one that was decided about."""

    def __init__(self, asked: int, decided: int) -> None:
        super().__init__(f"question {asked} is asked about it by now, not question {decided}")


def approve(
    tx: Session, world: World, intent_id: str, by: str, *, question: int | None = None, again: bool = False
) -> None:
    """Let it out as it is, in the thread as it stands.

    *question* is the one that was decided about, None the one that is asked now, whichever
    that is: so everywhere here. With *again*, also what a vendor refused; never what a
    person refused. Raises NotWaitingError.
    """
    intent, case = _waiting(tx, intent_id, question, also=IntentState.REFUSED if again else None)
    _not_by_a_person(intent)
    if intent.state == IntentState.REFUSED:
        if intent.effect != Effect.REPLY:
            intent.payload = None  # nothing happened: what the mapping says today counts
        elif intent.payload is None or erasure.LATER in intent.draft:
            raise NotWaitingError("its words were erased since; write the answer anew, on the ticket")
    if SEEN in intent.draft:
        intent.waived = [*intent.waived, intent.draft[SEEN]]
    intent.waived = [*intent.waived, *taken_back.let_pass(intent)]
    if erasure.quotes(intent):
        intent.waived = [*intent.waived, erasure.QUOTES]
    recipe(world, intent.effect).waive(tx, case, intent)
    now = world.clock.now()
    # A person has decided; what an earlier try may have done is theirs to know.
    intents.advance(intent, IntentState.APPROVED)
    intent.decided_by, intent.due_at, intent.settled_at = by, now, None
    intent.sender = intent.sent_at = intent.over_at = None
    if intent.unclear:
        intent.draft = {**intent.draft, DECIDED: intent.unclear}
    if intent.closing:
        case.approved_at = now
    intents.wake_case(case, now)
    _tell(tx, world, case, intent, f"approved by {by}")


def refuse(
    tx: Session, world: World, intent_id: str, by: str, *, question: int | None = None, again: bool = False
) -> None:
    """Never let it out. With *again*, also leave at its no what a vendor refused. Raises NotWaitingError."""
    intent, case = _waiting(tx, intent_id, question, also=IntentState.REFUSED if again else None)
    _not_by_a_person(intent)
    if intent.state == IntentState.REFUSED:
        # What follows from it was done when the vendor said no: now nobody has to look at it any more.
        intent.decided_by = by
        _tell(tx, world, case, intent, f"left refused by {by}")
        return
    intents.advance(intent, IntentState.REFUSED, reason=f"{by} decided against it")
    intent.decided_by, intent.settled_at = by, world.clock.now()
    recipe(world, intent.effect).refused(tx, case, intent, None)
    intents.wake_case(case, intent.settled_at)  # what had to wait for this: see `erasure.finish`
    _tell(tx, world, case, intent, f"refused by {by}")


def there_already(
    world: World, intent_id: str, by: str, question: int, first: Callable[[Session], bool]
) -> bool:
    """Somebody posted it by hand: find that post on the thread, and end with it.

    *first* begins the transaction that writes down what was found, and says whether to.
    False when the thread does not show it. Raises NotWaitingError, VendorError.
    """
    with world.database.write() as tx:
        intent, case = _waiting(tx, intent_id, question)
        claimed = intents.claimed_objects(tx, case.id, but=intent.id)
    if intent.effect != Effect.REPLY:
        raise NotWaitingError("only a public reply can be there already")
    reply = thawed(intent)
    account = world.account(reply.account)
    found = None if account is None else world.connect(account).find_own_answer(reply.target, claimed)
    with world.database.write() as tx:
        if not first(tx):
            return False
        intent, case = _waiting(tx, intent_id, question)
        if found is None:
            said = f"{by} said that it is there already, but the thread does not show it."
            if said not in (intent.reason or ""):
                # Before the reason, which whoever decides next has to see as well.
                intent.reason = f"{said} {intent.reason or ''}".strip()
            _tell(tx, world, case, intent, "said to be there already; not found on the thread")
            return False
        _happened(tx, world, case, intent, outcome_of(found), by)
        return True


def happened(tx: Session, world: World, intent_id: str, url: str, by: str) -> None:
    """It is done, and stands at *url*: also what a vendor refused, never what a person refused.

    Raises NotWaitingError, also where *url* tells nothing.
    """
    intent, case = _waiting(tx, intent_id, also=IntentState.REFUSED)
    _not_by_a_person(intent)
    outcome = recipe(world, intent.effect).at_address(url)
    if outcome is None:
        named = intents.named(intent)
        a = "an" if named[0] in "aeiou" else "a"
        raise NotWaitingError(f"{url} is no address of {a} {named}; {_instead(intent)}")
    _happened(tx, world, case, intent, outcome, by)


def found(tx: Session, world: World, intent_id: str, outcome: Outcome) -> None:
    """The desk's own export shows what became of an *unknown* intent. Raises NotWaitingError."""
    intent, case = _waiting(tx, intent_id)
    _happened(tx, world, case, intent, outcome, "the desk's export")


def _happened(tx: Session, world: World, case: Case, intent: Intent, outcome: Outcome, by: str) -> None:
    now = world.clock.now()
    intent.decided_by, intent.settled_at = by, now
    intents.wake_case(case, now)
    intent.outcome_id, intent.outcome = outcome.id, outcome.data
    intents.advance(intent, IntentState.CONFIRMED)
    if intent.effect != Effect.REPLY:
        recipe(world, intent.effect).confirmed(tx, case, intent, replace(outcome, found=True))
    else:
        case.first_public_word_at = case.first_public_word_at or now
        link = outcome.data.get("permalink") or ""
        if ending.ends(tx, case, intent):
            ending.close(tx, world, case, Receipt.BY_HAND, url=link)
        else:
            note = writing.posted_note(link, intent.closing)
            drafting.note(tx, case, f"posted:{intent.id}", note, now)
            if intent.closing:
                ending.renew(tx, world, case, Receipt.BY_HAND, link)
    _tell(tx, world, case, intent, f"was done by hand, said by {by}")


def claim(tx: Session, world: World, case: Case, user_id: str, at: datetime) -> bool:
    """Give the case to *user_id*; False when somebody else has it."""
    if case.claimed_by is not None:
        return case.claimed_by == user_id
    case.claimed_by, case.claimed_at = user_id, at
    casefile.tell(tx, case.id, at, "claimed", f"by {user_id}")
    cards.show(tx, world, case)
    return True


def _waiting(
    tx: Session, intent_id: str, question: int | None = None, also: IntentState | None = None
) -> tuple[Intent, Case]:
    known = tx.get(Intent, intent_id)
    if known is None:
        raise NotWaitingError(f"there is no intent {intent_id}")
    case = cases.lock(tx, known.case_id)
    intent = tx.get_one(Intent, intent_id, populate_existing=True)
    state = IntentState(intent.state)
    if not state.needs_person and state != also:
        does = "goes on by itself" if state in MOVING else "waits for nobody"
        raise NotWaitingError(f"intent {intent_id} is {state}; it {does}")
    asked = intents.question(intent)
    if question is not None and question != asked:
        raise QuestionChangedError(asked, question)
    return intent, case


def _instead(intent: Intent) -> str:
    """What can be said of it without an address."""
    if intent.state == IntentState.UNKNOWN:
        return "say --send or --not-sent instead"
    is_held = intent.state == IntentState.HELD
    out, kept = ("lets it out", "keeps it in") if is_held else ("sends it again", "leaves it at that")
    return f"`bridge intent approve {intent.id}` {out}, `bridge intent refuse {intent.id}` {kept}"


def _not_by_a_person(intent: Intent) -> None:
    if intent.state == IntentState.REFUSED and intent.decided_by is not None:
        raise NotWaitingError(f"{intent.decided_by} has refused it")


def _tell(tx: Session, world: World, case: Case, intent: Intent, what: str) -> None:
    casefile.tell(
        tx, case.id, world.clock.now(), "person", f"{intents.named(intent)} {what}", intent=intent.id
    )
    cards.show(tx, world, case)
