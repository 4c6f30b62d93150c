"""Mastodon's texts: HTML to plain text, and a post's length as the server counts it. Pure."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement
from bs4.exceptions import ParserRejectedMarkup

from bridge.networks.limit import graphemes

URL_LENGTH = 23

# Servers allow 500 characters as they come, some of them tens of thousands; markup makes more of them.
LONGEST_HTML = 100_000

_UNSEEN = frozenset({"script", "style", "template", "head", "title", "noscript", "iframe", "object"})
_BLOCKS = ("p", "div", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6")
# What stands before and after an element.
_AROUND = (
    dict.fromkeys(_BLOCKS, ("\n\n", "\n\n")) | dict.fromkeys(("li", "tr"), ("", "\n")) | {"br": ("\n", "")}
)
# An address is found first, so that what looks like a mention inside of it is none.
_ENTITIES = re.compile(
    r"""https?://[^\s<>"']*[^\s<>"'.,;:!?)\]}]
    | (?<![=/\w]) @ (?P<user>\w+(?:[\w.-]*\w)?) (?: @ (?P<host>[\w.-]*\w) )?""",
    re.IGNORECASE | re.VERBOSE,
)


def plain_text(html: str) -> str:
    """The words of a post's ``content``.

    Paragraphs are parted by an empty line. A link shows its whole address, also
    the part that Mastodon hides. Of more than LONGEST_HTML characters the rest is not
    read. Raises nothing, and takes a time that grows as the text does, whatever stands in it.
    """
    html = html[:LONGEST_HTML]
    # What begins behind the last ">" is no tag, and the parser would look for its end again and again.
    closed, end, rest = html.rpartition(">")
    try:
        # The div: bs4 warns about a text that looks like a file name or a link all by itself.
        soup = BeautifulSoup(f"<div>{closed}{end}{rest.replace('<', '&lt;')}", "html.parser")
    except ParserRejectedMarkup:
        return unescape(re.sub(r"<[^>]*>?", " ", html)).strip()
    text = "\n".join(line.strip(" \t") for line in _words(soup).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


class _Link:
    """A link whose words are being read. On the walk's stack it stands for the link's end."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.words: list[str] = []

    def ending(self) -> str:
        """The address, where the words hide it. Mentions and hashtags stay as they are."""
        words = "".join(self.words)
        if not self._address.startswith(("http://", "https://")) or words.lstrip().startswith(("@", "#")):
            return ""
        return "" if "://" in words else f" ({self._address})"


def _words(soup: BeautifulSoup) -> str:
    """Everything that is shown, in one walk: bs4's own changes to a tree take a look at all of it each."""
    words: list[str] = []
    link: _Link | None = None
    # What is still to come, the next thing last. A str of no class of bs4's is written as it stands.
    ahead: list[PageElement | _Link | str] = [soup]
    while ahead:
        each = ahead.pop()
        if isinstance(each, Tag):
            if each.name in _UNSEEN:
                continue
            before, after = _AROUND.get(each.name, ("", ""))
            words.append(before)
            ahead.append(after)
            if each.name == "a":
                # There is no link inside of a link: the next one ends the one before it.
                words.append(link.ending() if link else "")
                link = _Link(str(each.get("href", "")))
                ahead.append(link)
            ahead.extend(reversed(each.contents))
        elif isinstance(each, _Link):
            if each is link:
                words.append(link.ending())
                link = None
        # Only strings of this very class: comments and CDATA sections are subclasses.
        elif type(each) is NavigableString:
            words.append(each)
            if link:
                link.words.append(each)
        elif type(each) is str:
            words.append(each)
    return "".join(words)


def length(text: str) -> int:
    """How many characters Mastodon counts in *text*.

    Grapheme clusters; an address counts 23, and a mention without its server.
    https://docs.joinmastodon.org/user/posting/#text
    """

    def as_counted(entity: re.Match[str]) -> str:
        return f"@{entity['user']}" if entity["user"] else "x" * URL_LENGTH

    return graphemes(_ENTITIES.sub(as_counted, text))


def mentions(text: str) -> set[str]:
    """The people that *text* mentions, as ``user`` or ``user@host``, in small letters."""
    people = (entity.group("user", "host") for entity in _ENTITIES.finditer(text) if entity["user"])
    return {"@".join(filter(None, person)).casefold() for person in people}


def folded(text: str) -> str:
    """*text* as it is compared: a server may change white space and how a mention is written."""

    def bare(entity: re.Match[str]) -> str:
        return f"@{entity['user']}".casefold() if entity["user"] else entity[0]

    return " ".join(unicodedata.normalize("NFC", _ENTITIES.sub(bare, text)).split())
