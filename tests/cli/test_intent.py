"""`bridge intent`, `pause` and `resume`: a person's word without Slack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.intent import Effect, IntentState
from bridge.errors import StoreBusyError
from bridge.sandbox import Sandbox
from bridge.store import casefile, cases, lanes, standing
from bridge.store.tables import Case, Intent, Lane
from tests.cli.conftest import Shell
from tests.postgres import meanwhile
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, the_card, the_ticket

HELD = "Mail ana@kopi.example please"


@pytest.fixture
def held(sandbox: Sandbox, running: InProcess) -> str:
    """The id of a closing reply that the airlock holds."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, HELD, status="solved")
    return eventually(lambda: waiting(running, IntentState.HELD), what="the held reply")


def waiting(running: InProcess, state: IntentState) -> str | None:
    with running.database.read() as tx:
        found = tx.query(Intent).where(Intent.effect == Effect.REPLY, Intent.state == state).first()
        return found.id if found else None


def under_way(running: InProcess) -> bool:
    with running.database.read() as tx:
        asked = tx.query(Intent).where(Intent.effect == Effect.UPDATE_TICKET)
        return asked.where(Intent.state != IntentState.CONFIRMED).first() is not None


def receipt(running: InProcess) -> str | None:
    with running.database.read() as tx:
        return tx.query(Case).one().receipt


def test_what_waits_is_listed_with_the_text_and_the_reason(held: str, shell: Shell):
    """Enough to decide without opening anything else."""
    said = shell("intent", "list")
    assert said.code == 0
    [line] = [line for line in said.lines if line.startswith(held[-12:])]
    assert "held" in line
    assert "e-mail" in line
    assert HELD in said.lines[said.lines.index(line) + 1]


def test_settled_intents_are_listed_only_on_request(running: InProcess, held: str, shell: Shell):
    """--all: the ledger with everything that was ever done."""
    assert " confirmed " not in shell("intent", "list").out
    eventually(lambda: not under_way(running), what="the notes on the ticket")
    everything = shell("intent", "list", "--all")
    assert everything.out.count(" confirmed ") >= 3
    assert everything.lines[0].split() == ["INTENT", "STATE", "WHAT", "CASE", "AGE", "REASON"]
    assert len(shell("intent", "list", "--all", "--limit", "2").lines) <= 5


def test_what_waits_longest_is_listed_first_and_a_cut_is_said(running: InProcess, held: str, shell: Shell):
    """What is not shown is counted, so that nobody takes it for not there."""
    with running.database.write() as tx:
        first = tx.get_one(Intent, held)
        columns = [one.key for one in Intent.__table__.columns if one.key not in ("id", "cause")]
        for number in (2, 3):
            copied = {name: getattr(first, name) for name in columns}
            tx.add(Intent(**{**copied, "cause": f"copy {number}", "reason": f"the copy {number}"}))
    listed = lambda: [line for line in shell("intent", "list").lines[1:] if not line.startswith(" ")]  # noqa: E731
    eventually(lambda: len(listed()) == 3, what="what else was under way")
    held_ones = listed()
    assert held_ones[0].startswith(held[-12:])
    assert held_ones[1].endswith("the copy 2")
    assert held_ones[2].endswith("the copy 3")
    cut = shell("intent", "list", "--limit", "1")
    assert cut.lines[-1] == "… and 2 more (--limit)"


@pytest.mark.parametrize("what", ["intent", "case", "delivery"])
@pytest.mark.parametrize("limit", ["0", "-1", "10001", "9" * 30])
def test_a_limit_out_of_range_is_refused_with_the_range(alone: Shell, what: str, limit: str):
    """None at all would read as "nothing is open"; too many is a slip."""
    said = alone(what, "list", "--limit", limit)
    assert said.code == 2
    assert "1<=x<=10000" in said.err


def test_approving_lets_the_text_out_once(sandbox: Sandbox, running: InProcess, held: str, shell: Shell):
    """By the end of its id, as the list shows it; the case file says who it was."""
    said = shell("intent", "approve", held[-12:])
    assert (said.code, said.out) == (0, "Approved: the running bridge sends it now.\n")
    eventually(lambda: receipt(running) == "closed publicly", what="the end of the loop")
    assert [post.text for post in brand_posts(sandbox.plaza)] == [HELD]
    with running.database.read() as tx:
        case = tx.query(Case).one()
        file = " ".join(event.text for event in casefile.read(tx, case.id))
        assert tx.get_one(Intent, held).decided_by.endswith("(command line)")
        assert case.approved_at is not None
    assert "(command line)" in file


