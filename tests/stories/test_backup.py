"""A copy of a live database, put back: nothing is lost that was in it, and nothing public is said twice."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import requests
from alembic import command
from sqlalchemy import select

from bridge.core.intent import IntentState
from bridge.errors import StoreError
from bridge.sandbox import Sandbox
from bridge.sandbox.zendesk import TicketView
from bridge.store import backup, lanes
from bridge.store.database import Database, migrations_config
from bridge.store.presence import last_seen
from bridge.store.tables import (
    Alert,
    Base,
    Case,
    Cursor,
    Erasure,
    Event,
    Intent,
    Message,
    Tally,
    TicketRow,
    WorkerRow,
)
from tests.postgres import Postgres
from tests.running import InProcess, eventually, stays
from tests.stories.seen import Ahead, brand_posts, quiet, the_ticket

ANSWER = "Which version of the app is it?"


def now() -> datetime:
    return datetime.now(UTC)


def rows(database: Database) -> dict[str, list[dict]]:
    """Everything that a restore must not change."""
    left_out = {"lanes", "workers", "leases", "cursors", "tallies", "alerts"}
    with database.read() as tx:
        return {
            table.name: [
                dict(row) for row in tx.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in left_out | {"tickets", "cases"}
        }


@pytest.fixture
def answered(sandbox: Sandbox, running: InProcess) -> InProcess:
    """A case with one public answer."""
    sandbox.plaza.post("dewi", "The app logs me out every hour 🙈", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, ANSWER)
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("was posted", public=False), what="the answer's note"
    )
    return running


@contextmanager
def restored(sandbox: Sandbox, tmp_path: Path, *, paused: bool = True) -> Iterator[InProcess]:
    """A bridge on another machine, with what ``copy.db`` holds."""
    new = Database(f"sqlite:///{tmp_path}/new.db")
    backup.restore(tmp_path / "copy.db", new, now(), "ana")
    if not paused:
        with new.write() as tx:
            lanes.resume(tx, lanes.PUBLIC)
    new.close()
    bridge = InProcess(tmp_path / "data2", sandbox, DATABASE_URL=f"sqlite:///{tmp_path}/new.db")
    try:
        yield bridge
    finally:
        bridge.stop()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_a_bridge_at_work_goes_into_either_kind_of_database(
    answered: InProcess, tmp_path: Path, postgres: Postgres, kind: str
):
    """Row by row the same, whatever it came from: it is also the way from one machine to several."""
    eventually(lambda: answered.sandbox.wait_idle() and quiet(answered), what="what a copy is compared with")
    counts = backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    assert counts["cases"] == 1
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    answered.bridge.engine.stop()

    other = Database(f"sqlite:///{tmp_path}/other.db" if kind == "sqlite" else postgres.new_database())
    try:
        assert backup.restore(tmp_path / "copy.db", other, now(), "ana") == {
            **counts,
            "lanes": counts["lanes"] + 1,
        }
        assert rows(other) == rows(answered.database)
    finally:
        other.close()


def test_what_was_said_after_the_backup_is_not_said_again(
    sandbox: Sandbox, answered: InProcess, tmp_path: Path, store_url: str
):
    """The memory of the loop's end is lost: its words are held, and a person says that they are there."""
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "It is fixed in 4.3.", status="solved")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, what="the closing reply")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")
    answered.stop()

    with restored(sandbox, tmp_path) as bridge:
        held = eventually(lambda: waiting(bridge), what="the reply that is held")
        assert "restored" in (held.reason or "")
        with bridge.database.write() as tx:
            assert lanes.resume(tx, lanes.PUBLIC)
        stays(lambda: len(brand_posts(sandbox.plaza)) == 2)


def test_an_answer_on_a_case_that_began_after_the_restore_is_not_held(
    sandbox: Sandbox, running: InProcess, tmp_path: Path
):
    """However soon it comes: no bridge but this one ever knew the ticket."""
    backup.back_up(running.database, tmp_path / "copy.db", now(), "ana")
    running.stop()

    with restored(sandbox, tmp_path, paused=False) as bridge:
        sandbox.zendesk.install_webhook(bridge.url)
        sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
        sandbox.zendesk.agent_comments(the_ticket(sandbox).id, ANSWER)
        eventually(lambda: [ANSWER] == [post.text for post in brand_posts(sandbox.plaza)], what="the answer")
        assert waiting(bridge) is None


