"""Who writes about a post is alone with its thread, and takes that first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bridge.core.message import Author, EventKind, InboundEvent, SocialMessage, Tag
from bridge.errors import StoreBusyError
from bridge.store import forget, messages, threads
from bridge.store.database import Database
from bridge.store.messages import Senders
from bridge.store.person import Person
from bridge.store.portion import Portion
from tests.postgres import Postgres
from tests.store.conftest import NOON

ROOT, ID = "https://plaza.example/posts/0", "https://plaza.example/posts/1"
ANSWER = SocialMessage(
    "standard", ID, "kopi-plaza", Author("dewi", "@dewi"), "Still broken", NOON, root_id=ROOT, parent_id=ROOT
)
SENDERS = Senders(frozenset({"kopi-plaza"}))
CAME = InboundEvent(EventKind.CREATED, "standard", ID, NOON, ANSWER)
ANOTHER = replace(CAME, message_id="another", message=replace(ANSWER, id="another"))
TAGGED = InboundEvent(
    EventKind.TAGGED, "standard", ID, NOON, tags=(Tag("crisis", "social-team-tags", NOON, "ana"),)
)


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Database]:
    database = Database(postgres.migrated_database(), busy_timeout_s=0.1)
    yield database
    database.close()


def take(database: Database, event: InboundEvent) -> None:
    with database.write() as tx:
        threads.hold(tx, "bridge", [[event]])
        threads.require(tx, messages.apply(tx, "bridge", [event], NOON, SENDERS))


@pytest.mark.parametrize("first", [CAME, TAGGED])
def test_a_post_and_its_tag_wait_for_each_other_before_they_write(server: Database, first: InboundEvent):
    """Whichever is first; neither the tag nor its source knows of which thread the post is."""
    with server.write() as tx:
        threads.hold(tx, "bridge", [[first]])
        for event in (CAME, TAGGED):
            with pytest.raises(StoreBusyError, match="lock timeout"):
                take(server, event)
    take(server, TAGGED)


def test_a_tag_waits_for_whoever_writes_about_the_thread_of_its_post(server: Database):
    """The thread is that of the row, for what names none."""
    take(server, CAME)
    with server.write() as tx:
        threads.hold(tx, "bridge", [[ANOTHER]])
        with pytest.raises(StoreBusyError, match="lock timeout"):
            take(server, TAGGED)
    take(server, TAGGED)


@pytest.mark.parametrize("is_free", [True, False])
def test_who_finds_a_post_in_another_thread_does_not_wait_for_that_one(server: Database, is_free: bool):
    """That would be the wrong order: it has locked the row. It takes what is free, or comes again."""
    take(server, CAME)
    with server.write() as other:
        threads.hold(other, "bridge", [] if is_free else [[ANOTHER]])
        with server.write() as tx:
            row = messages.apply(tx, "bridge", [TAGGED], NOON, SENDERS)
            if is_free:
                threads.require(tx, row)
            else:
                with pytest.raises(StoreBusyError, match="has just come to a thread"):
                    threads.require(tx, row)


def test_an_embedded_database_needs_none_of_it(database: Database):
    """Its transactions come one after the other."""
    for event in (TAGGED, CAME):
        take(database, event)


def test_a_person_of_whom_very_much_was_said_is_not_too_many_locks(either: Database):
    """A server has room for so many, and refuses the whole transaction when there are more."""
    ewa = Person("plaza", frozenset({"ewa"}), frozenset())
    spoken_of = frozenset(f"post-{number}" for number in range(20_000))
    with either.write() as tx:
        forget.hold(tx, "bridge", ewa, Portion(stones=spoken_of, last=True))
