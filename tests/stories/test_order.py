"""Things come out of order, late, and after the end: right in the end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import func, select

from bridge.core.message import EventKind, InboundEvent
from bridge.networks import NETWORKS
from bridge.sandbox import Sandbox
from bridge.sandbox.signing import standard_headers
from bridge.store.tables import Case, Cursor, Delivery, Intent, Message
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, quiet, the_card, the_ticket

pytestmark = pytest.mark.usefixtures("quick_sweep")

WORDS = "The app logs me out every hour"
HARMLESS = "What a strange little café"


def count(running: InProcess, table: type, *where) -> int:
    with running.database.read() as tx:
        return tx.scalar(select(func.count()).select_from(table).where(*where)) or 0


def all_is_considered(running: InProcess, sandbox: Sandbox) -> None:
    """Every webhook has left, every delivery is understood, and every message was looked at."""
    assert sandbox.wait_idle()
    eventually(
        lambda: (
            0 == count(running, Delivery, Delivery.state == "received")
            and 0 == count(running, Message, Message.due_at.is_not(None))
        ),
        what="nothing left to be considered",
    )


def tell(
    running: InProcess, secret: str, what: str, at: datetime, *, account: str | None = None, **data
) -> None:
    """One Standard Webhooks event of the sender's time *at*: a tag is the tag source's, if not said."""
    envelope = {"type": f"social.message.{what}", "timestamp": at.isoformat(), "data": data}
    body = json.dumps(envelope).encode()
    account = account or ("social-team-tags" if what in ("tagged", "untagged") else "kopi-plaza")
    headers = standard_headers(secret, f"msg_{what}_{at.timestamp()}", body)
    answer = requests.post(f"{running.url}/hooks/social/{account}", data=body, headers=headers, timeout=5)
    assert 202 == answer.status_code


def read_threads_no_more(running: InProcess) -> None:
    """Leave open threads alone from now on."""
    world = running.bridge.world
    world.timing = replace(world.timing, reread=timedelta(days=1))
    soon = world.clock.now() + timedelta(minutes=1)
    eventually(lambda: 0 == count(running, Cursor, Cursor.key.like("reread:%"), Cursor.due_at < soon))


def notes(sandbox: Sandbox, ticket_id: int, words: str) -> int:
    comments = sandbox.zendesk.ticket(ticket_id).comments
    return sum(words in one.text for one in comments if not one.public)


def receipts(sandbox: Sandbox, ticket_id: int) -> list[str]:
    comments = sandbox.zendesk.ticket(ticket_id).comments
    return [one.text for one in comments if one.text.startswith("Receipt:")]


@pytest.fixture
def ticket(sandbox: Sandbox, running: InProcess):
    """A case with its ticket, its opening note and its card."""
    sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    found = the_ticket(sandbox)
    eventually(lambda: notes(sandbox, found.id, "Why here"), what="the opening note")
    the_card(sandbox, "support-technical")
    return found


def test_a_tag_that_comes_before_its_post_waits_for_it(sandbox: Sandbox, running: InProcess):
    """The tag source is faster than the network: no case yet, and one when the post is there."""
    post = sandbox.plaza.post("dewi", HARMLESS, language="en", quiet=True)
    sandbox.tags.tag("standard", post.id, "feature-request")
    all_is_considered(running, sandbox)
    assert 0 == count(running, Case)
    sandbox.plaza.tell_again(post.id)

    ticket = the_ticket(sandbox)
    assert "Product" == ticket.group
    assert ticket.says(HARMLESS, public=True)
    stays(lambda: 1 == len(sandbox.zendesk.tickets()), seconds=0.3)


@pytest.mark.parametrize("network", ["standard", "mastodon"])
@pytest.mark.parametrize("order", [("tags", "plaza"), ("plaza", "tags")], ids=" then ".join)
def test_a_post_that_its_tag_source_brings_whole_is_the_brands_all_the_same(
    sandbox: Sandbox, running: InProcess, network: str, order: tuple[str, str]
):
    """First or last, on the brand's own network or through its relay: one case, once the brand has it."""
    now = datetime.now(UTC)
    post = {
        "network": network,
        "id": "https://somewhere.example/posts/1",
        "author": {"id": "dewi", "handle": "dewi"},
        "text": HARMLESS,
        "created_at": now.isoformat(),
        "language": "en",
    }
    for site in order:
        assert 0 == count(running, Case)
        if site == "tags":
            secret, more = sandbox.tags.secret, {"account": "social-team-tags", "tags": ["feature-request"]}
            tell(running, secret, "created", now, **more, **post)
        else:
            tell(running, sandbox.plaza.secret, "created", now, **post)
        all_is_considered(running, sandbox)

    assert the_ticket(sandbox).says(HARMLESS, public=True)
    with running.database.read() as tx:
        assert ["kopi-plaza"] == [case.account for case in tx.scalars(select(Case))]


