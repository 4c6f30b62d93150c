"""The app's manifest, and what doctor says of the app."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.core.ports import Finding
from bridge.slack import SlackAccount, SlackTeam, manifest
from bridge.slack.manifest import SCOPES
from tests.slack.fake import FakeSlack

CHANNEL = "C0SUPPORT1"


def test_the_manifest_sends_presses_to_the_bridge() -> None:
    """One request URL for buttons; no events, no token rotation, the scopes and no more."""
    found = manifest("https://bridge.example.com/", socket_mode=False)

    interactivity = found["settings"]["interactivity"]
    assert interactivity == {"is_enabled": True, "request_url": "https://bridge.example.com/slack/events"}
    assert found["settings"]["socket_mode_enabled"] is False
    assert found["oauth_config"]["scopes"]["bot"] == sorted(SCOPES)


def test_socket_mode_needs_no_public_url() -> None:
    """And names none."""
    found = manifest(None, socket_mode=True)

    assert found["settings"]["interactivity"] == {"is_enabled": True}
    assert found["settings"]["socket_mode_enabled"] is True


def test_without_either_way_there_is_no_manifest() -> None:
    """Presses could not come in."""
    with pytest.raises(ValueError, match="public URL"):
        manifest(None, socket_mode=False)


def test_the_manifest_is_within_slacks_limits() -> None:
    """Lengths of Slack's published manifest schema."""
    found = manifest("https://bridge.example.com", socket_mode=False)

    assert len(found["display_information"]["name"]) <= 35
    assert len(found["display_information"]["description"]) <= 140
    assert len(found["features"]["bot_user"]["display_name"]) <= 80


ALL_SCOPES = {"X-OAuth-Scopes": ",".join(SCOPES)}
MEMBER = {"ok": True, "channel": {"id": CHANNEL, "is_member": True, "is_archived": False}}


@pytest.fixture
def healthy(slack: FakeSlack) -> FakeSlack:
    identity = {"ok": True, "user": "loop_bridge", "team": "Acme"}
    slack.default("auth.test", identity, headers=ALL_SCOPES)
    slack.default("conversations.info", MEMBER)
    slack.default("apps.connections.open", {"ok": True, "url": "wss://slack.example/link"})
    return slack


def finding(findings: list[Finding], check: str) -> Finding:
    return next(found for found in findings if found.check == check)


def test_a_healthy_app_has_nothing_to_fix(healthy: FakeSlack, team: SlackTeam) -> None:
    """Token, scopes, buttons and each channel are looked at, and well."""
    findings = team.check({CHANNEL: "queues.yaml"})

    assert [found.check for found in findings] == [
        "Slack token",
        "Slack scopes",
        "Slack buttons",
        f"Slack channel {CHANNEL}",
    ]
    assert all(found.ok for found in findings)
    assert "loop_bridge in Acme" in findings[0].detail


def test_a_dead_token_is_one_finding(slack: FakeSlack, team: SlackTeam) -> None:
    """Nothing else can be known then."""
    slack.default("auth.test", {"ok": False, "error": "token_revoked"})

    (found,) = team.check({CHANNEL: "queues.yaml"})

    assert not found.ok
    assert "SLACK_BOT_TOKEN" in found.fix


def test_missing_scopes_are_named(healthy: FakeSlack, team: SlackTeam) -> None:
    """With the way to get them."""
    healthy.default(
        "auth.test", {"ok": True, "user": "b", "team": "t"}, headers={"x-oauth-scopes": "chat:write"}
    )

    found = finding(team.check({}), "Slack scopes")

    assert not found.ok
    assert "users:read.email" in found.detail
    assert "chat:write" not in found.detail
    assert "setup slack" in found.fix


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        ({"ok": True, "channel": {"id": CHANNEL, "is_member": False}}, "/invite"),
        ({"ok": True, "channel": {"id": CHANNEL, "is_member": True, "is_archived": True}}, "unarchive"),
        ({"ok": False, "error": "channel_not_found"}, "queues.yaml"),
    ],
)
def test_a_channel_that_cannot_be_used_says_what_to_do(
    healthy: FakeSlack, team: SlackTeam, answer: dict[str, Any], fix: str
) -> None:
    """Not a member, archived, or not there."""
    healthy.default("conversations.info", answer)

    found = finding(team.check({CHANNEL: "queues.yaml"}), f"Slack channel {CHANNEL}")

    assert not found.ok
    assert fix in found.fix


def test_a_channel_by_a_wrong_name_is_a_finding(healthy: FakeSlack, team: SlackTeam) -> None:
    """Checked like the others, and no error; the fix names the place that has the name."""
    healthy.default("conversations.list", {"ok": True, "channels": []})

    found = finding(team.check({"#suport": "BRIDGE_ADMIN_CHANNEL"}), "Slack channel #suport")

    assert not found.ok
    assert found.fix.startswith("check the name in BRIDGE_ADMIN_CHANNEL;")


def test_buttons_need_a_way_in(healthy: FakeSlack, account: SlackAccount) -> None:
    """A signing secret or an app token that works."""
    neither = SlackTeam(replace(account, signing_secrets=()))
    assert "SLACK_SIGNING_SECRET" in finding(neither.check({}), "Slack buttons").fix

    sockets = SlackTeam(replace(account, app_token="test-app-token-one"))
    assert finding(sockets.check({}), "Slack buttons").ok
    assert healthy.calls[-1].token == "Bearer test-app-token-one"

    healthy.default("apps.connections.open", {"ok": False, "error": "invalid_auth"})
    assert "SLACK_APP_TOKEN" in finding(sockets.check({}), "Slack buttons").fix
