"""What may not leave by itself waits for a person, who is asked on the card."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bridge.core.intent import Effect
from bridge.sandbox import Sandbox
from bridge.store import lanes
from bridge.store.tables import Case, Intent, Message
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, quiet, the_card

ANA = "U0ANA0001"


def press(sandbox: Sandbox, label: str, channel: str = "support-technical") -> int:
    card = eventually(
        lambda: next((card for card in sandbox.slack.cards(channel) if card.button(label)), None),
        what=f"a card with the button {label!r}",
    )
    return sandbox.slack.press(channel, card.ts, card.button(label).action_id)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Write to me at ana@kopi.example please", "e-mail"),
        ("Call us on +62 812 3456 7890 any time", "telephone"),
        ("Your card 4111 1111 1111 1111 was charged", "card"),
        ("Dear , we have fixed it for you", "name"),
    ],
)
def test_the_airlock_holds_a_text_and_a_person_lets_it_out(sandbox, ticket, text, why):
    """Held with the reason on the card and the ticket; posted once after "Post it"."""
    sandbox.zendesk.agent_comments(ticket.id, text)

    card = eventually(
        lambda: next((c for c in sandbox.slack.cards("support-technical") if c.button("Post it")), None),
        what="the question on the card",
    )
    assert why in card.words.lower()
    assert not brand_posts(sandbox.plaza)
    assert 200 == press(sandbox, "Post it")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the post")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.5)


def test_a_text_near_an_internal_note_is_held(sandbox, ticket):
    """What agents told each other stays between them."""
    secret = "This customer is on the watch list, do not offer a refund before Legal has looked at it."
    sandbox.zendesk.agent_comments(ticket.id, secret, public=False)
    sandbox.zendesk.agent_comments(ticket.id, f"Hello. {secret}")

    eventually(lambda: "internal note" in the_card(sandbox, "support-technical").words, what="the reason")
    assert not brand_posts(sandbox.plaza)


def test_an_internal_note_never_leaves(sandbox, ticket):
    """Not by itself, and not in somebody's next public comment."""
    sandbox.zendesk.agent_comments(ticket.id, "He sounds angry, be quick", public=False)
    sandbox.zendesk.agent_comments(ticket.id, "We are looking into it.")

    eventually(lambda: brand_posts(sandbox.plaza), what="the public comment")
    stays(
        lambda: ["We are looking into it."] == [post.text for post in brand_posts(sandbox.plaza)], seconds=0.5
    )


def test_dont_ends_the_loop_with_a_receipt_that_says_so(sandbox, ticket):
    """The closing reply was held; a person decides against it."""
    sandbox.zendesk.agent_comments(ticket.id, "Mail ana@kopi.example for the rest", status="solved")
    press(sandbox, "Don't")

    eventually(
        lambda: "not closable" in the_card(sandbox, "support-technical").words.lower(), what="the receipt"
    )
    assert not brand_posts(sandbox.plaza)
    assert sandbox.zendesk.ticket(ticket.id).says("not closable", public=False)


def test_it_is_there_already_is_believed_when_the_thread_shows_it(sandbox, ticket):
    """A colleague posted by hand in the app: the case ends with that post as its receipt."""
    root = sandbox.plaza.posts()[0].id
    sandbox.zendesk.agent_comments(ticket.id, "Mail ana@kopi.example for the rest", status="solved")
    eventually(lambda: the_card(sandbox, "support-technical").button("there already"), what="the question")
    by_hand = sandbox.plaza.brand_posts("All fixed now!", reply_to=root)
    press(sandbox, "there already")

    eventually(lambda: "by hand" in the_card(sandbox, "support-technical").words.lower(), what="the receipt")
    assert sandbox.zendesk.ticket(ticket.id).says(by_hand.url, public=False)
    assert 1 == len(brand_posts(sandbox.plaza))


def test_it_is_there_already_is_not_believed_when_the_thread_does_not_show_it(sandbox, ticket):
    """Nobody posted anything: the question stays, and so does its reason."""
    sandbox.zendesk.agent_comments(ticket.id, "Mail ana@kopi.example for the rest", status="solved")
    press(sandbox, "there already")

    card = the_card(sandbox, "support-technical", "does not show it")
    assert "e-mail" in card.words
    assert the_card(sandbox, "support-technical").button("Post it")


