"""A press of a button on a card, obeyed once however often it comes."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from bridge.core.card import Action, Press
from bridge.core.intent import Effect
from bridge.errors import VendorRefusedError
from bridge.flows import cards, drafting, settle
from bridge.flows.settle import NotWaitingError, QuestionChangedError
from bridge.flows.world import World
from bridge.store import casefile, cases, intents
from bridge.store.tables import Case, Intent

# Writes down, first thing in the last transaction of a press, that it is done; False when it was.
Done = Callable[[Session], bool]


def obey(world: World, press: Press, done: Done) -> None:
    """Do what was pressed, and have it done. Raises VendorError when the outside is needed and not there now.

    Whatever comes before `done` changes nothing when it comes twice.
    """
    if press.action is Action.CLAIM:
        _claim(world, press, done)
    elif press.action is Action.WHY:
        _explain(world, press, done)
    else:
        _decide(world, press, done)


def _claim(world: World, press: Press, done: Done) -> None:
    with world.database.write() as tx:
        case = _case(tx, press.subject)
        mine = case is not None and settle.claim(tx, world, case, press.user_id, press.at)
    email = None
    if case is not None and mine and case.with_ticket:
        world.wake("work", case.id)
        email = _agent(world, press.user_id)
    with world.database.write() as tx:
        if not done(tx) or email is None:
            return
        case = cases.lock(tx, press.subject)
        drafting.assign(tx, case, f"claim:{press.user_id}", email, world.clock.now())
    world.wake("work", case.id)


def _agent(world: World, user_id: str) -> str | None:
    """The e-mail address by which the desk knows that user of the team's tool as an agent."""
    if world.team is None or world.desk is None:
        return None
    try:
        email = world.team.email_of(user_id)
    except VendorRefusedError:
        return None  # a guest, or a user that was deleted: the claim stands without an assignment
    return email if email is not None and world.desk.agent_exists(email) else None


def _explain(world: World, press: Press, done: Done) -> None:
    with world.database.write() as tx:
        case = _case(tx, press.subject) if done(tx) else None
        if case is None:
            return
        why = (
            f"Why here: {case.reason}, so it went to {case.queue} "
            f"({case.route_place}, mapping {case.mapping_version[:12]}). "
            f"Reply language: {case.language} ({case.language_reason}). {case.light_reason}"
        )
        drafting.post_note(tx, case, _asked_why(tx, case), why, world.clock.now())
    world.wake("work", case.id)


def _asked_why(tx: Session, case: Case) -> str:
    """The same for the same card and the same routing: a second press asks nothing new."""
    # By what posted the card: nobody may have written down yet that it is there.
    known = reversed(intents.of_case(tx, case.id))
    card = next((intent.id for intent in known if intent.effect == Effect.POST_CARD), "")
    return f"why:{card}:{case.mapping_version[:12]}:{case.route}"[:255]


def _decide(world: World, press: Press, done: Done) -> None:
    with world.database.read() as tx:
        intent = tx.get(Intent, press.subject)
        case = tx.get(Case, intent.case_id) if intent is not None else None
    if intent is None or case is None:
        with world.database.write() as tx:
            done(tx)
        return
    by = press.user_name or press.user_id
    try:
        if not _may_decide(world, case, press):
            _say_no(world, case, press, done)
        elif press.action is Action.THERE_ALREADY:
            settle.there_already(world, intent.id, by, press.question, done)
        else:
            decide = settle.approve if press.action is Action.APPROVE else settle.refuse
            with world.database.write() as tx:
                if done(tx):
                    decide(tx, world, intent.id, by, question=press.question)
    except NotWaitingError as error:
        _say_too_late(world, case, press, error, done)
    world.wake("work", case.id)


def _say_too_late(world: World, case: Case, press: Press, error: NotWaitingError, done: Done) -> None:
    """Pressed twice, or on a card of before: somebody has decided, or something else is asked now."""
    by = press.user_name or press.user_id
    with world.database.write() as tx:
        if not done(tx):
            return
        now = world.clock.now()
        locked = cases.lock(tx, case.id)
        casefile.tell(tx, case.id, now, "person", f"{by} pressed too late: {error}")
        cards.show(tx, world, locked)
        if isinstance(error, QuestionChangedError):
            # Nothing on the card says so to somebody who believes to have pressed what it shows now.
            intent = intents.one(tx, locked, press.subject)
            text = (
                f"{by}, that decided nothing: what is asked about the {intents.named(intent)} has changed. "
                f"Please look at the card again, and press there. It waits now because: {intent.reason}"
            )
            cause = f"anew:{intent.id}:{intents.question(intent)}:{press.user_id}"
            drafting.post_note(tx, locked, cause, text, now)


def _may_decide(world: World, case: Case, press: Press) -> bool:
    queue = world.mappings.current.queues.get(case.queue)
    if queue is None:  # renamed since: whoever could decide then still can
        with world.database.read() as tx:
            queue = world.mappings.version(tx, case.mapping_version).queues.get(case.queue)
    return queue is not None and (not queue.approvers or press.user_id in queue.approvers)


def _say_no(world: World, case: Case, press: Press, done: Done) -> None:
    with world.database.write() as tx:
        if not done(tx):
            return
        now = world.clock.now()
        locked = cases.lock(tx, case.id)
        casefile.tell(tx, case.id, now, "person", f"{press.user_id} may not decide for queue {case.queue}")
        text = f"Only the approvers of {case.queue} (queues.yaml) may decide what is posted."
        drafting.post_note(tx, locked, f"may-not:{press.user_id}", text, now)


def _case(tx: Session, case_id: str) -> Case | None:
    """The case that a card was drawn for, locked; None when there is none (any more)."""
    return None if tx.get(Case, case_id) is None else cases.lock(tx, case_id)
