"""The sweep over the desk's export, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from bridge.core.desk import Change, Changes
from bridge.core.intent import Effect, IntentState
from bridge.errors import VendorBusyError, VendorError, VendorRefusedError
from bridge.flows import reconcile
from bridge.store import cases, tickets
from bridge.store.insert import insert_new
from bridge.store.leases import LeaseLostError
from bridge.store.standing import ASTRAY
from bridge.store.tables import Cursor, Intent, LeaseRow, TicketRow
from tests.flows.alone import Engine
from tests.store.conftest import NOON, make_ticket

SAID = NOON - timedelta(hours=1)  # the desk's time


@dataclass
class Export:
    """A desk whose export gives, in turn, what a test says; ``asked`` is from when, and which page."""

    pages: list[Changes | VendorError] = field(default_factory=list)
    asked: list[tuple[datetime, str | None]] = field(default_factory=list)

    def read_changes(self, since: datetime, cursor: str | None) -> Changes:
        self.asked.append((since, cursor))
        page = self.pages.pop(0)
        if isinstance(page, VendorError):
            raise page
        return page


@pytest.fixture
def export(engine: Engine) -> Export:
    engine.world.desk = export = Export()  # type: ignore[assignment]
    with engine.database.write() as tx:
        place = str(reconcile.Place(SAID))
        insert_new(tx, Cursor, key=reconcile.KEY, value=place, due_at=NOON, failures=0)
    return export


def read(engine: Engine, after: timedelta = timedelta(0)) -> None:
    engine.clock.at += after
    reconcile.reconcile(engine.world, reconcile.KEY)


def cursor(engine: Engine) -> Cursor:
    with engine.database.read() as tx:
        return tx.get_one(Cursor, reconcile.KEY)


def add_ticket(engine: Engine, ticket_id: str, **facts: Any) -> None:
    with engine.database.write() as tx:
        case = cases.lock(tx, engine.case)
        case.ticket_opened_at = NOON
        tx.add(make_ticket(case, ticket_id=ticket_id, **facts))


def ticket(engine: Engine, ticket_id: str) -> TicketRow:
    with engine.database.read() as tx:
        return tx.query(TicketRow).filter_by(ticket_id=ticket_id).one()


def changed(ticket_id: str, at: datetime = SAID, **facts: Any) -> Change:
    return Change(ticket_id=ticket_id, url="", at=at, **facts)


def test_a_sweep_begins_before_the_last_one_ended(engine: Engine, export: Export):
    """The desk writes some changes down late, with an earlier time."""
    export.pages = [Changes(()), Changes(())]
    read(engine)
    read(engine, timedelta(hours=1))
    assert export.asked == [(SAID - reconcile.OVERLAP, None)] * 2


def test_only_what_was_seen_moves_the_mark(engine: Engine, export: Export):
    """Neither an empty page does, nor an old change; else what lies between would never be read."""
    later = SAID + timedelta(minutes=5)
    export.pages = [Changes(()), Changes((changed("1", later),)), Changes((changed("2", SAID),)), Changes(())]
    for _ in range(4):
        read(engine, timedelta(hours=1))
    assert [since + reconcile.OVERLAP for since, _ in export.asked] == [SAID, SAID, later, later]


def test_a_sweep_has_worked_when_its_last_page_was_read(engine: Engine, export: Export):
    """The next page is due at once, and until it was read nobody may think that all is known."""
    export.pages = [Changes((), cursor="page 2"), Changes(())]
    read(engine)
    assert cursor(engine).heard_at is None
    assert cursor(engine).due_at == NOON
    read(engine)
    assert export.asked[1][1] == "page 2"
    assert cursor(engine).heard_at == NOON
    assert cursor(engine).due_at == NOON + engine.world.timing.sweep


def test_after_a_refusal_the_sweep_begins_again_at_its_mark(engine: Engine, export: Export):
    """The desk may no longer know the page that was to come."""
    refused = VendorRefusedError("desk", "export", "answered 422")
    export.pages = [Changes((), cursor="page 2"), refused, Changes(())]
    read(engine)
    read(engine)
    assert cursor(engine).failures == 1
    read(engine, timedelta(hours=1))
    assert export.asked[2] == (SAID - reconcile.OVERLAP, None)
    assert cursor(engine).failures == 0


def test_a_desk_that_asks_for_time_keeps_the_page(engine: Engine, export: Export):
    """The budget is used up: the sweep goes on where it was, when it may."""
    busy = VendorBusyError("desk", "export", "answered 429", retry_after_s=30)
    export.pages = [Changes((), cursor="page 2"), busy, Changes(())]
    read(engine)
    read(engine)
    read(engine, timedelta(seconds=29))
    assert len(export.asked) == 2
    read(engine, timedelta(seconds=1))
    assert export.asked[2][1] == "page 2"


def test_a_page_that_somebody_else_has_read_meanwhile_moves_nothing(engine: Engine, export: Export):
    """The lease ended while the desk took its time: the mark is the other one's."""

    def slowly(since: datetime, page: str | None) -> Changes:
        with engine.database.write() as tx:
            tx.get_one(LeaseRow, reconcile.KEY).holder = "another"
        return Changes((changed("1", NOON),))

    export.read_changes = slowly  # type: ignore[method-assign]
    with pytest.raises(LeaseLostError):
        read(engine)
    assert reconcile.Place.read(cursor(engine).value or "").seen == SAID