@pytest.mark.parametrize("via", ["rule", "api", "linked_problem"])
def test_a_solve_that_no_person_did_is_held(sandbox, ticket, via):
    """An automation, another application, a problem that solves its incidents."""
    sandbox.zendesk.solve(ticket.id, via=via)

    eventually(lambda: the_card(sandbox, "support-technical").button("Post it"), what="the question")
    assert not brand_posts(sandbox.plaza)


def test_a_reply_on_a_ticket_that_changed_hands_is_held(sandbox, ticket):
    """Merged with an e-mail user: what is written there may be meant for somebody else."""
    sandbox.zendesk.change_requester(ticket.id, "Dewi", "dewi@mail.example")
    sandbox.zendesk.agent_comments(ticket.id, "Here is your invoice.")

    eventually(lambda: the_card(sandbox, "support-technical").button("Post it"), what="the question")
    assert not brand_posts(sandbox.plaza)


def test_a_customer_who_writes_again_stops_the_closing_reply(sandbox, running, ticket):
    """Solved while the customer was typing: the prepared "all done" is not posted under a new complaint."""
    root = sandbox.plaza.posts()[0].id
    fault = sandbox.faults.add("plaza", "look", "hold")
    sandbox.zendesk.solve(ticket.id)
    assert fault.reached.wait(10)
    sandbox.plaza.post("dewi", "It is worse now!", reply_to=root)
    eventually(lambda: joined(running) == 2, what="the second post in the case")
    fault.release()

    eventually(
        lambda: "wrote again" in the_card(sandbox, "support-technical").words, what="the reason on the card"
    )
    assert not brand_posts(sandbox.plaza)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).status != "solved", what="the ticket is open again")


def test_an_agent_hears_that_her_closing_words_wait(sandbox, running, ticket):
    """The customer wrote before they left; and when others take their place, that they never will."""
    root = sandbox.plaza.posts()[0].id
    fault = sandbox.faults.add("plaza", "look", "hold")
    sandbox.zendesk.agent_comments(ticket.id, "It is fixed in 4.3.", status="solved")
    assert fault.reached.wait(10)
    sandbox.plaza.post("dewi", "It is worse now!", reply_to=root)
    eventually(lambda: joined(running) == 2, what="the second post in the case")
    fault.release()
    told = lambda words: lambda: sandbox.zendesk.ticket(ticket.id).says(words, public=False)  # noqa: E731
    eventually(told("Not on the thread yet."), what="that it waits")
    eventually(told("wrote again"), what="why it waits")
    eventually(lambda: quiet(running), what="a quiet moment")
    assert 1 == len(waiting_notes(sandbox, ticket.id))

    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("worse now", public=True), what="the new post")
    sandbox.zendesk.agent_comments(ticket.id, "Now it is fixed: 4.4.", status="solved")
    eventually(told("NOT posted on the thread: a newer closing reply"), what="that it never will")
    [post] = eventually(lambda: brand_posts(sandbox.plaza), what="the newer words")
    assert "4.4" in post.text


def test_an_agent_hears_each_time_that_her_words_wait(sandbox, running, ticket):
    """Held, let out, and kept back again before they could leave: the public lane was paused."""
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", running.bridge.world.clock.now())
    sandbox.zendesk.agent_comments(ticket.id, "Mail ana@kopi.example for the rest", status="solved")
    press(sandbox, "Post it")
    eventually(lambda: replies(running, "approved") == 1, what="the approval")
    sandbox.plaza.post("dewi", "It is worse now!", reply_to=sandbox.plaza.posts()[0].id)

    eventually(lambda: len(waiting_notes(sandbox, ticket.id)) == 2, what="the second note")
    first, second = waiting_notes(sandbox, ticket.id)
    assert "e-mail" in first
    assert "wrote again" in second
    assert not brand_posts(sandbox.plaza)


