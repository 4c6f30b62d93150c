"""A stored press, read."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.card import Action
from bridge.errors import UnreadablePayloadError, UnsupportedEventError
from bridge.slack import read_press
from bridge.slack.blocks import render
from tests.slack.cards import ASK, card
from tests.slack.payloads import press


def changed(**fields: Any) -> bytes:
    return json.dumps(press("bridge_claim") | fields).encode()


def with_button(**fields: Any) -> bytes:
    payload = press("bridge_claim")
    payload["actions"][0] |= fields
    return json.dumps(payload).encode()


def test_a_press_says_who_wants_what_and_when() -> None:
    """The user, the button, the case or intent that it carries, and Slack's own time."""
    read = read_press(json.dumps(press("bridge_there_already", "intent-7")).encode())

    assert (read.action, read.subject) == (Action.THERE_ALREADY, "intent-7")
    assert (read.user_id, read.user_name) == ("U0AGENT1", "agent")
    assert read.at == datetime.fromtimestamp(1700000100.25, UTC)


def test_a_press_carries_the_question_that_its_button_was_drawn_for() -> None:
    """The first goes without a number, as on cards of earlier versions."""
    for question in (1, 2, 31):
        blocks, _ = render(card(asks=(replace(ASK, question=question),)))
        carried = next(
            element["value"]
            for block in blocks
            for element in block.get("elements", [])
            if element.get("action_id") == "bridge_approve"
        )
        read = read_press(json.dumps(press("bridge_approve", carried)).encode())
        assert (read.subject, read.question) == ("intent-7", question)
        assert (carried == "intent-7") is (question == 1)


def test_two_presses_at_once_are_two_presses() -> None:
    """On two cards, of two buttons or by two people: none is taken for a redelivery of the other."""
    bodies = [
        changed(),
        with_button(value="case-8"),
        with_button(action_id="bridge_why"),
        with_button(action_ts="1700000100.260000"),
        changed(user={"id": "U0AGENT2", "username": "other"}),
    ]
    assert len({read_press(body).id for body in bodies}) == len(bodies)
    assert read_press(changed(response_url="https://slack.example")).id == read_press(bodies[0]).id


@pytest.mark.parametrize("value", ["intent-7#", "#7", "intent-7#two", "intent-7#²", "7#" + "9" * 30])
def test_a_value_without_a_number_is_a_subject(value: str) -> None:
    """Nobody knows such a one: the press is settled, and nothing happens."""
    read = read_press(json.dumps(press("bridge_approve", value)).encode())
    assert (read.subject, read.question) == (value, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        changed(user={}),
        changed(user=None),
        changed(user={"id": "U1> <!channel>"}),
        changed(user={"id": "U1\n"}),
        with_button(value=""),
        with_button(value=7),
        with_button(value="x" * 256),
        with_button(value=None),
        with_button(action_ts="soon"),
        with_button(action_ts="1e9"),
        with_button(action_ts="١٢٣"),
        with_button(action_ts="9" * 30),
    ],
)
def test_what_is_not_slacks_shape_is_unreadable(body: bytes) -> None:
    """Refused without quoting what was in it."""
    with pytest.raises(UnreadablePayloadError) as caught:
        read_press(body)
    assert "<!channel>" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"type": "view_submission"}',
        json.dumps(press("somebody_elses_button")).encode(),
        json.dumps(press("bridge_unheard_of")).encode(),
        changed(actions=[]),
        changed(actions=7),
        changed(actions=[7]),
    ],
)
def test_what_is_no_button_of_ours_is_unsupported(body: bytes) -> None:
    """Another kind of interaction, or another app's button."""
    with pytest.raises(UnsupportedEventError):
        read_press(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["user", "actions", "trigger_id", "team"]), json_values))
def test_any_payload_is_read_or_refused(fields: dict[str, Any]) -> None:
    """Never another error than the two of the door."""
    with contextlib.suppress(UnreadablePayloadError, UnsupportedEventError):
        assert read_press(changed(**fields)).user_id.isalnum()
