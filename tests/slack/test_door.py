"""What comes in from Slack: signatures, presses through Bolt, and what is kept of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import flask
import pytest

from bridge.core.card import Action
from bridge.errors import StoreBusyError, UnauthenticRequestError
from bridge.slack import SlackAccount, build_app, flask_handler, read_press, verify
from tests.slack.fake import FakeSlack
from tests.slack.payloads import (
    PUBLISHED_BODY,
    PUBLISHED_SECRET,
    PUBLISHED_SIGNATURE,
    PUBLISHED_TIMESTAMP,
    press,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SECRET = "test-secret-one"
FORM = "application/x-www-form-urlencoded"


def sign(body: bytes, stamp: str = STAMP, secret: str = SECRET) -> dict[str, str]:
    signed = f"v0:{stamp}:".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}


def test_the_published_example_is_authentic() -> None:
    """The request, secret and signature that Slack's own documentation works through."""
    headers = {"x-slack-request-timestamp": PUBLISHED_TIMESTAMP, "x-slack-signature": PUBLISHED_SIGNATURE}
    then = datetime.fromtimestamp(int(PUBLISHED_TIMESTAMP), UTC)

    verify(PUBLISHED_BODY, headers, then, (PUBLISHED_SECRET,))
    with pytest.raises(UnauthenticRequestError):
        verify(PUBLISHED_BODY + b" ", headers, then, (PUBLISHED_SECRET,))


def test_any_secret_in_rotation_may_have_signed() -> None:
    """The new one and the one before it."""
    verify(b"x", sign(b"x"), NOW, ("test-secret-two", SECRET))


@pytest.mark.parametrize("secrets", [(), ("",), ("test-secret-two",)])
def test_no_other_secret_opens(secrets: tuple[str, ...]) -> None:
    """None set is no reason to let anybody in, nor is an empty one."""
    with pytest.raises(UnauthenticRequestError):
        verify(b"x", sign(b"x", secret=""), NOW, secrets)
    with pytest.raises(UnauthenticRequestError):
        verify(b"x", sign(b"x"), NOW, secrets)


@pytest.mark.parametrize(
    ("age_s", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_a_request_lives_for_five_minutes(age_s: int, fresh: bool) -> None:
    """Older, or from the future: replayed."""
    arrived = NOW + timedelta(seconds=age_s)
    if fresh:
        verify(b"x", sign(b"x"), arrived, (SECRET,))
    else:
        with pytest.raises(UnauthenticRequestError):
            verify(b"x", sign(b"x"), arrived, (SECRET,))


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "soon",
        "-1",
        "+1",
        "1.5",
        "1e9",
        " 1",
        STAMP + "\n",
        "NaN",
        "9" * 12,
        "9" * 400,
        "١٢٣",
        "²",
        "0x10",
    ],
)
def test_a_garbled_timestamp_is_unauthentic(stamp: str) -> None:
    """Signed or not: never an error of ours."""
    with pytest.raises(UnauthenticRequestError):
        verify(b"x", sign(b"x", stamp), NOW, (SECRET,))


@pytest.mark.parametrize(
    "signature", [None, "", "v0=", "v1=abc", "v0=" + "0" * 64, "v0=é", "v0=\ud800", "v0=" + "0" * 100_000]
)
def test_a_garbled_signature_is_unauthentic(signature: str | None) -> None:
    """Missing, empty, of another scheme, wrong, not ASCII, huge."""
    headers = sign(b"x")
    del headers["x-slack-signature"]
    if signature is not None:
        headers["x-slack-signature"] = signature
    with pytest.raises(UnauthenticRequestError):
        verify(b"x", headers, NOW, (SECRET,))


def test_no_headers_are_unauthentic() -> None:
    """A stranger's POST."""
    with pytest.raises(UnauthenticRequestError):
        verify(b"", {}, NOW, (SECRET,))


Record = list[tuple[str, bytes]]


@pytest.fixture
def recorded() -> Record:
    """What reached the callback, in order."""
    return []


def client_of(account: SlackAccount, on_press: Callable[[str, bytes], None]) -> Any:
    answer = flask_handler(build_app(account, on_press))
    server = flask.Flask("door")
    server.add_url_rule("/slack/events", view_func=lambda: answer(flask.request), methods=["POST"])
    return server.test_client()


def form(payload: dict[str, Any]) -> bytes:
    return f"payload={quote_plus(json.dumps(payload))}".encode()


def post(client: Any, body: bytes, kind: str = FORM) -> Any:
    return client.post("/slack/events", data=body, content_type=kind)


@pytest.mark.parametrize("action", list(Action))
def test_a_press_is_recorded_and_then_acknowledged(
    account: SlackAccount, slack: FakeSlack, recorded: Record, action: Action
) -> None:
    """Every button, in the caller's thread, without a single call to Slack."""
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))

    answer = post(client, form(press(f"bridge_{action}", "intent-7")))

    assert (answer.status_code, answer.data) == (200, b"")
    ((delivery, body),) = recorded
    read = read_press(body)
    assert (read.id, read.action, read.subject, read.user_id) == (delivery, action, "intent-7", "U0AGENT1")
    assert slack.calls == []


def test_the_record_comes_before_the_acknowledgement(account: SlackAccount) -> None:
    """A store that cannot write: 503 with a time to come back, and no acknowledgement."""

    def busy(delivery: str, body: bytes) -> None:
        raise StoreBusyError("the database cannot write just now")

    answer = post(client_of(account, busy), form(press("bridge_claim")))

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.data == b""


