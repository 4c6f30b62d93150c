"""How a brand speaks in public: its file, and what a text has of it or lacks.

A voice is always today's, as its words are: no case keeps an older one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from collections.abc import Mapping as Map
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from bridge.routing.airlock import Finding
from bridge.routing.fit import fit
from bridge.routing.folder import VOICE, shown
from bridge.routing.language import widen
from bridge.routing.match import first_found, fold
from bridge.routing.model import Brand, Mapping, Place, Voice
from bridge.routing.nodes import Node, Report, Spot, nearest
from bridge.routing.shape import Known, Language, Shape, Text, wrong
from bridge.routing.sight import says

EVERY_LANGUAGE = "all"
MAX_BANNED = 1_000
"""Words of one brand, in all languages: each is looked for in everything that is said."""
SHORTEST_TARGET, LONGEST_TARGET = 20, 5_000


def _target(value: object) -> int:
    if isinstance(value, int) and SHORTEST_TARGET <= value <= LONGEST_TARGET and value is not True:
        return value
    bounds = f"{SHORTEST_TARGET} to {LONGEST_TARGET:,}"
    raise wrong("wrong-type", f"must be a number of characters from {bounds}, without quotes")


def _says_something(value: str) -> str:
    if not fold(value):
        raise wrong("empty-value", "must not be empty")
    return value


BannedWord = Annotated[
    Text,
    AfterValidator(_says_something),
    WithJsonSchema({"type": "string", "pattern": r"\S", "examples": ["as per our policy"]}),
]
Target = Annotated[
    int,
    Field(strict=False),
    AfterValidator(_target),
    WithJsonSchema({"type": "integer", "minimum": SHORTEST_TARGET, "maximum": LONGEST_TARGET}),
]


class VoiceFile(Shape):
    """How one brand speaks in public."""

    tone: list[Text] = []
    """How it should sound, for the people who write: shown in the ticket's first note."""
    target_length: Target | None = None
    """How many characters a reply should have at the most: shown to people, and warned of."""
    signed: bool = False
    """true: every reply ends with the brand's signature; the bridge adds it where it is missing."""
    banned_words: dict[Language, list[BannedWord]] = {}
    """Language, or all → words and phrases that no reply may say; capitals and accents do not matter."""


_STAND_INS: Map[str, object] = {"tone": [], "target_length": None, "signed": False}
_KEYS = ", ".join(VoiceFile.model_fields)


def read_voices(
    documents: Map[str, Node | None], brands: Map[str, Brand], known: Known, report: Report
) -> dict[str, Voice]:
    """The voice of each brand that has a file for one, by the brand's key."""
    voices: dict[str, Voice] = {}
    for path, root in documents.items():
        match = VOICE.fullmatch(path)
        if match is None:
            continue
        key, file = match["brand"], shown(path)
        if known.brands is not None and key not in known.brands:
            report.add(Spot(file), "unknown-brand", f'there is no brand "{key}"{nearest(key, known.brands)}')
        if root is None:
            continue
        if root.value is None:
            report.add(root.spot, "empty-value", f"the file says nothing: give {_KEYS}; or delete it")
            continue
        entry = fit(root, root.spot, VoiceFile, known, report, _STAND_INS)
        if entry is None:
            continue
        if sum(map(len, entry.banned_words.values())) > MAX_BANNED:
            at = root.key_spot(("banned_words",))
            report.add(at, "file-too-large", f"banned_words: more than {MAX_BANNED:,} words")
            continue
        brand = brands.get(key)
        if entry.signed and brand is not None and not brand.signature.strip():
            message = f"signed: {key} has no signature in brands.yaml: give it one there"
            report.add(root.key_spot(("signed",)), "missing-key", message)
        voices[key] = Voice(
            brand=key,
            banned={language: tuple(words) for language, words in entry.banned_words.items()},
            signed=entry.signed,
            tone=tuple(entry.tone),
            target_length=entry.target_length,
            place=Place(file, root.spot.line),
        )
    return voices


def signed(text: str, brand: Brand, voice: Voice | None) -> str:
    """*text* with the brand's signature at its end, where the voice wants one and it has none yet.

    Pictures without a word are not signed.
    """
    signature = brand.signature.strip()
    if voice is None or not voice.signed or not signature or not text.strip() or has_signature(text, brand):
        return text
    return f"{text.rstrip()}{_gap(text)}{signature}"


def _gap(text: str) -> str:
    return "\n\n" if "\n" in text.strip() else " "


_DASHES = re.compile(r"[\u2010-\u2015\u2212~_-]+")
_SIGNS = re.compile(r"[^\w\u0300-\u036f\u0900-\u0dff\u0e00-\u109f\u1780-\u17ff]+")


def has_signature(text: str, brand: Brand) -> bool:
    """Whether *text* ends with the brand's signature, however its dash and capitals are written.

    A signature that is more than the brand's name may also stand before something else: a
    link, a postscript.
    """
    sign, said = _dashed(brand.signature), _dashed(text)
    words = _bare(sign)
    if not words:
        return said.endswith(sign)
    end = _bare(said)
    ends = end.endswith(words) and (end == words or not end[-len(words) - 1].isalnum())
    return ends or (words != _bare(_dashed(brand.name)) and first_found(said, [sign]) is not None)


def _dashed(text: str) -> str:
    return _DASHES.sub("-", fold(text))


def _bare(text: str) -> str:
    """Only words, parted by one space."""
    return _SIGNS.sub(" ", text).strip()


def banned_in(text: str, voice: Voice | None, languages: Collection[str] | None = None) -> list[str]:
    """The words in *text* that the voice bans in one of *languages* (None: in any), as the file has them."""
    if voice is None:
        return []
    asked = (
        voice.banned if languages is None else {EVERY_LANGUAGE, *(w for one in languages for w in widen(one))}
    )
    words = dict.fromkeys(
        word for language in voice.banned if language in asked for word in voice.banned[language]
    )
    return says(text, words)


def objections(
    text: str, brand: Brand | None, voice: Voice | None, language: str | None = None
) -> Iterator[Finding]:
    """Why a person should look at *text* first. *language* None: nobody says which, as of an agent's text."""
    for word in banned_in(text, voice, None if language is None else [language]):
        whose = brand.name if brand else "the brand"
        yield Finding("banned-word", f'It says "{word}", which is not said in the voice of {whose}.')


def visible_length(text: str) -> int:
    """Characters as people count them: marks above and below belong to their letter."""
    return sum(unicodedata.category(letter) not in ("Mn", "Me", "Cf") for letter in text)


def remarks(text: str, brand: Brand, voice: Voice | None, language: str | None = None) -> Iterator[str]:
    """What the one who writes should know of *text*: what holds it back, and what is only a pity."""
    yield from (finding.reason for finding in objections(text, brand, voice, language))
    length = visible_length(text)
    if voice is not None and voice.target_length is not None and length > voice.target_length:
        yield f"It has {length} characters; {brand.name} aims at {voice.target_length}."


def hints(brand: str, mapping: Mapping) -> list[str]:
    """What an agent should know before writing for the brand with that key."""
    voice = mapping.voices.get(brand)
    if voice is None or brand not in mapping.brands:
        return []
    said = list(voice.tone)
    if voice.target_length is not None:
        said.append(f"At most {voice.target_length} characters, if you can.")
    if voice.signed:
        said.append(f'You need not sign: "{mapping.brands[brand].signature.strip()}" is added.')
    return said
