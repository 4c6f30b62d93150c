"""When a promise ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.model import Calendar
from bridge.routing.promise import holiday, promise_end, state

WARSAW = ZoneInfo("Europe/Warsaw")
EVERY_DAY = range(7)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def calendar(zone: str = "Europe/Warsaw", days=range(5), holidays=(), *shifts: tuple[str, str]) -> Calendar:
    hours = tuple((time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in shifts)
    return Calendar("c", zone, dict.fromkeys(days, hours), frozenset(holidays))


OFFICE = calendar("Europe/Warsaw", range(5), (date(2026, 11, 11),), ("09:00", "12:00"), ("13:00", "17:00"))
NIGHT = calendar("Europe/Warsaw", EVERY_DAY, (), ("00:00", "06:00"), ("22:00", "00:00"))


def warsaw(day: str, at: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=WARSAW)


@pytest.mark.parametrize(
    ("posted", "hours", "ends"),
    [
        (("2026-11-09", "10:00"), 1, ("2026-11-09", "11:00")),
        (("2026-11-09", "11:30"), 1, ("2026-11-09", "13:30")),  # over the lunch break
        (("2026-11-09", "07:00"), 3, ("2026-11-09", "12:00")),  # ends with the shift, not after the break
        (("2026-11-10", "16:00"), 2, ("2026-11-12", "10:00")),  # the 11th is a holiday
        (("2026-11-13", "16:00"), 2, ("2026-11-16", "10:00")),  # over the weekend
        (("2026-11-14", "12:00"), 7, ("2026-11-16", "17:00")),  # a whole day of work
    ],
)
def test_a_promise_counts_opening_hours(posted, hours, ends):
    """Breaks, nights, weekends and holidays do not count."""
    end = promise_end(warsaw(*posted), timedelta(hours=hours), OFFICE)

    assert end == warsaw(*ends)
    assert end.tzinfo is UTC


def test_without_a_calendar_every_hour_counts():
    """A crisis knows no closing time."""
    posted = warsaw("2026-11-14", "23:00")

    assert promise_end(posted, timedelta(hours=4), None) == posted + timedelta(hours=4)


def test_the_hour_that_summer_time_skips_does_not_count():
    """2026-03-29: the clock goes from 02:00 to 03:00, so 01:30 and two hours are 04:30."""
    end = promise_end(warsaw("2026-03-29", "01:30"), timedelta(hours=2), NIGHT)

    assert end == warsaw("2026-03-29", "04:30")
    assert end == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)


def test_the_hour_that_winter_time_repeats_counts_twice():
    """2026-10-25: 02:00 to 03:00 comes twice, so 01:30 and two hours are 02:30 for the second time."""
    end = promise_end(warsaw("2026-10-25", "01:30"), timedelta(hours=2), NIGHT)

    assert end == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert end.astimezone(WARSAW).strftime("%H:%M %Z") == "02:30 CET"


def test_office_hours_are_the_same_on_the_wall_before_and_after_the_clock_changes():
    """Over the weekend of the change: Friday 16:00 and two hours are Monday 10:00 on the wall."""
    for friday, monday in (("2026-03-27", "2026-03-30"), ("2026-10-23", "2026-10-26")):
        assert promise_end(warsaw(friday, "16:00"), timedelta(hours=2), OFFICE) == warsaw(monday, "10:00")


def test_a_shift_until_midnight_goes_on_in_the_next_days_first_shift():
    """22:00-24:00 and 00:00-06:00 are one night."""
    assert promise_end(warsaw("2026-11-09", "23:00"), timedelta(hours=3), NIGHT) == warsaw(
        "2026-11-10", "02:00"
    )


def test_the_day_is_the_calendars_day_and_not_utcs():
    """Sunday evening in UTC is Monday morning in Jakarta."""
    jakarta = calendar("Asia/Jakarta", (0,), (), ("05:00", "09:00"))
    posted = datetime(2026, 1, 4, 22, 30, tzinfo=UTC)

    assert promise_end(posted, timedelta(hours=1), jakarta) == posted + timedelta(hours=1)


def test_a_promise_that_no_opening_hours_cover_has_no_end():
    """A calendar that never opens, and a time beyond all calendars."""
    closed = calendar("Europe/Warsaw", range(5), ())

    assert promise_end(warsaw("2026-11-09", "10:00"), timedelta(hours=1), closed) is None
    assert promise_end(datetime.max.replace(tzinfo=UTC), timedelta(hours=1), OFFICE) is None


@given(
    start=st.integers(0, 10 * 365 * 24 * 60).map(lambda minute: LONG_AGO + timedelta(minutes=minute)),
    minutes=st.integers(1, 6_000),
    more=st.integers(1, 600),
)
def test_a_longer_promise_ends_later(start, minutes, more):
    """And none ends before as much time has passed as was promised."""
    end = promise_end(start, timedelta(minutes=minutes), OFFICE)

    assert end - start >= timedelta(minutes=minutes)
    assert promise_end(start, timedelta(minutes=minutes + more), OFFICE) > end


ALWAYS = calendar("Europe/Warsaw", EVERY_DAY, (), ("00:00", "00:00"))


@pytest.mark.parametrize(
    ("hours", "at", "works", "until"),
    [
        (OFFICE, ("2026-11-09", "10:00"), True, ("2026-11-09", "12:00")),
        (OFFICE, ("2026-11-09", "12:00"), False, ("2026-11-09", "13:00")),  # a shift's end is not in it
        (OFFICE, ("2026-11-10", "18:00"), False, ("2026-11-12", "09:00")),  # the 11th is a holiday
        (NIGHT, ("2026-11-09", "23:00"), True, ("2026-11-10", "06:00")),  # one shift that is written as two
        (NIGHT, ("2026-11-09", "05:59"), True, ("2026-11-09", "06:00")),
        (NIGHT, ("2026-10-24", "23:00"), True, ("2026-10-25", "06:00")),  # the night of 25 hours
    ],
)
def test_a_team_works_until_its_shift_ends(hours, at, works, until):
    """And until then nothing changes, breaks and nights and holidays included."""
    assert state(hours, warsaw(*at)) == (works, warsaw(*until))


def test_a_team_that_never_sleeps_works_for_good():
    """There is no end to tell."""
    assert state(ALWAYS, warsaw("2026-11-09", "10:00")) == (True, None)


def test_a_countrys_public_holidays_are_days_off():
    """Beside the calendar's own dates; a part of a country may have more of them."""
    poland = replace(OFFICE, country="PL")
    assert holiday(date(2026, 1, 6), OFFICE) is None
    assert (holiday(date(2026, 1, 6), poland), holiday(date(2026, 11, 11), poland)) == (
        "Epiphany",
        "a holiday",
    )
    assert promise_end(warsaw("2026-01-05", "16:00"), timedelta(hours=2), poland) == warsaw(
        "2026-01-07", "10:00"
    )
    assert holiday(date(2026, 8, 15), replace(OFFICE, country="DE")) is None
    assert holiday(date(2026, 8, 15), replace(OFFICE, country="DE-SL")) == "Assumption Day"
