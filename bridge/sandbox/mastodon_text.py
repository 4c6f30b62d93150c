"""Mastodon's texts: plain words to the HTML that a server renders, and how their length is counted."""

from __future__ import annotations

import html
from collections.abc import Mapping

import regex

_TOKEN = regex.compile(
    r"(?P<url>https?://[^\s<>\"]+)|(?<![\w/])@(?P<mention>\w+(?:@[\w.-]+\w)?)|(?<!\w)#(?P<tag>\w+)"
)
URL_LENGTH = 23


def render(text: str, base_url: str, mentioned: Mapping[str, str]) -> str:
    """*text* as Mastodon's ``content``. *mentioned* gives the address of each handle that exists."""

    def link(match: regex.Match[str]) -> str:
        if match["url"]:
            scheme, rest = match["url"].split("://", 1)
            shown, hidden = html.escape(rest[:30]), html.escape(rest[30:])
            look = "ellipsis" if hidden else ""
            return (
                f'<a href="{html.escape(match["url"])}" rel="nofollow noopener" target="_blank">'
                f'<span class="invisible">{scheme}://</span><span class="{look}">{shown}</span>'
                f'<span class="invisible">{hidden}</span></a>'
            )
        if match["tag"]:
            tag = html.escape(match["tag"])
            address = f"{base_url}/tags/{tag.lower()}"
            return f'<a href="{address}" class="mention hashtag" rel="tag">#<span>{tag}</span></a>'
        handle = match["mention"]
        if handle not in mentioned:
            return html.escape(match.group())
        return (
            f'<span class="h-card" translate="no"><a href="{mentioned[handle]}" class="u-url mention">'
            f"@<span>{html.escape(handle.split('@')[0])}</span></a></span>"
        )

    paragraphs = []
    for paragraph in regex.split(r"\n{2,}", text.strip()):
        pieces, end = [], 0
        for match in _TOKEN.finditer(paragraph):
            pieces += [html.escape(paragraph[end : match.start()]), link(match)]
            end = match.end()
        pieces.append(html.escape(paragraph[end:]))
        paragraphs.append("<p>" + "".join(pieces).replace("\n", "<br />") + "</p>")
    return "".join(paragraphs)


def mentions(text: str) -> list[str]:
    """The handles that *text* mentions, each once, in order."""
    return list(dict.fromkeys(match["mention"] for match in _TOKEN.finditer(text) if match["mention"]))


def length(text: str) -> int:
    """Graphemes, with 23 for every link and no domain in mentions."""
    counted = _TOKEN.sub(
        lambda match: (
            "x" * URL_LENGTH
            if match["url"]
            else "@" + match["mention"].split("@")[0]
            if match["mention"]
            else match.group()
        ),
        text,
    )
    return len(regex.findall(r"\X", counted))
