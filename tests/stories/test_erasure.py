"""Forgetting a person, and what a network deleted: here, on the ticket and in Slack."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from bridge.cli import bridge as command
from bridge.flows import forget as forgetting
from bridge.sandbox import Sandbox
from bridge.store import portion
from bridge.store.database import Database
from bridge.store.person import Person, find_person
from bridge.store.tables import Case, Delivery, Erasure, Intent, Message
from tests.running import QUICK, InProcess, eventually
from tests.store.test_personal import found_in
from tests.stories.seen import brand_posts, the_ticket

TECH = "support-technical"
WORDS = "The app logs me out every hour"


def forget(running: InProcess, handle: str = "dewi", **given) -> forgetting.Forgotten:
    with running.database.read() as tx:
        person = find_person(tx, "bridge", "standard", handle=handle)
    return forgetting.forget(running.bridge.world, person, "a test", **given)


def rest(running: InProcess) -> None:
    """Everything that was to happen outside has happened."""

    def done() -> bool:
        with running.database.read() as tx:
            moving = tx.scalars(select(Intent.id).where(Intent.state.in_(["approved", "sending"]))).first()
            heard = tx.scalars(select(Delivery.id).where(Delivery.state == "received")).first()
            due = tx.scalars(select(Message.id).where(Message.due_at.is_not(None))).first()
        return not (moving or heard or due)

    running.sandbox.wait_idle()
    eventually(done, within=40, what="rest")


def rows(running: InProcess, table):
    with running.database.read() as tx:
        return list(tx.scalars(select(table).order_by(table.id)))


def shown_of(sandbox: Sandbox, ticket_id: int) -> str:
    """Everything that Zendesk and Slack show of the story."""
    seen = sandbox.zendesk.ticket(ticket_id)
    cards = [card.words + card.text for card in sandbox.slack.cards(TECH)]
    notes = [
        note.words + note.text for card in sandbox.slack.cards(TECH) for note in sandbox.slack.thread(card.ts)
    ]
    return "\n".join([seen.subject, seen.requester, *(one.text for one in seen.comments), *cards, *notes])


def test_a_forgotten_person_is_gone_from_ticket_card_and_tables(sandbox: Sandbox, running: InProcess, ticket):
    """The words, the name and the social identity; the case file still tells what happened."""
    assert "logs me out" in shown_of(sandbox, ticket.id)
    forgotten = forget(running)
    rest(running)

    shown = shown_of(sandbox, ticket.id).lower()
    assert "logs me out" not in shown
    assert "dewi" not in shown
    assert "erased on request" in shown
    [case] = rows(running, Case)
    assert (case.state, case.receipt, case.receipt_reason) == ("closed", "customer gone", "erased on request")
    [proof] = rows(running, Erasure)
    assert proof.id == forgotten.proof
    assert proof.counts["deliveries"] >= 1
    assert any(f"ticket {ticket.id}" in sentence for sentence in proof.remains)
    assert "dewi" not in str(proof.remains)


def test_a_post_that_was_erased_does_not_come_back(sandbox: Sandbox, running: InProcess, ticket):
    """The same post in another delivery, an edit of it, and an answer of somebody else that quotes it."""
    [post] = sandbox.plaza.posts()
    forget(running)
    rest(running)
    sandbox.plaza.tell_again(post.id)
    sandbox.plaza.edit(post.id, f"{WORDS}, still")
    sandbox.plaza.post("somchai", "Same here", reply_to=post.id, tags=["technical-issue"])
    the_ticket(sandbox, count=2)
    rest(running)

    erased, others = rows(running, Message)
    assert (erased.text, erased.author_handle, erased.permalink) == (None, None, None)
    assert (others.text, others.parent_text, others.parent_id) == ("Same here", None, erased.global_id)
    assert not any(b"logs me out" in (one.body or b"") for one in rows(running, Delivery))
    assert "logs me out" not in shown_of(sandbox, 2)


@pytest.mark.parametrize("forgotten", [True, False], ids=["forgotten", "deleted"])
def test_a_sender_that_repeats_what_was_erased_is_heard_and_leaves_nothing(
    sandbox: Sandbox, running: InProcess, ticket, forgotten: bool
):
    """The very same delivery, twice more: each is understood, none keeps the words, none fails."""
    [post] = sandbox.plaza.posts()
    [first] = [row for row in rows(running, Delivery) if row.source == "standard" and row.body]
    if forgotten:
        forget(running)
    else:
        sandbox.plaza.delete(post.id)
        eventually(lambda: all(row.text is None for row in rows(running, Message)), what="the erasure")
    rest(running)
    for _ in range(2):
        running.bridge.door.record(first.source, first.account, first.delivery_id, first.body)
        rest(running)

    repeated = [row for row in rows(running, Delivery) if row.source == "standard"]
    assert {row.state for row in repeated} == {"done"}
    assert not any(b"logs me out" in (row.body or b"") for row in repeated)
    assert not any(row.delivery_id == first.delivery_id for row in repeated)


def test_what_a_forgotten_person_writes_later_is_new(sandbox: Sandbox, running: InProcess, ticket):
    """They complain again: a case, a ticket and a requester of their own, and an answer."""
    forget(running)
    rest(running)
    post = sandbox.plaza.post("dewi", "Now it crashes", language="en", tags=["technical-issue"])
    second = the_ticket(sandbox, count=2)
    assert (second.requester, second.requester_external_id) == ("Dewi", "social:standard:dewi")
    sandbox.zendesk.agent_comments(second.id, "Which version do you use?", status="solved")
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")

    assert brand_posts(sandbox.plaza)[0].parent_id == post.id
    assert rows(running, Message)[-1].text == "Now it crashes"


def test_a_rehearsal_and_a_second_request_change_nothing(sandbox: Sandbox, running: InProcess, ticket):
    """The dry run counts what the run then does; the second run finds nobody."""
    rest(running)
    rehearsed = forget(running, rehearse=True)
    assert rows(running, Message)[0].text == WORDS
    assert rows(running, Erasure) == []
    done = forget(running)
    assert done.counts == rehearsed.counts
    rest(running)
    assert "messages" not in forget(running).counts


def test_nothing_is_erased_while_a_call_is_under_way(sandbox: Sandbox, running: InProcess, ticket):
    """The call needs its words until somebody knows what became of it; the command says so."""
    held = sandbox.faults.add("plaza", "reply", "hold_after")
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    assert held.reached.wait(15)
    with pytest.raises(forgetting.StillMovingError, match="sending"):
        forget(running, patience=forgetting.timedelta(0))
    assert rows(running, Message)[0].text == WORDS
    held.release()
    rest(running)

    assert forget(running).counts["messages"] == 1
    assert len(brand_posts(sandbox.plaza)) == 1


class Dying(Database):
    """The connection of a process that is killed as soon as a proof is written down."""

    dead = False

    @contextmanager
    def write(self, *words, **given):
        assert not self.dead, "killed"
        with super().write(*words, **given) as tx:
            yield tx
        with super().read() as tx:
            self.dead = tx.scalars(select(Erasure.id)).first() is not None

    @contextmanager
    def read(self):
        assert not self.dead, "killed"
        with super().read() as tx:
            yield tx


def test_an_erasure_that_is_proven_has_reached_everything(
    sandbox: Sandbox, running: InProcess, ticket, store_url: str
):
    """Killed the moment the proof is there: what came in is blank already, like all else."""
    rest(running)
    database = Dying(running.bridge.settings.database_url)
    world = replace(running.bridge.world, database=database)
    with running.database.read() as tx:
        person = find_person(tx, "bridge", "standard", handle="dewi")
    with suppress(AssertionError):
        forgetting.forget(world, person, "a test")
    database.close()

    [proof] = rows(running, Erasure)
    assert proof.counts["deliveries"] >= 1
    assert not any(b"logs me out" in (one.body or b"") for one in rows(running, Delivery))


@pytest.fixture
def talkative(sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody with a case in each of three threads, and another who quotes them: more than one portion.

    Gives the ids of their posts.
    """
    monkeypatch.setattr(portion, "MOST", 0)
    monkeypatch.setattr(forgetting, "BODIES", 0)
    posts = [
        sandbox.plaza.post("zephyrine", f"{WORDS}, {place}", language="en", tags=["technical-issue"])
        for place in ("at home", "at work", "in the garden")
    ]
    sandbox.plaza.post("somchai", "As @zephyrine says", reply_to=posts[0].id, tags=["technical-issue"])
    the_ticket(sandbox, count=4)
    rest(running)
    return [post.id for post in posts]


