"""An agent's answer, and the reply that closes the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bridge.core.case import Receipt
from bridge.core.desk import Resolution, Update
from bridge.core.intent import MOVING, UNSENT, UNSETTLED, Effect, IntentState
from bridge.flows import drafting, ending, replies, writing
from bridge.flows.recipe import SEEN
from bridge.flows.replies import Wording
from bridge.flows.told import EDIT, Told, edit_mark
from bridge.flows.world import World
from bridge.routing import wording
from bridge.store import casefile, intents, messages
from bridge.store.tables import Case, Intent, Message

WROTE_AGAIN = "The customer wrote again after the ticket was solved."
EDITED = "The customer has edited the post since this was written."
RESTORED = "The database was restored from a backup: this may have been posted already."
REOPENED = "The ticket was reopened since: it would leave as an answer."
NOT_BY_HAND = "What it says of the resolution was not written by a person in the desk."

_LET_OUT = (*MOVING, IntentState.UNKNOWN)  # nobody holds it back
_SAID_OR_ASKED = (IntentState.CONFIRMED, *UNSETTLED)


def answer(
    tx: Session,
    world: World,
    case: Case,
    update: Update,
    text: str,
    *,
    notes: list[str],
    hold: str | None,
    closing: bool = False,
) -> None:
    """Have an agent's public comment appear on the thread: once, or held with the reason.

    *notes* are what agents wrote internally on the ticket: none of it may leave.
    """
    said = Wording(cause=f"update:{update.id}", text=text, closing=closing, notes=notes, hold=hold)
    replies.say(tx, world, case, said)


def close(
    tx: Session,
    world: World,
    case: Case,
    update: Update,
    *,
    hold: str | None,
    told: Told,
    resolution: Resolution | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Close the loop of a case that was solved without a word to the customer.

    A recent public answer is the closing reply already, or will be when it has left, if whoever
    wrote it could know all that the customer wrote: *told* tells. Else the brand's template is
    posted in the customer's language; it may say the *resolution*, but none of the internal *notes*.
    """
    now = world.clock.now()
    if _closing_under_way(tx, case, told):
        casefile.tell(tx, case.id, now, "desk", "a closing reply is on its way already")
        return
    recent = _recent_answer(tx, world, case, update, told)
    # What may have been posted already is held; here nothing is posted, the answer is there.
    if recent is not None and recent.state == IntentState.CONFIRMED and hold in (None, RESTORED):
        ending.close(tx, world, case, Receipt.PUBLIC, url=(recent.outcome or {}).get("permalink"))
        return
    if recent is not None and recent.state != IntentState.CONFIRMED:
        # Nothing may overtake it: an answer that waits for a person would come after "all done".
        recent.closing = True
        if recent.state == IntentState.APPROVED and hold is not None:
            intents.advance(recent, IntentState.HELD, reason=hold)
            drafting.note_waiting(tx, case, recent, hold, now)
        casefile.tell(tx, case.id, now, "desk", "the answer before it closes the loop", intent=recent.id)
        return
    edited = EDITED if told.edit_unseen(tx, case, update.id) else None
    hold = " ".join(filter(None, (hold, edited))) or None
    _say_template(tx, world, case, update, hold, resolution, notes)


def reopened(tx: Session, world: World, case: Case) -> None:
    """The ticket is open again: nothing closes the loop now. What a person wrote is an answer from now on.

    It leaves as one, or waits as one, and the next solve finds it: else the template, or
    an older answer, would take the place of her words.
    """
    for intent in _closing_replies(tx, case):
        if not intent.draft.get(ending.TEMPLATE):
            intent.closing = False
            if intent.state == IntentState.HELD:
                _ask_anew(intent, REOPENED)
            what = "the ticket was reopened: what was to close the loop is an answer now"
            casefile.tell(tx, case.id, world.clock.now(), "desk", what, intent=intent.id)
    withdraw(tx, world, case, "The ticket was reopened before the closing reply left.")


def withdraw(tx: Session, world: World, case: Case, reason: str) -> None:
    """Keep a closing reply that has not left from leaving by itself; tell whoever is asked about one."""
    now = world.clock.now()
    for intent in _closing_replies(tx, case):
        if intent.state == IntentState.APPROVED:
            intents.advance(intent, IntentState.HELD, reason=reason)
            casefile.tell(tx, case.id, now, "held", f"closing reply: {reason}", intent=intent.id)
            drafting.note_waiting(tx, case, intent, reason, now)
        else:
            _ask_anew(intent, reason)


def edited(tx: Session, world: World, case: Case, post: Message) -> None:
    """The customer edited *post*: whoever is asked about a reply to it is asked anew, once per version."""
    mark = edit_mark(post.edited_at)
    for intent in intents.of_case(tx, case.id, [IntentState.HELD]):
        if intent.effect != Effect.REPLY or intent.payload is None:
            continue
        target = replies.thawed(intent).target
        asked = (*intent.waived, intent.draft.get(SEEN), intent.draft.get(EDIT))
        if target.id == post.global_id and target.text != post.text and mark not in asked:
            intent.draft = {**intent.draft, EDIT: mark}
            _ask_anew(intent, EDITED)
            what = f"{intents.named(intent)}: {EDITED}"
            casefile.tell(tx, case.id, world.clock.now(), "held", what, intent=intent.id)


