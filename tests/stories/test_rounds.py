"""Cases that go round again: follow-ups, merges, posts that are gone, leads that turn out to be faults."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from bridge.sandbox import Sandbox
from bridge.store.tables import Case, TicketRow
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, the_card, the_ticket
from tests.stories.test_corners import TECH, a_foreign_ticket, complain, replies
from tests.stories.test_held import press


def the_case(running: InProcess) -> Case:
    with running.database.read() as tx:
        return tx.scalars(select(Case).order_by(Case.opened_at)).first()


def asks(sandbox: Sandbox) -> int:
    return sum(b.label.startswith("Post it") for c in sandbox.slack.cards() for b in c.buttons)


def is_(running: InProcess, state: str):
    return lambda: the_case(running).state == state


def test_a_follow_up_that_is_solved_closes_the_loop(sandbox, running, ticket):
    """What the customer wrote on the first ticket is in no update of the second."""
    root = sandbox.plaza.posts()[0].id
    sandbox.plaza.post("dewi", "On Android, by the way", reply_to=root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(is_(running, "closed"), what="the receipt")
    sandbox.wait_idle()
    time.sleep(0.7)
    sandbox.zendesk.close(ticket.id)
    sandbox.wait_idle()
    sandbox.plaza.post("dewi", "It is broken again!", reply_to=root)
    follow_up = the_ticket(sandbox, count=2)
    eventually(lambda: sandbox.zendesk.ticket(follow_up.id).says("was closed", public=False), what="the note")
    sandbox.zendesk.agent_comments(follow_up.id, "Fixed for good in 4.4.", status="solved")

    eventually(is_(running, "closed"), within=6, what="the second receipt")
    assert 2 == len(brand_posts(sandbox.plaza))


def test_the_ticket_that_ours_was_merged_into_closes_the_loop(sandbox, running, ticket):
    """The customer's later post is in the history of the ticket that was merged."""
    root = sandbox.plaza.posts()[0].id
    sandbox.plaza.post("dewi", "On Android, by the way", reply_to=root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    other = a_foreign_ticket(sandbox)
    sandbox.zendesk.merge(ticket.id, other)

    def followed() -> bool:
        with running.database.read() as tx:
            rows = list(tx.scalars(select(TicketRow).where(TicketRow.ticket_id == str(other))))
            return bool(rows) and rows[0].read_at is not None

    eventually(followed, what="the merge")
    time.sleep(1.1)  # the desk's times are whole seconds
    sandbox.zendesk.solve(other)
    eventually(lambda: the_case(running).state != "open", within=6, what="the solve")


def test_a_customer_who_blocked_us_is_gone_however_many_posts_they_wrote(sandbox, running, ticket):
    """Each post is gone for us, and no network tells us so beforehand."""
    root = sandbox.plaza.posts()[0].id
    sandbox.plaza.post("dewi", "On Android, by the way", reply_to=root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    sandbox.plaza.block_brand("dewi")
    sandbox.zendesk.solve(ticket.id)

    eventually(is_(running, "closed"), within=6, what="the receipt")
    assert "customer gone" == the_case(running).receipt
    assert 2 == len(replies(running))


def test_words_meant_for_one_reader_do_not_move_to_a_public_post(sandbox, running):
    """The answer to a direct post waits; the direct post is deleted; the first post is public."""
    first_poll(running)
    root = sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    direct = sandbox.mastodon.post("dewi", "I live in Jalan 5", reply_to=root.id, visibility="direct")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Jalan 5"), what="the direct post")
    sandbox.zendesk.agent_comments(ticket.id, "We send somebody to that street.")
    card = eventually(lambda: next((c for c in sandbox.slack.cards(TECH) if c.button("Post it")), None))
    sandbox.mastodon.delete(direct.id)
    sandbox.slack.press(TECH, card.ts, card.button("Post it").action_id)
    eventually(lambda: replies(running)[0].state == "gone", what="the direct post is found gone")
    eventually(lambda: len(replies(running)) == 2, what="the answer under the first post")
    stays(lambda: not brand_posts(sandbox.mastodon), seconds=2)
    assert asks(sandbox) == 1


def test_an_answer_that_may_be_out_is_not_said_again_under_another_post(sandbox, running):
    """The call was unclear, and then the customer deleted the post that it answered."""
    first_poll(running)
    root = sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    second = sandbox.mastodon.post("dewi", "On Android, by the way", reply_to=root.id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    sandbox.faults.add("mastodon", "post_status", "hold_after")
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    eventually(lambda: brand_posts(sandbox.mastodon), what="the answer")
    sandbox.mastodon.delete(second.id)
    stays(lambda: len(brand_posts(sandbox.mastodon)) == 1, seconds=7)


def test_a_case_whose_ticket_was_merged_into_another_cases_is_asked_about(sandbox, running, ticket):
    """Two complaints of one person: no ticket speaks for the first thread any more."""
    complain(sandbox, "And the app crashes")
    other = the_ticket(sandbox, count=2)
    eventually(lambda: sandbox.zendesk.ticket(other.id).says("Why here", public=False))
    sandbox.zendesk.merge(ticket.id, other.id)
    time.sleep(1.5)
    sandbox.zendesk.agent_comments(other.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the closing reply in the other thread")
    eventually(lambda: the_case(running).state != "open" or asks(sandbox), within=4, what="any sign")


def test_a_case_whose_ticket_was_deleted_is_shown_to_its_team(sandbox, running, ticket):
    """Nobody works on it any more, and the thread is still open."""
    sandbox.faults.add("zendesk", "read_ticket", "status", times=1000, status=404)
    sandbox.zendesk.agent_comments(ticket.id, "Hello!")
    thread = the_card(sandbox, TECH).ts
    eventually(
        lambda: any("was deleted" in note.words for note in sandbox.slack.thread(thread)),
        within=5,
        what="a note",
    )


def test_a_complaint_that_follows_a_sales_lead_at_once_gets_a_ticket(sandbox, running):
    """The lead's card is not posted yet: Slack is slow."""
    sandbox.faults.add("slack", "chat.postMessage", "status", times=2, status=429, retry_after=2)
    root = complain(sandbox, "what does the pro plan cost?", tag="sales-lead").id
    eventually(lambda: the_case(running), what="the lead")
    sandbox.plaza.post("dewi", "And the app crashes", reply_to=root, language="en", tags=["technical-issue"])
    eventually(sandbox.zendesk.tickets, within=6, what="a ticket")


def test_a_lead_that_turns_out_to_be_a_fault_gets_a_ticket(sandbox, running):
    """The social team tags the same post again."""
    root = complain(sandbox, "what does the pro plan cost?", tag="sales-lead").id
    the_card(sandbox, "sales-leads")
    eventually(is_(running, "closed"), what="the end of the lead")
    sandbox.tags.tag("standard", root, "technical-issue")
    eventually(sandbox.zendesk.tickets, within=5, what="a ticket")


def test_a_comment_on_a_ticket_that_closes_at_once_is_a_closing_reply():
    """A trigger that closes in the same breath: the audit says closed and not solved."""
    from bridge.core.desk import Comment, Origin, Ticket, TicketStatus, Update
    from bridge.core.verdict import judge

    said = Comment("1", "1", by_staff=True, public=True, text="Fixed.")
    update = Update("9", datetime.now(UTC), "1", Origin.INTERFACE, comment=said, status=TicketStatus.CLOSED)
    ticket = Ticket("1", "u", TicketStatus.CLOSED, "x", "2", "social:standard:dewi")
    assert judge(update, ticket, "social:standard:dewi").closed


@pytest.mark.parametrize("at_once", [True, False], ids=["comment and solve", "comment, then solve"])
def test_what_an_agent_wrote_is_not_lost_when_she_reopens_and_solves_again(
    sandbox: Sandbox, running: InProcess, ticket, at_once: bool
):
    """Read at once, after the bridge was down: her words close the loop, and no template does."""
    running.stop()
    sandbox.zendesk.agent_comments(ticket.id, "It is fixed in 4.3.", status="solved" if at_once else None)
    time.sleep(1.1)  # the desk's times are whole seconds
    if not at_once:
        sandbox.zendesk.solve(ticket.id)
        time.sleep(1.1)
    sandbox.zendesk.reopen(ticket.id)
    time.sleep(1.1)
    sandbox.zendesk.solve(ticket.id)
    running.start()
    eventually(lambda: brand_posts(sandbox.plaza), what="the reply")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1)
    assert "It is fixed in 4.3." in brand_posts(sandbox.plaza)[0].text


def test_words_that_wait_for_approval_outlast_a_reopening(sandbox: Sandbox, running: InProcess):
    """Closing replies of this queue are approved; after the next solve her words still are what is asked."""
    sandbox.plaza.post("dewi", "The battery caught fire!", language="en", tags=["crisis"])
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "A courier brings you a new one.", status="solved")
    eventually(lambda: asks(sandbox) == 1, what="the question")
    sandbox.zendesk.reopen(ticket.id)
    eventually(is_(running, "open"), what="the reopening")
    the_card(sandbox, "incident-response", "reopened since")
    sandbox.zendesk.solve(ticket.id)
    eventually(is_(running, "solved"), what="the second solve")
    assert asks(sandbox) == 1

    press(sandbox, "Post it", "incident-response")
    eventually(is_(running, "closed"), what="the receipt")
    [post] = brand_posts(sandbox.plaza)
    assert "A courier brings you a new one." in post.text


def solved_with(sandbox: Sandbox, words: str, ticket):
    """Reopened, and solved with other words; what is asked about them."""
    sandbox.zendesk.reopen(ticket.id)
    time.sleep(1.1)  # the desk's times are whole seconds
    sandbox.zendesk.agent_comments(ticket.id, words, status="solved")
    eventually(lambda: asks(sandbox) == 1, what="the question about the other words")


@pytest.mark.parametrize(
    ("pressed", "receipt", "posts"), [("Post it", "closed publicly", 2), ("Don't", "not closable", 1)]
)
def test_closing_words_after_the_receipt_wait_for_approval_too(
    sandbox: Sandbox, running: InProcess, pressed: str, receipt: str, posts: int
):
    """Approved, or refused, were the first words only; a receipt that is true no more is renewed."""
    sandbox.plaza.post("dewi", "The battery caught fire!", language="en", tags=["crisis"])
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "A courier brings you a new one.", status="solved")
    press(sandbox, pressed, "incident-response")
    eventually(lambda: the_case(running).receipt == receipt, what="the receipt")
    solved_with(sandbox, "Please stop using it.", ticket)
    assert len(brand_posts(sandbox.plaza)) == posts - 1

    press(sandbox, "Post it", "incident-response")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == posts, what="the other words")
    eventually(lambda: the_case(running).receipt == "closed publicly", what="a true receipt")


