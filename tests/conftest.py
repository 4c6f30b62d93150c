"""What stories need: the sandbox, and a bridge that runs against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.postgres import Postgres
from tests.running import InProcess, Process


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL for whoever asks, started when the first one does."""
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database. Whoever asks for it is run on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/bridge.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def running(sandbox: Sandbox, tmp_path: Path, store_url: str) -> Iterator[InProcess]:
    """A bridge in this process, with everything quick."""
    bridge = InProcess(tmp_path / "data", sandbox, DATABASE_URL=store_url)
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
