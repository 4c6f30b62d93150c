"""Words for the public: an agent's answer, and the reply that closes the loop."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.case import Receipt
from bridge.core.desk import Update
from bridge.core.intent import Effect, IntentState
from bridge.core.message import SocialMessage
from bridge.core.reply import Reply
from bridge.flows import drafting, ending, writing
from bridge.flows.effects.network import frozen
from bridge.flows.world import World
from bridge.routing import airlock, wording
from bridge.routing.model import ClosingPolicy
from bridge.store import casefile, intents, messages
from bridge.store.tables import Case, Intent, Message

_POLICY_HOLDS = {
    ClosingPolicy.APPROVE: "Closing replies of this queue wait for somebody's approval.",
    ClosingPolicy.MANUAL: "Closing replies of this queue are posted by hand.",
}

# Said on the thread, on its way there, or waiting for a person who may let it out.
_SAID = (
    IntentState.CONFIRMED,
    IntentState.APPROVED,
    IntentState.SENDING,
    IntentState.HELD,
    IntentState.UNKNOWN,
)


def answer(
    tx: Session,
    world: World,
    case: Case,
    update: Update,
    text: str,
    *,
    notes: Sequence[str],
    hold: str | None,
    closing: bool = False,
) -> None:
    """Have an agent's public comment appear on the thread: once, or held with the reason.

    *notes* are what agents wrote internally on the ticket: none of it may leave.
    """
    _say(tx, world, case, cause=f"update:{update.id}", text=text, notes=notes, hold=hold, closing=closing)


def close(tx: Session, world: World, case: Case, update: Update, *, hold: str | None) -> None:
    """Close the loop of a case that was solved without a word to the customer.

    A recent public answer after which the customer was silent is the closing reply
    already, or will be when it has left. Else the brand's template is posted in the
    customer's language.
    """
    _replace_templates(tx, world, case)
    recent = _recent_answer(tx, world, case, update)
    if recent is not None and hold is None:
        if recent.state == IntentState.CONFIRMED:
            ending.close(tx, world, case, Receipt.PUBLIC, url=(recent.outcome or {}).get("permalink"))
        else:
            recent.closing = True
            what = "the answer that has not left yet closes the loop"
            casefile.tell(tx, case.id, world.clock.now(), "desk", what, intent=recent.id)
        return
    mapping = world.mappings.current
    target = _target(tx, case)
    if target is None:
        ending.close(
            tx, world, case, Receipt.CUSTOMER_GONE, reason="the customer deleted every post of the case"
        )
        return
    now = world.clock.now()
    queue = mapping.queues.get(case.queue) or world.mappings.version(case.mapping_version).queues[case.queue]
    words = wording.Words(
        customer=target.author.name,
        handle=target.author.handle,
        network=world.networks[case.network].label,
        promise_at=case.promise_at,
    )
    rendered = wording.render(mapping, case.brand, queue.closing_template, case.language, words)
    if rendered is None:
        reason = f"brand {case.brand} has no reply {queue.closing_template!r} in the mapping files any more"
        casefile.tell(tx, case.id, now, "open loop", reason)
        drafting.note(tx, case, f"no-template:{update.id}", writing.not_posted_note(reason), now)
        return
    casefile.tell(
        tx,
        case.id,
        now,
        "rendered",
        f"{rendered.template_file} in {rendered.language}",
        template=rendered.version,
    )
    hold = hold or _POLICY_HOLDS.get(ClosingPolicy(case.closing))
    _say(
        tx,
        world,
        case,
        cause=f"update:{update.id}",
        text=rendered.text,
        notes=(),
        hold=hold,
        closing=True,
        language=rendered.language,
        template=True,
    )


def withdraw(tx: Session, world: World, case: Case, reason: str) -> None:
    """Keep a closing reply that has not left from leaving by itself."""
    for intent in intents.of_case(tx, case.id, [IntentState.APPROVED]):
        if intent.effect == Effect.REPLY and intent.closing:
            intents.advance(intent, IntentState.HELD, reason=reason)
            casefile.tell(tx, case.id, world.clock.now(), "held", f"reply: {reason}", intent=intent.id)


def _say(
    tx: Session,
    world: World,
    case: Case,
    *,
    cause: str,
    text: str,
    notes: Sequence[str],
    hold: str | None,
    closing: bool,
    language: str | None = None,
    template: bool = False,
) -> None:
    now = world.clock.now()
    target = _target(tx, case)
    if target is None:
        reason = "the customer deleted every post of the case"
        if closing:
            ending.close(tx, world, case, Receipt.CUSTOMER_GONE, reason=reason)
        else:
            drafting.note(tx, case, f"gone:{cause}", writing.not_posted_note(reason), now)
        return
    account = world.account(case.account)
    if account is None:
        drafting.note(
            tx, case, f"gone:{cause}", writing.not_posted_note(f"account {case.account} is gone"), now
        )
        return
    composed = world.networks[account.network].compose(account, text, target)
    reasons = [hold] if hold else []
    if not case.light:
        reasons.append(case.light_reason)
    if not composed.fits:
        reasons.append(f"It has {composed.used} {composed.unit}; the network takes {composed.limit}.")
    reasons += [finding.reason for finding in airlock.inspect(text, notes)]
    intent = intents.draft(
        tx,
        case,
        Effect.REPLY,
        target=case.id,
        cause=cause,
        lane=case.account,
        at=now,
        state=IntentState.HELD if reasons else IntentState.APPROVED,
        reason=" ".join(reasons) or None,
        closing=closing,
        content={"template": template},
    )
    if intent is None:
        return
    intent.payload = frozen(
        Reply(
            account=case.account,
            target=target,
            text=composed.text,
            language=language or case.language,
            visibility=target.visibility,
            not_before=now,
        )
    )
    casefile.tell(tx, case.id, now, intent.state, "closing reply" if closing else "answer", intent=intent.id)
    if reasons:
        drafting.note(tx, case, f"held:{intent.id}", writing.held_note(" ".join(reasons)), now)


def _target(tx: Session, case: Case) -> SocialMessage | None:
    """The customer's latest post that is still there: what the thread shows our reply under."""
    posts = [row for row in messages.of_case(tx, case.id) if row.deleted_at is None and row.complete]
    return messages.as_message(posts[-1]) if posts else None


def _replace_templates(tx: Session, world: World, case: Case) -> None:
    """A closing template that an earlier solve asked for and that still waits is not asked about twice."""
    now = world.clock.now()
    for intent in intents.of_case(tx, case.id, [IntentState.HELD, IntentState.APPROVED]):
        if intent.effect == Effect.REPLY and intent.draft.get("template"):
            intents.advance(intent, IntentState.REFUSED, reason="The ticket was solved anew.")
            intent.decided_by, intent.settled_at = "a later solve", now
            casefile.tell(tx, case.id, now, "refused", "reply: the ticket was solved anew", intent=intent.id)


def _recent_answer(tx: Session, world: World, case: Case, update: Update) -> Intent | None:
    """The last public word, said or about to be, if it is recent and the customer wrote nothing after it."""
    last = tx.scalars(
        select(Intent)
        .where(Intent.case_id == case.id, Intent.effect == Effect.REPLY, Intent.state.in_(_SAID))
        .order_by(Intent.id.desc())
    ).first()
    if last is None:
        return None
    said_at = last.settled_at or last.created_at
    queue = world.mappings.current.queues.get(case.queue)
    if queue is None or said_at < update.at - queue.closing_grace:
        return None
    wrote_after = tx.scalars(
        select(Message.id).where(Message.case_id == case.id, Message.posted_at > said_at)
    ).first()
    return None if wrote_after else last
