"""Who may come in: the raw bytes, signed by the vendor, just now. Nobody else is even written down."""

from __future__ import annotations

import json
import logging
import time

import pytest
from flask.testing import FlaskClient

from bridge.app import Bridge
from tests.intake.knocking import (
    HOOKS,
    PLAZA_SECRET,
    SLACK,
    STANDARD,
    TAGS_SECRET,
    ZENDESK,
    Headers,
    Hook,
    created,
    names,
    stored,
)

WRONG_SIGNATURES = [
    "",
    " ",
    "x",
    "v1",
    "v1,",
    "v1,====",
    "v1, ,v1",
    "v0=",
    "v0=zz",
    "v2,AAAA v3,BBBB",
    "é" * 40,
    "A" * 44,
    "A" * 8000,
]

GARBAGE_TIMES = [
    "",
    "0",
    "-1",
    "now",
    "1e9",
    "1700000000.5",
    " 1700000000",
    "١٧٠٠٠٠٠٠٠٠",
    "²",
    "9" * 12,
    "9" * 400,
    "0x10",
    "nan",
    "inf",
    "2026-11-21",
    "2026-11-21T00:00:00",
    "2026-13-41T25:61:61Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "é",
]


def is_turned_away(bridge: Bridge, client: FlaskClient, hook: Hook, headers: Headers, body: bytes) -> None:
    before = sum(bridge.door.counts.values())
    answer = hook.knock(client, body, headers)

    assert 401 == answer.status_code, headers
    assert b"" == answer.data, "why is for our counters, not for who knocks"
    assert [] == stored(bridge)
    assert before + 1 == sum(bridge.door.counts.values())


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_what_the_vendor_signed_just_now_comes_in_and_is_written_down(bridge, client, hook: Hook):
    """The yardstick for everything below: the same request, unspoilt, is taken."""
    answer = hook.knock(client, hook.good)

    assert answer.status_code in (200, 202)
    assert [("received", hook.name)] == [(row.state, row.source) for row in stored(bridge)]


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_without_a_signature_nobody_comes_in(bridge, client, hook: Hook):
    """No header at all: 401, nothing stored."""
    is_turned_away(bridge, client, hook, {}, hook.good)


@pytest.mark.parametrize(
    ("hook", "missing"),
    [(hook, name) for hook in HOOKS for name in hook.headers(b"")],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_header_of_the_signature_is_needed(bridge, client, hook: Hook, missing: str):
    """One of them left out, the others right."""
    headers = hook.headers(hook.good)
    del headers[missing]
    is_turned_away(bridge, client, hook, headers, hook.good)


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_a_signature_by_another_secret_is_wrong(bridge, client, hook: Hook):
    """Well made, with a key that is not ours: another account's is no better."""
    other = TAGS_SECRET if hook is STANDARD else PLAZA_SECRET
    is_turned_away(bridge, client, hook, hook.headers(hook.good, secret=other), hook.good)


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_a_signature_of_other_bytes_is_wrong(bridge, client, hook: Hook):
    """One byte more than what was signed."""
    is_turned_away(bridge, client, hook, hook.headers(hook.good), hook.good + b" ")


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_a_signature_that_is_not_of_now_is_refused(bridge, client, hook: Hook):
    """Signed with the right key, an hour ago: somebody plays an old request back."""
    for age_s in (3600, 1000, -1000, -3600):
        is_turned_away(bridge, client, hook, hook.headers(hook.good, age_s=age_s), hook.good)


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_a_malformed_signature_is_refused(bridge, client, hook: Hook):
    """Rubbish where the signature stands: 401, whatever it is."""
    headers = hook.headers(hook.good)
    name = next(name for name in headers if name.lower().endswith("signature"))
    for wrong in WRONG_SIGNATURES:
        is_turned_away(bridge, client, hook, headers | {name: wrong}, hook.good)


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
def test_a_garbled_time_is_refused(bridge, client, hook: Hook):
    """As it stands in the header, and even where the signature covers it."""
    headers = hook.headers(hook.good)
    name = next(name for name in headers if name.lower().endswith("timestamp"))
    for garbage in GARBAGE_TIMES:
        spoilt = garbage.encode().decode("latin-1")
        is_turned_away(bridge, client, hook, headers | {name: spoilt}, hook.good)
        is_turned_away(bridge, client, hook, hook.sign(hook.secret, hook.good, spoilt), hook.good)


def test_an_unusable_delivery_id_is_refused(bridge, client):
    """Standard Webhooks: the id is signed too, and has to be one that can be kept."""
    at = str(int(time.time()))
    for number in ("", " ", "a b", "x" * 256, "é", "a\tb"):
        signed = STANDARD.sign(PLAZA_SECRET, STANDARD.good, at, number)
        is_turned_away(bridge, client, STANDARD, signed, STANDARD.good)


def test_the_bytes_are_verified_as_they_came(bridge, client):
    """Thai, Polish and an emoji in UTF-8: taken, and kept to the byte."""
    body = created("แอปค้าง · zawiesza się · 🔥")
    assert 202 == STANDARD.knock(client, body).status_code
    assert [body] == [row.body for row in stored(bridge)]


def test_the_same_words_in_other_bytes_have_another_signature(bridge, client):
    """Re-serialised on the way: the same JSON, and not what was signed."""
    body = created("แอปค้าง")
    again = json.dumps(json.loads(body)).encode()
    assert json.loads(again) == json.loads(body)
    is_turned_away(bridge, client, STANDARD, STANDARD.headers(body), again)


def test_any_signature_that_fits_is_enough(bridge, client):
    """Standard Webhooks sends one per secret while it is rotated, in any order."""
    headers = STANDARD.headers(STANDARD.good)
    headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"
    assert 202 == STANDARD.knock(client, STANDARD.good, headers).status_code


def test_one_hooks_signature_opens_no_other(bridge, client):
    """The desk's headers at Slack's door and the other way round."""
    for hook, other in ((ZENDESK, SLACK), (SLACK, ZENDESK), (STANDARD, ZENDESK)):
        assert 401 == hook.knock(client, hook.good, other.headers(hook.good)).status_code
    assert [] == stored(bridge)


def test_the_log_says_at_which_door_somebody_was_turned_away(
    bridge: Bridge, client: FlaskClient, caplog: pytest.LogCaptureFixture
):
    """Which account's sender has the wrong secret; what strangers invent is cut, and never a count's name."""
    caplog.set_level(logging.INFO, logger="bridge.intake.door")
    STANDARD.knock(client, STANDARD.good, {})
    for number in range(3):
        client.post(f"/hooks/social/{number}%0Aanswered%20202" + "x" * 500, data=b"{}")
    first, *others = [record.getMessage() for record in caplog.records]
    assert first.startswith("answered 401 to '/hooks/social/kopi-plaza': ")
    assert len(others) == 3
    assert all(len(line) < 200 and line.isprintable() for line in others)
    assert len(bridge.door.counts) == 2
    assert not any("/" in reason for reason in bridge.door.counts)
