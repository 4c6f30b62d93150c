"""Numbers of things, in words for people."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """*number* of something, in words for people: ``1 intent``, ``2 intents``."""
    return f"{number} {one if number == 1 else many or one + 's'}"
