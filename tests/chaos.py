"""Chaos: many loops at once, a process killed every few seconds, bad weather at every vendor.

    python -m tests.chaos --loops 2000
    python -m tests.chaos --loops 2000 --store postgresql

On SQLite one ``bridge serve``; on PostgreSQL a door and two workers. Each loop is a post, its
ticket, an agent's answer and a solve, in one of five ways. In the end everything is counted
where it shows: on the sandbox's threads, tickets and channels. How many became *unknown*, and what
still waits for a person, is read from the ledger. Exits 0 only if nothing was lost, nothing is there
twice, nothing is stuck or waits, and no process ended by itself.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import and_, create_engine, func, or_, select

from bridge.core.intent import IntentState
from bridge.sandbox import Sandbox
from bridge.sandbox.faults import Weather
from bridge.sandbox.slack.workspace import CardView, Channel, Message, view_of
from bridge.sandbox.zendesk import Limits
from bridge.store.tables import Event, Intent
from tests.postgres import Postgres
from tests.running import REPOSITORY, free_port
from tests.stories.seen import doubled

BUSY, BROKEN, LOST = 0.20, 0.05, 0.05
KILL_EVERY_S = (2.0, 5.0)
# So long without any progress, and what is left counts as lost.
PATIENCE_S = 180.0
TICK_S = 0.2
# Whatever might still come twice, comes within this.
AFTERMATH_S = 8.0
START_S = 60.0  # a process that does not answer so long after its start will not

TIMES = {
    "BRIDGE_POLL_S": "0.5",
    "BRIDGE_REREAD_S": "2",
    "BRIDGE_CALL_TIMEOUT_S": "5",
    "BRIDGE_SETTLE_S": "1",
    "BRIDGE_LINGER_S": "0.1",
    "BRIDGE_THREADS": "24",
    "BRIDGE_LOG_LEVEL": "ERROR",
    "BRIDGE_MAPPINGS": str(REPOSITORY / "mappings"),
}


def word(number: int) -> str:
    """*number* in letters, so that no airlock takes it for a telephone's."""
    letters = "abcdefghij"
    return "loop-" + "".join(letters[int(digit)] for digit in f"{number:05d}")


_NAMED = re.compile(r"loop-[a-j]{5}")


@dataclass
class Loop:
    """One way round, from a post to its receipt.

    ``way``: 0 answered, then solved with a word; 1 answered, then solved in silence; 2 solved
    in silence; 3 answered and solved in one breath; 4 as 0, and the customer writes in between.
    """

    number: int
    site: str
    way: int
    step: str = "posted"
    post: str = ""
    tickets: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return word(self.number)

    @property
    def ticket(self) -> int:
        return self.tickets[0] if self.tickets else 0

    @property
    def answer(self) -> str:
        return f"We are looking into {self.name} now."

    @property
    def farewell(self) -> str:
        return f"Version four mends {self.name}, it is out."

    @property
    def addition(self) -> str:
        return f"It happens on my phone, too ({self.name})"

    @property
    def expected(self) -> list[str | None]:
        """What the brand says on the thread, in this order. None: the template."""
        return {0: [self.answer, self.farewell], 2: [None], 4: [self.answer, self.farewell]}.get(
            self.way, [self.answer]
        )


class FleetError(Exception):
    """A process ended by itself, or does not answer."""


