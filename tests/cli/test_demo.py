"""`bridge demo --once`: the story with everything real but the vendors, and its verdict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.running import REPOSITORY, eventually

MARK = "LOOP_TEST_MARK"  # inherited by whatever the demo starts, so that it is found again


@pytest.fixture
def mark() -> str:
    return str(uuid4())


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder for temporary files, which must be empty again at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    assert list(folder.iterdir()) == []


def environment(mark: str, **changes: str) -> dict[str, str]:
    return {**os.environ, MARK: mark, **changes}


def demo(mark: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "--once"],
        env=environment(mark, **changes),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def alive(mark: str) -> list[str]:
    """The processes that were started with *mark* and still run."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # gone meanwhile, or somebody else's
    return found


def test_the_demo_plays_the_whole_story_and_leaves_nothing_behind(mark: str):
    """Behind a proxy that is not there, with real accounts in the environment: it reaches none of them."""
    done = demo(
        mark,
        http_proxy="http://127.0.0.1:9",
        HTTP_PROXY="http://127.0.0.1:9",
        no_proxy="",
        ZENDESK_SUBDOMAIN="a-real-account",
        ZENDESK_URL="http://127.0.0.1:9",
        SLACK_APP_TOKEN="xapp-test",
        PORT="no number",
        DATABASE_URL="sqlite:////not/there/bridge.db",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Both loops are closed" in done.stdout
    assert " ok The loops are closed: receipts" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert alive(mark) == []


def test_a_demo_whose_bridge_does_not_start_says_what_is_missing(mark: str, tmp_path: Path):
    """BRIDGE_MAPPINGS names a faulty folder: not zero, the first step, and the bridge's own words."""
    (tmp_path / "faulty").mkdir()
    done = demo(mark, BRIDGE_MAPPINGS=str(tmp_path / "faulty"))
    assert done.returncode == 1
    assert "Missing: The bridge starts" in done.stdout
    assert "mappings/brands.yaml" in done.stdout
    assert alive(mark) == []


def test_a_demo_that_is_ended_takes_its_bridge_with_it(mark: str):
    """SIGTERM in the middle of the story: nothing goes on in the background."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "demo", "--once"],
        env=environment(mark),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: [one for one in alive(mark) if " serve" in one], within=60, what="its bridge")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
        eventually(lambda: alive(mark) == [], within=5, what="the end of its bridge")
    finally:
        process.kill()
        process.wait()


def test_another_terminal_can_ask_the_demo_by_command(mark: str, tmp_path: Path):
    """The line that it prints points a shell at its bridge, away from the real one that was set there."""
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "demo"],
            env=environment(mark, PYTHONUNBUFFERED="1"),
            cwd=REPOSITORY,
            stdout=output,
        )
    try:
        eventually(lambda: "ticket #1 in" in said.read_text("utf-8"), within=100, what="the first ticket")
        told = next(one for one in said.read_text("utf-8").splitlines() if "demo.env" in one)
        line = told.partition(". ")[2].partition("  in ")[0]
        real = {"DATABASE_URL": "postgresql://127.0.0.1:9/real", "SLACK_APP_TOKEN": "xapp-test", "PORT": "x"}

        def ask(command: str) -> str:
            script = f". {line}; {sys.executable} -m bridge {command}"
            given = {"env": environment(mark, **real), "cwd": REPOSITORY, "text": True, "timeout": 60}
            done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, **given)
            return done.stdout + done.stderr

        assert "thread    standard plaza-" in ask("case show 1")
        doctor = ask("doctor")
        assert "ok   worker: alive" in doctor
        assert "ok   Zendesk webhook" in doctor
    finally:
        process.terminate()
        process.wait(timeout=20)
    eventually(lambda: alive(mark) == [], within=5, what="the end of its bridge")
