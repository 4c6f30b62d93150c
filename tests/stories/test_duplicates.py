"""The same thing told twice, or two hundred times, happens once; two things that look alike happen twice."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import func, select

from bridge.core.intent import Effect
from bridge.sandbox import Sandbox
from bridge.sandbox.signing import slack_headers, standard_headers, zendesk_headers
from bridge.store.tables import Case, Delivery, Event, Intent, Message
from tests.intake.knocking import press as pressed
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, the_card, the_ticket

pytestmark = pytest.mark.usefixtures("quick_sweep")

WORDS = "The app logs me out every hour"


def count(running: InProcess, table: type, *where) -> int:
    with running.database.read() as tx:
        return tx.scalar(select(func.count()).select_from(table).where(*where)) or 0


def taken_in(running: InProcess, source: str) -> int:
    return count(running, Delivery, Delivery.state == "done", Delivery.source == source)


def created(number: str, text: str = WORDS, **changes) -> bytes:
    data = {
        "id": number,
        "author": {"id": "dewi", "handle": "dewi", "name": "Dewi"},
        "text": text,
        "language": "en",
        "created_at": datetime.now(UTC).isoformat(),
        "tags": ["technical-issue"],
    }
    return json.dumps({"type": "social.message.created", "data": data | changes}).encode()


def deliver(running: InProcess, secret: str, number: str, body: bytes) -> int:
    """One Standard Webhooks delivery to the brand's Plaza account; returns the door's answer."""
    url = f"{running.url}/hooks/social/kopi-plaza"
    return requests.post(
        url, data=body, headers=standard_headers(secret, number, body), timeout=30
    ).status_code


@pytest.fixture
def ticket(sandbox: Sandbox, running: InProcess):
    """A case with its ticket, its opening note and its card."""
    sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    found = the_ticket(sandbox)
    eventually(
        lambda: sandbox.zendesk.ticket(found.id).says("Why here", public=False), what="the opening note"
    )
    the_card(sandbox, "support-technical")
    return found


def receipts(sandbox: Sandbox, ticket_id: int) -> list[str]:
    comments = sandbox.zendesk.ticket(ticket_id).comments
    return [one.text for one in comments if one.text.startswith("Receipt:")]


def test_two_hundred_duplicates_at_once_are_one_case(sandbox: Sandbox, running: InProcess):
    """A sender in a panic: one row, one case, one ticket, one card."""
    body = created("post-1")
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: deliver(running, sandbox.plaza.secret, "msg_1", body), range(200)))

    assert {202: 1, 200: 199} == Counter(answers)
    assert 1 == count(running, Delivery, Delivery.source == "standard")
    the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    stays(
        lambda: (
            [1, 1] == [len(sandbox.zendesk.tickets()), len(sandbox.slack.cards("support-technical"))]
            and [1, 1] == [count(running, table) for table in (Message, Case)]
        ),
        seconds=0.6,
    )


def test_one_post_in_two_hundred_deliveries_at_once_is_one_case(sandbox: Sandbox, running: InProcess):
    """Each with an id of its own, so that only the post itself says that it is the same."""
    body = created("post-1")
    with ThreadPoolExecutor(40) as pool:
        numbers = [f"msg_{number}" for number in range(200)]
        answers = list(pool.map(lambda number: deliver(running, sandbox.plaza.secret, number, body), numbers))

    assert {202: 200} == Counter(answers)
    eventually(lambda: taken_in(running, "standard") == 200, what="all taken in")
    the_card(sandbox, "support-technical")
    stays(
        lambda: (
            [1, 1] == [len(sandbox.zendesk.tickets()), len(sandbox.slack.cards("support-technical"))]
            and [1, 1] == [count(running, table) for table in (Message, Case)]
        ),
        seconds=0.6,
    )


def test_one_post_that_is_told_again_is_one_message(sandbox: Sandbox, running: InProcess, ticket):
    """A confused sender tells of the post again, an hour later or after its case is open."""
    post = sandbox.plaza.posts()[0]
    before = len(sandbox.zendesk.ticket(ticket.id).comments)
    for _ in range(3):
        sandbox.plaza.tell_again(post.id)
    assert sandbox.wait_idle()
    eventually(lambda: taken_in(running, "standard") == 4, what="all taken in")

    stays(lambda: len(sandbox.zendesk.ticket(ticket.id).comments) == before, seconds=0.3)
    assert [1, 1, 1] == [count(running, Message), count(running, Case), len(sandbox.zendesk.tickets())]


@pytest.mark.parametrize("first", ["the relay", "the poll"])
def test_a_post_that_comes_by_a_relay_and_by_a_poll_is_one_and_is_answered_natively(
    sandbox: Sandbox, running: InProcess, first: str
):
    """The Plaza account relays what stands on Mastodon: one message, one case, and Mastodon's own reply."""
    first_poll(running)
    if first == "the relay":
        # The poll is late, as polls are.
        late = sandbox.faults.add("mastodon", "list_notifications", "hold", times=1000)
        assert late.reached.wait(5)
    post = sandbox.mastodon.post("dewi", WORDS, language="en")
    author = {"id": f"{sandbox.mastodon.url}/@dewi", "handle": "@dewi@127.0.0.1", "name": "Dewi"}
    relayed = created(post.uri, f"@kopi {WORDS}", network="mastodon", permalink=post.url, author=author)
    if first == "the poll":
        the_ticket(sandbox)
    assert 202 == deliver(running, sandbox.plaza.secret, "msg_relayed", relayed)
    if first == "the relay":
        the_ticket(sandbox)
        sandbox.faults.clear()
    eventually(
        lambda: taken_in(running, "mastodon") and taken_in(running, "standard"),
        what="both ways",
    )
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "We are on it.")

    answer = eventually(lambda: brand_posts(sandbox.mastodon), what="the answer on Mastodon")
    assert [post.id] == [one.parent_id for one in answer]
    follow = sandbox.mastodon.post("dewi", "Still broken", reply_to=answer[0].id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Still broken", public=True), what=follow.id)
    assert [1, 1] == [count(running, Case), len(sandbox.zendesk.tickets())]
    assert [] == brand_posts(sandbox.plaza)
    assert [] == sandbox.calls.list("plaza", "reply")


def test_a_redelivered_desk_webhook_changes_nothing(sandbox: Sandbox, running: InProcess, ticket):
    """The desk's webhooks may come five times: the audits say the same each time."""
    sandbox.zendesk.agent_comments(ticket.id, "We are on it.")
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    seen = len(sandbox.zendesk.ticket(ticket.id).comments)

    body = json.dumps({"schema": 1, "event": "commented", "ticket_id": str(ticket.id)}).encode()
    headers = zendesk_headers(sandbox.zendesk.webhook_secret, body)
    url = f"{running.url}/hooks/zendesk"
    answers = [requests.post(url, data=body, headers=headers, timeout=5).status_code for _ in range(6)]

    assert [202, 200, 200, 200, 200, 200] == answers
    stays(
        lambda: (
            ["We are on it.", "Fixed in 4.3."] == [post.text for post in brand_posts(sandbox.plaza)]
            and len(sandbox.zendesk.ticket(ticket.id).comments) == seen
        ),
        seconds=0.6,
    )


@pytest.mark.parametrize("site", ["plaza", "mastodon"])
def test_two_agents_who_write_the_same_words_are_two_replies(sandbox: Sandbox, running: InProcess, site: str):
    """In the same second, even: each of them meant it, and neither is the other's echo."""
    network = getattr(sandbox, site)
    if site == "mastodon":
        first_poll(running)
    network.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    for agent in ("agent-1", "agent-2"):
        sandbox.zendesk.agent_comments(ticket.id, "Thanks for telling us!", agent=agent)

    eventually(lambda: len(brand_posts(network)) == 2, what="both replies")
    stays(lambda: len(brand_posts(network)) == 2, seconds=0.4)
    assert 1 == len({post.text for post in brand_posts(network)})


def test_the_same_words_twice_survive_a_lost_answer(sandbox: Sandbox, running: InProcess):
    """The second one's answer is lost: what is found must not be the first one, which looks just like it."""
    first_poll(running)
    sandbox.mastodon.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "Thanks for telling us!")
    eventually(lambda: brand_posts(sandbox.mastodon), what="the first")
    sandbox.faults.add("mastodon", "post_status", "drop_before")
    sandbox.zendesk.agent_comments(ticket.id, "Thanks for telling us!", agent="agent-2")

    eventually(lambda: len(brand_posts(sandbox.mastodon)) == 2, what="the second")
    stays(lambda: len(brand_posts(sandbox.mastodon)) == 2, seconds=0.4)


