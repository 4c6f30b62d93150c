"""The team room: bridge.slack."""
