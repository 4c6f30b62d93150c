"""A press counts for the question that the button asked, and once."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import requests
from sqlalchemy import select

from bridge.core.intent import Effect, IntentState
from bridge.errors import StoreBusyError
from bridge.networks.standard.outbound import StandardConnection
from bridge.sandbox import Sandbox
from bridge.sandbox.plaza import PostView
from bridge.sandbox.signing import slack_headers
from bridge.sandbox.slack import Button
from bridge.sandbox.zendesk import TicketView
from bridge.store import cases, deliveries, intents, lanes
from bridge.store.tables import Case, Delivery, Event, Intent
from tests.intake.knocking import press as pressed
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, quiet, the_card, the_ticket
from tests.stories.test_corners import pause, resume
from tests.stories.test_crossed import SITES, ask, complain
from tests.stories.test_held import replies

TECH = "support-technical"
WORDS = "The app logs me out every hour"
HELD = "Write to me at ana@kopi.example please"
times = itertools.count(1)

pytestmark = pytest.mark.usefixtures("quick_sweep")


@pytest.fixture
def post(sandbox: Sandbox, running: InProcess) -> PostView:
    """A case, the answer of whose agent waits for a person."""
    post = sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    sandbox.zendesk.agent_comments(ticket.id, HELD)
    eventually(lambda: the_card(sandbox, TECH).button("Post it"), what="the question")
    return post


@pytest.fixture
def failed_press(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The delivery of the first press, once the database has failed to settle it."""
    settle, failed = deliveries.settle, []

    def fails_once(tx, row_id, state, at, reason=None):
        if tx.get_one(Delivery, row_id).source == deliveries.TEAM_SOURCE and not failed:
            failed.append(row_id)
            raise StoreBusyError("the database cannot be written: disk I/O error")
        return settle(tx, row_id, state, at, reason)

    monkeypatch.setattr(deliveries, "settle", fails_once)
    return failed


def press(running: InProcess, sandbox: Sandbox, button: Button) -> None:
    """Press *button* as it was drawn, on a screen that may still show an earlier card."""
    action = {
        "type": "button",
        "action_id": button.action_id,
        "value": button.value,
        "action_ts": f"{next(times)}.5",
    }
    body = pressed(actions=[action])
    headers = slack_headers(sandbox.slack.signing_secret, body, "application/x-www-form-urlencoded")
    assert (
        200 == requests.post(f"{running.url}/slack/events", data=body, headers=headers, timeout=5).status_code
    )


def button(sandbox: Sandbox, label: str) -> Button:
    found = the_card(sandbox, TECH).button(label)
    assert found is not None
    return found


def the_reply(running: InProcess) -> Intent:
    with running.database.read() as tx:
        return tx.scalars(select(Intent).where(Intent.effect == Effect.REPLY)).one()


def forget_the_count(running: InProcess) -> None:
    """Have the reply's row as an earlier version wrote it."""
    with running.database.write() as tx:
        tx.scalars(select(Intent).where(Intent.effect == Effect.REPLY)).one().draft = {}


def said_of_presses(running: InProcess) -> list[str]:
    """What the case file tells of presses and decisions."""
    with running.database.read() as tx:
        return list(tx.scalars(select(Event.text).where(Event.kind == "person").order_by(Event.id)))


def edit_unheard(sandbox: Sandbox, post: PostView) -> None:
    """The customer edits the post, and no webhook tells of it: the look before sending finds it."""
    sandbox.plaza.sender.losing = True
    sandbox.plaza.edit(post.id, "My dog died, never mind the app")


def held_for_an_edit(sandbox: Sandbox, running: InProcess, site: str) -> str:
    """A case on *site* whose answer waits because the customer edited the post; gives the post's id."""
    root, ticket = complain(sandbox, running, site)
    pause(running)
    sandbox.zendesk.agent_comments(ticket.id, "That is a fault of ours.")
    eventually(lambda: replies(running, "approved") == 1, what="the answer")
    getattr(sandbox, site).edit(root, "The app logs me out every minute")
    resume(running)
    the_card(sandbox, TECH, "has edited the post")
    # The webhook may come after the look: then it is asked anew, and a press on the first card is none.
    eventually(lambda: quiet(running), what="a quiet moment")
    return root


