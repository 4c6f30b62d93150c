"""A reply quotes what its author deletes, or has erased, before it left or while it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.core.intent import IntentState
from bridge.flows import retain, settle
from bridge.sandbox import Sandbox
from bridge.store import cases, intents
from bridge.store.tables import Case, Intent, Message
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, quiet, the_ticket
from tests.stories.test_erasure import forget, kept, rest, rows

TECH = "support-technical"
WORDS = "The app logs me out every hour"
QUOTE = f'You wrote "{WORDS}" - please install 4.3.'
REASON = "deleted since"


@pytest.fixture
def slow(sandbox: Sandbox, tmp_path: Path, store_url: str) -> Iterator[InProcess]:
    """A bridge that looks for what is unclear only after some seconds."""
    bridge = InProcess(tmp_path / "data", sandbox, DATABASE_URL=store_url, BRIDGE_SETTLE_S="3")
    yield bridge
    bridge.stop()


def two_posts(sandbox: Sandbox, site, first: str = WORDS):
    """A case of two posts on its ticket; gives the first, which nobody answers, and the ticket."""
    tags = {"tags": ["technical-issue"]} if site is sandbox.plaza else {}
    post = site.post("dewi", first, language="en", **tags)
    ticket = the_ticket(sandbox)
    site.post("dewi", "On Android, by the way", reply_to=post.id, language="en")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    return post, ticket


def the_reply(running: InProcess) -> Intent:
    return eventually(
        lambda: next((one for one in rows(running, Intent) if one.effect == "reply"), None), what="the reply"
    )


def question(sandbox: Sandbox):
    return next((card for card in sandbox.slack.cards(TECH) if card.button("Post it")), None)


def press(sandbox: Sandbox) -> None:
    """Post it."""
    card = eventually(lambda: question(sandbox), what="the question")
    button = card.button("Post it")
    assert 200 == sandbox.slack.press(TECH, card.ts, button.action_id, value=button.value)


@pytest.mark.parametrize(("first", "say"), [(WORDS, QUOTE), ("Thank you!", "Thank you!")])
def test_a_waiting_reply_that_quotes_a_deleted_post_is_held_as_it_was_written(
    sandbox: Sandbox, running: InProcess, first: str, say: str
):
    """Whoever presses sees the reason and all of the words; they leave so, and are struck after that."""
    post, ticket = two_posts(sandbox, sandbox.plaza, first)
    busy = sandbox.faults.add("plaza", "reply", "status", status=429, retry_after=8)
    sandbox.zendesk.agent_comments(ticket.id, say)
    assert busy.reached.wait(10)
    eventually(lambda: the_reply(running).state == "approved", what="it waits")
    sandbox.plaza.delete(post.id)

    eventually(lambda: the_reply(running).state == "held", what="the question")
    assert REASON in (the_reply(running).reason or "")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(REASON, public=False), what="the note")
    card = eventually(lambda: (card := question(sandbox)) and REASON in card.words and card, what="the card")
    assert say in card.words
    stays(lambda: not brand_posts(sandbox.plaza), seconds=1)
    press(sandbox)
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    assert [say] == [one.text for one in brand_posts(sandbox.plaza)]
    rest(running)
    assert first.lower() not in kept(running)


def test_a_reply_that_moves_to_another_post_with_what_was_deleted_asks_there_too(
    sandbox: Sandbox, running: InProcess
):
    """The post that it answered is gone as well; the words are the same, and so is the question."""
    post, ticket = two_posts(sandbox, sandbox.plaza)
    last = sandbox.plaza.post("dewi", "Thanks in advance", reply_to=post.id, language="en")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Thanks in"), what="the third post")
    busy = sandbox.faults.add("plaza", "reply", "status", status=429, retry_after=8)
    sandbox.zendesk.agent_comments(ticket.id, QUOTE)
    assert busy.reached.wait(10)
    sandbox.plaza.delete(post.id)
    eventually(lambda: the_reply(running).state == "held", what="the question")
    sandbox.plaza.delete(last.id)
    press(sandbox)

    def states() -> list[tuple[str, str]]:
        return [(one.state, one.payload["text"]) for one in rows(running, Intent) if one.effect == "reply"]

    struck = QUOTE.replace(WORDS, "(erased)")
    eventually(lambda: states() == [("gone", struck), ("held", QUOTE)], what="the question anew")
    assert not brand_posts(sandbox.plaza)


def test_a_reply_whose_answer_was_lost_is_known_again_by_the_words_that_were_sent(
    sandbox: Sandbox, slow: InProcess
):
    """And nobody is told that somebody else had answered; what was sent is struck when it is found."""
    first_poll(slow)
    sandbox.mastodon.honours_keys = False
    post, ticket = two_posts(sandbox, sandbox.mastodon)
    said = texts(slow)[0]
    sandbox.faults.add("mastodon", "post_status", "lost_response")
    sandbox.zendesk.agent_comments(ticket.id, f"You wrote: {said} - please install 4.3.")
    eventually(lambda: brand_posts(sandbox.mastodon), what="the answer")
    eventually(lambda: the_reply(slow).unclear, what="its answer is lost")
    sandbox.mastodon.delete(post.id)
    eventually(lambda: texts(slow)[0] is None, what="the erasure")
    assert "sending" == the_reply(slow).state

    eventually(lambda: quiet(slow), within=40, what="rest")
    assert "confirmed" == the_reply(slow).state
    assert 1 == len(brand_posts(sandbox.mastodon))
    assert said.lower() not in kept(slow)


def texts(running: InProcess) -> list[str | None]:
    return [row.text for row in rows(running, Message) if not row.own]


def test_a_reply_that_did_not_arrive_is_not_sent_again_with_what_was_deleted_meanwhile(
    sandbox: Sandbox, slow: InProcess
):
    """It quotes the post, so whether it still should leave is a person's to say."""
    post, ticket = two_posts(sandbox, sandbox.plaza)
    sandbox.faults.add("plaza", "reply", "drop_before")
    sandbox.zendesk.agent_comments(ticket.id, QUOTE)
    eventually(lambda: the_reply(slow).unclear, what="a call that nobody knows the end of")
    sandbox.plaza.delete(post.id)

    eventually(lambda: the_reply(slow).state == "held", what="the question")
    assert REASON in (the_reply(slow).reason or "")
    assert (the_reply(slow).payload or {})["text"] == QUOTE
    assert not brand_posts(sandbox.plaza)