def test_a_case_that_was_restored_by_a_slow_clock_is_known_as_restored(answered: InProcess, tmp_path: Path):
    """The new machine's clock is an hour behind: the case seems to be later than the restore, and is not."""
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    new = Database(f"sqlite:///{tmp_path}/new.db")
    try:
        backup.restore(tmp_path / "copy.db", new, now() - timedelta(hours=1), "ana")
        with new.read() as tx:
            assert backup.told_in_between(tx, tx.scalars(select(Case.id)).one(), now())
    finally:
        new.close()


def test_a_solve_without_a_word_after_the_backup_closes_on_the_answer_before_it(
    sandbox: Sandbox, answered: InProcess, tmp_path: Path
):
    """The customer has the answer already: nothing goes out, so nothing is held, and the loop has its end."""
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")
    answered.stop()

    with restored(sandbox, tmp_path) as bridge:
        eventually(lambda: the_case(bridge).state == "closed", what="the end of the loop")
        [reply] = brand_posts(sandbox.plaza)
        assert (the_case(bridge).receipt, waiting(bridge)) == ("closed publicly", None)
        assert reply.id in (the_case(bridge).receipt_url or "")


def the_case(bridge: InProcess) -> Case:
    with bridge.database.read() as tx:
        return tx.scalars(select(Case)).one()


def waiting(bridge: InProcess) -> Intent | None:
    with bridge.database.read() as tx:
        return tx.scalars(select(Intent).where(Intent.state == IntentState.HELD)).first()


def test_what_was_about_to_be_sent_is_looked_for(sandbox: Sandbox, answered: InProcess, tmp_path: Path):
    """Approved in the backup, and posted since: found on the thread, and recorded."""
    ticket = the_ticket(sandbox)
    with answered.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", now())
    sandbox.zendesk.agent_comments(ticket.id, "It is fixed in 4.3.")
    approved = lambda: reply_in(answered, IntentState.APPROVED)  # noqa: E731
    eventually(approved, what="the reply that waits")
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    with answered.database.write() as tx:
        lanes.resume(tx, lanes.PUBLIC)
        [case] = tx.scalars(select(Case))
        case.due_at = now()
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, what="the reply")
    answered.stop()

    with restored(sandbox, tmp_path, paused=False) as bridge:
        eventually(lambda: not reply_in(bridge, IntentState.SENDING), what="the reply that is found")
        stays(lambda: len(brand_posts(sandbox.plaza)) == 2)


def reply_in(bridge: InProcess, state: IntentState) -> Intent | None:
    with bridge.database.read() as tx:
        return tx.scalars(select(Intent).where(Intent.effect == "reply", Intent.state == state)).first()


def test_a_backup_never_replaces_a_file(answered: InProcess, tmp_path: Path):
    """Last week's is not overwritten by a slip."""
    (tmp_path / "copy.db").write_text("last week's")
    with pytest.raises(StoreError, match="exists already"):
        backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    assert (tmp_path / "copy.db").read_text() == "last week's"


@pytest.mark.usefixtures("quick_sweep")
def test_what_never_could_be_sent_still_waits_after_a_restore(
    sandbox: Sandbox, running: InProcess, tmp_path: Path
):
    """Its ticket was refused before the backup: nobody is asked what became of a note that nobody sent."""
    sandbox.faults.add("zendesk", "open_ticket", "status", times=100, status=422)
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    eventually(lambda: sent(running).get("open_ticket") == "refused", what="the desk's no")
    backup.back_up(running.database, tmp_path / "copy.db", now(), "ana")
    running.stop()

    with restored(sandbox, tmp_path) as bridge:
        clock = Ahead()
        clock.rule(bridge)
        for _ in range(20):
            clock.by += timedelta(minutes=1)
            time.sleep(0.1)
        assert sent(bridge)["update_ticket"] == "sending"
        assert "error" not in file(bridge)


def sent(bridge: InProcess) -> dict[str, str]:
    with bridge.database.read() as tx:
        return {intent.effect: intent.state for intent in tx.scalars(select(Intent))}


def file(bridge: InProcess) -> list[str]:
    with bridge.database.read() as tx:
        return [line.kind for line in tx.scalars(select(Event))]


def test_a_restore_needs_an_empty_database(answered: InProcess, tmp_path: Path):
    """What happened since the backup would be forgotten unseen."""
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    with pytest.raises(StoreError, match="is not empty"):
        backup.restore(tmp_path / "copy.db", answered.database, now(), "ana")


