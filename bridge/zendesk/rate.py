"""What Zendesk last said about how much we may still ask.

https://developer.zendesk.com/api-reference/introduction/rate-limits/
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LONGEST_WAIT_S = 600.0
EXPORTS = "incremental-exports"
_ENDPOINT_HEADER = "zendesk-ratelimit-"
_UPDATE_OF_ONE_TICKET = re.compile(r"/api/v2/tickets/\d+(\.json)?$")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit: calls left, and the monotonic second at which it fills up again."""

    remaining: int
    resets_at: float


class RateState:
    """The buckets of one account, shared by its threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def wait_before(self, method: str, path: str) -> float | None:
        """Seconds until this call may be sent, or None when nothing speaks against it now."""
        now = self._monotonic()
        with self._lock:
            empty = [
                bucket.resets_at - now
                for name in _buckets_of(method, path)
                if (bucket := self._buckets.get(name)) and bucket.remaining <= 0 and bucket.resets_at > now
            ]
        return max(empty, default=None)

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Remember what the headers of an answer say. Headers that cannot be read are passed over."""
        now = self._monotonic()
        seen = {name.lower(): value for name, value in headers.items()}
        found: dict[str, Bucket] = {}
        remaining = _whole(seen.get("ratelimit-remaining") or seen.get("x-rate-limit-remaining"))
        if remaining is not None:
            reset = _whole(seen.get("ratelimit-reset"))
            found["account"] = Bucket(remaining, now + min(reset or 0, LONGEST_WAIT_S))
        for name, value in seen.items():
            if name.startswith(_ENDPOINT_HEADER):
                parts = dict(part.strip().split("=", 1) for part in value.split(";") if "=" in part)
                remaining, resets = _whole(parts.get("remaining")), _whole(parts.get("resets"))
                if remaining is not None:
                    key = _key(name.removeprefix(_ENDPOINT_HEADER), path)
                    found[key] = Bucket(remaining, now + min(resets or 0, LONGEST_WAIT_S))
        with self._lock:
            # Buckets of single tickets come and go: those that have filled up are dropped.
            self._buckets = {k: b for k, b in self._buckets.items() if b.resets_at > now or k == "account"}
            self._buckets.update(found)

    def remaining(self) -> dict[str, int]:
        """Calls left per bucket, as last heard."""
        with self._lock:
            return {name: bucket.remaining for name, bucket in self._buckets.items()}


def _key(bucket: str, path: str) -> str:
    # Updates are limited per ticket as well as per account, and the header does not say
    # which of the two it speaks of. One busy ticket must not stop all the others.
    if bucket == "tickets-update":
        return f"{bucket} {path}"
    return EXPORTS if bucket.startswith(EXPORTS) else bucket


def _buckets_of(method: str, path: str) -> tuple[str, ...]:
    if method == "PUT" and _UPDATE_OF_ONE_TICKET.search(path):
        return ("account", _key("tickets-update", path))
    if method == "GET" and path.removesuffix(".json").endswith("/api/v2/tickets"):
        return ("account", "tickets-index")
    if "/api/v2/incremental/" in path:
        return ("account", EXPORTS)
    if "/api/v2/search" in path:
        return ("account", "search-index")
    return ("account",)


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
