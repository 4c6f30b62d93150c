"""``bridge serve``, ``web``, ``worker`` and ``migrate``: the processes."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from types import FrameType

import click
import waitress

from bridge import app, log, settings
from bridge.app import Bridge
from bridge.errors import SettingsError
from bridge.flows import engine
from bridge.intake.door import MAX_BODY
from bridge.settings import Settings
from bridge.store.database import Database
from bridge.store.presence import FolderLock


@click.command()
def serve() -> None:
    """Run everything in one process: the door and the workers."""
    stop = _Stop()
    loaded = _prepare()
    # One process owns the embedded database, so it may bring it up to date itself.
    _migrate(loaded)
    _run(app.build(loaded, flows=True), stop, listen=True)


@click.command()
def web() -> None:
    """Run the door only: verify, record, answer."""
    stop = _Stop()
    _run(app.build(_prepare(), flows=False), stop, listen=True)


@click.command()
def worker() -> None:
    """Run the workers only."""
    stop = _Stop()
    _run(app.build(_prepare(), flows=True), stop, listen=False)


@click.command()
def migrate() -> None:
    """Bring the database's tables to this version of the bridge."""
    loaded = settings.load()
    click.echo(f"The database is at revision {_migrate(loaded)}.")


def _prepare() -> Settings:
    loaded = settings.load()
    log.configure(loaded.log_level, loaded.log_format)
    return loaded


def _migrate(loaded: Settings) -> str:
    database = Database(loaded.database_url)
    lock = FolderLock(database.file) if database.embedded else None
    try:
        revision = database.revision()
        if revision != database.head():
            if lock is not None:
                lock.acquire()  # no table may change under a bridge of another version that still runs
            revision = database.migrate()
        engine.prepare(loaded.wakes_url)
        return revision
    finally:
        if lock is not None:
            lock.release()
        database.close()


class _Stop:
    """What SIGTERM and Ctrl-C ask for, from the first moment on.

    They interrupt what the process does, but for a worker's flows. That they were asked for is
    remembered: what interrupts is lost where it comes upon a destructor.
    """

    def __init__(self) -> None:
        self.interrupts = True
        self._asked = threading.Event()
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked.set()
        if self.interrupts:
            raise SystemExit(0)

    def check(self) -> None:
        """Leave, if that was asked for."""
        if self._asked.is_set():
            raise SystemExit(0)

    def wait(self) -> None:
        self._asked.wait()


def _run(bridge: Bridge, stop: _Stop, *, listen: bool) -> None:
    """Run until SIGTERM or Ctrl-C; what runs then is finished first."""
    stop.check()
    log.name_process(lambda: bridge.world.presence.worker)
    signal.signal(signal.SIGHUP, lambda _signal, _frame: bridge.world.mappings.hurry())
    # What is loaded stays: to look through it for garbage stops all threads, each time for 0.1 s.
    gc.freeze()
    stop.interrupts = listen  # waitress leaves its loop by the exception; elsewhere the event is enough
    bridge.start()
    try:
        stop.check()
        if listen:
            _listen(bridge)
        else:
            click.echo("bridge: working", err=True)
            stop.wait()
    finally:
        bridge.stop()


def _listen(bridge: Bridge) -> None:
    loaded = bridge.settings
    # It would write a line for every request of a burst, while there is nothing to be done about it.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    named = f"[{loaded.host}]" if ":" in loaded.host else loaded.host  # as addresses are written
    try:
        server = waitress.create_server(
            bridge.web,
            host=loaded.host,
            port=loaded.port,
            threads=app.WEB_THREADS,
            max_request_body_size=MAX_BODY,
            ident=None,
        )
    except OSError as error:
        raise SettingsError(
            f"nothing can listen on {named}:{loaded.port} ({error.strerror}): "
            "stop what does, or set PORT or BRIDGE_HOST"
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"BRIDGE_HOST names nothing to listen on: {loaded.host!r} is no address; "
            "127.0.0.1 is this machine alone, 0.0.0.0 every network that it is in"
        ) from error
    click.echo(f"bridge: listening on http://{named}:{server.effective_port}", err=True)
    server.run()
