"""Which language a customer wrote in, and which one to answer in."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator
from functools import cache
from typing import TYPE_CHECKING

from bridge.core.message import SocialMessage
from bridge.routing.model import Brand

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_TAG = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{2,8})*)")
_UNSAID = frozenset({"und", "mul", "zxx", "qme", "qst", "art"})

MIN_LETTERS = 15
"""A shorter text is not worth a guess: "ok" is a word in most languages."""
MIN_CONFIDENCE = 0.9
MIN_LIKELIHOOD = 0.5
_loading = threading.Lock()
_NOT_WORDS = re.compile(r"https?://\S+|[@#]\S+|\d+")


def normalise_language(code: str | None) -> str | None:
    """``pt_BR`` → ``pt-br``. None when *code* names no language."""
    normal = (code or "").strip().lower().replace("_", "-")
    match = _TAG.fullmatch(normal)
    return None if match is None or match[1] in _UNSAID else normal


def widen(language: str) -> Iterator[str]:
    """*language*, then the wider ones: ``zh-hant-tw``, ``zh-hant``, ``zh``."""
    parts = language.split("-")
    for length in range(len(parts), 0, -1):
        yield "-".join(parts[:length])


def speaks(language: str | None, wanted: Collection[str]) -> bool:
    """Whether *language*, or a wider form of it, is among *wanted*."""
    return language is not None and any(code in wanted for code in widen(language))


def chain(language: str | None, brand: Brand) -> Iterator[str]:
    """Languages to answer in, best first: the customer's, its stated fallbacks, the brand's default."""
    for code in widen(language) if language else ():
        yield code
        yield from brand.fallbacks.get(code, ())
    yield brand.languages[0]


def spoken(message: SocialMessage, brand: Brand | None) -> tuple[str | None, str]:
    """The language of *message* and how it is known: the source's word, else the text itself.

    Only languages that *brand* speaks or has a fallback for are guessed.
    """
    said = normalise_language(message.language)
    if said:
        return said, f"the source says {said}"
    detected = detect(message.text, brand) if brand else None
    if detected:
        return detected, f"the text reads like {detected}"
    return None, "the source does not say, and the text does not tell"


def detect(text: str, brand: Brand) -> str | None:
    """The language of *text*, among those that *brand* speaks or has a fallback for.

    None when that is not sure. Close relatives that are answered in one language
    (Malay and Indonesian, say) need not be told apart with certainty.
    """
    words = _NOT_WORDS.sub(" ", text[:2_000])
    if sum(map(str.isalpha, words)) < MIN_LETTERS:
        return None
    answered_in = {code: chain[0] for code, chain in brand.fallbacks.items()}
    answered_in |= {code: code for code in brand.languages}
    by_base = {code.partition("-")[0]: code for code in reversed(answered_in)}
    scores = {by_base[code]: score for code, score in _identifier().rank(words.lower()) if code in by_base}
    answers: dict[str, float] = {}
    for code, score in scores.items():
        answers[answered_in[code]] = answers.get(answered_in[code], 0.0) + score
    answer = max(answers, key=lambda code: answers[code], default="")
    # Sure among the brand's languages, and likely among all: Spanish is none of them.
    if not answer or answers[answer] < max(MIN_LIKELIHOOD, MIN_CONFIDENCE * sum(answers.values())):
        return None
    return max((code for code in scores if answered_in[code] == answer), key=lambda code: scores[code])


def prepare() -> None:
    """Load what `detect` needs: half a second once, which nobody should wait for in a transaction."""
    _identifier()


def _identifier() -> LanguageIdentifier:
    # One thread loads it, and the others wait for that.
    with _loading:
        return _load()


@cache
def _load() -> LanguageIdentifier:
    # Here, not above: the model and numpy take half a second, and most sources name the language.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