class KilledError(Exception):
    pass


class ShortLived(Database):
    """The connection of a process that is killed when it has written once."""

    written = False

    @contextmanager
    def write(self, *words, **given):
        if self.written:
            raise KilledError
        with super().write(*words, **given) as tx:
            yield tx
        self.written = True


def test_an_erasure_in_portions_that_is_killed_again_and_again_goes_on(
    sandbox: Sandbox, running: InProcess, talkative: list[str]
):
    """Each run is asked for by the same name, and comes one portion further; only the last proof is whole."""
    done = None
    while done is None:
        with running.database.read() as tx:
            person = find_person(tx, "bridge", "standard", handle="zephyrine")
        assert person.author_ids, "nobody knows them any more, and it is not finished"
        database = ShortLived(running.bridge.settings.database_url)
        with suppress(KilledError):
            done = forgetting.forget(replace(running.bridge.world, database=database), person, "a test")
        database.close()
    rest(running)

    assert found_in(running, lambda _table: set(), ("zephyrine", "logs me out", *talkative)) == []
    assert "As (erased) says" in {row.text for row in rows(running, Message)}
    *cut_short, last = rows(running, Erasure)
    assert len(cut_short) >= 2
    assert all(forgetting.UNFINISHED in proof.remains for proof in cut_short)
    assert (last.id, forgetting.UNFINISHED in last.remains) == (done.proof, False)
    assert {case.receipt_reason for case in rows(running, Case)} == {"erased on request", None}


