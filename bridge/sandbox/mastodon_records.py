"""The fake Mastodon's memory: people, statuses, notifications, idempotency keys."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

VISIBILITIES = ("public", "unlisted", "private", "direct")
MAX_CHARACTERS = 500
KEY_LIFETIME_S = 3600


@dataclass
class Person:
    id: str
    handle: str
    name: str
    token: str | None = None  # the brands' accounts have one


@dataclass
class Status:
    id: str
    author: Person
    text: str
    visibility: str
    language: str | None
    parent: Status | None
    mentioned: list[Person]
    created_at: datetime
    visible_at: float  # monotonic seconds
    by_api: bool
    edited_at: datetime | None = None


@dataclass
class Notification:
    id: str
    to: Person
    status: Status


@dataclass(frozen=True, slots=True)
class PostView:
    """A status as people see it. ``own``: a brand's account wrote it."""

    id: str
    uri: str
    url: str
    author: str
    own: bool
    text: str
    visibility: str
    parent_id: str | None
    at: datetime
    edited_at: datetime | None


class MastodonRefusalError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


@dataclass
class Keys:
    """Idempotency keys: (account, key) → (status, when)."""

    kept: dict[tuple[str, str], tuple[Status, float]] = field(default_factory=dict)

    def find(self, account: str, key: str | None) -> Status | None:
        found = self.kept.get((account, key or ""))
        return found[0] if found and found[1] + KEY_LIFETIME_S > time.monotonic() else None


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def ancestors(status: Status) -> list[Status]:
    """What *status* answers, root first."""
    found = []
    while status.parent is not None:
        status = status.parent
        found.append(status)
    return found[::-1]
