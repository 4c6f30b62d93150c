"""Two transactions at the same moment on PostgreSQL: what one has read, the other must not have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.intent import Effect, IntentState
from bridge.core.message import RawItem
from bridge.errors import VendorRefusedError
from bridge.flows import ledger, listen, read_desk, reconcile, take_in
from bridge.flows.effects.network import PublicReply
from bridge.flows.forget import forget
from bridge.flows.recipe import Stop
from bridge.flows.slots import Slots
from bridge.flows.work import work
from bridge.sandbox import Sandbox
from bridge.store import cases, deliveries, erasure, ids, intents, retention
from bridge.store.forget import Eraser
from bridge.store.ids import new_id
from bridge.store.leases import take
from bridge.store.person import find_person
from bridge.store.tables import Case, Cursor, Delivery, Intent, Message, TicketRow
from bridge.zendesk import ZendeskDesk
from tests.postgres import meanwhile, somebody_waits
from tests.running import InProcess, eventually
from tests.store.conftest import add_delivery, make_case
from tests.stories.seen import quiet, the_card, the_ticket

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


@pytest.fixture
def still(sandbox: Sandbox, running: InProcess) -> InProcess:
    """A bridge with one case, whose flows only a test runs."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    eventually(lambda: sandbox.wait_idle() and quiet(running), what="a quiet moment")
    running.bridge.engine.stop()
    return running


def the_case(running: InProcess) -> Case:
    with running.database.read() as tx:
        return tx.scalars(select(Case)).one()


def an_intent(running: InProcess, effect: Effect = Effect.UPDATE_TICKET, **given: Any) -> str:
    """One that may leave, and that no flow has begun."""
    with running.database.write() as tx:
        case = cases.lock(tx, the_case(running).id)
        now = running.bridge.world.clock.now()
        made = intents.draft(
            tx,
            case,
            effect,
            target=case.id,
            cause=f"message:{new_id()}",
            lane="desk",
            at=now,
            content={"text": "What dewi wrote", "public": True},
        )
        assert made is not None
        for name, value in given.items():
            setattr(made, name, value)
        return made.id


def kept(running: InProcess, intent_id: str) -> Intent:
    with running.database.read() as tx:
        return tx.get_one(Intent, intent_id)


def test_an_error_of_our_own_brings_nothing_back_that_was_erased_at_that_moment(still: InProcess):
    """The post is deleted while the eighth error is written down: its words stay gone, nobody is asked."""
    world = still.bridge.world
    intent_id = an_intent(still, attempts=ledger.STUMBLES - 1)
    case_id = the_case(still).id
    with still.database.write() as tx:
        lease = take(tx, f"case:{case_id}", world.presence, world.clock.now(), world.timing.lease)
    assert lease is not None

    with still.database.write() as tx:
        cases.lock(tx, case_id)
        with meanwhile(still.database, lambda: ledger.stumbled(world, intent_id, lease)):
            intent = tx.get_one(Intent, intent_id)
            intents.advance(intent, IntentState.REFUSED, reason="the customer deleted the post")
            intent.draft, intent.decided_by = {}, "the bridge"
            tx.commit()
    found = kept(still, intent_id)
    assert "dewi" not in str(found.draft)
    assert (found.state, found.decided_by) == (IntentState.REFUSED, "the bridge")


