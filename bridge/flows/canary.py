"""The canary: the first posts under an edited mapping are watched; too many astray, and it is undone.

Everything is read off the tables: which version serves since when, and what came in since.
So it goes on after a restart, and in whichever process it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from bridge.flows.world import World
from bridge.routing.decide import decide
from bridge.routing.model import Mapping
from bridge.store import history, versions
from bridge.store.versions import SHORT

log = logging.getLogger(__name__)

LONGEST = timedelta(hours=24)
"""An edit that has stayed so long is no news any more, however few posts it has seen."""
MOST_READ = 5_000  # what customers add in their threads may be much


class Watcher:
    """Call it every few seconds: undoes the edit that serves when it must go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._settled: datetime | None = None  # the edit of that moment has seen all the posts it had to

    def __call__(self, _key: str) -> None:
        world = self._world
        now, mapping = world.clock.now(), world.mappings.current
        if mapping.canary is None:
            return
        with world.database.read() as tx:
            trial = versions.on_trial(tx)
            if trial is None:
                return
            serving, last = trial
            if (
                serving.version != mapping.version
                or serving.since == self._settled
                or now - serving.since > LONGEST
            ):
                return
            before = world.mappings.version(tx, last)
        if before.version != last:
            return  # what served before no longer loads: there is nothing to go back to
        seen = _seen(world, serving.since, mapping, before)
        why = mapping.canary.verdict(seen.unmatched, seen.changed)
        if why is not None:
            _undo(world, mapping, before, why, now)
        elif seen.posts >= mapping.canary.posts:
            self._settled = serving.since


@dataclass(slots=True)
class _Seen:
    """What became of the first posts that a route could take at all."""

    posts: int = 0
    unmatched: int = 0
    changed: int = 0


def _seen(world: World, since: datetime, mapping: Mapping, before: Mapping) -> _Seen:
    found, wanted = _Seen(), mapping.canary.posts if mapping.canary else 0
    for _, at, message in islice(history.read(world.database, since, of_cases=True), MOST_READ):
        if message.account not in mapping.account_brand:
            continue
        decision = decide(message, mapping, at)
        if not decision.tags:
            continue
        found.posts += 1
        found.unmatched += decision.route is None
        known = message.account in before.account_brand
        found.changed += known and decide(message, before, at).queue != decision.queue
        if found.posts >= wanted:
            break
    return found


def _undo(world: World, mapping: Mapping, before: Mapping, why: str, now: datetime) -> None:
    with world.database.write() as tx:
        undone = versions.serve(
            tx, before.version, before.files, now, "the canary", undone=why, instead_of=mapping.version
        )
    if undone:  # and by nobody who was quicker
        log.warning("mapping version %s was undone: %s", mapping.version[:SHORT], why)
