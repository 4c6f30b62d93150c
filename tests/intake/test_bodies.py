"""What authentic senders may bring: taken, kept as unreadable, or too big; never a crash."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from bridge.app import Bridge
from tests.intake.knocking import (
    HOOKS,
    SLACK,
    STANDARD,
    TAGS_SECRET,
    ZENDESK,
    Hook,
    created,
    hint,
    names,
    press,
    stored,
)

DEEP = b"[" * 10_000 + b"]" * 10_000
DEEP_OBJECT = b'{"a":' * 10_000 + b"1" + b"}" * 10_000

# No JSON, or none that any vendor sends.
RUBBISH = {
    "empty": b"",
    "blank": b" \n",
    "not UTF-8": b'{"type": "\xff\xfe"}',
    "UTF-16": '{"type": "social.message.created"}'.encode("utf-16"),
    "a NUL": b"\x00",
    "truncated": created()[:-7],
    "truncated in a character": created("แอป")[: created("แอป").index("ป".encode()) + 1],
    "a list": b"[]",
    "a list of the right thing": b"[" + created() + b"]",
    "a number": b"17",
    "a huge number": b"9" * 5000,
    "not a number": b"NaN",
    "a word": b'"social.message.created"',
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "nested lists": DEEP,
    "nested objects": DEEP_OBJECT,
    "an open end": b"[" * 10_000,
    "a form": b"payload=%7B%7D",
    "XML": b"<?xml version='1.0'?><a/>",
}

MISSHAPEN = {
    "no author": json.dumps({"type": "social.message.created", "data": {"id": "1", "text": "x"}}).encode(),
    "data is a list": b'{"type": "social.message.created", "data": []}',
    "no data": b'{"type": "social.message.created"}',
    "the type is a number": b'{"type": 5, "data": {}}',
    "the type is no type": b'{"type": "", "data": {}}',
    "nesting in a field": created()[:-2] + b', "x": ' + DEEP + b"}}",
    "a lone surrogate": created(author={"id": "\\ud800"}).replace(b"\\\\", b"\\"),
    "an id with a NUL": created(id="post\0").replace(b"\0", b"\\u0000"),
    "an id without end": created(id="p" * 5000),
    "a time outside of the calendar": created(created_at="0001-01-01T00:00:00+14:00"),
    "a time without a zone": created(created_at="2026-11-21T11:59:30"),
    "a huge time": created(created_at=1e300),
    "no tags in a tagging": b'{"type": "social.message.tagged", "data": {"id": "1", "tags": []}}',
}

NO_TICKET: list[dict[str, Any]] = [
    {"ticket_id": None},
    {"ticket_id": ""},
    {"ticket_id": "1; drop"},
    {"ticket_id": "٣"},
    {"ticket_id": [1]},
    {"ticket_id": True},
    {"ticket_id": 1.5},
    {"ticket_id": "9" * 21},
    {"type": "zen:event-type:ticket.comment_added"},
    {"type": "zen:event-type:ticket.comment_added", "detail": {"id": None}},
]


def is_refused_and_kept(bridge: Bridge, client: FlaskClient, hook: Hook, body: bytes, number: str) -> None:
    """400, without a word of explanation, and the very bytes are on the last row with the reason."""
    answer = hook.knock(client, body, hook.headers(body, number=number))
    assert (400, b"") == (answer.status_code, answer.data), number
    row = stored(bridge)[-1]
    assert ("unreadable", hook.name, body) == (row.state, row.source, row.body), number
    assert row.reason


@pytest.mark.parametrize("hook", (STANDARD, ZENDESK), ids=("standard", "zendesk"))
def test_signed_rubbish_is_400_and_its_bytes_are_kept(bridge, client, hook: Hook):
    """A sender's bug, or ours: without the bytes nobody could ever tell."""
    for name, body in RUBBISH.items():
        is_refused_and_kept(bridge, client, hook, body, name.replace(" ", "_"))
    assert len(RUBBISH) == len(stored(bridge))


def test_a_known_event_of_the_wrong_shape_is_400_and_kept(bridge, client):
    """The type is one of ours, what it brings is not."""
    for name, body in MISSHAPEN.items():
        is_refused_and_kept(bridge, client, STANDARD, body, name.replace(" ", "_"))
    assert len(MISSHAPEN) == len(stored(bridge))


def test_a_hint_that_names_no_ticket_is_400_and_kept(bridge, client):
    """The desk's trigger was edited by hand, say."""
    for changes in NO_TICKET:
        is_refused_and_kept(bridge, client, ZENDESK, hint(**changes), str(changes))
    assert len(NO_TICKET) == len(stored(bridge))


def test_an_event_that_nobody_wants_is_200_and_changes_nothing(bridge, client):
    """A reaction, a type of next year: the sender is not asked to repeat it."""
    body = b'{"type": "social.reaction.added", "data": {"emoji": "+1"}}'
    assert 200 == STANDARD.knock(client, body).status_code
    assert [("unwanted", body)] == [(row.state, row.body) for row in stored(bridge)]


@pytest.mark.parametrize("changes", [{"schema": 2}, {"type": "zen:event-type:user.created", "id": "e-1"}])
def test_a_desk_event_that_nobody_wants_is_200_and_says_why_it_was_passed_over(bridge, client, changes):
    """Of another schema, or not about a ticket: kept like a network's, so that it can be seen."""
    body = hint(**changes)
    assert 200 == ZENDESK.knock(client, body).status_code
    assert [("unwanted", body)] == [(row.state, row.body) for row in stored(bridge)]


