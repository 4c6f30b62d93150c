"""Ways to the outside: not too many at once, parked when credentials fail, stopped by a person."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from bridge.core.intent import Effect, IntentState
from bridge.errors import StoreBusyError
from bridge.flows import drafting
from bridge.flows.ledger import AUTH_PAUSE
from bridge.flows.slots import Slots
from bridge.flows.work import PAUSE_LOOK, work
from bridge.sandbox import Sandbox
from bridge.store import casefile, intents, lanes
from bridge.store.tables import Case, Intent, Lane
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, the_card, the_ticket

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_a_lane_takes_as_many_as_it_has_slots():
    """The next one is told so at once, and never waits: its thread is needed elsewhere."""
    slots = Slots(2)
    assert [slots.take("desk") for _ in range(3)] == [True, True, False]
    assert slots.take("team")
    slots.give("desk")
    assert [slots.take("desk"), slots.take("desk")] == [True, False]


def test_a_slot_is_given_back_when_the_call_fails(sandbox: Sandbox, tmp_path: Path):
    """However it fails: with one slot to a lane, nobody would else ever reach that vendor again."""
    bridge = InProcess(tmp_path / "data", sandbox, BRIDGE_THREADS="3")
    try:
        for call in ("register_user", "open_ticket", "update_ticket"):
            sandbox.faults.add("zendesk", call, "status", status=500)
        sandbox.faults.add("slack", "chat.postMessage", "lost_response")
        complain(sandbox)
        complain(sandbox, "maria")
        the_ticket(sandbox, 2)
        eventually(lambda: len(sandbox.slack.cards("support-technical")) == 2, what="both cards")
    finally:
        bridge.stop()


def test_a_slot_is_given_back_when_what_took_it_could_not_be_committed(sandbox: Sandbox, running: InProcess):
    """A full disk or a restarted database must not shut a lane for good."""
    complain(sandbox)
    the_ticket(sandbox)
    eventually(lambda: not busy(running), what="a quiet moment")
    running.bridge.engine.stop()
    world, slots = running.bridge.world, Slots(1)
    with world.database.write() as tx:
        [case] = tx.query(Case)
        drafting.note(tx, case, "test", "a note", world.clock.now())

    def fail(_connection: object) -> None:
        raise StoreBusyError("the disk is full")

    event.listen(world.database.engine, "commit", fail)
    try:
        with pytest.raises(StoreBusyError):
            work(world, slots, case.id)
    finally:
        event.remove(world.database.engine, "commit", fail)
    assert slots.take("desk")


def busy(running: InProcess) -> bool:
    with running.database.read() as tx:
        return any(case.due_at is not None for case in tx.query(Case))


def test_never_more_than_its_slots_are_in_a_lane_whatever_the_threads_do():
    """Many threads, one lane of three."""
    slots, inside, most, lock = Slots(3), 0, 0, threading.Lock()

    def knock() -> None:
        nonlocal inside, most
        for _ in range(50):
            if not slots.take("desk"):
                continue
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0002)
            with lock:
                inside -= 1
            slots.give("desk")

    threads = [threading.Thread(target=knock) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


def intent(effect: Effect, lane: str) -> Intent:
    return Intent(effect=effect.value, lane=lane)


REPLY = intent(Effect.REPLY, "kopi-plaza")
TICKET = intent(Effect.OPEN_TICKET, "desk")
CARD = intent(Effect.POST_CARD, "team")


def test_a_parked_lane_stops_what_goes_through_it_and_nothing_else():
    """One account's token is revoked: the other accounts, the desk and the team go on."""
    shut = {"kopi-plaza": Lane(name="kopi-plaza")}
    other = intent(Effect.REPLY, "kopi-mastodon")
    assert [lanes.blocks(shut, one) for one in (REPLY, other, TICKET, CARD)] == [True, False, False, False]


def test_a_pause_stops_everything_public_and_nothing_else():
    """On every network and account; tickets and cards go on."""
    shut = {lanes.PUBLIC: Lane(name=lanes.PUBLIC)}
    for effect in Effect:
        assert lanes.blocks(shut, intent(effect, "any")) is effect.is_public


def test_a_lane_opens_by_itself_when_its_time_is_over(running: InProcess):
    """A refusal of credentials is tried again; a pause by a person is not."""
    with running.database.write() as tx:
        lanes.park(tx, "desk", "401", "the vendor's answer", NOON, timedelta(minutes=1))
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", NOON)
        assert set(lanes.parked(tx, NOON + timedelta(seconds=59))) == {"desk", lanes.PUBLIC}
        assert set(lanes.parked(tx, NOON + timedelta(minutes=1))) == {lanes.PUBLIC}
        assert set(lanes.parked(tx, NOON + timedelta(days=900))) == {lanes.PUBLIC}
        lanes.park(tx, "desk", "401 again", "the vendor's answer", NOON + timedelta(hours=1))
        assert lanes.parked(tx, NOON + timedelta(days=1))["desk"].reason == "401 again"
        assert lanes.resume(tx, lanes.PUBLIC)
    with running.database.write() as tx:
        assert not lanes.resume(tx, lanes.PUBLIC)


