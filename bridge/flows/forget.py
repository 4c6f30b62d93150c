"""Forgetting a person who asked for it: everywhere in our tables, and outside as far as it goes.

Usually our own tables are blanked in one transaction, which writes the proof, too. Where that would
keep everybody else from writing for long, it is done in portions: what others know of the person
first, and last what they are known by, so that whoever is cut short runs the same command again,
and it goes on. Until the last portion, the proof says that it is none yet.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from bridge.core.intent import UNCLEAR, IntentState
from bridge.errors import BridgeError
from bridge.flows import cards
from bridge.flows.erase import ask_about_quote, bodies, take_back
from bridge.flows.world import World
from bridge.store import cases as casework
from bridge.store import erasure, intents
from bridge.store.forget import Eraser, cases_of, hold
from bridge.store.person import Person, Traces, case_ids_of, traces
from bridge.store.portion import BODIES, Portion, portions
from bridge.store.tables import Erasure, Intent, LeaseRow

ASKED = "asked"
PATIENCE = timedelta(seconds=30)
_PAUSE_S = 0.5
# The door and the flows get their turn between two portions.
_BREATH_S = 0.02
UNFINISHED = "everything that this erasure has not come to: it goes on, or was cut short; ask for it again"
ON_THE_LIST = "in vips.yaml of the mapping files, which somebody has to edit, and in their earlier versions"


class StillMovingError(BridgeError):
    """Something of the person is on its way at this moment: the erasure cannot be finished."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What an erasure did. ``proof`` is None for a rehearsal."""

    counts: dict[str, int]
    remains: tuple[str, ...]
    proof: str | None


class _RehearsedError(Exception):
    """Undoes the transaction of a rehearsal."""


def forget(
    world: World,
    person: Person,
    by: str,
    *,
    rehearse: bool = False,
    patience: timedelta = PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
) -> Forgotten:
    """Erase *person* everywhere. Run twice, it finds nothing the second time; cut short, the rest.

    Waits for calls that are under way and deliveries that nobody has understood yet,
    at most for *patience*; then raises StillMovingError. Nothing was changed then, unless that
    which is under way began when the first portion of many was erased already.
    """
    give_up_at = world.clock.now() + patience
    erasing = _Erasing(world, person, by, rehearse, sleep)
    while True:
        try:
            return erasing.go()
        except StillMovingError:
            if world.clock.now() >= give_up_at:
                raise
            sleep(_PAUSE_S)


