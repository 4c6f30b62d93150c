"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import UTC, datetime

_lock = threading.Lock()
_last = 0


def made_at(identity: str) -> datetime:
    """When an id of `new_id` was made, to the millisecond, by its maker's clock."""
    return datetime.fromtimestamp((uuid.UUID(identity).int >> 80) / 1000, UTC)


def new_id(after: str | None = None) -> str:
    """A new UUIDv7 as text, greater than all that this process has made without *after*.

    It is greater than *after*, too, which another machine may have made whose clock is ahead;
    what comes next without one may be less then.
    """
    global _last  # noqa: PLW0603 - the counter that makes ids of one process sort
    least = 0 if after is None else _stamp(uuid.UUID(after)) + 1
    with _lock:
        # Milliseconds in the upper bits, and below them the 12 bits that the RFC leaves to a counter.
        stamp = _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
    stamp = max(stamp, least)
    milliseconds, counter = stamp >> 12, stamp & 0xFFF
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return str(uuid.UUID(int=(milliseconds << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | tail))


def _stamp(identity: uuid.UUID) -> int:
    return (identity.int >> 80) << 12 | (identity.int >> 64) & 0xFFF
