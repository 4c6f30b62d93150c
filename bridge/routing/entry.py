"""The shape of each entry in the admins' files: what may stand under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Map
from dataclasses import replace
from datetime import time, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError

from bridge.routing.language import normalise_language
from bridge.routing.model import CLOSED, OPEN, ClosingPolicy
from bridge.routing.nodes import Value, nearest
from bridge.routing.shape import (
    CLOSING,
    DAYS,
    HANDLE,
    AccountName,
    Approver,
    BrandName,
    CalendarName,
    Channel,
    Closing,
    Conflict,
    Country,
    Date,
    Day,
    Duration,
    Email,
    Kind,
    Known,
    Language,
    Moment,
    Name,
    NetworkName,
    Number,
    Priority,
    Promise,
    QueueName,
    ReplyName,
    RouteName,
    SentimentWord,
    SeverityWord,
    Shape,
    Shift,
    TagName,
    Text,
    TicketType,
    Url,
    Zone,
    handle_problem,
    shift,
    table,
    texts,
)

Week = dict[Day, list[Shift]]
_UNIQUE: dict[str, JsonValue] = {"uniqueItems": True}
Tags = Annotated[list[TagName], Field(json_schema_extra=_UNIQUE)]
_HANDLE: dict[str, JsonValue] = {"pattern": rf"^({HANDLE})?$"}


def _asks_something(schema: dict[str, JsonValue]) -> None:
    """Tell editors that each condition names at least one thing."""
    properties = schema["properties"]
    for each in properties.values() if isinstance(properties, dict) else ():
        if isinstance(each, dict) and each.get("type") in _LEAST:
            each[_LEAST[str(each["type"])]] = 1


_LEAST = {"array": "minItems", "object": "minProperties"}


def _repeated(
    key: str, given: Map[str, Value], rule: str, plain: Callable[[str], str | None] = str
) -> Iterator[Conflict]:
    """What stands twice in the list under *key*; what *plain* makes nothing of is at fault already."""
    seen: set[str] = set()
    written = given.get(key)
    for number, one in enumerate(written if isinstance(written, list) else ()):
        name = plain(one) if isinstance(one, str) else None
        if name is None:
            continue
        if name in seen:
            yield Conflict((key, number), rule, f"{name} stands in the list twice", newer=True)
        seen.add(name)


class AccountShape(Shape):
    """An account; what its network wants besides is checked against the network's fields."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, use_attribute_docstrings=True)

    network: NetworkName
    """standard or mastodon."""
    handle: Annotated[str, Field(json_schema_extra=_HANDLE)] = ""
    """How the account is called on its network."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        if problem := handle_problem(given.get("handle")):
            yield Conflict(("handle",), "handle-format", problem, newer=True)


class BrandShape(Shape):
    """A brand. ``accounts`` is read apart: key → AccountShape."""

    name: Text
    """What customers call the brand."""
    languages: Annotated[list[Language], Field(min_length=1, json_schema_extra=_UNIQUE)]
    """What it answers in; the first is used when nothing else fits."""
    fallbacks: dict[Language, Annotated[list[Language], Field(min_length=1)]] = {}
    """For a language that the brand does not speak: what to try instead, in order."""
    signature: str = ""
    """The end of its replies."""
    zone: Zone
    """The time that customers are told, such as Europe/Warsaw."""
    help_link: Url | None = None
    """Its help page."""
    desk_brand: Text | None = None
    """Its name in Zendesk, if that has several brands."""
    accounts: dict[Name, object]
    """Short name → account; the short name is part of the webhook's address."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        yield from _repeated("languages", given, "language-twice", normalise_language)