@pytest.mark.parametrize("name", ["copy?.db", "%41.db", "a b+c#d@e:f.db", "file:x?mode=memory"])
def test_a_backup_has_the_name_that_was_given(tmp_path: Path, name: str):
    """Whatever its signs mean in an address; nothing else is left beside it, also where it fails."""
    source, folder = Database(f"sqlite:///{tmp_path}/live.db"), tmp_path / "100%41?"
    folder.mkdir()
    with closing(source), closing(Database(f"sqlite:///{tmp_path}/new.db")) as target:
        source.migrate()
        backup.back_up(source, folder / name, now(), "ana")
        assert [path.name for path in folder.iterdir()] == [name]
        backup.restore(folder / name, target, now(), "ana")
        with pytest.raises(StoreError, match="exists already"):
            backup.back_up(source, folder / name, now(), "ana")
        with pytest.raises(StoreError, match="cannot be written"):
            backup.back_up(source, folder / ("long" * 100), now(), "ana")
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_backup_that_cannot_get_its_name_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody made a folder of that name meanwhile: the copy, which has customers' words in it, is gone."""
    copy = backup._copy

    def copying(*given):
        (tmp_path / "copies/copy.db").mkdir(parents=True)
        return copy(*given)

    monkeypatch.setattr(backup, "_copy", copying)
    (tmp_path / "copies").mkdir()
    with closing(Database(f"sqlite:///{tmp_path}/live.db")) as source:
        source.migrate()
        with pytest.raises(StoreError, match="cannot be written"):
            backup.back_up(source, tmp_path / "copies/copy.db", now(), "ana")
    assert [path.name for path in (tmp_path / "copies").rglob("*")] == ["copy.db"]


# What an idle bridge may have written: all but what posts, agents and people made happen.
IDLE = {"alerts", "cursors", "events", "lanes", "leases", "mapping_versions", "tallies", "workers"}


def filled(database: Database) -> set[str]:
    with database.read() as tx:
        return {table.name for table in Base.metadata.sorted_tables if tx.execute(select(table)).first()}


def test_a_backup_goes_into_a_database_on_which_a_bridge_ran_and_heard_nothing(
    sandbox: Sandbox, answered: InProcess, tmp_path: Path, new_url: str
):
    """What that one wrote by itself is the backup's afterwards, as in a new database."""
    eventually(lambda: answered.sandbox.wait_idle() and quiet(answered), what="what a copy is compared with")
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    answered.stop()
    with Sandbox() as elsewhere:
        idle = InProcess(tmp_path / "idle", elsewhere, DATABASE_URL=new_url)
        eventually(lambda: {"cursors", "leases", "mapping_versions"} <= filled(idle.database), what="cursors")
        idle.stop()

    with closing(Database(new_url)) as used, closing(Database(f"sqlite:///{tmp_path}/new.db")) as new:
        with used.write() as tx:
            tx.add(Alert(key="ours", text="of the idle bridge", since=now()))
            tx.add(Tally(name="ours", labels="{}", value=1))
            lanes.park(tx, lanes.TEAM, "ours", "the idle bridge", now())
        assert filled(used) <= IDLE
        at = now()
        assert backup.restore(tmp_path / "copy.db", used, at, "ana") == backup.restore(
            tmp_path / "copy.db", new, at, "ana"
        )
        with used.read() as mine, new.read() as fresh:
            for table in Base.metadata.sorted_tables:
                query = select(table).order_by(*table.primary_key)
                assert mine.execute(query).all() == fresh.execute(query).all(), table.name


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of that kind, with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/used.db"
    return request.getfixturevalue("postgres").new_database()


