"""Two mappings held against the same messages: what would be otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.core.message import SocialMessage
from bridge.routing.decide import decide
from bridge.routing.model import Decision, Mapping

UNHEARD = "(not heard)"
NO_ROUTE = "(no route)"
EXAMPLES = 10

Light = Callable[[str, SocialMessage, Mapping], bool]
"""Whether a public reply to a message on the account with that key is possible."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mapping makes of a message, as far as people would notice a change."""

    route: str
    queue: str
    priority: str
    promise: str
    template: str
    light: str
    severity: str = "-"
    assignee: str = "-"
    copies: str = "-"

    @property
    def unmatched(self) -> bool:
        return self.route == NO_ROUTE


ASPECTS = ("queue", "priority", "severity", "promise", "template", "light", "assignee", "copies")
"""What counts as a change; a route of another name that leads to the same is none."""


@dataclass(slots=True)
class Comparison:
    """Counts over all messages that were held against both mappings.

    ``changes``: aspect → (before, after) → how many; ``examples``: the same → ids of some.
    """

    messages: int = 0
    changed: int = 0
    unmatched: int = 0  # a route took them before, and none does now
    per_aspect: Counter[str] = field(default_factory=Counter)
    changes: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    examples: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The part of all messages for which anything changes, 0 to 1."""
        return self.changed / self.messages if self.messages else 0.0

    def add(self, message_id: str, before: Outcome, after: Outcome) -> None:
        self.messages += 1
        self.unmatched += after.unmatched and not before.unmatched
        differs = False
        for aspect in ASPECTS:
            old, new = getattr(before, aspect), getattr(after, aspect)
            if old == new:
                continue
            differs = True
            self.per_aspect[aspect] += 1
            self.changes.setdefault(aspect, Counter())[old, new] += 1
            some = self.examples.setdefault((aspect, old, new), [])
            if len(some) < EXAMPLES:
                some.append(message_id)
        self.changed += differs


def outcome(message: SocialMessage, mapping: Mapping, at: datetime, light: Light) -> Outcome:
    """What *mapping* makes of *message*, which came in at *at*. Pure, but for *light*."""
    if message.account not in mapping.account_brand:
        return Outcome(UNHEARD, UNHEARD, "-", "-", "-", "-")
    decision = decide(message, mapping, at)
    return Outcome(
        route=decision.route or NO_ROUTE,
        queue=decision.queue,
        priority=decision.priority or "-",
        promise=_span(decision, message, at),
        template=_template(decision),
        light="possible" if light(message.account, message, mapping) else "not possible",
        severity=decision.severity or "-",
        assignee=decision.assignee or "-",
        copies=", ".join(decision.copies) or "-",
    )


def _template(decision: Decision) -> str:
    if not decision.ticket:
        return "-"
    return f"{decision.closing_template} in {decision.language}"


def _span(decision: Decision, message: SocialMessage, at: datetime) -> str:
    """How long after the post the promise ends, in whole minutes: two promises are compared by that."""
    if decision.promise_at is None:
        return "-"
    left = decision.promise_at - min(message.posted_at, at)
    minutes = round(left / timedelta(minutes=1))
    return f"{minutes // 60} h {minutes % 60:02} min"


def as_data(found: Comparison) -> Map[str, object]:
    """*found* for a machine: counts, and ids of messages. No words and no names."""
    return {
        "messages": found.messages,
        "changed": found.changed,
        "share": round(found.share, 6),
        "newly_unmatched": found.unmatched,
        "aspects": {
            aspect: {
                "changed": found.per_aspect[aspect],
                "changes": [
                    {
                        "before": old,
                        "after": new,
                        "messages": number,
                        "examples": found.examples[aspect, old, new],
                    }
                    for (old, new), number in found.changes.get(aspect, Counter()).most_common()
                ],
            }
            for aspect in ASPECTS
        },
    }