def _ask_anew(intent: Intent, reason: str) -> None:
    """Have it wait for *reason*, too: whoever was asked without has not decided about this."""
    known = intent.reason or ""
    reasons = known if reason in known else f"{known} {reason}".strip()
    intents.advance(intent, IntentState.HELD, reason=reasons)


def _closing_replies(tx: Session, case: Case) -> list[Intent]:
    """Those that have not left: at most one, unless somebody approved what was held."""
    found = intents.of_case(tx, case.id, UNSENT)
    return [intent for intent in found if intent.effect == Effect.REPLY and intent.closing]


def _say_template(
    tx: Session,
    world: World,
    case: Case,
    update: Update,
    hold: str | None,
    resolution: Resolution | None,
    notes: Sequence[str],
) -> None:
    now = world.clock.now()
    mapping = world.mappings.current
    target = replies.target_of(tx, case)
    if target is None:
        ending.close(tx, world, case, Receipt.CUSTOMER_GONE, reason=replies.ALL_DELETED)
        return
    pinned = world.mappings.version(tx, case.mapping_version)
    queue = mapping.queues.get(case.queue) or pinned.queues[case.queue]
    words = wording.Words(
        customer=target.author.name,
        handle=target.author.handle,
        network=world.label(case.network, case.account),
        promise_at=case.promise_at,
        resolution=resolution.text if resolution else "",
    )
    route = pinned.route(case.route)
    template = (route.closing_template if route else None) or queue.closing_template
    rendered = wording.render(mapping, case.brand, template, case.language, words)
    if rendered is None:
        reason = f"brand {case.brand} has no reply {template!r} in the mapping files any more"
        casefile.tell(tx, case.id, now, "open loop", reason)
        drafting.note(tx, case, f"no-template:{update.id}", writing.not_posted_note(reason), now)
        return
    bare = wording.render(mapping, case.brand, template, case.language, replace(words, resolution=""))
    # An agent's own words leave under the rules for such: nothing of a rule's or an application's.
    told = resolution if rendered != bare else None
    if told is not None and not told.by_hand:
        hold = " ".join(filter(None, (hold, NOT_BY_HAND)))
    where = f"{rendered.template_file} in {rendered.language}"
    casefile.tell(tx, case.id, now, "rendered", where, template=rendered.version)
    said = Wording(
        cause=f"update:{update.id}",
        text=rendered.text,
        closing=True,
        notes=notes if told is not None else (),
        hold=hold,
        language=rendered.language,
        template=True,
        unsaid_by=rendered.template_file if resolution and resolution.text and told is None else None,
    )
    replies.say(tx, world, case, said)


def _closing_under_way(tx: Session, case: Case, told: Told) -> bool:
    """Whether a closing reply was let out that missed no word of the customer."""
    found = intents.of_case(tx, case.id, _LET_OUT)
    closing = [intent for intent in found if intent.effect == Effect.REPLY and intent.closing]
    return any(not told.wrote_after(tx, case, intent) for intent in closing)


def _recent_answer(tx: Session, world: World, case: Case, update: Update, told: Told) -> Intent | None:
    """The last answer, said or about to be, if it is recent and the customer wrote nothing that it missed.

    Where a network tolerates one reply only, it is never too old to be that reply.
    """
    last = next(
        (
            intent
            for intent in reversed(intents.of_case(tx, case.id, _SAID_OR_ASKED))
            if intent.effect == Effect.REPLY and (not intent.closing or intent.state == IntentState.CONFIRMED)
        ),
        None,
    )
    if last is None:
        return None
    said_at = _said_at(last)
    queue = world.mappings.current.queues.get(case.queue)
    if queue is None or (said_at < update.at - queue.closing_grace and not _one_is_all(world, case)):
        return None
    if last.state == IntentState.HELD:
        # A person decides on it who sees what it missed; only what was said since puts it out of date.
        posts = [row for row in messages.of_case(tx, case.id) if row.deleted_at is None]
        return None if any(row.posted_at and row.posted_at > said_at for row in posts) else last
    return None if told.wrote_after(tx, case, last) else last


def _one_is_all(world: World, case: Case) -> bool:
    account = world.account(case.account)
    return account is not None and world.networks[account.network].capabilities.one_reply_per_interaction


def _said_at(intent: Intent) -> datetime:
    """When the public could first read it: the post's own time where the network tells it."""
    at = (intent.outcome or {}).get("at")
    if isinstance(at, str):
        return datetime.fromisoformat(at)
    return intent.first_sent_at or intent.created_at
