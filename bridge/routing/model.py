"""A mapping as the rest of the service sees it: loaded, checked, immutable."""

from __future__ import annotations

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

    ``days`` remembers what `promise` makes of a date: (opens, closes) in UTC.
    """

    key: str
    zone: str
    shifts: Map[int, tuple[tuple[time, time], ...]]
    holidays: frozenset[date]
    country: str | None = None  # whose public holidays count besides
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


@dataclass(frozen=True, slots=True)
class Condition:
    """What a route asks of one field. Empty tuples ask nothing."""

    tags: tuple[str, ...] = ()  # any of
    all_tags: tuple[str, ...] = ()
    no_tags: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # any of these words or phrases


@dataclass(frozen=True, slots=True)
class Example:
    """A message that an admin wrote down, and the route it must take (None: the fallback)."""

    text: str
    tags: tuple[str, ...]
    expect: str | None
    network: str | None
    brand: str | None
    language: str | None
    place: Place
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The first route whose conditions all hold takes the message."""

    name: str
    when: Condition
    queue: str
    place: Place
    priority: str | None = None
    type: str | None = None
    closing: ClosingPolicy | None = None
    promise: timedelta | None = None
    ticket_tags: tuple[str, ...] = ()
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
    tests: tuple[str, ...] = ()  # the names of the tests in tests/, which it has passed
    index: RouteIndex = field(init=False, compare=False, repr=False)
    own_words: Words[int] = field(init=False, compare=False, repr=False)  # positions in ``auto_tags``

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", RouteIndex(route.when for route in self.routes))
        words = Words((number, auto.words) for number, auto in enumerate(self.auto_tags))
        object.__setattr__(self, "own_words", words)


@dataclass(frozen=True, slots=True)
class Tested:
    """One condition of one route, held against one message."""

    condition: str  # as written, e.g. "tags: any of technical-issue"
    holds: bool
    seen: str  # what the message has


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
