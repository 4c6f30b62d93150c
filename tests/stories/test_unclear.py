"""Answers that never came, servers that show things late, vendors away for the whole story: one of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.core.intent import Effect, IntentState
from bridge.flows import ledger
from bridge.flows.effects.team import PostCard
from bridge.flows.recipe import Outcome
from bridge.networks import NETWORKS
from bridge.sandbox import Sandbox
from bridge.store.conditions import conditions
from bridge.store.tables import Intent
from tests.running import InProcess, eventually, stays
from tests.stories.seen import Ahead, brand_posts, doubled, first_poll, quiet, the_card, the_ticket
from tests.stories.test_kills import BOUNDARIES, comments, complain

pytestmark = pytest.mark.usefixtures("quick_sweep")

TECH = "support-technical"
ALWAYS = 100_000
# The opening's calls and the public replies have their stories in test_crash.
KINDS_OF_CALLS = [
    "customer",
    "customer's post",
    "assignment",
    "receipt",
    "card drawn anew",
    "note under the card",
]
FAILURES: dict[str, list[dict[str, Any]]] = {
    "done, and the answer lost": [{"kind": "lost_response"}],
    "lost on its way": [{"kind": "drop_before"}],
    "done, and a 500": [{"kind": "status_after", "status": 500}],
    "a burst of 5xx": [{"kind": "status", "status": status} for status in (500, 502, 503)],
    "asked to wait, then lost": [
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "lost_response"},
    ],
}


@dataclass
class Scene:
    """A sandbox and a bridge on it, as the boundaries of `test_kills` need them."""

    sandbox: Sandbox
    running: InProcess
    clock: Ahead

    @property
    def ticket(self):
        return self.sandbox.zendesk.tickets()[-1]

    def rest(self) -> None:
        self.clock.hurry(lambda: self.sandbox.wait_idle(0.0) and quiet(self.running), within=40)


@pytest.fixture
def scene(sandbox: Sandbox, running: InProcess) -> Iterator[Scene]:
    clock = Ahead()
    clock.rule(running)
    yield Scene(sandbox, running, clock)
    sandbox.faults.clear()


def unknowns(running: InProcess) -> list[Intent]:
    with running.database.read() as tx:
        return list(tx.scalars(select(Intent).where(Intent.state == "unknown")))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("what", KINDS_OF_CALLS)
def test_a_call_whose_answer_is_not_clear_happens_once(scene: Scene, what: str, failure: str):
    """Looked for, or safe to repeat: there once in the end, and nobody has to be asked."""
    boundary = BOUNDARIES[what]
    if boundary.opened:
        complain(scene, "plaza")
        the_card(scene.sandbox, TECH)
        eventually(lambda: comments("Why here")(scene.sandbox, "plaza"), what="the opening note")
        scene.rest()
    faults = [
        scene.sandbox.faults.add(boundary.vendor, boundary.operation, about=boundary.about, **how)
        for how in FAILURES[failure]
    ]
    boundary.begin(scene, "plaza")
    for fault in faults:
        scene.clock.hurry(fault.reached.is_set, what=f"the call meets {fault.kind}")

    there = lambda: boundary.there(scene.sandbox, "plaza")  # noqa: E731
    scene.clock.hurry(there, what="it")
    scene.rest()
    assert 1 == there()
    assert [] == doubled(scene.sandbox)
    assert [] == unknowns(scene.running)


def asked_on_mastodon(sandbox: Sandbox, folder: Path, **changes: str) -> InProcess:
    """A bridge with a case on Mastodon; what its agents say is lost on its way back."""
    running = InProcess(folder, sandbox, **changes)
    first_poll(running)
    sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    the_ticket(sandbox)
    return running


@pytest.mark.parametrize("kind", ["lost_response", "status_after", "drop_before"])
def test_a_server_that_shows_posts_late_and_ignores_keys_gets_one(tmp_path: Path, kind: str):
    """The first looks see nothing of it, and the settle time is waited for: no second copy."""
    with Sandbox(honours_keys=False, visible_after_s=1.5) as sandbox:
        running = asked_on_mastodon(sandbox, tmp_path / "data", BRIDGE_SETTLE_S="3")
        try:
            sandbox.faults.add("mastodon", "post_status", kind, status=500)
            ticket = the_ticket(sandbox)
            sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.", status="solved")
            eventually(
                lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt:"), within=40, what="the receipt"
            )
            stays(lambda: 1 == len(brand_posts(sandbox.mastodon)), seconds=2)
            assert [] == unknowns(running)
        finally:
            running.stop()


def test_the_settle_time_of_a_network_outlasts_the_slowest_server_that_was_met():
    """Eight seconds, on a real one."""
    assert NETWORKS["mastodon"].capabilities.settle_s > 8


def test_two_unclear_answers_make_an_unknown_that_a_person_settles(tmp_path: Path):
    """Both tries are lost and a server shows neither: no third one, a question on the card, and its end."""
    with Sandbox(honours_keys=False, visible_after_s=600) as sandbox:
        running = asked_on_mastodon(sandbox, tmp_path / "data")
        try:
            clock = Ahead()
            clock.rule(running)
            sandbox.faults.add("mastodon", "post_status", "drop_before", times=2)
            ticket = the_ticket(sandbox)
            sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.", status="solved")
            clock.hurry(lambda: the_card(sandbox, TECH).button("Post it"), what="the question")
            assert 2 == len(sandbox.calls.list("mastodon", "post_status"))
            assert 1 == len(unknowns(running))
            card = the_card(sandbox, TECH)
            assert "Fixed in the new one." in card.words
            button = card.button("Post it")
            sandbox.slack.press(TECH, card.ts, button.action_id, value=button.value)
            clock.hurry(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt:"), what="the receipt")
            assert 1 == len(brand_posts(sandbox.mastodon))
        finally:
            running.stop()


def test_what_is_unknown_again_is_noted_on_the_ticket_once(tmp_path: Path):
    """The person who had it sent is asked anew on the card; the note says nothing new."""
    with Sandbox(honours_keys=False, visible_after_s=600) as sandbox:
        running = asked_on_mastodon(sandbox, tmp_path / "data")
        try:
            clock = Ahead()
            clock.rule(running)
            sandbox.faults.add("mastodon", "post_status", "drop_before", times=3)
            ticket = the_ticket(sandbox)
            sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.", status="solved")
            clock.hurry(lambda: the_card(sandbox, TECH).button("Post it"), what="the question")
            card = the_card(sandbox, TECH)
            button = card.button("Post it")
            sandbox.slack.press(TECH, card.ts, button.action_id, value=button.value)
            tries = lambda: len(sandbox.calls.list("mastodon", "post_status"))  # noqa: E731
            clock.hurry(lambda: tries() == 3 and unknowns(running), what="the second question")
            clock.hurry(lambda: the_card(sandbox, TECH).button("Post it"), what="the card")
            notes = [one.text for one in sandbox.zendesk.ticket(ticket.id).comments]
            assert 1 == sum("Nobody knows yet" in text for text in notes)
        finally:
            running.stop()


@pytest.mark.parametrize("vendor", ["slack", "plaza", "mastodon"])
def test_a_vendor_that_is_away_for_the_whole_story(scene: Scene, vendor: str):
    """Asked, answered, asked again, solved without it; when it is back, all of it is there, once."""
    sandbox, site = scene.sandbox, "mastodon" if vendor == "mastodon" else "plaza"
    network = getattr(sandbox, site)
    if site == "mastodon":
        first_poll(scene.running)
    writes = {"slack": "*", "plaza": "*", "mastodon": "post_status"}
    sandbox.faults.add(vendor, writes[vendor], "status", ALWAYS, status=429, retry_after=1)
    root = network.post("dewi", "The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    eventually(lambda: replies(scene.running) == 1, what="the answer is asked for")
    network.post("dewi", "On Android, by the way", reply_to=root.id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.", status="solved")
    eventually(lambda: replies(scene.running) == 2, what="the closing reply is asked for")
    sandbox.faults.clear()

    scene.clock.hurry(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt:"), what="the receipt")
    scene.rest()
    scene.clock.hurry(lambda: "losed" in the_card(sandbox, TECH).words, what="the card says so")
    said = [post.text for post in brand_posts(network)]
    assert [1, 1] == [sum(words in text for text in said) for words in ("Which version", "Fixed in")]
    assert [1, 1] == [len(sandbox.zendesk.tickets()), len(sandbox.slack.cards(TECH))]
    assert [] == doubled(sandbox)


def replies(running: InProcess) -> int:
    with running.database.read() as tx:
        return len(list(tx.scalars(select(Intent.id).where(Intent.effect == Effect.REPLY))))


@pytest.fixture
def caught(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """From its call on, the desk's webhooks wait; what it gives are those that did."""

    def catch() -> list[Any]:
        hooks: list[Any] = []
        monkeypatch.setattr(sandbox.zendesk.sender, "send", hooks.append)
        return hooks

    return catch