def test_a_comment_and_a_solve_in_one_update_are_one_reply(sandbox: Sandbox, running: InProcess, ticket):
    """Two triggers fire for it, and the desk sends two webhooks: still the one text, and no template."""
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.4)
    closing = brand_posts(sandbox.plaza)[0]
    assert "Fixed in 4.3, which is out now." == closing.text
    assert closing.url in receipts(sandbox, ticket.id)[0]


def hold_webhooks(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list:
    """Catch the desk's webhooks instead of sending them; the caller sends them in an order of its own."""
    caught: list = []
    monkeypatch.setattr(sandbox.zendesk.sender, "send", caught.append)
    return caught


def post_hook(hook) -> int:
    return requests.post(hook.url, data=hook.body, headers=hook.headers(), timeout=5).status_code


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the solve heard first"])
def test_a_comment_and_then_a_solve_are_one_reply(
    sandbox: Sandbox, running: InProcess, ticket, monkeypatch: pytest.MonkeyPatch, turned: bool
):
    """Two updates within the closing grace: the comment was the closing reply, and the receipt shows it."""
    caught = hold_webhooks(sandbox, monkeypatch)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.")
    sandbox.zendesk.solve(ticket.id)
    for hook in reversed(caught) if turned else caught:
        assert 202 == post_hook(hook)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.4)
    assert "Fixed in 4.3, which is out now." == brand_posts(sandbox.plaza)[0].text
    assert brand_posts(sandbox.plaza)[0].url in receipts(sandbox, ticket.id)[0]
    assert "Closed publicly" in the_card(sandbox, "support-technical", "Closed publicly").words