def edit_again(sandbox: Sandbox, running: InProcess, site: str, root: str) -> None:
    """The customer edits the post, and the ticket hears it."""
    getattr(sandbox, site).edit(root, "Never mind the app, my dog died")
    ask(running)
    eventually(lambda: noted(sandbox, the_ticket(sandbox), "dog died"), what="the note of the edit")


def approve_in_a_pause(sandbox: Sandbox, running: InProcess) -> None:
    """A person lets the reply out, and it waits all the same."""
    pause(running)
    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: replies(running, "approved") == 1, what="the approval")


def is_asked_about_and_leaves(sandbox: Sandbox, running: InProcess, site: str) -> None:
    """The reply waits for a person once more, and one press lets it out."""
    eventually(lambda: replies(running, "held") == 1, what="the new question")
    eventually(lambda: quiet(running), what="a quiet moment")
    assert not brand_posts(getattr(sandbox, site))
    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: brand_posts(getattr(sandbox, site)), what="the post, after one press")


def noted(sandbox: Sandbox, ticket: TicketView, words: str) -> bool:
    return sandbox.zendesk.ticket(ticket.id).says(words, public=False)


def test_a_double_click_does_not_answer_what_was_asked_in_between(sandbox, running, post):
    """The first click found that the customer had edited the post; the second never saw that."""
    yes = button(sandbox, "Post it")
    edit_unheard(sandbox, post)
    press(running, sandbox, yes)
    eventually(lambda: "edited" in the_card(sandbox, TECH).words, what="the new question")
    press(running, sandbox, yes)

    card = the_card(sandbox, TECH)
    eventually(lambda: sandbox.slack.thread(card.ts), what="a word to who pressed")
    [told] = sandbox.slack.thread(card.ts)
    assert "changed" in told.words
    assert "edited" in told.words
    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)
    assert the_reply(running).state == IntentState.HELD

    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: [HELD] == [one.text for one in brand_posts(sandbox.plaza)], what="the post")


def test_what_is_held_and_then_quotes_what_was_deleted_asks_anew(sandbox, running, post):
    """Who saw the words before their quoted post went has not decided about that."""
    ticket = the_ticket(sandbox)
    sandbox.plaza.post("dewi", "On Android, by the way", reply_to=post.id, language="en")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    sandbox.zendesk.agent_comments(ticket.id, f'You wrote "{WORDS}" to ana@kopi.example')
    buttons = eventually(
        lambda: (
            (two := [one for one in the_card(sandbox, TECH).buttons if one.label == "Post it"])[1:] and two
        ),
        what="both questions",
    )
    sandbox.plaza.delete(post.id)
    eventually(lambda: "deleted since" in the_card(sandbox, TECH).words, what="the new question")
    press(running, sandbox, buttons[1])

    eventually(lambda: "pressed too late" in " ".join(said_of_presses(running)), what="the press is taken in")
    eventually(lambda: quiet(running), what="a quiet moment")
    assert not brand_posts(sandbox.plaza)


def test_a_double_click_does_not_answer_over_a_colleague(sandbox, running, post):
    """Somebody answered in the app a moment before: two clicks do not post a second answer."""
    yes = button(sandbox, "Post it")
    sandbox.plaza.brand_posts("Hi Dewi, we called you.", reply_to=post.id)
    press(running, sandbox, yes)
    eventually(lambda: "outside the bridge" in the_card(sandbox, TECH).words, what="the new question")
    press(running, sandbox, yes)

    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.5)


@SITES
def test_a_press_on_an_edit_does_not_count_for_the_next_edit(sandbox: Sandbox, running: InProcess, site: str):
    """They edited again before anybody pressed: only the button drawn after it lets the reply out."""
    root = held_for_an_edit(sandbox, running, site)
    yes = button(sandbox, "Post it")
    edit_again(sandbox, running, site, root)
    eventually(lambda: button(sandbox, "Post it").value != yes.value, what="the new question")
    press(running, sandbox, yes)
    eventually(lambda: "pressed too late" in " ".join(said_of_presses(running)), what="the press is taken in")
    eventually(lambda: quiet(running), what="a quiet moment")
    assert not brand_posts(getattr(sandbox, site))

    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: brand_posts(getattr(sandbox, site)), what="the post, after one press")


