"""How long something that did not work waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.errors import VendorBusyError, VendorUnclearError
from bridge.flows import backoff

A_MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1), (1, 2), (5, 32), (6, 60), (100_000, 60)])
def test_each_failure_doubles_the_wait_up_to_the_longest(failures: int, seconds: int):
    """A vendor that is back is asked within a minute, however long it was away."""
    assert timedelta(seconds=seconds) == backoff.doubling(failures, A_MINUTE)


def test_the_wait_that_a_vendor_asks_for_is_neither_shortened_nor_made_longer():
    """Its "too many requests" says when to come again; sooner would be refused."""
    asked = VendorBusyError("desk", "open_ticket", status=429, retry_after_s=600.0)
    assert timedelta(minutes=10) == backoff.after(asked, 1, A_MINUTE)
    asked = VendorBusyError("desk", "open_ticket", status=429, retry_after_s=0.5)
    assert timedelta(seconds=0.5) == backoff.after(asked, 5, A_MINUTE)


@pytest.mark.parametrize(
    "error", [VendorBusyError("desk", "open_ticket"), VendorUnclearError("desk", "open_ticket")]
)
def test_a_vendor_that_says_nothing_gets_more_time_after_each_failure(error):
    """Whether it was busy, or nobody knows what it did."""
    assert timedelta(seconds=8) == backoff.after(error, 3, A_MINUTE)