def test_an_approval_while_paused_says_that_it_waits(
    sandbox: Sandbox, running: InProcess, held: str, shell: Shell
):
    """Approved is not sent: whoever approves hears what it waits for."""
    shell("pause", "--reason", "a fire")
    said = shell("intent", "approve", held)
    assert (said.code, said.out) == (0, "Approved. It waits until `bridge resume`: paused, a fire.\n")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)
    with running.database.write() as tx:
        lane = tx.get_one(Intent, held).lane
        lanes.resume(tx, lanes.PUBLIC)
        lanes.park(tx, lane, "answered 401", "a test", running.bridge.world.clock.now())
        intent = tx.get_one(Intent, held)
        intent.state, intent.decided_by = IntentState.HELD.value, None
    assert f"It waits for lane {lane}, which is parked: answered 401." in shell("intent", "approve", held).out


def test_refusing_ends_the_loop_without_a_word(sandbox: Sandbox, running: InProcess, held: str, shell: Shell):
    """The receipt says that it was not closable, on the ticket as well."""
    assert shell("intent", "refuse", held).code == 0
    eventually(lambda: receipt(running) == "not closable", what="the receipt")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)


def test_a_person_decides_once(held: str, shell: Shell):
    """The second one is told what became of it."""
    assert shell("intent", "refuse", held).code == 0
    again = shell("intent", "refuse", held)
    assert again.code == 2
    assert "(command line) has refused it" in again.err


@pytest.fixture
def unknown(running: InProcess, held: str) -> str:
    """The same reply, after a call of which nobody knows whether it happened."""
    with running.database.write() as tx:
        intent = tx.get_one(Intent, held)
        intent.state, intent.reason = IntentState.UNKNOWN.value, "the call may have happened"
        intent.attempts, intent.sender = 1, "somebody else"
    return held


def test_settled_as_sent_by_its_address(sandbox: Sandbox, running: InProcess, unknown: str, shell: Shell):
    """--sent URL: the person has seen it on the thread; it is the receipt."""
    url = "https://plaza.example/p/by-hand"
    said = shell("intent", "settle", unknown, "--sent", url)
    assert (said.code, said.out) == (0, "Settled.\n")
    assert receipt(running) == "closed by hand"
    assert url in shell("case", "show", str(the_ticket(sandbox).id)).out
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)


def test_settled_as_not_sent(sandbox: Sandbox, running: InProcess, unknown: str, shell: Shell):
    """--not-sent: it did not happen, and must not any more."""
    assert shell("intent", "settle", unknown, "--not-sent").code == 0
    eventually(lambda: receipt(running) == "not closable", what="the receipt")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)


def test_settled_by_sending_it(sandbox: Sandbox, running: InProcess, unknown: str, shell: Shell):
    """--send: it did not happen; once more, and only once."""
    assert shell("intent", "settle", unknown, "--send").code == 0
    eventually(lambda: receipt(running) == "closed publicly", what="the end of the loop")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.3)


@pytest.mark.parametrize(("word", "verb"), [("--send", "approve"), ("--not-sent", "refuse")])
def test_what_is_held_is_approved_or_refused_and_not_settled(
    sandbox: Sandbox, held: str, shell: Shell, word: str, verb: str
):
    """Two verbs that do not overlap; the command that is meant is named."""
    said = shell("intent", "settle", held, word)
    assert said.code == 2
    assert f"is held, there is no outcome to settle: `bridge intent {verb} {held[-12:]}`" in said.err
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)
    assert " held " in shell("intent", "list").out


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_what_becomes_unknown_while_the_command_begins_is_not_approved(
    running: InProcess, held: str, shell: Shell
):
    """A worker gives its call up at that very moment: it may be there already, and would be there twice."""
    running.bridge.engine.stop()
    with running.database.write() as tx:
        intent = tx.get_one(Intent, held)
        intent.state, intent.sender = IntentState.SENDING.value, "gone"
    said = []

    def approve() -> None:
        said.append(shell("intent", "approve", held))

    with running.database.write() as tx:
        cases.lock(tx, intent.case_id)
        with meanwhile(running.database, approve):
            tx.get_one(Intent, held).state = IntentState.UNKNOWN.value
            tx.commit()
    assert said[0].code != 0
    assert "is unknown, it may be there already" in said[0].err
    assert waiting(running, IntentState.UNKNOWN) == held


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_what_is_unknown_is_settled_and_not_approved_or_refused(
    sandbox: Sandbox, unknown: str, shell: Shell, verb: str
):
    """To approve it would send it again: whoever does that has looked first, and says so."""
    said = shell("intent", verb, unknown)
    assert said.code == 2
    assert f"`bridge intent settle {unknown[-12:]} --sent URL | --not-sent | --send`" in said.err
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)
    assert " unknown " in shell("intent", "list").out