def test_a_post_that_was_deleted_before_we_heard_of_it_never_opens_a_case(
    sandbox: Sandbox, running: InProcess
):
    """Its creation comes after its deletion, and somebody tags it even later."""
    post = sandbox.plaza.post("dewi", WORDS, language="en", quiet=True)
    sandbox.plaza.delete(post.id)
    all_is_considered(running, sandbox)
    sandbox.plaza.tell_again(post.id)
    all_is_considered(running, sandbox)
    sandbox.tags.tag("standard", post.id, "technical-issue")
    all_is_considered(running, sandbox)

    stays(lambda: 0 == count(running, Case), seconds=0.3)
    assert [] == sandbox.zendesk.tickets()
    assert [] == sandbox.slack.cards()


def test_a_tag_that_was_taken_back_before_the_post_came_counts_for_nothing(
    sandbox: Sandbox, running: InProcess
):
    """Tagged by mistake, untagged, and only then is the post heard."""
    post = sandbox.plaza.post("dewi", HARMLESS, language="en", quiet=True)
    sandbox.tags.tag("standard", post.id, "crisis")
    sandbox.tags.untag("standard", post.id, "crisis")
    all_is_considered(running, sandbox)
    sandbox.plaza.tell_again(post.id)
    all_is_considered(running, sandbox)

    stays(lambda: 0 == count(running, Case), seconds=0.3)


def test_an_untag_that_overtakes_its_tag_wins_by_its_time(sandbox: Sandbox, running: InProcess):
    """They arrive the wrong way round; what the source said last is what holds."""
    post = sandbox.plaza.post("dewi", HARMLESS, language="en")
    now = datetime.now(UTC)
    about = {"network": "standard", "id": post.id, "tags": ["crisis"]}
    tell(running, sandbox.tags.secret, "untagged", now, **about)
    all_is_considered(running, sandbox)
    tell(running, sandbox.tags.secret, "tagged", now - timedelta(seconds=5), **about)
    all_is_considered(running, sandbox)

    stays(lambda: 0 == count(running, Case), seconds=0.3)


def test_an_edit_that_comes_before_its_post_is_the_version_that_counts(sandbox: Sandbox, running: InProcess):
    """The ticket opens with the newer words, and no note says that they were edited."""
    post = sandbox.plaza.post("dewi", HARMLESS, language="en", tags=["technical-issue"], quiet=True)
    sandbox.plaza.edit(post.id, "The newer words of it")
    ticket = the_ticket(sandbox)
    now = datetime.now(UTC)
    author = {"id": "dewi", "handle": "dewi"}
    posted = (now - timedelta(minutes=1)).isoformat()
    tell(
        running, sandbox.plaza.secret, "created", now,
        id=post.id, author=author, text="The older words of it", created_at=posted,
    )  # fmt: skip
    all_is_considered(running, sandbox)
    eventually(lambda: notes(sandbox, ticket.id, "Why here"), what="the opening note")

    stays(lambda: 0 == notes(sandbox, ticket.id, "edited"), seconds=0.4)
    assert sandbox.zendesk.ticket(ticket.id).says("The newer words of it", public=True)
    assert not sandbox.zendesk.ticket(ticket.id).says("The older words of it")


def test_an_answer_without_a_mention_is_heard_by_reading_the_thread_again(
    sandbox: Sandbox, running: InProcess
):
    """No notification tells of it: the open thread is read again, and the ticket hears it once."""
    first_poll(running)
    sandbox.mastodon.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    question = eventually(lambda: brand_posts(sandbox.mastodon), what="the question")[0]
    sandbox.mastodon.post("dewi", "Version 4.2, on Android", reply_to=question.id, mention=False)

    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("Version 4.2, on Android", public=True),
        what="the answer on the ticket",
    )
    stays(
        lambda: (
            1 == sum("4.2" in one.text for one in sandbox.zendesk.ticket(ticket.id).comments)
            and 1 == len(sandbox.zendesk.tickets())
        ),
        seconds=0.4,
    )