def test_an_event_id_that_cannot_be_stored_is_no_crash(bridge, client):
    """The desk's own event id with half a character in it: some other id does as well."""
    event = {"type": "zen:event-type:ticket.comment_added", "detail": {"id": "7"}, "id": "\ud800 \0"}
    assert 202 == ZENDESK.knock(client, json.dumps(event).encode()).status_code
    assert ["received"] == [row.state for row in stored(bridge)]


def test_signed_rubbish_of_slack_is_answered_and_leaves_nothing(bridge, client):
    """A press is written down in our own reduced form; what is no press of ours leaves no row."""
    for body in (
        *RUBBISH.values(),
        b"payload=",
        b"payload=%5B%5D",
        b"payload=" + quote(DEEP).encode(),
        b"payload=%ff",
        b"payload=%7B%22type%22%3A%22block_actions%22%7D",
        b"payload=%7B%22type%22%3A%22view_submission%22%7D",
        press(action="somebody-elses"),
        press(type="message_action"),
    ):
        assert SLACK.knock(client, body).status_code in (200, 400), body[:60]
    assert [] == stored(bridge)


def test_a_misshapen_press_of_slack_is_no_crash(bridge, client):
    """Signed by Slack, and not the shape that it documents."""
    for changes in ({"user": None}, {"user": []}, {"actions": {}}, {"trigger_id": [[1]]}):
        assert SLACK.knock(client, press(**changes)).status_code < 500, changes


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with its length", "chunked"])
def test_ten_megabytes_are_413(bridge, client, hook: Hook, is_chunked: bool):
    """Signed or not, said beforehand or not: nobody reads that much."""
    body = b" " * (10 * 1024 * 1024)
    headers = hook.headers(body)
    if is_chunked:
        answer = client.post(
            hook.path,
            input_stream=BytesIO(body),
            headers=headers,
            content_type=hook.content_type,
            environ_overrides={"wsgi.input_terminated": True},
        )
    else:
        answer = hook.knock(client, body, headers)

    assert 413 == answer.status_code
    assert [] == stored(bridge)


def test_other_methods_are_405(bridge, client):
    """Only what the table of addresses says."""
    for path in (*(hook.path for hook in HOOKS), "/hooks/social/kopi-mastodon", "/healthz", "/readyz"):
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            assert 405 == client.open(path, method=method).status_code, (method, path)
    for method, path in (
        ("GET", ZENDESK.path),
        ("GET", SLACK.path),
        ("POST", "/healthz"),
        ("POST", "/readyz"),
    ):
        assert 405 == client.open(path, method=method).status_code, (method, path)
    assert [] == stored(bridge)


def test_an_account_that_is_in_no_mapping_is_404(bridge, client):
    """Whatever is asked for, and however well it is signed."""
    headers = STANDARD.headers(STANDARD.good)
    for key in ("nobody", "kopi", "KOPI-PLAZA", "kopi-plaza%20", "..%2f..", "%00", "%ff", "é", "x" * 4000):
        address = f"/hooks/social/{key}"
        assert 404 == client.post(address, data=STANDARD.good, headers=headers).status_code, key
        assert 404 == client.get(address).status_code, key
    assert [] == stored(bridge)


def test_an_account_that_is_polled_takes_no_webhook(bridge, client):
    """Mastodon tells an account nothing by webhook: 404, signed or not."""
    for key in ("kopi-mastodon", "rower-mastodon"):
        headers = STANDARD.headers(STANDARD.good)
        assert 404 == client.post(f"/hooks/social/{key}", data=STANDARD.good, headers=headers).status_code
    assert [] == stored(bridge)


def test_a_handshake_that_no_network_here_has_is_404(client):
    """None of today's networks proves an address by GET; a challenge is not simply echoed."""
    for key in ("kopi-plaza", "social-team-tags", "kopi-mastodon"):
        for query in ("", "?hub.mode=subscribe&hub.challenge=17", "?crc_token=x", "?a=%ff&a=%00"):
            answer = client.get(f"/hooks/social/{key}{query}")
            assert (404, b"") == (answer.status_code, answer.data), (key, query)


def test_other_addresses_are_404(client):
    """No page, no hint of what runs here."""
    for path in ("/", "/hooks", "/hooks/social", "/hooks/social/", "/slack", "/favicon.ico"):
        answer = client.get(path)
        assert (404, b"") == (answer.status_code, answer.data), path


def test_the_same_delivery_again_is_200_and_one_row(bridge, client):
    """The sender did not hear us the first time."""
    assert [202, 200, 200] == [STANDARD.knock(client, STANDARD.good).status_code for _ in range(3)]
    assert 1 == len(stored(bridge))


def test_one_delivery_id_of_two_accounts_is_two_deliveries(bridge, client):
    """Each sender counts for itself."""
    tag = b'{"type": "social.message.tagged", "data": {"id": "post-1", "tags": ["crisis"]}}'
    STANDARD.knock(client, STANDARD.good)
    answer = client.post(
        "/hooks/social/social-team-tags", data=tag, headers=STANDARD.headers(tag, secret=TAGS_SECRET)
    )
    assert 202 == answer.status_code
    assert ["kopi-plaza", "social-team-tags"] == [row.account for row in stored(bridge)]
