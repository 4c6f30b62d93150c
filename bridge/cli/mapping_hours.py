"""``bridge mappings hours``: whether a team works at a moment, and what a post is promised then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bridge.cli.mappings import MOMENT, load_or_exit, mappings_folder
from bridge.routing.model import Calendar, Mapping, Queue
from bridge.routing.nodes import instead
from bridge.routing.promise import holiday, promise_end, state


@click.command()
@mappings_folder
@click.argument("queue")
@click.option("--at", type=MOMENT, help="A moment in the team's own time zone; left out, now.")
def hours(folder: Path, queue: str, at: datetime | None) -> None:
    """Say whether the team of QUEUE works, until when, and by when a post is promised an answer."""
    mapping = load_or_exit(folder)
    found = mapping.queues.get(queue)
    if found is None:
        raise click.ClickException(f'There is no queue "{queue}"{instead(queue, mapping.queues)}')
    for line in _lines(found, mapping, at):
        click.echo(line)


def _lines(queue: Queue, mapping: Mapping, at: datetime | None) -> Iterator[str]:
    calendar = mapping.calendars.get(queue.calendar or "")
    if calendar is None:
        zone = ZoneInfo("UTC")
        yield f"{queue.key} has no calendar: every hour counts. Times are in UTC."
    else:
        zone = ZoneInfo(calendar.zone)
        yield f"{queue.key} works by {calendar.key}. Times are in {calendar.zone}."
    moment = at.replace(tzinfo=zone) if at else datetime.now(UTC).astimezone(zone)
    if at and moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != at:
        raise click.ClickException(f"{at:%Y-%m-%d %H:%M} does not exist in {zone}: summer time begins there.")
    if calendar is not None:
        yield _state(calendar, moment, zone)
    if queue.promise is None:
        yield "It promises nothing."
        return
    end = promise_end(moment, queue.promise, calendar)
    by = "never: its opening hours do not go that far" if end is None else _told(end, zone)
    yield f"A post of that moment is promised an answer by {by}."


def _state(calendar: Calendar, moment: datetime, zone: ZoneInfo) -> str:
    works, until = state(calendar, moment)
    then = "for good" if until is None else f"until {_told(until, zone)}"
    why = None if works else holiday(moment.date(), calendar)
    closed = f"closed ({why})" if why else "closed"
    return f"{_told(moment, zone)}: {'open' if works else closed} {then}."


def _told(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%A %Y-%m-%d %H:%M}"
