"""Presses over Socket Mode."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bridge.errors import StoreBusyError
from bridge.slack import SlackAccount, SocketMode, build_app, read_press
from tests.slack.fake import FakeSlack
from tests.slack.payloads import press
from tests.slack.websocket import FakeSocket


@pytest.fixture
def sockets(account: SlackAccount) -> SlackAccount:
    return replace(account, app_token="test-app-token-one")


@pytest.fixture
def link(slack: FakeSlack) -> Iterator[FakeSocket]:
    fake = FakeSocket()
    slack.default("apps.connections.open", {"ok": True, "url": fake.url})
    yield fake
    fake.close()


def envelope(name: str) -> dict[str, object]:
    return {
        "envelope_id": name,
        "type": "interactive",
        "accepts_response_payload": False,
        "payload": press("bridge_claim"),
    }


def test_a_press_comes_in_over_the_socket(sockets: SlackAccount, slack: FakeSlack, link: FakeSocket) -> None:
    """Recorded, then acknowledged by its envelope; the link is opened with the app token."""
    recorded: queue.Queue[bytes] = queue.Queue()
    mode = SocketMode(sockets, build_app(sockets, lambda delivery, body: recorded.put(body)))
    try:
        assert mode.start()
        assert mode.start(), "a second start changes nothing"
        assert link.connected.wait(2)
        link.send(envelope("envelope-1"))

        assert link.received.get(timeout=5) == {"envelope_id": "envelope-1"}
        assert read_press(recorded.get_nowait()).subject == "case-1"
    finally:
        link.hang_up()
        mode.stop()

    assert [call.token for call in slack.calls] == ["Bearer test-app-token-one"]


def test_a_press_that_cannot_be_recorded_is_not_acknowledged(sockets: SlackAccount, link: FakeSocket) -> None:
    """Slack tells the person; the next press, recorded, is acknowledged."""
    outcomes = iter([StoreBusyError("the database cannot write just now"), None])

    def on_press(delivery: str, body: bytes) -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    mode = SocketMode(sockets, build_app(sockets, on_press))
    try:
        assert mode.start()
        assert link.connected.wait(2)
        link.send(envelope("envelope-1"))
        with pytest.raises(queue.Empty):
            link.received.get(timeout=0.2)
        link.send(envelope("envelope-2"))
        assert link.received.get(timeout=5) == {"envelope_id": "envelope-2"}
    finally:
        link.hang_up()
        mode.stop()


def test_a_refused_token_is_logged_with_what_to_do(
    sockets: SlackAccount, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    """Starting goes on without buttons; the caller tries again later."""
    slack.default("apps.connections.open", {"ok": False, "error": "invalid_auth"})

    assert not SocketMode(sockets, build_app(sockets, lambda delivery, body: None)).start()

    assert "connections:write" in caplog.text
    assert "test-app-token-one" not in caplog.text


def test_a_link_that_cannot_be_opened_may_be_tried_again(
    sockets: SlackAccount, slack: FakeSlack, link: FakeSocket
) -> None:
    """The first address leads nowhere, the second works."""
    slack.answer("apps.connections.open", {"ok": True, "url": "ws://127.0.0.1:9/nowhere"})
    mode = SocketMode(sockets, build_app(sockets, lambda delivery, body: None))
    try:
        assert not mode.start()
        assert mode.start()
    finally:
        link.hang_up()
        mode.stop()


def test_stopping_what_never_started_is_fine(sockets: SlackAccount) -> None:
    """Shutdown does not care how far starting came."""
    SocketMode(sockets, build_app(sockets, lambda delivery, body: None)).stop()


def test_socket_mode_without_an_app_token_is_a_mistake(account: SlackAccount) -> None:
    """Said at once, by us."""
    with pytest.raises(ValueError, match="app token"):
        SocketMode(account, build_app(account, lambda delivery, body: None))