class QueueShape(Shape):
    label: Text
    """How the team is called, on the card and in the ticket."""
    meaning: Text
    """What it means that a post is in this queue."""
    next_step: Text
    """What somebody of the team does first."""
    owner: Text
    """Who answers for the queue."""
    channel: Channel
    """The Slack channel, in quotes: "#support"."""
    ticket: bool
    """true: a Zendesk ticket; false: a card in Slack is enough."""
    group: Text | None = None
    """The group in Zendesk that tickets go to."""
    priority: Priority | None = None
    """The ticket's priority."""
    type: TicketType | None = None
    """The ticket's type."""
    promise: Promise | None = None
    """How soon the customer hears from us: 30m, 4h, 2d, or the name of a promise."""
    hours: CalendarName | None = None
    """The calendar of hours.yaml that the promise counts in; without it, every hour counts."""
    closing: Closing = ClosingPolicy.APPROVE.value
    """auto: posted when the ticket is solved; approve: after a press; manual: by hand."""
    closing_template: ReplyName = CLOSING
    """Which reply closes a case."""
    closing_grace: Duration = timedelta(hours=2)
    """An answer not older than this counts as the closing reply."""
    approvers: list[Approver] = []
    """Ids of the Slack users who may approve; without it, anybody in the channel."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        ticket = given.get("ticket")
        if ticket is True and given.get("group") is None:
            message = "tickets need a Zendesk group: add group, or say ticket: false"
            yield Conflict((), "queue-without-group", message)
        useless = [key for key in ("group", "priority", "type", "promise", "hours") if given.get(key)]
        if ticket is False and useless:
            message = f"without tickets there is no use for {', '.join(useless)}: remove it"
            yield Conflict((), "group-without-ticket", message)


class WhenShape(Shape):
    model_config = ConfigDict(**Shape.model_config, json_schema_extra=_asks_something)

    tags: Tags = []
    """Any of these tags is on the post."""
    all_tags: Tags = []
    """All of these tags are on it."""
    no_tags: Tags = []
    """None of these tags is on it."""
    networks: list[NetworkName] = []
    """It came in on one of these networks."""
    accounts: list[AccountName] = []
    """One of these accounts heard it."""
    brands: list[BrandName] = []
    """It was said to one of these brands."""
    languages: list[Language] = []
    """It is written in one of these languages."""
    words: list[Text] = []
    """One of these words or phrases stands in it; capitals and accents do not matter."""
    kinds: list[Kind] = []
    """It is one of these: public, reply, review, direct."""
    severities: list[SeverityWord] = []
    """Its source calls it so severe."""
    sentiments: list[SentimentWord] = []
    """Its source reads this mood in it."""
    min_followers: Number | None = None
    """Its author has at least so many followers."""
    vip: bool | None = None
    """true: its author is in vips.yaml; false: is not."""
    hours: dict[CalendarName, Text] = {}
    """Calendar → open, closed or the name of a shift: what it was when the post was written."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        empty = [key for key, asked in given.items() if asked in ([], {}, None)]
        if len(empty) == len(given):
            message = "nothing is asked: the fallback queue takes what no route claims"
            yield Conflict((), "no-condition", message)
        for key in empty if len(empty) < len(given) else ():
            if key in cls.model_fields and given[key] is not None:
                message = "must not be empty: name what is asked for, or take it out"
                yield Conflict((key,), "empty-value", message, newer=True)
        for key in ("tags", "all_tags", "no_tags"):
            yield from _repeated(key, given, "tag-twice")
        for calendar, state in table(given.get("hours")).items():
            if (
                known.shifts is None
                or calendar not in known.shifts
                or not isinstance(state, str)
                or not state
            ):
                continue  # a fault of its own
            states = (OPEN, CLOSED, *known.shifts[calendar])
            if state not in states:
                message = f'{calendar} is never "{state}": it is one of {", ".join(states)}'
                yield Conflict(("hours",), "unknown-shift", message + nearest(state, states))


