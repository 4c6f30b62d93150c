"""Words that cross on their way: the customer writes while an agent answers, and neither has read the other.

The networks are asked seldom here: what nobody looks for on the thread is not heard before `ask` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.sandbox import Sandbox
from bridge.store import cases, intents, lanes
from bridge.store.tables import Case, Cursor, Intent
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, quiet, the_card, the_ticket
from tests.stories.test_held import press, replies, waiting_notes

pytestmark = pytest.mark.usefixtures("quick_sweep")

TECH = "support-technical"
FIXED = "All fixed, have a nice day!"
STILL = "It is still broken!"
SITES = pytest.mark.parametrize("site", ["mastodon", "plaza"])


@pytest.fixture
def linger() -> str:
    """How long a closing reply waits before it leaves, in seconds."""
    return "0.1"


@pytest.fixture
def running(sandbox: Sandbox, tmp_path: Path, store_url: str, linger: str) -> Iterator[InProcess]:
    seldom = {"BRIDGE_POLL_S": "3600", "BRIDGE_REREAD_S": "3600", "BRIDGE_SWEEP_S": "3600"}
    bridge = InProcess(tmp_path / "data", sandbox, DATABASE_URL=store_url, BRIDGE_LINGER_S=linger, **seldom)
    yield bridge
    bridge.stop()


def ask(running: InProcess) -> None:
    """Have the accounts asked for what is new, and open threads read."""
    with running.database.write() as tx:
        for cursor in tx.scalars(select(Cursor).where(Cursor.key.not_like("export:%"))):
            cursor.due_at = datetime.now(UTC)


def complain(sandbox: Sandbox, running: InProcess, site: str) -> tuple[str, Any]:
    """A complaint that was heard: the post's id, and the ticket with its note and its card."""
    first_poll(running)
    post = getattr(sandbox, site).post(
        "dewi", "The app logs me out every hour", language="en",
        **({"tags": ["technical-issue"]} if site == "plaza" else {}),
    )  # fmt: skip
    ask(running)
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    the_card(sandbox, TECH)
    return post.id, ticket


def write_unheard(sandbox: Sandbox, site: str, text: str, reply_to: str, author: str = "dewi") -> Any:
    """A post that no webhook tells of, and that no poll has brought yet."""
    if site == "plaza":
        return sandbox.plaza.post(author, text, reply_to=reply_to, quiet=True)
    return sandbox.mastodon.post(author, text, reply_to=reply_to)


def tell(sandbox: Sandbox, running: InProcess, site: str, post: Any) -> None:
    """What was unheard is heard: the webhook comes late, or the poll."""
    if site == "plaza":
        sandbox.plaza.tell_again(post.id)
    else:
        ask(running)


def on_ticket(sandbox: Sandbox, ticket: Any, words: str) -> Callable[[], bool]:
    return lambda: sandbox.zendesk.ticket(ticket.id).says(words, public=True)


def is_(running: InProcess, state: str) -> Callable[[], bool]:
    def is_so() -> bool:
        with running.database.read() as tx:
            return tx.scalars(select(Case.state)).one() == state

    return is_so


def solve_again(sandbox: Sandbox, running: InProcess, ticket: Any) -> None:
    """Without a word, when the ticket has heard the customer's and is open again."""
    eventually(is_(running, "open"), what="the case is open again")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).status != "solved", what="so is the ticket")
    time.sleep(1.1)  # the desk's times are whole seconds
    sandbox.zendesk.solve(ticket.id)
    eventually(is_(running, "closed"), what="the receipt")


def said(sandbox: Sandbox, site: str) -> list[str]:
    return [post.text for post in brand_posts(getattr(sandbox, site))]


@SITES
def test_words_that_no_agent_has_read_hold_the_closing_reply(sandbox: Sandbox, running: InProcess, site: str):
    """They are public, and nobody has told the bridge: it sees them when it looks, and so does the ticket."""
    root, ticket = complain(sandbox, running, site)
    write_unheard(sandbox, site, STILL, root)
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")

    eventually(lambda: replies(running, "held") == 1, what="the hold")
    the_card(sandbox, TECH, "The customer wrote again after the ticket was solved.")
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket, without a poll")
    stays(lambda: not said(sandbox, site), seconds=0.5)
    assert 1 == len(waiting_notes(sandbox, ticket.id))

    solve_again(sandbox, running, ticket)
    [text] = said(sandbox, site)
    assert FIXED not in text


