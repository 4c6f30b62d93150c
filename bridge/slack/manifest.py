"""The app as Slack's manifest describes it.

https://docs.slack.dev/reference/app-manifest
"""

from __future__ import annotations

from typing import Any

EVENTS_PATH = "/slack/events"

# What each is for; there is no other.
SCOPES = (
    "channels:history",  # look for a card that may have been posted
    "channels:read",  # channels by name, membership
    "chat:write",  # cards and notes
    "groups:history",  # the same in private channels
    "groups:read",
    "users:read",  # users:read.email asks for it
    "users:read.email",  # who presses, as an agent of the desk
)


def manifest(public_url: str | None, *, socket_mode: bool) -> dict[str, Any]:
    """The manifest to create the app from.

    *public_url* is the bridge's own ``https://…`` address; Socket Mode needs none.
    Raises ValueError when neither way for presses to come in is given.
    """
    interactivity: dict[str, Any] = {"is_enabled": True}
    if not socket_mode:
        if not public_url:
            raise ValueError("without Socket Mode, Slack needs the bridge's public URL")
        interactivity["request_url"] = public_url.rstrip("/") + EVENTS_PATH
    return {
        "display_information": {
            "name": "Loop bridge",
            "description": "Public complaints as cards, with what to do next, until the loop is closed.",
            "background_color": "#1d3557",
        },
        "features": {"bot_user": {"display_name": "Loop bridge", "always_online": True}},
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": False,
        },
    }
