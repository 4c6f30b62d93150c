"""Something that a person has to look after, in a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """``key`` stays the same while it lasts: ``<what>`` or ``<what>:<which>``. ``text`` has the fix.

    ``down``: nothing works until it is mended. ``tell``: worth a message of its own; else
    whoever asks hears of it.
    """

    key: str
    text: str
    down: bool = False
    tell: bool = True

    @property
    def what(self) -> str:
        """Its kind: one line of the run-book."""
        return self.key.partition(":")[0]
