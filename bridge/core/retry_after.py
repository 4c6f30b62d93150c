"""How long a vendor asks us to wait: the header ``Retry-After``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


def retry_after_s(value: str | None, now: datetime, longest_s: float) -> float | None:
    """Seconds in a ``Retry-After``, from 0 to *longest_s*; None when it says nothing readable.

    A number of seconds, also with a fraction as some vendors send it, or an HTTP date
    (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3), measured from *now*: one
    that has passed means 0. Raises nothing, whatever *value* is.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), longest_s)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # A year of twenty digits is an OverflowError.
        return None
    wait_s = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(wait_s, 0.0), longest_s)
