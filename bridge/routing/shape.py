"""The types that entries in the admins' files are made of.

A validator says what is wrong by raising ``wrong(rule, message)``; `load` adds the
place. Names of other things are looked up in the `Known` that comes as context, so
that one pass over an entry finds its wrong types and its wrong references alike.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from bridge.routing.holiday import countries
from bridge.routing.language import normalise_language
from bridge.routing.nodes import Value, instead, nearest

FALLBACK = "fallback"
"""What an example writes for "no route takes this". No route may have this name."""

NO_CASE = "no-case"
"""What an example writes for "no case is opened", since the post has no tag. A reserved name as well."""

CLOSING = "closing"
"""The reply that closes a case, where the queue names no other."""

Priority = Literal["low", "normal", "high", "urgent"]
TicketType = Literal["question", "incident", "problem", "task"]
Closing = Literal["auto", "approve", "manual"]
Kind = Literal["public", "reply", "review", "direct"]
SeverityWord = Literal["low", "medium", "high", "critical"]
SentimentWord = Literal["positive", "neutral", "negative"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Known:
    """The names that the files give, and those of the installed networks.

    None: the file that gives them cannot be read, so no name can be called unknown.
    """

    networks: Collection[str] | None = None
    brands: Collection[str] | None = None
    accounts: Collection[str] | None = None
    queues: Collection[str] | None = None
    calendars: Collection[str] | None = None
    tags: Collection[str] | None = None
    routes: Collection[str] | None = None
    replies: Collection[str] | None = None
    shifts: Mapping[str, Collection[str]] | None = None  # calendar → the names of its shifts
    promises: Mapping[str, timedelta] | None = None  # class → span


@dataclass(frozen=True, slots=True)
class Promised:
    """A promise as a queue or a route gives it: a span, or the name of one."""

    span: timedelta
    name: str | None = None


def wrong(rule: str, message: str) -> PydanticCustomError:
    """A validator's complaint. *message* is for the admin; braces in it stay as they are."""
    return PydanticCustomError(rule, "{text}", {"text": message})


def _named(what: str, pool: Callable[[Known], Collection[str] | None]) -> AfterValidator:
    """The value must be one of the names in *pool*; else rule ``unknown-<what>``."""

    def check(value: str, info: ValidationInfo[Known]) -> str:
        names = pool(info.context)
        if names is not None and value not in names:
            raise wrong(f"unknown-{what}", f'there is no {what} "{value}"{instead(value, names)}')
        return value

    return AfterValidator(check)


def _matching(pattern: str, rule: str, message: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise wrong(rule, f'"{value}" {message}')
        return value

    return AfterValidator(check)


def _language(value: str) -> str:
    language = normalise_language(value)
    if language is None:
        raise wrong("bad-language", f'"{value}" is not a language code such as en, th or pt-BR')
    return language


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: str) -> str:
    if value not in _zones():
        raise wrong("unknown-zone", f'there is no time zone "{value}"{nearest(value, _zones())}')
    ZoneInfo(value)
    return value


def _country(value: str) -> str:
    if value not in countries():
        written = "a country by two letters, such as PL, or a part of one, such as DE-BY"
        raise wrong("unknown-country", f'"{value}" is not {written}{nearest(value, countries())}')
    return value


_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
_SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


_SPAN = re.compile(r"([1-9][0-9]{0,3})([mhd])")


def duration(value: object) -> timedelta:
    """The span that *value* says. Raises what validators raise."""
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong("bad-duration", f'"{value}" is not a span of time such as 30m, 4h or 2d')
    return int(match[1]) * _SPANS[match[2]]


def is_span(value: str) -> bool:
    return _SPAN.fullmatch(value) is not None


_INVISIBLE = ("Cc", "Cf", "Co", "Cn", "Cs")
HANDLE = r"@?[^\s@\"'`<>{}()\[\]|\\,;%]+(@[\w.-]+(:[0-9]+)?)?"
_HANDLE = re.compile(HANDLE)


