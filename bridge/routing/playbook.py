"""The playbook: what a mapping says to people, tag by tag, as data and as one page.

The page is whole in itself: it asks for nothing from anywhere, and its own policy forbids
it to. Everything that admins wrote goes through Jinja's escaping.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from bridge.core.ports import Network
from bridge.routing.folder import PLAYBOOK
from bridge.routing.model import Calendar, ClosingPolicy, Condition, Mapping, Queue, Route
from bridge.routing.promise import promise_end
from bridge.routing.prose import Block, read_prose
from bridge.routing.shadow import accounts_of
from bridge.routing.shape import DAYS
from bridge.routing.wording import Words, render

STATIC = Path(__file__).parent / "static"
GENERATOR = "bridge mappings docs"
"""What the page says it was made by: a file that says so may be written over."""

_SOME_MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""When the customer of the sample replies wrote: the same mapping makes the same page."""

_SHORT = 12
_TAGS = ("tags", "all_tags")
_ALL = ("all_tags", "hours")  # of the others, any is enough, or none may be
_ANYWHERE: Map[str, Any] = {"networks": (), "accounts": (), "brands": ()}
_ASKS = {
    "all_tags": "also tagged",
    "no_tags": "not tagged",
    "networks": "on",
    "accounts": "heard by",
    "brands": "said to",
    "languages": "written in",
    "words": "with any of the words",
    "kinds": "of the kind",
    "severities": "as severe as",
    "sentiments": "in a mood that is",
    "min_followers": "whose author has at least so many followers:",
    "hours": "written while",
}
_VIP = {True: "by somebody on the list of VIPs", False: "by nobody on the list of VIPs"}
_CLOSES = {
    ClosingPolicy.AUTO: "The closing reply goes out when the ticket is solved.",
    ClosingPolicy.APPROVE: "The closing reply goes out when somebody presses “Post it” on the card.",
    ClosingPolicy.MANUAL: "Somebody writes the closing reply by hand.",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A closing reply as a customer called Anna would read it."""

    brand: str
    code: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Team:
    """A queue in words: who does what, by when, and who hears of it.

    ``ticket``: what the ticket is given, in words; empty where there is nothing to say.
    """

    queue: Queue
    promise: str
    hours: tuple[str, ...]
    closing: str
    samples: tuple[Sample, ...]
    ticket: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """Where posts go, and what is asked of them besides. ``route`` None: the fallback.

    ``copies``: the teams that are told, too; ``never``: those that such a post does not come to.
    """

    route: Route | None
    asks: tuple[str, ...]
    team: Team
    copies: tuple[Queue, ...] = ()
    never: tuple[Queue, ...] = ()

    @property
    def asks_for_tags(self) -> bool:
        return self.route is not None and bool(_tags_of(self.route))


@dataclass(frozen=True, slots=True)
class TagEntry:
    """``before``: other tags, with which a post may go where those lead instead of the ``ways``;
    ``elsewhere``: those with which it may, too, though they lead nowhere of their own.

    The fallback is among the ways only where a post with no other tag that matters can come so far.
    """

    tag: str
    meaning: str
    words: tuple[str, ...]
    ways: tuple[Way, ...]
    before: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Playbook:
    """``others``: routes that take posts with any tag. ``prose``: the admins' own text."""

    version: str
    brands: tuple[str, ...]
    tags: tuple[TagEntry, ...]
    others: tuple[Way, ...]
    teams: tuple[Team, ...]
    fallback: Team
    prose: tuple[Block, ...]


def playbook(mapping: Mapping, networks: Map[str, Network]) -> Playbook:
    """What *mapping* says, for people. Pure: the same mapping, the same playbook."""
    teams = {key: _team(queue, mapping, networks) for key, queue in mapping.queues.items()}
    words = {auto.tag: auto.words for auto in mapping.auto_tags}
    drawn = {route.name: _team_of(route, teams, mapping, networks) for route in mapping.routes}
    leading = {tag for route in mapping.routes for tag in _tags_of(route)}
    entries = []
    for tag, meaning in mapping.tags.items():
        walk = _walk(tag, mapping)
        ways = [_way(route, tag, mapping, drawn[route.name]) for route in walk.routes]
        if walk.last is None:
            ways.append(Way(None, (), teams[mapping.fallback]))
        besides = dict.fromkeys((*_before(tag, walk.last, mapping), *walk.kept_out))
        entries.append(
            TagEntry(
                tag,
                meaning,
                words.get(tag, ()),
                tuple(ways),
                before=tuple(other for other in besides if other in leading),
                elsewhere=tuple(other for other in besides if other not in leading),
            )
        )
    return Playbook(
        version=mapping.version[:_SHORT],
        brands=tuple(brand.name for brand in mapping.brands.values()),
        tags=tuple(entries),
        others=tuple(
            _way(route, "", mapping, drawn[route.name]) for route in mapping.routes if not _tags_of(route)
        ),
        teams=tuple(teams.values()),
        fallback=teams[mapping.fallback],
        prose=read_prose(mapping.files.get(PLAYBOOK, "")),
    )


def page(mapping: Mapping, networks: Map[str, Network]) -> str:
    """The playbook as one HTML page."""
    template = _environment().get_template("playbook.html.j2")
    book = playbook(mapping, networks)
    return template.render(book=book, policy=policy(), generator=GENERATOR).lstrip()


@cache
def policy() -> str:
    """The page's Content-Security-Policy: its own style and script, and nothing else from anywhere."""
    style, script = (_digest(STATIC / name) for name in ("playbook.css", "playbook.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(file: Path) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(file.read_bytes()).digest()).decode()


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(STATIC),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # the policy names the hash of the whole file
    )


def _tags_of(route: Route) -> tuple[str, ...]:
    """The tags that *route* asks for."""
    return (*route.when.tags, *route.when.all_tags)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where posts with a tag come to, in the order of the routes.

    ``last``: the route that takes the last of those with no other tag that matters; None: the
    fallback does. ``kept_out``: other tags, with which a post goes past a route that takes those.
    """

    routes: tuple[Route, ...]
    last: Route | None
    kept_out: tuple[str, ...]


def _walk(tag: str, mapping: Mapping) -> _Walk:
    """Follow a post with *tag* alone, and one with each tag besides that a route of it keeps out.

    Routes that ask for no tag are among them: they take what they are offered first.
    """
    alone = frozenset((tag,))
    mine = [route for route in mapping.routes if not (asked := _tags_of(route)) or tag in asked]
    others = dict.fromkeys(other for route in mine for other in route.when.no_tags)
    # By the tags of the post: the accounts whose posts may still come.
    left = {tags: set(mapping.account_brand) for tags in (alone, *(alone | {other} for other in others))}
    last: Route | None = None
    routes, kept_out = [], dict[str, None]()
    for route in mapping.routes:
        asked, when = _tags_of(route), route.when
        near = [
            tags
            for tags in left
            if tags.isdisjoint(when.no_tags) and (not asked or not tags.isdisjoint(asked))
        ]
        heard = set(accounts_of(when, mapping)) if near else set()
        come = [tags for tags in near if not left[tags] or left[tags] & heard]
        if come and (not asked or tag in asked):
            routes.append(route)
        for tags in come:
            if not _takes_all(route, tags):
                continue
            if tags == alone:
                kept_out.update(dict.fromkeys(other for other in when.no_tags if alone | {other} in left))
            left[tags] -= heard
            if not left[tags]:
                del left[tags]
                last = route if tags == alone else last
        if not left:
            break
    return _Walk(tuple(routes), last, tuple(kept_out))


def _takes_all(route: Route, tags: frozenset[str]) -> bool:
    """Whether *route* asks of a post with *tags* for nothing but where it was said."""
    when = route.when
    if (when.tags and tags.isdisjoint(when.tags)) or not tags.issuperset(when.all_tags):
        return False
    return replace(when, tags=(), all_tags=(), no_tags=(), **_ANYWHERE) == Condition()


def _before(tag: str, last: Route | None, mapping: Mapping) -> tuple[str, ...]:
    """The other tags that routes before *last* (None: any route) ask for without asking for *tag*."""
    found: dict[str, None] = {}
    for route in mapping.routes:
        if last is not None and route.name == last.name:
            break
        asked = _tags_of(route)
        if tag not in asked and tag not in route.when.no_tags:
            found.update(dict.fromkeys(asked))
    return tuple(found)


def _team_of(route: Route, teams: Map[str, Team], mapping: Mapping, networks: Map[str, Network]) -> Team:
    """The team of *route*, with what the route says instead."""
    team = teams[route.queue]
    if any(own is not None for own in (route.promise, route.closing, route.closing_template)):
        return _team(team.queue, mapping, networks, route)
    return replace(team, ticket=tuple(_ticket(team.queue, route)))


def _way(route: Route, tag: str, mapping: Mapping, team: Team) -> Way:
    copies, never = (tuple(mapping.queues[key] for key in keys) for keys in (route.copies, route.never))
    return Way(route, tuple(_asks(route, tag)), team, copies, never)


def _asks(route: Route, tag: str) -> Iterator[str]:
    """The conditions of *route* in words, without what *tag* fulfils."""
    for one in fields(route.when):
        value = getattr(route.when, one.name)
        if one.name in _TAGS and tag in value:
            value = () if one.name == "tags" else tuple(other for other in value if other != tag)
        if one.name == "vip" and value is not None:
            yield _VIP[value]
        elif value not in ((), None):
            # Whatever else routes may ask some day is named by its key.
            asked = _ASKS.get(one.name) or one.name.replace("_", " ") + ":"
            yield f"{asked} {_listed(value, all_of=one.name in _ALL)}"


def _listed(value: object, *, all_of: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        words = [" is ".join(one) if isinstance(one, tuple) else str(one) for one in value]
        return _and(words) if all_of else ", ".join(words)
    return str(value)


def _team(queue: Queue, mapping: Mapping, networks: Map[str, Network], route: Route | None = None) -> Team:
    """*queue* in words, with what *route* says instead."""
    calendar = mapping.calendars.get(queue.calendar or "")
    promise = (route.promise if route else None) or queue.promise
    closing = (route.closing if route else None) or queue.closing
    samples: tuple[Sample, ...] = ()
    if queue.ticket and closing is not ClosingPolicy.MANUAL:
        ends = promise_end(_SOME_MOMENT, promise, calendar) if promise else None
        template = (route.closing_template if route else None) or queue.closing_template
        samples = tuple(_samples(template, mapping, networks, ends))
    return Team(
        queue=queue,
        promise=_promised(promise, calendar),
        hours=tuple(_hours(calendar)) if calendar else ("No opening hours are given: every hour counts.",),
        closing=_CLOSES[closing] if queue.ticket else "Somebody answers by hand: there is no ticket.",
        samples=samples,
        ticket=tuple(_ticket(queue, route)),
    )


def _ticket(queue: Queue, route: Route | None) -> Iterator[str]:
    """What *queue* and *route* give the ticket, the route's own before the queue's."""
    severity = route.severity if route else None
    if not queue.ticket:
        if severity:
            yield f"None; on the card stands severity {severity}"
        return
    priority, kind = (route and route.priority) or queue.priority, (route and route.type) or queue.type
    yield f"Priority {priority}" if priority else "No priority"
    yield f"type {kind}" if kind else "no type"
    if route is None:
        return
    if severity:
        yield f"severity {severity}"
    if tags := (*route.ticket_tags, *((f"severity-{severity}",) if severity else ())):
        yield f"tagged as the post is, and {_and(tags)}"
    for name, value in route.fields.items():
        yield f"its field {name} says {value}"
    if route.assignee:
        yield f"assigned to {route.assignee}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _samples(
    name: str, mapping: Mapping, networks: Map[str, Network], ends: datetime | None
) -> Iterator[Sample]:
    for brand in mapping.brands.values():
        entry = brand.accounts[0] if brand.accounts else None
        label = (entry.fields.get("label") or networks[entry.network].label) if entry else ""
        words = Words(customer="Anna", handle="@customer", network=label, promise_at=ends)
        # The brand's own languages first, in its order; then what else there is.
        written = {
            language for key, template, language in mapping.templates if (key, template) == (brand.key, name)
        }
        order = [
            *(code for code in brand.languages if code in written),
            *sorted(written - {*brand.languages}),
        ]
        for code in order:
            rendered = render(mapping, brand.key, name, code, words)
            if rendered is not None:
                yield Sample(brand.name, code, _language(code), rendered.text)


def _language(code: str) -> str:
    try:
        return Locale.parse(code, sep="-").get_display_name("en") or code
    except (UnknownLocaleError, ValueError):
        return code


def _promised(promise: timedelta | None, calendar: Calendar | None) -> str:
    if promise is None:
        return "Nothing is promised."
    if calendar is None:
        return f"The customer hears from us within {_span(promise)}, day and night."
    # A day of a promise is 24 opening hours, which nobody means who reads "a day".
    hours = _counted(promise, timedelta(hours=1), "opening hour")
    counted = hours if promise >= timedelta(hours=1) else f"{_span(promise)} of opening time"
    return f"The customer hears from us within {counted}."


def _span(span: timedelta) -> str:
    for size, unit in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour")):
        if span >= size and not span % size:
            return _counted(span, size, unit)
    return _counted(span, timedelta(minutes=1), "minute")


def _counted(span: timedelta, size: timedelta, unit: str) -> str:
    number = span / size
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _hours(calendar: Calendar) -> Iterator[str]:
    for shifts, group in groupby(range(7), key=lambda day: calendar.shifts.get(day, ())):
        days = [DAYS[day].capitalize() for day in group]
        named = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        told = [f"{_clock(opens)}–{_clock(closes, 24)}" for opens, closes in shifts]
        yield f"{named} {' and '.join(told) or 'closed'}"
    if calendar.country:
        yield f"Closed on the public holidays of {_country(calendar.country)}"
    if calendar.holidays:
        days = [format_date(day, "d MMMM y", "en") for day in sorted(calendar.holidays)]
        yield f"Closed on {', '.join(days)}"
    yield f"Told by the clock of {calendar.zone}"


def _clock(moment: time, midnight: int = 0) -> str:
    return f"{moment.hour or midnight:02}:{moment.minute:02}" if moment == time(0, 0) else f"{moment:%H:%M}"


def _country(code: str) -> str:
    country, _, part = code.partition("-")
    name = Locale("en").territories.get(country, country)
    return f"{name} ({part})" if part else str(name)
