"""The team's room: cards, notes and presses in Slack."""