def test_what_is_held_and_was_posted_by_hand_is_settled_by_its_address(
    running: InProcess, held: str, shell: Shell
):
    """As with the card's button It is there already."""
    assert shell("intent", "settle", held, "--sent", "https://plaza.example/p/by-hand").code == 0
    assert receipt(running) == "closed by hand"


@pytest.fixture
def refused(running: InProcess, held: str) -> str:
    """The same reply, after the network's no."""
    with running.database.write() as tx:
        intent = tx.get_one(Intent, held)
        intent.state, intent.reason = IntentState.REFUSED.value, "Plaza answered 422"
        intent.attempts, intent.decided_by = 1, None
    return held


def test_what_the_network_refused_and_was_posted_by_hand_is_settled_by_its_address(
    sandbox: Sandbox, running: InProcess, refused: str, shell: Shell
):
    """The loop is closed on the thread, whoever closed it: no open loop is left."""
    url = "https://plaza.example/p/by-hand"
    said = shell("intent", "settle", refused, "--sent", url)
    assert (said.code, said.out) == (0, "Settled.\n")
    assert receipt(running) == "closed by hand"
    assert refused[-12:] not in shell("intent", "list").out
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)


def test_what_the_network_refused_is_sent_again_by_approving_it(refused: str, shell: Shell):
    """There is no outcome to settle; the command that is meant is named."""
    said = shell("intent", "settle", refused, "--send")
    assert said.code == 2
    assert f"is refused, there is no outcome to settle: `bridge intent approve {refused[-12:]}`" in said.err


def test_what_the_network_refused_can_be_left_at_that(running: InProcess, refused: str, shell: Shell):
    """Somebody has seen it: it is in no list of what is wrong any more."""
    with running.database.read() as tx:
        assert standing.refused_intents(tx) == 1
    assert shell("intent", "refuse", refused).code == 0
    assert refused[-12:] not in shell("intent", "list").out
    with running.database.read() as tx:
        assert standing.refused_intents(tx) == 0
        assert any("left refused by" in event.text for event in casefile.read(tx, tx.query(Case).one().id))


def test_what_a_person_refused_is_not_settled_as_sent(running: InProcess, held: str, shell: Shell):
    """Somebody decided that it must not be there."""
    assert shell("intent", "refuse", held).code == 0
    said = shell("intent", "settle", held, "--sent", "https://plaza.example/p/by-hand")
    assert (said.code, "(command line) has refused it" in said.err) == (2, True)


def test_what_is_on_its_way_is_not_decided_about(running: InProcess, held: str, shell: Shell):
    """It is not over either, as "waits for nobody" would read."""
    with running.database.write() as tx:
        intent = tx.get_one(Intent, held)
        intent.state, intent.due_at = IntentState.APPROVED.value, datetime.now(UTC) + timedelta(hours=1)
    for words in (("settle", held, "--not-sent"), ("refuse", held), ("approve", held)):
        assert "is approved; it goes on by itself" in shell("intent", *words).err


def test_without_a_worker_nobody_is_told_that_it_is_sent_now(running: InProcess, held: str, shell: Shell):
    """What was decided stands; since when nobody is there to do it is said with it."""
    shell("pause")
    running.stop()
    waits = " It goes on when a worker runs: no worker is alive since 20"
    for words in (("resume",), ("intent", "approve", held), ("case", "replay", "1")):
        said = shell(*words)
        assert said.code == 0, said.err
        assert waits in said.out
        assert "sends it now" not in said.out


@pytest.mark.parametrize(
    "words",
    [(), ("--send", "--not-sent"), ("--sent", "https://a.example", "--send"), ("--sent", "")],
)
def test_settle_takes_exactly_one_word(held: str, shell: Shell, words: tuple[str, ...]):
    """What became of it is one thing; nothing changes until it is said."""
    said = shell("intent", "settle", held, *words)
    assert said.code == 2
    assert "exactly one of --sent URL, --not-sent and --send" in said.err
    assert "held" in shell("intent", "list").out


