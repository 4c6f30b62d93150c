"""Writes deliveries down; those that come at the same time share one commit.

A commit costs the disk's time, whatever is in it. So the first request that has
something to write leads: it waits for the database, takes into its transaction all
that others have brought meanwhile, and commits. Nobody is answered before that.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import StoreBusyError
from bridge.store import deliveries
from bridge.store.database import Database


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class _Brought:
    """One delivery on its way. ``row`` is its id once it is durable, None if it was there already."""

    values: dict[str, Any]
    row: str | None = None
    error: Exception | None = field(
        default_factory=lambda: StoreBusyError("the write did not come to its end")
    )
    settled: bool = False
    turn: threading.Lock = field(default_factory=_taken)  # released once: it is settled, or leads

    @property
    def place(self) -> tuple[str, ...]:
        return self.values["source"], self.values["account"], self.values["delivery_id"]


class Recorder:
    """Shared by the threads of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: list[_Brought] = []
        self._is_led = False

    def record(self, **values: Any) -> str | None:
        """Write a delivery down as `deliveries.record` does, and return when it is durable.

        Raises StoreBusyError when it cannot be written just now, and whatever else keeps it out.
        """
        mine = _Brought(values)
        with self._lock:
            self._waiting.append(mine)
            follows, self._is_led = self._is_led, True
        if follows:
            mine.turn.acquire()
        if not mine.settled:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.row

    def _lead(self) -> None:
        """Write all that is there; then the first who came too late for it leads."""
        together: list[_Brought] = []
        try:
            self._write(together)
        except StoreBusyError as error:
            if not together:
                self._take(together)  # nobody got at the database: they would fare no better
            for one in together:
                one.error = StoreBusyError(str(error))
        except Exception:  # noqa: BLE001
            # One that cannot be stored must not take the others with it, whatever is wrong with it.
            if not together:
                self._take(together)  # nor may who failed too early for that stay in front of them
            for one in together:
                self._write_alone(one)
        finally:
            self._release(together)

    def _write(self, together: list[_Brought]) -> None:
        with self._database.write(first=True) as tx:
            # Only once the database is ours: the longer that takes, the more there are.
            tx.connection()
            self._take(together)
            # In one order everywhere, or two processes with the same deliveries wait for each other.
            for one in sorted(together, key=lambda one: one.place):
                one.row = deliveries.record(tx, **one.values)
        for one in together:
            one.error = None

    def _write_alone(self, one: _Brought) -> None:
        try:
            with self._database.write(first=True) as tx:
                one.row = deliveries.record(tx, **one.values)
            one.error = None
        except Exception as error:  # noqa: BLE001
            # Raised again in the thread that brought it.
            one.error = error

    def _take(self, together: list[_Brought]) -> None:
        with self._lock:
            together += self._waiting
            self._waiting = []

    def _release(self, together: list[_Brought]) -> None:
        for one in together:
            one.settled = True
            one.turn.release()
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._is_led:
                self._waiting[0].turn.release()
