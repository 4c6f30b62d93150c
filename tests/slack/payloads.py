"""What Slack sends. SOURCES.md says where each sample comes from."""

from __future__ import annotations

from typing import Any

PUBLISHED_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PUBLISHED_TIMESTAMP = "1531420618"
PUBLISHED_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
PUBLISHED_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def press(
    action_id: str, value: str = "case-1", *, trigger: str = "12321423423.333649436676.one"
) -> dict[str, Any]:
    """A block_actions payload: one button of a message, pressed."""
    return {
        "type": "block_actions",
        "user": {"id": "U0AGENT1", "username": "agent", "name": "agent", "team_id": "T0ACME001"},
        "api_app_id": "A0BRIDGE1",
        "token": "test-verification-token",
        "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": "C0SUPPORT1"},
        "trigger_id": trigger,
        "team": {"id": "T0ACME001", "domain": "acme"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": "C0SUPPORT1", "name": "support-tech"},
        "message": {"type": "message", "ts": "1700000000.000100", "text": "Opened: customer words"},
        "state": {"values": {}},
        "response_url": "https://hooks.slack.example/actions/T0ACME001/1/test",
        "actions": [
            {
                "action_id": action_id,
                "block_id": "b1",
                "text": {"type": "plain_text", "text": "Press", "emoji": False},
                "value": value,
                "type": "button",
                "action_ts": "1700000100.250000",
            }
        ],
    }
