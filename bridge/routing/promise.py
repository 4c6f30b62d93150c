"""When a promise ends: so much time after the post, counted while the team works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bridge.routing.holiday import public_holidays
from bridge.routing.model import Calendar

_MIDNIGHT = time(0, 0)
MAX_DAYS = 3_660
"""A promise that ten years of opening hours do not cover has no end."""


def promise_end(start: datetime, span: timedelta, calendar: Calendar | None) -> datetime | None:
    """The moment (UTC) by which *span* of working time has passed since *start*.

    Without a calendar every hour counts. None when the end lies beyond what a
    calendar can say.
    """
    try:
        if calendar is None:
            return (start + span).astimezone(UTC)
        return _in_shifts(start.astimezone(UTC), span, calendar)
    except OverflowError:
        return None


def _in_shifts(start: datetime, span: timedelta, calendar: Calendar) -> datetime | None:
    first = start.astimezone(ZoneInfo(calendar.zone)).date()
    left = span
    for offset in range(MAX_DAYS):
        for opens, closes in _shifts_on(first + timedelta(days=offset), calendar):
            begins = max(opens, start)
            # In UTC, so that an hour that summer time skips or repeats counts as it passes.
            if closes - begins >= left:
                return begins + left
            left -= max(closes - begins, timedelta())
    return None


def _shifts_on(day: date, calendar: Calendar) -> tuple[tuple[datetime, datetime], ...]:
    known = calendar.days.get(day)
    if known is None:
        known = () if holiday(day, calendar) is not None else tuple(_shifts(day, calendar))
        if len(calendar.days) < MAX_DAYS:
            calendar.days[day] = known
    return known


def holiday(day: date, calendar: Calendar) -> str | None:
    """Why *calendar* is closed on *day* whatever the day of the week; None when it is not."""
    if day in calendar.holidays:
        return "a holiday"
    if calendar.country is None:
        return None
    return public_holidays(calendar.country, day.year).get(day)


def state(calendar: Calendar, at: datetime) -> tuple[bool, datetime | None]:
    """Whether the team works at *at*, and until when (UTC) that stays so; None: for ever."""
    at = at.astimezone(UTC)
    first = at.astimezone(ZoneInfo(calendar.zone)).date()
    until: datetime | None = None  # the end of the shift that *at* is in, and of those that follow at once
    for offset in range(MAX_DAYS):
        before = until
        for opens, closes in _shifts_on(first + timedelta(days=offset), calendar):
            if until is None and opens > at:
                return False, opens
            if opens <= at < closes or opens == until:
                until = closes
        if until is not None and until == before:
            return True, until
    return until is not None, None


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether *at* lies in a shift of *calendar*. At the edges of time nobody works."""
    try:
        day = at.astimezone(ZoneInfo(calendar.zone)).date()
        return any(opens <= at < closes for opens, closes in _shifts_on(day, calendar))
    except OverflowError:
        return False


def _shifts(day: date, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    for opens, closes in calendar.shifts.get(day.weekday(), ()):
        until = day if closes > _MIDNIGHT else day + timedelta(days=1)
        yield _utc(day, opens, calendar), _utc(until, closes, calendar)


def _utc(day: date, at: time, calendar: Calendar) -> datetime:
    return datetime.combine(day, at, ZoneInfo(calendar.zone)).astimezone(UTC)
