"""Statements are compiled once for each kind of database, not once more for each of a thousand databases.

An engine keeps what it has compiled, and each test has an engine of its own: it would spend a fifth of its
time on compiling what the one before it has compiled. So the engines of a process share what they keep.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

_first: dict[str, Engine] = {}  # by kind of database


def share(engine: Engine) -> None:
    """Have *engine* use what the first of its kind has compiled, once it is connected."""

    @event.listens_for(engine, "connect")
    def _connected(_connection: Any, _record: Any) -> None:
        # Not before: a dialect is complete when it has seen a connection, and this may be the first.
        first = _first.setdefault(engine.name, engine)
        engine.dialect = first.dialect
        engine._compiled_cache = first._compiled_cache
