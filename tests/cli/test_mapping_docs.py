"""`bridge mappings docs`: the playbook as a file."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cli.conftest import Shell
from tests.running import REPOSITORY

STARTER = str(REPOSITORY / "mappings")


def test_the_playbook_is_written_and_written_again(alone: Shell, tmp_path: Path):
    """One file; the same mapping, the same bytes."""
    out = tmp_path / "team.html"
    words = ("mappings", "docs", "--mappings", STARTER, "--out", str(out))
    said = alone(*words)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{out} has the playbook: 5 tags and 6 teams. Open it in a browser.\n"
    first = out.read_bytes()
    assert alone(*words).code == 0
    assert out.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["team.html"]


def test_the_page_can_be_piped(alone: Shell, tmp_path: Path):
    """With a dash, and nothing is said besides."""
    said = alone("mappings", "docs", "--mappings", STARTER, "--out", "-")
    assert said.out.startswith("<!doctype html>")
    assert said.out.endswith("</html>\n")


def test_a_file_that_is_no_playbook_is_not_written_over(alone: Shell, tmp_path: Path):
    """A slip of the keyboard must not cost somebody their queues."""
    folder = Path(shutil.copytree(STARTER, tmp_path / "m"))
    before = (folder / "queues.yaml").read_bytes()
    said = alone("mappings", "docs", "--mappings", str(folder), "--out", str(folder / "queues.yaml"))
    assert said.code == 1
    assert "is no playbook" in said.err
    assert (folder / "queues.yaml").read_bytes() == before


def test_a_page_that_cannot_be_written_says_why(alone: Shell, tmp_path: Path):
    """In one sentence."""
    said = alone("mappings", "docs", "--mappings", STARTER, "--out", str(tmp_path / "no" / "p.html"))
    assert said.code == 1
    assert "cannot be written: No such file or directory" in said.err


def test_no_playbook_is_made_of_a_faulty_mapping(alone: Shell, tmp_path: Path):
    """The faults are said, as `check` says them."""
    out = tmp_path / "p.html"
    said = alone("mappings", "docs", "--mappings", str(tmp_path / "nowhere"), "--out", str(out))
    assert (said.code, out.exists()) == (2, False)
    assert "(missing-file)" in said.out
