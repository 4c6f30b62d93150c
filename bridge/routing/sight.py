"""A text as its readers see it: what is looked at before it leaves, and never what leaves.

Two texts that look alike are one here: full-width letters, signs that nobody sees, hyphens of
several kinds. The text itself keeps them, since an emoji of a family is held together by such signs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from bridge.routing.match import first_found, fold

# Not seen, and still of another category than the format characters (Cf): grapheme joiner,
# Hangul fillers, Khmer and Mongolian signs, variation selectors.
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2212", "-"))
# Bounded, since putting piled-up marks in order takes quadratic time. Three dots in one sign stay
# one: "Hi …" leaves no hole for a name.
_PIECES = re.compile("[^\u2026]{1,200}")
_BETWEEN = re.compile("(?<=[^\\W_])[_\u2010-\u2015\u2212-]+(?=[^\\W_])")


def sights(text: str) -> tuple[str, ...]:
    """How *text* may be read: without the signs that nobody sees; and, if it has any, with spaces for them.

    Such a sign stands inside of a word as well as in place of a space. There is always a first one.
    """
    if text.isascii():
        return (text,)
    unseen = [ord(letter) for letter in set(text) if _is_unseen(letter)]
    if not unseen:
        return (_plain(text),)
    without, parted = (text.translate(dict.fromkeys(unseen, instead)) for instead in ("", " "))
    return _plain(without), _plain(parted)


def says(text: str, words: Iterable[str]) -> list[str]:
    """Those of *words* that stand in *text*, however its spaces and hyphens are written."""
    folded = [fold(sight) for sight in sights(text)]
    loose = [_loose(one) for one in folded]
    return [
        word
        for word in words
        if any(first_found(one, [word]) for one in folded)
        or any(first_found(one, [_loose(fold(sights(word)[0]))]) for one in loose)
    ]


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or _FILLERS.match(letter) is not None


def _plain(text: str) -> str:
    return _PIECES.sub(lambda piece: unicodedata.normalize("NFKC", piece[0]), text).translate(_HYPHENS)


def _loose(folded: str) -> str:
    """*folded* with a space for each hyphen inside of a word."""
    return _BETWEEN.sub(" ", folded)