@pytest.mark.parametrize("what", ["a post", "a proof"])
def test_a_database_with_a_post_or_a_proof_in_it_is_not_empty(tmp_path: Path, what: str):
    """Neither need have a delivery or a case: the proof would be lost, or who is in it be brought back."""
    with closing(Database(f"sqlite:///{tmp_path}/live.db")) as source:
        source.migrate()
        backup.back_up(source, tmp_path / "copy.db", now(), "ana")
        with source.write() as tx:
            if what == "a post":
                tx.add(Message(installation="bridge", network="plaza", global_id="1", received_at=now()))
            else:
                tx.add(Erasure(installation="bridge", at=now(), cause="asked", by="ana"))
        with pytest.raises(StoreError, match="is not empty"):
            backup.restore(tmp_path / "copy.db", source, now(), "ana")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_restore_under_a_bridge_at_work_is_refused(running: InProcess, tmp_path: Path):
    """Nothing has come yet: the one that runs would go on with what it knows. On SQLite, the lock refuses."""
    backup.back_up(running.database, tmp_path / "copy.db", now(), "ana")
    url = running.bridge.settings.database_url
    with pytest.raises(StoreError, match=r"runs the bridge on .*: stop it first"):
        backup.restore(tmp_path / "copy.db", running.database, now(), "ana")
    running.stop()
    with closing(Database(url)) as stopped:
        backup.restore(tmp_path / "copy.db", stopped, now(), "ana")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_bridge_that_starts_meanwhile_waits_for_the_end_of_the_restore(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
):
    """It would write cursors of its own between the backup's."""
    used = Database(store_url)
    with closing(used), closing(Database(store_url)) as other:
        used.migrate()
        backup.back_up(used, tmp_path / "copy.db", now(), "ana")
        careful, seen = backup._be_careful, []

        def be_careful(*given):
            def sign_on() -> None:
                with other.write() as tx:
                    tx.add(WorkerRow(id="w", host="h", pid=1, started_at=now(), seen_at=now()))

            thread = Thread(target=sign_on)
            thread.start()
            thread.join(0.5)
            seen.append(thread)
            assert thread.is_alive()
            careful(*given)

        monkeypatch.setattr(backup, "_be_careful", be_careful)
        backup.restore(tmp_path / "copy.db", used, now(), "ana")
        seen[0].join()
        with used.read() as tx:
            assert tx.get(WorkerRow, "w") is not None


def test_what_is_no_backup_is_refused(tmp_path: Path):
    """A file of something else, an empty database, and none at all: each in a sentence."""
    target = Database(f"sqlite:///{tmp_path}/new.db")
    with closing(Database(f"sqlite:///{tmp_path}/empty.db")) as empty:
        empty.engine.connect().close()
    (tmp_path / "list.txt").write_text("a shopping list, not a database\n" * 40)
    try:
        for name, says in (
            ("list.txt", "cannot be used"),
            ("empty.db", "no backup"),
            ("none.db", "there is no file"),
            ("list.txt/none.db", "there is no file"),
            ("/dev/null", "/dev/null is not a file"),
        ):
            with pytest.raises(StoreError, match=says):
                backup.restore(tmp_path / name, target, now(), "ana")
    finally:
        target.close()


def test_a_backup_that_is_cut_short_is_refused_by_its_own_name(answered: InProcess, tmp_path: Path):
    """The operator gave that file, and no other; nothing came into the database."""
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    whole = (tmp_path / "copy.db").read_bytes()
    target = Database(f"sqlite:///{tmp_path}/new.db")
    try:
        for part in (0.3, 0.9):
            (tmp_path / "trunc.db").write_bytes(whole[: int(len(whole) * part)])
            with pytest.raises(StoreError, match="cannot be used as a backup") as caught:
                backup.restore(tmp_path / "trunc.db", target, now(), "ana")
            assert str(caught.value).startswith(f"{tmp_path}/trunc.db ")
            assert "DATABASE_URL" not in str(caught.value)
        assert target.revision() is None
    finally:
        target.close()


