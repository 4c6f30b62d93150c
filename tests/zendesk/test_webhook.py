"""Zendesk's webhook at the door: only what Zendesk signed, only while it is fresh, only as a hint."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.desk import Hint
from bridge.errors import UnauthenticRequestError, UnreadablePayloadError, UnsupportedEventError
from bridge.zendesk.webhook import read_hint, verify

STAMP = "2026-11-20T09:00:00Z"
NOW = datetime(2026, 11, 20, 9, 0, 5, tzinfo=UTC)
SECRETS = ("test-secret-two", "test-secret-one")
EVENT = (Path(__file__).parent / "fixtures" / "events" / "comment_added.json").read_bytes()
TRIGGER = json.dumps(
    {
        "schema": 1,
        "event": "agent_public_comment",
        "ticket_id": "5158",
        "ticket_external_id": "bridge:1f0c:0",
        "current_user_id": "5246746",
        "updated_at": STAMP,
    }
).encode()


def signed(body: bytes, secret: str = SECRETS[0], stamp: str = STAMP) -> dict[str, str]:
    """Headers as the vendor's page builds them: base64(HMAC-SHA256(timestamp + body))."""
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    return {
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        "x-zendesk-webhook-signature-timestamp": stamp,
        "x-zendesk-webhook-invocation-id": "01HF2TNOTSIGNED",
    }


def test_a_signed_event_is_known_by_its_own_id():
    """The envelope's id is inside what is signed, and the same at each redelivery."""
    assert verify(EVENT, signed(EVENT), NOW, SECRETS) == "cbe4028c-7239-495d-b020-f22348516046"


def test_a_triggers_body_is_known_by_what_was_signed():
    """It has no id; the invocation's id is in a header that anybody could change."""
    headers = signed(TRIGGER)
    first = verify(TRIGGER, headers, NOW, SECRETS)
    assert first == verify(TRIGGER, {**headers, "x-zendesk-webhook-invocation-id": "other"}, NOW, SECRETS)
    assert first == hashlib.sha256(STAMP.encode() + TRIGGER).hexdigest()
    later = signed(TRIGGER, stamp="2026-11-20T09:00:01Z")
    assert first != verify(TRIGGER, later, NOW, SECRETS)


def test_the_signature_is_the_one_that_others_compute():
    """Computed with openssl: printf '%s' '2026-11-20T09:00:00Z{}' | openssl dgst -sha256 -hmac … -binary."""
    headers = {
        "x-zendesk-webhook-signature": "Uk3Uw6xgeDm4W/1GDE5e0BO/zcLBKHGY4bS8LjCpKC8=",
        "x-zendesk-webhook-signature-timestamp": STAMP,
    }
    assert verify(b"{}", headers, NOW, ("test-secret-one",))


def test_the_previous_secret_still_serves_while_it_is_listed():
    """Rotation: Zendesk signs with the old one until the admin has saved the new one."""
    assert verify(TRIGGER, signed(TRIGGER, SECRETS[1]), NOW, SECRETS)
    with pytest.raises(UnauthenticRequestError):
        verify(TRIGGER, signed(TRIGGER, SECRETS[1]), NOW, SECRETS[:1])


def test_a_body_may_be_empty():
    """Zendesk's own test button can send none."""
    assert verify(b"", signed(b""), NOW, SECRETS)


@pytest.mark.parametrize("minutes", [-11, 11, 60 * 24 * 365])
def test_a_stale_or_future_timestamp_is_refused(minutes):
    """A recorded request must not be played again next week."""
    with pytest.raises(UnauthenticRequestError, match="stale"):
        verify(TRIGGER, signed(TRIGGER), NOW + timedelta(minutes=minutes), SECRETS)


