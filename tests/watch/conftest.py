"""A world with tables, a clock that is put forward by hand, and a team that remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge import app, settings
from bridge.app import Bridge
from bridge.core.ports import Finding
from bridge.errors import VendorBusyError, VendorUnclearError
from bridge.flows.watch import Watch
from tests import migrated
from tests.postgres import Postgres
from tests.running import REPOSITORY

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@dataclass
class Stopped:
    """A clock that stands still until it is put forward."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def go(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Channel:
    """Where people are told. ``fault``: how the next posts end; what is *lost* was posted all the same."""

    said: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    fault: str = ""
    findings: list[Finding] = field(default_factory=list)
    asked: list[set[str]] = field(default_factory=list)

    def announce(self, channel: str, text: str, key: str) -> str:
        assert channel == "#bridge-admins"
        if self.fault == "down":
            raise VendorBusyError("slack", "chat.postMessage", "answered 503")
        self.said.append(text)
        self.keys.append(key)
        if self.fault == "lost":
            raise VendorUnclearError("slack", "chat.postMessage", "no answer")
        return str(len(self.said))

    def find_announcement(self, channel: str, key: str, since: datetime) -> str | None:
        if self.fault == "down":
            raise VendorBusyError("slack", "conversations.history", "answered 503")
        return "found" if key in self.keys else None

    def check(self, channels: Mapping[str, str]) -> list[Finding]:
        self.asked.append(set(channels))
        return self.findings


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def channel() -> Channel:
    return Channel()


def open_bridge(url: str, clock: Stopped, channel: Channel) -> Bridge:
    """A process on the tables at *url*, not started; only the watch is called."""
    loaded = settings.load({"DATABASE_URL": url, "BRIDGE_MAPPINGS": str(REPOSITORY / "mappings")})
    migrated.prepare(loaded.database_url)
    built = app.build(loaded, flows=False, clock=clock)
    built.world.team = channel  # type: ignore[assignment]
    built.world.presence.claim()
    built.world.presence.enter(built.world.database, clock.now())
    return built


def close(bridge: Bridge) -> None:
    bridge.world.presence.leave(bridge.world.database, bridge.world.clock.now())
    bridge.stop()


both = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An embedded database, or where a test is marked `both`, a server's, too."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/data/bridge.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def bridge(store_url: str, clock: Stopped, channel: Channel) -> Iterator[Bridge]:
    built = open_bridge(store_url, clock, channel)
    yield built
    close(built)


def watch_of(bridge: Bridge) -> Watch:
    return Watch(bridge.world, "#bridge-admins", timedelta(hours=24))


@pytest.fixture
def watch(bridge: Bridge) -> Watch:
    return watch_of(bridge)
