"""`GET /playbook`: the page for people, of the mapping that serves now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from flask.testing import FlaskClient

from bridge.app import Bridge
from bridge.errors import StoreBusyError
from bridge.networks import NETWORKS
from bridge.routing.playbook import page, policy


def test_the_playbook_is_the_page_that_the_command_writes(client: FlaskClient, bridge: Bridge):
    """Word for word, with its policy said by the server, too."""
    answer = client.get("/playbook")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.text == page(bridge.world.mappings.current, NETWORKS)
    assert answer.headers["Content-Security-Policy"] == f"{policy()}; frame-ancestors 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_edit_shows_once_it_serves_and_a_broken_one_never(
    client: FlaskClient, bridge: Bridge, mappings: Path
):
    """What people read is what the bridge does."""
    tags = mappings / "tags.yaml"
    before = tags.read_text(encoding="utf-8")
    assert "Everything else waits." in client.get("/playbook").text
    for text, shown in (
        (before.replace("Everything else waits.", "Drop all else."), "Drop all else."),
        (before.replace("Everything else waits.", "Never read: *"), "Drop all else."),
    ):
        tags.write_text(text, encoding="utf-8")
        bridge.world.mappings.hurry()
        bridge.world.mappings.refresh(datetime.now(UTC))
        assert shown in client.get("/playbook").text
    assert bridge.world.mappings.error is not None


def test_it_can_be_read_while_the_database_cannot(client: FlaskClient, bridge: Bridge, monkeypatch):
    """Just then people may want to know what to do by hand."""

    def busy() -> None:
        raise StoreBusyError("the disk is full")

    monkeypatch.setattr(bridge.world.database, "read", busy)
    monkeypatch.setattr(bridge.world.database, "write", busy)
    assert client.get("/playbook").status_code == 200


def test_nothing_but_reading_is_possible(client: FlaskClient):
    """It has no form, and takes nothing."""
    assert client.post("/playbook").status_code == 405
    assert client.head("/playbook").status_code == 200


def test_a_page_is_drawn_once_for_each_version(client: FlaskClient, bridge: Bridge, monkeypatch):
    """With hundreds of tags it takes a while, and anybody may ask again and again."""
    first = client.get("/playbook").text
    monkeypatch.setattr("bridge.app.playbook.page", lambda *_: "drawn again")
    assert client.get("/playbook").text == first