def test_a_rehearsal_in_portions_counts_what_the_run_does(running: InProcess, talkative: list[str]):
    """And changes nothing; the run has one proof of it all."""
    rehearsed = forget(running, "zephyrine", rehearse=True)
    assert [row.text for row in rows(running, Message)].count(None) == 0
    done = forget(running, "zephyrine")
    assert done.counts == rehearsed.counts
    assert (done.counts["messages"], done.counts["cases"], done.counts["messages of others"]) == (3, 3, 1)
    [proof] = rows(running, Erasure)
    assert (proof.counts, forgetting.UNFINISHED in proof.remains) == (done.counts, False)


def test_the_command_waits_for_a_call_that_is_under_way(sandbox: Sandbox, running: InProcess, ticket):
    """It goes on when the call has ended; only a dry run says at once what stands in its way."""
    rest(running)
    held = sandbox.faults.add("plaza", "reply", "hold_after")
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    assert held.reached.wait(15)
    refused = command_of(running)("@dewi@plaza", "--dry-run")
    assert refused.exit_code == 1
    assert "is sending" in str(refused.exception) + refused.output
    ends = threading.Timer(1.0, held.release)
    ends.start()
    done = command_of(running)("@dewi@plaza", "--yes")
    ends.join()

    assert done.exit_code == 0, (done.output, done.exception)
    assert rows(running, Message)[0].text is None


def test_what_the_desk_does_not_let_us_redact_is_said(sandbox: Sandbox, running: InProcess, ticket):
    """An account without the newer redaction, and a closed ticket that the older one refuses."""
    sandbox.zendesk.agent_workspace = False
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: rows(running, Case)[0].state == "closed", what="the receipt")
    rest(running)
    sandbox.zendesk.close(ticket.id)
    rest(running)
    forget(running)
    rest(running)

    [proof] = rows(running, Erasure)
    told = "\n".join(proof.remains)
    assert f"a comment of ticket {ticket.id}" in told
    assert f"the subject and the link of ticket {ticket.id}" in told


def test_the_older_redaction_serves_where_the_newer_is_not_there(sandbox: Sandbox, running, ticket):
    """Line by line, on an open ticket."""
    sandbox.zendesk.agent_workspace = False
    forget(running)
    rest(running)
    assert "logs me out" not in shown_of(sandbox, ticket.id)


