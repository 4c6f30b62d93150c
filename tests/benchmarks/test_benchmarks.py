"""The benchmarks run: a figure that nobody can measure again is worth nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.running import REPOSITORY

LONGEST_S = 300  # each starts many processes, and other tests run beside it
pytestmark = pytest.mark.timeout(LONGEST_S)


def judged(part: str, *options: str) -> list[str]:
    """What a small run of *part* holds against a target; whether it is met is for a quiet machine to say."""
    command = [sys.executable, "-m", "tests.benchmarks", "--only", part, "--loops", "4", *options]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            said, complaints = run.communicate(timeout=LONGEST_S - 10)
        finally:
            run.terminate()  # so that it stops what it has started
    assert run.returncode == 0, complaints
    lines = [line for line in said.splitlines() if line.endswith(("met", "NOT MET"))]
    return [line.split("  ")[0] for line in lines]


def test_start_and_memory_are_held_against_their_targets():
    """Of `bridge serve`, idle."""
    assert judged("start") == ["start, to the first /healthz", "memory, idle (serve, 8 threads)"]


def test_the_door_is_held_against_its_floor():
    """By turns, in the same run."""
    assert judged("door", "--posts", "40") == ["door / floor"]


def test_loops_are_held_against_their_targets():
    """From the post to its ticket and its card."""
    assert judged("loops") == ["loops opened (ticket and card)", "CPU a message, whole process"]


def test_what_more_workers_give_is_measured():
    """No target: it is the machine's number of cores that says it."""
    assert judged("workers") == []
