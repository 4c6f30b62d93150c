"""A thread or a ticket as a plain page: what the sandbox's links lead to."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

_PAGE = Markup(
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title>"
    "<style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}}</style>"
    "<main><h1>{title}</h1>{posts}</main></html>"
)
_POST = Markup("<article><h2>{author}</h2><p>{text}</p></article>")


def thread_page(title: str, posts: Iterable[tuple[str, str]]) -> str:
    """*posts* are (author, text), plain; both are escaped here."""
    articles = Markup("").join(_POST.format(author=author, text=text) for author, text in posts)
    return str(_PAGE.format(title=title, posts=articles))