@pytest.mark.parametrize(
    "sent",
    [
        *("yes", "plaza.example/p/1", "javascript:alert(1)", "http://", "https:///p/1", "httpfoo"),
        *(
            "http://[plaza",
            "https://plaza.example:no/p/1",
            "https://plaza.example/p/1\nhttps://plaza.example",
        ),
    ],
)
def test_an_address_that_is_none_is_not_taken_for_a_receipt(held: str, shell: Shell, sent: str):
    """It would stand on the ticket and on the card as the link to the public reply."""
    said = shell("intent", "settle", held, "--sent", sent)
    assert said.code == 2
    assert f"{sent} is no address of a" in said.err
    assert "held" in shell("intent", "list").out


@pytest.mark.parametrize(
    ("state", "advice"),
    [("held", ("lets it out", "keeps it in")), ("refused", ("sends it again", "leaves it"))],
)
def test_without_an_address_somebody_is_told_what_can_be_said(
    running: InProcess, shell: Shell, request: pytest.FixtureRequest, state: str, advice: tuple[str, str]
):
    """What the sentence names is taken, and nothing that would be refused."""
    which = request.getfixturevalue(state)
    said = shell("intent", "settle", which, "--sent", "yes")
    assert said.code == 2
    assert (
        f"`bridge intent approve {which}` {advice[0]}, `bridge intent refuse {which}` {advice[1]}" in said.err
    )
    assert "--send" not in said.err
    assert shell("intent", "refuse", which).code == 0


def test_an_answer_is_spoken_of_in_english(running: InProcess, held: str, shell: Shell):
    """The sentence is read by somebody who has other worries."""
    with running.database.write() as tx:
        tx.get_one(Intent, held).closing = False
    assert "yes is no address of an answer;" in shell("intent", "settle", held, "--sent", "yes").err


def test_a_note_on_a_ticket_is_not_settled_by_an_address(running: InProcess, held: str, shell: Shell):
    """It has none: somebody says that it is there, or has it sent."""
    eventually(lambda: not under_way(running), what="the notes on the ticket")
    with running.database.write() as tx:
        note = tx.query(Intent).where(Intent.effect == Effect.UPDATE_TICKET).first()
        note.state = IntentState.UNKNOWN.value
        key = note.id
    said = shell("intent", "settle", key, "--sent", "https://desk.example/1")
    assert (said.code, "say --send or --not-sent instead" in said.err) == (2, True)


@pytest.mark.parametrize("verb", [("approve",), ("refuse",), ("settle", "--send")])
@pytest.mark.parametrize("which", ["nothing-like-it", "", "%"])
def test_an_intent_that_does_not_exist_is_said_so(held: str, shell: Shell, verb, which: str):
    """With the command that lists them; nothing was changed."""
    said = shell("intent", verb[0], which, *verb[1:])
    assert said.code == 1
    assert f"There is no intent {which}" in said.err
    assert "`bridge intent list`" in said.err


def test_a_letter_is_not_enough_to_name_a_public_reply(running: InProcess, held: str, shell: Shell):
    """A slip of the finger must not publish the only text that happens to end in it."""
    with running.database.read() as tx:
        ends = {intent.id[-1] for intent in tx.query(Intent)}
    for end in sorted(ends):
        assert shell("intent", "approve", end).code == 1
    assert waiting(running, IntentState.HELD) == held


def test_a_pause_stops_public_replies_and_nothing_else(sandbox: Sandbox, running: InProcess, shell: Shell):
    """Tickets, notes and cards go on; the reply waits, and leaves once after the resume."""
    paused = shell("pause", "--reason", "a fire")
    assert (paused.code, paused.out) == (
        0,
        "Paused. 0 public replies wait; `bridge resume` lets them go on.\n",
    )
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: waiting(running, IntentState.APPROVED), what="the reply that waits")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)
    problems = running.bridge.web.test_client().get("/readyz").json["problems"]
    assert any("public is parked: a fire" in problem for problem in problems)
    said = "It was paused already: a fire. 1 public reply waits; `bridge resume` lets it go on.\n"
    assert shell("pause").out == said
    with running.database.read() as tx:
        assert tx.get_one(Lane, "public").reason == "a fire"
    assert "already: a fire. Now the reason is: a flood." in shell("pause", "--reason", "a flood").out
    assert "already: a flood." in shell("pause").out

    resumed = shell("resume")
    assert (resumed.code, resumed.out) == (0, "Resumed.\n")
    eventually(lambda: receipt(running) == "closed publicly", what="the end of the loop")
    assert len(brand_posts(sandbox.plaza)) == 1


