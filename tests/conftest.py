"""What stories need: the sandbox, and a bridge that runs against it."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from zlib import crc32

import pytest

from bridge.sandbox import Sandbox
from tests.postgres import Postgres
from tests.running import InProcess, Process

# Tests that are about the database's own ways are run on both kinds; the others, which only use one,
# on SQLite, unless ``--every-store`` is given: everything twice would take a quarter of an hour.
ON_BOTH = (
    "tests.store.",
    "tests.flows.",
    "tests.stories.test_backup",
    "tests.stories.test_crash",
    "tests.stories.test_duplicates",
    "tests.stories.test_erasure",
    "tests.stories.test_loop",
    "tests.stories.test_missed",
    "tests.stories.test_order",
    "tests.stories.test_plans",
    "tests.stories.test_presses",
    "tests.stories.test_quotes",
)

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-store", action="store_true", help="run every story on PostgreSQL, too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    said = any("store_url" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "store_url" not in metafunc.fixturenames or said:
        return
    both = metafunc.config.getoption("--every-store") or metafunc.module.__name__.startswith(ON_BOTH)
    metafunc.parametrize("store_url", ["sqlite", "postgresql"] if both else ["sqlite"], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, each gets some that wait and some that compute.

    In the order of their names the stories, which wait, would be left over for the end. Neighbours stay
    together, a few at a time: what their module sets up serves them all. The benchmarks, which take longest,
    begin.
    """
    if hasattr(config, "workerinput"):
        few = [items[first : first + 8] for first in range(0, len(items), 8)]
        few.sort(key=lambda some: ("benchmarks" not in some[0].nodeid, crc32(some[0].nodeid.encode())))
        items[:] = chain.from_iterable(few)


def pytest_collection_finish() -> None:
    gc.freeze()  # half a million objects of thousands of tests: no collection has to look at them


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


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of the kind that `pytest_generate_tests` says.

    It is empty, but for a server's when its tables are needed: then they are there.
    """
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/bridge.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    if {"sandbox", "either"}.isdisjoint(request.fixturenames):
        yield server.new_database()
        return
    address = server.migrated_database()
    yield address
    server.give_back(address)


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


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Chromium, where this machine has one."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()