def test_a_retry_within_the_window_is_taken():
    """Zendesk repeats a timed-out call with the time of the first."""
    assert verify(TRIGGER, signed(TRIGGER), NOW + timedelta(minutes=9), SECRETS)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "yesterday",
        "1763629200",
        "2026-11-20T09:00:00",
        "2026-13-45T99:00:00Z",
        "９",
        "\udcff",
        "0" * 5000,
    ],
)
def test_a_malformed_timestamp_is_refused_even_when_it_is_signed(stamp):
    """Never a 500: what cannot be read is not proven."""
    headers = signed(TRIGGER, stamp=stamp.encode("utf-8", "replace").decode())
    with pytest.raises(UnauthenticRequestError):
        verify(TRIGGER, {**headers, "x-zendesk-webhook-signature-timestamp": stamp}, NOW, SECRETS)


def test_what_is_not_signed_by_us_is_refused():
    """Missing, wrong, in hex, over another body, over body + timestamp."""
    good = signed(TRIGGER)
    name = "x-zendesk-webhook-signature"
    raw = base64.b64decode(good[name])
    swapped = hmac.new(SECRETS[0].encode(), TRIGGER + STAMP.encode(), hashlib.sha256).digest()
    wrong = ["", "x", "ünïcode", "\udcff", raw.hex(), base64.b64encode(swapped).decode(), good[name] + "="]
    for value in wrong:
        with pytest.raises(UnauthenticRequestError):
            verify(TRIGGER, {**good, name: value}, NOW, SECRETS)
    for headers, body in (({}, TRIGGER), (good, TRIGGER + b" "), (signed(TRIGGER, "test-stranger"), TRIGGER)):
        with pytest.raises(UnauthenticRequestError):
            verify(body, headers, NOW, SECRETS)


def test_without_a_secret_nothing_is_let_in():
    """An empty secret is no secret: anybody can sign with it."""
    for secrets in ((), ("",)):
        with pytest.raises(UnauthenticRequestError, match="no webhook secret"):
            verify(TRIGGER, signed(TRIGGER, ""), NOW, secrets)


@settings(deadline=None)  # other work may hold the machine up
@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(sorted(signed(b""))), st.text(max_size=60)))
def test_rubbish_is_refused_and_nothing_else(body, headers):
    """The door answers 401 and never 500."""
    with pytest.raises(UnauthenticRequestError):
        verify(body, headers, NOW, SECRETS)


def test_both_forms_hint_at_the_same_ticket():
    """Our triggers' ids, and the event that some accounts can subscribe to."""
    assert read_hint(TRIGGER) == Hint("5158", "bridge:1f0c:0")
    assert read_hint(EVENT) == Hint("5158", "bridge:1f0c:0")


def test_a_ticket_that_is_nobodys_has_no_external_id():
    """An agent put our tag on another ticket: the placeholder is empty."""
    assert read_hint(b'{"schema": 1, "ticket_id": 7, "ticket_external_id": ""}') == Hint("7", None)


@pytest.mark.parametrize(
    "body",
    [b'{"type": "zen:event-type:user.created", "id": "x"}', b'{"schema": 2, "ticket_id": "7"}'],
)
def test_what_is_known_and_unwanted_is_said_to_be_so(body):
    """Answered 200 and counted."""
    with pytest.raises(UnsupportedEventError):
        read_hint(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b'"x"',
        b"{}",
        b'{"type": 7}',
        b'{"schema": 1}',
        b'{"schema": 1, "ticket_id": "5/6"}',
        b'{"schema": 1, "ticket_id": true}',
        b'{"schema": 1, "ticket_id": -7}',
        '{"schema": 1, "ticket_id": "７"}'.encode(),
        b'{"type": "zen:event-type:ticket.merged"}',
        b'{"type": "zen:event-type:ticket.merged", "detail": []}',
        b"[" * 100_000,
        b'{"schema": 1, "ticket_id": ' + b"7" * 5000 + b"}",
    ],
)
def test_what_is_not_this_vendors_shape_is_unreadable(body):
    """Answered 400, and the bytes are kept."""
    with pytest.raises(UnreadablePayloadError):
        read_hint(body)
    assert verify(body, signed(body), NOW, SECRETS)
