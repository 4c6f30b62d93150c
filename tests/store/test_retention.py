"""Words are kept for so many days and no longer; what is open, young or a mark of an erasure stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, select

from bridge.core.message import Author, EventKind, InboundEvent, SocialMessage
from bridge.flows import retain
from bridge.flows.world import Timing, World
from bridge.store import messages, retention
from bridge.store.database import Database
from bridge.store.erasure import pseudonym
from bridge.store.person import Person, find_person
from bridge.store.presence import presence
from bridge.store.tables import Delivery, Erasure, Intent, Message
from tests.store.conftest import NOON, make_case

DAYS = timedelta(days=180)
NOW = NOON + timedelta(days=1000)
OLD = NOW - DAYS - timedelta(days=1)
ANCIENT = NOW - 2 * DAYS - timedelta(days=1)
YOUNG = NOW - DAYS + timedelta(days=1)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """As much of one as retention needs."""
    timing = Timing(timedelta(seconds=1), retention=DAYS)
    clock: Any = SimpleNamespace(now=lambda: NOW)
    facts: dict[str, Any] = dict.fromkeys(World.__dataclass_fields__)
    facts |= {"installation": "bridge", "database": database, "clock": clock, "timing": timing}
    here = presence(database)
    here.claim()
    here.enter(database, NOW)
    yield World(**{**facts, "presence": here})
    here.leave(database, NOW)


def message(number: int, at: datetime, **given: Any) -> Message:
    facts = {"installation": "bridge", "network": "standard", "global_id": f"post-{number}", "text": "words"}
    return Message(**{**facts, "author_handle": "dewi", "received_at": at, "posted_at": at, **given})


def delivery(number: int, at: datetime, **given: Any) -> Delivery:
    facts = {"installation": "bridge", "source": "standard", "account": "a", "delivery_id": str(number)}
    return Delivery(**{**facts, "received_at": at, "due_at": at, "body": b"words", "state": "done", **given})


def intent(case: Any, number: int, **given: Any) -> Intent:
    facts = {"case_id": case.id, "effect": "reply", "target": case.id, "cause": str(number), "lane": "desk"}
    words = {"draft": {"text": "words"}, "payload": {"text": "words"}, "outcome": {"id": "1"}}
    times = {"created_at": OLD, "due_at": OLD}
    return Intent(**{**facts, **words, **times, "state": "confirmed", **given})


def kept(database: Database, table: Any, column: Any) -> list[Any]:
    with database.read() as tx:
        return list(tx.scalars(select(column).order_by(table.id)))


def test_words_of_closed_cases_go_after_their_days(world: World, database: Database):
    """Counted from the closing: an old post of a case that is open, or closed lately, keeps its words."""
    with database.write() as tx:
        for number, (state, closed_at) in enumerate((("closed", OLD), ("closed", YOUNG), ("open", None))):
            case = make_case(thread_root=f"post-{number}", state=state, closed_at=closed_at)
            tx.add(case)
            tx.flush()
            tx.add_all([message(number, OLD, case_id=case.id), intent(case, number)])
    retain.retain(world)

    assert kept(database, Message, Message.text) == [None, "words", "words"]
    assert kept(database, Message, Message.author_handle) == [None, "dewi", "dewi"]
    assert [bool(payload) for payload in kept(database, Intent, Intent.payload)] == [False, True, True]
    assert [bool(draft) for draft in kept(database, Intent, Intent.draft)] == [False, True, True]
    assert kept(database, Message, Message.erased_at)[0] == NOW


def test_what_waited_all_the_time_for_a_person_is_refused(world: World, database: Database):
    """A held text without its words could not be posted any more; what is on its way keeps its bytes."""
    with database.write() as tx:
        case = make_case(state="closed", closed_at=OLD)
        tx.add(case)
        tx.flush()
        tx.add_all([intent(case, 1, state="held"), intent(case, 2, state="sending")])
    retain.retain(world)

    assert kept(database, Intent, Intent.state) == ["refused", "sending"]
    assert [bool(payload) for payload in kept(database, Intent, Intent.payload)] == [False, True]


def test_messages_and_deliveries_go_twice(world: World, database: Database):
    """First their words, and after twice the days the rows; the mark of an erased post stays for good."""
    with database.write() as tx:
        for number, at in enumerate((YOUNG, OLD, ANCIENT)):
            tx.add_all([message(number, at), delivery(number, at)])
        tx.add(message(3, ANCIENT, global_id=pseudonym("bridge", "standard", "post-3"), erased_at=ANCIENT))
        tx.add(delivery(4, OLD, state="received"))
    retain.retain(world)

    assert kept(database, Message, Message.text) == ["words", None, "words"]
    assert kept(database, Message, Message.global_id)[2].startswith("erased:")
    assert kept(database, Delivery, Delivery.body) == [b"words", None, b"words"]


def test_a_run_is_proven_and_the_next_begins_where_it_ended(world: World, database: Database):
    """Counts and times, nobody's words; the runs of one day add up to one proof."""
    with database.write() as tx:
        tx.add_all([message(number, OLD) for number in range(retention.ROWS + 2)])
    retain.retain(world)
    [proof] = kept(database, Erasure, Erasure.counts)
    assert proof["messages"] == retention.ROWS + 2
    assert datetime.fromisoformat(proof["blank until"]) == NOW - DAYS
    retain.retain(world)
    assert kept(database, Erasure, Erasure.counts) == [proof]
    with database.write() as tx:
        # It came to light later, between the last run's mark and this one's.
        world.timing = Timing(timedelta(seconds=1), retention=timedelta(days=100))  # type: ignore[misc]
        tx.add(message(9999, YOUNG))
    retain.retain(world)
    [proof] = kept(database, Erasure, Erasure.counts)
    assert proof["messages"] == retention.ROWS + 3


