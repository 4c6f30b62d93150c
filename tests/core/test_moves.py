"""The tables of moves."""

import itertools

import pytest

from bridge.core import case, intent
from bridge.core.case import CaseState
from bridge.core.intent import IntentState
from bridge.errors import CaseMoveError


@pytest.mark.parametrize("state", CaseState)
def test_every_case_state_has_a_way_on(state):
    """No case is stuck for good: even a closed one can be reopened by its customer."""
    assert case.MOVES[state]


def test_a_case_is_never_solved_again_before_it_is_reopened():
    """A closed case that is solved again would be closed publicly twice."""
    with pytest.raises(CaseMoveError):
        case.move(CaseState.CLOSED, CaseState.SOLVED)


def test_staying_is_no_move():
    """The same fact heard twice changes nothing and raises nothing."""
    assert CaseState.OPEN == case.move(CaseState.OPEN, CaseState.OPEN)


@pytest.mark.parametrize(
    ("state", "to"), list(itertools.product((IntentState.CONFIRMED, IntentState.GONE), IntentState))
)
def test_what_happened_cannot_unhappen(state, to):
    """A confirmed intent, or one whose target is gone, never moves again."""
    with pytest.raises(CaseMoveError):
        intent.move(state, to)


def test_nothing_is_sent_that_was_not_approved():
    """The only way into sending is from approved."""
    ways = {state for state in IntentState if IntentState.SENDING in intent.MOVES[state]}

    assert {IntentState.APPROVED} == ways


def test_an_unknown_outcome_is_never_tried_again_without_a_person():
    """From unknown there is no way straight into sending."""
    with pytest.raises(CaseMoveError):
        intent.move(IntentState.UNKNOWN, IntentState.SENDING)


def test_every_state_is_final_or_may_still_come_to_be_but_for_the_draft():
    """Rooms ask for these sets by name: a new state must be put into the right ones."""
    unsettled = {state for state in IntentState if not state.is_final} - {IntentState.DRAFTED}
    assert set(intent.UNSETTLED) == unsettled == {*intent.UNSENT, *intent.UNCLEAR}
    assert {state for state in IntentState if state.needs_person} == unsettled - set(intent.MOVING)
