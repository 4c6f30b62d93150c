"""What a flow can reach: the tables, the mapping, the clock, and ports to the outside."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bridge.core.account import Account
from bridge.core.card import Press
from bridge.core.desk import Hint
from bridge.core.ports import Clock, Connection, Desk, Network, Team
from bridge.errors import SettingsError, StoreError
from bridge.flows.mappings import Mappings
from bridge.routing.model import AccountEntry, Route
from bridge.store import leases
from bridge.store.database import Database
from bridge.store.leases import Lease
from bridge.store.messages import Senders
from bridge.store.presence import Presence
from bridge.store.tables import Case
from bridge.store.tallies import Tallies

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take. Every call's own timeout is well below ``lease``."""

    call_timeout: timedelta
    settle: timedelta | None = None  # None: each effect's own
    linger: timedelta = timedelta(seconds=3)  # a closing reply waits, to see a bulk solve whole
    poll: timedelta = timedelta(seconds=30)
    reread: timedelta = timedelta(minutes=2)
    sweep: timedelta = timedelta(minutes=5)
    retention: timedelta | None = timedelta(days=180)  # None: words are kept for good

    @property
    def lease(self) -> timedelta:
        """A flow renews its lease before each step: a look, a check, some calls; each may wait to sign in."""
        return 8 * self.call_timeout + timedelta(seconds=30)


@dataclass
class World:
    """Everything that flows share. Put together in `bridge.app`, and in tests.

    ``wake`` asks the engine for a flow; in a process that runs none it does nothing, and
    the workers' sweep finds the row. ``read_hint`` and ``read_press`` understand what
    the desk's and the team's doors have recorded.
    """

    installation: str
    database: Database
    clock: Clock
    presence: Presence
    mappings: Mappings
    networks: Mapping[str, Network]
    secrets: Callable[[str], tuple[str, ...]]
    timing: Timing
    desk: Desk | None
    team: Team | None
    read_hint: Callable[[bytes], Hint]
    read_press: Callable[[bytes], Press]
    wake: Callable[[str, str], None] = lambda _flow, _key: None
    tallies: Tallies = field(default_factory=Tallies)
    _lines: threading.local = field(default_factory=threading.local)
    _calling: set[str] = field(default_factory=set)

    def route_of(self, tx: Session, case: Case) -> Route | None:
        """The route that took *case*, as it was then; None for the fallback."""
        return self.mappings.version(tx, case.mapping_version).route(case.route)

    def account(self, key: str) -> Account | None:
        """Today's account with its credentials; None when no mapping file has it any more.

        Raises SettingsError when one of its credentials cannot be read just now.
        """
        mapping = self.mappings.current
        entry = mapping.accounts.get(key)
        if entry is None:
            return None
        fields = dict(entry.fields)
        for name, variable in entry.env_fields.items():
            fields[name] = next(iter(self.secrets(variable)), "")
        return Account(
            key=key,
            network=entry.network,
            brand=mapping.account_brand.get(key, ""),  # a tag source has none
            handle=entry.handle,
            fields=fields,
            secrets={name: self.secrets(variable) for name, variable in entry.secrets.items()},
        )

    def unset(self, entry: AccountEntry) -> list[str]:
        """The environment variables that *entry* names and that are not set, or cannot be read just now."""
        return [
            name for name in (*entry.secrets.values(), *entry.env_fields.values()) if self._is_unset(name)
        ]

    def _is_unset(self, variable: str) -> bool:
        try:
            return not self.secrets(variable)
        except SettingsError:
            # Of one account: whoever looks at all of them has the others to think of.
            return True

    def connect(self, account: Account) -> Connection:
        """This thread's line to the account's network."""
        lines: dict[str, tuple[Account, Connection]] = self._lines.__dict__
        known = lines.get(account.key)
        if known is None or known[0] != account:
            timeout_s = self.timing.call_timeout.total_seconds()
            known = account, self.networks[account.network].connect(account, timeout_s=timeout_s)
            lines[account.key] = known
        return known[1]

    @contextmanager
    def calling(self, intent_id: str) -> Iterator[None]:
        """Know, for the block, that this process is making the call of an intent."""
        self._calling.add(intent_id)
        try:
            yield
        finally:
            self._calling.discard(intent_id)

    def is_calling(self, intent_id: str) -> bool:
        return intent_id in self._calling

    def label(self, network: str, account: str) -> str:
        """A network's name for people, as its account's ``label`` has it, else its room.

        A relay may bring posts of networks that have no room here.
        """
        entry = self.mappings.current.accounts.get(account)
        if entry is not None and entry.network == network and entry.fields.get("label"):
            return entry.fields["label"]
        room = self.networks.get(network)
        return room.label if room is not None else network

    def senders(self, network: str) -> Senders:
        """Today's accounts of the brands, by whether they are on *network* itself. No tag sources."""
        mapping = self.mappings.current
        ours = {key: entry for key, entry in mapping.accounts.items() if key in mapping.account_brand}
        native = frozenset(key for key, entry in ours.items() if entry.network == network)
        return Senders(native, frozenset(ours) - native)

    @contextmanager
    def lease(self, key: str) -> Iterator[Lease | None]:
        """Hold the lease on *key* for the block; gives None when somebody else has it."""
        with self.database.write() as tx:
            lease = leases.take(tx, key, self.presence, self.clock.now(), self.timing.lease)
        if lease is None:
            yield None
            return
        try:
            yield lease
        finally:
            self.give_back(lease)

    def give_back(self, lease: Lease, until: datetime = leases.LONG_AGO) -> None:
        """End *lease*, now or at *until*, if that can be written down just now; else it runs out by itself.

        For the end of what held it, well or not: it must not hide why that failed.
        """
        try:
            with self.database.write() as tx:
                leases.give_back(tx, lease, until)
        except StoreError as error:
            log.warning("the lease on %s runs out by itself, it cannot be given back: %s", lease.key, error)
