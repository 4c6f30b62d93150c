"""The chaos run finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.core.intent import IntentState
from bridge.sandbox import Sandbox
from bridge.store.tables import Intent
from tests import chaos
from tests.running import InProcess, eventually, free_port
from tests.stories.seen import the_ticket


@pytest.fixture
def start_fleet(tmp_path: Path) -> Iterator[Callable[[str], chaos.Fleet]]:
    """Starts a fleet of one command."""
    started: list[chaos.Fleet] = []

    def start(command: str) -> chaos.Fleet:
        started.append(chaos.Fleet([command], {"PATH": ""}, free_port(), tmp_path / "log"))
        return started[-1]

    yield start
    for fleet in started:
        fleet.stop()


def test_a_process_that_ends_by_itself_is_a_fault(
    start_fleet: Callable[[str], chaos.Fleet], monkeypatch: pytest.MonkeyPatch
):
    """Whoever kills finds it dead already; or it is found dead in the end."""
    monkeypatch.setattr(chaos, "KILL_EVERY_S", (0.1, 0.1))
    fleet = start_fleet("nonsense")
    with pytest.raises(chaos.FleetError):
        fleet.wait()
    fleet.start_killing()
    eventually(lambda: fleet.fault, what="the fault")
    fleet.stop_killing()
    assert fleet.fault == "nonsense-0 ended by itself with status 2"
    assert fleet.kills == 0


def test_a_door_that_never_answers_is_a_fault(
    start_fleet: Callable[[str], chaos.Fleet], monkeypatch: pytest.MonkeyPatch
):
    """A process that runs, and does not listen."""
    monkeypatch.setattr(chaos, "START_S", 0.3)
    monkeypatch.setattr(chaos.Fleet, "_require", lambda _fleet, _name: None)
    with pytest.raises(chaos.FleetError, match="does not answer"):
        start_fleet("nonsense").wait()


def test_a_run_whose_bridge_does_not_start_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """And says so, instead of waiting for ever."""

    @contextmanager
    def store(_kind: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
        yield f"sqlite:///{folder}/bridge.db", ["nonsense"]

    monkeypatch.setattr(chaos, "store", store)
    assert chaos.run(1, "sqlite", 1, tmp_path, 1) == 1
    assert "nonsense-0 ended by itself with status 2" in capsys.readouterr().out


def test_a_run_in_which_a_process_ended_by_itself_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nothing was lost by it: it is a fault all the same."""

    def end(fleet: chaos.Fleet) -> None:
        fleet.fault = "serve-0 ended by itself with status 1"

    monkeypatch.setattr(chaos.Fleet, "_kill_now_and_then", end)
    monkeypatch.setattr(chaos, "AFTERMATH_S", 0.0)
    assert chaos.run(0, "sqlite", 1, tmp_path, 1) == 1
    said = capsys.readouterr().out
    assert "serve-0 ended by itself" in said
    assert "lost 0, doubled 0" in said


def test_a_second_ticket_that_came_late_is_counted(sandbox: Sandbox):
    """After everybody had done what they had to: nobody looks any more, but the count does."""
    story = chaos.Story(sandbox, loops=1, at_once=1)
    loop = chaos.Loop(0, "plaza", 2)
    story.loops.append(loop)
    story._by_name[loop.name] = loop
    for _ in range(2):
        with sandbox.zendesk.lock:
            person = sandbox.zendesk.records.add_user("Dewi")
            wanted = {"comment": {"html_body": f"says {loop.name}"}, "requester_id": person.id}
            sandbox.zendesk.records.create(wanted, person, "web")
        story.look()
    assert any("2 tickets, not 1" in line for line in chaos.count(sandbox, story.loops).doubled)


def test_what_the_bridge_took_back_itself_waits_for_nobody(sandbox: Sandbox, running: InProcess):
    """What a vendor refused does."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    running.bridge.engine.stop()
    url = str(running.database.url)
    before = chaos.ledger(url)
    with running.database.write() as tx:
        first, second = tx.query(Intent).limit(2)
        first.state = second.state = IntentState.REFUSED.value
        first.decided_by = "the bridge"
    assert (before, chaos.ledger(url)) == ((0, 0), (0, 1))
