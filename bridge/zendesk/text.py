"""Makes words that are not ours safe for Zendesk.

Zendesk expands ``{{placeholders}}`` and ``{% tags %}`` in what an agent's credentials
write, renders HTML, and cuts comments at 64 kB without a word.
https://support.zendesk.com/hc/en-us/articles/4408887218330
"""

from __future__ import annotations

import html
import re

COMMENT_LIMIT_BYTES = 65_000  # a little under 64 KiB, whatever Zendesk counts as a kilobyte
SUBJECT_LIMIT = 150
NAME_LIMIT = 255
CUT = "[…]"

_OPENS_PLACEHOLDER = re.compile(r"\{(?=[{%])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOTHING_WIDE = "\u200b"


def inert(text: str) -> str:
    """*text* as a reader sees it, without a sequence that Zendesk would expand.

    A space of no width goes between the braces: an entity would be turned back into
    a brace somewhere on the way.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _OPENS_PLACEHOLDER.sub("{" + _NOTHING_WIDE, _CONTROL.sub("", whole))


def as_html(text: str) -> str:
    """*text* as an ``html_body`` with the same lines; cut visibly where it is too long."""
    lines = inert(text).replace("\r\n", "\n").replace("\r", "\n")
    escaped = _escape(lines)
    if len(escaped.encode()) <= COMMENT_LIMIT_BYTES:
        return escaped
    room = COMMENT_LIMIT_BYTES - len(CUT.encode())
    kept = []
    for character in lines:
        piece = _escape(character)
        room -= len(piece.encode())
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + CUT


def as_line(text: str, limit: int) -> str:
    """*text* on one line of at most *limit* characters, for subjects and names."""
    line = " ".join(inert(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _escape(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