@pytest.mark.parametrize("linger", ["1.5"])
@SITES
def test_words_that_come_right_after_the_solve_hold_the_closing_reply(
    sandbox: Sandbox, running: InProcess, site: str
):
    """Solved, and about to be answered: the brand's "all done" does not stand under "still broken"."""
    root, ticket = complain(sandbox, running, site)
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: replies(running, "approved") == 1, what="the template")
    write_unheard(sandbox, site, STILL, root)

    eventually(lambda: replies(running, "held") == 1, what="the hold")
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    stays(lambda: not said(sandbox, site), seconds=0.5)


def test_words_beside_the_post_that_is_answered_are_seen_too(sandbox: Sandbox, running: InProcess):
    """The answer would stand under the customer's latest post that is known; they wrote under the first."""
    root, ticket = complain(sandbox, running, "mastodon")
    second = write_unheard(sandbox, "mastodon", "On Android, by the way", root)
    ask(running)
    eventually(on_ticket(sandbox, ticket, "On Android"), what="the second post")
    sandbox.mastodon.post("dewi", STILL, reply_to=root, mention=False)
    time.sleep(1.1)
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")

    eventually(lambda: replies(running, "held") == 1, what="the hold")
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    assert second.id
    assert not said(sandbox, "mastodon")


def test_a_webhook_that_got_lost_costs_no_word(sandbox: Sandbox, running: InProcess):
    """The relay says in its look what the customer wrote since: no sweep is needed to hear it."""
    root, ticket = complain(sandbox, running, "plaza")
    sandbox.plaza.sender.losing = True
    sandbox.plaza.post("dewi", STILL, reply_to=root)
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")

    eventually(lambda: replies(running, "held") == 1, what="the hold")
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    assert not said(sandbox, "plaza")


def test_a_relay_that_does_not_say_what_came_since_holds_nothing(sandbox: Sandbox, running: InProcess):
    """What cannot be seen is heard when its webhook comes, and the next solve answers it."""
    sandbox.plaza.tells_newer = False
    root, ticket = complain(sandbox, running, "plaza")
    post = write_unheard(sandbox, "plaza", STILL, root)
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")
    eventually(is_(running, "closed"), what="the first receipt")
    tell(sandbox, running, "plaza", post)
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")

    solve_again(sandbox, running, ticket)
    assert 2 == len(said(sandbox, "plaza"))


@SITES
def test_what_a_person_lets_out_all_the_same_leaves(sandbox: Sandbox, running: InProcess, site: str):
    """Asked once, and who pressed knew the customer's words: the next solve has nothing to add."""
    root, ticket = complain(sandbox, running, site)
    write_unheard(sandbox, site, STILL, root)
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    eventually(lambda: sandbox.wait_idle() and quiet(running), what="the question as it is asked now")

    assert 200 == press(sandbox, "Post it")
    eventually(lambda: len(said(sandbox, site)) == 1, what="the words")
    assert 0 == replies(running, "held")

    solve_again(sandbox, running, ticket)
    assert 1 == len(said(sandbox, site))


@SITES
def test_an_answer_waits_for_nobody_and_what_crossed_it_is_taken_in(
    sandbox: Sandbox, running: InProcess, site: str
):
    """It closes nothing: the question leaves, and the ticket has the customer's words at once."""
    root, ticket = complain(sandbox, running, site)
    write_unheard(sandbox, site, STILL, root)
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")

    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    eventually(lambda: len(said(sandbox, site)) == 1, what="the question")
    assert 0 == replies(running, "held")


@SITES
def test_what_others_wrote_and_what_is_known_holds_nothing(sandbox: Sandbox, running: InProcess, site: str):
    """Our own answer, the customer's to it, a bystander's that nobody has heard: the closing words leave."""
    root, ticket = complain(sandbox, running, site)
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    [question] = eventually(lambda: brand_posts(getattr(sandbox, site)), what="the question")
    tell(sandbox, running, site, write_unheard(sandbox, site, "Version 4.2", question.id))
    eventually(on_ticket(sandbox, ticket, "Version 4.2"), what="the customer's answer")
    write_unheard(sandbox, site, "I have that, too", root, author="somchai")
    write_unheard(sandbox, site, "And me", question.id, author="ani")
    time.sleep(1.1)
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")

    eventually(is_(running, "closed"), what="the receipt")
    assert 2 == len(said(sandbox, site))
    assert not waiting_notes(sandbox, ticket.id)


