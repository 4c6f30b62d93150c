"""An edit serves as a whole or not at all, and what served once is kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from bridge import app, settings
from bridge.errors import MappingError, StoreBusyError
from bridge.flows import mappings as flow_mappings
from bridge.flows.mappings import Mappings
from bridge.networks import NETWORKS
from bridge.routing.load import version_of
from bridge.routing.model import Mapping
from bridge.sandbox import Sandbox
from bridge.store import versions
from bridge.store.database import Database
from bridge.store.tables import Case, MappingVersion
from tests import migrated
from tests.postgres import Postgres
from tests.running import InProcess, eventually, starter_to_edit
from tests.stories.seen import brand_posts, the_card, the_ticket

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
QUEUES = "queues.yaml"


class Folder:
    """A copy of the starter, to be edited as an admin would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        starter_to_edit(path)
        self.whole = (path / QUEUES).read_text(encoding="utf-8")
        self._saves = 0

    def save(self, text: str) -> None:
        """Save queues.yaml; its time differs from that of every earlier save."""
        file = self.path / QUEUES
        file.write_text(text, encoding="utf-8")
        self._saves += 1
        os.utime(file, ns=(0, file.stat().st_mtime_ns + self._saves))

    def edit(self, label: str) -> None:
        """A good edit: another name for Technical Support."""
        self.save(self.whole.replace("label: Technical Support", f"label: {label}"))

    def break_(self) -> None:
        self.save(self.whole.replace("priority: urgent", "priority: urgentt"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "edited")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/bridge.db"
    migrated.prepare(url)
    database = Database(url, busy_timeout_s=0.1)
    yield database
    database.close()


@pytest.fixture
def start(folder: Folder, database: Database) -> Callable[..., Mappings]:
    def start(at: datetime = NOON) -> Mappings:
        mappings = Mappings(folder.path, NETWORKS, database)
        mappings.start(at)
        return mappings

    return start


minutes = count(1)


def look(mappings: Mappings) -> None:
    """A look at the folder, a minute after the one before."""
    mappings.refresh(NOON + timedelta(minutes=next(minutes)))


def label(mappings: Mappings) -> str:
    return mappings.current.queues["support-technical"].label


def test_the_folder_serves_and_is_stored(start, database: Database):
    """With who and when: every mapping that ever served can be read again."""
    mappings = start()
    assert mappings.error is None
    with database.read() as tx:
        [row] = tx.query(MappingVersion)
    assert (row.version, row.since) == (mappings.current.version, NOON)
    assert row.files == dict(mappings.current.files)
    assert row.by


def test_an_edit_is_taken_up(start, folder: Folder, database: Database):
    """Saved, and a second later it serves; the older version stays stored."""
    mappings = start()
    folder.edit("Helpdesk")
    look(mappings)
    assert label(mappings) == "Helpdesk"
    with database.read() as tx:
        assert tx.query(MappingVersion).count() == 2


def test_without_an_edit_nothing_is_read(start, folder: Folder, monkeypatch: pytest.MonkeyPatch):
    """The sweep asks every second."""
    mappings = start()
    monkeypatch.setattr("bridge.flows.mappings.load", None)
    for _ in range(3):
        look(mappings)


def test_a_new_file_and_a_removed_one_are_edits_too(start, folder: Folder):
    """A language more, and again one less."""
    mappings = start()
    before = mappings.current.version
    extra = folder.path / "replies/rower/closing.de.txt.j2"
    extra.write_text("Alles wieder gut.\n", encoding="utf-8")
    look(mappings)
    assert (mappings.error, mappings.current.version == before) == (None, False)
    extra.unlink()
    look(mappings)
    assert mappings.current.version == before


def test_a_broken_edit_leaves_the_last_good_mapping(start, folder: Folder, caplog: pytest.LogCaptureFixture):
    """As a whole: nothing of the broken edit serves, and it is said with file and line."""
    mappings = start()
    before = mappings.current
    folder.break_()
    look(mappings)
    assert mappings.current is before
    assert mappings.error is not None
    assert "mappings/queues.yaml:" in str(mappings.error)
    assert before.version[:12] in caplog.text
    assert "urgentt" in caplog.text


def test_a_mended_edit_is_taken_up(start, folder: Folder):
    """And the complaint is over."""
    mappings = start()
    folder.break_()
    look(mappings)
    folder.edit("Helpdesk")
    look(mappings)
    assert mappings.error is None
    assert label(mappings) == "Helpdesk"


def test_an_edit_that_was_taken_back_ends_the_complaint(start, folder: Folder):
    """The admin undoes it: the same version as before, without a fault."""
    mappings = start()
    before = mappings.current.version
    folder.break_()
    look(mappings)
    folder.save(folder.whole)
    look(mappings)
    assert (mappings.error, mappings.current.version) == (None, before)


def test_a_folder_that_vanished_is_a_fault_and_not_an_empty_mapping(start, folder: Folder):
    """A volume that is not mounted: "could not read" is never "empty"."""
    mappings = start()
    folder.path.rename(folder.path.with_name("gone"))
    look(mappings)
    assert mappings.error is not None
    assert label(mappings) == "Technical Support"
    folder.path.with_name("gone").rename(folder.path)
    look(mappings)
    assert mappings.error is None


def test_a_start_with_a_broken_folder_uses_the_last_mapping_that_served(start, folder: Folder):
    """A restart in the middle of an edit must not stop the service."""
    start()
    folder.edit("Helpdesk")
    start(NOON + timedelta(hours=1))
    folder.break_()
    mappings = start(NOON + timedelta(hours=2))
    assert label(mappings) == "Helpdesk"
    assert mappings.error is not None


def test_the_last_that_served_counts_and_not_the_newest_one(start, folder: Folder):
    """Edited, and edited back: what served last is the old text again."""
    mappings = start()
    folder.edit("Helpdesk")
    mappings.refresh(NOON + timedelta(hours=1))
    folder.save(folder.whole)
    mappings.refresh(NOON + timedelta(hours=2))
    folder.break_()
    assert label(start(NOON + timedelta(hours=3))) == "Technical Support"


def test_a_broken_folder_is_mended_after_such_a_start(start, folder: Folder):
    """No second restart is needed."""
    start()
    folder.break_()
    mappings = start()
    folder.edit("Helpdesk")
    look(mappings)
    assert (label(mappings), mappings.error) == ("Helpdesk", None)


def test_a_start_with_a_broken_folder_is_refused_when_none_ever_served(start, folder: Folder):
    """There is nothing to fall back on: every fault, and no guess."""
    folder.break_()
    with pytest.raises(MappingError, match=r"mappings/queues\.yaml:\d+:\d+ .*urgentt"):
        start()


def test_a_stored_mapping_that_no_longer_loads_is_passed_over(start, folder: Folder, database: Database):
    """Written for an older bridge: the one before it serves."""
    start()
    with database.write() as tx:
        broken = MappingVersion(version="x", files={"brands.yaml": "?"}, since=NOON + timedelta(1), by="b")
        tx.add(broken)
    folder.break_()
    assert label(start()) == "Technical Support"


def test_a_version_that_served_serves_its_cases_although_its_examples_fail_today(
    start, folder: Folder, database: Database
):
    """A later release may tell a language otherwise: that is no reason to give a case other rules."""
    mappings = start()
    files = dict(mappings.current.files)
    name = "routes/10-social.yaml"
    files[name] = files[name].replace("expect: crisis}", "expect: vip}", 1)
    assert files != dict(mappings.current.files)
    with database.write() as tx:
        versions.serve(tx, version_of(files), files, NOON + timedelta(hours=1), "a test")
    with database.read() as tx:
        assert mappings.version(tx, version_of(files)).version == version_of(files)


def test_an_edit_while_the_database_is_busy_is_taken_up_later(start, folder: Folder, database: Database):
    """It could not be stored, so it does not serve yet; the next look takes it up."""
    mappings = start()
    folder.edit("Helpdesk")
    other = sqlite3.connect(database.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreBusyError):
            look(mappings)
        assert label(mappings) == "Technical Support"
    finally:
        other.close()
    look(mappings)
    assert label(mappings) == "Helpdesk"


def test_a_process_without_flows_takes_up_an_edit_by_itself(tmp_path: Path, folder: Folder):
    """No sweep looks there, and no request shall have to load the files."""
    loaded = settings.load({"BRIDGE_DATA": str(tmp_path / "web"), "BRIDGE_MAPPINGS": str(folder.path)})
    database = Database(loaded.database_url)
    database.migrate()
    database.close()
    built = app.build(loaded, flows=False)
    built.start()
    try:
        before = built.world.mappings.current.version
        folder.edit("Helpdesk")
        eventually(lambda: built.world.mappings.current.version != before, what="the edit is taken up")
    finally:
        built.stop()


def test_an_edit_in_the_same_moment_is_seen_at_the_next_look(start, folder: Folder):
    """The folder is looked at once in two seconds; what was saved in between is not missed."""
    mappings = start()
    mappings.refresh(NOON)
    folder.edit("Helpdesk")
    mappings.refresh(NOON + timedelta(seconds=1))
    assert label(mappings) == "Technical Support"
    mappings.refresh(NOON + timedelta(seconds=2))
    assert label(mappings) == "Helpdesk"


def test_an_old_version_can_be_asked_for(start, folder: Folder, database: Database):
    """By the process that served it, and by one that started later."""
    old = start().current
    folder.edit("Helpdesk")
    later = start()
    with database.read() as tx:
        found = later.version(tx, old.version)
        assert found.queues["support-technical"].label == "Technical Support"
        assert later.version(tx, later.current.version) is later.current


def test_a_version_that_nobody_has_any_more_is_todays(start, folder: Folder, database: Database):
    """Its cases go on under today's rules, and those may be edited."""
    mappings = start()
    with database.write() as tx:
        tx.add(MappingVersion(version="unloadable", files={"brands.yaml": "?"}, since=NOON, by="b"))
    for expected in ("Technical Support", "Helpdesk"):
        with database.read() as tx:
            for version in ("unloadable", "never stored"):
                assert mappings.version(tx, version) is mappings.current
        assert label(mappings) == expected
        folder.edit("Helpdesk")
        look(mappings)


@pytest.fixture
def edited(sandbox: Sandbox, tmp_path: Path, folder: Folder) -> Iterator[InProcess]:
    """A bridge that serves the folder."""
    bridge = InProcess(tmp_path / "data", sandbox, BRIDGE_MAPPINGS=str(folder.path))
    yield bridge
    bridge.stop()


def complain(sandbox: Sandbox, author: str) -> None:
    sandbox.plaza.post(author, "The app logs me out every hour", language="en", tags=["technical-issue"])


def cases(bridge: InProcess) -> list[tuple[str, str, str]]:
    with bridge.database.read() as tx:
        return [(case.queue, case.closing, case.mapping_version) for case in tx.query(Case).order_by(Case.id)]


def test_a_case_keeps_the_version_that_opened_it(sandbox: Sandbox, edited: InProcess, folder: Folder):
    """Its closing policy too: solved after the edit, it is closed as was promised when it was opened."""
    complain(sandbox, "dewi")
    first = the_ticket(sandbox)
    folder.save(folder.whole.replace("closing: auto", "closing: approve", 1))
    world = edited.bridge.world
    before = cases(edited)[0][2]
    eventually(lambda: world.mappings.current.version != before, what="the edit serves")

    complain(sandbox, "maria")
    second = the_ticket(sandbox, 2)
    assert cases(edited) == [
        ("support-technical", "auto", before),
        ("support-technical", "approve", world.mappings.current.version),
    ]
    for ticket in (first, second):
        sandbox.zendesk.solve(ticket.id)
    eventually(
        lambda: [card for card in sandbox.slack.cards("support-technical") if card.button("Post it")],
        what="the question about the second one",
    )
    eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply of the first one")
    assert [one.parent_id for one in brand_posts(sandbox.plaza)] == [sandbox.plaza.posts()[0].id]


def test_the_health_page_says_that_an_edit_is_broken(sandbox: Sandbox, edited: InProcess, folder: Folder):
    """Degraded, with file and line; the service goes on."""
    folder.break_()

    def problems() -> list[str]:
        return edited.bridge.web.test_client().get("/readyz").json["problems"]

    eventually(lambda: [one for one in problems() if "mappings/queues.yaml:" in one], what="the fault")
    assert edited.bridge.web.test_client().get("/readyz").status_code == 200
    complain(sandbox, "dewi")
    the_card(sandbox, "support-technical")
    folder.save(folder.whole)
    eventually(lambda: not [one for one in problems() if "queues.yaml" in one], what="the end of the fault")


def test_a_queue_that_was_removed_still_serves_its_open_cases(
    sandbox: Sandbox, edited: InProcess, folder: Folder
):
    """An admin renames a queue while cases are open in it: they are finished under the stored version."""
    complain(sandbox, "dewi")
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    routes = folder.path / "routes/10-social.yaml"
    routes.write_text(
        routes.read_text(encoding="utf-8").replace("support-technical", "tech-support"), encoding="utf-8"
    )
    folder.save(folder.whole.replace("support-technical:", "tech-support:"))
    before = cases(edited)[0][2]
    mappings = edited.bridge.world.mappings
    eventually(lambda: mappings.current.version != before, what="the edit serves")

    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: "Closed publicly" in the_card(sandbox, "support-technical").words, what="the receipt")