def test_a_fault_of_ours_is_no_acknowledgement(
    account: SlackAccount, caplog: pytest.LogCaptureFixture
) -> None:
    """The person sees in Slack that the press did not work; the log names the class only."""

    def broken(delivery: str, body: bytes) -> None:
        raise RuntimeError("the customer wrote: help")

    answer = post(client_of(account, broken), form(press("bridge_claim")))

    assert answer.status_code == 500
    assert "RuntimeError" in caplog.text
    assert "customer" not in caplog.text


@pytest.mark.parametrize(
    "payload",
    [
        press("somebody_elses_button"),
        press("bridge_unheard_of"),
        {
            "type": "view_submission",
            "user": {"id": "U0AGENT1"},
            "view": {"type": "modal", "callback_id": "x", "state": {"values": {}}},
        },
        {"type": "message_action", "user": {"id": "U0AGENT1"}, "callback_id": "x"},
        {"type": "something_new"},
        {},
    ],
)
def test_what_nobody_asked_for_is_acknowledged_and_forgotten(
    account: SlackAccount, recorded: Record, payload: dict[str, Any]
) -> None:
    """A button of another app, or a new kind of interaction: 200, nothing kept."""
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))

    assert post(client, form(payload)).status_code == 200
    assert recorded == []


def test_an_event_is_acknowledged_and_forgotten(account: SlackAccount, recorded: Record) -> None:
    """The app subscribes to none; an admin may have."""
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))
    event = {
        "type": "event_callback",
        "event": {"type": "message", "text": "hi", "user": "U1"},
        "event_id": "E1",
    }

    assert post(client, json.dumps(event).encode(), "application/json").status_code == 200
    assert recorded == []


def test_the_url_handshake_is_answered(account: SlackAccount) -> None:
    """Slack checks a new request URL with a challenge."""
    client = client_of(account, lambda delivery, body: None)
    challenge = {
        "type": "url_verification",
        "token": "x",
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    }

    answer = post(client, json.dumps(challenge).encode(), "application/json")

    assert answer.status_code == 200
    assert answer.get_json() == {"challenge": challenge["challenge"]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"7", "application/json"),
        (b'{"a":' + b"[" * 100_000, "application/json"),
        (b"payload={", FORM),
        (b"payload=[1]", FORM),
        (b"payload=%5B%5D", FORM),
        (b"payload=" + b"[" * 100_000, FORM),
        (b"payload=%7B%22type%22:%22block_actions%22,%22actions%22:7%7D", FORM),
        (b"payload=%7B%22type%22:%22block_actions%22,%22actions%22:[7]%7D", FORM),
        (b"payload=%7B%22type%22:%22block_actions%22,%22actions%22:[]%7D", FORM),
        (b"payload=%7B%22user%22:7,%22team%22:7,%22enterprise%22:7%7D", FORM),
        (b"\xff\xfe\x00", FORM),
        (b"\xff\xfe\x00", "application/json"),
        (b"", FORM),
        (b"", "application/json"),
    ],
)
def test_signed_rubbish_is_never_an_error_of_ours(
    account: SlackAccount, recorded: Record, body: bytes, kind: str
) -> None:
    """Refused or ignored, never a 5xx, never recorded."""
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))

    assert post(client, body, kind).status_code in (200, 400)
    assert recorded == []


def test_a_client_id_in_the_environment_changes_nothing(
    account: SlackAccount, recorded: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bolt would turn to OAuth and look for installations that nobody made."""
    monkeypatch.setenv("SLACK_CLIENT_ID", "test-client")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "test-secret-two")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "test-bot-token-two")
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))

    assert post(client, form(press("bridge_claim"))).status_code == 200
    assert len(recorded) == 1


def test_the_same_press_has_the_same_id_and_another_has_another(
    account: SlackAccount, recorded: Record
) -> None:
    """Delivered twice it is one delivery; pressed twice it is two."""
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))

    for payload in (press("bridge_claim"), press("bridge_claim"), press("bridge_claim", trigger="9.9.other")):
        post(client, form(payload))

    first, again, other = (delivery for delivery, _ in recorded)
    assert first == again != other


def test_our_own_log_is_not_silenced(account: SlackAccount) -> None:
    """Bolt sets the level of loggers that it names after the app: none of them may be ours."""
    build_app(account, lambda delivery, body: None)

    for name in ("bridge", "bridge.slack", "bridge.slack.door", "bridge.flows"):
        assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_nothing_of_the_customer_is_kept_or_logged(
    account: SlackAccount, recorded: Record, caplog: pytest.LogCaptureFixture
) -> None:
    """A payload repeats the whole card, and carries an address and a token that open something."""
    caplog.set_level(logging.DEBUG)
    names = [name for name in logging.root.manager.loggerDict if name.startswith(("slack", "bridge"))]
    for name in ["slack_bolt", "slack_sdk", "bridge", "bridge.slack", *names]:
        caplog.set_level(logging.DEBUG, logger=name)
    client = client_of(account, lambda delivery, body: recorded.append((delivery, body)))

    for payload in (press("bridge_claim"), press("somebody_elses_button")):
        post(client, form(payload))
    post(client, b"payload={customer words")

    kept = recorded[0][1].decode()
    for word in ("customer", "hooks.slack.example", "test-verification"):
        assert word in json.dumps(press("bridge_claim"))
        assert word not in kept
        assert word not in caplog.text