def test_what_retention_blanked_is_in_no_file_any_more(world: World, database: Database, file: Path):
    """Nor in the write-ahead log, while the bridge runs on."""
    with database.write() as tx:
        tx.add(message(1, OLD, text="a very long complaint " * 500))
    retain.retain(world)
    assert not any(b"very long complaint" in one.read_bytes() for one in file.parent.glob("bridge.db*"))


def test_retention_can_be_turned_off(world: World, database: Database):
    """No days: words are kept for good."""
    world.timing = Timing(timedelta(seconds=1), retention=None)
    with database.write() as tx:
        tx.add(message(1, ANCIENT))
    retain.retain(world)
    assert kept(database, Message, Message.text) == ["words"]


def test_a_blank_post_stays_blank_when_it_comes_once_more(world: World, database: Database):
    """By poll, as an edit, with a tag: the row is found, and takes no words."""
    with database.write() as tx:
        tx.add(message(1, OLD))
    retain.retain(world)
    post = SocialMessage(
        "standard", "post-1", "a", Author("author-1", "dewi", "Dewi"), "new words", NOW, edited_at=NOW
    )
    event = InboundEvent(EventKind.UPDATED, "standard", "post-1", NOW, post)
    with database.write() as tx:
        row = messages.apply(tx, "bridge", [event], NOW, messages.Senders(frozenset({"a"})))
    assert (row.text, row.author_handle, row.author_name) == (None, None, None)


MASTODON = Person(
    "mastodon",
    frozenset({"https://kopi.example/@dewi"}),
    frozenset({"dewi@kopi.example"}),
    frozenset({"Dewi S."}),
)


@pytest.mark.parametrize(
    ("identity", "theirs"),
    [
        ("https://kopi.example/users/dewi/statuses/1", True),
        ("https://kopi.example/@dewi/1", True),
        ("https://kopi.example/users/dewinta/statuses/1", False),
        ("https://other.example/users/dewi/statuses/1", False),
        ("plaza-dewi-1", False),
    ],
)
def test_an_id_that_is_made_of_the_name_is_told_from_another_persons(identity: str, theirs: bool):
    """One mistake would erase somebody else's post."""
    assert MASTODON.is_in_id(identity) is theirs


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"acct": "dewi@kopi.example"}', True),
        ('{"url": "https:\\/\\/kopi.example\\/@dewi"}', True),
        ('{"display_name": "DEWI S."}', True),
        ('{"acct": "dewinta@kopi.example"}', False),
    ],
)
def test_a_body_that_names_them_is_found_however_it_is_written(body: str, named: bool):
    """As JSON of any writer, in any letter case; not as a part of another name."""
    assert MASTODON.is_named_in(body) is named


def test_a_person_is_found_by_handle_with_all_that_is_known(database: Database):
    """With or without the first @, in any letter case; a stranger is nobody, and no error."""
    with database.write() as tx:
        tx.add(message(1, NOON, author_id="a-1", author_handle="@Dewi", author_name="Dewi S."))
    with database.read() as tx:
        found = find_person(tx, "bridge", "standard", handle="dewi")
        assert (found.author_ids, found.names) == ({"a-1"}, {"Dewi S."})
        assert find_person(tx, "bridge", "standard", handle="@somchai").author_ids == frozenset()


def test_a_handle_is_found_in_any_letter_case_of_any_script(either: Database):
    """What each kind of database takes for a small letter is its own business; whom it finds is not."""
    known = ("Ärztin", "@ΟΔΟΣ", "İlker", "Groß")
    with either.write() as tx:
        for number, handle in enumerate(known):
            tx.add(message(number, NOON, author_id=f"a-{number}", author_handle=handle))

    def found(handle: str) -> set[str]:
        with either.read() as tx:
            people = find_person(tx, "bridge", "standard", handle=handle)
        return {known[int(one.removeprefix("a-"))] for one in people.author_ids}

    for asked in ("@Ärztin", "ärztin", "ÄRZTIN", "A\u0308rztin"):
        assert found(asked) == {"Ärztin"}, asked
    for asked in ("οδος", "ΟΔΟΣ", "@Οδος"):
        assert found(asked) == {"@ΟΔΟΣ"}, asked
    assert found("@İlker") == {"İlker"}
    assert found("GROß") == {"Groß"}
    # Somebody else, for all that anybody knows.
    for asked in ("arztin", "ilker", "Ilker", "ılker", "gross"):
        assert found(asked) == set(), asked


def test_a_batch_goes_to_its_own_rows_however_many_there_are(tmp_path: Path):
    """SQLite is given no other index to prefer: not the one on posts without a case, which are most."""
    database = Database(f"sqlite:///{tmp_path}/b.db")
    database.migrate()
    ran: list[tuple[str, Any]] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, given, *_: ran.append((statement, given)),
    )
    with database.write() as tx:
        tx.add_all(message(number, ANCIENT) for number in range(retention.ROWS))
    with database.write() as tx:
        for step in (retention.blank_messages, retention.delete_messages):
            step(tx, (ANCIENT - timedelta(days=1), ""), NOW, NOW)
        by_id = [(what, given) for what, given in ran if "messages.id IN" in what]
        assert len(by_id) == 3
        for what, given in by_id:
            plan = tx.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {what}", given).all()
            assert "messages USING" in plan[0][3]
            assert plan[0][3].endswith("(id=?)")
    database.close()
