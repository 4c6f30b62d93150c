"""What commands beside a running bridge open, and what they leave as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.store import versions
from tests.cli.conftest import Shell
from tests.running import InProcess, starter_to_edit

COMMANDS = (("intent", "approve", "no-such-intent"), ("forget", "@nobody@standard", "--dry-run"))


def serving(running: InProcess) -> str | None:
    with running.database.read() as tx:
        return versions.serving_version(tx)


@pytest.mark.parametrize("words", COMMANDS, ids=["intent", "forget"])
def test_a_command_started_elsewhere_has_no_other_mapping_served(
    running: InProcess, shell: Shell, tmp_path: Path, words: tuple[str, ...]
):
    """Another folder is there, edited later: the command goes by what serves, and leaves it."""
    other = starter_to_edit(tmp_path / "other")
    with (other / "queues.yaml").open("a", encoding="utf-8") as file:
        file.write("\n# edited\n")
    before = serving(running)
    shell(*words, BRIDGE_MAPPINGS=str(other))
    assert serving(running) == before
    assert running.bridge.world.mappings.current.version == before


@pytest.mark.parametrize("words", COMMANDS, ids=["intent", "forget"])
def test_a_command_needs_no_folder_where_a_mapping_serves(
    running: InProcess, shell: Shell, tmp_path: Path, words: tuple[str, ...]
):
    """It says what it has to say, and nothing about files that are not there."""
    there, away = shell(*words), shell(*words, BRIDGE_MAPPINGS=str(tmp_path / "nowhere"))
    assert (away.code, away.out, away.err) == (there.code, there.out, there.err)


def test_before_a_mapping_has_served_a_command_reads_the_folder(alone: Shell, tmp_path: Path):
    """Nothing ran yet: what the folder holds is the best that is known, and it is not served."""
    assert alone("migrate").code == 0
    assert "Nobody is known as @nobody" in alone("forget", "@nobody@standard", "--dry-run").err
    assert alone("mappings", "history").out == "No mapping has served yet.\n"
