"""Requests that nobody thought of: whatever comes to whatever address, never a 5xx."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.app import Bridge
from bridge.core.card import Action
from bridge.flows.slots import Slots
from bridge.flows.take_in import take_in
from bridge.slack.blocks import action_id
from tests.intake.conftest import open_door
from tests.intake.knocking import HOOKS, SLACK, STANDARD, ZENDESK, Hook, press, stored

# The database is shared by all examples, so that no example pays for its own.
quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

HEADER_NAMES = st.sampled_from(
    sorted({name for hook in HOOKS for name in hook.headers(b"")} | {"Content-Type", "X-Slack-Retry-Num"})
)
# What a header can carry: Latin-1 without line ends.
HEADER_VALUES = st.text(
    st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60
) | st.sampled_from(
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "v0=", "v1,"]
)
# Text as JSON can spell it: halves of characters and NULs, too.
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)
WORDS = st.sampled_from(
    [
        "social.message.created",
        "social.message.tagged",
        "social.message.deleted",
        "zen:event-type:ticket.comment_added",
        "block_actions",
        "bridge_claim",
        "bridge_approve",
        "standard",
        "mastodon",
        "2026-11-21T11:59:30Z",
        "public",
        "U0ANA0001",
    ]
)
KEYS = st.sampled_from(
    [
        "type",
        "timestamp",
        "data",
        "id",
        "author",
        "handle",
        "text",
        "created_at",
        "network",
        "tags",
        "at",
        "schema",
        "ticket_id",
        "detail",
        "user",
        "actions",
        "action_id",
        "value",
        "action_ts",
        "trigger_id",
        "attachments",
        "url",
        "parent_id",
        "visibility",
        "payload",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | ANY_TEXT, inner, max_size=6),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    built = open_door(tmp_path_factory.mktemp("fuzz") / "data")
    yield built
    built.stop()


@pytest.fixture(scope="module")
def client(bridge: Bridge) -> FlaskClient:
    return bridge.web.test_client()


@quick
@given(
    path=st.sampled_from([*(hook.path for hook in HOOKS), "/readyz", "/healthz"])
    | ANY_TEXT.map(lambda text: "/hooks/social/" + quote(text, errors="replace"))
    | ANY_TEXT.map(lambda text: "/" + quote(text, errors="replace")),
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT"]),
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=5),
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_no_stranger_brings_the_door_down_or_gets_in(bridge, client, path, method, headers, body):
    """Any bytes to any address with any headers: an answer, and nothing is written down."""
    answer = client.open(path, method=method, data=body, headers=headers)

    assert answer.status_code < 500 or path == "/readyz"
    assert not [row for row in stored(bridge) if row.body == body and body]


@quick
@given(hook=st.sampled_from(HOOKS), drawn=JSON, raw=st.binary(max_size=100), as_json=st.booleans())
def test_no_signed_body_brings_the_door_down(
    bridge, client, hook: Hook, drawn: Any, raw: bytes, as_json: bool
):
    """A vendor's own bug, or a vendor's new idea: an answer, whatever it is."""
    body = json.dumps(drawn).encode() if as_json else raw
    if hook is SLACK and as_json:
        body = urlencode({"payload": json.dumps(drawn)}).encode()
    headers = hook.headers(body, number=f"msg_{time.monotonic_ns()}")

    answer = hook.knock(client, body, headers)

    assert answer.status_code in (200, 202, 400)
    if answer.status_code == 400 and hook is not SLACK:
        assert body in [row.body for row in stored(bridge) if row.state == "unreadable"]


@quick
@given(changes=st.dictionaries(KEYS, JSON, max_size=4), hook=st.sampled_from((STANDARD, ZENDESK)))
def test_no_spoilt_event_brings_the_door_down(bridge, client, changes: dict[str, Any], hook: Hook):
    """A good event with some of its fields replaced by anything."""
    event = json.loads(hook.good)
    (event["data"] if hook is STANDARD else event).update(changes)
    body = json.dumps(event).encode()

    answer = hook.knock(client, body, hook.headers(body, number=f"msg_{time.monotonic_ns()}"))

    assert answer.status_code in (200, 202, 400)


@settings(quick, max_examples=50)
@given(
    changes=st.dictionaries(
        st.sampled_from(["user", "team", "container", "actions", "type"]), JSON, max_size=3
    ),
    button=st.dictionaries(
        st.sampled_from(["value", "action_ts", "action_id", "block_id"]), JSON, max_size=2
    ),
    action=st.sampled_from(list(Action)),
)
def test_no_spoilt_press_brings_the_door_or_the_flow_down(bridge, client, changes, button, action: Action):
    """Signed by Slack, and of any shape: what is written down ends as done, unreadable or unwanted."""
    pressed = {"action_id": action_id(action), "action_ts": "1700000100.25", "value": "case-1"} | button
    body = press(trigger=f"1.{time.monotonic_ns()}", **({"actions": [pressed]} | changes))
    before = {row.id for row in stored(bridge)}

    answer = SLACK.knock(client, body)

    assert answer.status_code in (200, 400)
    for row in stored(bridge):
        if row.id not in before:
            take_in(bridge.world, Slots(1), row.id)
    assert {row.state for row in stored(bridge) if row.id not in before} <= {"done", "unreadable", "unwanted"}