def test_a_deleted_post_goes_from_tables_ticket_and_card(sandbox: Sandbox, running: InProcess, ticket):
    """The agent is told of the deletion; the words themselves are nowhere any more, the second post's are."""
    root = sandbox.plaza.posts()[0].id
    sandbox.plaza.post("dewi", "On Android, by the way", reply_to=root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    rest(running)
    sandbox.plaza.delete(root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("deleted", public=False), what="the note")
    rest(running)

    shown = shown_of(sandbox, ticket.id)
    assert "logs me out" not in shown
    assert "On Android" in shown
    first, second = rows(running, Message)
    assert (first.text, first.author_name, second.text) == (None, None, "On Android, by the way")
    assert second.parent_text is None
    kept = [one.payload for one in rows(running, Intent)] + [one.draft for one in rows(running, Intent)]
    assert "logs me out" not in str(kept)
    assert not any(b"logs me out" in (one.body or b"") for one in rows(running, Delivery))
    assert [proof.cause for proof in rows(running, Erasure)] == ["deleted"]


def kept(running: InProcess) -> str:
    """Everything that the ledger keeps of what was wanted and done."""
    return str([(one.draft, one.payload, one.outcome) for one in rows(running, Intent)]).lower()


def test_a_post_that_was_edited_and_then_deleted_leaves_no_version_in_the_ledger(
    sandbox: Sandbox, running: InProcess, ticket
):
    """Cards, answers and tickets of each version: neither the words nor the name are found by their text."""
    root = sandbox.plaza.posts()[0].id
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    rest(running)
    sandbox.plaza.edit(root, "It crashes every hour")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("crashes", public=False), what="the edit")
    rest(running)
    assert "logs me out" in kept(running)
    sandbox.plaza.delete(root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("deleted", public=False), what="the note")
    rest(running)

    for word in ("logs me out", "crashes every hour", "'name': 'dewi'", "'author': 'dewi", "(dewi)", "@dewi"):
        assert word not in kept(running), word
    assert "which version do you use" in kept(running)


def test_a_card_that_is_on_its_way_when_its_post_is_deleted_keeps_no_words(
    sandbox: Sandbox, running: InProcess
):
    """Its bytes are needed until somebody knows what became of it, and no longer."""
    held = sandbox.faults.add("slack", "chat.postMessage", "hold_after")
    post = sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    assert held.reached.wait(15)
    sandbox.plaza.delete(post.id)
    eventually(lambda: rows(running, Message)[0].erased_at, what="the deletion")
    held.release()
    rest(running)

    assert "logs me out" not in kept(running) + shown_of(sandbox, ticket.id)


def test_a_post_that_is_deleted_before_its_ticket_leaves_no_words_in_it(sandbox: Sandbox, running):
    """Zendesk was down meanwhile: the ticket that was drawn up already goes without them."""
    sandbox.faults.add("zendesk", "open_ticket", "status", times=2, status=429, retry_after=1)
    post = sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    eventually(lambda: sandbox.calls.list("zendesk", "open_ticket"), what="the first try")
    sandbox.plaza.delete(post.id)
    ticket = the_ticket(sandbox)
    rest(running)

    assert "logs me out" not in shown_of(sandbox, ticket.id)


def command_of(running: InProcess):
    """``bridge forget`` beside that bridge."""
    given = {**QUICK, **running.sandbox.environment(running.url), **running._changes}
    env = {"BRIDGE_DATA": str(running._folder), **given}
    return lambda *words, **more: CliRunner().invoke(command, ["forget", *words], env=env, **more)


def test_the_command_asks_and_gives_a_proof(sandbox: Sandbox, running: InProcess, ticket):
    """By handle and network, by the network's label; nothing without a yes."""
    rest(running)
    run = command_of(running)
    assert "1  messages" in run("@dewi@Plaza", "--dry-run").output
    assert run("@dewi@plaza", input="n\n").exit_code == 1
    assert rows(running, Message)[0].text == WORDS
    done = run("--author-id", "dewi", "--network", "standard", "--yes")
    assert done.exit_code == 0, done.output
    assert rows(running, Erasure)[0].id in done.output
    assert "What remains" in done.output
    assert rows(running, Erasure)[0].id in run("--list").output
    assert "There is no network" in run("@dewi@nowhere", "--yes").output


