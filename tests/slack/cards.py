"""A card as a flow would draw it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.core.card import Action, Ask, Card

FULL: dict[str, Any] = {
    "case_id": "case-1",
    "title": "The app logs me out",
    "stage": "opened",
    "brand": "Acme",
    "network": "Mastodon",
    "author": "@ana@example.social",
    "text": "The app logs me out every hour & nobody answers.",
    "route": "technical-issue",
    "queue": "Technical support",
    "permalink": "https://example.social/@ana/1",
    "priority": "high",
    "ticket_id": "35436",
    "ticket_url": "https://acme.zendesk.com/agent/tickets/35436",
    "promise_at": datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
    "light": "possible",
    "claimed_by": "U0AGENT1",
    "next_step": "Ask for the app's version.",
    "timeline": ("09:00 posted", "09:02 ticket opened"),
    "actions": (Action.CLAIM, Action.WHY),
}
ASK = Ask(
    intent_id="intent-7",
    text="Thanks, Ana! A fix is out.",
    reason="holds an e-mail address",
    actions=(Action.APPROVE, Action.REFUSE, Action.THERE_ALREADY),
)


def card(**changes: Any) -> Card:
    return Card(**(FULL | changes))
