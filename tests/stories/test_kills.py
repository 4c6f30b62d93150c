"""SIGKILL at every boundary of every kind of intent: resumed by itself, and outside exactly once.

The bridge that is killed is a process of its own; the one that takes over runs in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.core.intent import Effect, IntentState
from bridge.sandbox import Sandbox
from bridge.store.database import Database
from bridge.store.tables import Intent
from tests.running import InProcess, Process, eventually
from tests.stories.seen import brand_posts, doubled, first_poll, quiet, the_card, the_ticket

pytestmark = pytest.mark.usefixtures("quick_sweep")

TECH = "support-technical"
WAITS = "Not on the thread yet."
WORDS = "The app logs me out every hour"
SOON = {"BRIDGE_CALL_TIMEOUT_S": "2", "BRIDGE_SETTLE_S": "0.3"}


class Stage:
    """A sandbox, and the bridges that come and go on one folder."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self._mine: InProcess | None = None
        self._other: Process | None = None

    def take_over(self) -> InProcess:
        self._mine = InProcess(self._folder, self.sandbox, **SOON)
        return self._mine

    def hand_over(self) -> None:
        """From here on a process runs that may be killed."""
        if self._mine is not None:
            self._mine.stop()
            self._mine = None
        self._other = Process(self._folder, self.sandbox, **SOON)

    def kill(self) -> None:
        assert self._other is not None
        self._other.kill()

    def stop(self) -> None:
        if self._mine is not None:
            self._mine.stop()
        if self._other is not None:
            self._other.stop()

    def confirmed(self, effect: Effect, cause: str) -> bool:
        """Whether the bridge has recorded the success of such an intent."""
        database = Database(f"sqlite:///{self._folder}/bridge.db")
        try:
            with database.read() as tx:
                query = select(Intent.id).where(
                    Intent.effect == effect,
                    Intent.cause.startswith(cause),
                    Intent.state == IntentState.CONFIRMED,
                )
                return tx.scalars(query).first() is not None
        finally:
            database.close()

    @property
    def ticket(self):
        return self.sandbox.zendesk.tickets()[-1]


