"""`bridge case` and `bridge delivery`: reading the files, and having something taken in again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bridge.sandbox import Sandbox
from bridge.store import standing
from bridge.store.database import Database
from bridge.store.tables import Case, Delivery
from tests.cli.conftest import Said, Shell, environment_of, run
from tests.postgres import meanwhile
from tests.running import InProcess, eventually, stays
from tests.store.conftest import add_delivery, make_case
from tests.stories.seen import brand_posts, the_card, the_ticket
from tests.stories.test_missed import lose_webhooks

COMPLAINT = "The app logs me out every hour"


@dataclass
class Office:
    """One case that was closed, one whose reply is held, and the commands beside them."""

    sandbox: Sandbox
    running: InProcess
    environment: dict[str, str]
    closed: str
    held: str
    closed_ticket: str

    def shell(self, *words: str) -> Said:
        return run(self.environment, *words)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Played once: the tests of this file that use it only read."""
    data: Path = tmp_path_factory.mktemp("office") / "data"
    with Sandbox() as sandbox:
        running = InProcess(data, sandbox)
        try:
            sandbox.plaza.post("dewi", COMPLAINT, language="en", tags=["technical-issue"])
            first = the_ticket(sandbox)
            sandbox.zendesk.agent_comments(first.id, "Fixed in 4.3.", status="solved")
            eventually(lambda: states(running) == ["closed"], what="the first case's end")
            sandbox.plaza.post("maria", COMPLAINT, language="en", tags=["technical-issue"])
            second = the_ticket(sandbox, 2)
            sandbox.zendesk.agent_comments(second.id, "Mail ana@kopi.example please", status="solved")
            eventually(lambda: states(running) == ["closed", "solved"], what="the second case's state")
            with running.database.read() as tx:
                closed, held = [case.id for case in tx.query(Case).order_by(Case.id)]
            environment = environment_of(data, sandbox, running.url)
            yield Office(sandbox, running, environment, closed, held, str(first.id))
        finally:
            running.stop()


def states(running: InProcess) -> list[str]:
    with running.database.read() as tx:
        return [case.state for case in tx.query(Case).order_by(Case.id)]


def test_cases_are_listed_newest_first(office: Office):
    """Under headings: which, its ticket, its state, where it came from, who wrote, whose it is, its end."""
    said = office.shell("case", "list")
    assert said.code == 0
    heading, held, closed = said.lines
    assert heading.split() == ["CASE", "TICKET", "STATE", "NETWORK", "CUSTOMER", "QUEUE", "POSTED"]
    assert held.split()[0] == office.held[-12:]
    assert held.split()[2:6] == ["solved", "standard", "maria", "support-technical"]
    assert held.endswith(" ago  waits for a person (1)")
    assert closed.split()[:3] == [office.closed[-12:], office.closed_ticket, "closed"]
    assert closed.endswith(" ago  closed publicly")
    assert {line.index("standard") for line in (held, closed)} == {heading.index("NETWORK")}


def test_the_list_can_be_cut(office: Office):
    """--limit: the newest of them, and how many are not shown."""
    [_heading, line, more] = office.shell("case", "list", "--limit", "1").lines
    assert line.startswith(office.held[-12:])
    assert more == "… and 1 more (--limit)"


def test_open_loops_are_solved_cases_without_a_receipt(office: Office):
    """The list that somebody has to look at."""
    said = office.shell("case", "list", "--open-loops")
    assert [line.split()[0] for line in said.lines[1:]] == [office.held[-12:]]


@pytest.mark.parametrize("which", ["whole", "end", "ticket"])
def test_a_case_is_shown_by_its_id_the_end_of_it_or_a_tickets_number(office: Office, which: str):
    """What is at hand: the log has ids, the list has their ends, the agent has a ticket."""
    named = {"whole": office.closed, "end": office.closed[-12:], "ticket": office.closed_ticket}[which]
    said = office.shell("case", "show", named)
    assert (said.code, said.lines[0]) == (0, f"Case {office.closed}")


