"""Routes that never take a post, because one before them takes all of theirs."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field, replace

from bridge.core.message import MessageKind
from bridge.routing.language import speaks, widen
from bridge.routing.match import fold
from bridge.routing.model import Condition, Mapping, Route

_NOBODY: Hashable = ("account", None)


def shadowed(mapping: Mapping) -> Iterator[tuple[Route, Route]]:
    """(a route that never takes a post, the first before it that takes all of its posts).

    Each route is compared only with those before it that share with it what they cannot
    do without: ten thousand routes are a second's work, and not fifty million comparisons.
    """
    asked = [_Asked.of(route.when, mapping) for route in mapping.routes]
    common = Counter(key for one in asked for needs in one.needs() for key in needs if key != _NOBODY)
    groups: dict[Condition, _Alike] = {}
    before: dict[Hashable, list[_Alike]] = defaultdict(list)
    always: list[_Alike] = []
    for number, narrow in enumerate(asked):
        bar = narrow.when.min_followers or 0
        near = {id(group): group for key in narrow.offers() for group in before.get(key, ())}
        firsts = (group.first(bar) for group in (*near.values(), *always))
        for position in sorted(first for first in firsts if first is not None):
            if asked[position].covers(narrow):
                yield mapping.routes[number], mapping.routes[position]
                break
        rest = replace(narrow.when, min_followers=None)
        if rest not in groups:
            groups[rest] = _Alike()
            # By what the fewest have: a tag may be on every route, and a word on this one alone.
            rarest = min(narrow.needs(), key=lambda needs: sum(common[key] for key in needs), default=None)
            for key in rarest or ():
                before[key].append(groups[rest])
            if rarest is None:
                always.append(groups[rest])
        groups[rest].add(number, bar)


@dataclass(slots=True)
class _Alike:
    """Routes that ask for the same but for so many followers: of these, one is enough to compare with.

    Only routes with a lower bar than all before them are kept: another of these goes before the rest.
    """

    _positions: list[int] = field(default_factory=list)
    _falling: list[int] = field(default_factory=list)  # their bars, negative: so they rise, for bisect

    def add(self, position: int, bar: int) -> None:
        if not self._falling or bar < -self._falling[-1]:
            self._positions.append(position)
            self._falling.append(-bar)

    def first(self, bar: int) -> int | None:
        """The first whose bar is not above *bar*."""
        at = bisect.bisect_left(self._falling, -bar)
        return self._positions[at] if at < len(self._positions) else None


def accounts_of(when: Condition, mapping: Mapping) -> list[str]:
    """The accounts whose messages *when* may take."""
    return [
        key
        for key, brand in mapping.account_brand.items()
        if (not when.accounts or key in when.accounts)
        and (not when.brands or brand in when.brands)
        and (not when.networks or mapping.accounts[key].network in when.networks)
    ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A condition, with what comparisons need of it worked out once."""

    when: Condition
    tags: frozenset[str]
    has: frozenset[str]  # tags that surely are on each of its messages
    words: frozenset[str]
    accounts: frozenset[str]  # that it takes messages of
    is_placed: bool  # whether it states where

    @classmethod
    def of(cls, when: Condition, mapping: Mapping) -> _Asked:
        return cls(
            when=when,
            tags=frozenset(when.tags),
            has=frozenset((*when.all_tags, *(when.tags if len(when.tags) == 1 else ()))),
            words=frozenset(map(fold, when.words)),
            accounts=frozenset(accounts_of(when, mapping)),
            is_placed=bool(when.accounts or when.brands or when.networks),
        )

    def covers(self, narrow: _Asked) -> bool:
        """Whether every message that fulfils *narrow* surely fulfils this, too."""
        wide, other = self.when, narrow.when
        return (
            (not self.tags or not narrow.has.isdisjoint(self.tags) or _within(narrow.tags, self.tags))
            and narrow.has.issuperset(wide.all_tags)
            and set(other.no_tags).issuperset(wide.no_tags)
            and (not self.is_placed or narrow.accounts <= self.accounts)
            and (not wide.languages or _all_speak(other.languages, wide.languages))
            and (not self.words or _within(narrow.words, self.words))
            and (not _kinds(wide) or _within(other.kinds, wide.kinds))
            and (not wide.severities or _within(other.severities, wide.severities))
            and (not wide.sentiments or _within(other.sentiments, wide.sentiments))
            and (wide.min_followers is None or (other.min_followers or 0) >= wide.min_followers)
            and wide.vip in (None, other.vip)
            and set(wide.hours) <= set(other.hours)
        )

    def needs(self) -> Iterator[tuple[Hashable, ...]]:
        """What a route that this one covers must have: of each group one, as its `offers`.

        Followers are looked after by `_Alike`.
        """
        when = self.when
        for name, any_of in (
            ("tag", when.tags),
            ("word", self.words),
            ("language", when.languages),
            ("kind", _kinds(when)),
            ("severity", when.severities),
            ("sentiment", when.sentiments),
        ):
            if any_of:
                yield tuple((name, one) for one in any_of)
        for name, all_of in (("tag", when.all_tags), ("not", when.no_tags), ("hours", when.hours)):
            yield from (((name, one),) for one in all_of)
        if self.is_placed:
            yield (_NOBODY, *(("account", key) for key in self.accounts))
        if when.vip is not None:
            yield (("vip", when.vip),)

    def offers(self) -> Iterator[Hashable]:
        """What this has of what another that covers it `needs`."""
        when = self.when
        for name, some in (
            ("tag", (*when.tags, *when.all_tags)),
            ("not", when.no_tags),
            ("word", self.words),
            ("language", tuple(code for one in when.languages for code in widen(one))),
            ("kind", when.kinds),
            ("severity", when.severities),
            ("sentiment", when.sentiments),
            ("hours", when.hours),
        ):
            yield from ((name, one) for one in some)
        # Any one will do, since all must be the other's; a route that takes nobody's messages has none.
        yield ("account", min(self.accounts)) if self.accounts else _NOBODY
        if when.vip is not None:
            yield ("vip", when.vip)


def _kinds(when: Condition) -> tuple[str, ...]:
    """The kinds that *when* asks for; all of them together ask nothing."""
    return () if set(when.kinds) == set(MessageKind) else when.kinds


def _within(some: Collection[str], others: Collection[str]) -> bool:
    return bool(some) and set(some) <= set(others)


def _all_speak(languages: Collection[str], wanted: Collection[str]) -> bool:
    return bool(languages) and all(speaks(language, wanted) for language in languages)
