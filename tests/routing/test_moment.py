"""When a promise ends, as customers are told."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from babel import localedata

from bridge.routing.moment import in_words
from bridge.routing.promise import promise_end

MONDAY = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Mon, Jan 5, 19:00"),
        ("pl", "pon., 5 sty, 19:00"),
        ("th", "จ. 5 ม.ค., 19:00 น."),
        ("id", "Sen, 5 Jan, 19.00"),
        ("ko", "1월 5일 (월), 19:00"),
        ("zh-hant-tw", "1月5日 週一, 19:00"),
        ("pl-x", "pon., 5 sty, 19:00"),
    ],
)
def test_a_moment_is_told_in_the_replys_language(language, said):
    """Its own names of days and months, its own order; a wider form where the narrow one is unknown."""
    assert in_words(MONDAY, language, "Asia/Jakarta") == said


@pytest.mark.parametrize("language", ["xx", "qqq", "smj", "arn"])
def test_a_language_whose_months_are_not_known_gets_numbers(language):
    """Neither "M01" nor English in the middle of another language."""
    assert in_words(MONDAY, language, "Asia/Jakarta") == "2026-01-05, 19:00"


def test_no_language_spoils_another():
    """Whoever was told before, and in whatever language: Babel's own tables mix months up."""
    before = in_words(MONDAY, "fa", "UTC")
    told = {
        code: in_words(MONDAY, code.lower().replace("_", "-"), "UTC")
        for code in sorted(localedata.locale_identifiers())
        if len(code) <= 3
    }
    assert [code for code, text in told.items() if not text or re.search(r"M\d\d", text)] == []
    assert before == "دوشنبه 5 ژانویه, 12:00"
    assert in_words(MONDAY, "fa", "UTC") == before == told["fa"]
    assert in_words(MONDAY, "no", "UTC").startswith("man. 5. jan.")


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        # Warsaw goes from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
        ("2026-03-28T23:30+00:00", "Sun, Mar 29, 05:30"),
        ("2026-10-24T22:30+00:00", "Sun, Oct 25, 03:30"),
        ("2026-03-28T20:59+00:00", "Sun, Mar 29, 01:59"),
        ("2026-03-28T21:00+00:00", "Sun, Mar 29, 03:00"),
    ],
)
def test_a_promise_over_a_change_of_clocks_is_told_by_the_new_ones(posted, said):
    """Four hours are four hours; the wall in Warsaw shows what it shows when they are over."""
    end = promise_end(datetime.fromisoformat(posted), timedelta(hours=4), None)

    assert in_words(end, "en", "Europe/Warsaw") == said
