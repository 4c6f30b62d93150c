"""Two mappings held against the same messages: what would be otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridge.core.account import Account
from bridge.core.message import SocialMessage
from bridge.core.ports import Network
from bridge.routing.account import network_label, public_account
from bridge.routing.decide import decide
from bridge.routing.model import Decision, Mapping
from bridge.routing.wording import Words, render

UNHEARD = "(not heard)"
NO_CASE = "(no case)"
NO_ROUTE = "(no route)"
NOTHING = "-"
EXAMPLES = 10

ASPECTS: Map[str, str] = {
    "queue": "the team that it goes to",
    "owner": "who answers for that team",
    "channel": "where the team hears of it",
    "ticket": "whether there is a ticket",
    "group": "the group that the ticket goes to",
    "desk": "the brand that the ticket belongs to",
    "type": "the ticket's type",
    "priority": "the ticket's priority",
    "severity": "how much is at stake",
    "tags": "the ticket's tags",
    "fields": "the ticket's custom fields",
    "assignee": "the agent who gets the ticket",
    "promise": "how soon an answer is promised",
    "closing": "who lets the closing reply out",
    "approvers": "who may approve it",
    "grace": "how new an answer must be to close by itself",
    "template": "the closing reply, and its language",
    "words": "what the closing reply says",
    "light": "whether a public reply is possible",
    "copies": "other teams that are told",
    "never": "teams that it must not come to",
}
"""What counts as a change, and what that is; a route of another name that leads to the same is none."""

_SOME_MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
# With and without what a case may lack: which of them a message's case will have is not known yet.
_CUSTOMERS = ("Anna", "")
_RESOLUTIONS = ("", "We replaced it.")
_Variants = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mapping makes of a message, as far as people would notice a change.

    ``seen``: aspect → what it is. The aspect "words" stands apart: the closing reply with and
    without what a case may lack, always as many texts.
    """

    route: str
    seen: Map[str, str]
    words: _Variants

    @property
    def unmatched(self) -> bool:
        return self.route == NO_ROUTE


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
        if before.seen == after.seen and before.words == after.words:
            return
        self.changed += 1
        for aspect, old, new in _differences(before, after):
            self.per_aspect[aspect] += 1
            self.changes.setdefault(aspect, Counter())[old, new] += 1
            some = self.examples.setdefault((aspect, old, new), [])
            if len(some) < EXAMPLES:
                some.append(message_id)


def _differences(before: Outcome, after: Outcome) -> Iterator[tuple[str, str, str]]:
    for aspect, old in before.seen.items():
        if old != (new := after.seen[aspect]):
            yield aspect, old, new
    for old, new in zip(before.words, after.words, strict=True):
        if old != new:
            yield "words", old, new
            break


class Side:
    """One of the two mappings. What does not hang on a single message is worked out once."""

    def __init__(self, mapping: Mapping, networks: Map[str, Network]) -> None:
        self._mapping = mapping
        self._networks = networks
        self._accounts: dict[str, tuple[Network, Account]] = {}
        self._usual: dict[tuple[str | None, str, str, bool], tuple[dict[str, str], _Variants]] = {}

    def outcome(self, message: SocialMessage, at: datetime) -> Outcome:
        """What the mapping makes of *message*, which came in at *at*."""
        if message.account not in self._mapping.account_brand:
            return _nothing(UNHEARD)
        decision = decide(message, self._mapping, at)
        if not decision.tags:
            return _nothing(NO_CASE)
        kind = (decision.route, message.account, decision.language, decision.promise_at is None)
        usual = self._usual.get(kind)
        if usual is None:
            usual = self._usual[kind] = _usual(decision, self._mapping), self._words(decision, message)
        seen, words = usual
        own = {
            "tags": ", ".join(sorted({*decision.tags, *decision.ticket_tags}))
            if decision.ticket
            else NOTHING,
            "promise": _span(decision, message, at),
            "light": "possible" if self._is_light(message) else "not possible",
        }
        return Outcome(decision.route or NO_ROUTE, {**seen, **own}, words)

    def _is_light(self, message: SocialMessage) -> bool:
        known = self._accounts.get(message.account)
        if known is None:
            entry = self._mapping.accounts[message.account]
            account = public_account(entry, self._mapping.account_brand[message.account])
            known = self._accounts[message.account] = self._networks[entry.network], account
        network, account = known
        return network.light(account, message).possible

    def _words(self, decision: Decision, message: SocialMessage) -> _Variants:
        """The closing reply, to a customer of a usual name and to one without."""
        entry = self._mapping.accounts[message.account]
        label = network_label(entry, self._networks[entry.network])
        due = None if decision.promise_at is None else _SOME_MOMENT
        said = (
            render(
                self._mapping,
                decision.brand,
                decision.closing_template,
                decision.language,
                Words(customer, "@somebody", label, due, resolution),
            )
            for resolution in _RESOLUTIONS
            for customer in _CUSTOMERS
        )
        return tuple(one.text if one and decision.ticket else NOTHING for one in said)


def _nothing(why: str) -> Outcome:
    """A message that nobody hears of."""
    seen = dict.fromkeys((aspect for aspect in ASPECTS if aspect != "words"), NOTHING)
    return Outcome(why, {**seen, "queue": why}, (NOTHING,) * (len(_CUSTOMERS) * len(_RESOLUTIONS)))


def _usual(decision: Decision, mapping: Mapping) -> dict[str, str]:
    """The aspects that all messages of a route, an account and a language have alike."""
    queue, route = mapping.queues[decision.queue], mapping.route(decision.route)
    seen = {
        "queue": queue.key,
        "owner": queue.owner,
        "channel": queue.channel,
        "ticket": "yes" if queue.ticket else "no",
        "severity": decision.severity,
        "copies": ", ".join(decision.copies),
        "never": ", ".join(sorted(route.never)) if route else "",
        "priority": decision.priority,
    }
    if queue.ticket:
        seen |= {
            "group": queue.group,
            "desk": mapping.brands[decision.brand].desk_brand,
            "type": decision.type,
            "fields": ", ".join(f"{name}: {value}" for name, value in sorted(decision.fields.items())),
            "assignee": decision.assignee,
            "closing": decision.closing.value,
            "approvers": ", ".join(sorted(queue.approvers)) or "anybody",
            "grace": _hours(queue.closing_grace),
            "template": f"{decision.closing_template} in {decision.language}",
        }
    return {aspect: seen.get(aspect) or NOTHING for aspect in ASPECTS if aspect != "words"}


def _span(decision: Decision, message: SocialMessage, at: datetime) -> str:
    """How long after the post the promise ends: two promises are compared by that."""
    if decision.promise_at is None:
        return NOTHING
    return _hours(decision.promise_at - min(message.posted_at, at))


def _hours(span: timedelta) -> str:
    """In whole minutes."""
    minutes = round(span / timedelta(minutes=1))
    return f"{minutes // 60} h {minutes % 60:02} min"


def as_data(found: Comparison) -> dict[str, object]:
    """*found* for a machine: counts, and ids of messages. No words and no names of customers."""
    return {
        "messages": found.messages,
        "changed": found.changed,
        "share": round(found.share, 6),
        "newly_unmatched": found.unmatched,
        "aspects": {
            aspect: {
                "means": meaning,
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
            for aspect, meaning in ASPECTS.items()
        },
    }
