"""Words that reach the public: a brand's reply, in the customer's language.

A reply may say these and nothing else:

    customer     the customer's first name, empty when there is none fit to print
    handle       how the customer is called on the network
    network      the network's name
    brand        the brand's name
    signature    the brand's signature
    help_link    the brand's help page, or empty
    promise      when the promise ends, in the reply's language and the brand's zone, or empty
    resolution   what an agent wrote into the ticket's field for the public, or empty
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.routing.language import chain, normalise_language
from bridge.routing.model import Brand, Mapping, Template, Voice
from bridge.routing.moment import in_words
from bridge.routing.voice import signed

VOCABULARY = ("customer", "handle", "network", "brand", "signature", "help_link", "promise", "resolution")
Parts = tuple[tuple[str, str], ...]
"""What a template takes in: (name, source)."""

MAX_NAME = 40
MAX_WORD = 2_000
"""Characters of what is filled in for one word of the vocabulary."""
_MAX_READ = 200
_PROGRAMS_SAY = frozenset({"none", "null", "undefined"})
"""A customer of this name would be taken for a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a reply may say of one case. ``customer`` is the name as the network gives it."""

    customer: str = ""
    handle: str = ""
    network: str = ""
    promise_at: datetime | None = None
    resolution: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A reply as text, with where it came from. ``version`` changes with the template."""

    text: str
    language: str
    template_file: str
    version: str


def render(
    mapping: Mapping, brand_key: str, name: str, language: str | None, words: Words
) -> Rendered | None:
    """The brand's reply *name* in *language*, or in the first that there is along the chain.

    None when the brand has no such reply in any of these languages.
    """
    brand = mapping.brands.get(brand_key)
    template = find_template(mapping, brand_key, name, language)
    if brand is None or template is None:
        return None
    text = render_template(template, brand, words, mapping.voices.get(brand_key))
    return Rendered(text, template.language, template.file, template.version)


def render_template(template: Template, brand: Brand, words: Words, voice: Voice | None) -> str:
    """What *template* says, signed where the brand's voice wants that."""
    text = render_source(template.source, template.language, brand, words, template.parts)
    return signed(text, brand, voice)


def find_template(mapping: Mapping, brand_key: str, name: str, language: str | None) -> Template | None:
    """The template that `render` would use."""
    brand = mapping.brands.get(brand_key)
    if brand is None:
        return None
    found = (
        mapping.templates.get((brand_key, name, code)) for code in chain(normalise_language(language), brand)
    )
    return next((template for template in found if template), None)


def render_source(source: str, language: str, brand: Brand, words: Words, parts: Parts = ()) -> str:
    """*source* with *words* filled in, tidied. A customer's words are never read as a template."""
    said = {
        "customer": safe_name(words.customer, words.handle),
        "handle": _plain(words.handle),
        "network": words.network,
        "brand": brand.name,
        "signature": brand.signature,
        "help_link": brand.help_link or "",
        "promise": in_words(words.promise_at, language, brand.zone) if words.promise_at else "",
        "resolution": words.resolution,
    }
    # A reply is longer than any network takes long before a word of it is.
    bounded = {name: word[:MAX_WORD] for name, word in said.items()}
    return _tidy(_compile(source, parts).render(bounded))


def environment(parts: Parts = ()) -> jinja2.Environment:
    """The sandbox that replies are parsed and rendered in. Nothing but *parts* can be included."""
    loader = jinja2.DictLoader(dict(parts))
    # A reply is plain text: the network's room escapes where its network needs it.
    return ImmutableSandboxedEnvironment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False)


@lru_cache(maxsize=512)
def _compile(source: str, parts: Parts) -> jinja2.Template:
    return environment(parts).from_string(source)


def _tidy(text: str) -> str:
    """One line per paragraph, one space between words: line breaks in the file are for its readers."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    return "\n\n".join(filter(None, paragraphs))


def safe_name(name: str, handle: str = "") -> str:
    """What a customer may be called in public, from the *name* that they gave themselves.

    The first name where there are several words. Empty for what is no name: a handle,
    an address, emoji only, digits, shouting symbols, or anything that could be markup.
    """
    letters = "".join(
        " " if _is_picture(letter) else letter for letter in unicodedata.normalize("NFC", name[:_MAX_READ])
    )
    words = letters.split()
    if not words or _bare(" ".join(words)) == _bare(handle) or words[0].casefold() in _PROGRAMS_SAY:
        return ""
    if not all(_is_name(word) for word in words):
        return ""
    # "Dr. House" and "J. Smith" are not called "Dr." and "J."
    first = " ".join(words[:2]) if words[0].endswith(".") or len(words[0]) == 1 else words[0]
    return first if len(first) <= MAX_NAME and _is_sound(first) else ""


def _is_name(word: str) -> bool:
    """Letters and their marks, with what names have inside: O'Neil, Jean-Luc, J.R., Dr."""
    plain = "".join(letter for letter in word if not unicodedata.category(letter).startswith("M"))
    return all(part.isalpha() for part in re.split("['’.-]", plain.removesuffix(".")))


def _is_picture(letter: str) -> bool:
    """Emoji, symbols and invisible characters, which say nothing when a name is read out."""
    return (
        unicodedata.category(letter) in ("So", "Sk", "Sm", "Sc", "Cf", "Cc", "Cn", "Co", "Cs")
        or letter in "\ufe0e\ufe0f"
    )


def _is_sound(name: str) -> bool:
    """More than one letter (one will do where a letter is a word), and not piled up with marks."""
    if re.search("[\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]{4,}", name):
        return False
    letters = [letter for letter in name if letter.isalpha()]
    return len(letters) > 1 or any("\u3040" <= letter <= "\u9fff" for letter in letters)


def _bare(text: str) -> str:
    return text.strip().lstrip("@").casefold()


def _plain(handle: str) -> str:
    """A handle without what could be read as a template or as a second line."""
    return re.sub(r"[\s{}%]+", "", handle)
