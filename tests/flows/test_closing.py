"""Which words close the loop, when several might."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.core.account import Account
from bridge.core.case import CaseState
from bridge.core.desk import Origin, Update
from bridge.core.intent import IntentState
from bridge.core.message import Visibility
from bridge.core.reply import Reply
from bridge.flows import close_loop, ending, replies
from bridge.flows.effects.network import PublicReply
from bridge.store import cases, intents
from bridge.store.tables import Case, Intent
from tests.flows.alone import Engine
from tests.store.conftest import NOON
from tests.store.test_messages import POST

SOLVE = Update("9", NOON, "agent-1", Origin.INTERFACE)
TEMPLATE = {ending.TEMPLATE: True}
NOTHING_MISSED: Any = SimpleNamespace(wrote_after=lambda *_: False, edit_unseen=lambda *_: False)


def asked(engine: Engine, intent_id: str) -> int:
    return intents.question(engine.intent(intent_id))


def with_case(engine: Engine, what, *given: object, **named: object) -> None:
    with engine.database.write() as tx:
        what(tx, engine.world, cases.lock(tx, engine.case), *given, **named)


@pytest.mark.parametrize("state", [IntentState.APPROVED, IntentState.SENDING, IntentState.UNKNOWN])
def test_a_second_solve_adds_no_closing_word_to_one_that_is_let_out(engine: Engine, state: IntentState):
    """Also not to one that may be on the thread: a person is asked about that one."""
    engine.wish(closing=True, state=state, sender="another", sent_at=NOON, first_sent_at=NOON)
    with_case(engine, close_loop.close, SOLVE, hold=None, told=NOTHING_MISSED)
    with engine.database.read() as tx:
        assert len(intents.of_case(tx, engine.case)) == 1


def test_a_closing_reply_that_waits_is_withdrawn_and_one_on_its_way_is_not(engine: Engine):
    """What was asked about is asked anew: whoever decides has to know of this, too."""
    approved = engine.wish(closing=True)
    sending = engine.wish(cause="update:2", closing=True, state=IntentState.SENDING, sent_at=NOON)
    held = engine.wish(cause="update:3", closing=True)
    answer = engine.wish(cause="update:4")
    with engine.database.write() as tx:
        intents.advance(tx.get_one(Intent, held), IntentState.HELD, reason="It has an e-mail address.")
    with_case(engine, close_loop.withdraw, "The customer wrote again.")
    assert engine.intent(approved).state == IntentState.HELD
    assert engine.intent(sending).state == IntentState.SENDING
    assert engine.intent(answer).state == IntentState.APPROVED
    assert asked(engine, held) == 2
    assert engine.intent(held).reason == "It has an e-mail address. The customer wrote again."


def test_an_agents_closing_words_are_an_answer_once_the_ticket_is_open_again(engine: Engine):
    """The brand's template is not: it would say "all done"."""
    words, template = engine.wish(closing=True), engine.wish(cause="update:2", closing=True, draft=TEMPLATE)
    held = engine.wish(cause="update:3", closing=True)
    with engine.database.write() as tx:
        intents.advance(tx.get_one(Intent, held), IntentState.HELD, reason="It has an e-mail address.")
    with_case(engine, close_loop.reopened)
    assert (engine.intent(words).closing, engine.intent(words).state) == (False, IntentState.APPROVED)
    assert (engine.intent(template).closing, engine.intent(template).state) == (True, IntentState.HELD)
    assert (engine.intent(held).closing, asked(engine, held)) == (False, 2)


def test_a_template_that_a_person_let_out_is_not_taken_back(engine: Engine):
    """Only what nobody has decided about makes room for words of an agent's own."""
    theirs = engine.wish(closing=True, draft=TEMPLATE, decided_by="ana")
    nobodys = engine.wish(cause="update:2", closing=True, draft=TEMPLATE)
    with_case(engine, ending.drop_template, "an agent wrote")
    assert engine.intent(theirs).state == IntentState.APPROVED
    assert engine.intent(nobodys).state == IntentState.REFUSED


def public_reply(engine: Engine, monkeypatch: pytest.MonkeyPatch, brand: str = "kopi", **facts: Any) -> str:
    """A frozen reply, whose account is of *brand* today, on a network where nothing stands in its way."""
    account = Account("kopi-plaza", "standard", brand, "@kopi", {}, {})
    monkeypatch.setattr(engine.world, "account", lambda _key: account)
    nothing = SimpleNamespace(preflight=lambda *_: SimpleNamespace(obstacles=(), edited_at=None, thread=()))
    monkeypatch.setattr(engine.world, "connect", lambda _account: nothing)
    monkeypatch.setattr("bridge.flows.news.take_in", lambda *_: [])
    voices = SimpleNamespace(voices={})
    engine.world.mappings = SimpleNamespace(current=voices)  # type: ignore[assignment]
    words = replies.frozen(Reply("kopi-plaza", POST, "Fixed in 4.3", "en", Visibility.PUBLIC, NOON))
    wished = engine.wish(**facts)
    engine.change(wished, payload=words)
    return wished


def check(engine: Engine, intent_id: str) -> str | None:
    stop = PublicReply(engine.world).check(engine.intent(intent_id))
    return None if stop is None else stop.reason


def test_an_account_that_went_to_another_brand_does_not_answer(engine: Engine, monkeypatch):
    """The mapping was edited while the reply waited: its credentials are not this case's any more."""
    assert check(engine, public_reply(engine, monkeypatch)) is None
    moved = public_reply(engine, monkeypatch, brand="teh", cause="update:2")
    assert "belongs to another brand" in (check(engine, moved) or "")


def solved(engine: Engine, state: CaseState = CaseState.SOLVED) -> None:
    with engine.database.write() as tx:
        case: Case = cases.lock(tx, engine.case)
        case.state, case.solved_at, case.solved_by = state.value, NOON, "agent-1"


def test_a_closing_reply_leaves_only_on_a_case_that_is_solved(engine: Engine, monkeypatch):
    """Reopened while it waited: nobody is told that all is done."""
    reply = public_reply(engine, monkeypatch, closing=True)
    assert "not solved any more" in (check(engine, reply) or "")
    solved(engine)
    assert check(engine, reply) is None


def test_after_the_receipt_an_agents_word_leaves_and_the_template_does_not(engine: Engine, monkeypatch):
    """The loop is closed: her next word is an answer, the brand's would be a second end."""
    solved(engine, CaseState.CLOSED)
    assert check(engine, public_reply(engine, monkeypatch, closing=True)) is None
    template = public_reply(engine, monkeypatch, closing=True, cause="update:2", draft=TEMPLATE)
    assert "not solved any more" in (check(engine, template) or "")
