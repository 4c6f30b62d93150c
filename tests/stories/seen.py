"""What people see of a story, in the sandbox."""

from __future__ import annotations

from bridge.sandbox import Sandbox
from bridge.store.tables import Cursor
from tests.running import InProcess, eventually


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
