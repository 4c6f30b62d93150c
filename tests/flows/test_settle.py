"""What a person says about an intent, and what the tables say by then."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from types import SimpleNamespace

import pytest

from bridge.core.intent import Effect, IntentState
from bridge.core.reply import Published
from bridge.errors import VendorBusyError, VendorUnclearError
from bridge.flows import settle
from bridge.flows.recipe import Outcome
from bridge.flows.settle import NotWaitingError, QuestionChangedError
from bridge.store import intents
from bridge.store.tables import Case, Intent
from tests.flows.alone import Engine
from tests.store.conftest import NOON

FAR = NOON + timedelta(days=1)


def held(engine: Engine, cause: str = "update:1") -> str:
    wished = engine.wish(cause=cause)
    with engine.database.write() as tx:
        intents.advance(tx.get_one(Intent, wished), IntentState.HELD, reason="It has an e-mail address.")
    return wished


class Thread:
    """A network whose thread shows ``found``; ``claimed`` is what could not be it."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: Published | None = Published("post-9", "https://plaza.example/9")
        self.claimed: Collection[str] = ()
        self.meanwhile = lambda: None
        reply = SimpleNamespace(account="kopi-plaza", target=None)
        monkeypatch.setattr(settle, "thawed", lambda _intent: reply)
        monkeypatch.setattr(engine.world, "account", lambda _key: reply)
        monkeypatch.setattr(engine.world, "connect", lambda _account: self)

    def find_own_answer(self, _target: object, claimed: Collection[str]) -> Published | None:
        self.claimed = claimed
        self.meanwhile()
        return self.found


