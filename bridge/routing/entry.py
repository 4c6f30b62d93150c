"""The shape of each entry in the admins' files: what may stand under its name."""

from __future__ import annotations

from datetime import time, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from bridge.routing.model import ClosingPolicy
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
    Language,
    Name,
    NetworkName,
    Priority,
    QueueName,
    ReplyName,
    RouteName,
    Shape,
    Shift,
    TagName,
    Text,
    TicketType,
    Url,
    Zone,
    wrong,
)


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
    promise: Duration | None = None
    """How soon the customer hears from us: 30m, 4h, 2d."""
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

    @model_validator(mode="after")
    def _asks_something(self) -> WhenShape:
        if not any(getattr(self, name) for name in type(self).model_fields):
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
    promise: Duration | None = None
    """Instead of the queue's."""
    ticket_tags: list[Text] = []
    """Tags that the ticket gets besides."""
    examples: list[object] = []
    """Posts that you know, and the route that each should take."""


class CalendarShape(Shape):
    zone: Zone
    """The clock that the hours are told by; summer time is taken care of."""
    week: dict[Day, list[Shift]]
    """Day → shifts; a day that is left out is closed."""
    country: Country | None = None
    """Its public holidays are days off: PL, or DE-BY for a part of a country."""
    holidays: list[Date] = []
    """More days off."""

    @model_validator(mode="after")
    def _opens(self) -> CalendarShape:
        if not any(self.week.values()):
            raise wrong("never-open", "no opening hours on any day")
        for day, shifts in self.week.items():
            ordered = sorted(shifts)
            for (_, closes), (opens, _) in pairwise(ordered):
                if closes == time(0, 0) or opens < closes:
                    raise wrong("shift-overlap", f"two shifts on {day} overlap")
        return self


class TagShape(Shape):
    meaning: Text
    """What the tag says about a post."""
    words: list[Text] = []
    """A post that contains one of these words or phrases gets the tag by itself."""
