"""Which routes a message could fulfil at all, without trying each: found by tag, by place, by word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from bridge.routing.match import Tokens, first_token, fold, is_unspaced

if TYPE_CHECKING:
    from bridge.routing.model import Condition

Key = TypeVar("Key", int, str)
_Scope = tuple[str, str]  # ("account" | "brand" | "network" | "", its name)
_ANYWHERE: _Scope = ("", "")


class Words(Generic[Key]):
    """Words of many keys, and which of the keys may have one in a text. Every key that has is among them.

    A word of a script that writes no spaces may stand anywhere, so its key is among them for every
    text of such a script.
    """

    def __init__(self, words: Iterable[tuple[Key, Collection[str]]]) -> None:
        self._by_token: dict[str, set[Key]] = defaultdict(set)
        self._unspaced: set[Key] = set()
        self._always: set[Key] = set()
        for key, some in words:
            for word in map(fold, some):
                token = first_token(word)
                rest = self._unspaced if is_unspaced(word[:1]) else self._always
                (self._by_token[token] if token else rest).add(key)

    def candidates(self, text: Tokens) -> set[Key]:
        """Keys that may have a word in *text*."""
        found = self._always | self._unspaced if text.unspaced else set(self._always)
        for token in self._by_token.keys() & text.runs:
            found |= self._by_token[token]
        return found


class RouteIndex:
    """Positions of routes, by what they cannot do without."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        self._tagged: dict[tuple[str, _Scope], list[int]] = defaultdict(list)
        self._untagged: dict[_Scope, list[int]] = defaultdict(list)
        worded: list[tuple[int, Collection[str]]] = []
        self.by_fact = False  # whether it has to be told more of a message than tags, words and place
        for position, when in enumerate(conditions):
            # One of its tags, or the first of those that it wants all of, must be on the message.
            wanted = when.tags or when.all_tags[:1]
            if not wanted and when.words:
                worded.append((position, when.words))
                continue
            if not wanted:
                wanted = _wanted_facts(when)
                self.by_fact = self.by_fact or bool(wanted)
            for scope in _scopes(when):
                for tag in wanted:
                    self._tagged[tag, scope].append(position)
                if not wanted:
                    self._untagged[scope].append(position)
        self._worded = Words(worded)

    def candidates(
        self, tags: Collection[str], text: Tokens, *, account: str, brand: str, network: str
    ) -> list[int]:
        """The positions, in order, of all routes that may take such a message.

        *tags*: with them the message's `facts`, where ``by_fact`` asks for these.
        """
        scopes: tuple[_Scope, ...] = (
            ("account", account), ("brand", brand), ("network", network), _ANYWHERE,
        )  # fmt: skip
        found = self._worded.candidates(text)
        for scope in scopes:
            if untagged := self._untagged.get(scope):
                found.update(untagged)
            for tag in tags:
                if tagged := self._tagged.get((tag, scope)):
                    found.update(tagged)
        return sorted(found)


def facts(*, kind: str, severity: str | None, sentiment: str | None, vip: bool) -> tuple[str, ...]:
    """What a message is, as an index looks for it beside its tags. No tag has a colon in it."""
    return f"kind:{kind}", f"severity:{severity}", f"sentiment:{sentiment}", f"vip:{vip}"


def _wanted_facts(when: Condition) -> tuple[str, ...]:
    """What a message must be, one of these at least, by what is rarest."""
    if when.vip:
        return ("vip:True",)
    for name, wanted in (
        ("severity", when.severities),
        ("sentiment", when.sentiments),
        ("kind", when.kinds),
    ):
        if wanted:
            return tuple(f"{name}:{one}" for one in wanted)
    return ()


def _scopes(when: Condition) -> Iterator[_Scope]:
    """Where *when* holds at all, by the narrowest that it states."""
    for kind, names in (("account", when.accounts), ("brand", when.brands), ("network", when.networks)):
        if names:
            yield from ((kind, name) for name in names)
            return
    yield _ANYWHERE
