"""The mapping that serves now, and the older ones that open cases were opened with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping as Map
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from bridge.core.ports import Network
from bridge.errors import MappingError
from bridge.routing.load import load, load_files
from bridge.routing.model import Mapping
from bridge.routing.origin import origin
from bridge.store import versions
from bridge.store.database import Database
from bridge.store.tables import MappingVersion

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=2)


class Mappings:
    """Today's mapping: what the admins' folder held when somebody edited it last, anywhere.

    A process that notices an edit of its folder checks it, and writes it down as what
    serves; every other process of the installation follows what is written down. A broken
    edit leaves the last good mapping serving, and ``error`` says what is wrong.
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
        self._passed_over: str | None = None  # what serves elsewhere, and does not load here
        self._in_folder: str | None = None  # the version that the folder held when it last loaded
        self.error: MappingError | None = None

    @property
    def folder_says(self) -> str:
        """What this process's own folder is to what serves, in a few words for the engineer."""
        if self.error is not None:
            return "faulty: see the problems"
        if self._in_folder == self.current.version:
            return "serves"
        return "is not what serves: see `bridge mappings history`"

    @property
    def current(self) -> Mapping:
        if self._current is None:
            raise RuntimeError("start() comes first")
        return self._current

    def start(self, at: datetime) -> None:
        """Load the folder; fall back to the last mapping that served.

        With a database of its own the folder is what counts. Where several machines share
        one, the later edit counts: a folder that was edited before the mapping that serves
        began to is out of date. So is an edit that was undone. Raises MappingError when the
        folder is faulty and none has ever served.
        """
        try:
            mapping = load(self._folder, self._networks)
            self._in_folder = mapping.version
            if self._is_out_of_date(mapping):
                self._follow()
            if self._current is None:
                self._serve(mapping, at)
        except MappingError as error:
            last = self._last_good()
            if last is None:
                raise
            self._current, self.error = last, error
            log.warning(
                "the mapping files are faulty, so version %s still serves:\n%s", last.version[:12], error
            )

    def follow(self) -> None:
        """Take up the mapping that serves, whatever the folder holds, and have none served.

        For a command beside a running bridge: it may be called where another folder is, or none.
        Only where no mapping has served yet the folder is read; raises MappingError if it is faulty.
        """
        self._follow()
        if self._current is None:
            self._current = self._last_good() or load(self._folder, self._networks)

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
        looked_at = self._looked_at  # `hurry` may forget it at any moment
        if looked_at is not None and at - looked_at < LOOK_EVERY:
            return
        self._looked_at = at
        seen = self._look()
        if seen == self._seen:
            self._follow()
            return
        try:
            mapping = load(self._folder, self._networks)
            if self._look() != seen:
                return  # somebody was writing while we read: half an edit is no edit
            self._in_folder = mapping.version
            if self._was_undone(mapping):
                self._seen, self.error = seen, None
                return  # saved again, and the same: it would only be undone again
            self._serve(mapping, at)
        except MappingError as error:
            self.error = error
            log.warning("the edited mapping files are faulty, so version %s still serves:\n%s",
                        self.current.version[:12], error)  # fmt: skip
        else:
            log.info("mapping version %s serves now", self.current.version[:12])
        # Only now: an edit that could not be stored is taken up at the next look.
        self._seen = seen

    def hurry(self) -> None:
        """Look at the next chance, however lately that was done. Safe in a signal's handler."""
        self._looked_at = None

    def _follow(self) -> None:
        """Take up what another process, or a command, has had served."""
        with self._database.read() as tx:
            version = versions.serving_version(tx)
            if version in (None, self._passed_over) or (self._current and version == self._current.version):
                return
            row = tx.get_one(MappingVersion, version)
        try:
            mapping = load_files(row.files, self._networks, try_out=False)
        except MappingError as error:
            # Written by a bridge of another version: that one serves it, this one cannot.
            self._passed_over = row.version
            log.warning("mapping version %s is not for this bridge: %s", row.version[:12], error.faults[0])
            return
        self._versions[mapping.version] = mapping
        self._current = mapping
        log.info("mapping version %s serves now, as %s has it", mapping.version[:12], row.by)

    def _was_undone(self, mapping: Mapping) -> bool:
        with self._database.read() as tx:
            gone = versions.undone(tx)
        return gone is not None and gone[0] == mapping.version

    def _is_out_of_date(self, mapping: Mapping) -> bool:
        if self._was_undone(mapping):
            log.warning("the mapping files are an edit that was undone: see /readyz")
            return True
        if self._database.embedded:
            return False
        with self._database.read() as tx:
            row = versions.serving(tx)
        if row is None or row.version == mapping.version:
            return False
        edited_at = max((changed_ns for _, changed_ns, _ in self._seen), default=0) / 1e9
        if edited_at >= row.since.timestamp():
            return False
        log.warning(
            "the mapping files are older than version %s, which serves: "
            "`bridge mappings reload` has them served",
            row.version[:12],
        )
        return True

    def version(self, tx: Session, version: str) -> Mapping:
        """The mapping that a case was opened with; today's where its texts no longer load."""
        if version not in self._versions:
            row = tx.get(MappingVersion, version)
            try:
                self._versions[version] = (
                    None if row is None else load_files(row.files, self._networks, try_out=False)
                )
            except MappingError:
                # Written for an older bridge. Its cases go on under today's rules, and say so in `explain`.
                self._versions[version] = None
        return self._versions[version] or self.current

    def _serve(self, mapping: Mapping, at: datetime) -> None:
        by = origin(self._folder)  # not below: it asks git
        with self._database.write() as tx:
            versions.serve(tx, mapping.version, mapping.files, at, by, trial=True)
        self._versions[mapping.version] = mapping
        self._current, self.error = mapping, None

    def _last_good(self) -> Mapping | None:
        with self._database.read() as tx:
            rows = versions.latest(tx, 5)
        for row in rows:
            try:
                return load_files(row.files, self._networks, try_out=False)
            except MappingError:
                continue
        return None

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        """What the folder looks like from outside: cheap, and different after any edit."""
        found: list[tuple[str, int, int]] = []
        try:
            paths = sorted(self._folder.rglob("*"))
        except OSError:
            return ()  # it vanishes while we look: `load` says what is wrong with it
        for path in paths:
            try:
                stat = path.stat()
            except OSError:
                found.append((str(path), 0, 0))
            else:
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
        return tuple(found)
