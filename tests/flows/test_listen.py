"""Threads are read again, so that an answer without a mention is heard: one in trouble stops no other."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bridge.core.message import RawItem, SocialMessage
from bridge.errors import VendorBusyError
from bridge.flows import listen
from bridge.networks.mastodon.outbound import MastodonConnection
from bridge.sandbox import Sandbox
from bridge.store.tables import Case, Cursor, Delivery, Message
from tests.running import InProcess, eventually
from tests.stories.seen import first_poll, quiet, the_ticket

KEY = "reread:kopi-mastodon"


class Threads:
    """What a server lets us read. *broken* maps the ids of posts to the status that it answers."""

    def __init__(self) -> None:
        self.broken: dict[str, int] = {}
        self.tried: list[str] = []
        self._read = MastodonConnection.read_thread

    def read(self, line: MastodonConnection, message: SocialMessage) -> tuple[RawItem, ...]:
        self.tried.append(message.id)
        if message.id in self.broken:
            raise VendorBusyError("mastodon", "read_thread", status=self.broken[message.id])
        return self._read(line, message)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    threads = Threads()

    def read(line: MastodonConnection, message: SocialMessage) -> tuple[RawItem, ...]:
        return threads.read(line, message)

    monkeypatch.setattr(MastodonConnection, "read_thread", read)
    return threads


@pytest.fixture
def posts(sandbox: Sandbox, running: InProcess, threads: Threads) -> list[str]:
    """The first posts of two cases, in the order in which they are read; nothing runs by itself any more."""
    first_poll(running)
    for count, author in enumerate(("dewi", "maria"), start=1):
        sandbox.mastodon.post(author, "@kopi The app logs me out every hour", language="en")
        the_ticket(sandbox, count)
    eventually(lambda: quiet(running), what="both cases are open")
    running.bridge.engine.stop()
    with running.database.write() as tx:
        cursor = tx.get_one(Cursor, KEY)
        cursor.value, cursor.failures, cursor.reason = None, 0, None
        found = tx.scalars(select(Message.global_id).join(Case, Message.case_id == Case.id).order_by(Case.id))
        ids = list(found)
    threads.tried.clear()
    return ids


def a_round(running: InProcess) -> Cursor:
    """Read the next threads now; where that has come to."""
    world = running.bridge.world
    with world.database.write() as tx:
        tx.get_one(Cursor, KEY).due_at = world.clock.now() - timedelta(seconds=1)
    listen.poll(world, KEY)
    with world.database.read() as tx:
        return tx.get_one(Cursor, KEY)


def test_a_thread_in_trouble_keeps_no_other_from_being_heard(
    sandbox: Sandbox, running: InProcess, threads: Threads, posts: list[str]
):
    """The server stumbles over one post for good: another customer's edit is heard all the same."""
    threads.broken[posts[0]] = 500
    native_id = next(post.id for post in sandbox.mastodon.posts() if post.uri == posts[1])
    sandbox.mastodon.edit(native_id, "@kopi The app logs me out EDITED")

    cursor = a_round(running)

    assert threads.tried == posts
    assert (cursor.failures, cursor.value) == (0, None)
    with running.database.read() as tx:
        assert any(b"EDITED" in (one.body or b"") for one in tx.scalars(select(Delivery)))


def test_an_outage_keeps_the_place(
    running: InProcess, threads: Threads, posts: list[str], monkeypatch: pytest.MonkeyPatch
):
    """No thread can be read: the round has failed, and begins again at the same one."""
    monkeypatch.setattr(listen, "THREADS_A_ROUND", 1)
    threads.broken = dict.fromkeys(posts, 503)

    rounds = [a_round(running) for _ in range(listen.STANDING - 1)]

    assert [(one.failures, one.value) for one in rounds] == [(n, None) for n in range(1, listen.STANDING)]
    assert set(threads.tried) == {posts[0]}


def test_a_round_that_fails_for_good_is_walked_past(
    running: InProcess, threads: Threads, posts: list[str], monkeypatch: pytest.MonkeyPatch
):
    """It may be the trouble of its own threads: those behind it have their turn, and then it has again."""
    monkeypatch.setattr(listen, "THREADS_A_ROUND", 1)
    threads.broken[posts[0]] = 500

    rounds = [a_round(running) for _ in range(listen.STANDING + 1)]

    assert threads.tried == [posts[0]] * listen.STANDING + [posts[1]]
    assert [one.failures for one in rounds[-2:]] == [listen.STANDING, 0]


def test_a_server_in_trouble_is_not_asked_for_every_thread(
    running: InProcess, threads: Threads, posts: list[str], monkeypatch: pytest.MonkeyPatch
):
    """After some that it could not read, the round is over."""
    monkeypatch.setattr(listen, "IN_TROUBLE", 1)
    threads.broken = dict.fromkeys(posts, 500)

    cursor = a_round(running)

    assert threads.tried == posts[:1]
    assert (cursor.failures, cursor.value) == (1, None)


def test_a_rate_limit_is_no_threads_fault(running: InProcess, threads: Threads, posts: list[str]):
    """The round ends at once, and however often that happens, nothing is walked past."""
    threads.broken[posts[0]] = 429

    rounds = [a_round(running) for _ in range(listen.STANDING + 1)]

    assert set(threads.tried) == {posts[0]}
    assert {one.value for one in rounds} == {None}


def test_an_answer_that_came_in_without_its_thread_is_put_in_its_place(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """The server stumbled over it as a mention: when its thread is read, it is the customer's later word."""
    first_poll(running)
    post = sandbox.mastodon.post("dewi", "@kopi The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    context, stumbled = MastodonConnection._context, threading.Event()

    def stumbles(line: MastodonConnection, operation: str, native_id: str) -> Any:
        if operation == "poll" and native_id not in (post.id, "0"):
            stumbled.set()
            raise VendorBusyError("mastodon", operation, status=500)
        if operation == "read_thread" and not unplaced():
            raise VendorBusyError("mastodon", operation, status=500)
        return context(line, operation, native_id)

    def unplaced() -> bool:
        with running.database.read() as tx:
            found = tx.scalars(select(Message).where(Message.text.contains("on my phone")))
            return any(row.due_at is None for row in found)

    monkeypatch.setattr(MastodonConnection, "_context", stumbles)
    sandbox.mastodon.post("dewi", "@kopi It happens on my phone, too", reply_to=post.id, language="en")
    eventually(unplaced, what="it is heard without its thread")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("on my phone"), what="the later words")
    assert stumbled.is_set()
    assert len(sandbox.zendesk.tickets()) == 1