def test_somebody_elses_answer_in_the_thread_is_not_our_customers(sandbox: Sandbox, running: InProcess):
    """A bystander without a complaint of their own: neither on the ticket nor a case."""
    first_poll(running)
    post = sandbox.mastodon.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    sandbox.mastodon.post("somchai", "Lovely weather today", reply_to=post.id, mention=False)
    eventually(lambda: count(running, Message) == 2, what="the bystander's post, heard")

    stays(lambda: not sandbox.zendesk.ticket(ticket.id).says("Lovely weather"), seconds=0.3)
    assert 1 == count(running, Case)


@pytest.mark.parametrize("site", ["plaza", "mastodon"])
def test_an_edit_is_noted_on_the_ticket_once(sandbox: Sandbox, running: InProcess, site: str):
    """The customer changed the words after the ticket was opened with them."""
    network = getattr(sandbox, site)
    if site == "mastodon":
        first_poll(running)
    post = network.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    eventually(lambda: notes(sandbox, ticket.id, "Why here"), what="the opening note")
    network.edit(post.id, f"{WORDS}, since 4.2")

    eventually(lambda: notes(sandbox, ticket.id, "since 4.2"), what="the note of the edit")
    stays(lambda: 1 == notes(sandbox, ticket.id, "edited"), seconds=0.4)


def test_two_edits_are_two_notes(sandbox: Sandbox, running: InProcess, ticket):
    """Each version is told once."""
    post = sandbox.plaza.posts()[0]
    for words in ("First correction", "Second correction"):
        sandbox.plaza.edit(post.id, words)
        eventually(lambda: notes(sandbox, ticket.id, words), what=words)  # noqa: B023 - called at once

    stays(lambda: 2 == notes(sandbox, ticket.id, "edited"), seconds=0.3)


def test_a_tag_after_an_edit_does_not_tell_of_the_edit_again(sandbox: Sandbox, running: InProcess):
    """A second tag on a post that was edited before its case was opened is no news of the words."""
    post = sandbox.plaza.post("dewi", HARMLESS, language="en")
    sandbox.plaza.edit(post.id, "The app forgets me every hour")
    all_is_considered(running, sandbox)
    sandbox.tags.tag("standard", post.id, "technical-issue")
    ticket = the_ticket(sandbox)
    sandbox.tags.tag("standard", post.id, "crisis")
    all_is_considered(running, sandbox)
    eventually(lambda: notes(sandbox, ticket.id, "Why here"), what="the opening note")

    stays(lambda: 0 == notes(sandbox, ticket.id, "edited"), seconds=0.4)


@pytest.mark.parametrize("site", ["plaza", "mastodon"])
def test_a_deletion_is_noted_on_the_ticket_once(sandbox: Sandbox, running: InProcess, site: str):
    """By webhook, or found out when the thread is read again."""
    network = getattr(sandbox, site)
    if site == "mastodon":
        first_poll(running)
    post = network.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    eventually(lambda: notes(sandbox, ticket.id, "Why here"), what="the opening note")
    network.delete(post.id)

    eventually(lambda: notes(sandbox, ticket.id, "deleted"), what="the note of the deletion")
    stays(lambda: 1 == notes(sandbox, ticket.id, "deleted"), seconds=0.4)


@pytest.mark.parametrize("site", ["plaza", "mastodon"])
@pytest.mark.parametrize("is_heard", [True, False], ids=["heard of", "found out by the last look"])
def test_a_solve_after_the_deletion_ends_with_customer_gone(
    sandbox: Sandbox, running: InProcess, site: str, is_heard: bool
):
    """Nothing is posted under what is not there any more, and the receipt says why."""
    network = getattr(sandbox, site)
    if site == "mastodon":
        first_poll(running)
    post = network.post("dewi", WORDS, language="en")
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    if not is_heard:
        sandbox.plaza.bridge_url = None
        read_threads_no_more(running)
    network.delete(post.id)
    if is_heard:
        eventually(lambda: notes(sandbox, ticket.id, "deleted"), what="the note of the deletion")
    sandbox.zendesk.solve(ticket.id)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    assert "customer gone" in receipts(sandbox, ticket.id)[0]
    eventually(
        lambda: "customer gone" in the_card(sandbox, "support-technical").words.lower(), what="the card"
    )
    assert [] == brand_posts(network)
    assert 1 == len(receipts(sandbox, ticket.id))


