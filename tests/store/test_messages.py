"""One row per message, whatever brought it and in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from bridge.core.message import (
    Attachment,
    Author,
    EventKind,
    InboundEvent,
    MessageKind,
    Sentiment,
    Severity,
    SocialMessage,
    Tag,
    Visibility,
)
from bridge.store import cases, messages
from bridge.store.database import Database
from bridge.store.messages import Senders
from bridge.store.tables import Case, Message, MessageTag
from tests.store.conftest import NOON, make_case

ID = "https://plaza.example/posts/1"
SENDERS = Senders(native=frozenset({"kopi-plaza"}), relays=frozenset({"kopi-forum"}))


def after(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


POST = SocialMessage(
    network="standard",
    id=ID,
    account="kopi-plaza",
    author=Author("author-1", "@dewi", "Dewi", "https://plaza.example/@dewi"),
    text="The app logs me out",
    posted_at=NOON,
    native_id="1",
    root_id=ID,
    permalink="https://plaza.example/p/1",
    language="en",
    visibility=Visibility.UNLISTED,
    attachments=(Attachment("image", "https://plaza.example/1.png", "a screen"),),
)
EDITED = replace(
    POST, text="The app logs me out every hour", edited_at=after(2), language=None, permalink=None
)
EDITED_AGAIN = replace(
    EDITED,
    text="Every half hour now",
    edited_at=after(5),
    author=Author("author-1", "@dewi_s", "Dewi S.", None),
    attachments=(),
)
BARE = replace(POST, account="social-team-tags", native_id="", permalink=None)


def created(message: SocialMessage = POST) -> InboundEvent:
    return InboundEvent(EventKind.CREATED, "standard", ID, message.posted_at, message)


def updated(message: SocialMessage) -> InboundEvent:
    return InboundEvent(EventKind.UPDATED, "standard", ID, message.edited_at or NOON, message)


def deleted(at: datetime) -> InboundEvent:
    return InboundEvent(EventKind.DELETED, "standard", ID, at)


def tagged(name: str, at: datetime, by: str = "ana", message: SocialMessage | None = None) -> InboundEvent:
    tag = Tag(name, "social-team-tags", at, by)
    return InboundEvent(EventKind.TAGGED, "standard", ID, at, message, (tag,))


def untagged(name: str, at: datetime, by: str = "bo") -> InboundEvent:
    tag = Tag(name, "social-team-tags", at, by)
    return InboundEvent(EventKind.UNTAGGED, "standard", ID, at, tags=(tag,))


STORY = (
    created(),
    updated(EDITED),
    updated(EDITED_AGAIN),
    tagged("crisis", after(1)),
    untagged("crisis", after(3)),
    tagged("crisis", after(4), by="cy"),
    tagged("sales-lead", after(1), message=BARE),
    untagged("sales-lead", after(6)),
    deleted(after(7)),
    deleted(after(8)),
)


def state_after(database: Database, events: Sequence[InboundEvent]) -> dict[str, Any]:
    """What the tables say of the message; nothing is kept."""
    with database.write() as tx:
        for number, event in enumerate(events):
            messages.apply(tx, "bridge", [event], after(60 + number), SENDERS)
        [row] = tx.query(Message)
        columns = {column.name for column in Message.__table__.columns} - {"id", "received_at", "due_at"}
        state = {name: getattr(row, name) for name in columns}
        state["tags"] = {
            (tag.name, tag.source): (tag.tagged_at, tag.tagger, tag.removed_at, tag.changed_at)
            for tag in tx.query(MessageTag)
        }
        state["on now"] = [tag.name for tag in messages.tags_of(tx, row)]
        tx.rollback()
    return state


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(order=st.permutations(STORY), again=st.lists(st.sampled_from(STORY), max_size=3))
def test_the_end_is_the_same_in_whatever_order_events_come(database: Database, order, again):
    """Webhooks overtake one another and come twice: the last state is that of the source's own order."""
    assert state_after(database, [*order, *again]) == state_after(database, STORY)


