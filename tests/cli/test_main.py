"""What the command line refuses whatever the command."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell

HALF = "\udcff\udcfe"  # as Python reads the bytes ff and fe, which are no UTF-8


@pytest.mark.parametrize(
    "words",
    [
        ("case", "show", HALF),
        ("delivery", "show", f"ab{HALF}"),
        ("intent", "settle", "0000", "--sent", HALF),
        ("forget", f"@{HALF}@plaza"),
        ("pause", "--reason", HALF),
        ("backup", f"{HALF}.db"),
        ("mappings", "explain", "--text", HALF),
        (HALF,),
    ],
    ids=lambda words: words[0] if len(words) > 1 else "none",
)
def test_an_argument_that_is_not_utf8_is_refused(alone: Shell, words: tuple[str, ...]):
    """In a sentence that shows its bytes; it can be neither looked for nor stored."""
    said = alone(*words)
    assert (said.code, said.out) == (2, "")
    [argument] = [word for word in words if HALF in word]
    shown = argument.replace(HALF, r"\xff\xfe")
    assert said.err == f"bridge: the argument {shown} is not UTF-8: give it in that encoding\n"


def test_an_argument_in_any_script_is_taken(alone: Shell):
    """Half a letter is refused, and no whole one."""
    assert "There is no command" not in alone("mappings", "explain", "--text", "Größe 👩‍💻 日本語").err
