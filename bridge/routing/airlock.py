"""The last look at a public text. What is found here is held for a person, with the reason.

Reasons are sentences for an agent. They never repeat what was found beyond a hint,
since they are stored and shown where the text itself may be erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import phonenumbers

from bridge.routing.inside import leads_inside
from bridge.routing.match import fold, is_unspaced, stands_in, words_of
from bridge.routing.near import is_nearly_in
from bridge.routing.payment import account_countries, card_numbers
from bridge.routing.placeholder import is_field
from bridge.routing.sight import sights

REGIONS = ("ID", "TH", "PL", "GB", "US")
"""Where a number without its country's code may come from, when nobody says otherwise."""

NOTE_MATCH = 0.85
SHORT_NOTE = 30
"""Shorter notes ("ok, done") are nearly in half of all replies: they count word for word."""
_FEWEST_WORDS, _FEWEST_LETTERS = 4, 12
_FEWEST_UNSPACED = 20
"""Letters of a note in a script without spaces, whose words cannot be counted."""
_MAX_COMPARED = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a text is held: a permanent rule id, and a sentence for the agent."""

    rule: str
    reason: str


def inspect(
    text: str,
    internal_notes: Sequence[str] = (),
    customer_name_required: str | None = None,
    regions: Sequence[str] = REGIONS,
) -> list[Finding]:
    """Everything in *text* that should not reach the public without a person's word.

    *internal_notes* are the ticket's; *customer_name_required* is a name that the text
    must say; *regions* are ISO country codes for telephone numbers without a prefix.
    """
    seen, *parted = sights(text)
    findings = [
        *_addresses(seen),
        *_cards(seen),
        *_accounts(seen),
        *_telephones(seen, regions),
        *_markup(seen),
        *_names(seen, customer_name_required),
        *_notes(seen, internal_notes),
        *_links(seen),
        *_directions(text),
        *_length((seen, *parted)),
    ]
    known = {finding.rule for finding in findings}
    for other in parted:
        # Where a sign that nobody sees parts two words, what must stand alone does.
        apart = (*_cards(other), *_accounts(other), *_telephones(other, regions), *_links(other))
        findings += [finding for finding in apart if finding.rule not in known]
    return list(dict.fromkeys(findings))


EMAIL = re.compile(r"[^\s@<>(),;:\"']{1,64}@(?:[^\s@.<>(),;:\"'/]{1,63}\.)+[^\W\d_]{2,24}")


def _addresses(text: str) -> Iterator[Finding]:
    for match in EMAIL.finditer(text):
        # "@kopi@social.example" is a handle, and it is public.
        if match.start() > 0 and text[match.start() - 1] == "@":
            continue
        yield Finding("email", f"An e-mail address would be public (it starts with {match[0][0]}…).")


def _cards(text: str) -> Iterator[Finding]:
    for number in card_numbers(text):
        yield Finding("payment-card", f"A payment card number would be public (it ends in …{number[-1]}).")


def _accounts(text: str) -> Iterator[Finding]:
    for country in account_countries(text):
        yield Finding("bank-account", f"A bank account number would be public (of {country}).")


def _telephones(text: str, regions: Sequence[str]) -> Iterator[Finding]:
    if sum(letter.isdigit() for letter in text) < 7:
        return
    for number in telephone_numbers(text, regions):
        digits = [letter for letter in number if letter.isdigit()]
        yield Finding(
            "telephone", f"A telephone number would be public (it ends in …{''.join(digits[-2:])})."
        )


def telephone_numbers(text: str, regions: Sequence[str] = REGIONS) -> Iterator[str]:
    """What reads like a telephone number in one of *regions*, as it stands in *text*."""
    text = text[:_MAX_COMPARED]
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region):
            yield match.raw_string
    # With its country's code it is told by its digits, however they are parted.
    for written in _INTERNATIONAL.finditer(text):
        digits = "".join(letter for letter in written[0] if letter.isdigit())
        try:
            number = phonenumbers.parse(f"+{digits}")
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            yield written[0]


_INTERNATIONAL = re.compile(r"\+\s?\d(?:[ .\-()/]{0,3}\d){6,14}(?!\d)")


# Words by what they are not: in Thai, not every mark of a word counts as a letter.
_WORD = r"[^\s{}\[\]()<>,;:=\"]{1,40}"
_WORDS = rf"\s{{0,9}}{_WORD}(?:\s{{1,9}}{_WORD}){{0,2}}\s{{0,9}}"
_MARKUP = re.compile(
    r"\{\{|\{\s{0,9}%|%\s{0,9}\}"
    # Where a name was to be put: {name}, { first name }, [[name]].
    rf"|\{{{_WORDS}\}}|\[\[{_WORDS}\]\]"
)
# [name], <name>, %name%: held where the words are a field's. [words](https://…) is a link.
_INSIDE = r"([^\[\]<>{}()%\d\n]{1,40})"
_SINGLE = re.compile(rf"\[{_INSIDE}\](?!\()|<{_INSIDE}>|(?<![\w%])%(?=\S){_INSIDE}(?<=\S)%(?![\w%])")


def _markup(text: str) -> Iterator[Finding]:
    if _MARKUP.search(text) or any(is_field(match[match.lastindex or 0]) for match in _SINGLE.finditer(text)):
        yield Finding(
            "template-markup",
            "Part of a template ({{, {%, {name}, [name], <name> or %name%) would be public: "
            "a word was not filled in.",
        )


_GREETING = (
    r"(?:hi|hello|hey|dear|halo|hai|cześć|hej|witaj|witam|dzień dobry|szanowny panie|szanowna pani"
    r"|สวัสดี(?:ค่ะ|ครับ)?)"
)
_NOBODY = re.compile(
    # A greeting that leaves a hole before its comma.
    rf"\b{_GREETING}(?: kak| pak| bu)?\s+[,!.:;]"
    # Greetings that say nothing without a name.
    r"|\b(?:dear|drogi|droga|drodzy|kepada|yth\.?)\s*[,!:;]"
    # A hole that a program filled.
    rf"|\b{_GREETING}[\s,]+(?:kak\s+|คุณ\s*)?(?:none|null|undefined)\b"
    r"|สวัสดี(?:ค่ะ|ครับ)?\s*คุณ\s*(?:[,!.:;]|\s|$)",
    re.IGNORECASE,
)


def greets_nobody(text: str) -> bool:
    """Whether *text* has a greeting with a hole where the name should be, such as "Dear ,"."""
    return _NOBODY.search(text) is not None


def _names(text: str, required: str | None) -> Iterator[Finding]:
    if greets_nobody(text):
        yield Finding("empty-name", "The greeting has no name in it.")
    elif required and fold(sights(required)[0]) not in fold(text):
        yield Finding("empty-name", "The customer's name is not in the text, though it should be.")


def _notes(text: str, notes: Sequence[str]) -> Iterator[Finding]:
    public = fold(text)[:_MAX_COMPARED]
    words = _words(public)
    for number, note in enumerate(notes, start=1):
        seen = sights(note)[0]
        if _stands_whole(fold(seen), words):
            yield Finding("internal-note", f"An internal note (number {number}) stands in the text.")
        elif len(public) >= SHORT_NOTE and any(
            is_nearly_in(part, public, NOTE_MATCH) for part in _parts(seen)
        ):
            yield Finding(
                "internal-note", f"The text is nearly the same as an internal note (number {number})."
            )


def _stands_whole(note: str, public: str) -> bool:
    """Whether a short *note* that says something stands in *public* (`_words`), word for word."""
    words = _words(note)
    letters = len(words.replace(" ", ""))
    if is_unspaced(words):
        says_something = letters >= _FEWEST_UNSPACED
    else:
        says_something = letters >= _FEWEST_LETTERS and words.count(" ") >= _FEWEST_WORDS - 1
    return len(note) < SHORT_NOTE and says_something and stands_in(public, words)


def _words(folded: str) -> str:
    """The words of a text after `fold`, with one space between them; "don't" is one."""
    return " ".join(words_of(folded.replace("'", "")))


def _parts(note: str) -> list[str]:
    """The whole note, and each of its sentences that is long enough to be somebody's own words."""
    half = _MAX_COMPARED // 2
    # A note that is longer than what is compared: in pieces that overlap.
    wholes = [note[at : at + 2 * half] for at in range(0, max(1, len(note) - half), half)]
    folded = (fold(piece)[:_MAX_COMPARED] for piece in (*wholes, *re.split(r"(?<=[.!?…])\s+|\n+", note)))
    return list(dict.fromkeys(piece for piece in folded if len(piece) >= SHORT_NOTE))


def _links(text: str) -> Iterator[Finding]:
    if leads_inside(text):
        yield Finding("internal-link", "A link that only works inside the company would be public.")


_OVERRIDES = ("\u202d", "\u202e")


def _directions(text: str) -> Iterator[Finding]:
    """Right to left by its letters is how many people write; turned round letter by letter, nobody."""
    if any(mark in text for mark in _OVERRIDES):
        yield Finding(
            "direction-mark", "An invisible mark in it turns letters round: readers would see another text."
        )


def _length(readings: Sequence[str]) -> Iterator[Finding]:
    if any(max(len(one), len(fold(one))) > _MAX_COMPARED for one in readings):
        yield Finding(
            "too-long",
            f"It is too long to be looked at whole: behind the first {_MAX_COMPARED:,} letters, nobody "
            "looked for telephone numbers and words of internal notes.",
        )
