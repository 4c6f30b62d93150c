"""The door alone: no flows run, and no vendor is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bridge import app, settings
from bridge.app import Bridge
from bridge.store.database import Database
from tests.intake.knocking import ENVIRONMENT
from tests.running import REPOSITORY, starter_to_edit


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with its tables, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "bridge.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    database.close()
    return file


def open_door(folder: Path, migrated: Path, mappings: Path = REPOSITORY / "mappings") -> Bridge:
    """A web process on a new database in *folder*."""
    folder.mkdir()
    shutil.copy(migrated, folder)
    data = {"BRIDGE_DATA": str(folder), "BRIDGE_MAPPINGS": str(mappings)}
    return app.build(settings.load({**ENVIRONMENT, **data}), flows=False)


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """The starter's mapping files, to be edited."""
    return starter_to_edit(tmp_path / "mappings")


@pytest.fixture
def bridge(tmp_path: Path, migrated: Path, mappings: Path) -> Iterator[Bridge]:
    built = open_door(tmp_path / "data", migrated, mappings)
    yield built
    built.stop()


@pytest.fixture
def client(bridge: Bridge) -> FlaskClient:
    return bridge.web.test_client()