def test_a_look_that_failed_keeps_the_reason_for_which_a_person_is_asked_by_then(
    sandbox: Sandbox, still: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The customer wrote again while the network was asked: whoever decides has to know that."""
    world = still.bridge.world

    def refuse(_recipe: PublicReply, intent: Intent) -> Stop | None:
        with world.database.write() as tx:
            cases.lock(tx, intent.case_id)
            found = tx.get_one(Intent, intent.id)
            intents.advance(found, IntentState.HELD, reason="The customer wrote again.")
        raise VendorRefusedError("plaza", "preflight", "403")

    monkeypatch.setattr(PublicReply, "check", refuse)
    with still.database.write() as tx:
        tx.scalars(select(Case)).one().due_at = world.clock.now()
    reply = an_intent(still, Effect.REPLY, lane="account:kopi-plaza", payload={"text": "Fixed"})
    work(world, Slots(1), the_case(still).id)

    found = kept(still, reply)
    assert (found.state, found.reason) == (IntentState.HELD, "The customer wrote again.")
    assert intents.question(found) == 1


def test_a_delivery_that_another_worker_took_in_is_not_said_to_have_failed(still: InProcess):
    """It stumbles here and is done there: nobody has to look at it."""
    world = still.bridge.world
    with still.database.write() as tx:
        key = add_delivery(tx, at=world.clock.now())
    with still.database.write() as tx:
        tx.get_one(Delivery, key).attempts = take_in.TRIES - 1

    with still.database.write() as tx:
        assert deliveries.settle(tx, key, "done", world.clock.now())
        with meanwhile(still.database, lambda: take_in.put_off(world, key, "an error")):
            tx.commit()
    with still.database.read() as tx:
        assert tx.get_one(Delivery, key).state == "done"


@pytest.mark.parametrize("how", ["edited", "tagged"])
def test_what_comes_of_a_post_while_its_author_is_forgotten_stays_blank(
    sandbox: Sandbox, still: InProcess, monkeypatch: pytest.MonkeyPatch, how: str
):
    """Another worker takes it in after the erasure has looked for such deliveries, and before its end."""
    world = still.bridge.world
    [post] = [one for one in sandbox.plaza.posts() if not one.own]
    with still.database.read() as tx:
        person = find_person(tx, "bridge", "standard", handle="dewi")
    blank, workers = erasure.blank_bodies, list[threading.Thread]()

    def and_then_take_in(tx: Session, ids: Collection[str]) -> int:
        if how == "edited":
            sandbox.plaza.edit(post.id, "Dewi says it is worse now")
        else:
            sandbox.tags.tag("standard", post.id, "sales-lead")
        key = eventually(lambda: received(still), what="the delivery")
        workers.append(threading.Thread(target=lambda: take_in.take_in(world, Slots(1), key)))
        workers[0].start()
        eventually(lambda: somebody_waits(still.database) or not workers[0].is_alive(), within=4)
        return blank(tx, ids)

    monkeypatch.setattr(erasure, "blank_bodies", and_then_take_in)
    forget(world, person, "a test")
    workers[0].join()
    with still.database.read() as tx:
        rows = list(tx.scalars(select(Message)))
    assert [row.text for row in rows] == [None]
    assert post.id not in {row.global_id for row in rows}


def received(running: InProcess) -> str | None:
    """The delivery that waits to be taken in."""
    with running.database.read() as tx:
        return tx.scalars(select(Delivery.id).where(Delivery.state == "received")).first()


def test_forgetting_somebody_does_not_undo_what_another_says_at_that_moment(
    sandbox: Sandbox, still: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """Somebody else's post that mentions them is edited while the mention is taken out of it."""
    world = still.bridge.world
    [post] = [one for one in sandbox.plaza.posts() if not one.own]
    answer = sandbox.plaza.post("somchai", "As @dewi says: it is slow", language="en", reply_to=post.id)
    take_in.take_in(world, Slots(1), eventually(lambda: received(still)))
    with still.database.read() as tx:
        person = find_person(tx, "bridge", "standard", handle="dewi")
    unname, workers = Eraser._unname, list[threading.Thread]()

    def and_then_take_in(eraser: Eraser, row: Message) -> None:
        unname(eraser, row)
        sandbox.plaza.edit(answer.id, "As @dewi says: it is fast now")
        key = eventually(lambda: received(still), what="the delivery")
        workers.append(threading.Thread(target=lambda: take_in.take_in(world, Slots(1), key)))
        workers[0].start()
        eventually(lambda: somebody_waits(still.database) or not workers[0].is_alive(), within=4)

    monkeypatch.setattr(Eraser, "_unname", and_then_take_in)
    forget(world, person, "a test")
    workers[0].join()
    with still.database.read() as tx:
        found = tx.scalars(select(Message).where(Message.global_id == answer.id)).one()
    assert "fast now" in (found.text or "")


def test_what_two_machines_ask_for_is_done_in_the_order_in_which_it_was_asked(
    still: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The first one's clock is half a minute ahead: its answer must not leave after the second's."""
    now = time.time_ns()
    monkeypatch.setattr(ids.time, "time_ns", lambda: now + 30 * 10**9)
    first = an_intent(still)
    monkeypatch.setattr(ids.time, "time_ns", lambda: now)
    monkeypatch.setattr(ids, "_last", 0)  # another process
    second = an_intent(still)
    with still.database.read() as tx:
        assert [first, second] == [one.id for one in intents.of_case(tx, the_case(still).id)][-2:]


def test_two_of_our_tickets_merged_into_one_at_once_are_both_read(
    sandbox: Sandbox, still: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """By two workers, and nobody knows the third ticket: it speaks for one of the cases."""
    world = still.bridge.world
    case = the_case(still)
    followed = read_desk._follow_merge
    workers, failed = list[threading.Thread](), list[BaseException]()
    with still.database.write() as tx:
        first = tx.scalars(select(TicketRow)).one()
        other = make_case(thread_root="another", mapping_version=case.mapping_version)
        tx.add(other)
        tx.flush()
        facts = {"installation": "bridge", "number": 1, "url": "http://desk/2", "requester_id": "1"}
        tx.add(TicketRow(case_id=other.id, ticket_id="4711", opened_at=case.opened_at, **facts))
    with still.database.read() as tx:
        second = tx.scalars(select(TicketRow).where(TicketRow.case_id == other.id)).one()

    merged = replace(world.desk.read_ticket(first.ticket_id), merged_into="4712")
    monkeypatch.setattr(ZendeskDesk, "read_ticket", lambda _desk, key: replace(merged, id=key))
    monkeypatch.setattr(ZendeskDesk, "read_updates", lambda _desk, _key: [])

    def read(row: TicketRow) -> None:
        with still.database.write() as tx:
            now = world.clock.now()
            lease = take(tx, f"case:{row.case_id}", world.presence, now, world.timing.lease)
        try:
            read_desk.read(world, row, lease)
        except BaseException as error:  # noqa: BLE001 - looked at below
            failed.append(error)

    def and_then_the_other(tx: Session, *given: Any) -> None:
        followed(tx, *given)
        tx.flush()
        if not workers:
            workers.append(threading.Thread(target=lambda: read(second)))
            workers[0].start()
            eventually(lambda: somebody_waits(still.database) or not workers[0].is_alive(), within=4)

    monkeypatch.setattr(read_desk, "_follow_merge", and_then_the_other)
    read(first)
    workers[0].join()
    assert failed == []
    with still.database.read() as tx:
        assert tx.scalars(select(TicketRow).where(TicketRow.ticket_id == "4712")).one().case_id == case.id
        assert tx.get_one(TicketRow, second.id).state == "closed"


def test_open_loops_that_are_read_unasked_do_not_wait_for_a_pause_that_waits_for_them(still: InProcess):
    """A pause locks the cases by their ids, whichever of them nobody has heard from for longest."""
    world = still.bridge.world
    now = world.clock.now()
    with still.database.write() as tx:
        tx.merge(Cursor(key=reconcile.KEY, due_at=now + timedelta(hours=1), failures=1))
        for number in (2, 1):
            case = make_case(id=f"case-{number}", thread_root=f"post-{number}")
            cases.begin(tx, case)
            given = {
                "ticket_id": f"900{number}",
                "case_id": case.id,
                "number": 1,
                "url": "",
                "requester_id": "7",
            }
            opened = now - timedelta(hours=number)
            tx.add(TicketRow(installation=world.installation, opened_at=opened, state="current", **given))
        tx.flush()

    def fall_back() -> None:
        with still.database.write() as other:
            reconcile.fall_back(other, now)

    with still.database.write() as tx:
        cases.lock(tx, "case-1")
        with meanwhile(still.database, fall_back):
            cases.lock(tx, "case-2")
            tx.commit()
    with still.database.read() as tx:
        rows = tx.scalars(select(TicketRow).where(TicketRow.case_id.in_(["case-1", "case-2"])))
        assert [row.hinted_at for row in rows] == [now, now]


def test_two_who_are_shown_the_same_in_another_order_do_not_wait_for_each_other(
    still: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """A poll has the newest first, a thread the oldest."""
    world = still.bridge.world
    account = world.account("kopi-plaza")
    assert account is not None
    items = [RawItem(f"item-{number}", b"{}") for number in (1, 2)]
    record, workers, failed = deliveries.record, list[threading.Thread](), list[BaseException]()

    def shown(order: Sequence[RawItem]) -> list[str]:
        try:
            with still.database.write() as tx:
                return listen.write_down(tx, world, account, order)
        except BaseException as error:  # noqa: BLE001 - looked at below
            failed.append(error)
            return []

    def and_then_the_other(tx: Session, **given: Any) -> str | None:
        made = record(tx, **given)
        if not workers:
            workers.append(threading.Thread(target=lambda: shown(items[::-1])))
            workers[0].start()
            eventually(lambda: somebody_waits(still.database) or not workers[0].is_alive(), within=4)
        return made

    monkeypatch.setattr(deliveries, "record", and_then_the_other)
    assert len(shown(items)) == 2
    workers[0].join()
    assert failed == []


def test_an_old_post_that_comes_to_a_case_at_that_moment_is_not_deleted(still: InProcess):
    """Its thread came to life again while retention looked at it."""
    world = still.bridge.world
    with still.database.write() as tx:
        old = world.clock.now() - timedelta(days=1000)
        tx.add(
            Message(installation="bridge", network="standard", global_id="old", received_at=old, own=False)
        )
    with still.database.write() as tx:
        tx.scalars(select(Message).where(Message.global_id == "old")).one().case_id = the_case(still).id
        tx.flush()
        until = world.clock.now() - timedelta(days=360)
        beginning = old - timedelta(days=1), ""

        def delete() -> None:
            with still.database.write() as other:
                retention.delete_messages(other, beginning, until, until)

        with meanwhile(still.database, delete):
            tx.commit()
    with still.database.read() as tx:
        assert tx.scalars(select(Message).where(Message.global_id == "old")).one().case_id is not None
