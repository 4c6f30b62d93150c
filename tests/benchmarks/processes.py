"""The processes of a benchmark: each is started here, watched by its id, and stopped by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bridge import settings
from bridge.sandbox.signing import readable_secret
from tests import migrated
from tests.running import REPOSITORY, free_port

SECRET = readable_secret("test-benchmark-secret-one")
WEB_THREADS = 8  # as many as the bridge's own door has
TICKS = os.sysconf("SC_CLK_TCK")
LONGEST_START_S = 30
BRIDGE = [sys.executable, "-m", "bridge"]


class Running:
    """A process of ours and its children. ``log`` is where it writes; what it prints says that it is up."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        began = time.monotonic()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env={**os.environ, **env}, stdout=output, stderr=output, cwd=REPOSITORY
            )
        try:
            self._wait(began + LONGEST_START_S)
        except BaseException:
            self.stop()
            raise
        self.started_in_s = time.monotonic() - began

    def _wait(self, until: float) -> None:
        while not self.is_up():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"it did not start:\n{self.log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.01)

    def is_up(self) -> bool:
        """A worker answers nobody, but says when it works."""
        return "bridge: working" in self.log.read_text(encoding="utf-8")

    def processes(self) -> list[int]:
        """Its own id and those of its children: gunicorn's worker is one."""
        mine = self._process.pid
        children = Path(f"/proc/{mine}/task/{mine}/children").read_text(encoding="ascii").split()
        return [mine, *map(int, children)]

    def cpu_s(self) -> float:
        """User and system seconds since the start."""
        fields = [Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                  for pid in self.processes()]  # fmt: skip
        return sum(int(one[11]) + int(one[12]) for one in fields) / TICKS

    def resident_mb(self) -> float:
        pages = [
            Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1] for pid in self.processes()
        ]
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") / 1024**2

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def settle(*running: Running, quiet_s: float = 1.5) -> None:
    """Wait until they do next to nothing."""
    for _ in range(20):
        before = sum(one.cpu_s() for one in running)
        time.sleep(quiet_s)
        if sum(one.cpu_s() for one in running) - before < 0.1 * quiet_s:
            return


class Service(Running):
    """A process that answers /healthz. ``hook`` is where posts go."""

    def __init__(self, command: list[str], port: int, path: str, env: dict[str, str], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.hook = self.url + path
        super().__init__(command, env, log)

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):  # noqa: S310 - loopback
                return True
        except OSError:
            return False


class Stub:
    """The stub of Zendesk and Slack."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.stub"], stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def counts(self) -> dict[str, Any]:
        """How many tickets and cards it has, how often it was called for what."""
        with urllib.request.urlopen(f"{self.url}/counts", timeout=10) as answer:  # noqa: S310 - loopback
            return dict(json.load(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def vendors(url: str) -> dict[str, str]:
    """The settings by which the bridge takes the stub at *url* for Zendesk and Slack."""
    return {
        "ZENDESK_SUBDOMAIN": "sandbox",
        "ZENDESK_URL": url,
        "ZENDESK_CLIENT_ID": "test-client",
        "ZENDESK_CLIENT_SECRET": "test-client-secret",
        "ZENDESK_WEBHOOK_SECRET": "test-webhook-secret",
        "SLACK_BOT_TOKEN": "xoxb-test-token",
        "SLACK_SIGNING_SECRET": "test-slack-signing-secret",
        "SLACK_API_URL": f"{url}/api/",
    }


def _env(folder: Path, url: str, threads: int, store: str = "") -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    return {
        "BRIDGE_DATA": str(folder),
        "BRIDGE_MAPPINGS": str(REPOSITORY / "mappings"),
        "BRIDGE_THREADS": str(threads),
        "BRIDGE_LOG_LEVEL": "WARNING",
        "KOPI_PLAZA_SECRET": SECRET,
        "NO_PROXY": "127.0.0.1",
        **({"DATABASE_URL": store} if store else {}),
        **vendors(url),
    }


def _listening(command: str, folder: Path, env: dict[str, str]) -> Service:
    port = free_port()
    return Service(
        [*BRIDGE, command], port, "/hooks/social/kopi-plaza", {**env, "PORT": str(port)}, folder / "log"
    )


def start_door(folder: Path) -> Service:
    """``bridge web``: nobody is there to work on what comes in."""
    env = _env(folder, "http://127.0.0.1:1", 8)
    migrated.migrate(settings.load(env).database_url)
    return _listening("web", folder, env)


def start_serve(folder: Path, stub: Stub, *, threads: int) -> Service:
    """``bridge serve`` against the stub."""
    return _listening("serve", folder, _env(folder, stub.url, threads))


@contextmanager
def started_apart(
    folder: Path, stub: Stub, store: str, *, workers: int, threads: int
) -> Iterator[tuple[Service, list[Running]]]:
    """``bridge web`` and *workers* times ``bridge worker`` on *store*, which has its tables already."""
    env = _env(folder, stub.url, threads, store)
    with ExitStack() as running:
        door = running.enter_context(_listening("web", folder, env))
        logs = [folder / f"worker-{number}.log" for number in range(workers)]
        yield door, [running.enter_context(Running([*BRIDGE, "worker"], env, log)) for log in logs]


def start_floor(folder: Path) -> Service:
    """Gunicorn with the bare route."""
    folder.mkdir()
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "--workers", "1", "--worker-class", "gthread",
        "--threads", str(WEB_THREADS), "--keep-alive", "60", "--bind", f"127.0.0.1:{port}",
        "--worker-tmp-dir", str(folder), "--no-control-socket", "tests.benchmarks.floor:app",
    ]  # fmt: skip
    env = {"FLOOR_DATABASE": str(folder / "floor.db"), "FLOOR_SECRET": SECRET}
    return Service(command, port, "/hooks", env, folder / "log")


def load(service: Service, *, count: int, connections: int, mark: str) -> dict[str, float]:
    """What the load generator measured. Raises RuntimeError when not every post was taken."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load", service.hook, SECRET, "--count", str(count),
         "--connections", str(connections), "--mark", mark],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the load generator failed:\n{done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures.pop("statuses") != {"202": count}:
        raise RuntimeError(f"not every post was taken: {done.stdout}")
    return figures
