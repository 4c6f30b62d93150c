"""The mappings that served: their texts, since when, and by whose hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.store import casefile
from bridge.store.insert import alone, insert_new
from bridge.store.tables import Event, MappingVersion

SHORT = 12
_KIND = "mapping"
# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_SERVING = select(MappingVersion.version).order_by(MappingVersion.since.desc()).limit(1)
_SWITCHES = select(Event).where(Event.case_id.is_(None), Event.kind == _KIND).order_by(Event.id.desc())


class Switch(NamedTuple):
    """One time that a mapping began to serve."""

    at: datetime
    version: str
    by: str
    changed: list[str]  # files that differ from what served before


def serving(tx: Session) -> MappingVersion | None:
    """The version that began to serve last; every process of an installation follows it."""
    return tx.scalars(select(MappingVersion).order_by(MappingVersion.since.desc()).limit(1)).first()


def serving_version(tx: Session) -> str | None:
    """Only its hash: asked every few seconds by every process."""
    return tx.scalars(_SERVING).first()


def latest(tx: Session, number: int) -> list[MappingVersion]:
    """The versions that served last, newest first."""
    return list(tx.scalars(select(MappingVersion).order_by(MappingVersion.since.desc()).limit(number)))


def serve(
    tx: Session,
    version: str,
    files: Mapping[str, str],
    at: datetime,
    by: str,
    *,
    trial: bool = False,
    undone: str | None = None,
    instead_of: str | None = None,
) -> bool:
    """Have a version served from now on, in every process; False when it is what serves already.

    *trial*: it may be undone (see `on_trial`). *undone*: why the one before it was (see `undone`).
    *instead_of*: the version that it replaces; False where another serves by now.
    """
    alone(tx, _KIND)
    before = serving(tx)
    if instead_of is not None and (before is None or before.version != instead_of):
        return False
    if before is not None and before.version == version:
        return False
    insert_new(tx, MappingVersion, version=version, files=dict(files), since=at, by=by)
    row = tx.get_one(MappingVersion, version)
    # Never before what served until now, whatever this machine's clock says: the latest is what serves.
    row.since = at if before is None else max(at, before.since + timedelta(microseconds=1))
    row.by = by
    changed = differing(before.files if before is not None else {}, files)
    text = f"version {version[:SHORT]} serves now"
    last = tx.scalars(_SWITCHES.limit(1)).first()  # the latest is what may be undone
    casefile.tell(
        tx,
        None,
        at,
        _KIND,
        text,
        after=last.id if last is not None else None,
        version=version,
        by=by,
        changed=changed,
        trial=trial,
        undone=undone,
    )
    return True


def undone(tx: Session) -> tuple[str, str] | None:
    """(version, why) of the edit that was undone by itself, if that is how the one that serves came to."""
    last = tx.scalars(_SWITCHES.limit(2)).all()
    why = last[0].data.get("undone") if last else None
    return (last[1].data["version"], why) if why and len(last) > 1 else None


def on_trial(tx: Session) -> tuple[MappingVersion, str] | None:
    """The version that serves and the one before it, while it may be undone in favour of that one."""
    last, now = tx.scalars(_SWITCHES.limit(2)).all(), serving(tx)
    if (
        now is None
        or len(last) < 2
        or not last[0].data.get("trial")
        or last[0].data["version"] != now.version
    ):
        return None
    return now, last[1].data["version"]


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The files that are not the same in both."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def switches(tx: Session, limit: int) -> list[Switch]:
    """When which version began to serve, newest first."""
    return [
        Switch(event.at, event.data["version"], event.data["by"], event.data["changed"])
        for event in tx.scalars(_SWITCHES.limit(limit))
    ]


def named(tx: Session, beginning: str) -> list[MappingVersion]:
    """Up to two versions whose hash begins like that."""
    query = select(MappingVersion).where(MappingVersion.version.startswith(beginning, autoescape=True))
    return list(tx.scalars(query.limit(2)))