@pytest.fixture
def elsewhere(tmp_path: Path, database: Database) -> Callable[..., Mappings]:
    """Another process of the installation, with a copy of the files of its own."""
    starter_to_edit(tmp_path / "elsewhere")

    def elsewhere(at: datetime = NOON) -> Mappings:
        mappings = Mappings(tmp_path / "elsewhere", NETWORKS, database)
        mappings.start(at)
        return mappings

    return elsewhere


def test_every_process_serves_what_one_has_taken_up(start, elsewhere, folder: Folder):
    """An edit on one machine: the others follow it, and nobody falls back to the older files."""
    here, there = start(), elsewhere()
    folder.edit("Helpdesk")
    look(here)
    look(there)
    assert (label(there), there.current.version) == ("Helpdesk", here.current.version)
    look(here)
    look(there)
    assert (label(here), label(there)) == ("Helpdesk", "Helpdesk")


def test_a_fault_in_one_folder_keeps_no_process_from_following_another(start, elsewhere, folder: Folder):
    """The broken folder is still called broken."""
    here, there = start(), elsewhere()
    folder.break_()
    look(here)
    assert here.error is not None
    queues = there._folder / QUEUES
    queues.write_text(folder.whole.replace("label: Technical Support", "label: Helpdesk"), encoding="utf-8")
    look(there)
    look(here)
    assert (label(here), here.error is not None) == ("Helpdesk", True)


