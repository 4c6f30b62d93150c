"""What follows when a ticket is opened, or takes nothing any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.core.desk import Ticket, TicketRef, TicketStatus
from bridge.core.intent import Effect, IntentState
from bridge.errors import VendorBusyError, VendorGoneError, VendorUnclearError
from bridge.flows import drafting
from bridge.store import cases, intents, lanes
from bridge.store.insert import insert_new
from bridge.store.tables import Case, CustomerRow, Intent, Message, TicketRow
from tests.flows.alone import CALL, SETTLE, Engine
from tests.store.conftest import NOON, make_case, make_ticket


class Desk:
    """Answers each call with the next of its answers; cannot be read just now."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def open_ticket(self, *_given: object) -> TicketRef:
        return self._next()

    def update_ticket(self, *_given: object) -> str:
        return self._next()

    def register_customer(self, _customer: object) -> str:
        return self._next()

    def find_ticket(self, _external_id: str) -> None:
        """Its search does not know the ticket yet."""

    def read_ticket(self, _ticket_id: str) -> None:
        raise VendorBusyError("desk", "read a ticket", "answered 503")

    read_updates = read_ticket

    def _next(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def opening(engine: Engine) -> str:
    payload = {"external_id": "bridge:case-1:1", "requester_id": "7", "subject": "", "text": "", "tags": []}
    with engine.database.write() as tx:
        insert_new(
            tx,
            CustomerRow,
            id="customer-1",
            installation="bridge",
            network="standard",
            author_id="author-1",
            requester_id="7",
            registered_at=NOON,
        )
    return engine.wish(
        Effect.OPEN_TICKET,
        "ticket:1",
        lane=lanes.DESK,
        draft={"number": 1, "message": "m-1"},
        payload=payload,
    )


def tickets(engine: Engine) -> list[TicketRow]:
    with engine.database.read() as tx:
        return list(tx.query(TicketRow))


def test_a_ticket_that_the_second_try_has_opened_is_read(engine: Engine):
    """The first may have opened it, and an agent may have answered long before we knew its number."""
    engine.world.desk = Desk(VendorUnclearError("desk", "open", "no answer"), TicketRef("1", ""))  # type: ignore[assignment]
    opened = opening(engine)
    engine.work()
    engine.work(CALL + SETTLE)
    assert engine.intent(opened).state == IntentState.CONFIRMED
    assert tickets(engine)[0].hinted_at is not None


def test_a_ticket_that_was_opened_at_once_costs_no_reading(engine: Engine):
    """Nobody can have said anything on it."""
    engine.world.desk = Desk(TicketRef("1", ""))  # type: ignore[assignment]
    opening(engine)
    engine.work()
    assert [row.hinted_at for row in tickets(engine)] == [None]


@pytest.mark.parametrize("own", [True, False])
def test_a_note_on_a_ticket_that_is_gone_asks_for_nothing_else(engine: Engine, own: bool):
    """Neither on the case's own, nor on one that is none of its own: no customer's words are lost."""
    gone = VendorGoneError("desk", "update", "answered 404")
    engine.world.desk = Desk(gone, gone)  # type: ignore[assignment]
    with engine.database.write() as tx:
        case = cases.lock(tx, engine.case)
        case.ticket_opened_at = NOON
        cases.add(tx, case, make_ticket(case, state="closed"))
        if own:
            drafting.note(tx, case, "posted:1", "It is on the thread.", NOON)
        else:
            drafting.note_elsewhere(tx, case, "2", "beside", "Nobody reads this.", NOON)
    engine.work(timedelta(seconds=1))
    with engine.database.read() as tx:
        [note] = intents.of_case(tx, engine.case)
        assert note.state == IntentState.GONE
        assert tx.query(Intent).count() == 1


def test_each_case_of_a_customer_who_is_gone_has_them_registered_anew(engine: Engine):
    """Two tickets wait to be opened: what the first finds out leaves the second no less to go by."""
    gone, busy = VendorGoneError("desk", "open", "deleted"), VendorBusyError("desk", "register", "503")
    engine.world.desk = Desk(gone, busy, gone, busy)  # type: ignore[assignment]
    with engine.database.write() as tx:
        cases.begin(tx, make_case(id="case-2", thread_root="post-2"))
        for name in ("1", "2"):
            facts = {"id": f"m-{name}", "global_id": f"post-{name}", "case_id": f"case-{name}"}
            tx.add(Message(installation="bridge", network="standard", received_at=NOON, own=False, **facts))
    for name in ("1", "2"):
        engine.case = f"case-{name}"
        engine.change(opening(engine), draft={"number": 1, "message": f"m-{name}", "follow_up_of": None})
    for name in ("1", "2"):
        engine.case = f"case-{name}"
        engine.work()
        with engine.database.read() as tx:
            effects = [one.effect for one in intents.of_case(tx, engine.case, [IntentState.APPROVED])]
            assert effects[:2] == [Effect.REGISTER_CUSTOMER, Effect.OPEN_TICKET]
            due_at = tx.get_one(Case, engine.case).due_at
            assert due_at is not None
            assert due_at < NOON + timedelta(minutes=1)


@pytest.mark.parametrize(("follows", "state"), [(True, "deleted"), (False, "current")])
def test_a_ticket_that_was_restored_speaks_again_unless_another_one_is_on_its_way(
    engine: Engine, follows: bool, state: str
):
    """The customer's words open that one already: what they write next must not go elsewhere."""
    desk: Any = Desk()
    desk.read_updates = lambda _ticket_id: []
    desk.read_ticket = lambda _ticket_id: Ticket("1", "", TicketStatus.OPEN, None, "7", None)
    engine.world.desk = desk
    with engine.database.write() as tx:
        case = cases.lock(tx, engine.case)
        case.ticket_opened_at = NOON
        cases.add(tx, case, make_ticket(case, state="deleted", hinted_at=NOON))
    if follows:
        engine.wish(Effect.OPEN_TICKET, "ticket:2", lane=lanes.DESK, due_at=NOON + timedelta(hours=1))
    engine.work()
    assert [row.state for row in tickets(engine)] == [state]
