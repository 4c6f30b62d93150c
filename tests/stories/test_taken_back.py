"""Words that an agent takes back while they wait to be posted. No webhook tells of that."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from bridge.core.intent import Effect
from bridge.flows import taken_back
from bridge.sandbox import Sandbox
from bridge.sandbox.zendesk import TicketView
from bridge.store.tables import Intent, TicketRow
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, quiet, the_card
from tests.stories.test_corners import pause, resume
from tests.stories.test_held import press, replies, waiting_notes
from tests.stories.test_presses import press as press_as_drawn

pytestmark = pytest.mark.usefixtures("quick_sweep")

TECH = "support-technical"
WORDS = "She is the troublemaker from last May"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is old at once."""
    monkeypatch.setattr(taken_back, "FRESH", timedelta(seconds=0.5))


def take_back(sandbox: Sandbox, ticket: TicketView, how: str) -> None:
    act = sandbox.zendesk.make_internal if how == "internal" else sandbox.zendesk.redact
    act(ticket.id, WORDS)
    time.sleep(0.6)


def looked(running: InProcess) -> int:
    """How often the thread was looked at in vain."""
    with running.database.read() as tx:
        return tx.scalar(select(Intent.attempts).where(Intent.effect == Effect.REPLY)) or 0


def why_held(running: InProcess) -> str:
    with running.database.read() as tx:
        held = select(Intent.reason).where(Intent.effect == Effect.REPLY, Intent.state == "held")
        return tx.scalar(held) or ""


HOW = pytest.mark.parametrize(("how", "why"), [("internal", "internal since"), ("redacted", "redacted")])


@HOW
@pytest.mark.parametrize("wait", ["a pause", "an outage"])
@pytest.mark.usefixtures("soon")
def test_words_that_were_taken_back_while_they_waited_are_held(sandbox, running, ticket, wait, how, why):
    """Nobody told us of it; a person is asked, and can still have it posted."""
    if wait == "a pause":
        pause(running)
    else:
        sandbox.faults.add("plaza", "look", "status", times=10_000, status=503)
    sandbox.zendesk.agent_comments(ticket.id, WORDS)
    eventually(lambda: replies(running, "approved") == 1, what="the reply")
    if wait == "an outage":
        eventually(lambda: looked(running), what="a look in vain")
    take_back(sandbox, ticket, how)
    if wait == "a pause":
        resume(running)
    else:
        sandbox.faults.clear()

    the_card(sandbox, TECH, why)
    eventually(lambda: any(why in note for note in waiting_notes(sandbox, ticket.id)), what="the note")
    assert not brand_posts(sandbox.plaza)

    press(sandbox, "Post it")
    eventually(lambda: replies(running, "confirmed") == 1, what="posted all the same")
    assert [post.text for post in brand_posts(sandbox.plaza)] == [WORDS]


@HOW
@pytest.mark.usefixtures("soon")
def test_a_press_does_not_let_out_what_was_taken_back_unseen(sandbox, running, ticket, how, why):
    """The card showed another reason when it was pressed: it asks anew."""
    sandbox.zendesk.agent_comments(ticket.id, f"{WORDS} ana@kopi.example")
    button = the_card(sandbox, TECH, "e-mail").button("Post it")
    assert button is not None
    take_back(sandbox, ticket, how)

    # As it was drawn: the ticket may have been read meanwhile, and the card drawn anew.
    press_as_drawn(running, sandbox, button)

    the_card(sandbox, TECH, why)
    eventually(lambda: why in why_held(running), what="the question")
    eventually(lambda: quiet(running))
    assert not brand_posts(sandbox.plaza)