def test_the_story_of_a_case_is_told_line_by_line(office: Office):
    """State, receipt, thread, route with its place, ticket, stages, words, and what happened when."""
    said = office.shell("case", "show", office.closed)
    reply = brand_posts(office.sandbox.plaza)[0]
    for part in (
        "state     closed, closed publicly",
        f"receipt   {reply.url}",
        "thread    standard ",
        "brand     kopi, account kopi-plaza",
        "technical-issue → support-technical",
        "mappings/routes/10-social.yaml:",
        "language  en",
        f"ticket    {office.closed_ticket} (current)",
        COMPLAINT,
    ):
        assert part in said.out
    happened = said.out.partition("What happened (UTC)\n")[2].splitlines()
    line = re.compile(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  [a-z ]+?  .*")
    assert [one for one in happened if not line.fullmatch(one)] == []
    assert any(re.search(r"  came in .*\[[0-9a-f]{12}\]$", one) for one in happened)
    times = [line.split()[:2] for line in happened if line.strip()]
    assert times == sorted(times)
    assert [line.split()[2] for line in happened].count("receipt") == 1


def test_the_stages_of_a_case_count_from_the_post(office: Office):
    """Each with its time and how long after the post it was; what did not happen is left out."""
    said = office.shell("case", "show", office.closed)
    stages = said.out.partition("Stages\n")[2].partition("\n\n")[0].splitlines()
    names = [re.split(r"\s{2,}", line.strip())[0] for line in stages]
    # The desk tells whole seconds only, so that in a story this quick "solved" may stand first.
    names.remove("solved")
    assert names == ["posted", "tagged", "received", "ticket opened", "first public word", "closed"]
    assert all(line.endswith("after the post") for line in stages)


def test_stages_of_the_same_second_stand_in_the_order_of_a_story(
    sandbox: Sandbox, running: InProcess, shell: Shell
):
    """Zendesk tells whole seconds, we know more: an answer stands above the solve that came after it."""
    sandbox.plaza.post("dewi", COMPLAINT, language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    second = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=90)
    with running.database.write() as tx:
        case = tx.scalars(select(Case)).one()
        case.solved_at, case.first_public_word_at = second, second + timedelta(milliseconds=202)
    said = shell("case", "show", case.id[-12:]).out
    assert said.index("  first public word") < said.index("  solved  ")


def test_what_waits_for_a_person_is_said_with_its_reason(office: Office):
    """At the end of the story, with the id that `bridge intent` takes."""
    said = office.shell("case", "show", office.held)
    assert re.search(r"Waits for a person: closing reply, intent [0-9a-f]{12}\n  .*e-mail", said.out)


@pytest.mark.parametrize("which", ["nothing-like-it", "99999999", "", "%", "a"])
def test_a_case_that_does_not_exist_is_said_so(office: Office, which: str):
    """With the command that lists them; a wildcard is no wildcard."""
    said = office.shell("case", "show", which)
    assert said.code == 1
    assert f"There is no case {which}" in said.err
    assert "`bridge case list`" in said.err


def test_deliveries_are_listed_newest_first(office: Office):
    """Where each came from, and what became of it."""
    said = eventually(
        lambda: next(
            (
                s
                for s in [office.shell("delivery", "list")]
                if {line.split()[1] for line in s.lines[1:]} == {"done"}
            ),
            None,
        ),
        what="every delivery is done",
    )
    assert said.code == 0
    assert said.lines[0].split() == ["DELIVERY", "STATE", "SOURCE", "ACCOUNT", "RECEIVED", "REASON"]
    assert {"standard", "zendesk"} <= {line.split()[2] for line in said.lines[1:]}
    cut = office.shell("delivery", "list", "--limit", "2").lines
    assert len(cut) == 4
    assert cut[-1] == f"… and {len(said.lines) - 3} more (--limit)"


def test_what_waits_is_listed_oldest_first(alone: Shell, tmp_path: Path):
    """Whoever has waited longest is never the one that a cut hides."""
    assert alone("migrate").code == 0
    database = Database(f"sqlite:///{tmp_path}/alone/bridge.db")
    with database.write() as tx:
        for number in range(3):
            tx.add(make_case(thread_root=f"post-{number}", state="solved", queue=f"queue-{number}"))
            add_delivery(tx, state="unreadable", reason=f"reason-{number}")
            tx.flush()
    database.close()
    for words, what in (
        (("case", "list", "--open-loops"), "queue"),
        (("delivery", "list", "--failed"), "reason"),
    ):
        [_heading, *lines] = alone(*words, "--limit", "2").lines
        assert [f"{what}-{number}" in line for number, line in enumerate(lines)] == [True, True, False]
        assert lines[2] == "… and 1 more (--limit)"


def test_an_empty_bridge_says_that_there_is_nothing(shell: Shell):
    """No error, and no empty screen."""
    assert shell("case", "list").out == "No cases yet.\n"
    assert shell("case", "list", "--open-loops").out == "No open loops.\n"
    assert shell("delivery", "list").out == "No deliveries yet.\n"
    assert shell("delivery", "list", "--failed").out == "None failed.\n"
    assert shell("intent", "list").out == "Nothing is open.\n"


def record(running: InProcess, body: bytes | None, state: str, source: str = "standard") -> str:
    with running.database.write() as tx:
        at, account = running.bridge.world.clock.now(), "kopi-plaza" if source == "standard" else ""
        return add_delivery(
            tx, source=source, account=account, body=body, at=at, state=state, reason="because"
        )


def state_of(running: InProcess, key: str) -> str:
    with running.database.read() as tx:
        return tx.get_one(Delivery, key).state


def test_what_was_not_understood_can_be_read(running: InProcess, shell: Shell):
    """Whether a complaint is lost with it, only its words can say: JSON in lines of its own."""
    words = '{"a": {"text": "Zahl’ ich \\u001b[2J zweimal?"}}'.encode()
    failed = record(running, words, "unreadable")
    said = shell("delivery", "show", failed[-12:])
    assert said.code == 0
    assert said.lines[0] == f"delivery  {failed}"
    size = f"size      {len(words)} bytes"
    assert {"account   kopi-plaza", "state     unreadable: because", size} <= set(said.lines)
    shown = ["{", '  "a": {', '    "text": "Zahl’ ich \\u001b[2J zweimal?"', "  }", "}"]
    assert said.lines[-6:] == ["", *(f"    {line}" for line in shown)]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"truncated \xff {\x1b[2J", r"truncated \xff {\x1b[2J"),
        (rb'{"text": "half a sign \ud83d"}', r'"text": "half a sign \ud83d"'),
        (b'{"text": "refund me", "text": "ok"}', '{"text": "refund me", "text": "ok"}'),
        (b"its bytes were erased\nDELIVERY", "    its bytes were erased\n    DELIVERY\n"),
        (b"[" * 15_000, "[[[["),
    ],
    ids=["no text", "half a sign", "a name twice", "like ours", "deep"],
)
def test_nothing_of_what_came_is_obeyed_or_left_out(
    running: InProcess, shell: Shell, body: bytes, shown: str
):
    """It is a stranger's; who looks at it decides by it."""
    said = shell("delivery", "show", record(running, body, "unreadable"))
    assert (said.code, said.err) == (0, "")
    assert shown in said.out


