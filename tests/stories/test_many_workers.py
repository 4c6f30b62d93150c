"""More than one process: killed, paused past its lease and woken again, cut off from the database."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from bridge.errors import StoreBusyError
from bridge.flows import engine
from bridge.sandbox import Sandbox
from bridge.store.database import Database
from bridge.store.tables import Cursor, Intent, LeaseRow, WorkerRow
from tests.postgres import Postgres
from tests.running import Process, eventually, stays
from tests.stories.seen import brand_posts, doubled, the_card, the_ticket
from tests.stories.test_kills import BOUNDARIES, Boundary, comments, complain

TECH = "support-technical"
SOON = {"BRIDGE_CALL_TIMEOUT_S": "2", "BRIDGE_SETTLE_S": "0.3"}
PATIENCE = 50.0


class Team:
    """A door and its workers on one PostgreSQL. ``tables`` looks at what they write."""

    def __init__(self, sandbox: Sandbox, folder: Path, url: str) -> None:
        self.sandbox = sandbox
        self.tables = Database(url)
        self.tables.migrate()
        engine.prepare(url)
        self._folder, self._url = folder, url
        self._processes = [self._start("web")]
        self._address = self._processes[0].url
        self.workers: list[Process] = []

    def hire(self) -> Process:
        worker = self._start("worker")
        # Its own address is nobody's.
        self.sandbox.point_at(self._address)
        self._processes.append(worker)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        with ExitStack() as ended:  # each of them, also when one does not stop
            ended.callback(self.tables.close)
            for process in self._processes:
                ended.callback(process.stop)

    def _start(self, command: str) -> Process:
        return Process(self._folder, self.sandbox, command, DATABASE_URL=self._url, **SOON)

    @property
    def ticket(self):
        return self.sandbox.zendesk.tickets()[-1]

    def end_leases(self) -> None:
        """As if the time of every lease had passed."""

        def ended() -> bool:
            try:
                with self.tables.write() as tx:
                    tx.execute(update(LeaseRow).values(until=datetime.now(UTC)))
            except StoreBusyError:
                return False  # the worker that stands still does so in a transaction: the server ends it
            return True

        eventually(ended, within=PATIENCE, what="the end of all leases")

    def count(self, state: str) -> int:
        with self.tables.read() as tx:
            return tx.scalar(select(func.count()).select_from(Intent).where(Intent.state == state)) or 0

    def is_quiet(self) -> bool:
        return self.count("approved") + self.count("sending") == 0


@pytest.fixture
def team(sandbox: Sandbox, tmp_path: Path, postgres: Postgres) -> Iterator[Team]:
    team = Team(sandbox, tmp_path / "data", postgres.migrated_database())
    yield team
    sandbox.faults.clear()
    team.stop()


def opened(team: Team) -> None:
    complain(team, "plaza")
    eventually(team.sandbox.zendesk.tickets, within=PATIENCE, what="the ticket")
    eventually(lambda: comments("Why here")(team.sandbox, "plaza"), within=PATIENCE, what="the note")
    the_card(team.sandbox, TECH)
    eventually(team.is_quiet, within=PATIENCE, what="a quiet moment")


def held(team: Team, boundary: Boundary, kind: str):
    """The first worker is in the middle of that call."""
    fault = team.sandbox.faults.add(boundary.vendor, boundary.operation, kind, about=boundary.about)
    boundary.begin(team, boundary.site)
    assert fault.reached.wait(PATIENCE)
    return fault


CALLS = ["ticket", "card", "customer's post", "receipt", "note under the card", "answer on Plaza"]


@pytest.mark.parametrize("kind", ["hold", "hold_after"])
@pytest.mark.parametrize("what", CALLS)
def test_a_dead_workers_call_is_finished_by_another(team: Team, what: str, kind: str):
    """Killed before or after the vendor did it: its session is gone, so another looks, and goes on."""
    boundary = BOUNDARIES[what]
    first = team.hire()
    if boundary.opened:
        opened(team)
    fault = held(team, boundary, kind)
    team.hire()
    first.kill()
    fault.drop()

    there = lambda: boundary.there(team.sandbox, boundary.site)  # noqa: E731
    eventually(lambda: there() and team.is_quiet(), within=PATIENCE, what="it, by the other worker")
    assert 1 == there()
    assert [] == doubled(team.sandbox)
    assert 0 == team.count("unknown")


def test_a_worker_starts_while_another_stands_still_in_a_transaction(team: Team):
    """It has locked what is polled: to take over, nobody has to wait for that."""
    team.hire().kill()
    with team.tables.write() as tx:
        tx.execute(update(Cursor).values(due_at=datetime.now(UTC)))
        team.hire()
    opened(team)


@pytest.mark.parametrize("what", ["ticket", "card", "customer's post", "answer on Plaza"])
def test_a_worker_paused_past_its_lease_and_woken_again_doubles_nothing(team: Team, what: str):
    """Its call is on its way, it stands still, another takes over and looks: one, or a person is asked."""
    boundary = BOUNDARIES[what]
    first = team.hire()
    if boundary.opened:
        opened(team)
    fault = held(team, boundary, "hold")
    first.send(signal.SIGSTOP)
    team.hire()
    team.end_leases()
    there = lambda: boundary.there(team.sandbox, boundary.site)  # noqa: E731
    eventually(lambda: there() or team.count("unknown"), within=PATIENCE, what="the other worker's decision")
    fault.release()  # late, and it is done all the same
    time.sleep(0.3)
    first.send(signal.SIGCONT)

    eventually(lambda: team.count("sending") == 0, within=PATIENCE, what="every call is settled")
    stays(lambda: there() <= 1, seconds=3)
    assert [] == doubled(team.sandbox)
    if team.count("unknown") and boundary.vendor != "slack":
        eventually(
            lambda: the_card(team.sandbox, TECH).button("Post it"), within=PATIENCE, what="the question"
        )


def test_a_worker_paused_before_its_call_leaves_it_to_the_other(team: Team):
    """Stopped between two looks: when it wakes its lease is another's, and it sends nothing."""
    first = team.hire()
    opened(team)
    fault = team.sandbox.faults.add("plaza", "look", "hold")
    team.sandbox.zendesk.agent_comments(team.ticket.id, "Which version do you use?")
    assert fault.reached.wait(PATIENCE)
    first.send(signal.SIGSTOP)
    team.hire()
    team.end_leases()
    eventually(lambda: brand_posts(team.sandbox.plaza), within=PATIENCE, what="the other's reply")
    fault.release()
    first.send(signal.SIGCONT)

    stays(lambda: 1 == len(brand_posts(team.sandbox.plaza)), seconds=4)
    assert 1 == len(team.sandbox.calls.list("plaza", "reply"))


