"""``bridge demo``: the whole story on loopback, without any account."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import click

from bridge import settings
from bridge.sandbox import Sandbox
from bridge.sandbox.page import Page, Pulse
from bridge.sandbox.story import Progress, Step, Story

# A demo is watched: what takes half a minute in an office takes a second here.
PACE = {
    "BRIDGE_POLL_S": "1",
    "BRIDGE_REREAD_S": "1",
    "BRIDGE_LINGER_S": "0.5",
    "BRIDGE_CALL_TIMEOUT_S": "5",
    "BRIDGE_SETTLE_S": "2",
}
PROGRAM = [sys.executable, "-m", "bridge"]


@click.command()
@click.option("--once", is_flag=True, help="Play the story, check every step, and leave: 0 if all came true.")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="The page's port; any free one if it is not given.",
)
def demo(once: bool, port: int) -> None:
    """Play one loop from complaint to receipt, against a Zendesk, Slack and networks of our own.

    Needs no account and sends nothing anywhere: all of it is on this machine.
    """
    # All of it is on loopback, where an office's proxy does not reach.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    # Whoever ends the demo ends the bridge that it keeps: the default would leave it running.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="bridge-demo-") as folder, Sandbox() as sandbox:
        keeper = Keeper(Path(folder), sandbox)
        click.echo("Setting Zendesk up, as `bridge setup zendesk` does for a real account …")
        if not keeper.set_zendesk_up():
            raise click.ClickException(f"The set-up failed:\n{keeper.log()}")
        page = None
        try:
            keeper.start()
            if not once:
                page = Page(sandbox, keeper, port=port)
                _say_where(page, keeper, keeper.write_environment())
            story = Story(sandbox, _tell, keeper.ready, stopped=keeper.refused)
            steps = story.play()
            whole = all(step.ok for step in steps)
            _sum_up(steps, keeper, whole)
            if page is not None:
                _stay(page)
        finally:
            keeper.stop()
            if page is not None:
                page.stop()
    if once and not whole:
        sys.exit(1)


class Keeper:
    """Keeps a ``bridge serve`` running, and starts it again when somebody kills it.

    ``refused`` is set when it ended by itself with an error: it will do so every time.
    """

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self._folder = folder
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        ours = {
            "BRIDGE_DATA": str(folder / "data"),
            "BRIDGE_HOST": "127.0.0.1",
            # What `bridge serve` would use here: one's own may be shown too.
            "BRIDGE_MAPPINGS": str(settings.served_mappings().resolve()),
            "BRIDGE_PUBLIC_URL": self.url,
            "PORT": str(self._port),
            **PACE,
        }
        self._settings = {**ours, **sandbox.environment(self.url)}
        self._environment = {**_without_ours(os.environ), **self._settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._launching = threading.Lock()
        self._watch: threading.Thread | None = None
        self.refused = threading.Event()

    def set_zendesk_up(self) -> bool:
        with self._log_file().open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own program
                [*PROGRAM, "setup", "zendesk"], env=self._environment, stdout=log, stderr=log, check=False
            )
        return done.returncode == 0

    def write_environment(self) -> Path:
        """Write what a shell sources so that its commands are about this bridge, and no real account."""
        file = self._folder / "demo.env"
        lines = [f"unset {' '.join(sorted(_ours() - self._settings.keys()))}"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in self._settings.items()]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def start(self) -> None:
        # Only this thread launches: a signal reaches the main one, and must not come between a
        # process and our knowing of it.
        self._watch = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._watch.start()

    def stop(self) -> None:
        with self._launching:
            self._stopping.set()
            if self._process is not None:
                self._process.terminate()
        if self._watch is not None:
            self._watch.join()

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()

    def pulse(self) -> Pulse:
        process = self._process
        up = process is not None and process.poll() is None
        return Pulse(up, process.pid if process is not None and up else None)

    def ready(self) -> bool:
        """Whether its workers live and every account has been heard once."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:  # noqa: S310 - loopback
                return bool(json.load(answer)["status"] == "ok")
        except (OSError, ValueError):
            return False

    def log(self) -> str:
        """The end of what the bridge printed."""
        lines = self._log_file().read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-30:])

    def _keep(self) -> None:
        self._launch()
        while not self._stopping.is_set():
            process = self._process
            if process is not None and process.wait() > 0:
                self.refused.set()
            # A breath, so that the page shows that it was down, and a broken start does not spin.
            if not self._stopping.wait(1.5):
                self._launch()

    def _launch(self) -> None:
        with self._launching, self._log_file().open("ab") as log:
            if self._stopping.is_set():
                return
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*PROGRAM, "serve"], env=self._environment, stdout=log, stderr=log
            )

    def _log_file(self) -> Path:
        return self._folder / "bridge.log"


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without real accounts: the demo must not reach any of them."""
    ours = _ours()
    return {name: value for name, value in environment.items() if name not in ours}


def _ours() -> set[str]:
    """The names of the variables that a bridge reads."""
    named = {variable.name for variable in settings.VARIABLES}
    return named | {f"{name}_FILE" for name in named} | {"SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _say_where(page: Page, keeper: Keeper, environment: Path) -> None:
    click.echo(f"\nWatch and play at  {click.style(page.url, bold=True)}")
    click.echo(f"The bridge is at   {keeper.url}  (its health: {keeper.url}/readyz)")
    sourced = click.style(f". {shlex.quote(str(environment))}", bold=True)
    click.echo(f"Ask it by command  {sourced}  in another terminal; then `bridge case list`, …\n")


def _tell(step: Step) -> None:
    number = f"{step.number:>2}/{step.of}"
    if step.progress is Progress.DOING:
        if sys.stdout.isatty():
            click.echo(f"{number}  …  {step.title}", nl=False)
        return
    back = "\r" if sys.stdout.isatty() else ""
    mark, colour = {
        Progress.DONE: ("ok", "green"),
        Progress.MISSING: ("!!", "red"),
        Progress.NOT_REACHED: ("--", "yellow"),
    }.get(step.progress, ("", "white"))
    took = f" ({step.seconds:.1f} s)" if step.ok else ""
    click.echo(f"{back}{number}  {click.style(mark, fg=colour)} {step.title}{took}")
    if step.detail:
        click.echo(f"         {step.detail}")


def _sum_up(steps: list[Step], keeper: Keeper, whole: bool) -> None:
    took = sum(step.seconds for step in steps)
    if whole:
        click.secho(f"\nBoth loops are closed: {len(steps)} steps in {took:.1f} s.", fg="green")
        return
    missing = [f"{step.title}: {step.detail}" for step in steps if step.progress is Progress.MISSING]
    click.secho("\nMissing: " + "; ".join(missing), fg="red")
    click.echo(f"\nThe end of the bridge's log:\n{keeper.log()}")


def _stay(page: Page) -> None:
    click.echo(
        f"\nThe page stays up at {page.url} until Ctrl-C. Post, answer, solve; or kill the bridge there."
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("\nGood-bye.")