def test_what_was_not_understood_can_be_had_as_it_came(alone: Shell, tmp_path: Path):
    """Byte for byte, for other programs; what is long is cut for people only, and says so."""
    assert alone("migrate").code == 0
    database = Database(f"sqlite:///{tmp_path}/alone/bridge.db")
    words, rubbish = b"x" * 25_000, b"\xff\x00\x1b"
    with database.write() as tx:
        long, odd, blank = (
            add_delivery(tx, body=body, state="unreadable") for body in (words, rubbish, None)
        )
    database.close()
    assert alone("delivery", "show", long).lines[-1] == "… and more: --raw writes all."
    assert alone("delivery", "show", long, "--raw").raw == words
    assert alone("delivery", "show", odd, "--raw").raw == rubbish
    assert alone("delivery", "show", blank).lines[-1] == "size      its bytes were erased"
    assert alone("delivery", "show", blank, "--raw").code == 1
    assert "no delivery nowhere" in alone("delivery", "show", "nowhere").err


@pytest.mark.parametrize("by", ["id", "end", "--failed"])
def test_a_failed_delivery_is_taken_in_again(running: InProcess, shell: Shell, by: str):
    """After the cause was mended: by its id, the end of one, or all of them."""
    hint = b'{"type": "zen:event-type:ticket.status_changed", "detail": {"id": "4711"}}'
    failed = record(running, hint, "failed", "zendesk")
    unread = record(running, b"rubbish", "unreadable")
    done = record(running, b"rubbish", "done")
    listed = shell("delivery", "list", "--failed")
    assert {line.split()[0] for line in listed.lines[1:]} == {failed[-12:], unread[-12:]}
    assert all(line.endswith("because") for line in listed.lines[1:])

    said = shell("delivery", "replay", {"id": failed, "end": failed[-12:], "--failed": "--failed"}[by])

    assert said.code == 0
    assert said.out == f"{2 if by == '--failed' else 1} to be taken in again.\n"
    eventually(lambda: state_of(running, failed) == "done", within=5, what="the replay")
    eventually(lambda: state_of(running, unread) == "unreadable", within=5)
    assert state_of(running, done) == "done"