def test_a_restore_leaves_no_copy_behind_even_if_it_is_killed(
    answered: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """While it is at work, no folder has a second file with customers' words in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("SQLITE_TMPDIR", str(folder))
    backup.back_up(answered.database, tmp_path / "copy.db", now(), "ana")
    before = sorted((tmp_path / "copy.db").parent.iterdir())
    seen: list[list[Path]] = []
    copy = backup._copy

    def copying(*given):
        seen.append([*folder.rglob("*")])
        return copy(*given)

    monkeypatch.setattr(backup, "_copy", copying)
    target = Database(f"sqlite:///{tmp_path}/data3/new.db")
    try:
        backup.restore(tmp_path / "copy.db", target, now(), "ana")
        with target.read() as tx:
            assert last_seen(tx) is None, "a worker of another day works here"
    finally:
        target.close()
    assert seen == [[]]
    assert sorted((tmp_path / "copy.db").parent.iterdir()) == sorted([*before, tmp_path / "data3"])


def test_a_file_whose_newest_rows_are_beside_it_is_no_backup(tmp_path: Path):
    """A database at work was copied, or named: half of it would be restored in silence."""
    source = Database(f"sqlite:///{tmp_path}/live.db")
    target = Database(f"sqlite:///{tmp_path}/new.db")
    try:
        source.migrate()
        with pytest.raises(StoreError, match=r"live.db is not all: .* `bridge backup`"):
            backup.restore(tmp_path / "live.db", target, now(), "ana")
    finally:
        source.close()
        target.close()


def test_a_backup_of_an_older_version_is_brought_up_to_date(tmp_path: Path):
    """In a copy: the file itself stays as it is."""
    old = Database(f"sqlite:///{tmp_path}/old.db")
    config = migrations_config()
    with old.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    old.close()
    target = Database(f"sqlite:///{tmp_path}/new.db")
    try:
        backup.restore(tmp_path / "old.db", target, now(), "ana")
        assert target.revision() == target.head()
        assert old.revision() == "0001"
    finally:
        old.close()
        target.close()


@pytest.fixture
def second(sandbox: Sandbox, running: InProcess, tmp_path: Path) -> Iterator[tuple[InProcess, TicketView]]:
    """A restored bridge that takes a post in again, and the ticket that the lost one had opened for it."""
    backup.back_up(running.database, tmp_path / "copy.db", now(), "ana")
    post = sandbox.plaza.post(
        "dewi", "The app logs me out every hour", language="en", tags=["technical-issue"]
    )
    first = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(first.id).says("Why here", public=False), what="the note")
    running.stop()

    with restored(sandbox, tmp_path) as bridge:
        sandbox.zendesk.install_webhook(bridge.url)
        sandbox.plaza.tell_again(post.id)
        the_ticket(sandbox, count=2)
        yield bridge, first


def problems(bridge: InProcess) -> str:
    return "\n".join(requests.get(f"{bridge.url}/readyz", timeout=5).json()["problems"])


def test_a_ticket_that_the_restored_database_does_not_know_is_told_of(
    sandbox: Sandbox, second: tuple[InProcess, TicketView]
):
    """An agent answers on it: a note says once which ticket speaks; a person is told until it is closed."""
    bridge, first = second
    speaks = the_ticket(sandbox, count=2)
    eventually(lambda: sandbox.zendesk.ticket(speaks.id).says("Why here", public=False), what="the new case")
    sandbox.zendesk.agent_comments(first.id, ANSWER)
    told = f"Ticket {speaks.id} speaks for the thread now"
    eventually(lambda: sandbox.zendesk.ticket(first.id).says(told, public=False), what="the note")
    assert f"ticket {first.id} (" in problems(bridge)
    assert f"merge it into ticket {speaks.id}" in problems(bridge)

    sandbox.zendesk.agent_comments(first.id, "It is fixed in 4.3.", status="solved")
    sandbox.zendesk.sender.wait_idle()
    stays(lambda: f"ticket {first.id} (" in problems(bridge))
    notes = [one for one in sandbox.zendesk.ticket(first.id).comments if told in one.text]
    assert (len(notes), brand_posts(sandbox.plaza)) == (1, [])

    sandbox.zendesk.close(first.id)
    look_again(bridge)
    eventually(lambda: f"ticket {first.id} (" not in problems(bridge), what="the end of the condition")


def look_again(bridge: InProcess) -> None:
    """The next looks at tickets that nobody knows are due."""
    with bridge.database.write() as tx:
        for cursor in tx.scalars(select(Cursor).where(Cursor.key.startswith("astray:"))):
            cursor.due_at = now()


def test_a_ticket_of_ours_whose_thread_no_case_holds_is_told_of_without_a_note(
    sandbox: Sandbox, running: InProcess
):
    """There is nothing to hang a note on: the list of what is wrong names the ticket, and what to do."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ours = the_ticket(sandbox)
    with sandbox.zendesk.lock:
        record = sandbox.zendesk.records.tickets[ours.id]
    eventually(lambda: sandbox.zendesk.ticket(ours.id).says("Why here", public=False), what="the note")
    sandbox.zendesk.sender.wait_idle()
    with running.database.write() as tx:
        # The case first, as every flow does: else two that wait for each other.
        tx.scalars(select(Case).with_for_update()).one().author_id = "somebody else"
        tx.flush()
        tx.scalars(select(TicketRow)).one().ticket_id = "999999"
    record.values["external_id"] = "bridge:a-case-that-is-lost:1"
    sandbox.zendesk.agent_comments(ours.id, ANSWER)
    eventually(lambda: f"ticket {ours.id} (" in problems(running), what="the condition")
    assert "answer by hand, or close it" in problems(running)
    assert not sandbox.zendesk.ticket(ours.id).says("not connected", public=False)
