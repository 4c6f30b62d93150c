"""`bridge mappings history`, `show`, `reload` and `rollback`: what served, and the way back."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge import settings
from bridge.routing.origin import origin
from bridge.store import versions
from bridge.store.database import Database
from tests import migrated
from tests.cli.conftest import Said, Shell
from tests.routing.conftest import STARTER
from tests.running import starter_to_edit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return starter_to_edit(tmp_path / "m")


@pytest.fixture
def mappings(tmp_path: Path, folder: Path, alone: Shell) -> Callable[..., Said]:
    """Runs ``bridge mappings`` on that folder, with tables of its own."""
    migrated.prepare(settings.load({"BRIDGE_DATA": str(tmp_path / "alone")}).database_url)
    return lambda *words: alone("mappings", *words, BRIDGE_MAPPINGS=str(folder))


def edit(folder: Path, label: str) -> None:
    queues = folder / "queues.yaml"
    queues.write_text(
        (STARTER / "queues.yaml")
        .read_text(encoding="utf-8")
        .replace("label: Technical Support", f"label: {label}"),
        encoding="utf-8",
    )


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_history_says_what_served_when_and_by_whom(mappings, folder: Path):
    """Newest first, each with the files that changed."""
    assert mappings("history").lines == ["No mapping has served yet."]
    assert "serves now. Running processes take it up" in mappings("reload").out
    edit(folder, "Helpdesk")
    mappings("reload")
    assert "serves already" in mappings("reload").out
    lines = mappings("history").lines

    assert lines[0].endswith("(command line)  (serves now)")
    assert lines[1] == "    queues.yaml"
    assert lines[2].endswith("(command line)")
    assert lines[-1].strip().startswith("… and")


def test_rollback_puts_the_files_of_the_version_before_back(mappings, folder: Path):
    """All of them: what changed, what is new and what is gone. And back again."""
    before = files(folder)
    mappings("reload")
    edit(folder, "Helpdesk")
    (folder / "routes/20-late.yaml").write_text(
        "routes:\n  - {name: late, when: {tags: [crisis]}, queue: triage}\n", encoding="utf-8"
    )
    (folder / "replies/kopi/thanks.pl.txt.j2").unlink()
    mappings("reload")
    after = files(folder)
    said = mappings("rollback", "--yes")

    assert said.code == 0
    assert said.lines[:3] == [
        "changes     queues.yaml",
        "comes back  replies/kopi/thanks.pl.txt.j2",
        "goes        routes/20-late.yaml",
    ]
    assert files(folder) == before
    assert "rolled back  (serves now)" in mappings("history").lines[0]
    mappings("rollback", "--yes")
    assert files(folder) == after


def test_rollback_takes_a_version_and_asks_first(mappings, folder: Path, monkeypatch):
    """Nothing is written without a yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    whole = files(folder)
    mappings("reload")
    first = mappings("history").lines[0].split()[3]
    for label in ("Helpdesk", "Desk"):
        edit(folder, label)
        mappings("reload")
    asked = mappings("rollback", first)
    assert (asked.code != 0, "label: Desk" in files(folder)["queues.yaml"]) == (True, True)
    mappings("rollback", first, "--yes")
    assert files(folder) == whole


def test_rollback_asks_also_when_only_what_serves_changes(mappings, folder: Path, monkeypatch):
    """Somebody has put the files back by hand: having them served is a step of its own."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    mappings("reload")
    whole = files(folder)
    first = mappings("history").lines[0].split()[3]
    edit(folder, "Helpdesk")
    mappings("reload")
    for name, text in whole.items():
        (folder / name).write_text(text, encoding="utf-8")
    asked = mappings("rollback")
    assert asked.code != 0
    assert f"are those of version {first} already" in asked.out
    assert f"Have version {first} served?" in asked.out
    assert first not in mappings("history").lines[0]
    assert mappings("rollback", "--yes").code == 0
    assert first in mappings("history").lines[0]


def test_a_version_that_this_bridge_cannot_load_touches_no_file(mappings, folder: Path, tmp_path: Path):
    """It was written for another release: the fault is told, and all stays as it is."""
    mappings("reload")
    database = Database(settings.load({"BRIDGE_DATA": str(tmp_path / "alone")}).database_url)
    sound = {name: text for name, text in files(STARTER).items() if not name.endswith((".json", ".md"))}
    strange = {**sound, "queues.yaml": "fallback: nowhere\nqueues: {}\n"}
    with database.write() as tx:
        versions.serve(tx, "strange-version", strange, datetime(2026, 11, 1, tzinfo=UTC), "another release")
    database.close()
    edit(folder, "Helpdesk")
    before = files(folder)
    said = mappings("rollback", "strange-version", "--yes")

    assert said.code != 0
    assert "mappings/queues.yaml:" in said.err
    assert "nothing was changed" in said.err
    assert files(folder) == before


def test_there_is_nothing_to_go_back_to_at_first(mappings):
    """And a version that does not exist is said so."""
    mappings("reload")
    assert "nothing to go back to" in mappings("rollback").err
    assert "There is no version abcdef" in mappings("rollback", "abcdef").err
    assert "There is no version" in mappings("show", "").err


def test_show_tells_a_version_from_the_files_as_they_are(mappings, folder: Path):
    """As a difference, or one file of it as a whole."""
    mappings("reload")
    first = mappings("history").lines[0].split()[3]
    assert mappings("show", first).out.startswith(f"The files in {folder} are those of version")
    edit(folder, "Helpdesk")

    assert "+    label: Helpdesk" in mappings("show", first).lines
    whole = mappings("show", first, "queues.yaml").out
    assert whole == (STARTER / "queues.yaml").read_text(encoding="utf-8")
    assert "That version has no nothing.yaml" in mappings("show", first, "nothing.yaml").err


def test_a_faulty_folder_is_not_served(mappings, folder: Path):
    """Its faults are said, and what served serves on."""
    mappings("reload")
    before = mappings("history").out
    (folder / "queues.yaml").write_text("queues: {}\n", encoding="utf-8")

    assert (mappings("reload").code, mappings("history").out) == (1, before)


def test_git_tells_whose_edit_it_was(folder: Path):
    """The author of the last commit, and that there is more than that commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=Admin", "-c", "user.email=admin@kopi.example"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "Mapping."]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    assert origin(folder).startswith("Admin in commit ")
    edit(folder, "Helpdesk")
    assert ", with edits by " in origin(folder)
    assert " in commit " not in origin(STARTER.parent.parent)
