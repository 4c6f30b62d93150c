"""The fake Zendesk's rate limits: sliding windows, and the headers that tell of them.

https://developer.zendesk.com/api-reference/introduction/rate-limits/
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests are allowed in a window; None: as many as you like.

    The defaults are a Suite Professional's. ``user_upserts_per_second`` is 1 in the real
    thing and off here, so that a test does not wait for it unless it wants to.
    """

    account_per_minute: int = 400
    ticket_updates_per_minute: int = 100
    updates_per_ticket_in_ten_minutes: int = 30
    exports_per_minute: int = 10
    user_upserts_per_second: int | None = None


class Windows:
    """Counts hits per bucket. Callers hold the fake's lock."""

    def __init__(self) -> None:
        self._hits: dict[str, deque[float]] = defaultdict(deque)

    def hit(self, bucket: str, total: int, window_s: float) -> tuple[int, int]:
        """Count one hit; return what remains (below 0: refused) and the seconds until a place is free."""
        now = time.monotonic()
        hits = self._hits[bucket]
        while hits and hits[0] <= now - window_s:
            hits.popleft()
        if len(hits) >= total:
            return -1, max(1, math.ceil(hits[0] + window_s - now))
        hits.append(now)
        return total - len(hits), math.ceil(hits[0] + window_s - now)


class Meter:
    """Applies Limits to requests and collects the headers of their answers."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._windows = Windows()

    def measure(
        self, operation: str, ticket_id: int | None, actor_id: int
    ) -> tuple[dict[str, str], int | None]:
        """The rate headers of a request, and the seconds to wait if it is refused (429)."""
        limits = self.limits
        total = limits.account_per_minute
        remaining, resets = self._windows.hit("account", total, 60)
        left = max(0, remaining)
        headers = {
            "X-Rate-Limit": str(total),
            "X-Rate-Limit-Remaining": str(left),
            "ratelimit-limit": str(total),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(resets),
        }
        wait = resets if remaining < 0 else None
        for name, bucket, most, window_s in self._buckets(operation, ticket_id, actor_id):
            remaining, resets = self._windows.hit(bucket, most, window_s)
            if name:
                headers[name] = f"total={most}; remaining={max(0, remaining)}; resets={resets}"
            if remaining < 0:
                wait = max(wait or 0, resets)
        return headers, wait

    def _buckets(
        self, operation: str, ticket_id: int | None, actor_id: int
    ) -> list[tuple[str | None, str, int, float]]:
        """(header, bucket, total, window in seconds) of what *operation* counts against."""
        limits = self.limits
        if operation in ("update_ticket", "add_tags", "remove_tags"):
            own = f"ticket {ticket_id} by {actor_id}"
            return [
                ("Zendesk-RateLimit-tickets-update", "updates", limits.ticket_updates_per_minute, 60),
                (None, own, limits.updates_per_ticket_in_ten_minutes, 600),
            ]
        if operation == "export_tickets":
            return [("Zendesk-RateLimit-incremental-exports", "exports", limits.exports_per_minute, 60)]
        if operation == "register_user" and limits.user_upserts_per_second is not None:
            return [(None, "upserts", limits.user_upserts_per_second, 1)]
        return []
