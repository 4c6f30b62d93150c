"""A bridge that runs against a sandbox: inside the test's process, or as a process to be killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from collections.abc import Mapping as Map
from contextlib import suppress
from functools import cache
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

from werkzeug.serving import make_server

from bridge import app, settings
from bridge.app import Bridge
from bridge.core.ports import Network
from bridge.flows import mappings
from bridge.networks import NETWORKS
from bridge.routing.load import load
from bridge.routing.model import Mapping
from bridge.sandbox import Sandbox
from bridge.store.database import Database
from tests import compiled, forked, migrated

REPOSITORY = Path(__file__).resolve().parent.parent
STARTER = REPOSITORY / "mappings"
T = TypeVar("T")

QUICK = {
    "BRIDGE_POLL_S": "0.5",
    "BRIDGE_REREAD_S": "0.5",
    "BRIDGE_CALL_TIMEOUT_S": "3",
    "BRIDGE_SETTLE_S": "0.5",
    "BRIDGE_LINGER_S": "0.1",
    "BRIDGE_MAPPINGS": str(STARTER),
}


@cache
def _starter() -> Mapping:
    return load(STARTER, NETWORKS)


def _load_once(folder: Path, networks: Map[str, Network]) -> Mapping:
    """The starter does not change while tests run: what was read of it once serves every bridge."""
    return _starter() if folder == STARTER else load(folder, networks)


mappings.load = _load_once  # type: ignore[assignment]

_open = Database.__init__


def _open_sharing(self: Database, *arguments: Any, **options: Any) -> None:
    _open(self, *arguments, **options)
    compiled.share(self.engine)


Database.__init__ = _open_sharing  # type: ignore[method-assign]


def starter_to_edit(folder: Path) -> Path:
    """A copy of the starter in *folder*, to be edited.

    Without its tests of the whole: they say of each edit that it is not the starter any more.
    """
    away = shutil.ignore_patterns("tests")
    return Path(shutil.copytree(STARTER, folder, ignore=away))


def eventually(check: Callable[[], T], *, within: float = 15.0, what: str = "") -> T:
    """The first true value of *check*; fails when there is none within so many seconds."""
    end = time.monotonic() + within
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not come about within {within} s: {what or check}")
        time.sleep(0.03)


def stays(check: Callable[[], bool], *, seconds: float = 1.5) -> None:
    """Fails unless *check* holds all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check()
        time.sleep(0.05)


class InProcess:
    """A bridge on threads of this process."""

    def __init__(self, folder: Path, sandbox: Sandbox, **changes: str) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._changes = changes
        self._bridge: Bridge | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"  # also after a restart
        sandbox.zendesk.install_webhook(self.url)
        self.start()

    @property
    def bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    @property
    def database(self) -> Database:
        return self.bridge.world.database

    def start(self) -> None:
        env = {"BRIDGE_DATA": str(self._folder), **QUICK, **self.sandbox.environment("http://127.0.0.1:1")}
        loaded = settings.load({**env, **self._changes})
        migrated.prepare(loaded.database_url)
        self._bridge = app.build(loaded, flows=True)
        self._server = make_server("127.0.0.1", self._port, self._bridge.web, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.sandbox.point_at(self.url)
        self._bridge.start()

    def stop(self) -> None:
        if self._bridge is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._bridge.stop()
        self._bridge = None

    def restart(self) -> None:
        self.stop()
        self.start()


class Process:
    """``bridge serve`` as a process of its own; or ``web``, or a ``worker`` that nobody can call."""

    def __init__(self, folder: Path, sandbox: Sandbox, command: str = "serve", **changes: str) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._command = command
        self._changes = changes
        self._process: ForkServerProcess | None = None
        self.port = free_port()
        self._log_file = folder.parent / f"{folder.name}.{command}.{self.port}.log"
        self._log_file.touch()
        self.url = f"http://127.0.0.1:{self.port}"
        if command != "worker":
            sandbox.zendesk.install_webhook(self.url)
        self.start()

    @property
    def log(self) -> str:
        return self._log_file.read_text(encoding="utf-8")

    def start(self) -> None:
        env = {
            **os.environ,
            "BRIDGE_DATA": str(self._folder),
            "PORT": str(self.port),
            **QUICK,
            **self._sandbox.environment(self.url),
            **self._changes,
        }
        migrated.begin(settings.load(env).database_url)
        said = self.log.count("bridge: working")
        self._process = forked.start(self._command, env, REPOSITORY, self._log_file)
        try:
            if self._command == "worker":
                eventually(
                    lambda: self.log.count("bridge: working") > said, within=20, what="the worker works"
                )
            else:
                eventually(self._answers, within=20, what="the bridge listens")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log: {self.log[-2000:]}") from None

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        assert self._process is not None
        self._process.kill()
        self._process.join()

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        assert self._process is not None
        if self._process.is_alive():
            self.send(signal.SIGCONT)
            self._process.terminate()
            self._process.join(timeout=20)
            stopped = not self._process.is_alive()
            self.kill()
            assert stopped, "it does not stop"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except OSError:
            return False


def free_port() -> int:
    """One from below those that the system gives out: it is still free for whoever comes back to it."""
    while True:
        port = random.randrange(15_000, 32_000)  # noqa: S311 - two who ask at once should not get the same
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
