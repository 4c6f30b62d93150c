"""Pydantic types for what vendors send: bounded, in UTC, and nothing that a database or a browser chokes on.

Parse with ``model_validate_json``: it refuses bytes that are no UTF-8, lone
surrogates and deep nesting as a ValidationError, where ``json`` would have three
other ways to fail.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    StringConstraints,
    model_validator,
)

_LONGEST_URL = 2048
_MOST = 10**12
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")


def _without_nul(text: str) -> str:
    # PostgreSQL takes no NUL in a text.
    return text.replace("\x00", "")


def _web_address_or_none(url: str | None) -> str | None:
    if not url or len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _language_or_none(code: str | None) -> str | None:
    return code if code and _LANGUAGE.fullmatch(code) else None


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside of the calendar") from None


Id = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^\x00-\x20\x7f]+$")]
"""An opaque id: no white space, no control characters."""

Name = Annotated[str, StringConstraints(max_length=500), AfterValidator(_without_nul)]
Text = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_without_nul)]

Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with its offset, or seconds since 1970; aware UTC afterwards."""

WebAddress = Annotated[str | None, AfterValidator(_web_address_or_none)]
"""An http or https address that a person may press; anything else becomes None."""

Language = Annotated[str | None, AfterValidator(_language_or_none)]
"""A BCP 47 code; anything else becomes None."""


def _count_or_none(number: object) -> int | None:
    is_count = isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST
    return number if is_count else None  # type: ignore[return-value]  # told by is_count


Count = Annotated[int | None, BeforeValidator(_count_or_none)]
"""How many there are of something; what is no such number becomes None."""


class Shape(BaseModel):
    """What a vendor sends. Unknown keys are passed over; null is the same as left out."""

    @model_validator(mode="before")
    @classmethod
    def _leave_nulls_out(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {key: value for key, value in given.items() if value is not None}
        return given
