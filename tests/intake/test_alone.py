"""The door needs no vendor, and what it has answered is safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import requests

from bridge.core.card import Action
from bridge.routing import language
from bridge.sandbox import Sandbox
from bridge.slack.blocks import action_id
from tests.intake.knocking import HOOKS, SLACK, STANDARD, ZENDESK, Hook, created, hint, press, stored
from tests.running import InProcess, Process, eventually
from tests.stories.seen import the_card, the_ticket


def knock(url: str, hook: Hook, body: bytes, number: str = "msg_1") -> requests.Response:
    headers = hook.headers(body, number=number) | {"Content-Type": hook.content_type}
    return requests.post(url + hook.path, data=body, headers=headers, timeout=10)


def test_killed_right_after_its_answer_it_has_lost_nothing(
    sandbox: Sandbox, start_process: Callable[..., Process]
):
    """The 202 is a promise: after the restart there is a ticket, and one only."""
    bridge = start_process()
    assert 202 == knock(bridge.url, STANDARD, created()).status_code
    bridge.kill()
    bridge.start()

    the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    # The sender did not hear the answer, and asks again.
    assert 200 == knock(bridge.url, STANDARD, created()).status_code
    assert 1 == len(sandbox.zendesk.tickets())


def test_killed_right_after_a_press_it_has_not_forgotten_it(
    sandbox: Sandbox, start_process: Callable[..., Process]
):
    """Somebody pressed "I'll take this" and saw it accepted: the ticket becomes theirs."""
    bridge = start_process()
    knock(bridge.url, STANDARD, created())
    ticket = the_ticket(sandbox)
    card = the_card(sandbox, "support-technical")
    case = card.button("take this").value
    body = press(action_id(Action.CLAIM), actions=[
        {"type": "button", "action_id": action_id(Action.CLAIM), "value": case, "action_ts": "1700000100.25"}
    ])  # fmt: skip
    assert 200 == knock(bridge.url, SLACK, body).status_code
    bridge.kill()
    bridge.start()

    eventually(lambda: sandbox.zendesk.ticket(ticket.id).assignee, what="the assignment")


def test_it_answers_at_once_while_every_vendor_hangs(sandbox: Sandbox, running: InProcess):
    """Every call to the outside is stuck, for dozens of cases: the senders do not notice."""
    for vendor in ("zendesk", "slack", "mastodon", "plaza"):
        sandbox.faults.add(vendor, "*", "hold", times=100_000)
    took = []
    try:
        for turn in range(12):
            bodies = {
                STANDARD: created(id=f"post-{turn}", author={"id": f"customer-{turn}"}),
                ZENDESK: hint(ticket_id=str(turn + 1)),
                SLACK: press(trigger=f"1.2.{turn}"),
            }
            for hook, body in bodies.items():
                began = time.monotonic()
                answer = knock(running.url, hook, body, number=f"msg_{turn}")
                took.append(time.monotonic() - began)
                assert answer.status_code == (200 if hook is SLACK else 202)
            assert 200 == requests.get(f"{running.url}/healthz", timeout=1).status_code
        held = len(sandbox.calls.list())
    finally:
        sandbox.faults.clear()

    # One may meet a hiccup of the machine; a vendor's would be longer than that for all.
    assert sorted(took)[-2] < 0.5
    assert max(took) < 2
    assert held, "somebody was really talking to them"
    assert 12 * len(HOOKS) == len([row for row in stored(running.bridge) if row.source != "mastodon"])
    eventually(lambda: len(sandbox.zendesk.tickets()) == 12, within=30, what="all tickets, once they answer")


def test_it_starts_and_listens_while_every_vendor_is_down(
    sandbox: Sandbox, start_process: Callable[..., Process]
):
    """A restart in the middle of an outage."""
    for vendor in ("zendesk", "slack", "mastodon", "plaza"):
        sandbox.faults.add(vendor, "*", "status", times=100_000, status=503)
    bridge = start_process()

    assert 202 == knock(bridge.url, STANDARD, created()).status_code
    ready = requests.get(f"{bridge.url}/readyz", timeout=5)
    assert 200 == ready.status_code, ready.text


def test_it_answers_while_a_flow_loads_the_model_of_languages(
    running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """That takes half a second of a quiet machine: no transaction is open meanwhile, and nobody waits."""
    loading, loaded = threading.Event(), threading.Event()
    real = language._load

    def load() -> object:
        loading.set()
        assert loaded.wait(20)
        return real()

    monkeypatch.setattr(language, "_load", load)
    try:
        assert 202 == knock(running.url, STANDARD, created(tags=["technical-issue"])).status_code
        assert loading.wait(10), "the post says no language, so the flow has to read it off the text"
        for number in range(2, 5):
            answer = knock(running.url, STANDARD, created(id=f"post-{number}"), number=f"msg_{number}")
            assert 202 == answer.status_code
    finally:
        loaded.set()
    the_ticket(running.sandbox)


def test_it_answers_while_a_sweep_takes_up_an_edited_mapping(
    running: InProcess, monkeypatch: pytest.MonkeyPatch
):
    """Many files on a slow disk: what has served until now serves until they are read."""
    mappings = running.bridge.world.mappings
    loading, loaded = threading.Event(), threading.Event()

    def look() -> tuple[tuple[str, int, int], ...]:
        loading.set()
        assert loaded.wait(20)
        return mappings._seen

    monkeypatch.setattr(mappings, "_look", look)
    try:
        assert loading.wait(10)
        assert 202 == knock(running.url, STANDARD, created()).status_code
    finally:
        loaded.set()
