"""The only place where parts are put together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask, Request, Response

from bridge import slack, zendesk
from bridge.core.ports import Clock
from bridge.errors import MappingError, SettingsError, StoreBusyError, StoreError
from bridge.flows import astray, failed, listen, reconcile
from bridge.flows.alarm import Alarm
from bridge.flows.beside import Beside, counting, following, keeping_time
from bridge.flows.canary import Watcher
from bridge.flows.engine import Engine, Wakes
from bridge.flows.mappings import Mappings
from bridge.flows.open_case import consider
from bridge.flows.retain import retain
from bridge.flows.slots import Slots
from bridge.flows.sweep import Sweep
from bridge.flows.take_in import take_in
from bridge.flows.watch import Watch, sources
from bridge.flows.work import work
from bridge.flows.world import Timing, World
from bridge.intake.door import Door
from bridge.intake.health import Health
from bridge.intake.metrics import Metrics
from bridge.intake.playbook import Playbook
from bridge.intake.web import DeskHook, TeamHook, create_web
from bridge.networks import NETWORKS
from bridge.routing import playbook
from bridge.settings import Settings
from bridge.store import intents, lanes, leases, messages
from bridge.store.clock import SharedClock, SystemClock
from bridge.store.counting import count_in
from bridge.store.database import Database
from bridge.store.deliveries import TEAM_SOURCE
from bridge.store.presence import presence
from bridge.zendesk import webhook

log = logging.getLogger(__name__)

SWEEP_S = 1.0
SOCKET_RETRY_S = 30.0
SOCKET = "socket"
WEB_THREADS = 8


@dataclass
class Bridge:
    """One process of the bridge. ``engine`` is None where it runs no flows."""

    settings: Settings
    world: World
    web: Flask
    door: Door
    engine: Engine | None
    wakes: Wakes
    socket: slack.SocketMode | None
    beside: tuple[Beside, ...]
    _stopping: threading.Event | None = None
    _dialler: threading.Thread | None = None

    def start(self) -> None:
        """Start the flows. Raises StoreError."""
        if self.engine is not None:
            self.world.presence.enter(self.world.database, self.world.clock.now())
        for one in self.beside:
            one.start()
        if self.engine is None:
            return
        try:
            with self.world.database.write() as tx:
                listen.expect(tx, self.world, at_once=True)
                reconcile.expect(tx, self.world, at_once=True)
                # Zendesk or Slack may have been set up since.
                intents.look_again(tx, (lanes.DESK, lanes.TEAM), self.world.clock.now())
        except StoreBusyError as error:
            # A worker that stands still in mid-transaction must not keep others from taking over.
            log.warning("what was missed is asked for in its turn, and not at once: %s", error)
        self.engine.start()
        if self.socket is not None:
            self._stopping = threading.Event()
            self._dialler = threading.Thread(target=self._keep_dialling, name="socket", daemon=True)
            self._dialler.start()

    def stop(self) -> None:
        """Finish what runs, and leave."""
        if self._stopping is not None:
            self._stopping.set()
        if self._dialler is not None:
            self._dialler.join()
        if self.socket is not None:
            self.socket.stop()
        if self.engine is None:
            self.wakes.close()
        else:
            self.engine.stop()  # closes them, too
            try:
                self.world.presence.leave(self.world.database, self.world.clock.now())
            except StoreError as error:
                # Others find out by themselves that this worker is gone.
                log.warning("left without a word: %s", error)
        for one in self.beside:
            one.stop()
        self.world.database.close()

    def _keep_dialling(self) -> None:
        """Own the socket, or take it over; starting needs no Slack: the connection comes up when it can."""
        if self.socket is None or self._stopping is None:
            return
        dialled = False
        while True:
            owned = self._owns_socket()
            if owned and not dialled:
                dialled = self.socket.start()
            elif dialled and not owned:
                self.socket.stop()
                dialled = False
            if self._stopping.wait(SOCKET_RETRY_S / 3 if owned == dialled else SOCKET_RETRY_S):
                return

    def _owns_socket(self) -> bool:
        """Whether this process is the one that hears Slack; two would each hear a part."""
        world = self.world
        try:
            with world.database.write() as tx:
                return leases.keep(
                    tx, SOCKET, world.presence, world.clock.now(), timedelta(seconds=2 * SOCKET_RETRY_S)
                )
        except StoreError as error:
            log.warning("the socket's owner cannot be told: %s", error)
            return False


def build(settings: Settings, *, flows: bool, serves: bool = True, clock: Clock | None = None) -> Bridge:
    """Put a process together; nothing is started and no vendor is called.

    *flows*: it will run them, and proves first of all that it may: who may not must not change what
    mapping serves. *serves*: the mapping in its folder is what the installation goes by from now on.
    A command beside a running bridge goes by what serves already.

    Raises FolderInUseError when another process runs flows on an embedded database, SettingsError
    when the database is another installation's, StoreError when it is not migrated, MappingError
    when the mapping files are faulty and none has ever served.
    """
    with ExitStack() as undoing:
        bridge = _put_together(settings, undoing, clock, flows, serves)
        undoing.pop_all()
    return bridge


def _put_together(
    settings: Settings, undoing: ExitStack, clock: Clock | None, flows: bool, serves: bool
) -> Bridge:
    """*undoing* gets what has to be done where the rest fails."""
    database = Database(settings.database_url, connections=settings.threads + WEB_THREADS + 2)
    undoing.callback(database.close)
    database.require_current()
    _require_own(settings, database)
    shared = SharedClock(database, SystemClock())
    if clock is None:
        shared.set()
        clock = shared
    world = _world(settings, database, clock)
    count_in(database, world.tallies)
    if flows:
        world.presence.claim()
        undoing.callback(world.presence.release)
    if serves:
        world.mappings.start(clock.now())
    else:
        world.mappings.follow()
    wakes = Wakes(settings.wakes_url)
    engine = _engine(world, settings, wakes) if flows else None
    if engine is not None or wakes.shared:
        world.wake = wakes.wake
    door = Door(settings.installation, database, clock, wake=world.wake, tallies=world.tallies)
    bolt = None
    account = slack_account(settings)
    if account is not None:
        bolt = slack.build_app(account, lambda key, body: _press(door, key, body))

    def mapping_version() -> str:
        return world.mappings.current.version

    def mapping_error() -> MappingError | None:
        return world.mappings.error

    web = create_web(
        door,
        Health(
            door,
            mapping_version=mapping_version,
            mapping_error=mapping_error,
            missing=lambda: _missing(settings, world),
            mapping_folder=lambda: world.mappings.folder_says,
        ),
        Metrics(
            database,
            clock,
            mapping_version=mapping_version,
            mapping_error=mapping_error,
            sources=lambda: sources(world),
        ),
        Playbook(
            version=mapping_version,
            draw=lambda: playbook.page(world.mappings.current, NETWORKS),
            policy=playbook.policy,
        ),
        networks=NETWORKS,
        account=world.account,
        desk=_desk_hook(settings, world),
        team=None if account is None or bolt is None else _team_hook(account, slack.flask_handler(bolt)),
    )
    socket = None
    if flows and account is not None and bolt is not None and account.socket_mode:
        socket = slack.SocketMode(account, bolt)
    beside: tuple[Beside, ...] = (counting(world), following(world))
    if flows:
        # Not on the sweep's thread: what it has to say waits for Slack.
        beside = (counting(world), Beside("alarm", Alarm(world, settings.admin_channel), SWEEP_S))
    if clock is shared and not database.embedded:
        beside = (*beside, keeping_time(shared))
    return Bridge(settings, world, web, door, engine, wakes, socket, beside)


def _require_own(settings: Settings, database: Database) -> None:
    """Refuse another installation's database: its tickets would be nobody's, its posts come in anew."""
    with database.read() as tx:
        owner = messages.whose(tx, settings.installation)
    if owner not in (None, settings.installation):
        raise SettingsError(
            f"BRIDGE_INSTALLATION is {settings.installation}, and {database.name} is the database of "
            f"{owner}: set BRIDGE_INSTALLATION={owner}, or use a database of its own"
        )


def zendesk_account(settings: Settings) -> zendesk.ZendeskAccount | None:
    found = settings.zendesk
    if found is None:
        return None
    return zendesk.ZendeskAccount(
        subdomain=found.subdomain,
        url=found.url or None,
        client_id=found.client_id or None,
        client_secret=found.client_secret or None,
        email=found.email or None,
        api_token=found.api_token or None,
        webhook_secrets=found.webhook_secrets,
        installation=settings.installation,
        timeout_s=settings.call_timeout_s,
        public_url=settings.public_url or None,
    )


def slack_account(settings: Settings) -> slack.SlackAccount | None:
    found = settings.slack
    if found is None:
        return None
    return slack.SlackAccount(
        bot_token=found.bot_token,
        signing_secrets=found.signing_secrets,
        app_token=found.app_token or None,
        api_url=found.api_url,
        public_url=settings.public_url or None,
        timeout_s=settings.call_timeout_s,
    )


def _world(settings: Settings, database: Database, clock: Clock) -> World:
    desk, team = zendesk_account(settings), slack_account(settings)
    return World(
        installation=settings.installation,
        database=database,
        clock=clock,
        presence=presence(database),
        mappings=Mappings(settings.mappings, NETWORKS, database),
        networks=NETWORKS,
        secrets=settings.named,
        timing=Timing(
            call_timeout=timedelta(seconds=settings.call_timeout_s),
            settle=None if settings.settle_s is None else timedelta(seconds=settings.settle_s),
            linger=timedelta(seconds=settings.linger_s),
            poll=timedelta(seconds=settings.poll_s),
            reread=timedelta(seconds=settings.reread_s),
            sweep=timedelta(seconds=settings.sweep_s),
            retention=timedelta(days=settings.retention_days) if settings.retention_days else None,
        ),
        desk=None if desk is None else zendesk.ZendeskDesk(desk),
        team=None if team is None else slack.SlackTeam(team),
        read_hint=webhook.read_hint,
        read_press=slack.read_press,
    )


def _engine(world: World, settings: Settings, wakes: Wakes) -> Engine:
    slots = Slots(max(1, settings.threads - 2), world.clock)
    return Engine(
        {
            "take_in": lambda key: take_in(world, slots, key),
            "consider": lambda key: consider(world, key),
            "work": lambda key: work(world, slots, key),
            "poll": lambda key: listen.poll(world, key),
            "reconcile": lambda key: reconcile.reconcile(world, key),
            "astray": lambda key: astray.look(world, key),
            "retain": lambda key: retain(world, key),
            "sweep": Sweep(world, wakes.crowded),
            "canary": Watcher(world),
            "watch": Watch(world, settings.admin_channel, timedelta(hours=settings.silence_h)),
        },
        threads=settings.threads,
        every_s=SWEEP_S,
        failed=lambda flow, key: failed.put_off(world, flow, key),
        wakes=wakes,
    )


def _missing(settings: Settings, world: World) -> list[str]:
    """What is not set up, so that nobody takes silence for rest."""
    found = []
    if world.desk is None:
        found.append("Zendesk is not set up: tickets wait (set ZENDESK_SUBDOMAIN and the OAuth client)")
    elif not settings.zendesk or not settings.zendesk.webhook_secrets:
        found.append("ZENDESK_WEBHOOK_SECRET is not set: what agents write is not heard at once")
    if world.team is None:
        found.append("Slack is not set up: cards wait (set SLACK_BOT_TOKEN)")
    for entry in world.mappings.current.accounts.values():
        unset = world.unset(entry)
        if unset:
            found.append(f"account {entry.key} is not set up: {_to_set(settings, unset)}")
    return found


def _to_set(settings: Settings, variables: list[str]) -> str:
    """What to do about *variables* that are not set, or name a file that cannot be read."""
    for name in variables:
        try:
            settings.named(name)
        except SettingsError as error:
            return str(error)
    return f"set {', '.join(variables)}"


def _press(door: Door, delivery_id: str, body: bytes) -> None:
    # Its id is made of the press: what else Slack says when it tells of it again is no other press.
    door.record(TEAM_SOURCE, "", delivery_id, body, by_id=True)


def _desk_hook(settings: Settings, world: World) -> DeskHook:
    secrets = settings.zendesk.webhook_secrets if settings.zendesk else ()

    def verify(body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        return webhook.verify(body, headers, now, secrets)

    return DeskHook(verify, world.read_hint)


def _team_hook(account: slack.SlackAccount, answer: Callable[[Request], Response]) -> TeamHook:
    def verify(body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        slack.verify(body, headers, now, account.signing_secrets)

    return TeamHook(verify, answer)