def handle_problem(value: Value) -> str | None:
    """What is wrong with a handle, if it is a text; None: nothing. Its network may know better."""
    if not isinstance(value, str) or not value:
        return None
    if _HANDLE.fullmatch(value) and not any(unicodedata.category(one) in _INVISIBLE for one in value):
        return None
    return f'"{value}" is not a handle such as @kopi or @kopi@social.example: no spaces, quotes or brackets'


def _promise(value: object, info: ValidationInfo[Known]) -> Promised:
    known = info.context.promises if info.context is not None else None
    if isinstance(value, Promised):
        return value  # what stands in for a faulty one
    if not isinstance(value, str) or not re.fullmatch(_NAME, value) or is_span(value):
        return Promised(duration(value))
    if known is not None and value not in known:
        advice = "; a span is written like 30m, 4h or 2d, a name stands under promises in queues.yaml"
        raise wrong("unknown-promise", f'there is no promise "{value}"{nearest(value, known) or advice}')
    return Promised(known[value] if known else timedelta(hours=1), value)


def _day(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise wrong("bad-date", f'"{value}" is not a date like 2026-12-25{_why_no_day(value)}') from None


_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)", re.ASCII)


def _why_no_day(value: object) -> str:
    """What is wrong with the day of a *value* that begins as a date does; empty where that is not it."""
    match = _DAY.match(value) if isinstance(value, str) else None
    if match is None:
        return ""
    year, month, day = (int(part) for part in match.groups())
    if not 1 <= month <= 12:
        return f": the month stands in the middle, and there is none with the number {month}"
    last = calendar.monthrange(year, month)[1]
    return "" if 1 <= day <= last else f": {calendar.month_name[month]} {year} has {last} days"


def shift(value: object) -> tuple[time, time]:
    """``09:00-17:30``. The end ``24:00`` is kept as midnight, time(0, 0)."""
    match = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value) if isinstance(value, str) else None
    if match:
        opens, closes = (int(match[1]), int(match[2])), (int(match[3]), int(match[4]))
        if opens < closes <= (24, 0) and opens[1] < 60 and closes[1] < 60:
            return time(*opens), time(closes[0] % 24, closes[1])
    hint = "; a shift over midnight is two: 22:00-24:00 and, on the next day, 00:00-06:00"
    raise wrong("bad-shift", f'"{value}" is not hours like 09:00-17:30, the earlier time first{hint}')


MOMENT = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?"
"""How a moment is written, in files and on the command line alike; see `moment`."""


def moment(value: object) -> datetime:
    """The time that *value* says, without a zone. Raises what validators raise.

    ``2026-12-25 18:30``; a T may stand for the space, seconds may follow, and a date alone
    is its midnight.
    """
    try:
        if not isinstance(value, str) or not re.fullmatch(MOMENT, value, re.ASCII):
            raise ValueError
        return datetime.fromisoformat(value)
    except ValueError:
        written = "a time like 2026-12-25 18:30"
        raise wrong("bad-time", f'"{value}" is not {written}{_why_no_day(value)}') from None


def _text_like(pattern: str, *examples: str) -> dict[str, Any]:
    """What editors are told of a text that a validator checks."""
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


