"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from datetime import UTC, datetime

_lock = threading.Lock()
_last = 0
# Nobody has to be unable to guess an id, and asking the system for each lets other threads go first.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)


def made_at(identity: str) -> datetime:
    """When an id of `new_id` was made, to the millisecond, by its maker's clock."""
    return datetime.fromtimestamp((uuid.UUID(identity).int >> 80) / 1000, UTC)


def new_id(after: str | None = None) -> str:
    """A new UUIDv7 as text, greater than all that this process has made without *after*.

    It is greater than *after*, too, which another machine may have made whose clock is ahead;
    what comes next without one may be less then.
    """
    global _last  # noqa: PLW0603 - the counter that makes ids of one process sort
    least = 0 if after is None else _stamp(after) + 1
    with _lock:
        # Milliseconds in the upper bits, and below them the 12 bits that the RFC leaves to a counter.
        stamp = _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
    stamp = max(stamp, least)
    milliseconds, counter = stamp >> 12, stamp & 0xFFF
    tail = 0b10 << 62 | _random.getrandbits(62)
    digits = f"{milliseconds << 80 | 0x7 << 76 | counter << 64 | tail:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _stamp(identity: str) -> int:
    number = int(identity.replace("-", ""), 16)
    return (number >> 80) << 12 | (number >> 64) & 0xFFF
