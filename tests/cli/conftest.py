"""The command line, run as a person runs it, beside a bridge that works against the sandbox."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from bridge import cli
from bridge.sandbox import Sandbox
from tests.running import QUICK, InProcess


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and the status that it ended with."""

    code: int
    out: str
    err: str
    raw: bytes = b""  # its output, byte for byte

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Shell = Callable[..., Said]


def run(environment: dict[str, str], *words: str) -> Said:
    """``bridge WORDS`` with *environment*, by its own entry point."""
    raw, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, "utf-8", write_through=True)
    code = 0
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["bridge", *words]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, raw.getvalue().decode(errors="replace"), err.getvalue(), raw.getvalue())


def environment_of(data: Path, sandbox: Sandbox, url: str) -> dict[str, str]:
    """What a bridge at *url* that keeps its tables in *data* is configured with."""
    return {"BRIDGE_DATA": str(data), "BRIDGE_PUBLIC_URL": url, **QUICK, **sandbox.environment(url)}


@pytest.fixture
def environment(sandbox: Sandbox, running: InProcess, tmp_path: Path, store_url: str) -> dict[str, str]:
    """The running bridge's own settings: its commands are started beside it."""
    return {**environment_of(tmp_path / "data", sandbox, running.url), "DATABASE_URL": store_url}


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    """Runs a command beside the running bridge; keywords change the environment."""

    def shell(*words: str, **changes: str) -> Said:
        return run({**environment, **changes}, *words)

    return shell


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Shell]:
    """Runs a command where nothing is set up and nothing runs."""

    def alone(*words: str, **changes: str) -> Said:
        return run({"BRIDGE_DATA": str(tmp_path / "alone"), **changes}, *words)

    return alone
