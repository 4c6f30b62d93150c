"""Commands load what they need: who asks for a case's file does not wait for Zendesk's client."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from bridge.cli import bridge
from bridge.cli.mappings import mappings

LOADED = """
import sys
from click.testing import CliRunner
from bridge.cli import bridge
done = CliRunner().invoke(bridge, sys.argv[1:])
assert done.exit_code == 0, done.output
print(*sys.modules)
"""
HEAVY = {"zenpy", "slack_bolt", "huey", "flask", "bridge.routing"}


@pytest.mark.parametrize(
    ("words", "kept_out"),
    [
        (["--version"], {*HEAVY, "bridge.settings"}),
        (["case", "list", "--help"], HEAVY),
        (["delivery", "list", "--help"], HEAVY),
        (["mappings", "check", "--help"], HEAVY - {"bridge.routing"}),
    ],
)
def test_a_command_loads_only_what_it_needs(words: list[str], kept_out: set[str]):
    """All together are seconds of a person's time, for each command."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) & kept_out == set()


@pytest.mark.parametrize("group", [bridge, mappings], ids=lambda group: str(group.name))
def test_every_command_is_where_its_group_says(group: click.Group):
    """Under the name that people type, and each is told of by `--help`."""
    asked = click.Context(group)
    for name in group.list_commands(asked):
        command = group.get_command(asked, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str()


def test_what_is_no_command_is_said(shell):
    """With the nearest one that there is."""
    said = shell("cases")
    assert said.code == 2
    assert "No such command 'cases'" in said.err