Text = Annotated[str, Field(min_length=1)]
Number = Annotated[int, Field(ge=1, le=10**12)]
Name = Annotated[
    str,
    _matching(_NAME, "bad-name", "is not made of small letters, digits and hyphens"),
    WithJsonSchema(_text_like(f"^{_NAME}$", "technical-issue")),
]
QueueName = Annotated[str, _named("queue", lambda known: known.queues)]
TagName = Annotated[str, _named("tag", lambda known: known.tags)]
BrandName = Annotated[str, _named("brand", lambda known: known.brands)]
CalendarName = Annotated[str, _named("calendar", lambda known: known.calendars)]
NetworkName = Annotated[str, _named("network", lambda known: known.networks)]
AccountName = Annotated[str, _named("account", lambda known: known.accounts)]
RouteName = Annotated[
    str,
    _named("route", lambda known: None if known.routes is None else {*known.routes, NO_CASE}),
    WithJsonSchema({"type": "string", "examples": ["technical-issue", FALLBACK, NO_CASE]}),
]
ReplyName = Annotated[str, _named("reply", lambda known: known.replies)]
Language = Annotated[str, AfterValidator(_language)]
Zone = Annotated[str, AfterValidator(_zone)]
Country = Annotated[str, AfterValidator(_country)]
Duration = Annotated[
    timedelta, BeforeValidator(duration), WithJsonSchema(_text_like(r"^[1-9][0-9]{0,3}[mhd]$", "4h"))
]
Promise = Annotated[
    Promised,
    PlainValidator(_promise),
    WithJsonSchema(_text_like(rf"^([1-9][0-9]{{0,3}}[mhd]|{_NAME})$", "4h", "gold")),
]
_EMAIL = r"[^\s@\"]+@[^\s@\"]+\.[^\s@\"]+"
_NO_EMAIL = "is not an e-mail address such as ola@kopi.example"
Email = Annotated[
    str,
    _matching(_EMAIL, "bad-email", _NO_EMAIL),
    WithJsonSchema(_text_like(f"^{_EMAIL}$", "ola@kopi.example")),
]
EmailOrNone = Annotated[
    str,
    _matching(f"{_EMAIL}|none", "bad-email", f"{_NO_EMAIL}, and not none"),
    WithJsonSchema(_text_like(f"^({_EMAIL}|none)$", "ola@kopi.example", "none")),
]
Date = Annotated[date, BeforeValidator(_day), WithJsonSchema(_text_like(r"^\d{4}-\d\d-\d\d$", "2026-12-25"))]
Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema(_text_like(f"^{MOMENT}$", "2026-12-25 18:30")),
]
Shift = Annotated[
    tuple[time, time],
    BeforeValidator(shift),
    WithJsonSchema(_text_like(r"^\d\d:[0-5]\d-\d\d:[0-5]\d$", "09:00-17:30")),
]
WEB_ADDRESS = r"https?://[^\s/]+\S*"
Url = Annotated[
    str,
    _matching(WEB_ADDRESS, "bad-url", "is not a web address that starts with https://"),
    WithJsonSchema(_text_like(f"^{WEB_ADDRESS}$", "https://help.example")),
]
Channel = Annotated[
    str,
    _matching(
        r"#[^\s#.,A-Z]{1,79}|[CG][A-Z0-9]{7,}",
        "channel-format",
        'is not a Slack channel: write a name in small letters with its #, in quotes ("#support"), or an id',
    ),
    WithJsonSchema(_text_like(r"^(#[^\s#.,A-Z]{1,79}|[CG][A-Z0-9]{7,})$", "#support")),
]
Approver = Annotated[
    str,
    _matching(r"[UW][A-Z0-9]{6,}", "approver-format", "is not a Slack user's id such as U012AB3CD"),
    WithJsonSchema(_text_like(r"^[UW][A-Z0-9]{6,}$", "U012AB3CD")),
]


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is wrong with several keys of an entry, or several parts of a value, taken together.

    ``path``: where it is shown, from the entry on. ``newer``: mappings have served with it, so
    what is stored is not held to it, and the entry can be gone on with.
    """

    path: tuple[str | int, ...]
    rule: str
    message: str
    newer: bool = False


class Shape(BaseModel):
    """One entry of a file. Strict types; a key that means nothing is refused."""

    # The sentences below the keys are what editors show: see `bridge mappings schema`.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def conflicts(cls, given: Mapping[str, Value], known: Known) -> Iterator[Conflict]:
        """What the keys have against each other.

        Not a validator: those are asked of a sound entry only, and one fault would hide
        another. *given* is the entry as it is written, right or wrong.
        """
        yield from ()


def texts(value: Value) -> list[str]:
    """The texts in a list, as far as *value* is one."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def table(value: Value) -> dict[str, Value]:
    """*value*, as far as it is a table."""
    return value if isinstance(value, dict) else {}


class EnvRef(Shape):
    """``{env: NAME}``: the value stands in an environment variable."""

    # The value is not repeated: somebody may have pasted the secret here.
    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    """The name of an environment variable."""