def test_a_change_while_the_ticket_is_being_read_is_read_once_more(engine: Engine, export: Export):
    """Who reads it now may have asked before the change: that reading must not settle this hint."""
    add_ticket(engine, "1", hinted_at=NOON)
    export.pages = [Changes((changed("1"),))]
    read(engine)
    with engine.database.write() as tx:
        row = tx.query(TicketRow).filter_by(ticket_id="1").one()
        row.read_at = NOON  # what the reading writes down that was under way
        assert tickets.is_unread(row)


def test_a_version_is_hinted_at_once(engine: Engine, export: Export):
    """Sweeps overlap: what was told by the last one is no news."""
    add_ticket(engine, "1")
    export.pages = [Changes((changed("1"),)), Changes((changed("1"),))]
    read(engine)
    first = ticket(engine, "1").hinted_at
    read(engine, timedelta(hours=1))
    assert ticket(engine, "1").hinted_at == first == NOON


@pytest.mark.parametrize("state", ["deleted", "merged"])
def test_a_ticket_that_speaks_for_nobody_any_more_is_not_read_again(
    engine: Engine, export: Export, state: str
):
    """The desk still exports it."""
    add_ticket(engine, "1", state=state)
    export.pages = [Changes((changed("1", deleted=state == "deleted"),))]
    read(engine)
    assert ticket(engine, "1").hinted_at is None


def test_a_second_ticket_with_a_name_of_ours_is_told_of(engine: Engine, export: Export):
    """The opening is done, and that is another ticket: whoever writes on this one speaks to nobody."""
    add_ticket(engine, "1")
    wish = engine.wish(Effect.OPEN_TICKET, "ticket:1", draft={"number": 1}, state=IntentState.CONFIRMED)
    export.pages = [Changes((changed("2", external_id=f"bridge:{engine.case}:1"),))]
    read(engine)
    with engine.database.read() as tx:
        assert tx.get(Cursor, f"{ASTRAY}2") is not None
    assert engine.intent(wish).state == IntentState.CONFIRMED


def test_the_ticket_of_an_opening_that_nobody_knew_the_end_of_is_looked_for_now(
    engine: Engine, export: Export
):
    """It is sending still: the look that finds the ticket waits no longer."""
    wish = engine.wish(
        Effect.OPEN_TICKET,
        "ticket:1",
        draft={"number": 1},
        state=IntentState.SENDING,
        due_at=NOON + timedelta(hours=1),
    )
    export.pages = [Changes((changed("2", external_id=f"bridge:{engine.case}:1"),))]
    read(engine)
    assert engine.intent(wish).due_at == NOON
    with engine.database.read() as tx:
        assert tx.get(Cursor, f"{ASTRAY}2") is None


def test_a_follow_up_that_two_sweeps_meet_is_taken_once(engine: Engine, export: Export):
    """The second does not take the case's own ticket for one beside it."""
    add_ticket(engine, "1", state="closed")
    found = changed("2", follow_up_of="1")
    source = ticket(engine, "1")
    reconcile._adopt(engine.world, source, found)
    reconcile._adopt(engine.world, source, found)
    with engine.database.read() as tx:
        assert tx.query(TicketRow).count() == 2
        assert tx.query(Intent).filter_by(effect=Effect.UPDATE_TICKET).count() == 0
