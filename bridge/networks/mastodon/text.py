"""Mastodon's texts: HTML to plain text, and a post's length as the server counts it. Pure."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString
from bs4.exceptions import ParserRejectedMarkup

from bridge.networks.limit import graphemes

URL_LENGTH = 23

_UNSEEN = ("script", "style", "template", "head", "title", "noscript", "iframe", "object")
_BLOCKS = ("p", "div", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6")
_LINES = ("li", "tr")
# An address is found first, so that what looks like a mention inside of it is none.
_ENTITIES = re.compile(
    r"""https?://[^\s<>"']*[^\s<>"'.,;:!?)\]}]
    | (?<![=/\w]) @ (?P<user>\w+(?:[\w.-]*\w)?) (?: @ (?P<host>[\w.-]*\w) )?""",
    re.IGNORECASE | re.VERBOSE,
)


def plain_text(html: str) -> str:
    """The words of a post's ``content``.

    Paragraphs are parted by an empty line. A link shows its whole address, also
    the part that Mastodon hides. Raises nothing.
    """
    try:
        # The div: bs4 warns about a text that looks like a file name or a link all by itself.
        soup = BeautifulSoup(f"<div>{html}", "html.parser")
    except ParserRejectedMarkup:
        return unescape(re.sub(r"<[^>]*>?", " ", html)).strip()
    for unseen in soup(_UNSEEN):
        unseen.decompose()
    for link in soup("a"):
        _spell_out(link)
    for line_break in soup("br"):
        line_break.replace_with("\n")
    for line in soup(_LINES):
        line.insert_after("\n")
    for block in soup(_BLOCKS):
        block.insert_before("\n\n")
        block.insert_after("\n\n")
    # Only strings of this very class: comments and CDATA sections are subclasses.
    text = soup.get_text(types=(NavigableString,))
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _spell_out(link: Tag) -> None:
    """Put the address behind a link whose words hide it. Mentions and hashtags stay as they are."""
    address = str(link.get("href", ""))
    shown = link.get_text()
    if not address.startswith(("http://", "https://")) or shown.lstrip().startswith(("@", "#")):
        return
    if "://" not in shown:
        link.append(f" ({address})")


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