@SITES
def test_an_edit_after_the_approval_asks_anew(sandbox: Sandbox, running: InProcess, site: str):
    """Let out with the first edit before the eyes, and kept back by a pause while the second came."""
    root = held_for_an_edit(sandbox, running, site)
    approve_in_a_pause(sandbox, running)
    edit_again(sandbox, running, site, root)
    resume(running)

    is_asked_about_and_leaves(sandbox, running, site)


@SITES
def test_an_edit_that_the_look_found_is_asked_about_once(sandbox: Sandbox, running: InProcess, site: str):
    """Its webhook or poll comes when the question stands already: the button stays what it was."""
    root, ticket = complain(sandbox, running, site)
    pause(running)
    sandbox.zendesk.agent_comments(ticket.id, "That is a fault of ours.")
    eventually(lambda: replies(running, "approved") == 1, what="the answer")
    sandbox.plaza.sender.losing = True
    getattr(sandbox, site).edit(root, "The app logs me out every minute")
    resume(running)
    the_card(sandbox, TECH, "has edited the post")
    eventually(lambda: quiet(running), what="a quiet moment")
    yes = button(sandbox, "Post it")
    sandbox.plaza.sender.losing = False
    ask(running)
    eventually(lambda: noted(sandbox, ticket, "every minute"), what="the note of the edit")
    eventually(lambda: quiet(running), what="a quiet moment")
    assert yes.value == button(sandbox, "Post it").value

    press(running, sandbox, yes)
    eventually(lambda: brand_posts(getattr(sandbox, site)), what="the post")


def test_an_edit_that_came_while_something_else_was_asked_is_part_of_the_question(sandbox, running, post):
    """The airlock held it, then the customer edited the post: one press decides about both."""
    yes = button(sandbox, "Post it")
    sandbox.plaza.edit(post.id, "The app logs me out every minute")
    card = the_card(sandbox, TECH, "has edited the post")
    assert "e-mail" in card.words
    press(running, sandbox, yes)
    eventually(lambda: "pressed too late" in " ".join(said_of_presses(running)), what="the press is taken in")
    assert not brand_posts(sandbox.plaza)

    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: brand_posts(sandbox.plaza), what="the post")


def test_a_network_that_tells_no_time_of_an_edit_is_asked_about_the_next(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """Its look says "edited" and no more: what its webhooks said tells one edit from the next."""
    look = StandardConnection.preflight
    timeless = lambda *asked: replace(look(*asked), edited_at=None)  # noqa: E731
    monkeypatch.setattr(StandardConnection, "preflight", timeless)
    root = held_for_an_edit(sandbox, running, "plaza")
    approve_in_a_pause(sandbox, running)
    edit_again(sandbox, running, "plaza", root)
    resume(running)

    is_asked_about_and_leaves(sandbox, running, "plaza")


@pytest.mark.parametrize("edits", [1, 2])
def test_an_edit_that_an_earlier_version_let_pass_is_asked_about_once_more(
    sandbox: Sandbox, running: InProcess, edits: int
):
    """It noted any edit at all: nobody knows which one was seen, so none leaves under another."""
    root = held_for_an_edit(sandbox, running, "plaza")
    approve_in_a_pause(sandbox, running)
    with running.database.write() as tx:
        tx.scalars(select(Intent).where(Intent.effect == Effect.REPLY)).one().waived = ["the customer's edit"]
    if edits == 2:
        edit_again(sandbox, running, "plaza", root)
    resume(running)
    is_asked_about_and_leaves(sandbox, running, "plaza")


@SITES
def test_an_edit_that_was_let_pass_does_not_hide_a_colleagues_answer(
    sandbox: Sandbox, running: InProcess, site: str
):
    """Held for the edit, answered by hand, and then let out: the answer on the thread stays the only one."""
    root = held_for_an_edit(sandbox, running, site)
    network = getattr(sandbox, site)
    if site == "plaza":
        network.brand_posts("Hi Dewi, we called you.", reply_to=root)
    else:
        network.brand_posts("kopi", "Hi Dewi, we called you.", reply_to=root)
    press(running, sandbox, button(sandbox, "Post it"))

    the_card(sandbox, TECH, "outside the bridge")
    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: len(brand_posts(network)) == 1, seconds=0.5)


