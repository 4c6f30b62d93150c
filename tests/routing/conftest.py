"""The starter mapping, a smaller one, and messages to hold against them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.core.message import Author, SocialMessage
from bridge.routing.folder import read_folder
from bridge.routing.load import load
from bridge.routing.model import Mapping
from bridge.routing.nodes import Report
from tests.routing.catalogue import NETWORKS

STARTER = Path(__file__).parents[2] / "mappings"
MONDAY_NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def starter_files() -> dict[str, str]:
    """The texts of the mapping that ships, to be edited: without its tests of the whole.

    Those say of each edit that it is not the starter any more.
    """
    files = read_folder(STARTER, Report())
    return {name: text for name, text in files.items() if not name.startswith("tests/")}


@pytest.fixture(scope="session")
def starter() -> Mapping:
    """The mapping that ships."""
    return load(STARTER, NETWORKS)


def make_message(text: str = "hello", *tags: str, **given: Any) -> SocialMessage:
    """A post on kopi-mastodon at noon of a Monday, with what is *given* instead."""
    facts: dict[str, Any] = {
        "network": "mastodon",
        "id": "https://social.example/1",
        "account": "kopi-mastodon",
        "author": Author("a1", "@anna@social.example", "Anna"),
        "text": text,
        "posted_at": MONDAY_NOON,
        "tags": frozenset(tags),
    }
    return SocialMessage(**{**facts, **given})