@pytest.fixture
def thread(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Thread:
    return Thread(engine, monkeypatch)


def test_what_a_person_refused_is_nobodys_to_send_again(engine: Engine):
    """A vendor's no can be asked about again, a person's cannot: not even as done by hand."""
    reply = held(engine)
    with engine.database.write() as tx:
        settle.refuse(tx, engine.world, reply, "ana")
    with engine.database.write() as tx:
        with pytest.raises(NotWaitingError, match="ana has refused it"):
            settle.approve(tx, engine.world, reply, "bo", again=True)
        with pytest.raises(NotWaitingError, match="ana has refused it"):
            settle.happened(tx, engine.world, reply, "https://plaza.example/9", "bo")
        with pytest.raises(NotWaitingError, match="ana has refused it"):
            settle.refuse(tx, engine.world, reply, "bo", again=True)
    engine.work()
    assert engine.outside.sent == []
    assert engine.intent(reply).decided_by == "ana"


def test_a_vendors_no_waits_for_nobody_unless_it_is_asked_about_again(engine: Engine):
    """A press on an old card is no such question."""
    reply = engine.wish(state=IntentState.REFUSED, reason="answered 422", settled_at=NOON)
    with engine.database.write() as tx, pytest.raises(NotWaitingError):
        settle.approve(tx, engine.world, reply, "ana")
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana", again=True)
    assert engine.intent(reply).settled_at is None
    engine.work()
    assert engine.intent(reply).state == IntentState.CONFIRMED


def test_what_is_approved_leaves_now(engine: Engine):
    """It was put off for long before it was held, and nothing else wakes its case."""
    reply = held(engine)
    engine.change(reply, due_at=FAR)
    engine.work(timedelta(seconds=1))
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana")
        assert tx.get_one(Case, engine.case).due_at == engine.clock.now()
    engine.work()
    assert engine.intent(reply).state == IntentState.CONFIRMED


def test_what_was_unknown_and_is_approved_is_looked_at_like_a_first_try(engine: Engine):
    """Whoever approved it knew what the earlier call may have done: that is not looked for again."""
    reply = engine.wish(
        state=IntentState.UNKNOWN, unclear=2, attempts=2, sender="another", sent_at=NOON, first_sent_at=NOON
    )
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana")
    engine.work()
    assert engine.outside.looks == 0
    assert len(engine.outside.sent) == 1


def test_what_was_unknown_and_is_approved_is_tried_again_after_a_busy_answer(engine: Engine):
    """Nothing happened since the person decided: nobody has to be asked the same again."""
    reply = engine.wish(
        state=IntentState.UNKNOWN, unclear=2, attempts=2, sender="another", sent_at=NOON, first_sent_at=NOON
    )
    engine.outside.answers = [VendorBusyError("plaza", "reply", status=429)]
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana")
    engine.work()
    assert engine.intent(reply).state == IntentState.APPROVED
    engine.work(timedelta(minutes=2))
    assert engine.intent(reply).state == IntentState.CONFIRMED
    assert (engine.outside.looks, len(engine.outside.sent)) == (0, 2)


def test_what_becomes_unclear_after_an_approval_is_looked_at_and_asked_anew(engine: Engine):
    """The person knew of the calls before; of this one nobody does: it is not sent once more by itself."""
    reply = engine.wish(
        state=IntentState.UNKNOWN, unclear=2, attempts=2, sender="another", sent_at=NOON, first_sent_at=NOON
    )
    engine.outside.answers = [VendorUnclearError("plaza", "reply")]
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana")
    engine.work()
    assert engine.intent(reply).state == IntentState.SENDING
    engine.work(timedelta(minutes=2))
    assert engine.intent(reply).state == IntentState.UNKNOWN
    assert (engine.outside.looks, len(engine.outside.sent)) == (1, 1)


def test_a_busy_answer_after_an_approval_tells_nothing_of_a_call_since(engine: Engine):
    """That one may have happened: it is looked for, whatever the next call was answered."""
    reply = engine.wish(first_sent_at=NOON)
    engine.change(reply, state=IntentState.UNKNOWN, unclear=1, sender="another", sent_at=NOON)
    with engine.database.write() as tx:
        settle.approve(tx, engine.world, reply, "ana")
    engine.change(reply, unclear=2)
    engine.outside.answers = [VendorBusyError("plaza", "reply", status=429)]
    engine.work()
    assert engine.intent(reply).state == IntentState.SENDING
    engine.outside.shown = Outcome("post-7")
    engine.work(timedelta(minutes=2))
    assert engine.intent(reply).outcome_id == "post-7"
    assert len(engine.outside.sent) == 1


def test_there_already_is_none_of_our_own_answers(engine: Engine, thread: Thread):
    """The thread shows what another intent has posted: that is no post by hand."""
    engine.wish(cause="update:0", state=IntentState.CONFIRMED, outcome_id="post-1")
    reply = held(engine)
    assert settle.there_already(engine.world, reply, "ana", 1, lambda _tx: True)
    assert set(thread.claimed) == {"post-1"}
    assert engine.intent(reply).outcome_id == "post-9"


def test_there_already_decides_nothing_that_is_asked_anew_while_it_looks(engine: Engine, thread: Thread):
    """The thread was slow, and the words were taken back meanwhile."""
    reply = held(engine)

    def ask_anew() -> None:
        with engine.database.write() as tx:
            intents.advance(tx.get_one(Intent, reply), IntentState.HELD, reason="It was taken back.")

    thread.meanwhile = ask_anew
    with pytest.raises(QuestionChangedError):
        settle.there_already(engine.world, reply, "ana", 1, lambda _tx: True)
    assert engine.intent(reply).state == IntentState.HELD


def test_there_already_that_was_obeyed_meanwhile_is_not_obeyed_again(engine: Engine, thread: Thread):
    """Two workers look for the same press: the second leaves all as it is."""
    reply = held(engine)
    assert not settle.there_already(engine.world, reply, "ana", 1, lambda _tx: False)
    assert engine.intent(reply).state == IntentState.HELD


def test_only_a_reply_can_be_there_already(engine: Engine):
    """No thread shows a card or a ticket."""
    note = engine.wish(Effect.POST_NOTE, state=IntentState.HELD, draft={"question": 1})
    with pytest.raises(NotWaitingError):
        settle.there_already(engine.world, note, "ana", 1, lambda _tx: True)
