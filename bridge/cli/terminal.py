"""What commands print for people: lists under headings, and others' words that stay words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TypeVar

import click
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

ROWS = TypeVar("ROWS")
GAP = "  "
WIDEST = 40  # of a cell: one long name would push every line off the screen
_ACTING = {"Cc", "Cs"}  # signs that a terminal obeys; halves of signs, which no terminal can be given
# Signs that turn the direction of what follows: a line would read as another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

limited = click.option(
    "--limit",
    type=click.IntRange(min=1, max=10_000),
    default=50,
    show_default=True,
    help="How many at the most; how many more there are is said.",
)


def say(text: str, *, err: bool = False) -> None:
    """Print *text*, in which others' words may be: they move no cursor and hide no line."""
    click.echo("".join(map(_inert, text)), err=err)


def quoted(text: str, indent: str) -> str:
    """*text* of several lines, each after the first at *indent*, so that none passes for one of ours."""
    return f"\n{indent}".join(text.splitlines())


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A line of *headings* and one for each of *rows*, in columns; the last as long as it is."""
    lines = [[*map(_cell, row[:-1]), " ".join(row[-1].split())] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def first_of(tx: Session, query: Select[ROWS], limit: int) -> tuple[list[ROWS], int]:
    """The first *limit* rows of *query*, and how many there are beyond them."""
    rows = list(tx.scalars(query.limit(limit)))
    if len(rows) < limit:
        return rows, 0
    found = tx.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    return rows, found - len(rows)


def say_more(number: int) -> None:
    """A list that was cut says so: what is not shown must not be taken for not there."""
    if number:
        click.echo(f"… and {number} more (--limit)")


def _cell(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= WIDEST else f"{plain[: WIDEST - 1]}…"


def _inert(letter: str) -> str:
    if letter == "\n" or (unicodedata.category(letter) not in _ACTING and letter not in _TURNING):
        return letter
    return letter.encode("unicode_escape").decode("ascii")