def test_what_was_erased_is_not_taken_in_again(running: InProcess, shell: Shell):
    """Nothing of it is left, and nobody is told that something will become of it."""
    erased = record(running, None, "failed")
    said = shell("delivery", "replay", erased)
    assert said.code == 1
    assert f"Nothing of delivery {erased[-12:]} is left: it was erased." in said.err

    unread = record(running, b"rubbish", "unreadable")
    said = shell("delivery", "replay", "--failed")
    assert said.lines[0] == "1 to be taken in again."
    assert said.lines[1].startswith("Of 1 nothing is left")
    eventually(lambda: state_of(running, unread) == "unreadable", within=5)
    assert state_of(running, erased) == "failed"


@pytest.mark.parametrize("by", ["id", "--failed"])
def test_what_says_nothing_can_be_dismissed(running: InProcess, shell: Shell, by: str):
    """Somebody has looked: it is listed with who it was, and is no problem any more."""
    unread = record(running, b"rubbish", "unreadable")
    said = shell("delivery", "dismiss", {"id": unread[-12:], "--failed": "--failed"}[by])
    assert (said.code, said.out) == (0, "1 dismissed.\n")
    assert shell("delivery", "list", "--failed").out == "None failed.\n"
    assert re.search(
        r" unwanted .* dismissed by .+ \(command line\): because$", shell("delivery", "list").out, re.M
    )
    with running.database.read() as tx:
        assert standing.failed_deliveries(tx) == 0


def test_what_was_understood_is_not_dismissed(running: InProcess, shell: Shell):
    """A slip in an id must not hide anything."""
    done = record(running, b"rubbish", "done")
    said = shell("delivery", "dismiss", done[-12:])
    assert said.code == 1
    assert f"Delivery {done[-12:]} is done: it waits for nobody." in said.err
    assert state_of(running, done) == "done"


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("by", ["id", "--failed"])
def test_what_was_taken_in_while_somebody_dismisses_it_is_not_dismissed(
    running: InProcess, shell: Shell, by: str
):
    """A colleague had it taken in again at that moment, and it was understood: nothing says otherwise."""
    failed = record(running, b"rubbish", "failed")
    words = ("delivery", "dismiss", {"id": failed, "--failed": "--failed"}[by])
    with running.database.write() as tx:
        tx.get_one(Delivery, failed).state = "done"
        tx.flush()
        with meanwhile(running.database, lambda: shell(*words)):
            tx.commit()
    assert state_of(running, failed) == "done"


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_what_is_taken_in_again_is_due_by_the_clock_of_the_server(running: InProcess, shell: Shell):
    """The machine at which somebody types is an hour ahead of it: nothing has to wait for that."""
    running.bridge.engine.stop()
    failed = record(running, b"rubbish", "failed")
    with running.database.write() as tx:
        clock = "pg_catalog.clock_timestamp() - interval '1 hour'"
        tx.execute(text(f"CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz RETURN {clock}"))
        name = tx.scalar(text("SELECT current_database()"))
        tx.execute(text(f"ALTER DATABASE {name} SET search_path = public, pg_catalog"))

    assert shell("delivery", "replay", failed).code == 0
    with running.database.read() as tx:
        row = tx.get_one(Delivery, failed)
    assert row.state == "received"
    assert row.due_at < row.received_at - timedelta(minutes=30)