def test_a_solve_after_the_answer_is_on_the_thread_adds_no_word(sandbox: Sandbox, running: InProcess, ticket):
    """The answer stands there already when the agent presses solve a little later."""
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.")
    answer = eventually(lambda: brand_posts(sandbox.plaza), what="the answer")[0]
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says(answer.url, public=False), what="our note of it"
    )
    sandbox.zendesk.solve(ticket.id)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    assert answer.url in receipts(sandbox, ticket.id)[0]
    stays(lambda: [answer] == brand_posts(sandbox.plaza), seconds=0.3)


@pytest.mark.parametrize("once", [False, True], ids=["any number of replies", "one reply only"])
def test_where_one_reply_is_tolerated_an_old_answer_closes_too(
    sandbox: Sandbox, running: InProcess, ticket, monkeypatch: pytest.MonkeyPatch, once: bool
):
    """Elsewhere an answer that is older than the queue's grace is followed by the brand's template."""
    world = running.bridge.world
    network = world.networks["standard"]
    monkeypatch.setattr(
        network, "capabilities", replace(network.capabilities, one_reply_per_interaction=once), raising=False
    )
    queues = world.mappings.current.queues
    hasty = replace(queues["support-technical"], closing_grace=timedelta(0))
    monkeypatch.setitem(queues, "support-technical", hasty)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.")
    answer = eventually(lambda: brand_posts(sandbox.plaza), what="the answer")[0]
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says(answer.url, public=False), what="our note of it"
    )
    time.sleep(1.1)  # the desk's times are whole seconds
    sandbox.zendesk.solve(ticket.id)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    assert (answer.url in receipts(sandbox, ticket.id)[0]) is once
    assert len(brand_posts(sandbox.plaza)) == (1 if once else 2)


