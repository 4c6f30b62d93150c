"""What people see of a story, in the sandbox."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from bridge.core.intent import IntentState
from bridge.sandbox import Sandbox
from bridge.store.tables import Cursor, Delivery, Intent, Message
from tests.running import InProcess, eventually


class Ahead:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by

    def rule(self, running: InProcess) -> None:
        """Be that bridge's clock."""
        running.bridge.world.clock = running.bridge.door.clock = self

    def hurry(self, until: Callable[[], object], *, within: float = 20.0, what: str = "") -> None:
        """Wait for something, and let nobody sit out the waits in between; at most for three minutes."""
        end = time.monotonic() + within
        while not until():
            assert time.monotonic() < end, f"did not come about within {within} s: {what or until}"
            time.sleep(0.05)
            if self.by < timedelta(minutes=3):
                self.by += timedelta(seconds=0.3)


def the_ticket(sandbox: Sandbox, count: int = 1):
    tickets = eventually(
        lambda: len(sandbox.zendesk.tickets()) >= count and sandbox.zendesk.tickets(), what="a ticket"
    )
    return tickets[-1]


def the_card(sandbox: Sandbox, channel: str, words: str = ""):
    return eventually(
        lambda: next((card for card in sandbox.slack.cards(channel) if words in card.words), None),
        what=f"a card in {channel} that says {words!r}",
    )


def brand_posts(site) -> list:
    return [post for post in site.posts() if post.own]


def first_poll(running: InProcess) -> None:
    """Wait until the first poll has set its mark: what was there before is not raked up."""

    def marked() -> bool:
        with running.database.read() as tx:
            cursor = tx.get(Cursor, "poll:kopi-mastodon")
            return cursor is not None and cursor.value is not None

    eventually(marked, what="the first poll")


def quiet(running: InProcess) -> bool:
    """Whether everything that came in was understood, and everything that was asked for is done or held."""
    open_ = (IntentState.APPROVED, IntentState.SENDING)
    with running.database.read() as tx:
        waiting = (
            select(func.count()).select_from(Delivery).where(Delivery.state == "received"),
            select(func.count()).select_from(Message).where(Message.due_at.is_not(None)),
            select(func.count()).select_from(Intent).where(Intent.state.in_(open_)),
        )
        return not any(tx.scalar(query) for query in waiting)


def doubled(sandbox: Sandbox) -> list[str]:
    """What is outside more than once and carries the same mark of ours: never anything, one hopes."""
    with sandbox.zendesk.lock, sandbox.slack.lock:
        seen = Counter([*_stamps(sandbox), *_keys(sandbox), *_tickets(sandbox)])
    return [f"{mark}: {times} times" for mark, times in seen.items() if times > 1]


def _stamps(sandbox: Sandbox) -> Iterator[str]:
    for ticket in sandbox.zendesk.records.tickets.values():
        for audit in ticket.audits:
            if "bridge_stamp" in audit.custom:
                yield f"update {audit.custom['bridge_stamp']}"


def _keys(sandbox: Sandbox) -> Iterator[str]:
    for channel in sandbox.slack.channels.values():
        for one in channel.messages:
            key = ((one.metadata or {}).get("event_payload") or {}).get("key")
            if key is not None:
                yield f"message in Slack {key}"


def _tickets(sandbox: Sandbox) -> Iterator[str]:
    for ticket in sandbox.zendesk.records.tickets.values():
        if ticket.values["external_id"]:
            yield f"ticket {ticket.values['external_id']}"