@pytest.fixture
def stage(sandbox: Sandbox, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(sandbox, tmp_path / "data")
    yield stage
    sandbox.faults.clear()
    stage.stop()


def complain(stage: Stage, site: str) -> None:
    getattr(stage.sandbox, site).post("dewi", WORDS, language="en")


def cry(stage: Stage, site: str) -> None:
    """A crisis: another team is told, too."""
    getattr(stage.sandbox, site).post("dewi", "The battery burns", language="en", tags=["crisis"])


def write_again(stage: Stage, site: str) -> None:
    network = getattr(stage.sandbox, site)
    network.post("dewi", "On Android, by the way", reply_to=network.posts()[0].id)


def answer(stage: Stage, site: str) -> None:
    stage.sandbox.zendesk.agent_comments(stage.ticket.id, "Which version do you use?")


def answer_with_an_address(stage: Stage, site: str) -> None:
    stage.sandbox.zendesk.agent_comments(stage.ticket.id, "Write to ana@kopi.example please")


def solve(stage: Stage, site: str) -> None:
    stage.sandbox.zendesk.agent_comments(stage.ticket.id, "Fixed in the new one.", status="solved")


def press(label: str) -> Callable[[Stage, str], None]:
    def pressed(stage: Stage, site: str) -> None:
        card = the_card(stage.sandbox, TECH)
        assert 200 == stage.sandbox.slack.press(TECH, card.ts, card.button(label).action_id)

    return pressed


def comments(words: str) -> Callable[[Sandbox, str], int]:
    return lambda sandbox, site: sum(
        words in one.text for ticket in sandbox.zendesk.tickets() for one in ticket.comments
    )


def posts(words: str) -> Callable[[Sandbox, str], int]:
    return lambda sandbox, site: sum(words in post.text for post in brand_posts(getattr(sandbox, site)))


def customers(sandbox: Sandbox, site: str) -> int:
    return sum(user.external_id is not None for user in sandbox.zendesk.records.users.values())


def tickets(sandbox: Sandbox, site: str) -> int:
    return len(sandbox.zendesk.tickets())


def cards(sandbox: Sandbox, site: str) -> int:
    return len(sandbox.slack.cards(TECH))


def notices(sandbox: Sandbox, site: str) -> int:
    return sum("For your information" in card.words for card in sandbox.slack.cards("social-triage"))


def claimed_cards(sandbox: Sandbox, site: str) -> int:
    return sum(card.button("take this") is None for card in sandbox.slack.cards(TECH))


def explanations(sandbox: Sandbox, site: str) -> int:
    return len(sandbox.slack.thread(the_card(sandbox, TECH).ts))


def assignments(sandbox: Sandbox, site: str) -> int:
    audits = [audit for ticket in sandbox.zendesk.records.tickets.values() for audit in ticket.audits]
    events = [event for audit in audits for event in audit.events]
    return sum(event["type"] == "Change" and event["field_name"] == "assignee_id" for event in events)


@dataclass(frozen=True)
class Boundary:
    """One kind of intent: how it comes about, the call that carries it out, and how it shows outside."""

    effect: Effect
    cause: str
    vendor: str
    operation: str
    begin: Callable[[Stage, str], None]
    there: Callable[[Sandbox, str], int]
    about: str = ""
    site: str = "plaza"
    opened: bool = field(default=True)


UPDATE, NOTE = "update_ticket", "chat.postMessage"
BOUNDARIES = {
    "customer": Boundary(
        Effect.REGISTER_CUSTOMER, "", "zendesk", "register_user", complain, customers, opened=False
    ),
    "ticket": Boundary(Effect.OPEN_TICKET, "", "zendesk", "open_ticket", complain, tickets, opened=False),
    "opening note": Boundary(
        Effect.UPDATE_TICKET, "opened", "zendesk", UPDATE, complain, comments("Why here"), "Why here",
        opened=False,
    ),
    "customer's post": Boundary(
        Effect.UPDATE_TICKET, "message", "zendesk", UPDATE, write_again, comments("On Android"), "On Android"
    ),
    "assignment": Boundary(
        Effect.UPDATE_TICKET, "claim", "zendesk", UPDATE, press("take this"), assignments, "assignee_id"
    ),
    "receipt": Boundary(
        Effect.UPDATE_TICKET, "receipt", "zendesk", UPDATE, solve, comments("Receipt:"), "Receipt:"
    ),
    "note that a reply waits": Boundary(
        Effect.UPDATE_TICKET, "held", "zendesk", UPDATE, answer_with_an_address, comments(WAITS), WAITS
    ),
    "card": Boundary(Effect.POST_CARD, "", "slack", NOTE, complain, cards, "bridge_card", opened=False),
    "card drawn anew": Boundary(
        Effect.UPDATE_CARD, "", "slack", "chat.update", press("take this"), claimed_cards
    ),
    "note under the card": Boundary(
        Effect.POST_NOTE, "why", "slack", NOTE, press("Why here"), explanations, "bridge_note"
    ),
    "notice to another team": Boundary(
        Effect.POST_COPY, "opened:copy", "slack", NOTE, cry, notices, "bridge_notice", opened=False
    ),
    "answer on Plaza": Boundary(
        Effect.REPLY, "update", "plaza", "reply", answer, posts("Which version"), "Which version"
    ),
    "answer on Mastodon": Boundary(
        Effect.REPLY, "update", "mastodon", "post_status", answer, posts("Which version"), "Which version",
        "mastodon",
    ),
    "closing reply on Plaza": Boundary(
        Effect.REPLY, "update", "plaza", "reply", solve, posts("Fixed in"), "Fixed in"
    ),
    "closing reply on Mastodon": Boundary(
        Effect.REPLY, "update", "mastodon", "post_status", solve, posts("Fixed in"), "Fixed in", "mastodon"
    ),
}  # fmt: skip


def prepared(stage: Stage, boundary: Boundary) -> None:
    """Everything that comes before the intent has happened."""
    running = stage.take_over()
    if boundary.site == "mastodon":
        first_poll(running)
    if boundary.opened:
        complain(stage, boundary.site)
        the_ticket(stage.sandbox)
        eventually(lambda: comments("Why here")(stage.sandbox, boundary.site), what="the opening note")
        the_card(stage.sandbox, TECH)
        eventually(lambda: quiet(running), what="a quiet moment")


def there_once(stage: Stage, boundary: Boundary) -> None:
    """The next bridge finishes it, by itself, and nothing is there twice."""
    running = stage.take_over()
    there = lambda: boundary.there(stage.sandbox, boundary.site)  # noqa: E731
    eventually(lambda: there() and stage.confirmed(boundary.effect, boundary.cause), within=50)
    eventually(lambda: quiet(running), within=50, what="a quiet moment")
    assert 1 == there()
    assert [] == doubled(stage.sandbox)
    with running.database.read() as tx:
        assert [] == list(tx.scalars(select(Intent.state).where(Intent.state.in_(("unknown", "refused")))))
    if boundary.begin is not complain:
        return
    assert [1, 1, 1] == [one(stage.sandbox, boundary.site) for one in (tickets, cards, comments("Why here"))]


@pytest.mark.parametrize("what", BOUNDARIES)
def test_killed_before_the_vendor_did_it(stage: Stage, what: str):
    """The call left and went down with its sender: nothing is there, and after a look it is sent again."""
    boundary = BOUNDARIES[what]
    prepared(stage, boundary)
    stage.hand_over()
    fault = stage.sandbox.faults.add(boundary.vendor, boundary.operation, "hold", about=boundary.about)
    boundary.begin(stage, boundary.site)
    assert fault.reached.wait(40)
    stage.kill()
    fault.drop()

    there_once(stage, boundary)


@pytest.mark.parametrize("what", BOUNDARIES)
def test_killed_after_the_vendor_did_it_and_before_we_recorded_it(stage: Stage, what: str):
    """It is there, and the ledger says *sending*: found, or covered by the vendor's key."""
    boundary = BOUNDARIES[what]
    prepared(stage, boundary)
    stage.hand_over()
    fault = stage.sandbox.faults.add(boundary.vendor, boundary.operation, "hold_after", about=boundary.about)
    boundary.begin(stage, boundary.site)
    assert fault.reached.wait(40)
    stage.kill()
    fault.release()

    there_once(stage, boundary)


@pytest.mark.parametrize("what", BOUNDARIES)
def test_killed_after_it_was_recorded(stage: Stage, what: str):
    """The next bridge goes on from there, and leaves it alone."""
    boundary = BOUNDARIES[what]
    prepared(stage, boundary)
    stage.hand_over()
    boundary.begin(stage, boundary.site)
    eventually(lambda: stage.confirmed(boundary.effect, boundary.cause), within=40, what="its record")
    stage.kill()

    there_once(stage, boundary)


@pytest.mark.parametrize("what", ["ticket", "card", "opening note", "answer on Plaza", "answer on Mastodon"])
def test_a_call_that_arrives_after_its_sender_was_killed(stage: Stage, what: str):
    """On its way when the sender died, and done a moment later: within the grace it is waited for."""
    boundary = BOUNDARIES[what]
    prepared(stage, boundary)
    stage.hand_over()
    fault = stage.sandbox.faults.add(boundary.vendor, boundary.operation, "hold", about=boundary.about)
    boundary.begin(stage, boundary.site)
    assert fault.reached.wait(40)
    stage.kill()
    time.sleep(0.2)
    fault.release()

    there_once(stage, boundary)
