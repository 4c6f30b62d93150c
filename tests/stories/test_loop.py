"""One loop, from the complaint to the receipt, over real HTTP against the sandbox."""

from __future__ import annotations

from bridge.sandbox import Sandbox
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, the_card, the_ticket


def test_a_post_by_webhook_is_closed_publicly(sandbox: Sandbox, running: InProcess):
    """Tagged by the social team, answered, solved with a comment: one answer, one closing reply."""
    post = sandbox.plaza.post("dewi", "The app logs me out every hour", language="en")
    sandbox.tags.tag("standard", post.id, "technical-issue")

    ticket = the_ticket(sandbox)
    assert "Technical Support" == ticket.group
    assert ticket.says("The app logs me out every hour", public=True)
    card = the_card(sandbox, "support-technical", "The app logs me out")
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the opening note"
    )

    sandbox.zendesk.agent_comments(ticket.id, "Thanks for telling us. Which version do you use?")
    answer = eventually(lambda: brand_posts(sandbox.plaza), what="the answer on the thread")
    assert ["Thanks for telling us. Which version do you use?"] == [post.text for post in answer]

    sandbox.plaza.post("dewi", "Version 4.2, on Android", reply_to=answer[0].id)
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("Version 4.2, on Android", public=True),
        what="the customer's answer on the ticket",
    )

    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, what="the closing reply")
    closing = brand_posts(sandbox.plaza)[-1]
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(closing.url, public=False), what="the receipt")

    eventually(
        lambda: "Closed publicly" in the_card(sandbox, "support-technical").words, what="the card's receipt"
    )
    stays(lambda: len(brand_posts(sandbox.plaza)) == 2 and len(sandbox.zendesk.tickets()) == 1)
    assert [card.ts] == [one.ts for one in sandbox.slack.cards("support-technical")]


def test_a_polled_post_tagged_by_its_words_is_closed_with_the_brands_template(
    sandbox: Sandbox, running: InProcess
):
    """Nobody tagged it, nobody wrote a closing word: the template, in the customer's language."""
    first_poll(running)
    post = sandbox.mastodon.post("somchai", "แอปค้างตลอดเวลาเลย ช่วยด้วย", language="th")

    ticket = the_ticket(sandbox)
    sandbox.zendesk.solve(ticket.id)

    closing = eventually(lambda: brand_posts(sandbox.mastodon), what="the closing reply")[0]
    assert closing.parent_id == post.id
    assert "ครับ" in closing.text or "ค่ะ" in closing.text or "ขอบคุณ" in closing.text
    assert "unlisted" == closing.visibility
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(closing.url, public=False), what="the receipt")
