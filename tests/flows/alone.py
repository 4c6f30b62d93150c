"""The engine by itself: tables, a clock that stands still, and an outside that does what a test says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from bridge.core.intent import Effect
from bridge.flows import effects
from bridge.flows.recipe import Outcome, Recipe, Stop
from bridge.flows.slots import Slots
from bridge.flows.work import work
from bridge.flows.world import Timing, World
from bridge.store import cases, intents
from bridge.store.database import Database
from bridge.store.presence import presence
from bridge.store.tables import Case, Intent
from tests import migrated
from tests.store.conftest import NOON, make_case

LANE = "account:kopi-plaza"
CALL, SETTLE = timedelta(seconds=10), timedelta(seconds=5)


class Killed(BaseException):
    """The process ends here, with nothing written down."""


class Standing:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@dataclass
class Outside:
    """What the vendor does, in turn; and what it was asked."""

    answers: list[Outcome | BaseException] = field(default_factory=list)
    shown: Outcome | None = None  # what a look finds
    looking: Callable[[], Stop | None] = lambda: None  # what happens while the bridge looks
    sending: Callable[[Intent], object] = lambda _intent: None  # what happens while it is called
    sent: list[str] = field(default_factory=list)
    looks: int = 0
    claimed: Collection[str] = ()

    def recipe(self, **traits: Any) -> type[Recipe]:
        outside = self

        class Scripted(Recipe):
            def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
                return {"words": "Fixed in 4.3"}

            def check(self, intent: Intent) -> Stop | None:
                return outside.looking()

            def send(self, intent: Intent) -> Outcome:
                outside.sent.append(intent.id)
                outside.sending(intent)
                answer = outside.answers.pop(0) if outside.answers else Outcome("post-9")
                if isinstance(answer, BaseException):
                    raise answer
                return answer

            def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
                outside.looks += 1
                outside.claimed = claimed
                outside.looking()
                return outside.shown

        return type("Scripted", (Scripted,), traits)


class Engine:
    """One process after another on the same tables, each with a case that the test knows by ``case``."""

    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        url = f"sqlite:///{folder}/bridge.db"
        migrated.prepare(url)
        self.database = Database(url, busy_timeout_s=0.2)
        self.clock = Standing()
        self.outside = Outside()
        monkeypatch.setitem(effects.RECIPES, Effect.REPLY, self.outside.recipe(checks=True, resends=1))
        monkeypatch.setitem(effects.RECIPES, Effect.POST_NOTE, self.outside.recipe())
        self.world = World(
            installation="bridge",
            database=self.database,
            clock=self.clock,
            presence=presence(self.database),
            mappings=None,  # type: ignore[arg-type]
            networks={},
            secrets=lambda _name: (),
            timing=Timing(call_timeout=CALL, settle=SETTLE),
            desk=None,
            team=None,
            read_hint=None,  # type: ignore[arg-type]
            read_press=None,  # type: ignore[arg-type]
        )
        self.world.presence.claim()
        self.world.presence.enter(self.database, NOON)
        with self.database.write() as tx:
            case = make_case(id="case-1")
            cases.begin(tx, case)
        self.case = "case-1"

    def close(self) -> None:
        self.world.presence.leave(self.database, self.clock.now())
        self.database.close()

    def die_and_start_again(self) -> None:
        """The process was killed: nobody said goodbye, and the next one has the folder."""
        self.world.presence.release()
        self.world = replace(self.world, presence=presence(self.database), _calling=set())
        self.world.presence.claim()
        self.world.presence.enter(self.database, self.clock.now())

    def wish(self, effect: Effect = Effect.REPLY, cause: str = "update:1", **facts: Any) -> str:
        """Have something to be done; gives the intent's id."""
        with self.database.write() as tx:
            case = cases.lock(tx, self.case)
            intent = intents.draft(
                tx, case, effect, target=case.id, cause=cause, lane=LANE, at=self.clock.now()
            )
            assert intent is not None
            intent.payload = {"words": "Fixed in 4.3"}
            for name, value in facts.items():
                setattr(intent, name, value)
            return intent.id

    def work(self, after: timedelta = timedelta(0)) -> None:
        """A turn at the case, *after* so long."""
        self.clock.at += after
        work(self.world, Slots(4), self.case)

    def be_killed(self, after: timedelta = timedelta(0)) -> None:
        """A turn that ends in a kill; its lease is not given back, and the next process is there."""
        try:
            self.work(after)
        except Killed:
            self.die_and_start_again()
        else:
            raise AssertionError("nothing was sent")

    def intent(self, intent_id: str) -> Intent:
        with self.database.read() as tx:
            return tx.get_one(Intent, intent_id)

    def change(self, intent_id: str, **facts: Any) -> None:
        """What somebody else writes down about an intent."""
        with self.database.write() as tx:
            for name, value in facts.items():
                setattr(tx.get_one(Intent, intent_id), name, value)
