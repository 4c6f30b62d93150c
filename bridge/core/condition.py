"""Something that a person has to look after, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """``key`` stays the same while it lasts: ``<what>`` or ``<what>:<which>``.

    ``down``: nothing works until it is mended. ``tell``: worth a message of its own; else
    whoever asks hears of it.
    """

    key: str
    wrong: str
    fix: str = ""
    down: bool = False
    tell: bool = True

    @property
    def text(self) -> str:
        """One sentence: what is wrong, and what to do."""
        return f"{self.wrong}: {self.fix}" if self.fix else self.wrong

    @property
    def what(self) -> str:
        """Its kind, without which of them it is."""
        return self.key.partition(":")[0]