def test_what_another_bridge_wrote_and_this_one_cannot_load_is_left_alone(start, database: Database):
    """A newer bridge beside an older one, while they are brought up to date."""
    mappings = start()
    with database.write() as tx:
        versions.serve(tx, "f" * 64, {"brands.yaml": "of tomorrow: true"}, NOON + timedelta(1), "b")
    for _ in range(2):
        look(mappings)
    assert (label(mappings), mappings.error) == ("Technical Support", None)


@pytest.mark.parametrize(("edited_at", "serves"), [(-1, "Helpdesk"), (+1, "Technical Support")])
def test_where_machines_share_a_database_the_later_edit_counts_at_a_start(
    postgres: Postgres, folder: Folder, edited_at: int, serves: str
):
    """A machine that was away comes back with old files; or with files that were edited meanwhile."""
    shared = Database(postgres.new_database())
    shared.migrate()
    old = folder.path.with_name("old")
    shutil.copytree(folder.path, old)
    folder.edit("Helpdesk")
    try:
        Mappings(folder.path, NETWORKS, shared).start(NOON)
        since = NOON.timestamp() + edited_at
        for path in (old, *old.rglob("*")):
            os.utime(path, (since, since))
        there = Mappings(old, NETWORKS, shared)
        there.start(NOON + timedelta(days=1))
        assert label(there) == serves
    finally:
        shared.close()


def test_half_an_edit_is_not_served(start, folder: Folder, monkeypatch):
    """Somebody writes while the files are read: that reading is thrown away."""
    mappings = start()
    folder.edit("Helpdesk")
    whole = flow_mappings.load

    def while_somebody_writes(*given: object) -> Mapping:
        loaded = whole(*given)
        folder.edit("Desk of Help")
        return loaded

    with monkeypatch.context() as patched:
        patched.setattr(flow_mappings, "load", while_somebody_writes)
        look(mappings)
    assert label(mappings) == "Technical Support"
    look(mappings)
    assert label(mappings) == "Desk of Help"