@pytest.mark.parametrize("word", ["public", "en", "kopi-plaza"])
def test_a_deleted_post_of_one_word_takes_nothing_that_a_call_needs(
    sandbox: Sandbox, running: InProcess, word: str
):
    """The reply's visibility, its language, its account: no words of anybody."""
    post, ticket = two_posts(sandbox, sandbox.plaza, word)
    busy = sandbox.faults.add("plaza", "reply", "status", status=429, retry_after=2)
    sandbox.zendesk.agent_comments(ticket.id, "Please install 4.3.")
    assert busy.reached.wait(10)
    eventually(lambda: the_reply(running).state == "approved", what="it waits")
    sandbox.plaza.delete(post.id)
    eventually(lambda: texts(running)[0] is None, what="the erasure")

    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    assert ["Please install 4.3."] == [one.text for one in brand_posts(sandbox.plaza)]


def test_a_refused_reply_whose_words_were_struck_cannot_be_let_out_again(
    sandbox: Sandbox, running: InProcess
):
    """What is left of it is not what anybody wrote."""
    post, ticket = two_posts(sandbox, sandbox.plaza)
    sandbox.faults.add("plaza", "reply", "status", status=422)
    sandbox.zendesk.agent_comments(ticket.id, QUOTE)
    eventually(lambda: the_reply(running).state == "refused", what="the network's no")
    sandbox.plaza.delete(post.id)
    eventually(lambda: texts(running)[0] is None, what="the erasure")
    rest(running)  # what was being sent keeps its words until it is known what became of it
    assert WORDS.lower() not in kept(running)
    refused = the_reply(running).id
    with (
        pytest.raises(settle.NotWaitingError, match="write the answer anew"),
        running.database.write() as tx,
    ):
        settle.approve(tx, running.bridge.world, refused, "ana", again=True)


