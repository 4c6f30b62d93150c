"""The watch: what needs a person is told once when it begins, and once when it is over.

Conditions come and go in the table of alerts; one process at a time looks, by lease.
A message is looked for in the channel before it is posted, so that neither a crash
nor a second worker says it twice; while the team's tool is down it waits, and what
ended meanwhile is never told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.condition import Condition
from bridge.core.ports import Finding
from bridge.errors import VendorBusyError, VendorError
from bridge.flows.world import World
from bridge.store import conditions, counting, lanes, leases, standing
from bridge.store.deliveries import DESK_SOURCE
from bridge.store.leases import Lease
from bridge.store.tables import Alert

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
# A lane that is tried again every minute is not mended in between.
CALM = timedelta(minutes=5)
FIRST_CHECK = timedelta(minutes=2)
CHECK_EVERY = timedelta(hours=1)
CHECK_AGAIN = timedelta(minutes=5)  # while something is wrong
LEARN_FROM, ENOUGH = 200, 20
CHECKS = "watch:checks"


def sources(world: World) -> list[tuple[str, str]]:
    """Who should be heard: as (source, account) of their deliveries."""
    accounts = world.mappings.current.accounts.values()
    found = [(entry.network, entry.key) for entry in accounts if not world.unset(entry)]
    return [*found, (DESK_SOURCE, "")] if world.desk is not None else found


@dataclass
class Watch:
    """Call it every few seconds. ``channel`` is where people are told; empty: nowhere.

    ``silence`` is how long nothing may be heard of an account that used to be heard,
    at least: where it is usually quiet for longer, that counts.
    """

    world: World
    channel: str
    silence: timedelta

    def __post_init__(self) -> None:
        self._check_at = self.world.clock.now() + FIRST_CHECK

    def __call__(self, _key: str) -> None:
        now = self.world.clock.now()
        with self.world.database.write() as tx:
            lease = leases.take(tx, "watch", self.world.presence, now, self.world.timing.lease)
        if lease is None:
            return
        try:
            self._look(lease, now)
            self._tell(lease)
        finally:
            self.world.give_back(lease, now + EVERY)

    def _look(self, lease: Lease, now: datetime) -> None:
        found = {one.key: one for one in self._conditions(now) if one.tell}
        checked = self._checked(now)
        found |= {one.key: one for one in checked or ()}
        with self.world.database.write() as tx:
            # Vendors were asked meanwhile: what comes next has a whole lease's time all the same.
            leases.guard(tx, lease, self.world.clock.now() + self.world.timing.lease)
            keep = conditions.CHECK if checked is None else None
            _record(tx, found, now, keep)

    def _conditions(self, now: datetime) -> Iterator[Condition]:
        with self.world.database.read() as tx:
            yield from conditions.conditions(tx, now)
            for source, account in sources(self.world):
                known = standing.silent_after(
                    tx, source, account, least=self.silence, learn_from=LEARN_FROM, enough=ENOUGH
                )
                if known is not None and now - known[0] > known[1]:
                    yield _silent(account or source, now - known[0])
        fault = self.world.mappings.error
        if fault is not None:
            yield conditions.faulty_mapping(fault)

    def _checked(self, now: datetime) -> list[Condition] | None:
        """What the vendors say about our set-up; None: they were not asked this time."""
        if now < self._check_at:
            return None
        with self.world.database.write() as tx:
            turn = leases.take(tx, CHECKS, self.world.presence, now, CHECK_EVERY)
        if turn is None:
            return None
        found = [_as_condition(finding) for finding in self._findings() if not finding.ok]
        if found:
            with self.world.database.write() as tx:
                leases.give_back(tx, turn, now + CHECK_AGAIN)
        return found

    def _findings(self) -> Iterator[Finding]:
        world = self.world
        mapping = world.mappings.current
        if world.desk is not None:
            groups = {queue.group for queue in mapping.queues.values() if queue.group}
            brands = {brand.desk_brand for brand in mapping.brands.values() if brand.desk_brand}
            yield from world.desk.check(groups, brands)
        if world.team is not None:
            named = {self.channel: "BRIDGE_ADMIN_CHANNEL"} if self.channel else {}
            named |= {queue.channel: "queues.yaml" for queue in mapping.queues.values()}
            yield from world.team.check(named)
        for key, entry in sorted(mapping.accounts.items()):
            account = None if world.unset(entry) else world.account(key)
            if account is None:
                continue
            try:
                found = world.connect(account).check()
            except VendorBusyError:
                continue  # that it is down for a moment says nothing about our set-up
            except VendorError as error:
                found = [Finding("connection", False, str(error), "see `bridge doctor`")]
            for one in found:
                yield Finding(f"account {key}, {one.check}", one.ok, one.detail, one.fix)

    def _tell(self, lease: Lease) -> None:
        if self.world.team is None or not self.channel:
            return
        with self.world.database.read() as tx:
            now = self.world.clock.now()
            if lanes.TEAM in lanes.parked(tx, now):
                return
            due = [alert for alert in tx.scalars(select(Alert).order_by(Alert.since)) if _is_due(alert, now)]
        for alert in due:
            try:
                self._say(alert, lease)
            except VendorError as error:
                log.warning("the alert %s could not be told yet: %s", alert.key, error)
                return

    def _say(self, alert: Alert, lease: Lease) -> None:
        team, over = self.world.team, alert.ended_at is not None
        if team is None:
            return
        key = f"{alert.key}:{alert.since.isoformat()}:{'over' if over else 'begun'}"
        if team.find_announcement(self.channel, key, alert.ended_at or alert.since) is None:
            with self.world.database.write() as tx:
                leases.guard(tx, lease, self.world.clock.now() + self.world.timing.lease)
            team.announce(self.channel, _words(alert), key)
        with self.world.database.write() as tx:
            leases.guard(tx, lease)
            told = tx.get_one(Alert, alert.key)
            told.told_at = self.world.clock.now()


def _record(tx: Session, found: dict[str, Condition], now: datetime, keep: str | None) -> None:
    """Bring the alerts up to what was *found*; those of the kind *keep* were not looked at."""
    known = {alert.key: alert for alert in tx.scalars(select(Alert))}
    for key, condition in found.items():
        alert = known.get(key)
        if alert is None or _is_over(alert):
            if alert is None:
                alert = Alert(key=key, text=condition.text, since=now)
                tx.add(alert)
            alert.since, alert.told_at = now, None
            counting.note(tx, "bridge_alerts_total", condition=condition.what)
        alert.text, alert.ended_at = condition.text, None
    for key, alert in known.items():
        if key not in found and alert.ended_at is None and key.partition(":")[0] != keep:
            alert.ended_at = now


def _is_over(alert: Alert) -> bool:
    """Whether it ended and nobody has to be told any more: then the next is a new one."""
    return alert.ended_at is not None and (alert.told_at is None or alert.told_at >= alert.ended_at)


def _is_due(alert: Alert, now: datetime) -> bool:
    if alert.ended_at is None:
        return alert.told_at is None
    return not _is_over(alert) and now - alert.ended_at >= CALM


def _words(alert: Alert) -> str:
    if alert.ended_at is None:
        return f"The bridge needs somebody: {alert.text}"
    return over(alert.ended_at - alert.since, alert.text)


def over(lasted: timedelta, text: str) -> str:
    """It is told after a time of calm: how long it lasted is not how long ago it began."""
    minutes = int(lasted.total_seconds() // 60)
    span = f"{minutes} minutes" if minutes else f"{lasted.total_seconds():.0f} seconds"
    return f"Over, after {span}: {text}"


def _silent(which: str, span: timedelta) -> Condition:
    hours = int(span.total_seconds() // 3600)
    return Condition(
        f"{conditions.SILENCE}:{which}",
        f"nothing has come in from {which} for {hours} hours, which is unusual there",
        "see whether its webhook or poll still works (`bridge doctor`)",
    )


def _as_condition(finding: Finding) -> Condition:
    wrong = f"{finding.check}: {finding.detail}"
    return Condition(f"{conditions.CHECK}:{finding.check}", wrong, finding.fix)
