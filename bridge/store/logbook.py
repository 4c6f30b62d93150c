"""What an engineer reads in the log, one line for each thing that became of a case: ids, and nobody's words.

A line leaves when its transaction has committed, and not when it was rolled back: the log says
what is so. Costs nothing where the log is kept from WARNING up.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

log = logging.getLogger(__name__)

_NOTED = "lines of the log"  # in a session's info: those that its transaction has to write


def is_kept() -> bool:
    """Whether the log would show a line at all."""
    return log.isEnabledFor(logging.INFO)


def note(tx: Session, what: str, **ids: str | None) -> None:
    """Say *what* happened, and to whom by *ids*, if and when *tx* commits.

    Neither may hold what a person wrote or is called: no reason, no text, no handle.
    """
    if is_kept():
        tx.info.setdefault(_NOTED, []).append((what, {name: id_ for name, id_ in ids.items() if id_}))


@event.listens_for(Session, "after_commit")
def _write(tx: Session) -> None:
    lines: list[tuple[str, dict[str, Any]]] = tx.info.pop(_NOTED, [])
    for what, ids in lines:
        with bound_contextvars(**ids):
            log.info("%s", what)


@event.listens_for(Session, "after_rollback")
def _forget(tx: Session) -> None:
    tx.info.pop(_NOTED, None)
