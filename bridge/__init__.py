"""A bridge between public complaints on social networks, Zendesk and Slack."""

__version__ = "0.1.0"
