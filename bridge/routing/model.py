"""A mapping as the rest of the service sees it: loaded, checked, immutable."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from bridge.routing.index import RouteIndex, Words


class ClosingPolicy(StrEnum):
    """Who lets a closing reply out: the bridge, a person's press, or a person by hand."""

    AUTO = "auto"
    APPROVE = "approve"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the admins' files."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """A brand's account, or a tag source, as written.

    Credentials are given by the name of an environment variable, and so may be any
    other field of the network.
    """

    key: str
    network: str
    handle: str
    fields: Map[str, str]  # plain values
    secrets: Map[str, str]  # secret field → name of the environment variable
    place: Place
    env_fields: Map[str, str] = field(default_factory=dict)  # plain field → name of the variable


@dataclass(frozen=True, slots=True)
class Brand:
    """``languages``: what the brand speaks; the first is the default and the end of every fallback."""

    key: str
    name: str
    languages: tuple[str, ...]
    fallbacks: Map[str, tuple[str, ...]]  # e.g. {"ms": ("id", "en")}
    signature: str
    zone: str
    accounts: tuple[AccountEntry, ...]
    place: Place
    help_link: str | None = None
    desk_brand: str | None = None  # the desk's own name for this brand


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening hours: weekday (0 = Monday) → shifts; closed on ``holidays`` and the country's.

    ``named`` are its shifts with a name, each a calendar of the same zone and holidays.
    ``days`` remembers what `promise` makes of a date: (opens, closes) in UTC.
    """

    key: str
    zone: str
    shifts: Map[int, tuple[tuple[time, time], ...]]
    holidays: frozenset[date]
    country: str | None = None  # whose public holidays count besides
    named: Map[str, Calendar] = field(default_factory=dict)
    days: dict[date, tuple[tuple[datetime, datetime], ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )


@dataclass(frozen=True, slots=True)
class Queue:
    """An owning team. ``ticket`` False: a card only, nothing in the desk."""

    key: str
    label: str
    channel: str
    ticket: bool
    group: str | None
    priority: str | None
    type: str | None
    promise: timedelta | None
    calendar: str | None
    closing: ClosingPolicy
    closing_template: str
    closing_grace: timedelta
    owner: str
    meaning: str
    next_step: str
    place: Place
    approvers: tuple[str, ...] = ()  # the team tool's user ids; empty: anybody in the channel
    promise_class: str | None = None  # the name of the promise, where it was given by name


@dataclass(frozen=True, slots=True)
class Vip:
    """Somebody whose posts routes may treat apart: by handle, or by the network's own id."""

    key: str
    network: str
    handle: str | None
    author_id: str | None
    why: str
    place: Place

    @property
    def names(self) -> tuple[str, ...]:
        """What the person is known by, as `Mapping.vip` compares it."""
        return tuple(vip_name(name) for name in (self.handle, self.author_id) if name)


def vip_name(name: str) -> str:
    return name.removeprefix("@").casefold()


OPEN, CLOSED = "open", "closed"
"""What a route may ask of a calendar, besides one of its named shifts."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a route asks of one field. Empty tuples, and None, ask nothing."""

    tags: tuple[str, ...] = ()  # any of
    all_tags: tuple[str, ...] = ()
    no_tags: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # any of these words or phrases
    kinds: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    sentiments: tuple[str, ...] = ()
    min_followers: int | None = None
    vip: bool | None = None
    hours: tuple[tuple[str, str], ...] = ()  # (calendar, OPEN, CLOSED or the name of a shift): all hold


@dataclass(frozen=True, slots=True)
class Example:
    """A message that an admin wrote down, and the route it must take (None: the fallback).

    ``expect`` may also be ``no-case``: it has no tag, so no case is opened.
    """

    text: str
    tags: tuple[str, ...]
    expect: str | None
    network: str | None
    brand: str | None
    language: str | None
    place: Place
    account: str | None = None
    author: str | None = None
    kind: str | None = None
    followers: int | None = None
    severity: str | None = None
    sentiment: str | None = None
    at: datetime | None = None  # without a zone: the brand's time


@dataclass(frozen=True, slots=True)
class Route:
    """The first route whose conditions all hold takes the message.

    What is given here goes before the queue's. ``copies`` are queues whose teams are told, too;
    ``never`` those that a message of this route must not come to, whatever becomes of it.
    """

    name: str
    when: Condition
    queue: str
    place: Place
    priority: str | None = None
    type: str | None = None
    closing: ClosingPolicy | None = None
    promise: timedelta | None = None
    promise_class: str | None = None
    severity: str | None = None
    closing_template: str | None = None
    ticket_tags: tuple[str, ...] = ()
    fields: Map[str, str] = field(default_factory=dict)  # the desk's field (title, key or id) → value
    assignee: str | None = None  # an agent's e-mail address
    copies: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class AutoTag:
    """The mapping's own words: a message that contains one of them gets the tag."""

    tag: str
    words: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Template:
    """One reply: its source, the parts that it takes in, and a version that changes with either."""

    brand: str
    name: str
    language: str
    source: str
    version: str
    file: str
    parts: tuple[tuple[str, str], ...] = ()  # (name, source), in the reply's language


@dataclass(frozen=True, slots=True)
class Voice:
    """How a brand speaks in public."""

    brand: str
    banned: Map[str, tuple[str, ...]]  # language, or "all" → words and phrases
    signed: bool  # every reply ends with the brand's signature
    tone: tuple[str, ...]  # for the people who write
    target_length: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class Canary:
    """What an edit must bear before it may stay.

    ``posts``: how many are watched. The limits are shares of those, 0 to 1; None: not asked."""

    posts: int
    unmatched: float | None = None
    changed: float | None = None

    def verdict(self, unmatched: int, changed: int) -> str | None:
        """Why the edit must go, in a few words; None while it may stay."""
        for number, limit, what in (
            (unmatched, self.unmatched, "were taken by no route"),
            (changed, self.changed, "went to another queue than before"),
        ):
            # Measured against all that are to be watched: the first of fifty is not all of them.
            if limit is not None and number > limit * self.posts:
                return f"{number} of its first {self.posts} posts {what}, more than {limit:.0%}"
        return None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Everything in ``mappings/``. ``version`` is the hash of ``files`` (path → text)."""

    version: str
    files: Map[str, str]
    brands: Map[str, Brand]
    queues: Map[str, Queue]
    calendars: Map[str, Calendar]
    routes: tuple[Route, ...]
    fallback: str
    tags: Map[str, str]  # the vocabulary: tag → meaning
    auto_tags: tuple[AutoTag, ...]
    templates: Map[tuple[str, str, str], Template]  # (brand, name, language)
    accounts: Map[str, AccountEntry] = field(default_factory=dict)  # key → entry; tag sources too
    account_brand: Map[str, str] = field(default_factory=dict)  # account key → brand key; no tag sources
    tag_places: Map[str, Place] = field(default_factory=dict)
    canary: Canary | None = None
    voices: Map[str, Voice] = field(default_factory=dict)  # brand key → voice, of brands that have one
    vips: tuple[Vip, ...] = ()
    promises: Map[str, timedelta] = field(default_factory=dict)  # class → span
    promise_places: Map[str, Place] = field(default_factory=dict)
    tests: tuple[str, ...] = ()  # the names of the tests in tests/, which it has passed
    index: RouteIndex = field(init=False, compare=False, repr=False)
    own_words: Words[int] = field(init=False, compare=False, repr=False)  # positions in ``auto_tags``
    _vips: Map[tuple[str, str], Vip] = field(init=False, compare=False, repr=False)
    _by_name: Map[str, Route] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", RouteIndex(route.when for route in self.routes))
        words = Words((number, auto.words) for number, auto in enumerate(self.auto_tags))
        object.__setattr__(self, "own_words", words)
        asked = any(route.when.vip is not None for route in self.routes)
        known = {(vip.network, name): vip for vip in self.vips for name in vip.names} if asked else {}
        object.__setattr__(self, "_vips", known)
        object.__setattr__(self, "_by_name", {route.name: route for route in self.routes})

    def route(self, name: str | None) -> Route | None:
        """The route of that name; None for the fallback, or where there is none any more."""
        return self._by_name.get(name or "")

    def brands_of(self, when: Condition) -> set[str]:
        """The brands whose messages *when* may take."""
        return {
            brand
            for key, brand in self.account_brand.items()
            if (not when.accounts or key in when.accounts) and (not when.brands or brand in when.brands)
        }

    def lists(self, network: str, names: Iterable[str]) -> bool:
        """Whether the list of VIPs has somebody of *names* (ids or handles) on *network*."""
        wanted = {vip_name(name) for name in names}
        return any(vip.network == network and wanted.intersection(vip.names) for vip in self.vips)

    def vip(self, network: str, author_id: str, handle: str) -> Vip | None:
        """Who of the list of VIPs the author is, where a route asks for VIPs at all."""
        if not self._vips:
            return None
        by_id = self._vips.get((network, vip_name(author_id)))
        return by_id or self._vips.get((network, vip_name(handle)))


@dataclass(frozen=True, slots=True)
class Tested:
    """One condition of one route, held against one message."""

    condition: str  # as written, e.g. "tags: any of technical-issue"
    holds: bool
    seen: str  # what the message has
    kept: str | None = None  # what a case's file keeps in place of ``seen``, where that tells of a person


@dataclass(frozen=True, slots=True)
class Considered:
    """One route held against one message: taken when all conditions hold."""

    route: str
    place: Place
    taken: bool
    tested: tuple[Tested, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What should happen to a message, and why. ``route`` None: the fallback took it."""

    route: str | None
    queue: str
    reason: str
    place: Place
    brand: str
    tags: frozenset[str]  # the source's and the mapping's own
    language: str  # of the reply, after the fallback chain
    language_reason: str
    ticket: bool
    priority: str | None
    type: str | None
    closing: ClosingPolicy
    promise_at: datetime | None
    ticket_tags: tuple[str, ...]
    mapping_version: str
    closing_template: str
    promise_class: str | None = None
    severity: str | None = None
    fields: Map[str, str] = field(default_factory=dict)
    assignee: str | None = None
    copies: tuple[str, ...] = ()

    @property
    def opens_case(self) -> bool:
        """Whether a case is opened, where there is none yet in the thread: only a tag opens one."""
        return bool(self.tags)