def test_a_handle_that_nobody_has_erases_nobody(sandbox: Sandbox, running: InProcess, ticket):
    """Neither who has the same name on another server, nor who has nearly the same: they are named."""
    rest(running)
    before = [one.body for one in rows(running, Delivery)]
    run = command_of(running)
    for asked in ("@dewi@social.example@plaza", "@dewy@plaza"):
        refused = run(asked, "--yes")
        assert refused.exit_code == 1
        name = asked.removesuffix("@plaza")
        assert f"Nobody is known as {name} on standard; did you mean @dewi@standard?" in refused.output
    assert "Nobody is known as @nemo on standard. If you" in run("@nemo@plaza", "--dry-run").output
    assert before == [one.body for one in rows(running, Delivery)]
    assert rows(running, Erasure) == []


@pytest.mark.parametrize("more", [(), ("--yes",), ("--dry-run",)])
def test_an_id_of_which_nothing_is_known_erases_nobody(running: InProcess, ticket, more: tuple[str, ...]):
    """As a handle that nobody has: no question, and no proof of what was not there."""
    rest(running)
    run = command_of(running)
    refused = run("--network", "standard", "--author-id", "nobody-here", *more, input="y\n")
    assert refused.exit_code == 1
    assert "Nothing is known of nobody-here on standard, and nothing was erased." in refused.output
    assert "Erase it" not in refused.output
    assert rows(running, Erasure) == []


def test_who_was_erased_already_is_not_erased_again(running: InProcess, ticket):
    """The proof of the first time stands, alone."""
    rest(running)
    run = command_of(running)
    assert run("--author-id", "dewi", "--network", "standard", "--yes").exit_code == 0
    rest(running)
    assert "`bridge forget --list`" in run("--author-id", "dewi", "--network", "standard", "--yes").output
    assert len(rows(running, Erasure)) == 1


def test_who_is_known_by_others_words_alone_can_be_erased(sandbox: Sandbox, running: InProcess, ticket):
    """They never wrote to the brand; somebody who did named them."""
    sandbox.plaza.post("ana", "As nobody-here says, it logs out", language="en", tags=["technical-issue"])
    the_ticket(sandbox, count=2)
    rest(running)
    done = command_of(running)("--author-id", "nobody-here", "--network", "standard", "--yes")
    assert (done.exit_code, "Proof: " in done.output) == (0, True), done.output


def test_who_has_the_handle_on_another_network_is_named(sandbox: Sandbox, running: InProcess, ticket):
    """A relay's own name for a network may be the mapping's label for another: both are looked at."""
    rest(running)
    of_relay = {"installation": "bridge", "network": "plaza", "received_at": datetime.now(UTC), "own": False}
    with running.database.write() as tx:
        tx.add(Message(id="relayed", global_id="1", author_id="77", author_handle="@rudi", **of_relay))
    run = command_of(running)
    refused = run("@dewi@plaza", "--yes")
    assert "Nobody is known as @dewi on plaza; did you mean @dewi@standard?" in refused.output
    with running.database.write() as tx:
        tx.get_one(Message, "relayed").author_handle = "@dewi"

    done = run("@dewi@standard", "--yes")
    assert "@dewi@plaza is known, too: if that is the same person, `bridge forget @dewi@plaza`" in done.output
    assert run("@dewi@plaza", "--yes").exit_code == 0
    assert all(row.author_handle is None for row in rows(running, Message))
    assert "is known, too" not in run("--author-id", "77", "--network", "plaza", "--yes").output


def test_the_same_name_on_another_server_is_another_person():
    """A handle is a name and a server; a mention without a server may be theirs."""
    ewa = Person("mastodon", frozenset({"https://kopi.example/users/ewa"}), frozenset({"ewa@kopi.example"}))
    for body in (
        '{"acct":"ewa@kopi.example"}',
        '{"url":"https:\\/\\/kopi.example\\/@ewa"}',
        "@EWA@kopi.example",
    ):
        assert ewa.is_named_in(body), body
    for body in ('{"acct":"ewa@social.example","username":"ewa"}', '{"url":"https://social.example/@ewa"}'):
        assert not ewa.is_named_in(body), body
    said = "@ewa and @ewa@kopi.example, not @ewa@social.example or @ewald"
    assert ewa.without_mentions(said) == "(erased) and (erased), not @ewa@social.example or @ewald"
