"""How long something that did not work waits before it is tried again."""

from __future__ import annotations

from datetime import timedelta

from bridge.errors import VendorBusyError, VendorError

LONGEST_WAIT = timedelta(minutes=10)  # where nothing speaks for another
_MOST_DOUBLINGS = 20  # eleven days; a hundred times more would not fit into a timedelta


def doubling(failures: int, longest: timedelta = LONGEST_WAIT) -> timedelta:
    """One second, doubled for each of so many *failures* in a row; at most *longest*."""
    return min(timedelta(seconds=2 ** min(failures, _MOST_DOUBLINGS)), longest)


def asked_for(error: VendorError) -> timedelta | None:
    """The wait that the vendor itself asked for, if it did; its room has bounded it."""
    if isinstance(error, VendorBusyError) and error.retry_after_s is not None:
        return timedelta(seconds=error.retry_after_s)
    return None


def after(error: VendorError, failures: int, longest: timedelta = LONGEST_WAIT) -> timedelta:
    """The wait that the vendor asked for, however long; else a `doubling` one."""
    asked = asked_for(error)
    return doubling(failures, longest) if asked is None else asked
