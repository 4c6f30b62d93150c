"""Flows that write about posts of one thread come one after the other."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.sandbox import Sandbox
from bridge.store import insert
from bridge.store.tables import Case, Message
from tests.running import InProcess, eventually
from tests.stories.seen import the_ticket


def is_considered(running: InProcess, posts: int) -> bool:
    """Whether there are so many posts, and nothing is to be done about any."""
    with running.database.read() as tx:
        rows = list(tx.scalars(select(Message)))
    return len(rows) == posts and all(row.due_at is None for row in rows)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_two_posts_of_a_thread_that_are_tagged_at_once_do_not_wait_for_each_other(
    sandbox: Sandbox, running: InProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The second opens the case and gathers the first, which somebody is about to consider, too."""
    first = sandbox.plaza.post("dewi", "What a strange little café", language="en")
    eventually(lambda: is_considered(running, 1))
    real, asked, second_has_it = insert.alone, threading.Event(), threading.Event()

    def alone(tx: Session, *keys: str) -> None:
        if not asked.is_set():  # the first: it comes to the thread when the second has it already
            asked.set()
            second_has_it.wait(4)
            real(tx, *keys)
            return
        real(tx, *keys)
        if not second_has_it.is_set():
            second_has_it.set()
            time.sleep(0.3)  # until the first waits for this one

    monkeypatch.setattr(insert, "alone", alone)
    sandbox.tags.tag("standard", first.id, "technical-issue")
    assert asked.wait(8)
    sandbox.plaza.post("dewi", "And it is closed", language="en", tags=["technical-issue"], reply_to=first.id)
    the_ticket(sandbox)
    eventually(lambda: is_considered(running, 2))

    with running.database.read() as tx:
        [case] = tx.scalars(select(Case))
        assert {case.id} == {post.case_id for post in tx.scalars(select(Message))}
    assert second_has_it.is_set()
    assert "gave up for now" not in caplog.text