def test_a_solve_and_then_a_word_are_one_closing_reply(scene: Scene, ticket, caught, monkeypatch):
    """The agent solves, and says so a moment later; we hear of both at once: his words, and no template."""
    hooks = caught()
    scene.sandbox.zendesk.solve(ticket.id)
    scene.sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.")
    monkeypatch.undo()
    for hook in hooks:
        scene.sandbox.zendesk.sender.send(hook)

    scene.clock.hurry(lambda: scene.sandbox.zendesk.ticket(ticket.id).says("Receipt:"), what="the receipt")
    scene.rest()
    assert ["Fixed in the new one."] == [post.text for post in brand_posts(scene.sandbox.plaza)]


def test_a_public_notice_of_a_merge_is_no_answer(scene: Scene, ticket):
    """The desk can make its note of a merge public: it is held, and a person says no or yes."""
    scene.sandbox.zendesk.agent_comments(ticket.id, "Request #7 was closed and merged.", via="merge")

    eventually(lambda: the_card(scene.sandbox, TECH).button("Post it"), what="the question")
    scene.rest()
    assert "merging" in the_card(scene.sandbox, TECH).words
    assert [] == brand_posts(scene.sandbox.plaza)


def test_a_solve_that_saw_the_customers_words_before_our_tables_did(sandbox: Sandbox, tmp_path: Path):
    """The answer to putting them on the ticket was lost; the agent reads them there, and solves."""
    running = InProcess(tmp_path / "data", sandbox, BRIDGE_SETTLE_S="4")
    try:
        clock = Ahead()
        root = sandbox.plaza.post("dewi", "The app logs me out every hour", language="en")
        ticket = the_ticket(sandbox)
        eventually(lambda: quiet(running), what="a quiet moment")
        sandbox.faults.add("zendesk", "update_ticket", "lost_response", about="On Android")
        sandbox.plaza.post("dewi", "On Android, by the way", reply_to=root.id)
        eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("On Android"), what="the second post")
        sandbox.zendesk.agent_comments(ticket.id, "Fixed in the new one.", status="solved")
        eventually(lambda: replies(running) == 1, what="the closing reply is asked for")
        clock.rule(running)

        clock.hurry(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt: closed publicly"))
        assert 1 == len(brand_posts(sandbox.plaza))
        assert 1 == comments("On Android")(sandbox, "plaza")
    finally:
        running.stop()


def test_a_card_that_nobody_knows_of_is_told_where_people_look(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """It cannot ask about itself; and nobody is said to have been asked on it."""

    def fail(_recipe: PostCard, _intent: Intent) -> Outcome:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(PostCard, "send", fail)
    monkeypatch.setattr(ledger, "STUMBLES", 1)
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("card in Slack may be missing", public=False),
        what="the note about the card",
    )
    with running.database.read() as tx:
        [card] = tx.scalars(select(Intent).where(Intent.effect == Effect.POST_CARD))
        told = {one.key: one.text for one in conditions(tx, running.bridge.world.clock.now())}
    assert card.state == IntentState.UNKNOWN
    assert "1 card came to be" in told["missing-cards"]

    sandbox.zendesk.agent_comments(ticket.id, "Write to ana@kopi.example from now on.")
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("there is no card in Slack to ask on", public=False),
        what="the note about the answer",
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_404_to_a_reply_whose_post_is_there_makes_no_customer_gone(scene: Scene, times: int):
    """A proxy's error page: sent again when it is not found on the thread, and then a person is asked."""
    first_poll(scene.running)
    scene.sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    the_ticket(scene.sandbox)
    scene.rest()
    scene.sandbox.faults.add("mastodon", "post_status", "status", times=times, status=404)
    scene.sandbox.zendesk.agent_comments(scene.ticket.id, "Fixed in 4.3", status="solved")

    if times == 1:
        scene.clock.hurry(lambda: brand_posts(scene.sandbox.mastodon), within=40, what="the reply")
    else:
        scene.clock.hurry(lambda: unknowns(scene.running), within=40, what="the question")
        the_card(scene.sandbox, TECH, "may have happened")
    scene.rest()
    assert not scene.sandbox.zendesk.ticket(scene.ticket.id).says("customer gone", public=False)
    assert len(brand_posts(scene.sandbox.mastodon)) == (times == 1)


@pytest.mark.parametrize("status", [303, 408])
def test_an_odd_answer_to_what_may_be_repeated_parks_no_case(
    sandbox: Sandbox, running: InProcess, status: int
):
    """A page for a time of maintenance met the customer's registration: tried again, and told if it lasts."""
    clock = Ahead()
    clock.rule(running)
    fault = sandbox.faults.add("zendesk", "register_user", "status", times=ALWAYS, status=status)
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])

    def told() -> bool:
        with running.database.read() as tx:
            found = conditions(tx, running.bridge.world.clock.now())
            return any(one.key == "failing:desk" for one in found)

    clock.hurry(told, what="the condition")
    fault.times = 0
    clock.hurry(sandbox.zendesk.tickets, what="the ticket")
