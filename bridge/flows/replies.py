"""Drafting words for the public: the target, the account, and the reasons to ask a person first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from bridge.core.case import Receipt
from bridge.core.intent import Effect, IntentState
from bridge.core.message import SocialMessage, Visibility
from bridge.core.reply import Reply
from bridge.flows import drafting, ending, taken_back, told, writing
from bridge.flows.world import World
from bridge.routing import airlock, voice
from bridge.routing.model import ClosingPolicy
from bridge.store import casefile, erasure, intents, lanes, messages
from bridge.store.tables import Case, Intent

_reply = TypeAdapter(Reply)

_POLICY_HOLDS = {
    ClosingPolicy.APPROVE: "Closing replies of this queue wait for somebody's approval.",
    ClosingPolicy.MANUAL: "Closing replies of this queue are posted by hand.",
}
ALL_DELETED = "the customer deleted every post of the case"


@dataclass(frozen=True, slots=True)
class Wording:
    """What is to be said, and why. ``notes`` are internal words, of which none may leave.

    ``hold`` is a reason to ask a person that is known already. ``language`` None: the case's.
    ``template``: they are the brand's words, and no agent's. ``unsaid_by``: the file of theirs that
    has no place for the resolution that an agent gave.
    """

    cause: str
    text: str
    closing: bool
    notes: Sequence[str] = ()
    hold: str | None = None
    language: str | None = None
    template: bool = False
    unsaid_by: str | None = None


def frozen(reply: Reply) -> dict[str, Any]:
    """A reply's payload; frozen when it is drafted, because that text is what people approve."""
    payload: dict[str, Any] = _reply.dump_python(reply, mode="json")
    return payload


def thawed(intent: Intent) -> Reply:
    return _reply.validate_python(intent.payload)


def say(tx: Session, world: World, case: Case, wording: Wording) -> None:
    """Have *wording* appear on the thread once, or held with every reason for it."""
    now = world.clock.now()
    target = target_of(tx, case)
    if target is None:
        _nobody_to_answer(tx, world, case, wording)
        return
    account = world.account(_answering(world, case, target))
    if account is None:
        reason = f"account {case.account} is in no mapping file any more"
        casefile.tell(tx, case.id, now, "open loop", reason)
        drafting.note(tx, case, f"gone:{wording.cause}", writing.not_posted_note(reason), now)
        return
    room = world.networks[account.network]
    mapping = world.mappings.current
    brand, speaks = mapping.brands.get(case.brand), mapping.voices.get(case.brand)
    text = wording.text if brand is None else voice.signed(wording.text, brand, speaks)
    composed = room.compose(account, text, target)
    light = room.light(account, target)
    reasons = [wording.hold] if wording.hold else []
    if wording.closing:
        policy = _POLICY_HOLDS.get(ClosingPolicy(case.closing))
        reasons += [policy] if policy else []
        ending.supersede(tx, world, case, "a newer closing reply takes its place")
        ending.drop_template(tx, world, case, "a newer closing reply takes its place")
    if not light.possible:
        reasons.append(light.reason)
    if not wording.text.strip():
        reasons.append("There are no words in it, and pictures are not passed on.")
    if not composed.fits:
        signature = "" if text == wording.text else " with its signature"
        size = f"It has {composed.used} {composed.unit}{signature}; the network takes {composed.limit}."
        reasons.append(size)
    reasons += [finding.reason for finding in airlock.inspect(text, wording.notes)]
    language = wording.language if wording.template else None
    reasons += [finding.reason for finding in voice.objections(text, brand, speaks, language)]
    reply = Reply(
        account=account.key,
        target=target,
        text=composed.text,
        language=wording.language or case.language,
        visibility=target.visibility,
        not_before=now,
    )
    content: dict[str, Any] = (
        {ending.TEMPLATE: True} if wording.template else {taken_back.SOURCE: taken_back.digest(wording.text)}
    )
    if wording.unsaid_by:
        content[ending.UNSAID] = wording.unsaid_by
    _draft(tx, world, case, reply, wording.cause, reasons, closing=wording.closing, content=content)


