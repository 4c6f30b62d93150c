"""A migrated database of one's own, and rows to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from bridge.store import deliveries
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.tables import Case, TicketRow
from tests import migrated

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bridge.db"


@pytest.fixture
def open_database(file: Path) -> Iterator[Callable[..., Database]]:
    """Opens *file* once more, as another process would; closed at the end."""
    opened: list[Database] = []

    def open_(**given: Any) -> Database:
        opened.append(Database(f"sqlite:///{file}", **given))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


@pytest.fixture
def database(file: Path, open_database: Callable[..., Database]) -> Database:
    migrated.prepare(f"sqlite:///{file}")
    return open_database(busy_timeout_s=0.1)


def make_case(**given: Any) -> Case:
    """An open case, with what is *given* instead."""
    facts: dict[str, Any] = {
        "installation": "bridge",
        "network": "standard",
        "account": "kopi-plaza",
        "brand": "kopi",
        "thread_root": "post-1",
        "author_id": "author-1",
        "queue": "support-technical",
        "route_place": "mappings/routes/10-social.yaml:1:1",
        "reason": "because",
        "language": "en",
        "closing": "auto",
        "mapping_version": "one",
        "posted_at": NOON,
        "received_at": NOON,
        "opened_at": NOON,
    }
    return Case(**{**facts, **given})


def make_ticket(case: Case, **given: Any) -> TicketRow:
    """The ticket of *case*, with what is *given* instead."""
    facts: dict[str, Any] = {
        "installation": case.installation,
        "case_id": case.id,
        "number": 1,
        "ticket_id": "1",
        "url": "",
        "requester_id": "7",
        "state": "current",
        "opened_at": NOON,
    }
    return TicketRow(**{**facts, **given})


def add_delivery(tx: Session, **given: Any) -> str:
    """Write a delivery down that nobody has taken in; gives its row's id."""
    facts: dict[str, Any] = {
        "installation": "bridge",
        "source": "zendesk",
        "account": "",
        "delivery_id": new_id(),
        "body": b"{}",
        "at": NOON,
    }
    row = deliveries.record(tx, **{**facts, **given})
    assert row is not None
    return row


@pytest.fixture
def either(store_url: str) -> Iterator[Database]:
    """A database of either kind."""
    migrated.prepare(store_url)
    database = Database(store_url)
    yield database
    database.close()
