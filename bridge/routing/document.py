"""The shape of whole files, for `bridge mappings schema`; `load` reads them entry by entry."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge.routing.canary import CanaryFile
from bridge.routing.entry import (
    AccountShape,
    BrandShape,
    CalendarShape,
    ExampleShape,
    QueueShape,
    RouteShape,
    TagShape,
    VipShape,
)
from bridge.routing.shape import Duration, Name, Shape, Text
from bridge.routing.testfile import TestsFile
from bridge.routing.voice import VoiceFile


class _WholeBrand(BrandShape):
    accounts: dict[Name, AccountShape]  # type: ignore[assignment]  # never read, only described
    """Short name → account; the short name is part of the webhook's address."""


class _WholeRoute(RouteShape):
    examples: list[ExampleShape] = []  # type: ignore[assignment]  # never read, only described
    """Posts that you know, and the route that each should take."""


class BrandsFile(Shape):
    """Your brands, their accounts and languages; where the social team's tags come from."""

    brands: Annotated[dict[Name, _WholeBrand], Field(min_length=1)]
    """Short name → brand."""
    tag_sources: dict[Name, AccountShape] = {}
    """Short name → a tool from which tags come."""


class QueuesFile(Shape):
    """The teams, and what each of them promises."""

    fallback: Text
    """The queue for every post with a tag that no route takes."""
    promises: dict[Name, Duration] = {}
    """Name → span: promises that queues and routes give by name."""
    queues: dict[Name, QueueShape] = {}
    """Short name → team; teams may have files of their own in queues/."""


class TeamFile(Shape):
    """Queues in a file of the team's own."""

    queues: Annotated[dict[Name, QueueShape], Field(min_length=1)]
    """Short name → team."""


class HoursFile(Shape):
    """When teams work."""

    calendars: dict[Name, CalendarShape]
    """Short name → calendar."""


class TagsFile(Shape):
    """What each tag means, and words that give a tag by themselves."""

    tags: dict[str, TagShape]
    """Tag → its meaning."""


class VipsFile(Shape):
    """People whose posts routes may treat apart."""

    vips: dict[Name, VipShape]
    """Short name → who it is, and why."""


class RoutesFile(Shape):
    """Which post goes to which team: the first route whose conditions all hold takes it."""

    routes: list[_WholeRoute]
    """From top to bottom; the urgent ones first."""


FILES: dict[str, type[Shape]] = {
    "brands": BrandsFile,
    "queues": QueuesFile,
    "team": TeamFile,
    "hours": HoursFile,
    "tags": TagsFile,
    "vips": VipsFile,
    "routes": RoutesFile,
    "canary": CanaryFile,
    "voice": VoiceFile,
    "tests": TestsFile,
}