def test_the_latest_version_is_the_one_that_is_kept(database: Database):
    """Words and names of the newest edit; what it does not say (language, link) from an older one."""
    state = state_after(database, STORY)
    assert (state["text"], state["edited_at"]) == ("Every half hour now", after(5))
    assert (state["author_handle"], state["author_name"], state["author_url"]) == ("@dewi_s", "Dewi S.", None)
    assert (state["language"], state["permalink"]) == ("en", "https://plaza.example/p/1")
    assert (state["account"], state["native_id"]) == ("kopi-plaza", "1")
    assert state["attachments"] == []
    assert state["visibility"] == "unlisted"
    assert state["deleted_at"] == after(7)
    assert state["on now"] == ["crisis"]
    assert state["tags"]["crisis", "social-team-tags"] == (after(1), "ana", None, after(4))


@pytest.mark.parametrize("order", list(permutations([tagged("crisis", after(1)), created()])))
def test_a_tag_before_its_post_waits_for_it(database: Database, order):
    """The tag source is faster than the network's webhook: one row, complete in the end."""
    with database.write() as tx:
        first = messages.apply(tx, "bridge", [order[0]], after(9), SENDERS)
        assert first.complete is (order[0].message is not None)
        second = messages.apply(tx, "bridge", [order[1]], after(10), SENDERS)
        assert second is first
        assert second.complete
        assert [tag.name for tag in messages.tags_of(tx, second)] == ["crisis"]
        assert second.due_at == after(10)


def test_a_placeholder_is_no_message(database: Database):
    """Nothing can be decided about a post that nobody has seen."""
    with database.write() as tx:
        row = messages.apply(tx, "bridge", [deleted(after(1))], after(2), SENDERS)
        assert row.deleted_at == after(1)
        with pytest.raises(ValueError, match="placeholder"):
            messages.as_message(row)


def test_a_message_comes_back_as_it_was_taken_in(database: Database):
    """Every field of the core's message survives the table."""
    whole = replace(POST, parent_id="https://plaza.example/posts/0", parent_text="Hello", edited_at=after(1))
    with database.write() as tx:
        row = messages.apply(tx, "bridge", [created(whole)], after(2), SENDERS)
        tx.flush()
        tx.expire_all()
        assert messages.as_message(row, ["crisis"]) == replace(whole, tags=frozenset({"crisis"}))


@pytest.mark.parametrize("order", list(permutations([created(BARE), created(POST)])))
def test_the_account_on_the_network_itself_keeps_the_message(database: Database, order):
    """A relay may bring it first; only the network's own account can answer."""
    with database.write() as tx:
        for event in order:
            row = messages.apply(tx, "bridge", [event], after(1), SENDERS)
    assert (row.account, row.native_id) == ("kopi-plaza", "1")


RELAYED = replace(BARE, account="kopi-forum", text="The app logs me out (forum)", edited_at=after(8))
OF_SOURCE = replace(BARE, text="The app logs me out (tags)", edited_at=after(9), visibility=Visibility.PUBLIC)


@pytest.mark.parametrize("order", list(permutations([POST, EDITED, RELAYED, OF_SOURCE])))
def test_what_the_network_says_of_a_post_counts_in_whatever_order_it_comes(database: Database, order):
    """Its newest version, even where a relay or a tag source has told of a later edit before."""
    for message in order:
        put(database, created(message))
    known = read(database)
    assert (known.account, known.native_id) == ("kopi-plaza", "1")
    assert (known.text, known.edited_at) == (EDITED.text, EDITED.edited_at)
    assert (known.visibility, known.permalink) == (Visibility.UNLISTED, POST.permalink)


ROOT, PARENT = "https://plaza.example/posts/-1", "https://plaza.example/posts/0"
ANSWER = replace(POST, root_id=ROOT, parent_id=PARENT, parent_text="Which version?")
ANSWER_EDITED = replace(EDITED, root_id=ID)  # of a sender that says where a post hangs only once
ASTRAY = replace(RELAYED, root_id="https://forum.example/1", parent_id="https://forum.example/2")
ROOTLESS = replace(OF_SOURCE, root_id=None, parent_id=PARENT, parent_text="Which version?")


