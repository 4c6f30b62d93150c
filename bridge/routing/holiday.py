"""Public holidays, by country: from the `holidays` package, which keeps track of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache


@cache
def countries() -> frozenset[str]:
    """The codes that `public_holidays` knows: ``PL``, and ``DE-BY`` for a part of a country."""
    import holidays  # noqa: PLC0415 - not above: most calendars name no country

    known = holidays.list_supported_countries(include_aliases=False)
    return frozenset({*known, *(f"{code}-{part}" for code, parts in known.items() for part in parts)})


@cache
def public_holidays(country: str, year: int) -> Mapping[date, str]:
    """Every public holiday of that year, with its name in English where there is one."""
    import holidays  # noqa: PLC0415

    code, _, part = country.partition("-")
    found = holidays.country_holidays(code, subdiv=part or None, years=year, language="en_US")
    return {day: str(name) for day, name in found.items() if day.year == year}