@SITES
def test_a_closing_reply_that_crossed_their_words_does_not_answer_them(
    sandbox: Sandbox, running: InProcess, site: str
):
    """Written between the last look and the post, so older than the post: the next solve answers them."""
    root, ticket = complain(sandbox, running, site)
    fault = sandbox.faults.add(site, "post_status" if site == "mastodon" else "reply", "hold")
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")
    assert fault.reached.wait(10)
    post = write_unheard(sandbox, site, STILL, root)
    fault.release()
    eventually(is_(running, "closed"), what="the first receipt")
    tell(sandbox, running, site, post)
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")

    solve_again(sandbox, running, ticket)
    first, second = said(sandbox, site)
    assert FIXED in first
    assert FIXED not in second


@SITES
def test_an_answer_that_crossed_their_words_does_not_answer_them(
    sandbox: Sandbox, running: InProcess, site: str
):
    """They wrote before the agent did, and she could not know: her words are not the end."""
    root, ticket = complain(sandbox, running, site)
    post = write_unheard(sandbox, site, STILL, root)
    time.sleep(1.1)
    sandbox.zendesk.agent_comments(ticket.id, FIXED)
    eventually(lambda: len(said(sandbox, site)) == 1, what="the answer")
    tell(sandbox, running, site, post)
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    time.sleep(1.1)
    sandbox.zendesk.solve(ticket.id)

    eventually(is_(running, "closed"), what="the receipt")
    first, second = said(sandbox, site)
    assert FIXED in first
    assert FIXED not in second


def test_words_that_she_had_read_are_answered_by_what_she_wrote(sandbox: Sandbox, running: InProcess):
    """Told by what was on the ticket, not by clocks: the network's runs ahead here."""
    root, ticket = complain(sandbox, running, "plaza")
    post = sandbox.plaza.post("dewi", STILL, reply_to=root)
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")
    time.sleep(1.1)
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", running.bridge.world.clock.now())
    sandbox.zendesk.agent_comments(ticket.id, FIXED)
    eventually(lambda: replies(running, "approved") == 1, what="the answer")
    with running.database.write() as tx:
        lanes.resume(tx, lanes.PUBLIC)
        case = cases.lock(tx, tx.scalars(select(Case.id)).one())
        intents.wake_case(case, running.bridge.world.clock.now())
    eventually(lambda: len(said(sandbox, "plaza")) == 1, what="the answer on the thread")
    with running.database.write() as tx:
        answer = tx.scalars(select(Intent).where(Intent.effect == "reply")).one()
        answer.first_sent_at = post.at
    sandbox.zendesk.solve(ticket.id)

    eventually(is_(running, "closed"), what="the receipt")
    assert 1 == len(said(sandbox, "plaza"))


def test_a_closing_reply_nobody_knows_the_outcome_of_does_not_answer_what_came_since(
    sandbox: Sandbox, running: InProcess
):
    """Unclear when the customer wrote again: it closes nothing any more, whatever becomes of it."""
    root, ticket = complain(sandbox, running, "plaza")
    sandbox.faults.add("plaza", "reply", "lost_response")
    sandbox.faults.add("plaza", "look", "status", times=1000, status=400)
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", running.bridge.world.clock.now())
    sandbox.zendesk.agent_comments(ticket.id, FIXED, status="solved")
    eventually(lambda: replies(running, "approved") == 1, what="the closing reply")
    with running.database.write() as tx:
        one = tx.scalars(select(Intent).where(Intent.effect == "reply")).one()
        one.state, one.sent_at, one.first_sent_at = "unknown", one.created_at, one.created_at
        lanes.resume(tx, lanes.PUBLIC)
    sandbox.faults.clear()
    sandbox.plaza.post("dewi", STILL, reply_to=root)
    eventually(on_ticket(sandbox, ticket, STILL), what="their words on the ticket")

    solve_again(sandbox, running, ticket)
    [text] = said(sandbox, "plaza")
    assert FIXED not in text
