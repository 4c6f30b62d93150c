"""A customer's words without what tells who they are, so that they may stand in a file.

What is replaced keeps its shape: a number is a number of as many digits, a handle is a
handle. Names of other people cannot be told from words: somebody has to read the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass

from bridge.routing.airlock import EMAIL, telephone_numbers
from bridge.routing.match import fold, is_unspaced

SOMEBODY = "Anna"
"""What every customer is called."""
LINK = "https://link.example"
ADDRESS = "somebody@mail.example"
HANDLE = "@somebody"
SERVER = "@social.example"

_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+|\b(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}/[^\s<>\"]*", re.IGNORECASE
)
_END = re.compile(r"[.,;:!?)\]}'’”…]+\Z")
_HANDLE = re.compile(r"(?<![\w@/.])[@\uff20](\w+(?:[.-]\w+)*)(@\w+(?:[.-]\w+)*)?")
# With what people put between: a card, an order, an account, a date of birth.
_NUMBER = re.compile(r"[#№]\s?\d{3,}|\d(?:[ .\-/\u00a0]?\d){4,}")
# A booking or an order by letters and digits, such as XK7F9Q or inv-20481.
_TOKEN = re.compile(r"\w[\w-]{3,}")
_CODE = re.compile(r"[A-Z0-9-]{5,}")
_MANY_DIGITS = 4
_WORDS = re.compile(r"[^\W\d_](?:[\w'’.-]*[^\W_])?")


@dataclass(frozen=True, slots=True)
class Disguised:
    """``replaced`` names the kinds of what was taken out, e.g. ("link", "handle")."""

    text: str
    replaced: tuple[str, ...]


def disguise(text: str, *, names: Collection[str] = (), keep: Collection[str] = ()) -> Disguised:
    """*text* without links, addresses, handles, numbers, codes and the *names* of who wrote it.

    *keep* are words that stay: the brand's own handles and names.
    """
    kept = {bare for word in keep if (bare := _bare(word))}
    text = unicodedata.normalize("NFC", text)
    replaced: list[str] = []

    def put(kind: str, pattern: re.Pattern[str], instead: Callable[[re.Match[str]], str]) -> None:
        nonlocal text
        new = pattern.sub(instead, text)
        if new != text:
            replaced.append(kind)
        text = new

    put("link", _LINK, _link)
    put("e-mail address", EMAIL, lambda match: match[0] if match.start() and _after_at(match) else ADDRESS)
    put("handle", _HANDLE, lambda match: match[0] if _is_kept(match, kept) else _handle(match))
    numbers = sorted(set(telephone_numbers(text)), key=len, reverse=True)
    if numbers:
        put("telephone number", re.compile("|".join(map(re.escape, numbers))), _zeros)
    put("number", _NUMBER, _zeros)
    put("code", _TOKEN, _code)
    for pattern in _patterns(names, kept):
        put("name", pattern, lambda _: SOMEBODY)
    return Disguised(text, tuple(dict.fromkeys(replaced)))


def _link(match: re.Match[str]) -> str:
    end = _END.search(match[0])
    return LINK + (end[0] if end else "")


def _after_at(match: re.Match[str]) -> bool:
    """Whether it is the rest of a handle with its server."""
    return match.string[match.start() - 1] in "@\uff20"


def _is_kept(match: re.Match[str], kept: Collection[str]) -> bool:
    return _bare(match[0]) in kept or (not match[2] and _bare(match[1]) in kept)


def _handle(match: re.Match[str]) -> str:
    return HANDLE + (SERVER if match[2] else "")


def _zeros(match: re.Match[str]) -> str:
    return "".join("0" if letter.isdigit() else letter for letter in match[0])


def _code(match: re.Match[str]) -> str:
    """A code with zeros for digits and, where it is all capitals, X for letters; else the word."""
    word = match[0]
    digits = sum(letter.isdigit() for letter in word)
    if _CODE.fullmatch(word) and digits > 0 and word.isupper():
        return "".join("X" if letter.isupper() else letter for letter in _zeros(match))
    return _zeros(match) if digits >= _MANY_DIGITS else word


def _bare(word: str) -> str:
    return fold(word).lstrip("@")


def _patterns(names: Collection[str], kept: Collection[str]) -> list[re.Pattern[str]]:
    """Whole names first, then their words; a word of one letter is nobody's name."""
    wholes = [unicodedata.normalize("NFC", name).strip().lstrip("@") for name in names]
    parts = [word for name in wholes for word in _WORDS.findall(name)]
    wanted = dict.fromkeys(word for word in (*wholes, *parts) if len(word) > 1 and _bare(word) not in kept)
    return [_standing_alone(word) for word in wanted]


def _standing_alone(word: str) -> re.Pattern[str]:
    around = ("", "") if is_unspaced(word[:1]) else (r"(?<!\w)", r"(?!\w)")
    return re.compile(around[0] + re.escape(word) + around[1], re.IGNORECASE)