def test_an_agent_hears_that_her_answer_waits_since_it_closes_the_loop(sandbox, running, ticket):
    """It was about to leave when an automation solved the ticket."""
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", running.bridge.world.clock.now())
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    eventually(lambda: replies(running, "approved") == 1, what="the answer")
    sandbox.zendesk.solve(ticket.id, via="rule")

    eventually(lambda: replies(running, "held") == 1, what="the hold")
    eventually(lambda: len(waiting_notes(sandbox, ticket.id)) == 1, what="the note")


def replies(running: InProcess, state: str) -> int:
    """How many replies are in *state*."""
    with running.database.read() as tx:
        asked = select(Intent.id).where(Intent.effect == Effect.REPLY, Intent.state == state)
        return len(list(tx.scalars(asked)))


def waiting_notes(sandbox: Sandbox, ticket_id: int) -> list[str]:
    """What the ticket tells its agents of words that wait for a person."""
    told = [one.text for one in sandbox.zendesk.ticket(ticket_id).comments if not one.public]
    return [text for text in told if "Not on the thread yet." in text]


def joined(running: InProcess) -> int:
    """How many posts belong to a case."""
    with running.database.read() as tx:
        return len(list(tx.scalars(select(Message.id).where(Message.case_id.is_not(None)))))


def test_pressing_twice_posts_once(sandbox, ticket):
    """A double click, and Slack's own repetition."""
    sandbox.zendesk.agent_comments(ticket.id, "Write to me at ana@kopi.example please")
    card = eventually(
        lambda: next((c for c in sandbox.slack.cards("support-technical") if c.button("Post it")), None)
    )
    action = card.button("Post it").action_id
    for _ in range(3):
        assert 200 == sandbox.slack.press(
            "support-technical", card.ts, action, value=card.button("Post it").value
        )

    eventually(lambda: brand_posts(sandbox.plaza), what="the post")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.7)


def test_claiming_assigns_the_ticket_and_belongs_to_the_first(sandbox, ticket):
    """The Slack user maps to an agent by e-mail; a second press by somebody else changes nothing."""
    press(sandbox, "take this")

    assigned = eventually(lambda: sandbox.zendesk.ticket(ticket.id).assignee, what="the assignment")
    eventually(
        lambda: the_card(sandbox, "support-technical").button("take this") is None, what="the card says so"
    )
    assert ANA in the_card(sandbox, "support-technical").words or assigned


def test_why_here_is_answered_once_under_the_card(sandbox, ticket):
    """Route, file and line, in the card's thread."""
    press(sandbox, "Why here")
    press(sandbox, "Why here")

    card = the_card(sandbox, "support-technical")
    eventually(lambda: sandbox.slack.thread(card.ts), what="the answer")
    stays(lambda: len(sandbox.slack.thread(card.ts)) == 1, seconds=0.5)
    assert "mappings/routes" in sandbox.slack.thread(card.ts)[0].words


def test_why_here_is_answered_again_under_another_card(sandbox, running, ticket):
    """The first card was deleted, with its answer: the one that stands for it now answers, too."""
    press(sandbox, "Why here")
    first = the_card(sandbox, "support-technical")
    eventually(lambda: sandbox.slack.thread(first.ts), what="the answer")
    for channel in sandbox.slack.channels.values():
        channel.messages.clear()
    sandbox.zendesk.agent_comments(ticket.id, "Write to me at ana@kopi.example please")
    card = the_card(sandbox, "support-technical", "ana@kopi.example")

    press(sandbox, "Why here")
    press(sandbox, "Why here")
    eventually(lambda: sandbox.slack.thread(card.ts), what="the answer under the new card")
    stays(lambda: len(sandbox.slack.thread(card.ts)) == 1, seconds=0.5)


def test_why_here_is_answered_again_after_another_routing(sandbox, running, ticket):
    """What was said under the card is true no longer."""
    press(sandbox, "Why here")
    card = the_card(sandbox, "support-technical")
    eventually(lambda: sandbox.slack.thread(card.ts), what="the answer")
    with running.database.write() as tx:
        case = tx.scalars(select(Case)).one()
        case.route, case.reason = "sales-lead", "the tag sales-lead"

    press(sandbox, "Why here")
    eventually(lambda: len(sandbox.slack.thread(card.ts)) == 2, what="the second answer")
    assert "the tag sales-lead" in sandbox.slack.thread(card.ts)[1].words
