"""Which posts, tickets and cards belong together, told as a person would tell: by what they show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bridge.sandbox.slack import CardView
from bridge.sandbox.world import Sandbox
from bridge.sandbox.zendesk import TicketView

# How a case may end, as receipts are worded.
RECEIPTS = (
    "closed publicly",
    "closed privately",
    "closed by hand",
    "not closable",
    "customer gone",
    "no public reply asked",
)


@dataclass(frozen=True, slots=True)
class Said:
    """One post on either network. ``id`` is what its fake calls it, ``global_id`` what the world does."""

    network: str
    id: str
    global_id: str
    url: str
    author: str
    own: bool
    text: str
    at: datetime
    edited_at: datetime | None
    deleted: bool
    root_id: str
    parent_id: str | None
    tags: tuple[str, ...] = ()


@dataclass
class Loop:
    """One thread, and what stands for it in the desk and in the team's channels.

    ``number`` counts threads from 1 in the order of their first posts.
    """

    number: int
    posts: list[Said]
    tickets: list[TicketView] = field(default_factory=list)
    cards: list[CardView] = field(default_factory=list)

    @property
    def root(self) -> Said:
        return self.posts[0]

    @property
    def answers(self) -> list[Said]:
        """What the brand said in public, oldest first."""
        return [post for post in self.posts if post.own and not post.deleted]

    def solved_at(self) -> datetime | None:
        """When a ticket of this thread was solved last."""
        times = [
            one.at for ticket in self.tickets for one in ticket.history if one.status in ("solved", "closed")
        ]
        return max(times, default=None)

    def receipt_on_card(self) -> str | None:
        """The receipt that a card shows."""
        return next((found for card in self.cards if (found := _receipt_in(card.words))), None)

    def receipt_on_ticket(self) -> str | None:
        """The receipt that an internal note of a ticket shows."""
        notes = [one.text for ticket in self.tickets for one in ticket.comments if not one.public]
        return next((found for note in notes if (found := _receipt_in(note))), None)

    def steps(self) -> list[tuple[str, bool]]:
        """The way round the loop: each station, and whether this thread has passed it."""
        solved = any(ticket.status in ("solved", "closed") for ticket in self.tickets)
        receipt = self.receipt_on_card() or self.receipt_on_ticket()
        return [
            ("Post", True),
            ("Ticket", bool(self.tickets)),
            ("Card", bool(self.cards)),
            ("Answer", bool(self.answers)),
            ("Solved", solved),
            ("Receipt", bool(receipt)),
        ]


def _receipt_in(text: str) -> str | None:
    low = text.lower()
    return next((receipt for receipt in RECEIPTS if receipt in low), None)


def loops(sandbox: Sandbox) -> list[Loop]:
    """Every thread of both networks with its tickets and cards, oldest first."""
    threads: dict[tuple[str, str], list[Said]] = {}
    for post in sorted(_said(sandbox), key=lambda one: one.at):
        threads.setdefault((post.network, post.root_id), []).append(post)
    found = [Loop(number, posts) for number, posts in enumerate(threads.values(), 1)]
    for ticket in sandbox.zendesk.tickets():
        loop = _of_ticket(found, ticket)
        if loop is not None:
            loop.tickets.append(ticket)
    for card in sandbox.slack.cards():
        loop = _of_card(found, card)
        if loop is not None:
            loop.cards.append(card)
    return found


def _said(sandbox: Sandbox) -> list[Said]:
    tags: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in list(sandbox.tags.sent):
        key = one.network, one.message_id
        tags[key] = tuple(dict.fromkeys(tags.get(key, ()) + one.tags))
    network = sandbox.plaza.network
    posts = [
        Said(
            "plaza",
            post.id,
            post.id,
            post.url,
            post.author,
            post.own,
            post.text,
            post.at,
            post.edited_at,
            post.deleted,
            post.root_id,
            post.parent_id,
            tags.get((network, post.id), ()),
        )
        for post in sandbox.plaza.posts()
    ]
    roots: dict[str, str] = {}
    for status in sandbox.mastodon.posts():
        roots[status.id] = roots.get(status.parent_id or "", status.parent_id or status.id)
        posts.append(
            Said(
                "mastodon",
                status.id,
                status.uri,
                status.url,
                status.author,
                status.own,
                status.text,
                status.at,
                status.edited_at,
                False,
                roots[status.id],
                status.parent_id,
                tags.get(("mastodon", status.uri), ()),
            )
        )
    return posts


def _of_ticket(found: list[Loop], ticket: TicketView) -> Loop | None:
    words = "\n".join(comment.text for comment in ticket.comments)
    by_source = {one.id: loop for loop in found for one in loop.tickets}
    if ticket.follow_up_of in by_source:
        return by_source[ticket.follow_up_of]
    return _by_link(found, words, ()) or _by_text(found, words)


def _of_card(found: list[Loop], card: CardView) -> Loop | None:
    return _by_link(found, card.words, card.links) or _by_text(found, card.words)


def _by_link(found: list[Loop], words: str, links: tuple[str, ...]) -> Loop | None:
    for loop in found:
        for post in loop.posts:
            if post.url in links or post.url in words or post.global_id in words:
                return loop
    return None


def _by_text(found: list[Loop], words: str) -> Loop | None:
    told = " ".join(words.split())
    return next((loop for loop in reversed(found) if " ".join(loop.root.text.split()) in told), None)
