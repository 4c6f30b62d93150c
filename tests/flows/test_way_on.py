"""What is done about a call that may have happened and was not found: the rule that no reply is doubled."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.flows.ledger import Way, way_on

CALLED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
GRACE = timedelta(seconds=30)


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=2)])
def test_a_vendors_key_makes_a_second_send_harmless(after):
    """Then nobody has to wait."""
    way = way_on(at=CALLED + after, last_word_at=CALLED, grace=GRACE, covered=True, sender_done=False)

    assert Way.SEND == way


@pytest.mark.parametrize("sender_done", [True, False])
def test_not_found_proves_nothing_before_the_grace_is_over(sender_done):
    """A server may show a post late."""
    at = CALLED + GRACE - timedelta(seconds=1)

    assert Way.WAIT == way_on(at=at, last_word_at=CALLED, grace=GRACE, covered=False, sender_done=sender_done)


def test_after_the_grace_a_dead_senders_call_is_made_again():
    """Nobody else can still be sending it."""
    way = way_on(at=CALLED + GRACE, last_word_at=CALLED, grace=GRACE, covered=False, sender_done=True)

    assert Way.SEND == way


def test_after_the_grace_a_person_decides_while_the_sender_may_live():
    """A late reply is a pity, a double one is an embarrassment."""
    way = way_on(at=CALLED + GRACE, last_word_at=CALLED, grace=GRACE, covered=False, sender_done=False)

    assert Way.ASK == way
