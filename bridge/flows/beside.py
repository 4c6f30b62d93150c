"""Brings what this process counts to the table, every few seconds, whatever kind of process it is."""

from __future__ import annotations

import logging
import threading

from bridge.errors import StoreError
from bridge.flows.world import World

log = logging.getLogger(__name__)

EVERY_S = 5.0


class Bringer:
    """A small thread. What it could not bring it brings the next time."""

    def __init__(self, world: World, every_s: float = EVERY_S) -> None:
        self._world = world
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Call it after any fork."""
        self._thread = threading.Thread(target=self._go_on, name="tallies", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Bring the rest."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._bring()

    def _go_on(self) -> None:
        while not self._stopping.wait(self._every_s):
            self._bring()

    def _bring(self) -> None:
        if self._world.desk is not None:
            for limit, left in self._world.desk.calls_left().items():
                self._world.tallies.show("bridge_vendor_calls_left", left, vendor="desk", limit=limit)
        try:
            self._world.tallies.bring(self._world.database)
        except StoreError as error:
            log.warning("what was counted could not be brought yet: %s", error)
