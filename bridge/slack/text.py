"""Other people's words on their way into Slack.

https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

ELLIPSIS = "…"

# Control characters, halves of surrogate pairs, and the marks that turn the direction of what follows.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_SPACE = re.compile(r"\s+")
_MARKS = re.compile(r"[*_~`]")


def length(text: str) -> int:
    """The length of *text* in UTF-16 units: what Slack counts is never more."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """*text* without what no person can see and no JSON should carry."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return _SPACE.sub(" ", clean(text)).strip()


def escape(text: str) -> str:
    """*text* so that Slack's mrkdwn shows it and obeys none of it.

    ``<!channel>``, ``<@U…>`` and ``<https://…|…>`` die with the angle brackets; a
    zero-width space on both sides keeps ``* _ ~`` and backticks from pairing up.
    """
    # The ampersand first, or the others would be escaped twice.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(lambda mark: f"\u200b{mark[0]}\u200b", text)


def verbatim(text: str) -> str:
    return text


def fit(text: str, limit: int, render: Callable[[str], str] = verbatim) -> str:
    """*text*, rendered, in at most *limit* units.

    What is too long ends in an ellipsis, and is cut between graphemes: never inside
    an emoji or an entity.
    """
    if len(text) <= limit and length(render(text)) <= limit:
        return render(text)
    kept: list[str] = []
    room = limit - 1
    # Every character costs a unit at least, so the rest cannot fit: do not even look at it.
    for grapheme in regex.finditer(r"\X", text[: limit + 1]):
        piece = render(grapheme[0])
        room -= length(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + ELLIPSIS
