"""What commands print for people."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bridge.cli import terminal
from bridge.store.database import Database
from bridge.store.tables import Message
from tests.cli.conftest import Shell
from tests.store.conftest import NOON, make_case


def said(text: str) -> str:
    return CliRunner().invoke(click.Command("say", callback=lambda: terminal.say(text))).output


@pytest.mark.parametrize(
    ("letter", "shown"),
    [
        ("\x1b", r"\x1b"),
        ("\r", r"\r"),
        ("\b", r"\x08"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(letter: str, shown: str):
    """A customer's words clear no screen and turn no line around."""
    assert said(f"be{letter}fore") == f"be{shown}fore\n"


@pytest.mark.parametrize("text", ["Größe, émoji 👩‍💻, 日本語, عربى", "two\nlines"])
def test_other_words_are_left_as_they_are(text: str):
    """Every language, and the joiner that makes one sign of several."""
    assert said(text) == f"{text}\n"


def test_a_table_stands_in_columns_under_its_headings():
    """As wide as the widest cell; what is longer than a cell may be is cut, but not in the last."""
    rows = [("a", "x" * 50, ""), ("long", "y", "why " * 20)]
    heading, first, second = terminal.table(("ONE", "TWO", "THREE"), rows)
    assert heading == f"ONE   TWO{' ' * 37}  THREE"
    assert first == f"a     {'x' * 39}…"
    assert second == f"long  y{' ' * 39}  {('why ' * 20).strip()}"


def test_a_cell_is_one_line():
    """Who may choose a name does not make lines of our lists."""
    assert terminal.table(("NAME", "WHY"), [("a\nb", "c\nd")])[1:] == ["a b   c d"]


def test_a_customers_words_pass_for_no_line_of_the_case_file(alone: Shell, tmp_path: Path):
    """Escape sequences are shown, and lines stand under the first."""
    assert alone("migrate").code == 0
    database = Database(f"sqlite:///{tmp_path}/alone/bridge.db")
    with database.write() as tx:
        case = make_case()
        tx.add(case)
        tx.flush()
        words = "It broke.\n\nStages\x1b[2J\n  closed"
        post = {"installation": "bridge", "network": case.network, "global_id": "post-1", "case_id": case.id}
        tx.add(Message(**post, text=words, posted_at=NOON, received_at=NOON))
        which = case.id
    database.close()
    lines = alone("case", "show", which).lines
    at = next(number for number, line in enumerate(lines) if line.endswith("It broke."))
    indent = lines[at].index("It broke.")
    assert lines[at].lstrip().startswith(f"{NOON:%Y-%m-%d}")
    assert lines[at + 2 : at + 4] == [f"{' ' * indent}Stages\\x1b[2J", f"{' ' * indent}  closed"]
