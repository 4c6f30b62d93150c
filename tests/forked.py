"""``bridge`` in a process forked from one that has played a loop already: to be killed, it costs little.

What is started by `python -m bridge` itself, tests/cli/test_serve.py shows.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from bridge import cli

_FORGE = multiprocessing.get_context("forkserver")
_FORGE.set_forkserver_preload(["tests.warm"])


def start(command: str, environment: Mapping[str, str], folder: Path, log: Path) -> ForkServerProcess:
    """``bridge COMMAND`` in *folder*, with that environment and no other; what it says goes to *log*."""
    process = _FORGE.Process(target=_be, args=(command, dict(environment), str(folder), str(log)))
    process.start()
    return process


def _be(command: str, environment: dict[str, str], folder: str, log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["bridge", command]
    cli.main()