class Fleet:
    """The bridge's processes: one of them is killed every few seconds and started again.

    ``fault`` says what befell them that was not our doing.
    """

    def __init__(self, commands: list[str], env: dict[str, str], port: int, log: Path) -> None:
        self._commands, self._env, self._port = commands, env, port
        self._log = log.open("ab")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._chance = random.Random(port)  # noqa: S311 - it kills, and hides nothing
        self.kills = 0
        self.fault: str | None = None
        for number, command in enumerate(commands):
            self._start(f"{command}-{number}")
        self._thread = threading.Thread(target=self._kill_now_and_then, daemon=True)

    def wait(self) -> None:
        """Until the door answers. Raises FleetError."""
        self._wait_for_the_door()

    def start_killing(self) -> None:
        self._thread.start()

    def stop_killing(self) -> None:
        self._stopping.set()
        self._thread.join()
        try:
            for name in self._running:
                self._require(name)
        except FleetError as error:
            self.fault = self.fault or str(error)

    def stop(self) -> None:
        self._stopping.set()
        for process in self._running.values():
            process.kill()
            process.wait()
        self._log.close()

    def _start(self, name: str) -> None:
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", "bridge", name.partition("-")[0]],
            env=self._env,
            cwd=REPOSITORY,
            stdout=self._log,
            stderr=self._log,
        )

    def _kill_now_and_then(self) -> None:
        try:
            self._kill_until_told_to_stop()
        except FleetError as error:
            self.fault = str(error)

    def _require(self, name: str) -> None:
        status = self._running[name].poll()
        if status is not None:
            raise FleetError(f"{name} ended by itself with status {status}")

    def _kill_until_told_to_stop(self) -> None:
        started_in = 0.0
        # On a busy machine a start takes its time: each process lives longer than it took to start.
        while not self._stopping.wait(self._chance.uniform(*KILL_EVERY_S) + started_in):
            name = self._chance.choice(list(self._running))
            self._require(name)
            process = self._running[name]
            process.kill()
            process.wait()
            self.kills += 1
            begun = time.monotonic()
            self._start(name)
            self._wait_for_the_door()
            started_in = time.monotonic() - begun

    def _wait_for_the_door(self) -> None:
        end = time.monotonic() + START_S
        while not self._stopping.is_set():
            for name in self._running:
                self._require(name)
            if time.monotonic() > end:
                raise FleetError(f"the door does not answer {START_S:.0f} s after a start")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)


class Story:
    """The people: customers who write, agents who answer and solve, a team that settles what it is asked."""

    def __init__(self, sandbox: Sandbox, loops: int, at_once: int) -> None:
        self._sandbox = sandbox
        self._total, self._at_once = loops, at_once
        self.loops: list[Loop] = []
        self._by_name: dict[str, Loop] = {}
        self._tickets_seen = 0
        self._said: dict[str, list[str]] = {}
        self._cards_seen_at = datetime.min.replace(tzinfo=UTC)
        self._waiting: dict[str, tuple[Channel, Message]] = {}
        self._pressed: dict[str, float] = {}
        self.asked: set[str] = set()

    def play(self) -> list[Loop]:
        """Let everybody do what they do next until nobody has anything to do; return what is stuck."""
        moved_at = shown_at = time.monotonic()
        while time.monotonic() - moved_at < PATIENCE_S:
            open_ = [loop for loop in self.loops if loop.step != "closed"]
            if not open_ and len(self.loops) == self._total:
                return []
            moved = self._begin(self._at_once - len(open_))
            self.look()
            for loop in open_:
                moved = self._go_on(loop) or moved
            moved = self._settle_what_is_asked() or moved
            now = time.monotonic()
            moved_at = now if moved else moved_at
            if now - shown_at > 10:
                shown_at = now
                print(
                    f"  {len(self.loops) - len(open_)} of {self._total} closed", file=sys.stderr, flush=True
                )
            time.sleep(TICK_S)
        return [loop for loop in self.loops if loop.step != "closed"]

    def _begin(self, places: int) -> bool:
        count = min(places, self._total - len(self.loops))
        for _ in range(count):
            number = len(self.loops)
            loop = Loop(number, "mastodon" if number % 4 == 3 else "plaza", number % 5)
            text = f"The app logs me out every hour, says {loop.name}"
            with self._sandbox.zendesk.lock:
                email = f"{loop.name}@agents.example"
                # An agent of its own for each: five solves by one in ten seconds are a bulk solve.
                agent = self._sandbox.zendesk.records.add_user(f"Agent {loop.name}", "agent", email)
                self._sandbox.zendesk.agents[loop.name] = agent
            self.loops.append(loop)
            self._by_name[loop.name] = loop
            if loop.site == "plaza":
                tags = ["technical-issue"]
                loop.post = self._sandbox.plaza.post(loop.name, text, tags=tags, language="en").id
            else:
                loop.post = self._sandbox.mastodon.post(loop.name, text, language="en").id
        return count > 0

    def look(self) -> None:
        """See what is new: tickets, and what the brand says in public."""
        desk = self._sandbox.zendesk
        with desk.lock:
            new = list(desk.records.tickets.values())[self._tickets_seen :]
            self._tickets_seen += len(new)
            for ticket in new:
                found = _NAMED.search(ticket.comments[0].body)
                if found:
                    self._by_name[found[0]].tickets.append(ticket.id)
        self._said = said_on(self._sandbox)

    def _go_on(self, loop: Loop) -> bool:
        desk = self._sandbox.zendesk
        before = loop.step
        if loop.step == "posted" and loop.ticket:
            if loop.way == 2:
                loop.step = "said"
            else:
                desk.agent_comments(loop.ticket, loop.answer, agent=loop.name)
                loop.step = "said" if loop.way == 3 else "answered"
        elif loop.step == "answered" and any(loop.answer in text for text in self.thread(loop)):
            loop.step = "said"
            if loop.way == 4:
                site = getattr(self._sandbox, loop.site)
                site.post(loop.name, loop.addition, reply_to=loop.post)
                loop.step = "added"
        elif loop.step == "added" and self._comments(loop, loop.addition):
            loop.step = "said"
        elif loop.step == "said":
            if loop.way in (0, 4):
                desk.agent_comments(loop.ticket, loop.farewell, status="solved", agent=loop.name)
            else:
                desk.solve(loop.ticket, agent=loop.name)
            loop.step = "solved"
        elif loop.step == "solved" and self._comments(loop, "Receipt:"):
            loop.step = "closed"
        return loop.step != before

    def _comments(self, loop: Loop, words: str) -> int:
        with self._sandbox.zendesk.lock:
            ticket = self._sandbox.zendesk.records.tickets[loop.ticket]
            return sum(words in one.body for one in ticket.comments)

    def thread(self, loop: Loop) -> list[str]:
        """What the brand says on a loop's thread, oldest first."""
        return self._said.get(loop.post, [])

    def _settle_what_is_asked(self) -> bool:
        """A person looks at the thread, and presses what is true of it."""
        since, self._cards_seen_at = self._cards_seen_at, datetime.now(UTC) - timedelta(seconds=1)
        with self._sandbox.slack.lock:
            for channel in self._sandbox.slack.channels.values():
                for one in channel.messages:
                    if one.edited_at is not None and one.edited_at >= since:
                        self._waiting[one.ts] = channel, one
        pressed = False
        for ts, (channel, message) in list(self._waiting.items()):
            card = view_of(channel, message)
            if card.button("Post it") is None:
                del self._waiting[ts]
            else:
                pressed = self._press(card) or pressed
        return pressed

    def _press(self, card: CardView) -> bool:
        named, yes = _NAMED.search(card.words), card.button("Post it")
        if named is None or yes is None or time.monotonic() - self._pressed.get(yes.value, -10.0) < 3.0:
            return False
        self.asked.add(yes.value)
        self._pressed[yes.value] = time.monotonic()
        # A fresh look: what is not there by now will not come by itself.
        self._said = said_on(self._sandbox)
        is_there = any(text in card.words for text in self.thread(self._by_name[named[0]]))
        chosen = card.button("there already") if is_there else yes
        if chosen is None:
            chosen = yes
        self._sandbox.slack.press(card.channel, card.ts, chosen.action_id, value=chosen.value)
        return True


