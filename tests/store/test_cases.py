"""A case's lock, and when it is looked at again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.core.intent import Effect
from bridge.store import cases, intents
from bridge.store.database import Database
from tests.store.conftest import NOON, make_case


def draft(tx, case, cause: str = "update:1"):
    return intents.draft(
        tx, case, Effect.REPLY, target=case.id, cause=cause, lane="account:kopi-plaza", at=NOON
    )


@pytest.fixture
def case_id(either: Database) -> str:
    with either.write() as tx:
        cases.begin(tx, make_case(id="case-1", ticket_opened_at=NOON))
    return "case-1"


def test_a_case_is_woken_at_the_earliest_of_what_it_waits_for(either: Database, case_id: str):
    """What is due later puts nothing off that is due before."""
    with either.write() as tx:
        case = cases.lock(tx, case_id)
        intents.wake_case(case, NOON)
        intents.wake_case(case, NOON + timedelta(hours=1))
        assert case.due_at == NOON
        intents.wake_case(case, NOON - timedelta(hours=1))
        assert case.due_at == NOON - timedelta(hours=1)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_what_was_read_of_a_case_before_its_lock_is_read_again(either: Database, case_id: str):
    """Another transaction drafted and committed meanwhile: who has the lock must see it."""
    with either.write() as tx:
        assert intents.of_case(tx, case_id) == []
        with either.write() as other:
            draft(other, cases.lock(other, case_id))
        case = cases.lock(tx, case_id)
        assert len(intents.of_case(tx, case_id)) == 1
        assert draft(tx, case) is None


def test_a_cause_asks_once(either: Database, case_id: str):
    """In the same transaction, and in a later one."""
    with either.write() as tx:
        case = cases.lock(tx, case_id)
        assert draft(tx, case) is not None
        assert draft(tx, case) is None
        assert draft(tx, case, "update:2") is not None
    with either.write() as tx:
        assert draft(tx, cases.lock(tx, case_id)) is None
