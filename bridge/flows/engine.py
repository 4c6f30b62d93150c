"""Wake-ups. The only file that knows Huey.

The tables are the truth; this only says who should look at what, now. A wake-up
carries a flow's name and a key and nothing else: losing one costs the second until
the sweep finds the row, waking twice is harmless.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from huey import MemoryHuey
from huey.consumer import Consumer

from bridge.errors import SettingsError, StoreBusyError
from bridge.store.leases import LeaseLostError

log = logging.getLogger(__name__)

Flow = Callable[[str], None]


class _QuietConsumer(Consumer):  # type: ignore[misc]
    """Huey's consumer inside our process: signals are the command's business, not its own."""

    def _set_signal_handlers(self) -> None:
        pass


class Engine:
    """Runs flows on threads of this process.

    ``flows`` maps a name to a function of a key. ``failed`` hears of a flow that ended
    in an exception that nobody expected: the sweep will wake it again, later each time.
    """

    def __init__(
        self, flows: Mapping[str, Flow], *, threads: int, every_s: float, failed: Callable[[str, str], None]
    ) -> None:
        self._flows = flows
        self._failed = failed
        self._every_s = every_s
        self._stopping = threading.Event()
        self._queued: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._ticker: threading.Thread | None = None
        self._huey = MemoryHuey("bridge", results=False, utc=True)
        self._task = self._huey.task(name="wake")(self._run)
        self._consumer = _QuietConsumer(
            self._huey, workers=threads, periodic=False, initial_delay=0.02, backoff=1.2, max_delay=0.2
        )

    def wake(self, flow: str, key: str) -> None:
        """Have *flow* look at *key* soon. Never blocks on, or fails for, the outside."""
        with self._lock:
            if self._stopping.is_set() or (flow, key) in self._queued:
                return
            self._queued.add((flow, key))
        self._task(flow, key)

    def start(self) -> None:
        """Start the threads. Call it after any fork."""
        logging.getLogger("huey").setLevel(logging.WARNING)
        self._consumer.start()
        self._ticker = threading.Thread(target=self._tick, name="sweep", daemon=True)
        self._ticker.start()

    def stop(self) -> None:
        """Stop gracefully: what runs is finished, what only waits is left to the next start."""
        with self._lock:
            self._stopping.set()
        if self._ticker is not None:
            self._ticker.join()
        self._huey.flush()
        self._consumer.stop(graceful=True)

    def _tick(self) -> None:
        while True:
            self._run("sweep", "")
            if self._stopping.wait(self._every_s):
                return

    def _run(self, flow: str, key: str) -> None:
        with self._lock:
            # From here on a new fact needs a new wake-up: this run may have read past it.
            self._queued.discard((flow, key))
        try:
            self._flows[flow](key)
        except SettingsError:
            log.exception("flow %s stopped: a setting is wrong", flow)
            self._put_off(flow, key)
        except (LeaseLostError, StoreBusyError) as error:
            log.warning("flow %s %s gave up for now: %s", flow, key, error)
        except Exception:
            # The boundary of a flow: whatever it was, the others must go on.
            log.exception("flow %s %s failed", flow, key)
            self._put_off(flow, key)

    def _put_off(self, flow: str, key: str) -> None:
        try:
            self._failed(flow, key)
        except Exception:
            # The sweep's own thread comes here too, and must not end: nothing would ever be found again.
            log.exception("flow %s %s could not even be put off", flow, key)