def said_on(sandbox: Sandbox) -> dict[str, list[str]]:
    """What the brand says on each thread, by the id of its first post."""
    said: dict[str, list[str]] = {}
    for post in sandbox.plaza.posts():
        if post.own:
            said.setdefault(post.root_id, []).append(post.text)
    roots: dict[str, str] = {}
    for status in sandbox.mastodon.posts():
        roots[status.id] = roots.get(status.parent_id or "", status.id)
        if status.own:
            said.setdefault(roots[status.id], []).append(status.text)
    return said


@dataclass
class Count:
    """What the outside shows in the end, and why anything of it is wrong."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


def count(sandbox: Sandbox, loops: list[Loop]) -> Count:
    """Compare every thread, ticket and channel with what each loop should have left there."""
    found, said = Count(doubled=doubled(sandbox)), said_on(sandbox)
    with sandbox.zendesk.lock, sandbox.slack.lock:
        for loop in loops:
            _compare(found, loop, "tickets", 1, len(loop.tickets))
            _compare_threads(found, loop, said.get(loop.post, []))
            for number in loop.tickets:
                bodies = [one.body for one in sandbox.zendesk.records.tickets[number].comments]
                for words in ("Why here", "Receipt:", *([loop.addition] if loop.way == 4 else [])):
                    _compare(found, loop, words, 1, sum(words in body for body in bodies))
        cards = Counter(
            named[0]
            for channel in sandbox.slack.channels.values()
            for one in channel.messages
            if one.thread_ts is None and (named := _NAMED.search(view_of(channel, one).words))
        )
        for loop in loops:
            _compare(found, loop, "cards", 1, cards[loop.name])
    return found


def _compare_threads(found: Count, loop: Loop, said: list[str]) -> None:
    _compare(found, loop, "public words", len(loop.expected), len(said))
    for wanted in loop.expected:
        if wanted is not None:
            _compare(found, loop, f'"{wanted}"', 1, sum(wanted in text for text in said))


def _compare(found: Count, loop: Loop, what: str, wanted: int, there: int) -> None:
    if there < wanted:
        found.lost.append(f"{loop.name} on {loop.site}, way {loop.way}: {there} of {wanted} {what}")
    if there > wanted:
        found.doubled.append(f"{loop.name} on {loop.site}, way {loop.way}: {there} {what}, not {wanted}")


def ledger(url: str) -> tuple[int, int]:
    """How often an intent became *unknown*, and how many intents still wait for a person.

    What a vendor refused waits for one; what a person or the bridge itself took back does not.
    """
    asked = Intent.state.in_((IntentState.UNKNOWN, IntentState.HELD))
    refused = and_(Intent.state == IntentState.REFUSED, Intent.decided_by.is_(None))
    engine = create_engine(url)
    with engine.connect() as tx:
        ever = tx.scalar(select(func.count()).select_from(Event).where(Event.kind == "unknown")) or 0
        left = tx.scalar(select(func.count()).select_from(Intent).where(or_(asked, refused))) or 0
    engine.dispose()
    return ever, left


@contextmanager
def store(kind: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A database, and the commands that run on it."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/bridge.db", ["serve"]
        return
    server = Postgres(folder / "postgresql", durable=True)
    try:
        yield server.new_database(), ["web", "worker", "worker"]
    finally:
        server.close()


def _wait_for_the_polls(sandbox: Sandbox) -> None:
    """A first poll sets its mark, and what was there before it is not raked up. Raises FleetError."""
    end = time.monotonic() + START_S
    while len(sandbox.calls.list("mastodon", "list_notifications")) <= 4:
        if time.monotonic() > end:
            raise FleetError(f"nothing was polled in {START_S:.0f} s")
        time.sleep(0.2)


def run(loops: int, kind: str, at_once: int, folder: Path, seed: int) -> int:
    """Play *loops* loops in bad weather; print what became of them. 0: all is well, see above."""
    begun = time.monotonic()
    boundless = Limits(10**9, 10**9, 10**9, 10**9)
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(limits=boundless, seed=seed))
        url, commands = stack.enter_context(store(kind, folder))
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        env = {
            **os.environ,
            **TIMES,
            **sandbox.environment(address),
            "DATABASE_URL": url,
            "BRIDGE_DATA": str(folder),
            "PORT": str(port),
        }
        sandbox.zendesk.install_webhook(address)
        subprocess.run([sys.executable, "-m", "bridge", "migrate"], env=env, cwd=REPOSITORY, check=True)
        fleet = Fleet(commands, env, port, folder / "bridge.log")
        stack.callback(fleet.stop)
        try:
            fleet.wait()
            _wait_for_the_polls(sandbox)
        except FleetError as error:
            print(f"  {error}")
            return 1
        fleet.start_killing()
        sandbox.faults.weather = Weather(BUSY, BROKEN, LOST)
        story = Story(sandbox, loops, at_once)
        stuck = story.play()
        fleet.stop_killing()
        sandbox.faults.clear()
        time.sleep(AFTERMATH_S)
        story.look()  # a ticket may be there twice by now
        found = count(sandbox, story.loops)
        ever, left = ledger(url)
    took = time.monotonic() - begun
    for line in [*([fleet.fault] if fleet.fault else []), *found.lost, *found.doubled][:40]:
        print(f"  {line}")
    print(
        f"{kind}: loops {len(story.loops)}, kills {fleet.kills}, lost {len(found.lost)}, "
        f"doubled {len(found.doubled)}, unknown {ever} (still waiting {left}), "
        f"asked on cards {len(story.asked)}, stuck {len(stuck)}, {took:.0f} s"
    )
    return 1 if fleet.fault or found.lost or found.doubled or stuck or left else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--loops", type=int, default=2000)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--at-once", type=int, default=100, help="how many loops are open at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the database and the log, kept afterwards")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        sys.exit(run(given.loops, given.store, given.at_once, place, given.seed))


if __name__ == "__main__":
    main()