def test_two_workers_ask_each_account_once(team: Team):
    """One owner of each poll: two workers call no oftener than one."""
    team.hire()
    polls = lambda: len(team.sandbox.calls.list("mastodon", "list_notifications"))  # noqa: E731
    eventually(lambda: polls() > 6, within=PATIENCE, what="some polls")
    alone = pace(polls)
    team.hire()
    eventually(lambda: living(team) == 2, within=PATIENCE, what="both workers")
    together = pace(polls)

    assert together <= alone * 1.5 + 4


def pace(count: Callable[[], int], seconds: float = 4.0) -> int:
    before = count()
    time.sleep(seconds)
    return count() - before


def living(team: Team) -> int:
    with team.tables.read() as tx:
        query = select(func.count()).select_from(WorkerRow).where(WorkerRow.stopped_at.is_(None))
        return tx.scalar(query) or 0


def test_a_database_restarted_in_mid_flow_heals_by_itself(
    sandbox: Sandbox, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    """Every session ends without a word while a call is on its way: nothing lost, nothing doubled."""
    server = Postgres(tmp_path_factory.mktemp("restarted"), durable=True)
    team = Team(sandbox, tmp_path / "data", server.new_database())
    try:
        team.hire()
        team.hire()
        opened(team)
        fault = held(team, BOUNDARIES["answer on Plaza"], "hold_after")
        server.restart()
        fault.release()

        eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, within=PATIENCE, what="the answer")
        team.tables.engine.dispose()
        eventually(team.is_quiet, within=PATIENCE, what="a quiet moment")
        sandbox.zendesk.agent_comments(team.ticket.id, "Fixed in the new one.", status="solved")
        eventually(lambda: comments("Receipt:")(sandbox, "plaza"), within=PATIENCE, what="the receipt")
        stays(lambda: 2 == len(brand_posts(sandbox.plaza)), seconds=2)
        assert [] == doubled(sandbox)
        assert 1 == len(sandbox.zendesk.tickets())
        assert 0 == team.count("unknown")
    finally:
        sandbox.faults.clear()
        team.stop()
        server.close()


def test_a_paused_process_keeps_its_folder(sandbox: Sandbox, start_process: Callable[..., Process]):
    """SQLite: another start is refused while it stands still; woken, it finishes its call, once."""
    from tests.cli.test_serve import environment_of, process

    first = start_process(**SOON)
    complain_to(sandbox)
    ticket = the_ticket(sandbox)
    fault = sandbox.faults.add("plaza", "reply", "hold")
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    assert fault.reached.wait(PATIENCE)
    first.send(signal.SIGSTOP)
    second = process("serve", **environment_of(first._folder, sandbox, first.url), PORT="0")
    assert 2 == second.code
    assert "already runs the bridge" in second.err
    time.sleep(2.5)  # longer than a call may take
    fault.release()
    first.send(signal.SIGCONT)

    eventually(lambda: brand_posts(sandbox.plaza), within=PATIENCE, what="the reply")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("ublic", public=False), within=PATIENCE)
    stays(lambda: 1 == len(brand_posts(sandbox.plaza)), seconds=3)


def complain_to(sandbox: Sandbox) -> None:
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en")