class ExampleShape(Shape):
    """``expect`` left out: the route that the example stands in."""

    text: str
    """What the customer wrote."""
    tags: Tags = []
    """The tags that the social team gave it."""
    expect: RouteName | None = None
    """The route that should take it; left out, this one; fallback: none; no-case: no tag, so no case."""
    network: NetworkName | None = None
    """On which network it was said."""
    account: AccountName | None = None
    """Which account heard it."""
    brand: BrandName | None = None
    """To which brand it was said."""
    language: Language | None = None
    """The language that the source names."""
    author: Text | None = None
    """The handle of who wrote it."""
    kind: Kind | None = None
    """public, reply, review or direct; left out, public."""
    followers: Annotated[int, Field(ge=0, le=10**12)] | None = None
    """How many followers its author has."""
    severity: SeverityWord | None = None
    """How severe the source calls it."""
    sentiment: SentimentWord | None = None
    """The mood that the source reads in it."""
    at: Moment | None = None
    """When it was written, in the brand's time; left out, ten o'clock on a Monday."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        yield from _repeated("tags", given, "tag-twice")


class RouteShape(Shape):
    """A route. ``examples`` is read apart: a list of ExampleShape."""

    name: Name
    """Its name, given once in all files."""
    when: WhenShape
    """The conditions: all that are stated must hold."""
    queue: QueueName
    """The queue of queues.yaml that the post goes to."""
    priority: Priority | None = None
    """Instead of the queue's."""
    type: TicketType | None = None
    """Instead of the queue's."""
    closing: Closing | None = None
    """Instead of the queue's."""
    promise: Promise | None = None
    """Instead of the queue's."""
    severity: SeverityWord | None = None
    """How much is at stake: on the card, in the ticket's note, and as its tag."""
    closing_template: ReplyName | None = None
    """Instead of the queue's."""
    ticket_tags: Annotated[list[Text], Field(json_schema_extra=_UNIQUE)] = []
    """Tags that the ticket gets besides."""
    fields: dict[Text, Text] = {}
    """The ticket's custom fields, by title, key or id → value."""
    assignee: Email | None = None
    """The agent who gets the ticket, by e-mail address."""
    copies: list[QueueName] = []
    """Queues whose teams are told in their channels, too."""
    never: list[QueueName] = []
    """Queues that posts of this route must not come to, whatever becomes of them."""
    examples: list[object] = []
    """Posts that you know, and the route that each should take."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        queue, copies, never = given.get("queue"), texts(given.get("copies")), texts(given.get("never"))
        if queue in copies:
            yield Conflict(("copies",), "copy-to-owner", f'"{queue}" has the post itself: take it out')
        if queue in never:
            yield Conflict(("never",), "never-reached", f'this route leads to "{queue}"')
        for copy in copies:
            if copy in never and copy != queue:
                yield Conflict(("never",), "never-reached", f'this route sends a copy to "{copy}"')
        yield from _repeated("ticket_tags", given, "tag-twice")
        if isinstance(given.get("when"), dict):
            for one in WhenShape.conflicts(table(given["when"]), known):
                yield replace(one, path=("when", *one.path))


class CalendarShape(Shape):
    zone: Zone
    """The clock that the hours are told by; summer time is taken care of."""
    week: Week
    """Day → shifts; a day that is left out is closed."""
    country: Country | None = None
    """Its public holidays are days off: PL, or DE-BY for a part of a country."""
    holidays: list[Date] = []
    """More days off."""
    shifts: dict[Name, Week] = {}
    """Name → day → hours: a part of the week that routes can ask for."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        if isinstance(given.get("week"), dict):
            yield from _unsound(table(given["week"]), "week")
        for name, week in table(given.get("shifts")).items():
            if name in (OPEN, CLOSED):
                message = f'"{name}" is what every calendar can be: no shift has this name'
                yield Conflict(("shifts",), "bad-name", message)
            if isinstance(week, dict):
                yield from _unsound(week, "shifts", of=f"{name}: ")


def _unsound(week: dict[str, Value], key: str, of: str = "") -> Iterator[Conflict]:
    """Where *week* never opens, or two shifts of a day overlap; what cannot be read is left out."""
    if not any(week.values()):
        yield Conflict((key,), "never-open", f"{of}no opening hours on any day")
    for day, written in week.items():
        hours = sorted(filter(None, map(_readable, texts(written))))
        if day in DAYS and any(
            closes == time(0, 0) or opens < closes for (_, closes), (opens, _) in pairwise(hours)
        ):
            yield Conflict((key,), "shift-overlap", f"{of}two shifts on {day} overlap")


def _readable(written: str) -> tuple[time, time] | None:
    try:
        return shift(written)
    except PydanticCustomError:
        return None


class VipShape(Shape):
    """Somebody by a handle, by the network's own id, or by both."""

    network: NetworkName
    """Where they are: standard or mastodon."""
    handle: Annotated[Text, Field(json_schema_extra=_HANDLE)] | None = None
    """How they are called there; on Mastodon with the server."""
    id: Text | None = None
    """The network's own id of them; on Mastodon the profile's address."""
    why: Text
    """Why they are on the list: it stands where people look."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        if given.get("handle") is None and given.get("id") is None:
            yield Conflict((), "missing-key", '"handle" or "id" must be given: who it is')
        if problem := handle_problem(given.get("handle")):
            yield Conflict(("handle",), "handle-format", problem, newer=True)


class TagShape(Shape):
    meaning: Text
    """What the tag says about a post."""
    words: Annotated[list[Text], Field(json_schema_extra={"minItems": 1})] = []
    """A post that contains one of these words or phrases gets the tag by itself."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        if given.get("words") == []:
            message = "must not be empty: write the words that give the tag, or take it out"
            yield Conflict(("words",), "empty-value", message, newer=True)
