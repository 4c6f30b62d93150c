"""By when a call must have left this process, and by when its answer must have come.

Who finds a call that nobody has settled must be able to tell from when on nothing can come of it any
more. So a call has its time from the moment at which it was written down, and whatever a vendor's room
does before it writes (signing in, asking for a group or a channel) is part of that time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bridge.errors import VendorBusyError

# A variable of the context and no argument: the vendors' libraries have no way to hand one through.
_UNTIL: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What the block writes outside must have been written *seconds* from now."""
    token = _UNTIL.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _UNTIL.reset(token)


def time_left(limit_s: float, vendor: str, operation: str) -> float:
    """The seconds that a write may take, *limit_s* at the most; asked for right before it.

    Raises VendorBusyError when there are none left: nothing was written.
    """
    until = _UNTIL.get()
    if until is None:
        return limit_s
    left = until - time.monotonic()
    if left <= 0:
        raise VendorBusyError(vendor, operation, "what has to be asked before it took too long")
    return min(left, limit_s)


def in_time(pieces: Iterable[bytes], until: float) -> Iterator[bytes]:
    """The *pieces* of an answer as they come.

    Raises TimeoutError after one that came later than *until*, a second of ``time.monotonic()``. A
    library's own timeout is for one read: a server that drips would hold a thread for ever.
    """
    for piece in pieces:
        yield piece
        if time.monotonic() > until:
            raise TimeoutError
