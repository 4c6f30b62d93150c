"""The team's room: cards, notes and presses in Slack."""

from bridge.slack.account import SlackAccount
from bridge.slack.door import build_app, flask_handler, verify
from bridge.slack.manifest import manifest
from bridge.slack.press import read_press
from bridge.slack.socket_mode import SocketMode
from bridge.slack.team import SlackTeam

__all__ = [
    "SlackAccount",
    "SlackTeam",
    "SocketMode",
    "build_app",
    "flask_handler",
    "manifest",
    "read_press",
    "verify",
]