def test_a_waiting_reply_that_quotes_a_forgotten_person_is_held_as_it_was_written(
    sandbox: Sandbox, running: InProcess
):
    """In somebody else's case: it asks a person, and what the ledger kept of it goes when that is decided."""
    words = "As the bank of my aunt says"
    theirs = sandbox.plaza.post("zephyrine", words, language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    sandbox.plaza.post("somchai", "Same with me", reply_to=theirs.id, tags=["technical-issue"])
    ticket = the_ticket(sandbox, count=2)
    rest(running)
    busy = sandbox.faults.add("plaza", "reply", "status", status=429, retry_after=8)
    say = f'"{words}", @zephyrine wrote; please install 4.3.'
    sandbox.zendesk.agent_comments(ticket.id, say)
    assert busy.reached.wait(10)
    eventually(lambda: the_reply(running).state == "approved", what="it waits")
    forgotten = forget(running, "zephyrine")

    assert any("have not left" in sentence for sentence in forgotten.remains)
    assert ("held", say) == (the_reply(running).state, (the_reply(running).payload or {})["text"])
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(REASON, public=False), what="the note")
    press(sandbox)
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    assert [say] == [one.text for one in brand_posts(sandbox.plaza)]
    rest(running)
    assert "zephyrine" not in kept(running)
    assert words.lower() not in kept(running)


def test_a_ticket_that_may_be_open_already_is_asked_for_with_the_same_words(
    sandbox: Sandbox, running: InProcess
):
    """Let out after nobody knew: the same key with another body would be refused. It is redacted there."""
    sandbox.faults.add("zendesk", "open_ticket", "status", status=429, retry_after=600)
    post = sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])

    def opening() -> Intent | None:
        found = [one for one in rows(running, Intent) if one.effect == "open_ticket"]
        return found[0] if found else None

    eventually(lambda: (one := opening()) and one.attempts and one.state == "approved", what="a first try")
    first = opening()
    rest_of_card(running)
    with running.database.write() as tx:  # as though a process had died in the call
        intent = intents.one(tx, cases.lock(tx, first.case_id), first.id)
        intent.state = IntentState.UNKNOWN.value
        settle.approve(tx, running.bridge.world, intent.id, "ana")
        intent.due_at = datetime.now(UTC) + timedelta(hours=1)
    sandbox.plaza.delete(post.id)
    eventually(lambda: texts(running) == [None], what="the erasure")
    assert opening().payload == first.payload

    with running.database.write() as tx:
        case = cases.lock(tx, first.case_id)
        intents.one(tx, case, first.id).due_at = datetime.now(UTC)
        intents.wake_case(case, datetime.now(UTC))
    ticket = the_ticket(sandbox)
    rest(running)
    eventually(lambda: WORDS.lower() not in kept(running), what="the ledger")
    assert WORDS not in str(sandbox.zendesk.ticket(ticket.id).comments)
    assert WORDS not in sandbox.zendesk.ticket(ticket.id).subject


def rest_of_card(running: InProcess) -> None:
    eventually(
        lambda: any(one.effect == "post_card" and one.state == "confirmed" for one in rows(running, Intent)),
        what="the card",
    )


def test_what_is_on_its_way_when_its_case_is_old_enough_is_blanked_when_it_has_arrived(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """Retention passes a case once: what needs its words until then must not keep them for ever."""
    _, ticket = two_posts(sandbox, sandbox.plaza)
    rest(running)
    busy = sandbox.faults.add("plaza", "reply", "status", status=429, retry_after=3)
    sandbox.zendesk.agent_comments(ticket.id, QUOTE)
    assert busy.reached.wait(10)
    eventually(lambda: the_reply(running).state == "approved", what="it waits")
    with running.database.write() as tx:
        case = tx.scalars(select(Case)).one()
        case.state, case.closed_at = "closed", datetime.now(UTC) - timedelta(days=181)
    retain.retain(running.bridge.world)
    assert (the_reply(running).payload or {})["text"] == QUOTE

    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    assert [QUOTE] == [one.text for one in brand_posts(sandbox.plaza)]
    rest(running)
    assert WORDS.lower() not in kept(running)