@pytest.mark.parametrize("order", list(permutations([ANSWER, ANSWER_EDITED, ASTRAY, BARE])))
def test_a_post_hangs_where_its_network_says(database: Database, order):
    """Neither a relay that knows another thread nor a tag source that knows none moves it."""
    for message in order:
        put(database, created(message))
    known = read(database)
    assert (known.thread, known.parent_id, known.parent_text) == (ROOT, PARENT, "Which version?")


@pytest.mark.parametrize("order", list(permutations([POST, EDITED, ASTRAY])))
def test_a_post_that_begins_its_thread_on_the_network_answers_nothing(database: Database, order):
    """Whatever a relay makes of it."""
    for message in order:
        put(database, created(message))
    known = read(database)
    assert (known.thread, known.parent_id, known.parent_text) == (ID, None, None)


@pytest.mark.parametrize(
    ("said", "relayed"), [(replace(ANSWER, root_id=None), ANSWER), (ANSWER, ROOTLESS), (ROOTLESS, ANSWER)]
)
def test_where_a_post_hangs_is_filled_in_by_whoever_knows(
    database: Database, said: SocialMessage, relayed: SocialMessage
):
    """An answer whose network does not know its root yet: a relay's word is better than none."""
    for order in permutations((replace(said, account="kopi-plaza"), replace(relayed, account="kopi-forum"))):
        with database.write() as tx:
            tx.execute(delete(Message))
        for message in order:
            put(database, created(message))
        known = read(database)
        assert (known.thread, known.parent_id, known.parent_text) == (ROOT, PARENT, "Which version?")


@pytest.mark.parametrize("order", list(permutations([RELAYED, OF_SOURCE])))
def test_a_relay_of_a_brand_takes_a_post_over_from_a_tag_source(database: Database, order):
    """On a network where no brand has an account: only what is a brand's can have a case."""
    for message in order:
        put(database, created(message))
    assert (read(database).account, read(database).text) == ("kopi-forum", RELAYED.text)


def test_a_post_that_only_a_tag_source_has_brought_waits_for_whoever_can_answer_it(database: Database):
    """It is not among those that were considered until an account of a brand has it."""
    with database.write() as tx:
        for message, is_known in ((BARE, False), (POST, True)):
            row = messages.apply(tx, "bridge", [created(message)], after(1), SENDERS)
            row.due_at = None
            tx.flush()
            assert messages.considered(tx, "bridge", "standard", [ID], SENDERS) == (
                {ID} if is_known else set()
            )


def test_the_same_tag_of_two_sources_is_two_facts(database: Database):
    """One source takes it off again: the other's still stands."""
    other = Tag("crisis", "somebody-else", after(1))
    with database.write() as tx:
        messages.apply(tx, "bridge", [tagged("crisis", after(1))], NOON, SENDERS)
        messages.apply(
            tx,
            "bridge",
            [InboundEvent(EventKind.TAGGED, "standard", ID, after(1), tags=(other,))],
            NOON,
            SENDERS,
        )
        row = messages.apply(tx, "bridge", [untagged("crisis", after(2))], NOON, SENDERS)
        assert [tag.source for tag in messages.tags_of(tx, row)] == ["somebody-else"]


def test_a_post_is_known_when_a_flow_has_considered_it(database: Database):
    """What is still to be considered, only half known, or a tag source's, may have to be told once more."""
    asked = {"installation": "bridge", "network": "standard", "ids": [ID, "unheard-of"], "senders": SENDERS}
    with database.write() as tx:
        row = messages.apply(tx, "bridge", [tagged("crisis", NOON, message=BARE)], NOON, SENDERS)
        row.due_at = None
        tx.flush()
        assert messages.considered(tx, **asked) == set()
        messages.apply(tx, "bridge", [created()], NOON, SENDERS)
        tx.flush()
        assert messages.considered(tx, **asked) == set()
        row.due_at = None
        tx.flush()
        assert messages.considered(tx, **asked) == {ID}


def test_the_same_id_on_two_networks_is_two_messages(database: Database):
    """And in two installations as well."""
    elsewhere = InboundEvent(EventKind.DELETED, "mastodon", ID, NOON)
    with database.write() as tx:
        for installation, event in (("a", deleted(NOON)), ("b", deleted(NOON)), ("a", elsewhere)):
            messages.apply(tx, installation, [event], NOON, SENDERS)
        assert tx.query(Message).count() == 3