def test_a_solve_while_the_answer_is_still_held_asks_once(sandbox: Sandbox, running: InProcess, ticket):
    """The answer waits for a person: no template overtakes it, and letting it out closes the loop."""
    sandbox.zendesk.agent_comments(ticket.id, "Write to ana@kopi.example from now on.")
    eventually(lambda: the_card(sandbox, "support-technical").button("Post it"), what="the question")
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: "olved" in the_card(sandbox, "support-technical").words, what="the card says solved")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.4)
    card = the_card(sandbox, "support-technical")
    assert 1 == len([one for one in card.buttons if one.label == "Post it"])
    button = card.button("Post it")
    sandbox.slack.press("support-technical", card.ts, button.action_id, value=button.value)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.3)
    assert brand_posts(sandbox.plaza)[0].url in receipts(sandbox, ticket.id)[0]


def test_solving_twice_closes_once(sandbox: Sandbox, running: InProcess, ticket):
    """Reopened by a slip of the hand and solved again: the customer is told once."""
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    sandbox.zendesk.reopen(ticket.id)
    sandbox.zendesk.solve(ticket.id)
    sandbox.wait_idle()

    stays(
        lambda: len(brand_posts(sandbox.plaza)) == 1 and len(receipts(sandbox, ticket.id)) == 1, seconds=0.6
    )


def test_solved_reopened_and_solved_before_we_looked_closes_once(
    sandbox: Sandbox, running: InProcess, ticket, monkeypatch: pytest.MonkeyPatch
):
    """All in one reading: the reply that was withdrawn must not wait on the card for ever."""
    caught = hold_webhooks(sandbox, monkeypatch)
    sandbox.zendesk.solve(ticket.id)
    sandbox.zendesk.reopen(ticket.id)
    sandbox.zendesk.solve(ticket.id)
    for hook in caught:
        post_hook(hook)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.4)
    eventually(lambda: the_card(sandbox, "support-technical", "Closed publicly"), what="the card")
    assert the_card(sandbox, "support-technical").button("Post it") is None


def test_a_redelivered_press_has_one_effect(sandbox: Sandbox, running: InProcess, ticket):
    """Slack repeats what it got no answer to in three seconds: the same bytes, signed anew."""
    card = the_card(sandbox, "support-technical")
    button = card.button("take this")
    action = {"type": "button", "action_id": button.action_id, "value": button.value, "action_ts": "1.5"}
    body = pressed(actions=[action])
    kind = "application/x-www-form-urlencoded"
    for retry in range(4):
        headers = slack_headers(sandbox.slack.signing_secret, body, kind) | {"X-Slack-Retry-Num": str(retry)}
        answer = requests.post(f"{running.url}/slack/events", data=body, headers=headers, timeout=5)
        assert 200 == answer.status_code

    eventually(lambda: sandbox.zendesk.ticket(ticket.id).assignee, what="the assignment")
    assert 1 == count(running, Delivery, Delivery.source == "slack")
    assert 1 == count(running, Event, Event.kind == "claimed")
    assert 1 == count(running, Intent, Intent.effect == Effect.UPDATE_TICKET, Intent.cause.like("claim:%"))


def test_our_own_posts_never_open_a_case(sandbox: Sandbox, running: InProcess):
    """Told back by webhook, heard in polls and threads, tagged by somebody: they are still ours."""
    sandbox.plaza.echo_own = True
    first_poll(running)
    sandbox.mastodon.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "We know of the crash that logs you out.")
    answer = eventually(lambda: brand_posts(sandbox.mastodon), what="the answer")[0]
    by_hand = sandbox.plaza.brand_posts("Our app crashes today, sorry!")
    sandbox.tags.tag("standard", by_hand.id, "crisis")
    sandbox.tags.tag("mastodon", answer.uri, "crisis")
    sandbox.wait_idle()
    is_heard: Callable[[], int] = lambda: count(running, Message, Message.own)  # noqa: E731
    eventually(lambda: is_heard() == 2, what="both of our posts, heard")

    stays(lambda: [1, 1] == [count(running, Case), len(sandbox.zendesk.tickets())], seconds=0.4)
    assert [] == sandbox.slack.cards("incident-response")