def test_what_was_drafted_while_a_pause_ended_leaves_minutes_later(sandbox: Sandbox, running: InProcess):
    """Nobody could wake it: for the one who resumed, it was not there yet."""
    complain(sandbox)
    ticket = the_ticket(sandbox)
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", running.bridge.world.clock.now())
    sandbox.zendesk.agent_comments(ticket.id, "Which version is it?")
    eventually(lambda: waits_for(running) > PAUSE_LOOK / 2, what="the wait")
    with running.database.write() as tx:
        assert lanes.resume(tx, lanes.PUBLIC)
        tx.query(Case).one().due_at -= PAUSE_LOOK

    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the reply")


def waits_for(running: InProcess) -> timedelta:
    with running.database.read() as tx:
        now = running.bridge.world.clock.now()
        return (tx.query(Case).one().due_at or now) - now


def complain(sandbox: Sandbox, author: str = "dewi", **given: str):
    return sandbox.plaza.post(
        author, "The app logs me out every hour", language="en", tags=["technical-issue"], **given
    )


def test_refused_credentials_park_the_lane_and_lose_nothing(sandbox: Sandbox, running: InProcess):
    """401 from Plaza: the reply is kept, the lane is shut for a while, everything else goes on."""
    complain(sandbox)
    ticket = the_ticket(sandbox)
    sandbox.faults.add("plaza", "reply", "status", status=401)
    sandbox.zendesk.agent_comments(ticket.id, "Which version is it?")

    shut = eventually(lambda: parked(running).get("account:kopi-plaza"), what="the parked lane")
    assert "401" in shut.reason
    assert shut.until - shut.since <= AUTH_PAUSE + timedelta(seconds=1)
    complain(sandbox, "maria")
    the_ticket(sandbox, 2)
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)
    with running.database.read() as tx:
        [reply] = replies(tx)
        assert (reply.state, reply.attempts) == (IntentState.APPROVED, 1)
        assert "failed" in [event.kind for event in casefile.read(tx, reply.case_id)]
    ready = running.bridge.web.test_client().get("/readyz").json
    assert any("kopi-plaza is parked" in problem for problem in ready["problems"])

    open_again(running, "account:kopi-plaza")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the reply")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.3)


def parked(running: InProcess) -> dict[str, Lane]:
    with running.database.read() as tx:
        return lanes.parked(tx, running.bridge.world.clock.now())


def replies(tx) -> list[Intent]:
    return list(tx.query(Intent).where(Intent.effect == Effect.REPLY))


def open_again(running: InProcess, lane: str) -> None:
    """A minute later, without the minute."""
    with running.database.write() as tx:
        lanes.resume(tx, lane)
        now = running.bridge.world.clock.now()
        for reply in replies(tx):
            reply.due_at = now
            intents.wake_case(tx.get_one(Case, reply.case_id), now)


def test_a_desk_that_hangs_leaves_threads_for_the_others(sandbox: Sandbox, tmp_path):
    """Zendesk answers nobody: the cases that are not talking to it have their cards all the same.

    A case makes one call at a time, so those that hang in the desk may be without one.
    """
    threads, hanging = 5, 3
    bridge = InProcess(tmp_path / "few", sandbox, BRIDGE_THREADS=str(threads), BRIDGE_CALL_TIMEOUT_S="20")
    try:
        fault = sandbox.faults.add("zendesk", "*", "hold", times=1000)
        authors = [f"customer{number}" for number in range(12)]
        for author in authors:
            complain(sandbox, author)
        eventually(
            lambda: len(sandbox.slack.cards("support-technical")) >= len(authors) - hanging,
            within=10,
            what="a card for each case that does not hang",
        )
        assert fault.reached.is_set()
        assert sandbox.zendesk.tickets() == []
    finally:
        sandbox.faults.clear()
        bridge.stop()


def test_paused_replies_wait_while_tickets_and_cards_go_on(sandbox: Sandbox, running: InProcess):
    """Everything up to the public word happens; after the pause the word follows, once."""
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "a fire", "ana", running.bridge.world.clock.now())
    complain(sandbox)
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")

    def waits() -> bool:
        with running.database.read() as tx:
            return [IntentState.APPROVED] == [reply.state for reply in replies(tx)]

    eventually(waits, what="the reply that waits")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.5)
    open_again(running, lanes.PUBLIC)
    eventually(lambda: brand_posts(sandbox.plaza), what="the reply")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.3)