def test_a_reason_acts_on_no_terminal_and_makes_no_line_of_its_own(
    running: InProcess, held: str, shell: Shell
):
    """Whoever reads it next must not take somebody's words for the bridge's."""
    reason = "a fire\x1b[2K\nResumed."
    shown = "a fire\\x1b[2K\n  Resumed."
    shell("pause", "--reason", reason)
    assert f"It was paused already: {shown}. " in shell("pause").out
    assert f"Now the reason is: {shown}!. " in shell("pause", "--reason", f"{reason}!").out
    assert f"paused, {shown}!.\n" in shell("intent", "approve", held).out
    with running.database.read() as tx:
        case_id = tx.get_one(Intent, held).case_id
    assert "a fire\\x1b[2K\n    Resumed.!\n" in shell("case", "show", case_id).out


def test_a_pause_says_what_it_comes_too_late_for(running: InProcess, held: str, shell: Shell):
    """A reply whose call has begun appears all the same: it is not told as one that waits."""
    running.bridge.engine.stop()
    with running.database.write() as tx:
        reply = tx.get_one(Intent, held)
        reply.state, reply.sent_at = IntentState.SENDING.value, datetime.now(UTC)
        reply.sender = running.bridge.world.presence.worker
    said = "Paused. 0 public replies wait; `bridge resume` lets them go on."
    assert shell("pause").out == f"{said} 1 is on its way already, and may still appear.\n"
    with running.database.write() as tx:
        tx.get_one(Intent, held).over_at = datetime.now(UTC)  # what became of it is looked for: see `ledger`
    assert shell("pause").out.endswith(" 1 public reply waits; `bridge resume` lets it go on.\n")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_pause_holds_before_everybody_is_told_of_it(running: InProcess, held: str, shell: Shell):
    """Ten thousand replies wait, or somebody holds one of their cases: no word leaves meanwhile."""
    running.bridge.engine.stop()
    with running.database.write() as tx:
        reply = tx.get_one(Intent, held)
        reply.state = IntentState.APPROVED.value
    with running.database.write() as tx:
        cases.lock(tx, reply.case_id)
        with meanwhile(running.database, lambda: shell("pause")):
            with running.database.read() as other:
                assert lanes.PUBLIC in lanes.parked(other, datetime.now(UTC))
            tx.commit()


def test_a_pause_that_could_not_tell_everybody_says_that_it_holds(
    running: InProcess, held: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
):
    """Whoever stops everything in haste must not read that it failed; the resume is no failure either."""

    def busy(*_given: object) -> None:
        raise StoreBusyError("the database cannot be written: database is locked")

    monkeypatch.setattr("bridge.cli.pause._tell", busy)
    said = shell("pause")
    assert said.code == 0
    assert said.err.startswith("Paused: nothing public leaves.")
    with running.database.read() as tx:
        assert lanes.PUBLIC in lanes.parked(tx, datetime.now(UTC))
    said = shell("resume")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Resumed. Some of it may take five minutes")
    with running.database.read() as tx:
        assert lanes.PUBLIC not in lanes.parked(tx, datetime.now(UTC))


def test_whoever_waits_for_a_pause_reads_that_it_is_one(sandbox: Sandbox, running: InProcess, shell: Shell):
    """Once on the ticket, on the card, and wherever it is listed, with the reason and since when."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    shell("pause", "--reason", "a fire")
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    waits = lambda: "waits for the end of the pause" in the_card(sandbox, "support-technical").words.lower()  # noqa: E731
    eventually(waits, what="the card")
    assert "everything public is paused since" in the_card(sandbox, "support-technical").words

    def notes() -> int:
        text = "Not on the thread yet, and nobody has to do anything here"
        return sum(text in comment.text for comment in sandbox.zendesk.ticket(ticket.id).comments)

    eventually(lambda: notes() == 1, what="the note")
    [line] = [line for line in shell("intent", "list").lines if "closing reply" in line]
    assert "everything public is paused since" in line
    assert line.endswith(": a fire.")
    assert ": a fire\n" in shell("case", "show", str(ticket.id)).out.partition("Waits: closing reply")[2]

    shell("pause", "--reason", "a flood")
    eventually(lambda: ": a flood" in the_card(sandbox, "support-technical").words, what="the new reason")
    shell("resume")
    eventually(lambda: receipt(running) == "closed publicly", what="the end of the loop")
    eventually(lambda: not waits(), what="the card")
    assert notes() == 1


def test_resuming_what_was_not_paused_changes_nothing(running: InProcess, shell: Shell):
    """And says so."""
    assert shell("resume").out == "Nothing was paused.\n"


def test_an_installation_without_intents_says_so(alone: Shell):
    """ "Nothing is open" would speak of another question."""
    alone("migrate")
    assert alone("intent", "list", "--all").out == "No intents yet.\n"
    assert alone("intent", "list").out == "Nothing is open.\n"