@pytest.mark.parametrize("label", ["Don't", "there already"])
def test_no_button_of_an_earlier_question_decides(sandbox, running, post, label):
    """Whatever was pressed, what it was about is asked no more."""
    yes, other = button(sandbox, "Post it"), button(sandbox, label)
    sandbox.plaza.brand_posts("Hi Dewi, we called you.", reply_to=post.id)
    press(running, sandbox, yes)
    eventually(lambda: "outside the bridge" in the_card(sandbox, TECH).words, what="the new question")
    press(running, sandbox, other)

    card = the_card(sandbox, TECH)
    eventually(lambda: sandbox.slack.thread(card.ts), what="a word to who pressed")
    assert the_reply(running).state == IntentState.HELD
    assert "outside the bridge" in the_card(sandbox, TECH).words


def test_a_press_on_closing_words_does_not_count_for_what_the_customer_wrote_since(sandbox, running, post):
    """They waited all the time, and so they do now: but somebody has to see the new post first."""
    sandbox.zendesk.solve(the_ticket(sandbox).id)
    eventually(lambda: the_reply(running).closing, what="that it closes the loop")
    for number in (1, 2):
        yes = button(sandbox, "Post it")
        sandbox.plaza.post("dewi", f"It is worse now! {number}", reply_to=post.id)
        eventually(lambda: button(sandbox, "Post it").value != yes.value, what="the new question")  # noqa: B023
        press(running, sandbox, yes)
        eventually(lambda: quiet(running), what="a quiet moment")

    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)
    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: brand_posts(sandbox.plaza), what="the post")


@pytest.mark.parametrize("label", ["Post it", "Don't"])
def test_a_decision_and_its_delivery_are_written_together(
    sandbox, running, post, label, failed_press: list[str]
):
    """ONE press, and the database fails once when it is to be written down as done."""
    edit_unheard(sandbox, post)
    press(running, sandbox, button(sandbox, label))
    eventually(lambda: failed_press, what="the failure")
    eventually(lambda: quiet(running), what="the second time")

    assert [] == brand_posts(sandbox.plaza)
    [said] = said_of_presses(running)  # and nobody pressed too late
    assert "by ana" in said or "ana decided" in said


def test_a_press_that_is_replayed_decides_nothing_new(sandbox, running, post):
    """`bridge delivery replay`, after the bridge has asked something else."""
    edit_unheard(sandbox, post)
    press(running, sandbox, button(sandbox, "Post it"))
    eventually(lambda: "edited" in the_card(sandbox, TECH).words, what="the new question")
    with running.database.write() as tx:
        [delivery] = tx.scalars(select(Delivery).where(Delivery.source == deliveries.TEAM_SOURCE))
        deliveries.take_again(delivery, running.bridge.world.clock.now())

    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)


def test_there_already_obeyed_twice_ends_the_case_once(sandbox, running, post, failed_press: list[str]):
    """It asks the network first, and the database fails once when the answer is written down."""
    sandbox.plaza.brand_posts("Hi Dewi, we called you.", reply_to=post.id)
    press(running, sandbox, button(sandbox, "there already"))
    eventually(lambda: failed_press and quiet(running), what="the second time")

    assert the_reply(running).state == IntentState.CONFIRMED
    assert ["answer was done by hand, said by ana"] == said_of_presses(running)


def test_a_card_of_an_earlier_version_asks_the_first_question(sandbox, running, post):
    """Its buttons carry the intent alone: that lets out what waits for the first time, and no more."""
    old = Button("Post it", button(sandbox, "Post it").action_id, the_reply(running).id)
    forget_the_count(running)
    edit_unheard(sandbox, post)
    press(running, sandbox, old)
    eventually(lambda: "edited" in the_card(sandbox, TECH).words, what="the new question")
    press(running, sandbox, old)

    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)


def test_what_an_earlier_version_let_out_is_asked_anew(sandbox, running, post):
    """Approved before the update, held after it: the old button does not count for that."""
    old = Button("Post it", button(sandbox, "Post it").action_id, the_reply(running).id)
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "an update", "ana", running.bridge.world.clock.now())
    press(running, sandbox, old)
    eventually(lambda: the_reply(running).state == IntentState.APPROVED, what="the approval")
    forget_the_count(running)
    edit_unheard(sandbox, post)
    with running.database.write() as tx:
        lanes.resume(tx, lanes.PUBLIC)
        case = cases.lock(tx, tx.scalars(select(Case.id)).one())
        intents.wake_case(case, running.bridge.world.clock.now())
    eventually(lambda: "edited" in the_card(sandbox, TECH).words, what="the new question")
    press(running, sandbox, old)

    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)