def test_a_customer_who_blocks_the_brand_is_gone(sandbox: Sandbox, running: InProcess, ticket):
    """The post is there and not for us: no reply, and the same receipt."""
    sandbox.plaza.block_brand("dewi")
    sandbox.zendesk.solve(ticket.id)

    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    assert "customer gone" in receipts(sandbox, ticket.id)[0]
    assert [] == brand_posts(sandbox.plaza)


def close_the_loop(sandbox: Sandbox, ticket_id: int) -> None:
    sandbox.zendesk.solve(ticket_id)
    eventually(lambda: receipts(sandbox, ticket_id), what="the first receipt")


def test_a_customer_who_comes_back_is_answered_and_closed_a_second_time(
    sandbox: Sandbox, running: InProcess, ticket
):
    """The same case, another round: its second end has a reply and a receipt of its own."""
    close_the_loop(sandbox, ticket.id)
    first = brand_posts(sandbox.plaza)[0]
    sandbox.plaza.post("dewi", "It is broken again!", reply_to=first.id)
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("It is broken again!", public=True),
        what="the ticket hears it",
    )
    eventually(lambda: count(running, Case, Case.state == "open") == 1, what="the case is open again")
    eventually(
        lambda: "closed publicly" not in the_card(sandbox, "support-technical").words.lower(),
        what="the card takes its receipt back",
    )
    sandbox.zendesk.solve(ticket.id)

    eventually(lambda: len(receipts(sandbox, ticket.id)) == 2, what="the second receipt")
    second = brand_posts(sandbox.plaza)[-1]
    assert 2 == len(brand_posts(sandbox.plaza))
    assert second.url in receipts(sandbox, ticket.id)[1]
    assert [1, 1] == [count(running, Case), len(sandbox.zendesk.tickets())]


@pytest.mark.parametrize("is_told", [True, False], ids=["the desk told us", "nobody told us"])
def test_a_customer_who_comes_back_to_a_closed_ticket_gets_one_linked_follow_up(
    sandbox: Sandbox, running: InProcess, ticket, monkeypatch: pytest.MonkeyPatch, is_told: bool
):
    """A closed ticket takes no more words: what the customer writes, twice, goes on in one new ticket."""
    close_the_loop(sandbox, ticket.id)
    if not is_told:
        monkeypatch.setattr(sandbox.zendesk.sender, "send", lambda hook: None)
    sandbox.zendesk.close(ticket.id)
    monkeypatch.undo()
    all_is_considered(running, sandbox)
    root = sandbox.plaza.posts()[0].id
    sandbox.plaza.post("dewi", "It is broken again!", reply_to=root)
    sandbox.plaza.post("dewi", "And worse than before", reply_to=root)

    follow_up = the_ticket(sandbox, count=2)
    assert ticket.id == follow_up.follow_up_of
    eventually(
        lambda: (
            sandbox.zendesk.ticket(follow_up.id).says("It is broken again!", public=True)
            and sandbox.zendesk.ticket(follow_up.id).says("And worse than before", public=True)
        ),
        what="both posts on the follow-up",
    )
    stays(lambda: 2 == len(sandbox.zendesk.tickets()), seconds=0.4)
    assert 1 == count(running, Case)
    sandbox.zendesk.agent_comments(follow_up.id, "Really fixed now.", status="solved")
    eventually(lambda: receipts(sandbox, follow_up.id), what="the follow-up's receipt")
    assert "Really fixed now." == brand_posts(sandbox.plaza)[-1].text


def test_a_route_without_a_ticket_is_a_card_and_its_receipt(sandbox: Sandbox, running: InProcess):
    """Its team is told: nothing is owed in public, and nobody at the desk hears of it."""
    routes = {"user-generated-content": "community", "sales-lead": "sales-leads"}
    for tag in routes:
        sandbox.plaza.post("dewi", f"Our Sunday ritual: {tag}", language="en", tags=[tag])

    for tag, channel in routes.items():
        card = the_card(sandbox, channel, f"Our Sunday ritual: {tag}")
        eventually(lambda: "no public reply" in the_card(sandbox, channel).words.lower(), what="the receipt")  # noqa: B023
        assert [card.ts] == [one.ts for one in sandbox.slack.cards(channel)]
    stays(lambda: 2 == len(sandbox.slack.cards()) and not sandbox.zendesk.tickets(), seconds=0.3)
    assert [] == brand_posts(sandbox.plaza)
    assert 2 == count(running, Case, Case.state == "closed")