@pytest.mark.parametrize(
    ("visibility", "pressed", "receipt"),
    [("direct", "Post it", "closed privately"), ("public", "there already", "closed by hand")],
)
def test_a_renewed_receipt_says_who_reads_the_words_and_who_posted_them(
    sandbox: Sandbox, running: InProcess, visibility: str, pressed: str, receipt: str
):
    """Not closable at first: then one reader has them, or a colleague posted them. It ended when it ended."""
    root = sandbox.plaza.post(
        "dewi", "The battery caught fire!", language="en", tags=["crisis"], visibility=visibility
    )
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "A courier brings you a new one.", status="solved")
    press(sandbox, "Don't", "incident-response")
    eventually(lambda: the_case(running).receipt == "not closable", what="the receipt")
    ended_at = the_case(running).closed_at
    solved_with(sandbox, "Please stop using it.", ticket)
    if pressed == "there already":
        sandbox.plaza.brand_posts("Please stop using it!", reply_to=root.id)

    press(sandbox, pressed, "incident-response")
    eventually(lambda: the_case(running).receipt != "not closable", what="another receipt")
    [post] = brand_posts(sandbox.plaza)
    case = the_case(running)
    assert (receipt, post.url, None) == (case.receipt, case.receipt_url, case.receipt_reason)
    assert ended_at == case.closed_at
    told = lambda: sandbox.zendesk.ticket(ticket.id).says(f"Receipt: {receipt}", public=False)  # noqa: E731
    eventually(told, what="the receipt on the ticket")
    assert receipt in the_card(sandbox, "incident-response", "Closed").words.lower()


def test_a_second_solve_without_a_word_says_that_nothing_was_posted(
    sandbox: Sandbox, running: InProcess, ticket
):
    """The loop is closed already: told on the ticket, and only there."""
    sandbox.zendesk.solve(ticket.id)
    eventually(is_(running, "closed"), what="the receipt")
    sandbox.zendesk.reopen(ticket.id)
    time.sleep(1.1)
    sandbox.zendesk.solve(ticket.id)

    told = lambda: sandbox.zendesk.ticket(ticket.id).says("nothing was posted", public=False)  # noqa: E731
    eventually(told, what="why nothing came")
    assert len(brand_posts(sandbox.plaza)) == 1
