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
from bridge.store import intents, lanes
from bridge.store.tables import Case, Cursor, Intent
from tests.running import InProcess, eventually
from tests.stories.seen import brand_posts, first_poll, the_card, the_ticket
from tests.stories.test_held import replies

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


# --- after it has left ----------------------------------------------------------------------


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
        case = tx.scalars(select(Case)).one()
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
