"""What one update of a ticket means for the public thread."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bridge.core.desk import Comment, Origin, Ticket, TicketStatus, Update
from bridge.core.verdict import judge

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CUSTOMER = "social:mastodon:https://social.example/users/dewi"


def a_ticket(requester=CUSTOMER):
    return Ticket("7", "https://desk.example/7", TicketStatus.OPEN, "bridge:c:1", "11", requester)


def an_update(*, origin=Origin.INTERFACE, stamp=None, status=None, public=True, staff=True, text="Hello"):
    comment = None if text is None else Comment("900", "21", staff, public, text)
    return Update("500", AT, "21", origin, stamp=stamp, comment=comment, status=status)


def test_an_agents_public_comment_leaves_by_itself():
    """Written by staff, in the desk's own interface, on our customer's ticket."""
    verdict = judge(an_update(), a_ticket(), CUSTOMER)

    assert "Hello" == verdict.say.text
    assert verdict.hold is None
    assert not verdict.solved


def test_an_internal_note_never_leaves():
    """Not even with a solve in the same update."""
    verdict = judge(an_update(public=False, status=TicketStatus.SOLVED), a_ticket(), CUSTOMER)

    assert verdict.say is None
    assert verdict.solved


def test_a_customers_comment_is_not_said_back_to_the_thread():
    """It came from there."""
    verdict = judge(an_update(staff=False), a_ticket(), CUSTOMER)

    assert verdict.say is None
    assert verdict.ignored


def test_our_own_update_is_no_news():
    """Loop protection by the stamp in the audit."""
    assert judge(an_update(stamp="an intent"), a_ticket(), CUSTOMER).ignored


def test_comment_and_solve_in_one_update_are_one_decision():
    """One reply, which is the closing one."""
    verdict = judge(an_update(status=TicketStatus.SOLVED), a_ticket(), CUSTOMER)

    assert verdict.say is not None
    assert verdict.solved


@pytest.mark.parametrize("origin", [origin for origin in Origin if origin is not Origin.INTERFACE])
def test_what_no_person_wrote_in_the_desk_is_held(origin):
    """Merge notices, other apps, automations, e-mail, copies from a problem."""
    assert judge(an_update(origin=origin), a_ticket(), CUSTOMER).hold
    assert judge(an_update(origin=origin, text=None, status=TicketStatus.SOLVED), a_ticket(), CUSTOMER).hold


@pytest.mark.parametrize("requester", ["mail:dewi", None, ""])
def test_a_ticket_that_changed_hands_is_held(requester):
    """The requester was merged with somebody else, or changed."""
    assert judge(an_update(), a_ticket(requester), CUSTOMER).hold


def test_letter_case_of_the_requesters_id_means_nothing():
    """The desk rewrites it."""
    assert judge(an_update(), a_ticket(CUSTOMER.upper()), CUSTOMER).hold is None


@pytest.mark.parametrize("status", [TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.HOLD])
def test_a_solved_ticket_that_is_worked_on_again_is_reopened(status):
    """The closing reply must not leave any more."""
    verdict = judge(an_update(text=None, status=status), a_ticket(), CUSTOMER)

    assert verdict.reopened


@pytest.mark.parametrize("status", [TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.HOLD])
def test_words_that_open_a_solved_ticket_again_are_said_and_reopen_it(status):
    """An agent writes once more and takes the ticket back: the closing reply must not leave either."""
    verdict = judge(an_update(status=status), a_ticket(), CUSTOMER)

    assert verdict.say is not None
    assert (verdict.reopened, verdict.solved, verdict.closed) == (True, False, False)


@pytest.mark.parametrize("update", [an_update(), an_update(text=None), an_update(stamp="an intent")])
def test_a_ticket_that_is_closed_for_good_is_told(update):
    """With words, without any, or by a trigger in an update of ours: nothing can be added to it any more."""
    verdict = judge(replace(update, status=TicketStatus.CLOSED), a_ticket(), CUSTOMER)

    assert verdict.closed
    assert not (verdict.solved or verdict.reopened)
    assert verdict.ignored is None


def test_a_rule_that_solves_along_with_our_own_update_is_held():
    """Nobody at the desk decided it, so the closing reply waits for a person; our words are not said back."""
    verdict = judge(an_update(stamp="an intent", status=TicketStatus.SOLVED), a_ticket(), CUSTOMER)

    assert verdict.solved
    assert verdict.hold
    assert verdict.say is None
