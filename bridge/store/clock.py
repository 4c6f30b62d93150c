"""Clocks: the machine's, and the one of all processes of an installation, that of the database's server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from bridge.core.ports import Clock
from bridge.store.database import Database

_SLOW = timedelta(seconds=1)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SharedClock:
    """The machine's clock, put right by that of the server; as it is beside an embedded database.

    What one process wrote down as sent, over or due, another weighs. By a clock that is half a minute
    ahead a settle time would be over before it began, and a reply that nobody sees yet be said again.

    Not the server's time carried on by a counter: none of them counts while a machine is suspended.
    """

    def __init__(self, database: Database, machine: Clock) -> None:
        """As it is until it is `set`."""
        self._database = database
        self._machine = machine
        self._behind: timedelta | None = None

    def now(self) -> datetime:
        return self._machine.now() + (self._behind or timedelta(0))

    def set(self) -> None:
        """Ask the server what time it is. Raises StoreBusyError."""
        if self._database.embedded:
            return
        with self._database.read() as tx:
            tx.connection()
            asked = self._machine.now()
            told = tx.scalar(select(func.clock_timestamp()))
            took = self._machine.now() - asked
        # Half of the way is a guess: what took long tells little, and what was known before is better.
        if told is not None and (self._behind is None or timedelta(0) <= took < _SLOW):
            self._behind = told.astimezone(UTC) - (asked + took / 2)
