"""Any story at all: whatever happens in whatever order, the thread, the ticket and the card agree.

Hypothesis plays customers, agents, the team, vendors that fail and a bridge that dies between
any two of its writes; the model says what must be outside in the end. A longer run, with new
examples each time and the failing one shrunk:

    HYPOTHESIS_PROFILE=long python -m pytest -n0 --timeout=0 tests/stories/test_any_story.py
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from bridge import app
from bridge.core.intent import Effect, IntentState
from bridge.errors import StoreBusyError
from bridge.sandbox import Sandbox
from bridge.store.leases import LeaseLostError
from bridge.store.tables import Case, Event, Intent
from tests.running import InProcess, eventually
from tests.stories.seen import Ahead, brand_posts, doubled, first_poll, quiet

SOON = {
    "BRIDGE_CALL_TIMEOUT_S": "1",
    "BRIDGE_SETTLE_S": "0.1",
    "BRIDGE_LINGER_S": "0.05",
    "BRIDGE_REREAD_S": "0.2",
}
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
PLAYED = settings(
    max_examples=300 if LONG else 8,
    stateful_step_count=25 if LONG else 14,
    derandomize=not LONG,
    database=None,
    deadline=None,
    # Shrinking plays the story again and again: for whoever asked for it.
    phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
WAITS = (IntentState.HELD, IntentState.UNKNOWN, IntentState.REFUSED)
SAID_NO = (*WAITS, IntentState.GONE)


class KilledError(LeaseLostError, StoreBusyError):
    """What a bridge meets that is dead: flows stop without a word, and the door answers nothing of use."""


class Mortal:
    """A bridge in this process that dies at its next write but so many, and writes nothing ever after."""

    def __init__(self, running: InProcess) -> None:
        self._running = running
        self._lock = threading.Lock()
        self._left: int | None = None
        self.is_dead = threading.Event()
        self._bind()

    def _bind(self) -> None:
        self._left, self.is_dead = None, threading.Event()
        database = self._running.database
        self._write = database.write
        database.write = self._mortal_write  # type: ignore[method-assign]

    @contextmanager
    def _mortal_write(self, **how: Any) -> Iterator[Any]:
        with self._lock:
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    self.is_dead.set()
        if self.is_dead.is_set():
            raise KilledError("dead")
        with self._write(**how) as tx:
            yield tx

    def die_after(self, writes: int) -> None:
        with self._lock:
            self._left = writes
        self.is_dead.wait(0.4)
        self.is_dead.set()

    def come_back(self) -> None:
        """The next process on the same folder, at the same address."""
        self._running.restart()
        self._bind()


@dataclass
class Said:
    """A public comment of an agent, and the update that it came in."""

    text: str
    update: int


FAULTS = (
    ("zendesk", "open_ticket"), ("zendesk", "register_user"), ("zendesk", "update_ticket"),
    ("zendesk", "list_audits"), ("zendesk", "read_ticket"), ("zendesk", "list_tickets"),
    ("slack", "chat.postMessage"), ("slack", "chat.update"), ("slack", "conversations.history"),
    ("site", "reply"), ("site", "look"),
)  # fmt: skip
KINDS = (
    ("lost_response", 0), ("drop_before", 0), ("status", 500), ("status_after", 500), ("status", 429),
)  # fmt: skip
OPERATIONS = {
    "plaza": {"reply": "reply", "look": "look"},
    "mastodon": {"reply": "post_status", "look": "read_context"},
}


class AnyStory(RuleBasedStateMachine):
    """One thread of one customer, and whatever people, vendors and machines do to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.number = 0
        self.posts: dict[str, list[str]] = {}
        self.deleted: set[str] = set()
        self.said: list[Said] = []
        self.notes: list[str] = []
        self.solves = 0
        self.caught: list[Any] | None = None

    @initialize(site=st.sampled_from(["plaza", "mastodon"]), honours_keys=st.booleans())
    def complain(self, site: str, honours_keys: bool) -> None:
        self.sandbox = Sandbox(honours_keys=honours_keys)
        self.name, self.site = site, getattr(self.sandbox, site)
        self.running = InProcess(Path(self._folder.name) / "data", self.sandbox, **SOON)
        self.clock = Ahead()
        self._set_clock()
        self.mortal = Mortal(self.running)
        if site == "mastodon":
            first_poll(self.running)
        self.root = self._post("The app logs me out every hour", None)

    def _set_clock(self) -> None:
        self.running.bridge.world.clock = self.running.bridge.door.clock = self.clock

    def _post(self, text: str, reply_to: str | None) -> str:
        post = self.site.post("dewi", text, reply_to=reply_to, language="en")
        self.posts[post.id] = [text]
        return str(post.id)

    def _new(self, kind: str) -> str:
        """Words that nobody said before, and that are like no others."""
        self.number += 1
        return f"{kind} {'abcdefghijklmnopqrstuvwxyz'[self.number % 26] * 7} {'xyzuvw'[self.number % 6] * 5}"

    @property
    def tickets(self) -> list[Any]:
        """What agents can work on. No precondition asks for it: how soon it is there is not drawn."""
        return self.sandbox.zendesk.tickets()

    @rule()
    def post(self) -> None:
        self._post(self._new("It happens when"), self.root if self.root not in self.deleted else None)

    @precondition(lambda self: len(self.deleted) < len(self.posts))
    @rule(which=st.integers(0, 9))
    def edit(self, which: int) -> None:
        left = [post for post in self.posts if post not in self.deleted]
        post = left[which % len(left)]
        # The words that make it a case are in it still: the first version may never be heard.
        self.posts[post].append(self._new("Better said, it logs me out"))
        self.site.edit(post, self.posts[post][-1])

    @precondition(lambda self: len(self.posts) - len(self.deleted) > 1)
    @rule(which=st.integers(0, 9))
    def delete(self, which: int) -> None:
        left = [post for post in self.posts if post not in self.deleted and post != self.root]
        if left:
            self.deleted.add(left[which % len(left)])
            self.site.delete(left[which % len(left)])

    @rule(tag=st.sampled_from(["technical-issue", "feature-request", "crisis"]))
    def tag(self, tag: str) -> None:
        known = self.root if self.name == "plaza" else self.site.posts()[0].uri
        self.sandbox.tags.tag("standard" if self.name == "plaza" else "mastodon", known, tag)

    @rule(solving=st.booleans(), held=st.sampled_from([False, False, False, True]))
    def comment(self, solving: bool, held: bool) -> None:
        text = self._new("We see that") + (" write to ana@kopi.example" if held else "")
        self._comment(text, solving)

    @rule()
    def comment_the_same_words(self) -> None:
        if self.said:
            self._comment(self.said[-1].text, solving=False)

    def _comment(self, text: str, solving: bool) -> None:
        if not self.tickets:
            return
        status = "solved" if solving else None
        update = self.sandbox.zendesk.agent_comments(self.tickets[0].id, text, status=status)
        self.said.append(Said(text, update))
        self.solves += solving

    @rule()
    def note_internally(self) -> None:
        if not self.tickets:
            return
        self.notes.append(self._new("Between us"))
        self.sandbox.zendesk.agent_comments(self.tickets[0].id, self.notes[-1], public=False)

    @rule(via=st.sampled_from(["web", "web", "rule", "api"]))
    def solve(self, via: str) -> None:
        if not self.tickets:
            return
        self.sandbox.zendesk.solve(self.tickets[0].id, via=via)
        self.solves += 1

    @rule()
    def reopen(self) -> None:
        if self.tickets and self.tickets[0].status == "solved":
            self.sandbox.zendesk.reopen(self.tickets[0].id)

    @rule(label=st.sampled_from(["take this", "Why here", "Post it", "Don't", "there already"]))
    def press(self, label: str) -> None:
        for card in self.sandbox.slack.cards():
            button = card.button(label)
            if button is not None:
                self.sandbox.slack.press(card.channel, card.ts, button.action_id, value=button.value)

    @rule(where=st.sampled_from(FAULTS), how=st.sampled_from(KINDS), times=st.sampled_from([1, 1, 2]))
    def fail(self, where: tuple[str, str], how: tuple[str, int], times: int) -> None:
        vendor, operation = where
        if vendor == "site":
            vendor, operation = self.name, OPERATIONS[self.name][operation]
        kind, status = how
        self.sandbox.faults.add(vendor, operation, kind, times, status=status, retry_after="0")

    @rule(writes=st.integers(0, 12))
    def die(self, writes: int) -> None:
        self.mortal.die_after(writes)
        self._come_back()

    @rule()
    def restart(self) -> None:
        self._come_back()

    def _come_back(self) -> None:
        self.mortal.come_back()
        self._set_clock()

    @rule()
    def repeat_webhooks(self) -> None:
        """The network tells of a post again, and the desk of its last update."""
        if self.name == "plaza":
            self.site.tell_again(self.root)
        for webhook in list(self.sandbox.zendesk.webhooks.values())[:1]:
            if self.tickets:
                ticket = self.tickets[0].id
                body = f'{{"schema": 1, "event": "commented", "ticket_id": "{ticket}"}}'.encode()
                with self.sandbox.zendesk.lock:
                    self.sandbox.zendesk._send(webhook, body)

    @precondition(lambda self: self.caught is None)
    @rule()
    def hold_webhooks(self) -> None:
        """From here on no webhook arrives, until they do: the last one first."""
        self.caught = []
        self._senders = [(one, one.send) for one in self._hooks()]
        for sender in self._hooks():
            sender.send = self.caught.append

    @precondition(lambda self: self.caught is not None)
    @rule()
    def let_webhooks_go(self) -> None:
        caught, self.caught = self.caught or [], None
        ways = dict(self._senders)
        for sender in self._hooks():
            del sender.send
        assert ways
        for hook in reversed(caught):
            self.sandbox.plaza.sender.send(hook)

    def _hooks(self) -> list[Any]:
        return [self.sandbox.zendesk.sender, self.sandbox.plaza.sender, self.sandbox.tags.sender]

    @rule()
    def rest(self) -> None:
        """Nothing happens for a while."""
        self._until_quiet(1.0)

    def _until_quiet(self, seconds: float) -> bool:
        """Wait until nothing is to be done; nobody sits out the waits."""
        end = time.monotonic() + seconds
        still = 0
        while time.monotonic() < end:
            still = still + 1 if self._is_quiet() else 0
            if still >= 4:
                return True
            time.sleep(0.05)
            if self.clock.by < timedelta(minutes=3):
                self.clock.by += timedelta(seconds=0.3)
        return False

    def _is_quiet(self) -> bool:
        return self.sandbox.wait_idle(0.0) and quiet(self.running) and not self._unread()

    def _unread(self) -> bool:
        from bridge.store.tables import TicketRow

        with self.running.database.read() as tx:
            rows = list(tx.scalars(select(TicketRow)))
        return any(row.hinted_at and (row.read_at is None or row.read_at < row.hinted_at) for row in rows)

    def teardown(self) -> None:
        if not hasattr(self, "running"):
            return
        try:
            if self.caught is not None:
                self.let_webhooks_go()
            self.sandbox.faults.clear()
            assert self._until_quiet(40), "it never comes to rest: " + self._unrest()
            eventually(lambda: self.name == "plaza" or self._all_heard(), within=40, what="every post heard")
            assert self._until_quiet(40), "it never comes to rest: " + self._unrest()
            self._compare()
        finally:
            self.sandbox.faults.clear()
            self.running.stop()
            self.sandbox.stop()
            self._folder.cleanup()

    def _unrest(self) -> str:
        with self.running.database.read() as tx:
            moving = (IntentState.APPROVED, IntentState.SENDING)
            rows = tx.scalars(select(Intent).where(Intent.state.in_(moving)))
            return "; ".join(f"{one.effect} {one.cause} {one.state} {one.reason}" for one in rows)

    def _all_heard(self) -> bool:
        return all(
            self.tickets and self.tickets[0].says(texts[-1])
            for post, texts in self.posts.items()
            if post not in self.deleted
        )

    def _compare(self) -> None:
        with self.running.database.read() as tx:
            cases = list(tx.scalars(select(Case)))
            intents = list(tx.scalars(select(Intent)))
            receipts = len(list(tx.scalars(select(Event.id).where(Event.kind == "receipt"))))
        assert [] == doubled(self.sandbox)
        shown = self.sandbox.slack.cards()
        notices = [one for one in shown if (one.metadata or {}).get("event_type") == "bridge_notice"]
        assert [1, 1, 1] == [len(cases), len(self.tickets), len(shown) - len(notices)]
        copies = [one for one in intents if one.effect == Effect.POST_COPY]
        told = [one.draft["queue"] for one in copies]
        assert len(notices) == len(told) == len(set(told))
        crisis = {"incident-response", "triage"} if "crisis" in cases[0].tags else set()
        # An issue hears of itself only where no crisis was known by then.
        issue = (
            {"support-technical"} if {"technical-issue", "feature-request"} <= set(cases[0].tags) else set()
        )
        assert crisis - {cases[0].queue} <= set(told) <= (crisis | issue) - {cases[0].queue}
        self._compare_thread(intents)
        self._compare_ticket(receipts)
        self._compare_end(cases[0], intents)

    def _compare_thread(self, intents: list[Intent]) -> None:
        """Each public word of an agent is there once, or somebody was told why not; no other word is."""
        thread = [post.text for post in brand_posts(self.site)]
        for words in self.notes:
            assert not any(words in text for text in thread), "an internal note is public"
        meant = Counter(one.text for one in self.said)
        for text, times in meant.items():
            there = sum(text in post for post in thread)
            assert there <= times, f"{there} times on the thread, meant {times} times: {text}"
            kept = [one for said in self.said if said.text == text for one in self._of(intents, said)]
            untold = [one for one in kept if one.state in SAID_NO and not one.reason]
            assert untold == [], f"nobody knows why it is not there: {text}"
            settled = sum(one.state in SAID_NO and ":elsewhere:" not in one.cause for one in kept)
            assert there + settled >= times, f"lost: {text}; {[(one.state, one.reason) for one in kept]}"
        others = [post for post in thread if not any(text in post for text in meant)]
        assert len(others) <= self.solves, "more templates than solves"

    def _of(self, intents: list[Intent], said: Said) -> list[Intent]:
        cause = f"update:{said.update}"
        return [
            one
            for one in intents
            if one.effect == Effect.REPLY and (one.cause == cause or one.cause.startswith(f"{cause}:"))
        ]

    def _compare_ticket(self, receipts: int) -> None:
        ticket = self.sandbox.zendesk.ticket(self.tickets[0].id)
        said = [one.text for one in ticket.comments]
        assert receipts == sum(text.startswith("Receipt:") for text in said)
        assert 1 == sum("Why here" in text for text in said)
        public = [one.text for one in ticket.comments if one.public]
        for post, versions in self.posts.items():
            there = sum(any(text in words for text in versions) for words in public)
            assert there <= 1, f"the customer's post is on the ticket {there} times"
            assert there == 1 or post in self.deleted, "the customer's post is not on the ticket"

    def _compare_end(self, case: Case, intents: list[Intent]) -> None:
        """A solved ticket has a receipt, or somebody is asked."""
        ticket = self.sandbox.zendesk.ticket(self.tickets[0].id)
        waiting = [one for one in intents if one.effect == Effect.REPLY and one.state in WAITS]
        if case.state == "closed":
            assert case.receipt
            assert any(one.text.startswith("Receipt:") for one in ticket.comments)
        elif case.state == "solved":
            assert waiting, "an open loop that nobody is asked about"
        elif ticket.status == "solved":
            assert self._wrote_after_the_solve(ticket) or waiting, "solved, and nobody has noticed"

    def _wrote_after_the_solve(self, ticket: Any) -> bool:
        """The customer's words came onto the ticket after somebody had solved it."""
        return len(self.posts) > 1


@pytest.mark.timeout(0 if LONG else 120)
def test_any_story_ends_well(monkeypatch: pytest.MonkeyPatch):
    """Nothing lost, nothing doubled, no internal word public, and no open loop that nobody sees."""
    monkeypatch.setattr(app, "SWEEP_S", 0.1)
    run_state_machine_as_test(AnyStory, settings=PLAYED)
