"""The admins' playbook text: a few marks of Markdown, read into plain data.

    # Heading          ## Smaller heading
    A paragraph, with **strong** words, *stressed* ones, `code` and [a link](https://…).
    - a list           1. a list of steps

Whatever else stands there is shown as it is written. Nothing here makes HTML: the page's
template does, and escapes every word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

_HEADING = re.compile(r"(#{1,4})\s+(.+)")
_BULLET = re.compile(r"\s*[-*]\s+(.+)")
_STEP = re.compile(r"\s*[0-9]{1,3}[.)]\s+(.+)")
# Bounded, so that a line of nothing but brackets takes linear time.
_SPAN = re.compile(
    r"\*\*(?P<strong>[^*]{1,500})\*\*"
    r"|\*(?P<em>[^*\s][^*]{0,500})\*"
    r"|`(?P<code>[^`]{1,500})`"
    r"|\[(?P<link>[^\[\]]{1,500})\]\((?P<href>(?:https?://|mailto:)[^\s()<>]{1,500})\)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """Some words. ``kind``: text, strong, em, code or link (then ``href`` is a web or mail address)."""

    text: str
    kind: str = "text"
    href: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """``kind``: heading (of ``level``, from 1), text, list or steps; a list has several ``lines``."""

    kind: str
    lines: tuple[tuple[Span, ...], ...]
    level: int = 0


def read_prose(text: str) -> tuple[Block, ...]:
    """*text* as blocks. Takes any text."""
    return tuple(_blocks(text))


def _blocks(text: str) -> Iterator[Block]:
    above = 0
    for kind, group in groupby(map(_line, text.splitlines()), key=lambda line: line[0]):
        lines = [line for _, line in group]
        if kind == "heading":
            for line in lines:
                match = _HEADING.fullmatch(line)
                # No level is skipped: who listens to the page would look for the missing one.
                above = min(len(match[1]) if match else 1, above + 1)
                yield Block(kind, (_spans(match[2] if match else line),), above)
        elif kind == "text":
            yield Block(kind, (_spans(" ".join(lines)),))
        elif kind:
            yield Block(kind, tuple(_spans(line) for line in lines))


def _line(line: str) -> tuple[str, str]:
    """The kind of block that *line* belongs to, and its words; no kind: an empty line."""
    if not line.strip():
        return "", ""
    if _HEADING.fullmatch(line.strip()):
        return "heading", line.strip()
    for kind, pattern in (("list", _BULLET), ("steps", _STEP)):
        match = pattern.fullmatch(line)
        if match:
            return kind, match[1].strip()
    return "text", line.strip()


def _spans(line: str) -> tuple[Span, ...]:
    return tuple(_split(line))


def _split(line: str) -> Iterator[Span]:
    end = 0
    for match in _SPAN.finditer(line):
        if match.start() > end:
            yield Span(line[end : match.start()])
        kind = next(name for name in ("strong", "em", "code", "link") if match[name] is not None)
        yield Span(match[kind], kind, match["href"] or "")
        end = match.end()
    if end < len(line):
        yield Span(line[end:])
