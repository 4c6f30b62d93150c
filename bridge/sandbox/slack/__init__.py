"""A fake Slack: one workspace with its channels, the Web API, and people who press buttons."""

from bridge.sandbox.slack.people import SlackSandbox
from bridge.sandbox.slack.workspace import Button, CardView, Pressed

__all__ = ["Button", "CardView", "Pressed", "SlackSandbox"]
