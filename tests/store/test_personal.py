"""A person's words and names are in the columns that can be blanked, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import LargeBinary, select, update

from bridge.flows import forget as forgetting
from bridge.sandbox import Sandbox
from bridge.store import casefile, erasure, messages
from bridge.store.person import find_person
from bridge.store.tables import PERSONAL, Base, Case, Event, Intent, Message
from tests.running import InProcess, eventually
from tests.stories.seen import brand_posts, the_ticket

COMPLAINT = "My parcel with the turquoise teapot never came"
FOLLOW_UP = "Zephyrine still has no teapot"
EDITED = "My parcel with the turquoise teapot never came, nor the cups"
ANSWER = "We are looking for your crockery, a moment please."
FAREWELL = "Your crockery is on its way."
# A network's own ids, which the sandbox makes of names. Everything that must be found again hangs on
# them, so they go only when the person is forgotten.
IDS = {"author_id", "target"}
WORDS = ("turquoise", "teapot", "zephyrine", "the cups", "crockery")


def test_what_is_listed_as_personal_exists():
    """A column that was renamed would quietly escape erasure."""
    for table, columns in PERSONAL.items():
        assert set(columns) <= set(Base.metadata.tables[table].columns.keys()), table


def test_what_is_listed_as_personal_of_a_message_is_what_erasure_blanks():
    """Two lists: one says what there is, the other takes it away."""
    assert set(PERSONAL["messages"]) == set(erasure.BLANK_MESSAGE)


@pytest.fixture
def played(sandbox: Sandbox, running: InProcess) -> InProcess:
    """A whole loop by a customer whose words and name are found again anywhere."""
    post = sandbox.plaza.post("zephyrine", COMPLAINT, language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    sandbox.plaza.edit(post.id, EDITED)
    sandbox.plaza.post("zephyrine", FOLLOW_UP, reply_to=post.id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(FOLLOW_UP), what="the follow-up")
    # One that is held, one call that fails, one that is looked for: their lines are in the file, too.
    sandbox.faults.add("plaza", "reply", "status_after")
    sandbox.faults.add("zendesk", "update_ticket", "status", status=422)
    sandbox.zendesk.agent_comments(ticket.id, f"Dear {{{{ zephyrine }}}}, {ANSWER}")
    sandbox.zendesk.agent_comments(ticket.id, ANSWER)
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    sandbox.zendesk.agent_comments(ticket.id, FAREWELL, status="solved")
    eventually(lambda: state(running) == "closed", what="the end of the loop")
    return running


def state(running: InProcess) -> str | None:
    with running.database.read() as tx:
        [case] = tx.query(Case)
        return case.state


def test_nobodys_words_are_outside_the_personal_columns(played: InProcess):
    """A whole story: not in the case file, not in any reason, not in an id."""
    assert found_in(played, lambda table: {*PERSONAL.get(table, ()), *IDS}) == []


def test_nobodys_words_or_ids_are_anywhere_after_a_request(played: InProcess):
    """Forgotten: not in a personal column, not in an id, not in a lease, not in the bytes that came in."""
    with played.database.read() as tx:
        person = find_person(tx, "bridge", "standard", handle="@zephyrine")
        posts = list(tx.scalars(select(Message.global_id).where(Message.own.is_(False))))
    forgotten = forgetting.forget(played.bridge.world, person, "a test")
    eventually(lambda: not moving(played), what="what was to be taken back outside")

    assert forgotten.counts["messages"] == len(posts) == 2
    assert forgotten.counts["cases"] == 1
    assert forgotten.counts["deliveries"] >= 3
    assert found_in(played, lambda _table: set(), (*WORDS, *posts)) == []


def moving(running: InProcess) -> list[Intent]:
    with running.database.read() as tx:
        return list(tx.scalars(select(Intent).where(Intent.state.in_(["approved", "sending", "held"]))))


def found_in(running: InProcess, but: Callable[[str], set[str]], words: Sequence[str] = WORDS) -> list:
    """Every row that holds one of *words*, outside of the columns that *but* names for its table."""
    rows, found = 0, []
    with running.database.read() as tx:
        for name, table in Base.metadata.tables.items():
            if name == "mapping_versions":
                continue  # the admins' own texts
            kept = [column for column in table.columns if column.name not in but(name)]
            for row in tx.execute(table.select()).mappings():
                said = json.dumps([row[column.name] for column in kept], default=str).lower()
                rows += 1
                found += [(name, word, said) for word in words if word.lower() in said]
    assert rows > 50
    return found


def test_the_words_are_where_they_are_said_to_be(played: InProcess):
    """The search above would also be content with an empty database; this one would not."""
    with played.database.read() as tx:
        kept = " ".join(
            str(value)
            for name, columns in PERSONAL.items()
            for row in tx.execute(Base.metadata.tables[name].select()).mappings()
            for value in (row[column] for column in columns)
        ).lower()
    assert [word for word in WORDS if word not in kept] == []


def test_the_file_of_a_played_story_tells_it_whole(played: InProcess):
    """Every station is a line; the lines name ids, stages and reasons."""
    with played.database.read() as tx:
        [case] = tx.query(Case)
        kinds = [event.kind for event in casefile.read(tx, case.id)]
        assert tx.query(Event).count() >= len(kinds)
    assert {"opened", "came in", "sending", "confirmed", "held", "failed", "receipt"} <= set(kinds)
    assert set(kinds[:2]) == {"came in", "opened"}


def test_a_case_file_still_reads_when_the_words_are_gone(played: InProcess):
    """Erasure and retention are an UPDATE: every personal column takes its empty value."""
    with played.database.write() as tx:
        for name, columns in PERSONAL.items():
            table = Base.metadata.tables[name]
            tx.execute(update(table).values({column: empty(table.columns[column]) for column in columns}))
    with played.database.read() as tx:
        [case] = tx.query(Case)
        assert [row.text for row in messages.of_case(tx, case.id)] == [None, None]
        assert all(messages.as_message(row).author.name == "" for row in messages.of_case(tx, case.id))
        assert "receipt" in [event.kind for event in casefile.read(tx, case.id)]
        assert tx.query(Intent).count() > 5
        assert tx.query(Message).count() >= 2


def empty(column):
    """NULL where the column takes it; else nothing, in the column's own type."""
    if column.nullable:
        return b"" if isinstance(column.type, LargeBinary) else None
    return [] if column.name == "attachments" else {}
