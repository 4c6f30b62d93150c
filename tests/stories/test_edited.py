"""The customer edits the post while an agent's words are on their way to the bridge."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from bridge.sandbox import Sandbox
from bridge.store import cases, intents, tickets
from bridge.store.tables import TicketRow
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, quiet, the_card
from tests.stories.test_held import press, replies

pytestmark = pytest.mark.usefixtures("quick_sweep")

TECH = "support-technical"
ANSWER = "Yes, we agree with you"
EDIT = "I hope your office burns down"


def hint(running: InProcess) -> None:
    """The desk's webhook comes at last."""
    with running.database.write() as tx:
        row = tx.scalars(select(TicketRow)).one()
        case, now = cases.lock(tx, row.case_id), datetime.now(UTC)
        tickets.hint(row, now)
        intents.wake_case(case, now)


def edit(sandbox: Sandbox, text: str) -> None:
    sandbox.plaza.edit(sandbox.plaza.posts()[0].id, text)


@pytest.fixture
def deaf(sandbox, running, ticket):
    """The ticket; what happens on it is told to nobody."""
    eventually(lambda: quiet(running))
    sandbox.zendesk.webhooks.clear()
    return ticket


@pytest.mark.parametrize("status", [None, "solved"])
def test_words_written_before_an_edit_that_was_heard_first_are_held(sandbox, running, deaf, status):
    """The ticket's order tells: first her words, then the note of the edit. A person lets them out."""
    sandbox.zendesk.agent_comments(deaf.id, ANSWER, status=status)
    edit(sandbox, EDIT)
    eventually(lambda: sandbox.zendesk.ticket(deaf.id).says(EDIT, public=False), what="the note")
    hint(running)

    the_card(sandbox, TECH, "edited the post")
    assert not brand_posts(sandbox.plaza)
    press(sandbox, "Post it")
    eventually(lambda: replies(running, "confirmed") == 1)
    assert [post.text for post in brand_posts(sandbox.plaza)] == [ANSWER]


@pytest.mark.parametrize("status", [None, "solved"])
def test_words_that_are_read_while_the_customer_edits_are_held(sandbox, running, deaf, status):
    """The ticket does not say yet that the post was edited."""
    sandbox.zendesk.agent_comments(deaf.id, ANSWER, status=status)
    hold = sandbox.faults.add("zendesk", "list_audits", "hold_after")
    hint(running)
    assert hold.reached.wait(10)
    edit(sandbox, EDIT)
    sandbox.wait_idle()
    eventually(lambda: noted(running), what="the note is to be written")
    hold.release()

    the_card(sandbox, TECH, "edited the post")
    assert not brand_posts(sandbox.plaza)


def noted(running: InProcess) -> bool:
    with running.database.read() as tx:
        case_id = tx.scalars(select(TicketRow.case_id)).one()
        return any(one.cause.startswith("edited:") for one in intents.of_case(tx, case_id))


def test_the_template_does_not_leave_under_an_edit_that_was_not_seen(sandbox, running, deaf):
    """Solved without a word before the edit was on the ticket."""
    sandbox.zendesk.solve(deaf.id)
    edit(sandbox, EDIT)
    eventually(lambda: sandbox.zendesk.ticket(deaf.id).says(EDIT, public=False), what="the note")
    hint(running)

    the_card(sandbox, TECH, "edited the post")
    stays(lambda: not brand_posts(sandbox.plaza))


def test_words_written_after_the_note_of_an_edit_leave_by_themselves(sandbox, running, ticket):
    """She had it before her eyes."""
    edit(sandbox, "The app logs me out every minute")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("every minute", public=False), what="the note")
    sandbox.zendesk.agent_comments(ticket.id, ANSWER)
    eventually(lambda: replies(running, "confirmed") == 1)
    assert [post.text for post in brand_posts(sandbox.plaza)] == [ANSWER]
