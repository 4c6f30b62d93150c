"""What the page shows, as plain data: threads, tickets, channels, and what happened when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias

from bridge.sandbox.loops import Loop, Said, loops
from bridge.sandbox.slack import CardView
from bridge.sandbox.world import Sandbox
from bridge.sandbox.zendesk import TicketView

Json: TypeAlias = dict[str, Any]

NETWORKS = {"plaza": "Plaza", "mastodon": "Mastodon"}


def page_state(sandbox: Sandbox, notices: list[tuple[datetime, str]]) -> Json:
    """Everything on the page but the bridge's pulse. *notices* are lines of the page's own."""
    found = loops(sandbox)
    by_ticket = {ticket.id: loop.number for loop in found for ticket in loop.tickets}
    by_card = {card.ts: loop.number for loop in found for card in loop.cards}
    happened = sorted(_happened(sandbox, found, by_ticket, by_card, notices), key=lambda one: one[0])
    return {
        "loops": [_loop(loop) for loop in found],
        "tickets": [_ticket(ticket, by_ticket.get(ticket.id)) for ticket in sandbox.zendesk.tickets()],
        "cards": [_card(sandbox, card, by_card.get(card.ts)) for card in sandbox.slack.cards()],
        "whispers": [
            {"id": str(number), "title": one["text"], "parts": one["parts"]}
            for number, one in enumerate(sandbox.slack.whispers, 1)
        ],
        "timeline": [
            {"id": f"{number} {text}", "at": at.isoformat(), "text": text, "case": case}
            for number, (at, text, case) in enumerate(happened)
        ],
    }


def _loop(loop: Loop) -> Json:
    return {
        "case": loop.number,
        "network": NETWORKS[loop.root.network],
        "customer": loop.root.author,
        "steps": [{"label": label, "done": done} for label, done in loop.steps()],
        "posts": [_post(post) for post in loop.posts],
    }


def _post(post: Said) -> Json:
    return {
        "network": post.network,
        "id": post.id,
        "url": post.url,
        "author": post.author,
        "own": post.own,
        "text": post.text,
        "at": post.at.isoformat(),
        "edited": post.edited_at is not None,
        "deleted": post.deleted,
        "answer": post.parent_id is not None,
        "tags": list(post.tags),
    }


def _ticket(ticket: TicketView, case: int | None) -> Json:
    return {
        "id": ticket.id,
        "case": case,
        "subject": ticket.subject,
        "status": ticket.status,
        "facts": [
            {"label": label, "value": value}
            for label, value in (
                ("Group", ticket.group),
                ("Brand", ticket.brand),
                ("Priority", ticket.priority),
                ("Requester", ticket.requester),
                ("Assignee", ticket.assignee),
                ("Tags", ", ".join(ticket.tags)),
            )
            if value
        ],
        "comments": [
            {
                "id": one.id,
                "author": one.author,
                "staff": one.by_staff,
                "public": one.public,
                "text": one.text,
                "at": one.at.isoformat(),
            }
            for one in ticket.comments
        ],
    }


def _card(sandbox: Sandbox, card: CardView, case: int | None) -> Json:
    return {
        "channel": card.channel,
        "channel_name": card.channel_name,
        "ts": card.ts,
        "case": case,
        "parts": list(card.parts),
        "at": card.at.isoformat(),
        "edited": card.edited_at is not None,
        "thread": [
            {"ts": one.ts, "text": one.words, "at": one.at.isoformat()}
            for one in sandbox.slack.thread(card.ts)
        ],
    }


Happened: TypeAlias = tuple[datetime, str, int | None]


def _happened(
    sandbox: Sandbox,
    found: list[Loop],
    by_ticket: dict[int, int],
    by_card: dict[str, int],
    notices: list[tuple[datetime, str]],
) -> Iterator[Happened]:
    yield from ((at, text, None) for at, text in notices)
    by_post = {post.global_id: loop.number for loop in found for post in loop.posts}
    for loop in found:
        for post in loop.posts:
            deed = "answered" if post.own else "wrote"
            who = f"{post.author.title()}, the brand," if post.own else post.author
            yield post.at, f"{who} {deed} on {NETWORKS[post.network]}", loop.number
    for one in list(sandbox.tags.sent):
        text = f"The social team tagged a post: {', '.join(one.tags)}"
        yield one.at, text, by_post.get(one.message_id)
    for ticket in sandbox.zendesk.tickets():
        yield from ((at, text, by_ticket.get(ticket.id)) for at, text in _of_ticket(ticket))
    for card in sandbox.slack.cards():
        yield card.at, f"A card appeared in #{card.channel_name}", by_card.get(card.ts)
        if card.edited_at is not None:
            yield (
                card.edited_at,
                f"The card in #{card.channel_name} was brought up to date",
                by_card.get(card.ts),
            )
    for press in list(sandbox.slack.presses):
        heard = "" if 200 <= press.status < 300 else f", and the bridge answered {press.status or 'nothing'}"
        yield press.at, f"{press.user} pressed “{press.label}”{heard}", by_card.get(press.ts)


def _of_ticket(ticket: TicketView) -> Iterator[tuple[datetime, str]]:
    where = f" in {ticket.group}" if ticket.group else ""
    yield ticket.created_at, f"Ticket #{ticket.id} opened{where}"
    for comment in ticket.comments[1:]:
        what = "commented publicly" if comment.public else "left an internal note"
        yield comment.at, f"{comment.author} {what} on #{ticket.id}"
    for one in ticket.history:
        yield one.at, f"{one.by} set #{ticket.id} to {one.status}"