def say_elsewhere(tx: Session, world: World, case: Case, intent: Intent) -> bool:
    """Answer another post of the customer, because the one that *intent* answers is gone.

    False when there is none. The words are the same and were looked at already, but
    what was meant for few readers does not move to where more can read it by itself.
    """
    tried = [one for one in intents.of_case(tx, case.id, [IntentState.GONE]) if one.effect == Effect.REPLY]
    # Each of them: no network tells us which posts of somebody who blocked us are gone for us.
    target = target_of(tx, case, but=[thawed(one).target.id for one in tried if one.payload])
    if target is None:
        return False
    gone = thawed(intent)
    wider = _audience(target) < _audience(gone.target)
    reasons = ["It answered a post that fewer people could read, which is gone."] if wider else []
    reasons += [erasure.QUOTES_WHY] if intent.draft.get(erasure.LATER) else []
    reply = replace(gone, target=target, visibility=target.visibility)
    cause = told.elsewhere(intent, len(tried))
    kept = (ending.TEMPLATE, ending.UNSAID, erasure.LATER, taken_back.SOURCE, taken_back.TAKEN_BACK)
    content = {key: value for key, value in intent.draft.items() if key in kept}
    _draft(tx, world, case, reply, cause, reasons, closing=intent.closing, content=content)
    return True


def banned_words(world: World, case: Case, intent: Intent) -> list[str]:
    """What today's voice of the brand bans in the words of *intent*."""
    if intent.payload is None:
        return []
    reply = thawed(intent)
    languages = [reply.language] if intent.draft.get(ending.TEMPLATE) else None
    return voice.banned_in(reply.text, world.mappings.current.voices.get(case.brand), languages)


def _audience(message: SocialMessage) -> int:
    """The greater, the fewer can read it."""
    return list(Visibility).index(message.visibility)


def target_of(tx: Session, case: Case, but: Collection[str] = ()) -> SocialMessage | None:
    """The customer's latest post that is still there: what the thread shows our reply under."""
    posts = [row for row in messages.of_case(tx, case.id) if messages.is_there(row)]
    left = [row for row in posts if row.global_id not in but]
    return messages.as_message(left[-1]) if left else None


def _draft(
    tx: Session,
    world: World,
    case: Case,
    reply: Reply,
    cause: str,
    reasons: list[str],
    *,
    closing: bool,
    content: dict[str, Any],
) -> None:
    now = world.clock.now()
    intent = intents.draft(
        tx,
        case,
        Effect.REPLY,
        target=case.id,
        cause=cause,
        lane=lanes.of_account(reply.account),
        at=now,
        content=content,
        state=IntentState.HELD if reasons else IntentState.APPROVED,
        reason=" ".join(reasons) or None,
        closing=closing,
        due_at=now + world.timing.linger if closing else now,
    )
    if intent is None:
        return
    intent.payload = frozen(reply)
    casefile.tell(tx, case.id, now, intent.state, intents.named(intent), intent=intent.id)
    if reasons:
        drafting.note_waiting(tx, case, intent, " ".join(reasons), now)


def _nobody_to_answer(tx: Session, world: World, case: Case, wording: Wording) -> None:
    if wording.closing:
        ending.close(tx, world, case, Receipt.CUSTOMER_GONE, reason=ALL_DELETED)
    else:
        note = writing.not_posted_note(ALL_DELETED)
        drafting.note(tx, case, f"gone:{wording.cause}", note, world.clock.now())


def _answering(world: World, case: Case, target: SocialMessage) -> str:
    """The account that answers: the one that holds the post now, if it is of the case's own brand.

    A post that a relay brought first belongs to the network's own account once that has seen it.
    """
    brands = world.mappings.current.account_brand
    return target.account if brands.get(target.account) == case.brand else case.account
