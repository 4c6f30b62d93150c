"""By when a call must have left, and its answer have come."""

from __future__ import annotations

import time

import pytest

from bridge.core import deadline
from bridge.errors import VendorBusyError


def test_a_call_has_no_more_than_its_vendors_limit():
    """However much time is left for all that it takes."""
    with deadline.within(60):
        assert deadline.time_left(5, "desk", "a write") == 5


def test_a_call_has_no_more_than_what_is_left():
    """What was asked before it has used up the rest."""
    with deadline.within(2):
        assert 1 < deadline.time_left(60, "desk", "a write") <= 2


def test_nothing_is_written_when_the_time_is_over():
    """Who looks for the call later counts on that."""
    with deadline.within(0), pytest.raises(VendorBusyError):
        deadline.time_left(60, "desk", "a write")


def test_a_deadline_ends_with_its_block():
    """A thread's next call has its own; outside of any, a vendor's limit counts alone."""
    with pytest.raises(RuntimeError), deadline.within(0):
        raise RuntimeError("a fault of ours")
    assert deadline.time_left(60, "desk", "a read") == 60


def test_an_answer_that_drips_for_too_long_is_given_up():
    """Each piece comes in time for a library's own timeout, and all of them together do not."""
    over = time.monotonic() - 1
    with pytest.raises(TimeoutError):
        list(deadline.in_time([b"a", b"b"], over))
    assert list(deadline.in_time([b"a", b"b"], time.monotonic() + 60)) == [b"a", b"b"]
