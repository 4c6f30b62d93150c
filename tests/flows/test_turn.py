"""A turn at a case: what is done together is written down together, and fails alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from bridge.core import deadline
from bridge.core.intent import Effect, IntentState
from bridge.errors import SettingsError, StoreBusyError
from bridge.flows import ledger
from bridge.flows.effects.desk import UpdateTicket
from bridge.flows.effects.team import PostCard
from bridge.flows.recipe import Outcome
from bridge.flows.slots import Slots
from bridge.flows.work import Turn
from bridge.sandbox import Sandbox
from bridge.store import casefile, deliveries, leases
from bridge.store.leases import Lease
from bridge.store.tables import Case, Cursor, Event, Intent, LeaseRow
from tests.running import InProcess, eventually, stays
from tests.stories.seen import Ahead, the_card, the_ticket


def complain(sandbox: Sandbox, author: str = "dewi"):
    return sandbox.plaza.post(
        author, "The app logs me out every hour", language="en", tags=["technical-issue"]
    )


def states(running: InProcess) -> dict[str, str]:
    with running.database.read() as tx:
        return {intent.effect: intent.state for intent in tx.query(Intent)}


def file(running: InProcess) -> list[Event]:
    with running.database.read() as tx:
        [case] = tx.query(Case)
        return casefile.read(tx, case.id)


def is_over(running: InProcess) -> bool:
    with running.database.read() as tx:
        cases = list(tx.query(Case))
    return bool(cases) and all(case.due_at is None for case in cases)


def test_opening_a_loop_takes_four_commits_after_the_doors(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The post with its case and what is begun first; customer; ticket; note and card."""
    the_first(sandbox, running)  # what is read once, like the desk's groups, is known then
    # Nobody hints at the new ticket, no webhook and no sweep: reading it is another matter.
    sandbox.zendesk.sender.losing = True
    with running.database.write() as tx:
        for cursor in tx.query(Cursor):
            cursor.due_at = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(deliveries, "some_are_tried_again", lambda _tx: False)

    with moves(running) as commits:
        complain(sandbox, "maria")
        the_ticket(sandbox, 2)
        eventually(lambda: len(sandbox.slack.cards("support-technical")) == 2, what="the card")
        eventually(lambda: is_over(running), what="the end of the turn")
    assert len(commits) == 4


