"""The shape of each entry in the admins' files: what may stand under its name."""

from __future__ import annotations

from datetime import time, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from bridge.routing.model import CLOSED, OPEN, ClosingPolicy
from bridge.routing.nodes import nearest
from bridge.routing.shape import (
    CLOSING,
    AccountName,
    Approver,
    BrandName,
    CalendarName,
    Channel,
    Closing,
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
    wrong,
)

Week = dict[Day, list[Shift]]


class AccountShape(Shape):
    """An account; what its network wants besides is checked against the network's fields."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, use_attribute_docstrings=True)

    network: NetworkName
    """standard or mastodon."""
    handle: str = ""
    """How the account is called on its network."""


class BrandShape(Shape):
    """A brand. ``accounts`` is read apart: key → AccountShape."""

    name: Text
    """What customers call the brand."""
    languages: Annotated[list[Language], Field(min_length=1)]
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

    @model_validator(mode="after")
    def _ticket_and_group(self) -> QueueShape:
        if self.ticket and self.group is None:
            raise wrong(
                "queue-without-group", "tickets need a Zendesk group: add group, or say ticket: false"
            )
        given = [key for key in ("group", "priority", "type", "promise", "hours") if getattr(self, key)]
        if not self.ticket and given:
            raise wrong(
                "group-without-ticket", f"without tickets there is no use for {', '.join(given)}: remove it"
            )
        return self


class WhenShape(Shape):
    tags: list[TagName] = []
    """Any of these tags is on the post."""
    all_tags: list[TagName] = []
    """All of these tags are on it."""
    no_tags: list[TagName] = []
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

    @field_validator("hours")
    @classmethod
    def _known_shifts(cls, asked: dict[str, str], info: ValidationInfo[Known]) -> dict[str, str]:
        known = info.context
        for calendar, state in asked.items():
            if known.shifts is None or calendar not in known.shifts:
                continue  # the calendar's own fault
            states = (OPEN, CLOSED, *known.shifts[calendar])
            if state not in states:
                message = f'{calendar} is never "{state}": it is one of {", ".join(states)}'
                raise wrong("unknown-shift", message + nearest(state, states))
        return asked

    @model_validator(mode="after")
    def _asks_something(self) -> WhenShape:
        if all(getattr(self, name) in ([], {}, None) for name in type(self).model_fields):
            raise wrong("no-condition", "nothing is asked: the fallback queue takes what no route claims")
        return self


class ExampleShape(Shape):
    """``expect`` left out: the route that the example stands in."""

    text: str
    """What the customer wrote."""
    tags: list[TagName] = []
    """The tags that the social team gave it."""
    expect: RouteName | None = None
    """The route that should take it; left out, this one; fallback: none."""
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
    ticket_tags: list[Text] = []
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

    @field_validator("copies")
    @classmethod
    def _to_others(cls, copies: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("queue") in copies:
            raise wrong("copy-to-owner", f'"{info.data["queue"]}" has the post itself: take it out')
        return copies

    @field_validator("never")
    @classmethod
    def _kept_off(cls, never: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("queue") in never:
            raise wrong("never-reached", f'this route leads to "{info.data["queue"]}"')
        for queue in info.data.get("copies", ()):
            if queue in never:
                raise wrong("never-reached", f'this route sends a copy to "{queue}"')
        return never


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

    @field_validator("week")
    @classmethod
    def _opens(cls, week: Week) -> Week:
        return _sound(week)

    @field_validator("shifts")
    @classmethod
    def _named(cls, shifts: dict[str, Week]) -> dict[str, Week]:
        for name, week in shifts.items():
            if name in (OPEN, CLOSED):
                raise wrong("bad-name", f'"{name}" is what every calendar can be: no shift has this name')
            _sound(week, of=f"{name}: ")
        return shifts


def _sound(week: Week, of: str = "") -> Week:
    """*week*, if it opens at all and no two shifts of a day overlap."""
    if not any(week.values()):
        raise wrong("never-open", f"{of}no opening hours on any day")
    for day, shifts in week.items():
        for (_, closes), (opens, _) in pairwise(sorted(shifts)):
            if closes == time(0, 0) or opens < closes:
                raise wrong("shift-overlap", f"{of}two shifts on {day} overlap")
    return week


class VipShape(Shape):
    """Somebody by a handle, by the network's own id, or by both."""

    network: NetworkName
    """Where they are: standard or mastodon."""
    handle: Text | None = None
    """How they are called there; on Mastodon with the server."""
    id: Text | None = None
    """The network's own id of them; on Mastodon the profile's address."""
    why: Text
    """Why they are on the list: it stands where people look."""

    @model_validator(mode="after")
    def _is_somebody(self) -> VipShape:
        if self.handle is None and self.id is None:
            raise wrong("missing-key", '"handle" or "id" must be given: who it is')
        return self


class TagShape(Shape):
    meaning: Text
    """What the tag says about a post."""
    words: list[Text] = []
    """A post that contains one of these words or phrases gets the tag by itself."""