@dataclass
class _Erasing:
    """One request, with what was done of it."""

    world: World
    person: Person
    by: str
    rehearse: bool
    sleep: Callable[[float], None]
    proof: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    remains: list[str] = field(default_factory=list)
    scrubbed: set[str] = field(default_factory=set)

    def go(self) -> Forgotten:
        """Bring it to its end. Raises StillMovingError; going again goes on."""
        if self.rehearse:
            self.counts, self.remains, self.scrubbed = Counter(), [], set()
            self.proof = None
        world, person = self.world, self.person
        started = world.clock.now()
        with world.database.read() as tx:
            _require_taken_in(tx, person)
            for case_id in case_ids_of(tx, world.installation, person):
                _require_rest(tx, case_id)
            found = traces(tx, world.installation, person)
            *earlier, last = portions(tx, world.installation, person, found)
            if self.rehearse and earlier:
                last = replace(last, open=False)  # nothing before it will be done
        # Looked for in small steps, so that the door never waits for it.
        named = [row.id for page in bodies(world, until=started) for row in page if _names(row, person)]
        if earlier or len(named) > BODIES:
            self._blank(named)
            named = []
        for portion in earlier:
            with self._undone_or_kept() as tx:
                self._erase(tx, found, portion, self._the_proof(tx, started))
            self.sleep(_BREATH_S)
        with self._undone_or_kept() as tx:
            self._finish(tx, found, last, named, started)
        return Forgotten(dict(+self.counts), tuple(self.remains), None if self.rehearse else self.proof)

    def _finish(self, tx: Session, found: Traces, last: Portion, named: list[str], started: datetime) -> None:
        world, person = self.world, self.person
        proof = self._the_proof(tx, started)
        self._erase(tx, found, last, proof)
        late = erasure.bodies_between(tx, None, world.clock.now(), started)
        named += [row.id for row in late if _names(row, person)]
        self.counts["deliveries"] += erasure.blank_bodies(tx, named)
        self.remains += _what_remains(person, self.counts, self.remains)
        if world.mappings.current.lists(person.network, person.author_ids | person.handles):
            self.remains.append(ON_THE_LIST)
        # What a vendor has refused meanwhile stands there already.
        told = [one for one in proof.remains if one != UNFINISHED]
        proof.counts, proof.remains = dict(+self.counts), [*self.remains, *told]

    def _blank(self, named: list[str]) -> None:
        for part in erasure.parts(named):
            with self._undone_or_kept() as tx:
                _require_taken_in(tx, self.person)
                self.counts["deliveries"] += erasure.blank_bodies(tx, part)
            self.sleep(_BREATH_S)

    def _erase(self, tx: Session, found: Traces, portion: Portion, proof: Erasure) -> None:
        world, person = self.world, self.person
        only = None if portion.open else portion.cases
        hold(tx, world.installation, person, portion)
        _end_leases(tx, case_ids_of(tx, world.installation, person) if only is None else only)
        cases = cases_of(tx, world.installation, person, only)
        for case in cases:
            _require_rest(tx, case.id)
        _require_taken_in(tx, person)
        for case in cases:
            self.remains += take_back(tx, world, case, proof.id)
        eraser = Eraser(tx, world.installation, person, found, world.clock.now())
        counts = eraser(cases, portion)
        for intent_id in sorted(eraser.quoting):
            intent = tx.get_one(Intent, intent_id)
            case = casework.lock(tx, intent.case_id)
            ask_about_quote(tx, world, case, intent)
            cards.show(tx, world, case)
            intents.wake_case(case, world.clock.now())
        if eraser.quoting and erasure.QUOTED not in self.remains:
            self.remains.append(erasure.QUOTED)
        # A case of somebody else may be met by several portions.
        counts["intents of others"] = len(eraser.scrubbed - self.scrubbed)
        self.scrubbed |= eraser.scrubbed
        self.counts.update(counts)
        proof.counts = dict(+self.counts)

    def _the_proof(self, tx: Session, started: datetime) -> Erasure:
        found = tx.get(Erasure, self.proof, with_for_update=True) if self.proof is not None else None
        if found is None:
            found = erasure.record(
                tx,
                installation=self.world.installation,
                at=started,
                cause=ASKED,
                by=self.by,
                network=self.person.network,
                remains=[UNFINISHED],
            )
            self.proof = found.id
        return found

    @contextmanager
    def _undone_or_kept(self) -> Iterator[Session]:
        """A transaction. What it did is undone when this is a rehearsal; what was counted, if it fails."""
        counts, remains, scrubbed = Counter(self.counts), list(self.remains), set(self.scrubbed)
        try:
            with self.world.database.write() as tx:
                yield tx
                if self.rehearse:
                    raise _RehearsedError
        except _RehearsedError:
            pass
        except Exception:
            # Whatever undid the transaction: what was counted in it was not done.
            self.counts, self.remains, self.scrubbed = counts, remains, scrubbed
            raise


def _end_leases(tx: Session, case_ids: Collection[str]) -> None:
    """Whoever works on one of the cases stops before it writes or calls: it has lost its lease."""
    for part in erasure.parts([f"case:{case_id}" for case_id in case_ids]):
        tx.execute(delete(LeaseRow).where(LeaseRow.key.in_(part)))


def _require_taken_in(tx: Session, person: Person) -> None:
    if any(person.is_named_in(body) for body in erasure.not_taken_in(tx)):
        raise StillMovingError("a delivery that names them is being taken in; try again in a moment")


def _require_rest(tx: Session, case_id: str) -> None:
    """A call that is under way, or whose end nobody knows, is settled first: it needs its words."""
    for intent in intents.of_case(tx, case_id, UNCLEAR):
        what = f"{intents.named(intent)} ({intent.id}) of case {case_id} is {intent.state}"
        if intent.state == IntentState.UNKNOWN:
            raise StillMovingError(f"{what}: say what became of it with `bridge intent settle`, then again")
        raise StillMovingError(f"{what}; try again in a moment")


def _names(delivery: Any, person: Person) -> bool:
    return person.is_named_in(erasure.text_of(delivery.body)) or person.is_in_id(delivery.delivery_id)


def _what_remains(person: Person, counts: Counter[str], of_tickets: Collection[str]) -> list[str]:
    """What no call of ours reaches, in sentences."""
    remains = [f"on the network {person.network}: their posts, and our public answers, which may name them"]
    if of_tickets:
        remains += [
            "in the desk: the requester's record, renamed (an admin can delete it for good), and its backups",
            "in the team's tool: what people wrote under the card, its edit and audit logs, and its exports",
        ]
    if counts["messages of others"]:
        remains.append(
            "in other customers' tickets and cards: what they quoted of this person, or wrote of them"
        )
    remains.append("in backups of the bridge's own database, until those are thrown away")
    return remains
