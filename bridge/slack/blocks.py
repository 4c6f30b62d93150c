"""A card as Slack's blocks, and as the text for notifications. Pure.

Words that are not ours go only into ``plain_text`` and ``rich_text``, which Slack
shows as they are; no block here is mrkdwn. The fallback text is parsed whatever
the blocks are, so it is escaped.

https://docs.slack.dev/reference/block-kit/blocks and, for rich text,
https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bridge.core.card import Action, Ask, Card
from bridge.slack.text import clean, escape, fit, length, one_line

Block = dict[str, Any]

# Slack refuses at about 13,200 characters of blocks together, and documents no number.
TOTAL_LIMIT = 12_000
FALLBACK_LIMIT = 1_500
URL_LIMIT = 1_000
ACTION_PREFIX = "bridge_"
_NUMBER = "#"  # in a button's value: before the question's number

LABELS = {
    Action.CLAIM: "I'll take this",
    Action.WHY: "Why here?",
    Action.APPROVE: "Post it",
    Action.REFUSE: "Don't",
    Action.THERE_ALREADY: "It is there already",
}
_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


@dataclass(frozen=True, slots=True)
class Room:
    """How much of what grows there is room for."""

    post: int
    ask: int
    asks: int
    lines: int


# From roomy to narrow. The post and the history give way first: a person who
# approves a text must have seen the whole of it.
ROOMS = (
    Room(post=2500, ask=2900, asks=5, lines=10),
    Room(post=800, ask=2900, asks=5, lines=5),
    Room(post=300, ask=2900, asks=3, lines=3),
    Room(post=300, ask=2900, asks=1, lines=3),
    Room(post=300, ask=900, asks=1, lines=1),
)


def action_id(action: Action) -> str:
    """The stable name of *action*'s button."""
    return ACTION_PREFIX + action.value


def button_value(subject: str, question: int) -> str:
    """What a button carries: the case, or the intent and which question about it is asked.

    The first question goes without its number, as in versions that asked no other.
    """
    return subject if question == 1 else f"{subject}{_NUMBER}{question}"


def read_button_value(carried: str) -> tuple[str, int]:
    """The subject and the question in the *value* of a button."""
    subject, _, number = carried.rpartition(_NUMBER)
    is_numbered = subject and number.isascii() and number.isdigit() and len(number) < 10
    return (subject, int(number)) if is_numbered else (carried, 1)


def render(card: Card) -> tuple[list[Block], str]:
    """The blocks of *card*, and the text for where no blocks are shown.

    At most 50 blocks and `TOTAL_LIMIT` characters, whatever the card holds.
    """
    for room in ROOMS:
        blocks = _blocks(card, room)
        if size(blocks) <= TOTAL_LIMIT:
            break
    return blocks, fallback(card)


def render_note(text: str, link: str | None = None) -> tuple[list[Block], str]:
    """A note: *text* as it is, with *link* to open, and the text for notifications."""
    shown = fit(clean(text), 3000) or "…"
    parts = [_words(shown)]
    if web := _web(link):
        parts += [_words("   "), _linked("open it", web)]
    return [_rich(_section(*parts))], fit(shown, FALLBACK_LIMIT, escape)


