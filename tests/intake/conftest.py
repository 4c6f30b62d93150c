"""The door alone: no flows run, and no vendor is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bridge import app, settings
from bridge.app import Bridge
from tests import migrated
from tests.intake.knocking import ENVIRONMENT
from tests.running import REPOSITORY, starter_to_edit


def open_door(folder: Path, mappings: Path = REPOSITORY / "mappings") -> Bridge:
    """A web process on a new database in *folder*."""
    data = {"BRIDGE_DATA": str(folder), "BRIDGE_MAPPINGS": str(mappings)}
    loaded = settings.load({**ENVIRONMENT, **data})
    migrated.prepare(loaded.database_url)
    return app.build(loaded, flows=False)


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """The starter's mapping files, to be edited."""
    return starter_to_edit(tmp_path / "mappings")


@pytest.fixture
def bridge(tmp_path: Path, mappings: Path) -> Iterator[Bridge]:
    built = open_door(tmp_path / "data", mappings)
    yield built
    built.stop()


@pytest.fixture
def client(bridge: Bridge) -> FlaskClient:
    return bridge.web.test_client()
