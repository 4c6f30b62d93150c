"""The social team's tag source: people who say what a post is about, on any network."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.sandbox.plaza import MANNERS
from bridge.sandbox.serving import Hook, Sender
from bridge.sandbox.signing import readable_secret, standard_headers


@dataclass(frozen=True, slots=True)
class Tagging:
    """Somebody of the social team tagged a post."""

    network: str
    message_id: str
    tags: tuple[str, ...]
    by: str
    at: datetime


class TagSource:
    """Sends ``social.message.tagged`` and ``.untagged``, signed with ``secret``."""

    def __init__(self) -> None:
        self.secret = readable_secret("test-tag-source-secret-one")
        self.bridge_url: str | None = None
        self.sent: list[Tagging] = []
        self.sender = Sender("tags", MANNERS)

    def stop(self) -> None:
        self.sender.stop()

    def tag(self, network: str, message_id: str, tags: Sequence[str] | str, by: str = "ana") -> None:
        """Say that a message is about *tags*. *message_id* is the network's global id of it."""
        self._send("tagged", network, message_id, tags, by)

    def untag(self, network: str, message_id: str, tags: Sequence[str] | str, by: str = "ana") -> None:
        """Take *tags* back."""
        self._send("untagged", network, message_id, tags, by)

    def _send(self, what: str, network: str, message_id: str, tags: Sequence[str] | str, by: str) -> None:
        names = (tags,) if isinstance(tags, str) else tuple(tags)
        if what == "tagged":
            self.sent.append(Tagging(network, message_id, names, by, datetime.now(UTC)))
        if self.bridge_url is None:
            return
        now = datetime.now(UTC).isoformat()
        data = {"network": network, "id": message_id, "tags": list(names), "by": by, "at": now}
        body = json.dumps({"type": f"social.message.{what}", "timestamp": now, "data": data}).encode()
        number = f"tag_{uuid.uuid4().hex}"
        url = f"{self.bridge_url}/hooks/social/social-team-tags"
        self.sender.send(Hook(url, body, lambda: standard_headers(self.secret, number, body)))
