"""What happens to every request that brings something, whoever sends it.

verify     on the raw bytes, before anything parses them
record     durable before the answer: no vendor has to be up for it
answer     2xx; 503 with Retry-After when it cannot be written, whatever the reason
wake       somebody who understands it
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Response, request

from bridge.core.ports import Clock
from bridge.errors import SettingsError, StoreBusyError
from bridge.intake.recorder import Recorder
from bridge.store import deliveries
from bridge.store.database import Database
from bridge.store.tallies import Tallies

log = logging.getLogger(__name__)

MAX_BODY = 2 * 1024 * 1024
BUSY_RETRY_AFTER_S = 5
PATH_LENGTH = 100  # of what a refused sender asked for, in the log
REFUSALS = {400: "unreadable", 401: "unauthentic", 404: "unknown"}


@dataclass
class Door:
    """Writes deliveries down. ``counts`` says what was refused since the start, by reason."""

    installation: str
    database: Database
    clock: Clock
    wake: Callable[[str, str], None]
    tallies: Tallies = field(default_factory=Tallies)
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.database)

    def record(
        self,
        source: str,
        account: str,
        delivery_id: str,
        body: bytes,
        *,
        state: str = "received",
        reason: str = "",
        by_id: bool = False,
    ) -> bool:
        """Write a delivery down and wake whoever takes it in; False when it is there already.

        ``by_id`` as in `deliveries.record`.

        Raises StoreBusyError when it is not written down, whatever the reason.
        """
        with _come_again():
            row = self._recorder.record(
                installation=self.installation,
                source=source,
                account=account,
                delivery_id=_storable(delivery_id),
                body=body,
                at=self.clock.now(),
                state=state,
                reason=reason or None,
                by_id=by_id,
            )
        if row is not None and state == "received":
            self.wake("take_in", row)
        return row is not None

    def hint(self, source: str, delivery_id: str, body: bytes) -> bool:
        """Record a delivery that only says "look there"; a repeated one makes us look again.

        Two updates within one second are the same bytes with the same time, so what
        looks like a redelivery may be news. Looking twice costs a read and changes nothing.
        Raises StoreBusyError like `record`.
        """
        if self.record(source, "", delivery_id, body):
            return True
        with _come_again(), self.database.write() as tx:
            known = deliveries.find(tx, self.installation, source, "", _storable(delivery_id), body)
            if known is None:
                return False
            deliveries.take_again(known, self.clock.now())
        self.wake("take_in", known.id)
        return False

    def refuse(self, status: int, why: str) -> Response:
        """Answer *status* to the request at hand without a word of explanation; count and log *why*.

        Where it knocked is logged only: any stranger can think of a new path, and counts stay.
        """
        with self._lock:
            self.counts[why] += 1
        self.tallies.add("bridge_requests_refused_total", reason=REFUSALS.get(status, "other"))
        log.info("answered %d to %r: %s", status, request.path[:PATH_LENGTH], why)
        return Response(status=status)

    def busy(self, error: StoreBusyError | SettingsError) -> Response:
        # 503 and a short wait: some senders never try again after a 500.
        log.error("answered 503: %s", error)
        self.tallies.add("bridge_requests_refused_total", reason="busy")
        return Response(status=503, headers={"Retry-After": str(BUSY_RETRY_AFTER_S)})


@contextmanager
def _come_again() -> Iterator[None]:
    """What nobody expected is "not just now" to a sender: after a 500 some never come again."""
    try:
        yield
    except StoreBusyError:
        raise
    except Exception as error:
        # The boundary of the store: it may be well again before the sender gives up.
        log.exception("a delivery could not be written down")
        raise StoreBusyError("a delivery could not be written down: see the error above") from error


def _storable(delivery_id: str) -> str:
    # Some ids come out of JSON, which can spell half a character and a NUL; no database takes those.
    return delivery_id.encode("utf-8", "replace").decode().replace("\x00", "")[: deliveries.ID_LENGTH]
