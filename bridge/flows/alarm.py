"""The alarm: that the database cannot be written is told without the database.

The watch keeps what it tells in tables, so of this it can say nothing. Each process that
runs flows knows whether its own writes fail, and looks in the channel before it speaks, so
that several say it once. What it has told it forgets with the process.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from bridge.errors import VendorError
from bridge.flows.watch import CALM, over
from bridge.flows.world import World
from bridge.store import conditions, room

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=10)


class Alarm:
    """Call it every second or so: it asks only while a write has failed, and then now and then."""

    def __init__(self, world: World, channel: str) -> None:
        """*channel* is where people are told; empty: nowhere."""
        self._world = world
        self._channel = channel
        self._next_at: datetime | None = None
        self._text = ""
        self._since: datetime | None = None
        self._calm_since: datetime | None = None
        self._told = False

    def __call__(self) -> None:
        if not self._world.database.in_doubt and self._since is None:
            return
        now = self._world.clock.now()
        if self._next_at is not None and now < self._next_at:
            return
        self._next_at = now + EVERY
        why = room.why_not(self._world.database) if self._world.database.in_doubt else None
        if why is not None:
            self._begin(why, now)
        elif self._since is not None:
            self._end(self._since, now)

    def _begin(self, why: str, now: datetime) -> None:
        since = self._since = self._since or now
        self._calm_since = None
        if not self._told:
            self._text = conditions.unwritable(why).text
            # Another process may have met it a little earlier.
            self._told = self._say("begun", f"The bridge needs somebody: {self._text}", since - CALM / 2)

    def _end(self, since: datetime, now: datetime) -> None:
        """Room for a moment is no end; what was over before it could be told is never told."""
        self._calm_since = calm_since = self._calm_since or now
        if self._told and now - calm_since < CALM:
            return
        if not self._told or self._say("over", over(calm_since - since, self._text), calm_since):
            self._since, self._calm_since, self._told = None, None, False

    def _say(self, what: str, text: str, since: datetime) -> bool:
        """Whether nobody has to be told any more."""
        team = self._world.team
        if team is None or not self._channel:
            return True
        key = f"{conditions.DATABASE}:{what}"
        try:
            if team.find_announcement(self._channel, key, since) is None:
                team.announce(self._channel, text, key)
        except VendorError as error:
            log.warning("that the database cannot be written could not be told yet: %s", error)
            return False
        return True