def size(blocks: list[Block]) -> int:
    """The length of *blocks* as Slack is sent them."""
    return length(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def fallback(card: Card) -> str:
    """One paragraph of mrkdwn, escaped: the stage, whose post, and how it begins."""
    where = " · ".join(one_line(part) for part in (card.brand, card.network, card.author) if part)
    text = f"{one_line(card.stage).capitalize()}: {one_line(card.title)} ({where}) {one_line(card.text)}"
    return fit(text, FALLBACK_LIMIT, escape)


def _blocks(card: Card, room: Room) -> list[Block]:
    blocks = [_header(card)]
    if card.receipt:
        blocks.append(_rich(_receipt(card.receipt, card.receipt_url)))
    if post := clean(card.text).strip():
        blocks.append(_rich(_quote(fit(post, room.post))))
    blocks.append(_rich(_facts(card)))
    if next_step := _pair("Next", card.next_step, 300):
        blocks.append(_rich(_section(*next_step)))
    for ask in card.asks[: room.asks]:
        blocks += _ask(ask, room.ask)
    if len(card.asks) > room.asks:
        more = len(card.asks) - room.asks
        blocks.append(_rich(_section(_bold(f"{more} more wait for a person: bridge intent list"))))
    if card.actions:
        blocks.append(_buttons(card.actions, card.case_id))
    if card.timeline:
        lines = [fit(one_line(line), 140) for line in card.timeline[-room.lines :]]
        blocks.append(_context("\n".join(line for line in lines if line) or "…"))
    return blocks


def _header(card: Card) -> Block:
    stage = fit(one_line(card.stage).capitalize(), 40)
    text = fit(f"{stage} · {one_line(card.title)}", 150)
    return {"type": "header", "text": _plain(text)}


def _facts(card: Card) -> Block:
    """Lines of label and value: whose, from whom; where it went and why; until when; what to open."""
    rows = [
        [_pair("Brand", card.brand), _pair("On", card.network), _pair("By", card.author)],
        [_pair("Queue", card.queue), _pair("Route", card.route), _pair("Priority", card.priority)],
        [_pair("Severity", card.severity), _pair("Also told", ", ".join(card.copies), 200)],
        [_promise(card), _pair("Public reply", card.light, 200)],
        [_claimed(card.claimed_by), _ticket(card), _post(card.permalink)],
    ]
    lines = [_between("   ", [pair for pair in row if pair]) for row in rows]
    # One section with breaks in it: Slack sets sections that follow each other on one line.
    return _section(*(_between("\n", [line for line in lines if line]) or [_words("…")]))


def _between(gap: str, groups: list[list[Block]]) -> list[Block]:
    return [part for group in groups for part in (_words(gap), *group)][1:]


def _pair(label: str, value: str | None, limit: int = 80) -> list[Block]:
    shown = fit(one_line(value or ""), limit)
    return [_bold(f"{label} "), _words(shown)] if shown else []


def _promise(card: Card) -> list[Block]:
    if card.promise_at is None:
        return []
    at = card.promise_at.astimezone(ZoneInfo(card.zone))
    date = {
        "type": "date",
        "timestamp": int(at.timestamp()),
        "format": "{date_short_pretty} at {time}",
        "fallback": f"{at:%Y-%m-%d %H:%M} ({card.zone})",
    }
    return [_bold("Promised by "), date]


def _claimed(user_id: str | None) -> list[Block]:
    if user_id is None:
        return []
    if _USER_ID.fullmatch(user_id):
        return [_bold("Claimed by "), {"type": "user", "user_id": user_id}]
    return _pair("Claimed by", user_id)


def _ticket(card: Card) -> list[Block]:
    number = fit(one_line(card.ticket_id or ""), 40)
    return [_bold("Ticket "), _linked(f"#{number}", card.ticket_url)] if number else []


def _post(permalink: str | None) -> list[Block]:
    return [_bold("Post "), _linked("open the thread", permalink)] if _web(permalink) else []


def _linked(text: str, url: str | None) -> Block:
    """*text* as a link where *url* is one that a browser may open, else as words."""
    web = _web(url)
    return {"type": "link", "url": web, "text": text} if web else _words(text)


def _web(url: str | None) -> str | None:
    if url is None or len(url) > URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _receipt(receipt: str, url: str | None) -> Block:
    words = fit(one_line(receipt).capitalize(), 200) or "…"
    parts = [_bold(words)]
    if _web(url):
        parts += [_words("   "), _linked("see it there", url)]
    return _section(*parts)


def _ask(ask: Ask, room: int) -> list[Block]:
    text = clean(ask.text).strip()
    shown = fit(text, room) or "…"
    reason = _section(_bold("Waits for a person  "), _words(fit(one_line(ask.reason), 300) or "…"))
    lines = [reason, _quote(shown)]
    actions = ask.actions
    if length(text) > room:
        # Nobody approves what they have not seen whole.
        actions = tuple(action for action in actions if action is not Action.APPROVE)
        then = f"bridge intent approve {one_line(ask.intent_id)}"
        hint = f"Too long to show whole: bridge intent list, then {then}"
        lines.append(_section(_words(fit(hint, 200))))
    blocks = [_rich(*lines)]
    if actions:
        blocks.append(_buttons(actions, button_value(ask.intent_id, ask.question)))
    return blocks


def _buttons(actions: tuple[Action, ...], carried: str) -> Block:
    unique = dict.fromkeys(actions)
    return {"type": "actions", "elements": [_button(action, carried) for action in unique]}


def _button(action: Action, carried: str) -> Block:
    button: Block = {
        "type": "button",
        "action_id": action_id(action),
        "text": _plain(LABELS[action]),
        "value": carried,
    }
    if action is Action.APPROVE:
        button["style"] = "primary"
        button["confirm"] = {
            "title": _plain("Post it in public?"),
            "text": _plain("The text goes out on the thread as it stands here, in the brand's name."),
            "confirm": _plain("Post it"),
            "deny": _plain("Not yet"),
        }
    return button


def _rich(*elements: Block) -> Block:
    return {"type": "rich_text", "elements": list(elements)}


def _section(*elements: Block) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def _quote(text: str) -> Block:
    return {"type": "rich_text_quote", "elements": [_words(text)]}


def _words(text: str) -> Block:
    return {"type": "text", "text": text}


def _bold(text: str) -> Block:
    return {"type": "text", "text": text, "style": {"bold": True}}


def _plain(text: str) -> Block:
    # Without emoji, or `:skull:` in a customer's name becomes one.
    return {"type": "plain_text", "text": text, "emoji": False}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text)]}
