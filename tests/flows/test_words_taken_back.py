"""An agent takes words back: what has not left stays, until a person says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.desk import Comment, Origin, Update
from bridge.core.intent import IntentState
from bridge.core.message import EventKind, InboundEvent, Visibility
from bridge.core.reply import Reply
from bridge.errors import VendorUnclearError
from bridge.flows import replies, settle, taken_back
from bridge.store import cases, intents, messages
from bridge.store.tables import Intent
from tests.flows.alone import LANE, Engine
from tests.store.conftest import NOON
from tests.store.test_messages import POST, SENDERS

WORDS = "She is the troublemaker from last May"
LATER = timedelta(minutes=1)


def said(text: str = WORDS, *, public: bool = True) -> list[Update]:
    """The ticket's updates, as they are now."""
    comment = Comment("c-1", "agent-1", by_staff=True, public=public, text=text)
    return [Update("1", NOON, "agent-1", Origin.INTERFACE, comment=comment)]


def answer(engine: Engine, **facts: Any) -> str:
    return engine.wish(draft={taken_back.SOURCE: taken_back.digest(WORDS)}, **facts)


def read(engine: Engine, history: list[Update]) -> None:
    with engine.database.write() as tx:
        taken_back.hold(tx, engine.world, cases.lock(tx, engine.case), history)


def approve(engine: Engine, reply: str) -> None:
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana")


@pytest.mark.parametrize("now", [said(public=False), said("(redacted)")])
def test_what_was_let_out_all_the_same_is_not_held_again(engine: Engine, now: list[Update]):
    """A person has seen that it was taken back; each reading of the ticket shows it once more."""
    reply = answer(engine)
    read(engine, now)
    assert engine.intent(reply).state == IntentState.HELD
    approve(engine, reply)
    read(engine, now)
    assert engine.intent(reply).state == IntentState.APPROVED
    engine.work()
    assert engine.intent(reply).state == IntentState.CONFIRMED


def test_what_is_changed_once_more_is_asked_about_once_more(engine: Engine):
    """Whoever let one change pass knows nothing of the next."""
    reply = answer(engine)
    read(engine, said("(redacted)"))
    approve(engine, reply)
    read(engine, said(public=False))
    assert engine.intent(reply).state == IntentState.HELD


def test_words_taken_back_after_an_unclear_call_are_not_sent_again(engine: Engine):
    """They may be on the thread; where they are not, they stay away."""
    engine.outside.answers = [VendorUnclearError("plaza", "reply", "no answer")]
    reply = answer(engine)
    engine.work()
    read(engine, said(public=False))
    assert engine.intent(reply).state == IntentState.SENDING
    engine.work(LATER)
    assert engine.intent(reply).state == IntentState.HELD
    assert len(engine.outside.sent) == 1


def test_words_that_are_there_as_they_were_read_leave(engine: Engine):
    """Reading the ticket once more changes nothing."""
    reply = answer(engine)
    read(engine, said())
    assert engine.intent(reply).state == IntentState.APPROVED


@pytest.mark.parametrize("mark", [{}, {taken_back.TAKEN_BACK: "taken back:internal"}])
def test_words_that_move_under_another_post_are_still_the_agents(engine: Engine, mark: dict[str, str]):
    """The post that they answered is gone: what is, or will be, taken back is held there, too."""
    first, second = POST, replace(POST, id="post-2", parent_id=POST.id, posted_at=NOON + LATER)
    reply = Reply("kopi-plaza", second, WORDS, "en", Visibility.PUBLIC, NOON)
    gone = engine.wish(payload=replies.frozen(reply), lane=LANE, state=IntentState.GONE)
    source = {taken_back.SOURCE: taken_back.digest(WORDS)}
    with engine.database.write() as tx:
        case = cases.lock(tx, engine.case)
        for post in (first, second):
            event = InboundEvent(EventKind.CREATED, "standard", post.id, NOON, post)
            cases.take(tx, case, messages.apply(tx, "bridge", [event], NOON, SENDERS))
        intent = tx.get_one(Intent, gone)
        intent.draft = {**source, **mark}
        assert replies.say_elsewhere(tx, engine.world, case, intent)
        moved = intents.of_case(tx, case.id, [IntentState.APPROVED])[-1].id
    if not mark:
        read(engine, said("Something else"))
    engine.work()
    assert engine.intent(moved).state == IntentState.HELD
    assert engine.outside.sent == []
