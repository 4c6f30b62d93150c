"""A moment in a customer's language, as a public reply tells it."""

from __future__ import annotations

import copy
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_skeleton
from babel.localedata import LocaleDataDict, load

from bridge.routing.language import widen

_SKELETONS = ("MMMEd", "Hm")
_NO_NAME = "M01"
"""What Babel calls January in a language whose months it does not know."""


def in_words(at: datetime, language: str, zone: str) -> str:
    """``Mon, Jan 5, 19:00`` in *language*, on the clocks of *zone*.

    ``2026-01-05, 19:00`` in a language whose names of days and months are not known:
    numbers are read everywhere.
    """
    locale = _locale(language)
    if locale is None:
        return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d, %H:%M}"
    return ", ".join(format_skeleton(each, at, ZoneInfo(zone), locale=locale) for each in _SKELETONS)


class _LocaleApart(Locale):
    """A locale with data of its own.

    Babel writes what it looks up for one locale into tables that others share, so that months
    of one language turn up in another: https://github.com/python-babel/babel/issues/1234
    """

    @cached_property
    def _data(self) -> LocaleDataDict:
        shared: dict[Any, Any] = load(str(self))
        return LocaleDataDict(copy.deepcopy(shared))


@lru_cache(maxsize=64)
def _locale(language: str) -> Locale | None:
    for code in widen(language):
        try:
            locale = _LocaleApart.parse(code, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
        if locale.months["format"]["wide"][1] != _NO_NAME:
            return locale
    return None
