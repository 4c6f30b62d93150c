"""Whether the bridge can do its work, in words that say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bridge.core.condition import Condition
from bridge.core.intent import NEEDS_PERSON
from bridge.errors import MappingError, StoreError
from bridge.intake.door import Door
from bridge.store import room, standing
from bridge.store.conditions import WATCHED, WORKER, WORKER_GONE, conditions, faulty_mapping, unwritable
from bridge.store.presence import last_seen


@dataclass(slots=True)
class Health:
    """``mapping_error`` gives the faults of an edit that is not served, ``mapping_version`` what is.

    ``missing`` says what is not set up, each in a sentence; ``mapping_folder`` what the folder of this
    process is to what serves.
    """

    door: Door
    _: KW_ONLY
    mapping_version: Callable[[], str]
    mapping_error: Callable[[], MappingError | None]
    missing: Callable[[], list[str]] = list
    mapping_folder: Callable[[], str] = lambda: "serves"
    # When the worker was last seen for whose silence a write was tried. Threads that ask at once may each
    # try, which does no harm.
    _silent_since: datetime | None = field(default=None, init=False)

    def report(self) -> dict[str, Any]:
        """``status`` is ok, degraded (it works, somebody should look) or down.

        Reads only, unless a write has failed since one was seen to work, or a worker has fallen silent
        without a goodbye: then it tries to write, the latter once.
        """
        database, now = self.door.database, self.door.clock.now()
        try:
            with database.read() as tx:
                seen = last_seen(tx)
            if seen is not None and now - seen > WORKER_GONE and self._silent_since != seen:
                # This process may have had nothing to write: the worker's silence is how it hears of it.
                self._silent_since = seen
                database.in_doubt = True
            why = room.why_not(database) if database.in_doubt else None
            with database.read() as tx:
                report = self._read(tx, now, why)
        except StoreError as error:
            return {"status": "down", "problems": [str(error)]}
        return report

    def _read(self, tx: Session, now: datetime, why: str | None) -> dict[str, Any]:
        seen = last_seen(tx)
        found = self._conditions(tx, now)
        if why is not None:
            # Whether a worker lives is not known then: it could not write that down either.
            found = [unwritable(why), *(one for one in found if one.key != WORKER)]
        down = [one.text for one in found if one.down]
        problems = self.missing() + [one.text for one in found if not one.down]
        unsettled = standing.unsettled_intents(tx)
        return {
            "status": "down" if down else "degraded" if problems else "ok",
            "problems": down + problems,
            "mapping_version": self.mapping_version()[:12],
            "mapping_folder": self.mapping_folder(),
            "worker_seen_at": seen.isoformat() if seen else None,
            "oldest_waiting_intent_s": round(standing.waiting_intents(tx).age_s(now), 1),
            "waiting_for_a_person": sum(
                count for (_effect, state), count in unsettled.items() if state in NEEDS_PERSON
            ),
            "open_loops": standing.open_loops(tx).count,
            "refused_since_start": dict(self.door.counts),
        }

    def _conditions(self, tx: Session, now: datetime) -> list[Condition]:
        """What holds now, and what only the watch can know: it asks vendors, and remembers who was heard."""
        found = list(conditions(tx, now))
        fault = self.mapping_error()
        if fault is not None:
            found.append(faulty_mapping(fault))
        known = {one.key for one in found}
        watched = (Condition(alert.key, alert.text) for alert in standing.alerts(tx))
        return found + [one for one in watched if one.key not in known and one.what in WATCHED]
