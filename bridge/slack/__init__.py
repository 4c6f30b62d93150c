"""The team's room: cards, notes and presses in Slack."""

from bridge.slack.account import SlackAccount
from bridge.slack.manifest import manifest
from bridge.slack.team import SlackTeam

__all__ = ["SlackAccount", "SlackTeam", "manifest"]
