"""What a process does beside its flows and requests: small things, every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bridge.errors import StoreError
from bridge.flows.world import World
from bridge.store.clock import SharedClock

log = logging.getLogger(__name__)

COUNTS_EVERY_S = 5.0
MAPPING_EVERY_S = 2.0
TIME_EVERY_S = 10.0


class Beside:
    """A small thread that calls *act* every *every_s* seconds, and *at_the_end* once more when it stops.

    What cannot be done is done the next time.
    """

    def __init__(
        self, name: str, act: Callable[[], None], every_s: float, *, at_the_end: bool = False
    ) -> None:
        self._name = name
        self._act = act
        self._every_s = every_s
        self._at_the_end = at_the_end
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Call it after any fork."""
        self._thread = threading.Thread(target=self._go_on, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._at_the_end:
            self._once()

    def _go_on(self) -> None:
        while not self._stopping.wait(self._every_s):
            self._once()

    def _once(self) -> None:
        try:
            self._act()
        except StoreError as error:
            log.warning("%s: not just now: %s", self._name, error)
        except Exception:
            # Whatever it was, the next time may be another.
            log.exception("%s failed", self._name)


def counting(world: World) -> Beside:
    """Brings what this process counts to the table, whatever kind of process it is."""

    def bring() -> None:
        if world.desk is not None:
            for limit, left in world.desk.calls_left().items():
                world.tallies.show("bridge_vendor_calls_left", left, vendor="desk", limit=limit)
        world.tallies.bring(world.database)

    return Beside("tallies", bring, COUNTS_EVERY_S, at_the_end=True)


def following(world: World) -> Beside:
    """Takes up edits of the mapping where no sweep does it: no request shall wait for that."""
    return Beside("mapping", lambda: world.mappings.refresh(world.clock.now()), MAPPING_EVERY_S)


def keeping_time(clock: SharedClock) -> Beside:
    """Puts the clock right now and then: machines' clocks drift, or are set."""
    return Beside("clock", clock.set, TIME_EVERY_S)
