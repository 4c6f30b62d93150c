"""The starter mapping, and smaller ones made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.routing.load import load
from bridge.routing.model import Mapping
from tests.routing.catalogue import NETWORKS

STARTER = Path(__file__).parents[2] / "mappings"


@pytest.fixture(scope="session")
def starter() -> Mapping:
    """The mapping that ships."""
    return load(STARTER, NETWORKS)
