"""Whose press counts, and what becomes of a press that does not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bridge.core.card import Action, Press
from bridge.core.intent import Effect, IntentState
from bridge.flows import press
from bridge.store import intents
from bridge.store.tables import Intent
from tests.flows.alone import Engine
from tests.store.conftest import NOON


@pytest.fixture
def waiting(engine: Engine) -> str:
    """A reply that asks a person, in a queue with an approver."""
    queue = SimpleNamespace(approvers=("U-ANA",))
    mapping = SimpleNamespace(queues={"support-technical": queue})
    engine.world.mappings = SimpleNamespace(current=mapping)  # type: ignore[assignment]
    wished = engine.wish()
    with engine.database.write() as tx:
        intents.advance(tx.get_one(Intent, wished), IntentState.HELD, reason="It has an e-mail address.")
    return wished


def obey(engine: Engine, action: Action, intent_id: str, user_id: str, *, done: bool = True) -> None:
    pressed = Press("1", action, intent_id, user_id, user_id.lower(), NOON)
    press.obey(engine.world, pressed, lambda _tx: done)


def notes(engine: Engine) -> list[Intent]:
    with engine.database.read() as tx:
        return [one for one in intents.of_case(tx, engine.case) if one.effect == Effect.POST_NOTE]


@pytest.mark.parametrize("action", [Action.APPROVE, Action.REFUSE, Action.THERE_ALREADY])
def test_only_an_approver_of_the_queue_decides(engine: Engine, waiting: str, action: Action):
    """Somebody else in the channel pressed: nothing is decided, and the card's thread says why."""
    obey(engine, action, waiting, "U-BO")
    assert engine.intent(waiting).state == IntentState.HELD
    assert [note.cause for note in notes(engine)] == ["may-not:U-BO"]
    assert "approvers of support-technical" in notes(engine)[0].draft["text"]
    obey(engine, Action.APPROVE, waiting, "U-ANA")
    assert engine.intent(waiting).state == IntentState.APPROVED


def test_where_no_approver_is_named_anybody_in_the_channel_decides(engine: Engine, waiting: str):
    """The mapping asks for nobody in particular."""
    engine.world.mappings.current.queues["support-technical"].approvers = ()  # type: ignore[misc]
    obey(engine, Action.REFUSE, waiting, "U-BO")
    assert engine.intent(waiting).state == IntentState.REFUSED


@pytest.mark.parametrize("user_id", ["U-ANA", "U-BO"])
@pytest.mark.parametrize("action", [Action.APPROVE, Action.REFUSE, Action.WHY, Action.CLAIM])
def test_a_press_that_is_done_already_does_nothing(
    engine: Engine, waiting: str, action: Action, user_id: str
):
    """Another worker has obeyed it meanwhile; only a claim may come twice, and is the same then."""
    subject = waiting if action in (Action.APPROVE, Action.REFUSE) else engine.case
    obey(engine, action, subject, user_id, done=False)
    assert engine.intent(waiting).state == IntentState.HELD
    assert notes(engine) == []
