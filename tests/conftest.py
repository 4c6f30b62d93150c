"""What stories need: the sandbox, and a bridge that runs against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.running import InProcess, Process


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def running(sandbox: Sandbox, tmp_path: Path) -> Iterator[InProcess]:
    """A bridge in this process, with everything quick."""
    bridge = InProcess(tmp_path / "data", sandbox)
    yield bridge
    bridge.stop()


@pytest.fixture
def start_process(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts ``bridge serve`` as a process that may be killed."""
    started: list[Process] = []

    def start(**changes: str) -> Process:
        started.append(Process(tmp_path / "data", sandbox, **changes))
        return started[-1]

    yield start
    for process in started:
        process.stop()