def test_there_is_one_open_case_per_customer_and_thread(database: Database):
    """Two workers that both want to open it: the second one is stopped by the table itself."""
    with database.write() as tx:
        cases.begin(tx, make_case())
    with pytest.raises(ValueError, match="has an open case already"), database.write() as tx:
        cases.begin(tx, make_case())
    with pytest.raises(IntegrityError, match=r"UNIQUE constraint failed: cases\."), database.write() as tx:
        tx.add(make_case())


@pytest.mark.parametrize("state", ["open", "solved"])
def test_a_case_that_is_not_closed_keeps_its_place(database: Database, state: str):
    """Solved is not the end: the loop is still open."""
    with database.write() as tx:
        tx.add(make_case(state=state))
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.add(make_case())


@pytest.mark.parametrize(
    "other",
    [
        {"thread_root": "post-2"},
        {"author_id": "author-2"},
        {"account": "kopi-mastodon"},
        {"network": "mastodon"},
        {"installation": "other"},
    ],
)
def test_another_matter_is_another_case(database: Database, other: dict[str, str]):
    """Another thread, person, account, network or installation."""
    with database.write() as tx:
        tx.add_all([make_case(), make_case(**other)])
    with database.read() as tx:
        assert tx.query(Case).count() == 2


def test_closed_cases_do_not_stand_in_the_way(database: Database):
    """A thread may have any number of matters behind it."""
    with database.write() as tx:
        tx.add_all([make_case(state="closed"), make_case(state="closed"), make_case()])
    with database.read() as tx:
        assert tx.query(Case).count() == 3


JUDGED = replace(
    POST,
    author=replace(POST.author, followers=12_500),
    kind=MessageKind.REVIEW,
    severity=Severity.HIGH,
    sentiment=Sentiment.NEGATIVE,
)


def test_what_routes_ask_of_a_message_comes_back_as_it_came(database: Database):
    """Its kind, its author's reach, its severity and its mood; a version without them takes none away."""
    put(database, created(JUDGED))
    assert read(database) == JUDGED

    put(database, created(EDITED))
    known = read(database)
    assert (known.author.followers, known.severity, known.sentiment) == (
        12_500,
        Severity.HIGH,
        Sentiment.NEGATIVE,
    )


def test_what_a_relay_makes_of_a_post_is_added_to_what_its_network_says(database: Database):
    """In either order: no network tells a mood, and a relay tells no kind better than the network."""
    relayed = replace(JUDGED, account="social-team-tags", native_id="", kind=MessageKind.DIRECT)
    for order in ((POST, relayed), (relayed, POST)):
        with database.write() as tx:
            tx.execute(delete(Message))
        for one in order:
            put(database, created(one))
        known = read(database)
        assert (known.kind, known.severity, known.sentiment) == (
            MessageKind.PUBLIC,
            Severity.HIGH,
            Sentiment.NEGATIVE,
        )


@pytest.mark.parametrize(
    ("visibility", "parent", "kind"),
    [
        (Visibility.PUBLIC, None, MessageKind.PUBLIC),
        (Visibility.UNLISTED, "https://plaza.example/posts/0", MessageKind.REPLY),
        (Visibility.FOLLOWERS, None, MessageKind.DIRECT),
    ],
)
def test_a_message_from_before_there_were_kinds_has_the_one_that_shows(
    database: Database, visibility: Visibility, parent: str | None, kind: MessageKind
):
    """By who may read it, and whether it answers another."""
    put(database, created(replace(POST, visibility=visibility, parent_id=parent)))
    with database.write() as tx:
        tx.execute(update(Message).values(kind=None))
    assert read(database).kind is kind


def put(database: Database, event: InboundEvent) -> None:
    with database.write() as tx:
        messages.apply(tx, "bridge", [event], after(30), SENDERS)


def read(database: Database) -> SocialMessage:
    with database.read() as tx:
        [row] = tx.scalars(select(Message))
        return messages.as_message(row)