@contextmanager
def moves(running: InProcess) -> Iterator[list[object]]:
    """The commits of transactions that wrote intents."""
    writing, commits = set[int](), list[object]()

    def look(connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(("INSERT INTO intents", "UPDATE intents")):
            writing.add(id(connection))

    def count(connection: object) -> None:
        if id(connection) in writing:
            writing.discard(id(connection))
            commits.append(connection)

    engine = running.database.engine
    event.listen(engine, "before_cursor_execute", look)
    event.listen(engine, "commit", count)
    try:
        yield commits
    finally:
        event.remove(engine, "before_cursor_execute", look)
        event.remove(engine, "commit", count)


def the_first(sandbox: Sandbox, running: InProcess) -> None:
    complain(sandbox)
    the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    assert sandbox.wait_idle()
    eventually(lambda: is_over(running), what="the end of the turn")


def test_a_card_is_drawn_with_its_tickets_number(sandbox: Sandbox, running: InProcess):
    """It is begun beside the note, and not beside the ticket."""
    complain(sandbox)
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical", f"#{ticket.id}")
    eventually(lambda: is_over(running), what="the end of the turn")
    assert states(running)["post_card"] == IntentState.CONFIRMED
    assert Effect.UPDATE_CARD not in states(running)


def test_a_lane_that_filled_up_meanwhile_puts_off_what_was_begun_and_sends_nothing(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """It had room when the card was begun; others were faster."""
    taken, lock = [], threading.Lock()
    take = Slots.take

    def crowded_once(slots: Slots, lane: str) -> bool:
        with lock:
            if lane == "team" and not taken:
                taken.append(lane)
                return False
        return take(slots, lane)

    monkeypatch.setattr(Slots, "take", crowded_once)
    complain(sandbox)

    the_card(sandbox, "support-technical")
    eventually(lambda: is_over(running), what="the end of the turn")
    assert taken == ["team"]
    assert len(sandbox.slack.cards("support-technical")) == 1
    told = [(line.kind, line.text) for line in file(running) if line.text.startswith("card")]
    assert [kind for kind, _ in told] == ["sending", "put off", "sending", "confirmed"]
    assert told[1][1] == "card: too many calls of lane team were under way"
    assert told[2][1] == "card (try 1)"  # no call was made before


def test_what_waited_long_for_the_call_beside_it_is_begun_anew_and_sent_once(
    sandbox: Sandbox, running: InProcess
):
    """What was known of its sender and its lane is old by then, and Slack has done nothing wrong."""
    clock = Ahead()
    clock.rule(running)
    held = sandbox.faults.add("zendesk", "update_ticket", "hold")
    complain(sandbox)
    assert held.reached.wait(10)
    clock.by += timedelta(seconds=3)
    held.release()

    the_card(sandbox, "support-technical")
    eventually(lambda: is_over(running), what="the end of the turn")
    told = [(line.kind, line.text) for line in file(running) if line.text.startswith("card")]
    assert [kind for kind, _ in told] == ["sending", "put off", "sending", "confirmed"]
    assert told[1][1] == "card: what was begun beside it took long"
    assert len(sandbox.slack.cards("support-technical")) == 1
    assert states(running)["update_ticket"] == IntentState.CONFIRMED


def test_what_was_begun_long_before_its_neighbour_was_called_is_begun_anew(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The process stood still right after the commit: a second means a second from there."""
    clock = Ahead()
    clock.rule(running)
    carry_out = Turn._carry_out

    def stand_still(turn: Turn, steps: list[Any]) -> list[Any]:
        if len(steps) == 2:
            clock.by += timedelta(seconds=2)
        return carry_out(turn, steps)

    monkeypatch.setattr(Turn, "_carry_out", stand_still)
    complain(sandbox)

    the_card(sandbox, "support-technical")
    eventually(lambda: is_over(running), what="the end of the turn")
    told = [line.kind for line in file(running) if line.text.startswith("card")]
    assert told == ["sending", "put off", "sending", "confirmed"]


def test_a_call_has_its_time_from_when_it_was_written_down(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """What a vendor's room asks before it writes, and how long the thread slept before, is part of it."""
    world, left = running.bridge.world, []
    clock = Ahead()
    clock.rule(running)
    calling = ledger.Attempt.call

    def sleep_first(attempt: ledger.Attempt, intent: Intent) -> ledger.Settle:
        clock.by += timedelta(seconds=0.7)
        return calling(attempt, intent)

    def look(recipe: UpdateTicket, intent: Intent) -> Outcome:
        left.append(deadline.time_left(60, "desk", "any write"))
        return Outcome("1")

    monkeypatch.setattr(ledger.Attempt, "call", sleep_first)
    monkeypatch.setattr(UpdateTicket, "send", look)
    complain(sandbox)

    eventually(lambda: is_over(running), what="the end of the turn")
    timeout_s = world.timing.call_timeout.total_seconds()
    assert timeout_s - 3 < left[0] < timeout_s - 0.7


def test_a_clock_that_was_put_back_gives_a_call_no_more_time(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """Between the commit and the call, by an hour: who looks for it waits for one timeout only."""
    world, left = running.bridge.world, []
    clock = Ahead()
    clock.rule(running)
    calling = ledger.Attempt.call

    def put_back_first(attempt: ledger.Attempt, intent: Intent) -> ledger.Settle:
        clock.by -= timedelta(hours=1)
        settle = calling(attempt, intent)
        clock.by += timedelta(hours=1)
        return settle

    def look(recipe: UpdateTicket, intent: Intent) -> Outcome:
        left.append(deadline.time_left(7200, "desk", "any write"))
        return Outcome("1")

    monkeypatch.setattr(ledger.Attempt, "call", put_back_first)
    monkeypatch.setattr(UpdateTicket, "send", look)
    complain(sandbox)

    eventually(lambda: is_over(running), what="the end of the turn")
    assert left[0] <= world.timing.call_timeout.total_seconds()


def test_a_lease_is_given_back_when_nobody_knows_what_became_of_its_transaction(
    sandbox: Sandbox, running: InProcess
):
    """The connection breaks in the commit, which went through: the case must not wait for the lease's end."""
    the_first(sandbox, running)
    running.bridge.engine.stop()
    world = running.bridge.world
    with running.database.read() as tx:
        [case] = tx.query(Case)

    def break_off(_session: object) -> None:
        event.remove(Session, "after_commit", break_off)
        raise StoreBusyError("the connection broke")

    with pytest.raises(StoreBusyError):
        turn = Turn(world, Slots(1), case.id)
        with turn.given_back_when_it_fails(), running.database.write() as tx:
            turn.begin(tx)
            event.listen(Session, "after_commit", break_off)
    with running.database.read() as tx:
        assert tx.get_one(LeaseRow, f"case:{case.id}").until <= world.clock.now()


def test_why_a_turn_failed_is_told_also_when_its_lease_cannot_be_given_back(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A fault of ours, and then the disk is full: "gave up for now" would hide the fault."""
    the_first(sandbox, running)
    running.bridge.engine.stop()
    world = running.bridge.world
    with running.database.read() as tx:
        [case] = tx.query(Case)

    def full(*_given: object) -> None:
        raise StoreBusyError("the disk is full")

    turn = Turn(world, Slots(1), case.id)
    with running.database.write() as tx:
        turn.begin(tx)
    turn._lease = turn._lease or Lease(f"case:{case.id}", "nobody", 1)
    monkeypatch.setattr(leases, "give_back", full)
    with pytest.raises(RuntimeError), turn.given_back_when_it_fails():
        raise RuntimeError("a fault of ours")
    assert "the disk is full" in caplog.text
    with pytest.raises(RuntimeError), world.lease("a key"):
        raise RuntimeError("a fault of ours")
    with world.lease("another key") as lease:
        assert lease is not None


def test_what_cannot_be_settled_takes_nothing_else_along(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The card's answer trips over a fault of ours: the note that was sent beside it is confirmed."""
    confirmed, tries = PostCard.confirmed, []

    def trip(recipe: PostCard, *given: object) -> None:
        tries.append(1)
        if len(tries) <= 2:
            raise RuntimeError("a fault of ours")
        confirmed(recipe, *given)

    monkeypatch.setattr(PostCard, "confirmed", trip)
    monkeypatch.setattr(ledger, "STUMBLES", 100)
    complain(sandbox)
    ticket = the_ticket(sandbox)

    eventually(lambda: states(running).get("update_ticket") == IntentState.CONFIRMED, what="the note")
    eventually(
        lambda: states(running).get("post_card") == IntentState.CONFIRMED, what="the card, found again"
    )
    assert len(sandbox.slack.cards("support-technical")) == 1
    assert [comment.public for comment in sandbox.zendesk.ticket(ticket.id).comments] == [True, False]


def test_a_setting_that_is_wrong_for_one_lets_the_other_be_written_down(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The card's call ends in a refusal to go on; the note beside it has been sent, and is confirmed."""
    wrong, send = [True], PostCard.send

    def refuse(recipe: PostCard, intent: Intent):
        if wrong:
            raise SettingsError("a setting is wrong")
        return send(recipe, intent)

    monkeypatch.setattr(PostCard, "send", refuse)
    complain(sandbox)
    the_ticket(sandbox)

    eventually(lambda: states(running).get("update_ticket") == IntentState.CONFIRMED, what="the note")
    assert states(running)["post_card"] == IntentState.SENDING
    stays(lambda: not sandbox.slack.cards("support-technical"), seconds=0.3)
    wrong.clear()
    the_card(sandbox, "support-technical")
    assert len(sandbox.slack.cards("support-technical")) == 1


def test_the_first_of_two_that_fails_leaves_the_second_to_be_done(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The note trips over a fault of ours before it is sent: the card is posted all the same."""

    def trip(_recipe: UpdateTicket, _intent: Intent):
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(UpdateTicket, "send", trip)
        complain(sandbox)
        the_card(sandbox, "support-technical")
        eventually(lambda: states(running).get("post_card") == IntentState.CONFIRMED, what="the card")
    eventually(
        lambda: states(running).get("update_ticket") == IntentState.CONFIRMED, within=30, what="the note"
    )
    [ticket] = sandbox.zendesk.tickets()
    assert len(ticket.comments) == 2
