"""Wake-ups. The only file that knows Huey.

The tables are the truth; this only says who should look at what, now. A wake-up
carries a flow's name and a key and nothing else: losing one costs the second until
the sweep finds the row, waking twice is harmless.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import psycopg
from huey import Huey, MemoryHuey, RedisHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import PostgresStorage
from structlog.contextvars import bound_contextvars

from bridge.errors import SettingsError, StoreBusyError
from bridge.store.leases import LeaseLostError

log = logging.getLogger(__name__)


class Begun(Protocol):
    """A flow that another has begun in its own transaction: it goes on at once, on the same thread."""

    flow: str
    key: str

    def go(self) -> None: ...


Flow = Callable[[str], Begun | None]
# What the keys of flows are, for the log.
_KEYS = {"take_in": "delivery", "consider": "message", "work": "case", "poll": "cursor"}

QUEUE = "bridge"
CROWD = 500  # wake-ups that wait: more of them by the sweep would only be the same ones again


class _QuietConsumer(Consumer):  # type: ignore[misc]
    """Huey's consumer inside our process: signals are the command's business, not its own."""

    def _set_signal_handlers(self) -> None:
        pass


class _Plain(Serializer):  # type: ignore[misc]
    """Wake-ups as JSON: Huey's own way is pickle, which would run what somebody else put into the queue."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps([data.id, data.name, *data.args]).encode()

    def _deserialize(self, data: bytes) -> Any:
        identity, name, flow, key = json.loads(data)
        return Message(
            id=identity, name=name, retries=0, retry_delay=0, args=(str(flow), str(key)), kwargs={}
        )


class _OneListens(PostgresStorage):  # type: ignore[misc]
    """The queue on PostgreSQL, with one thread of a process in front of it at a time.

    Huey has each thread listen on a session of its own, and ask when it hears something: as many
    questions for each wake-up as there are threads, and sessions until the server has none left.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._turn = threading.Lock()
        self._listen_local = SimpleNamespace()  # no thread's own any more: whose turn it is uses it
        self.over = False

    def dequeue(self) -> bytes | None:
        if not self._turn.acquire(timeout=self.read_timeout):
            return None
        try:
            # Or each of the threads would listen once more before it ends.
            found: bytes | None = None if self.over else super().dequeue()
            return found
        finally:
            self._turn.release()


class _Sessions:
    """The queue's sessions on PostgreSQL: one that tells and takes, and one that listens."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._open: list[psycopg.Connection] = []

    def open(self) -> psycopg.Connection:
        session = psycopg.connect(self._url, connect_timeout=5)
        with self._lock:
            self._open = [*(one for one in self._open if not one.closed), session]
        return session

    def close(self) -> None:
        with self._lock:
            for session in self._open:
                session.close()
            self._open = []


class Wakes:
    """Where wake-ups wait: in this process, or where all processes of an installation see them."""

    def __init__(self, url: str = "") -> None:
        """*url* is that of a PostgreSQL or Redis; empty for this process alone.

        Nothing is connected yet. Raises SettingsError where Redis is asked for and its client not installed.
        """
        self.shared = bool(url)
        self._lock = threading.Lock()
        self._queued: set[tuple[str, str]] = set()
        self._shut = False
        self._run: Callable[[str, str], None] = lambda _flow, _key: None
        self._sessions = _Sessions(url)
        self.huey, self._failures = _queue(url, self._sessions)
        self._task = self.huey.task(name="wake")(self._take)

    def wake(self, flow: str, key: str) -> None:
        """Have *flow* look at *key* soon. Never fails: the sweep finds what could not be told."""
        if not self.shared:
            with self._lock:
                if self._shut or (flow, key) in self._queued:
                    return
                self._queued.add((flow, key))
        try:
            self._task(flow, key)
        except self._failures as error:
            # The fact is in the tables already.
            log.warning("a wake-up was lost, the sweep will find its row: %s", type(error).__name__)

    def crowded(self) -> bool:
        """Whether so many wait that the sweep should not add to them."""
        try:
            return bool(self.huey.storage.queue_size() > CROWD)
        except self._failures as error:
            log.warning("the queue of wake-ups cannot be reached, nothing is begun: %s", type(error).__name__)
            return True

    def serve(self, run: Callable[[str, str], None]) -> None:
        """Say what runs when a wake-up is taken by this process."""
        self._run = run

    def _take(self, flow: str, key: str) -> None:
        with self._lock:
            # From here on a new fact needs a new wake-up: this run may have read past it.
            self._queued.discard((flow, key))
        self._run(flow, key)

    def shut(self) -> None:
        """Take no more; what waits in this process is left to the next start."""
        with self._lock:
            self._shut = True
        if isinstance(self.huey.storage, _OneListens):
            self.huey.storage.over = True
        elif not self.shared:
            self.huey.flush()

    def close(self) -> None:
        """Hang up, once no thread takes wake-ups any more."""
        self._sessions.close()


