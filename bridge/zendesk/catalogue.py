"""Names that admins write, and the ids that Zendesk has for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal

from bridge.zendesk.client import ZendeskClient

# The bridge's own ticket fields: our name → the title that ``bridge setup zendesk`` gives.
FIELD_TITLES = {
    "network": "Social network",
    "permalink": "Social permalink",
    "resolution": "Public resolution",  # agents write it; closing replies may say it
}

Kind = Literal["groups", "brands", "ticket_fields"]

_TTL_S = 300.0
_MISS_TTL_S = 10.0
_MOST = 5000


class Catalogue:
    """Groups, brands and ticket fields by name, read again after five minutes.

    A name that is missing is looked for again sooner: somebody may just have made it.
    """

    def __init__(self, client: ZendeskClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, dict[str, tuple[int, str]]]] = {}

    def group(self, name: str) -> int | None:
        return self._id("groups", name)

    def brand(self, name: str) -> int | None:
        return self._id("brands", name)

    def field(self, name: str) -> int | None:
        """The id of the ticket field with our *name*, or with this title, key or id."""
        return self._id("ticket_fields", FIELD_TITLES.get(name, name))

    def names(self, kind: Kind) -> list[str]:
        """Every name of that kind, as Zendesk writes it."""
        return sorted({name for _, name in self._known(kind, "").values()})

    def _id(self, kind: Kind, name: str) -> int | None:
        wanted = _folded(name)
        found = self._known(kind, wanted).get(wanted)
        return None if found is None else found[0]

    def _known(self, kind: Kind, wanted: str) -> dict[str, tuple[int, str]]:
        """Folded name → id and name: as read last, or anew when that is old or lacks what is *wanted*."""
        with self._lock:
            at, names = self._read.get(kind, (0.0, {}))
            age = self._monotonic() - at
            if kind not in self._read or age > (_TTL_S if wanted in names else _MISS_TTL_S):
                names = self._list(kind)
                self._read[kind] = (self._monotonic(), names)
        return names

    def _list(self, kind: Kind) -> dict[str, tuple[int, str]]:
        names: dict[str, tuple[int, str]] = {}
        others: dict[str, tuple[int, str]] = {}
        with self._client.through_zenpy(f"list {kind}", repeatable=True) as zenpy:
            for entry in islice(getattr(zenpy, kind)(), _MOST):
                found = entry.to_dict()
                if _in_use(found):
                    name = str(found.get("name") or found.get("title") or "")
                    known = (int(found["id"]), name)
                    names.setdefault(_folded(name), known)
                    if kind == "ticket_fields":
                        others |= {_folded(str(one)): known for one in (found.get("key"), found["id"]) if one}
        return others | names  # a title goes first


def _in_use(entry: dict[str, Any]) -> bool:
    return entry.get("active") is not False and entry.get("deleted") is not True


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