@pytest.mark.usefixtures("soon")
def test_what_is_held_says_that_it_was_taken_back_when_the_ticket_is_read(sandbox, running, ticket):
    """An internal note of another agent has no webhook; her next public words have."""
    sandbox.zendesk.agent_comments(ticket.id, f"{WORDS} ana@kopi.example")
    the_card(sandbox, TECH, "e-mail")
    take_back(sandbox, ticket, "internal")
    sandbox.zendesk.agent_comments(ticket.id, "Please update to 4.2")

    card = the_card(sandbox, TECH, "internal since")
    assert "e-mail" in card.words
    eventually(lambda: brand_posts(sandbox.plaza))
    assert [post.text for post in brand_posts(sandbox.plaza)] == ["Please update to 4.2"]


@pytest.mark.usefixtures("soon")
def test_words_that_waited_leave_when_the_ticket_can_be_read_again(sandbox, running, ticket):
    """Nobody has taken them back, but that is to be known first."""
    pause(running)
    sandbox.zendesk.agent_comments(ticket.id, "Please update to 4.2")
    eventually(lambda: replies(running, "approved") == 1, what="the reply")
    time.sleep(0.6)
    sandbox.faults.add("zendesk", "list_audits", "status", times=10_000, status=503)
    resume(running)
    stays(lambda: not brand_posts(sandbox.plaza), seconds=1.5)

    sandbox.faults.clear()
    eventually(lambda: brand_posts(sandbox.plaza), within=30)
    eventually(lambda: quiet(running))
    assert len(brand_posts(sandbox.plaza)) == 1


@pytest.mark.usefixtures("soon")
def test_a_slow_desk_is_read_once_more_and_the_words_leave(sandbox, running, ticket):
    """A reading that takes longer than words stay fresh is fresh all the same when it ends."""
    for operation in ("list_audits", "read_ticket"):
        sandbox.faults.add("zendesk", operation, "delay", times=10_000, seconds=0.6)
    sandbox.zendesk.agent_comments(ticket.id, "Please update to 4.2")
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    assert len(sandbox.calls.list("zendesk", "list_audits")) <= 4


@pytest.mark.usefixtures("soon")
def test_a_hint_of_a_clock_that_was_ahead_is_no_reading(sandbox, running, ticket):
    """What was read "tomorrow" may have been taken back since."""
    eventually(lambda: quiet(running))
    ahead = datetime.now(UTC) + timedelta(days=1)
    with running.database.write() as tx:
        tx.execute(update(TicketRow).values(hinted_at=ahead, read_at=ahead))
    pause(running)
    sandbox.zendesk.agent_comments(ticket.id, WORDS)
    eventually(lambda: replies(running, "approved") == 1, what="the reply")
    take_back(sandbox, ticket, "internal")
    resume(running)
    eventually(lambda: "internal since" in why_held(running), what="the hold")
    assert not brand_posts(sandbox.plaza)


def test_words_that_leave_at_once_cost_no_second_reading(sandbox, running, ticket, monkeypatch):
    """The ticket was read a moment ago."""
    asked, to_read = [], taken_back.to_read
    monkeypatch.setattr(taken_back, "to_read", lambda *about: asked.append(to_read(*about)) or asked[-1])
    sandbox.zendesk.agent_comments(ticket.id, "Please update to 4.2")
    eventually(lambda: brand_posts(sandbox.plaza))
    assert set(asked) == {None}


def test_what_was_made_internal_before_it_was_read_is_none_of_the_publics(sandbox, running, ticket):
    """Nothing is drafted, and nobody is asked."""
    eventually(lambda: quiet(running))
    hold = sandbox.faults.add("zendesk", "list_audits", "hold")
    sandbox.zendesk.agent_comments(ticket.id, WORDS)
    assert hold.reached.wait(10)
    sandbox.zendesk.make_internal(ticket.id, WORDS)
    hold.release()

    eventually(lambda: quiet(running))
    stays(lambda: not brand_posts(sandbox.plaza), seconds=1.0)
    with running.database.read() as tx:
        assert tx.scalars(select(Intent.id).where(Intent.effect == Effect.REPLY)).all() == []
