"""`bridge mappings pin`: a real case becomes a test, and the mapping is sound with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from bridge.store.tables import Case
from tests.cli.conftest import Said, Shell
from tests.running import InProcess, eventually, starter_to_edit
from tests.stories.seen import the_ticket

COMPLAINT = "The app logs me out every hour, write to dewi@post.example. Dewi"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An admin's own copy; the running bridge serves the starter."""
    return starter_to_edit(tmp_path / "edited")


@pytest.fixture
def pin(sandbox: Sandbox, running: InProcess, shell: Shell, folder: Path):
    """One case with a ticket, and the command beside it."""
    sandbox.plaza.post("dewi", COMPLAINT, language="en", tags=["technical-issue"])
    ticket = str(the_ticket(sandbox).id)

    def states() -> list[Case]:
        with running.database.read() as tx:
            return [case for case in tx.query(Case) if case.ticket_opened_at]

    eventually(states, what="the case")

    def pin(*words: str, case: str = ticket) -> Said:
        return shell("mappings", "pin", case, "--mappings", str(folder), *words)

    pin.ticket = ticket
    return pin


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def test_a_case_becomes_a_test_that_passes(pin, shell: Shell, folder: Path):
    """It is shown, nobody can be told from it, and `check` runs it."""
    said = pin()
    file = folder / "tests/pinned.yaml"
    text = file.read_text(encoding="utf-8")

    assert said.code == 0, said.err
    assert said.lines[0] == f"Added to {file}:"
    assert f"  - name: ticket-{pin.ticket}" in said.lines
    assert "mail.example" in text
    assert "dewi" not in text.lower()
    assert "post.example" not in text
    assert "Replaced: e-mail address, name." in said.lines
    assert "1 test passes" in shell("mappings", "check", "--mappings", str(folder)).out


def test_a_second_case_goes_below_the_first(pin, folder: Path):
    """What is there is not touched, and the same name is not given twice."""
    pin()
    file = folder / "tests/pinned.yaml"
    before = file.read_bytes()
    again = pin()
    assert (again.code, "a test called ticket-" in again.err) == (1, True)
    assert pin("--name", "another", "--to", str(file)).code == 0
    assert file.read_bytes().startswith(before)


def test_where_today_differs_from_then_somebody_says_which_is_right(pin, shell: Shell, folder: Path):
    """The files now: `check` passes. The case: it fails until they are mended."""
    edit(folder, "routes/10-social.yaml", "queue: support-technical", "queue: triage")
    refused = pin()
    assert refused.code == 1
    assert "queue: support-technical, now triage" in refused.err
    assert not (folder / "tests").exists()

    assert pin("--expect-now", "--to", "tests/now.yaml", "--name", "now").code == 0
    assert "queue: triage" in (folder / "tests/now.yaml").read_text(encoding="utf-8")
    assert shell("mappings", "check", "--mappings", str(folder)).code == 0

    was = pin("--expect-case", "--to", "tests/was.yaml", "--name", "was")
    assert was.code == 0
    assert "  was: queue is triage, not support-technical" in was.lines
    assert shell("mappings", "check", "--mappings", str(folder)).code == 1


def test_what_a_route_gave_then_is_told_from_what_it_gives_now(pin, shell: Shell, folder: Path):
    """By the version of the files that opened the case."""
    queue = "    queue: support-technical\n    examples"
    given = "    severity: high\n    copies: [triage]\n"
    edit(folder, "routes/10-social.yaml", queue, given + queue)
    refused = pin()
    assert refused.code == 1
    assert "severity: none, now high" in refused.err
    assert "copies: [], now [triage]" in refused.err

    assert pin("--expect-now").code == 0
    text = (folder / "tests/pinned.yaml").read_text(encoding="utf-8")
    assert "      severity: high\n" in text
    assert "      copies: [triage]\n" in text
    assert shell("mappings", "check", "--mappings", str(folder)).code == 0


def test_what_the_files_no_longer_name_cannot_be_expected(pin, folder: Path):
    """A route that is gone: only what is now can be."""
    edit(folder, "routes/10-social.yaml", "name: technical-issue", "name: tech")
    edit(folder, "routes/10-social.yaml", "expect: technical-issue", "expect: tech")
    gone = pin("--expect-case")
    assert (gone.code, "say --expect-now" in gone.err) == (1, True)
    assert pin("--expect-now").code == 0


def test_what_cannot_be_pinned_is_said_in_a_sentence(pin, folder: Path):
    """No such case; a file that is elsewhere; a folder that cannot be written."""
    assert "There is no case" in pin(case="nobody").err
    assert "Nothing was written." in pin("--to", "elsewhere.yaml").err
    (folder / "tests").write_text("in the way", encoding="utf-8")
    assert pin().code == 1