def prepare(url: str) -> None:
    """Make the tables of the queue on a PostgreSQL; does nothing elsewhere, or when they are there.

    Raises psycopg's errors.
    """
    if url.startswith("postgres"):
        sessions = _Sessions(url)
        _queue(url, sessions)[0].storage.initialize_schema()
        sessions.close()


class Engine:
    """Runs flows on threads of this process.

    ``flows`` maps a name to a function of a key, which may give another flow that it has
    begun. ``failed`` hears of a flow that ended in an exception that nobody expected: the
    sweep will wake it again, later each time.
    """

    def __init__(
        self,
        flows: Mapping[str, Flow],
        *,
        threads: int,
        every_s: float,
        failed: Callable[[str, str], None],
        wakes: Wakes | None = None,
    ) -> None:
        self._flows = flows
        self._failed = failed
        self._every_s = every_s
        self._stopping = threading.Event()
        self._ticker: threading.Thread | None = None
        self._wakes = wakes or Wakes()
        self._wakes.serve(self._run)
        self.wake = self._wakes.wake
        self._consumer = _QuietConsumer(
            self._wakes.huey, workers=threads, periodic=False, initial_delay=0.02, backoff=1.2, max_delay=0.2
        )

    def start(self) -> None:
        """Start the threads. Call it after any fork."""
        logging.getLogger("huey").setLevel(logging.WARNING)
        self._consumer.start()
        self._ticker = threading.Thread(target=self._tick, name="sweep", daemon=True)
        self._ticker.start()

    def stop(self) -> None:
        """Stop gracefully: what runs is finished, what only waits is left to the next start."""
        self._stopping.set()
        if self._ticker is not None:
            self._ticker.join()
        self._wakes.shut()
        self._consumer.stop(graceful=True)
        self._wakes.close()

    def _tick(self) -> None:
        while True:
            self._run("sweep", "")
            if self._stopping.wait(self._every_s):
                return

    def _run(self, flow: str, key: str) -> None:
        begun = self._follow(flow, key, lambda: self._flows[flow](key))
        if begun is not None:
            self._follow(begun.flow, begun.key, begun.go)

    def _follow(self, flow: str, key: str, run: Callable[[], Begun | None]) -> Begun | None:
        with bound_contextvars(flow=flow, **({_KEYS.get(flow, "key"): key} if key else {})):
            try:
                return run()
            except SettingsError:
                log.exception("flow %s stopped: a setting is wrong", flow)
                self._put_off(flow, key)
            except (LeaseLostError, StoreBusyError) as error:
                log.warning("flow %s %s gave up for now: %s", flow, key, error)
            except Exception:
                # The boundary of a flow: whatever it was, the others must go on.
                log.exception("flow %s %s failed", flow, key)
                self._put_off(flow, key)
        return None

    def _put_off(self, flow: str, key: str) -> None:
        try:
            self._failed(flow, key)
        except Exception:
            # The sweep's own thread comes here too, and must not end: nothing would ever be found again.
            log.exception("flow %s %s could not even be put off", flow, key)


def _queue(url: str, sessions: _Sessions) -> tuple[Huey, tuple[type[Exception], ...]]:
    """The queue, and what its driver raises when it cannot be reached."""
    asked: dict[str, Any] = {"results": False, "utc": True, "serializer": _Plain()}
    if not url:
        return MemoryHuey(QUEUE, **asked), ()
    if url.startswith("postgres"):
        asked |= {"connection": sessions.open, "read_timeout": 0.3, "create_tables": False}
        return Huey(QUEUE, storage_class=_OneListens, **asked), (psycopg.Error, OSError)
    try:
        import redis  # noqa: PLC0415 - only who sets REDIS_URL needs it
    except ImportError as error:
        raise SettingsError("REDIS_URL needs Redis' client: pip install 'loop-bridge[redis]'") from error
    return RedisHuey(QUEUE, url=url, **asked), (redis.RedisError, OSError)
