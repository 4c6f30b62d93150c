"""What is done about a call that may have happened and was not found: the rule that no reply is doubled."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.flows.ledger import Way, way_on

CALLED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SETTLED = CALLED + timedelta(seconds=30)
LATER = SETTLED + timedelta(seconds=10)


@pytest.mark.parametrize("at", [CALLED, CALLED + timedelta(days=2)])
def test_a_vendors_key_makes_a_second_send_harmless(at):
    """Then nobody has to wait."""
    assert way_on(at=at, settled_at=SETTLED, covered=True, resends=True, over_at=None) == (Way.SEND, at)


@pytest.mark.parametrize("over_at", [CALLED, None])
def test_not_found_proves_nothing_before_the_grace_is_over(over_at):
    """A server may show a post late."""
    at = SETTLED - timedelta(seconds=1)
    way = way_on(at=at, settled_at=SETTLED, covered=False, resends=True, over_at=over_at)

    assert way == (Way.WAIT, SETTLED)


def test_after_the_grace_a_dead_senders_call_is_made_again():
    """Nobody else can still be sending it."""
    way = way_on(at=SETTLED, settled_at=SETTLED, covered=False, resends=True, over_at=CALLED)

    assert way == (Way.SEND, SETTLED)


def test_after_the_grace_a_person_decides_while_the_sender_may_live():
    """A late reply is a pity, a double one is an embarrassment."""
    way = way_on(at=SETTLED, settled_at=SETTLED, covered=False, resends=True, over_at=None)

    assert way == (Way.ASK, SETTLED)


def test_a_sender_that_was_missed_a_moment_ago_gets_the_time_of_its_call():
    """It may only have lost its session: what it had begun can still arrive."""
    way = way_on(at=SETTLED, settled_at=SETTLED, covered=False, resends=True, over_at=LATER)

    assert way == (Way.WAIT, LATER)
    assert way_on(at=LATER, settled_at=SETTLED, covered=False, resends=True, over_at=LATER) == (
        Way.SEND,
        LATER,
    )


def test_what_was_sent_often_enough_is_for_a_person():
    """However dead its sender is."""
    way = way_on(at=SETTLED, settled_at=SETTLED, covered=False, resends=False, over_at=CALLED)

    assert way == (Way.ASK, SETTLED)