def test_replaying_what_was_done_does_nothing_twice(sandbox: Sandbox, running: InProcess, shell: Shell):
    """Safe at any time: the facts are known already."""
    sandbox.plaza.post("dewi", COMPLAINT, language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    with running.database.read() as tx:
        key = tx.query(Delivery).where(Delivery.source == "standard").one().id
    assert shell("delivery", "replay", key).code == 0
    eventually(lambda: state_of(running, key) == "done", within=5)
    assert len(sandbox.zendesk.tickets()) == 1
    assert len(sandbox.slack.cards("support-technical")) == 1


@pytest.mark.parametrize("command", ["replay", "dismiss"])
@pytest.mark.parametrize("words", [(), ("some-id", "--failed")])
def test_an_id_or_all_that_failed_is_named(shell: Shell, command: str, words: tuple[str, ...]):
    """Neither is an accident, both is one."""
    said = shell("delivery", command, *words)
    assert said.code == 2
    assert "Give an ID, or --failed." in said.err


def test_a_delivery_that_does_not_exist_is_said_so(shell: Shell):
    """With the command that lists them."""
    said = shell("delivery", "replay", "nothing-like-it")
    assert said.code == 1
    assert "There is no delivery nothing-like-it, or more than one" in said.err
    assert "`bridge delivery list` shows them." in said.err


def test_a_replay_finds_what_no_webhook_told(sandbox: Sandbox, running: InProcess, shell: Shell):
    """Nobody wants to wait for the sweep: the ticket is read at once, and what it says is said once."""
    sandbox.plaza.post("dewi", COMPLAINT, language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    lose_webhooks(sandbox, running)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=1)
    said = shell("case", "replay", str(ticket.id))

    assert said.code == 0
    assert "tickets to read 1" in said.out
    eventually(lambda: states(running) == ["closed"], what="the end of the loop")
    shell("case", "replay", str(ticket.id))
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1)
    assert "looked at again" in shell("case", "show", str(ticket.id)).out


def test_a_replay_of_a_case_that_is_not_there_is_refused(shell: Shell):
    """As for show."""
    assert shell("case", "replay", "999999").code != 0


@pytest.mark.parametrize(
    "words",
    [
        ("mappings", "history"),
        ("mappings", "show", "abcdef"),
        ("mappings", "rollback", "--yes"),
        ("mappings", "pin", "4711"),
        ("mappings", "explain", "--case", "4711"),
        ("mappings", "explain", "--message", "4711"),
        ("case", "list"),
        ("case", "show", "4711"),
        ("intent", "list"),
        ("intent", "approve", "4711"),
        ("delivery", "list"),
        ("forget", "--list"),
        ("forget", "@dewi@plaza", "--dry-run"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_command_that_reads_makes_no_database(words, alone: Shell, tmp_path):
    """It says that there is none yet, where it would be, and what to do."""
    said = alone(*words)

    assert said.code != 0
    assert not list(tmp_path.rglob("*.db*"))
    assert not (tmp_path / "alone").exists()
    if words == ("doctor",):
        assert f"there is none yet ({tmp_path / 'alone' / 'bridge.db'})" in said.out
    if words != ("doctor",):
        assert said.err == (
            f"bridge: there is no database yet ({tmp_path / 'alone' / 'bridge.db'}): start `bridge serve`, "
            "or set BRIDGE_DATA or DATABASE_URL as the running bridge has it\n"
        )