def test_a_tag_that_no_route_knows_goes_to_triage_and_waits_there_for_a_person(
    sandbox: Sandbox, running: InProcess
):
    """The fallback queue closes by approval: the template is shown, and posted when somebody says so."""
    sandbox.plaza.post("dewi", HARMLESS, language="en", tags=["a-word-of-their-own"])
    ticket = the_ticket(sandbox)
    assert "Social Triage" == ticket.group
    the_card(sandbox, "social-triage")
    sandbox.zendesk.solve(ticket.id)

    card = eventually(
        lambda: next((one for one in sandbox.slack.cards("social-triage") if one.button("Post it")), None),
        what="the question on the card",
    )
    assert "approval" in card.words
    assert [] == brand_posts(sandbox.plaza)
    button = card.button("Post it")
    sandbox.slack.press("social-triage", card.ts, button.action_id, value=button.value)
    eventually(lambda: receipts(sandbox, ticket.id), what="the receipt")
    assert brand_posts(sandbox.plaza)[0].url in receipts(sandbox, ticket.id)[0]


@pytest.mark.parametrize("visibility", ["direct", "private"])
def test_what_was_not_written_in_public_is_not_answered_in_public(
    sandbox: Sandbox, running: InProcess, visibility: str
):
    """The note says so at once, what the agent writes is held, and so is the closing template."""
    first_poll(running)
    sandbox.mastodon.post("dewi", WORDS, language="en", visibility=visibility)
    ticket = the_ticket(sandbox)
    eventually(lambda: notes(sandbox, ticket.id, "NOT possible"), what="the light in the opening note")
    assert "did not write in public" in the_card(sandbox, "support-technical").words
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")

    eventually(lambda: the_card(sandbox, "support-technical").button("Post it"), what="the question")
    stays(lambda: not brand_posts(sandbox.mastodon), seconds=0.3)


def test_a_follow_up_ticket_closes_its_loop_too(sandbox: Sandbox, running: InProcess):
    """What the customer wrote on the first ticket is no news to who solves the second."""
    root = sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"]).id
    first = the_ticket(sandbox)
    sandbox.plaza.post("dewi", "On Android", reply_to=root)
    eventually(
        lambda: sandbox.zendesk.ticket(first.id).says("On Android", public=True), what="the second post"
    )
    sandbox.zendesk.agent_comments(first.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: sandbox.zendesk.ticket(first.id).says("Receipt", public=False), what="the receipt")
    sandbox.zendesk.close(first.id)
    sandbox.plaza.post("dewi", "Broken again", reply_to=root)
    second = the_ticket(sandbox, count=2)
    sandbox.zendesk.agent_comments(second.id, "Fixed for good in 4.4.", status="solved")

    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, what="the second closing reply")
    eventually(lambda: sandbox.zendesk.ticket(second.id).says("Receipt", public=False), what="its receipt")


def test_an_agent_who_is_faster_than_the_desks_answer_is_heard(sandbox: Sandbox, running: InProcess):
    """The ticket is there seconds before the bridge is told its number: its webhook waits for that."""
    sandbox.faults.add("zendesk", "open_ticket", "delay_after", seconds=4)
    sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    sandbox.zendesk.agent_comments(the_ticket(sandbox).id, "Which version do you use?")
    eventually(lambda: brand_posts(sandbox.plaza), what="the question")
    assert 0 == count(running, Delivery, Delivery.reason.contains("none of ours"))


def test_a_post_that_the_same_delivery_deletes_does_not_come_on_the_ticket(
    sandbox, running, monkeypatch: pytest.MonkeyPatch
):
    """A network that sends several events at once: a complaint, and the end of an untagged post before it."""
    first = sandbox.plaza.post("dewi", "Call me on the number of my flat", language="en")
    all_is_considered(running, sandbox)
    with running.database.read() as tx:
        known = tx.scalars(select(Message)).one()
    room = type(NETWORKS["standard"])
    normalise = room.normalise

    def with_the_end_of_the_first(self, account, body, received_at):
        events = normalise(self, account, body, received_at)
        return [*events, InboundEvent(EventKind.DELETED, "standard", known.global_id, received_at)]

    monkeypatch.setattr(room, "normalise", with_the_end_of_the_first)
    sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"], reply_to=first.id)
    the_ticket(sandbox)
    eventually(lambda: quiet(running), what="a quiet moment")

    with running.database.read() as tx:
        assert tx.get_one(Message, known.id).case_id is None
        assert not [one for one in tx.scalars(select(Intent)) if one.cause == f"message:{known.id}"]
