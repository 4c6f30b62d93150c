"""The mapping that serves now, and the older ones that open cases were opened with."""

from __future__ import annotations

import getpass
import logging
import threading
from collections.abc import Mapping as Map
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.ports import Network
from bridge.errors import MappingError
from bridge.routing.load import load, load_files
from bridge.routing.model import Mapping
from bridge.store.database import Database
from bridge.store.insert import insert_new
from bridge.store.tables import MappingVersion

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=2)


class Mappings:
    """Today's mapping, from the admins' folder.

    A broken edit leaves the last good mapping serving, and ``error`` says what is wrong.
    """

    def __init__(self, folder: Path, networks: Map[str, Network], database: Database) -> None:
        self._folder = folder
        self._networks = networks
        self._database = database
        self._lock = threading.Lock()
        self._seen = self._look()
        self._looked_at: datetime | None = None
        self._current: Mapping | None = None
        self._versions: dict[str, Mapping | None] = {}  # None: it no longer loads
        self.error: MappingError | None = None

    @property
    def current(self) -> Mapping:
        if self._current is None:
            raise RuntimeError("start() comes first")
        return self._current

    def start(self, at: datetime) -> None:
        """Load the folder; fall back to the last mapping that served.

        Raises MappingError when the folder is faulty and none has ever served.
        """
        try:
            self._serve(load(self._folder, self._networks), at)
        except MappingError as error:
            last = self._last_good()
            if last is None:
                raise
            self._current, self.error = last, error
            log.warning(
                "the mapping files are faulty, so version %s still serves:\n%s", last.version[:12], error
            )

    def refresh(self, at: datetime) -> None:
        """Take up an edit, if there is one: as a whole, or not at all. Looks once in two seconds.

        Does not wait for a thread that is at it already: what has served until now serves on.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._refresh(at)
        finally:
            self._lock.release()

    def _refresh(self, at: datetime) -> None:
        if self._looked_at is not None and at - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = at
        seen = self._look()
        if seen == self._seen:
            return
        try:
            self._serve(load(self._folder, self._networks), at)
        except MappingError as error:
            self.error = error
            log.warning("the edited mapping files are faulty, so version %s still serves:\n%s",
                        self.current.version[:12], error)  # fmt: skip
        else:
            log.info("mapping version %s serves now", self.current.version[:12])
        # Only now: an edit that could not be stored is taken up at the next look.
        self._seen = seen

    def version(self, tx: Session, version: str) -> Mapping:
        """The mapping that a case was opened with; today's where its texts no longer load."""
        if version not in self._versions:
            row = tx.get(MappingVersion, version)
            try:
                self._versions[version] = None if row is None else load_files(row.files, self._networks)
            except MappingError:
                # Written for an older bridge. Its cases go on under today's rules, and say so in `explain`.
                self._versions[version] = None
        return self._versions[version] or self.current

    def _serve(self, mapping: Mapping, at: datetime) -> None:
        with self._database.write() as tx:
            insert_new(
                tx,
                MappingVersion,
                version=mapping.version,
                files=dict(mapping.files),
                since=at,
                by=getpass.getuser(),
            )
            # What served last is what a start with a broken folder falls back on.
            tx.get_one(MappingVersion, mapping.version).since = at
        self._versions[mapping.version] = mapping
        self._current, self.error = mapping, None

    def _last_good(self) -> Mapping | None:
        with self._database.read() as tx:
            rows = list(tx.scalars(select(MappingVersion).order_by(MappingVersion.since.desc()).limit(5)))
        for row in rows:
            try:
                return load_files(row.files, self._networks)
            except MappingError:
                continue
        return None

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        """What the folder looks like from outside: cheap, and different after any edit."""
        found: list[tuple[str, int, int]] = []
        for path in sorted(self._folder.rglob("*")):
            try:
                stat = path.stat()
            except OSError:
                found.append((str(path), 0, 0))
            else:
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
        return tuple(found)
