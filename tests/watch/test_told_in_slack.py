"""The whole way: a lane is parked in a running bridge, and the admin channel hears of it."""

from __future__ import annotations

from pathlib import Path

import requests

from bridge.sandbox import Sandbox
from bridge.store import lanes
from tests.running import InProcess, eventually, stays


def test_the_admin_channel_hears_of_a_parked_lane_once(tmp_path: Path):
    """Also when the bridge is restarted, and when Slack's answer to the message is lost."""
    with Sandbox() as sandbox:
        running = InProcess(tmp_path / "data", sandbox, BRIDGE_ADMIN_CHANNEL="#bridge-admin")
        try:
            with running.database.write() as tx:
                lanes.park(tx, "desk", "zendesk answered 401", "a test", running.bridge.world.clock.now())
            lost = sandbox.faults.add("slack", "chat.postMessage", "lost_response", times=1)
            eventually(lambda: said(sandbox), within=30, what="the message")
            assert lost.reached.wait(10)
            assert "lane desk is parked" in said(sandbox)[0]
            running.restart()
            stays(lambda: len(said(sandbox)) == 1)
            listed = requests.get(f"{running.url}/readyz", timeout=5).json()["problems"]
            assert any("lane desk is parked" in one for one in listed)
        finally:
            running.stop()


def said(sandbox: Sandbox) -> list[str]:
    return [card.words for card in sandbox.slack.cards("bridge-admin")]
