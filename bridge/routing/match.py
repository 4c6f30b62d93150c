"""Words and phrases found in a text: without regard to case and accents, in every script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

MAX_TEXT = 20_000

# Letters that no decomposition turns into a base letter and an accent.
_STROKED = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "’": "'", "ʼ": "'"}
)
# Accents that may be left out in writing: Latin, Greek, Cyrillic; Hebrew points; Arabic vowels.
# Not the vowels of Thai or Hindi, which are marks too: without them these are other words.
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\ufe00-\ufe0f]")
# Words with their marks: without these, Thai and Hindi names would fall apart.
_WORDS = re.compile("(?:[^\\W_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u109f\u1780-\u17ff])+")
# Thai and Lao, Myanmar, Khmer, kana, Han: written without spaces, so a word may stand anywhere.
_UNSPACED_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_UNSPACED = re.compile(f"[{_UNSPACED_LETTERS}]")
_TOKENS = re.compile(f"[^\\W{_UNSPACED_LETTERS}]+")


def fold(text: str) -> str:
    """*text* (its first 20,000 characters) in the form in which words are compared."""
    # Bounded, since putting piled-up marks in order takes quadratic time.
    text = text[:MAX_TEXT]
    if text.isascii():
        return " ".join(text.lower().split())  # the same, in a tenth of the time
    # Both ways round: 𝔍 has a small letter only once it is J, and ǰ falls apart only as a small letter.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    plain = _ACCENTS.sub("", plain).translate(_STROKED)
    return " ".join(unicodedata.normalize("NFC", plain).split())


@lru_cache(maxsize=10_000)
def tag_name(tag: str) -> str:
    """*tag* as mapping files write it: a tool's "Technical Issue" is ``technical-issue``."""
    return "-".join(_WORDS.findall(unicodedata.normalize("NFC", tag.casefold())))


def first_found(folded: str, words: Iterable[str]) -> str | None:
    """The first of *words* that stands in *folded* (a text after `fold`), or None.

    In scripts with spaces a word must stand alone: "app" is not in "happy". Time grows
    with the length of the text, whatever the text is.
    """
    return next((word for word in words if stands_in(folded, _fold_word(word))), None)


class Tokens(NamedTuple):
    """A text taken apart. Whatever word stands in it, the word's `first_token` is one of the ``runs``.

    ``unspaced``: it has letters of a script that writes no spaces.
    """

    runs: frozenset[str]
    unspaced: bool


def tokens(folded: str) -> Tokens:
    """The runs of letters that *folded* (a text after `fold`) is made of."""
    return Tokens(frozenset(_TOKENS.findall(folded)), is_unspaced(folded))


def is_unspaced(folded: str) -> bool:
    """Whether a letter of a script that writes no spaces is in *folded*."""
    return not folded.isascii() and _UNSPACED.search(folded) is not None


def first_token(word: str) -> str | None:
    """The run of letters that *word* begins with; None where it may begin in the middle of one."""
    match = _TOKENS.match(word)
    return match[0] if match else None


@lru_cache(maxsize=10_000)
def _fold_word(word: str) -> str:
    return fold(word)


def words_of(folded: str) -> list[str]:
    """The words of *folded*, without what stands between them; one, where a script writes no spaces."""
    return _WORDS.findall(folded)


def stands_in(text: str, word: str) -> bool:
    """Whether *word* (or several) stands alone in *text*, both after `fold`."""
    at = text.find(word) if word else -1
    while at >= 0:
        end = at + len(word)
        glued_before = at > 0 and _continues(word[0]) and _continues(text[at - 1])
        glued_after = end < len(text) and _continues(word[-1]) and _continues(text[end])
        if not glued_before and not glued_after:
            return True
        at = text.find(word, end)
    return False


def _continues(letter: str) -> bool:
    """Whether *letter* makes one word with a letter next to it."""
    if _UNSPACED.match(letter):
        return False
    return letter.isalnum() or letter == "_" or unicodedata.category(letter).startswith("M")
