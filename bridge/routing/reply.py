"""The reply templates: found by their file names, and tried out before anybody needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bridge.routing import airlock
from bridge.routing.folder import PART, REPLY, shown
from bridge.routing.language import normalise_language, widen
from bridge.routing.model import Brand, Place, Template
from bridge.routing.nodes import Report, Spot, nearest
from bridge.routing.shape import Known
from bridge.routing.template import MAX_SOURCE, Inclusion, check_source
from bridge.routing.wording import Parts, Words, render_source

MAX_TEXT = 2_000
MAX_PARTS_DEEP = 5
HANDLE = "@user"
"""No customer's name: who is called as their handle has none fit to print."""
SOME_MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

Key = tuple[str, str, str]


@dataclass(slots=True)
class Replies:
    """Every reply by (brand, name, language); ``unsound``: there is one, and something is wrong with it.

    ``wrongly_said``: those of the unsound ones that say something all the same.
    """

    templates: dict[Key, Template] = field(default_factory=dict)
    unsound: set[Key] = field(default_factory=set)
    wrongly_said: list[Template] = field(default_factory=list)


def read_templates(files: Mapping[str, str], known: Known, report: Report) -> Replies:
    """Every reply in *files*, with the parts that it takes in."""
    replies = Replies()
    parts = _read_parts(files, known, report)
    for path, source in sorted(files.items()):
        match = REPLY.fullmatch(path)
        if match is None:
            continue
        brand, name, written = match["brand"], match["name"], match["language"]
        file = shown(path)
        language = normalise_language(written)
        _check_brand(file, brand, known, report)
        if language is None:
            _report_language(file, written, report)
            continue
        key = (brand, name, language)
        includes = check_source(file, source, report)
        taken = None if includes is None else _take_in(parts, brand, language, file, source, includes, report)
        if taken is None:
            replies.unsound.add(key)
            continue
        digest = hashlib.sha256(source.encode("utf-8", "replace"))
        for part in taken:
            digest.update("\0".join(("", *part)).encode("utf-8", "replace"))
        template = Template(*key, source, digest.hexdigest()[:12], file, taken)
        if _try_out(source, taken, file, language, report):
            replies.templates[key] = template
        else:
            replies.unsound.add(key)
            replies.wrongly_said.append(template)
    return replies


@dataclass(frozen=True, slots=True)
class _Part:
    """A text that replies take in. ``includes`` None: something is wrong with it."""

    file: str
    source: str
    includes: tuple[Inclusion, ...] | None


_Known = Mapping[tuple[str, str, str | None], _Part]  # by (brand, name, language or None for all)


def _read_parts(files: Mapping[str, str], known: Known, report: Report) -> _Known:
    parts: dict[tuple[str, str, str | None], _Part] = {}
    for path, source in sorted(files.items()):
        match = PART.fullmatch(path)
        if match is None:
            continue
        file, written = shown(path), match["language"]
        _check_brand(file, match["brand"], known, report)
        language = normalise_language(written)
        if written is not None and language is None:
            _report_language(file, written, report)
            continue
        includes = check_source(file, source, report)
        parts[match["brand"], match["name"], language] = _Part(file, source, includes)
    return parts


def _check_brand(file: str, brand: str, known: Known, report: Report) -> None:
    if known.brands is not None and brand not in known.brands:
        hint = nearest(brand, known.brands)
        report.add(Spot(file), "unknown-brand", f'there is no brand "{brand}"{hint}')


def _report_language(file: str, written: str, report: Report) -> None:
    report.add(Spot(file), "bad-language", f'"{written}" is not a language code such as en, th or pt-BR')


def _take_in(
    parts: _Known,
    brand: str,
    language: str,
    file: str,
    source: str,
    includes: tuple[Inclusion, ...],
    report: Report,
) -> Parts | None:
    """The parts (name, source) of a reply and of its parts; None when that cannot be, which *report* says.

    Each is followed as often as it is included. That ends soon: an inclusion is written
    in more than ten letters, and all letters together are counted.
    """
    taken: dict[str, str] = {}
    size, sound = len(source), True
    names = {name for of, name, _ in parts if of == brand}
    ahead: list[tuple[str, tuple[str, ...], Inclusion]] = [(file, (), one) for one in reversed(includes)]
    while ahead:
        where, path, inclusion = ahead.pop()
        spot, name = Spot(where, inclusion.line), inclusion.part
        part = next(filter(None, (parts.get((brand, name, code)) for code in (*widen(language), None))), None)
        if part is None:
            meant = f"replies/{brand}/parts/{name}.{language}.txt.j2"
            hint = "" if name in names else nearest(name, names)
            report.add(spot, "unknown-part", f"there is no {meant}{hint}")
            sound = False
        elif name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            report.add(spot, "part-cycle", f"{name} would be in itself: {circle}")
            sound = False
        elif len(path) >= MAX_PARTS_DEEP:
            message = f"more than {MAX_PARTS_DEEP} parts deep: {' → '.join((*path, name))}"
            report.add(spot, "too-deep", message)
            sound = False
        else:
            size += len(part.source)
            if size > MAX_SOURCE:
                message = f"longer than {MAX_SOURCE:,} characters, with the parts that it takes in"
                report.add(Spot(file), "template-too-long", message)
                return None  # that is the bound of this loop
            sound = sound and part.includes is not None
            taken[name] = part.source
            ahead += [(part.file, (*path, name), one) for one in reversed(part.includes or ())]
    return tuple(taken.items()) if sound else None


def unused_parts(files: Iterable[str], templates: Iterable[Template]) -> list[str]:
    """The paths of parts that no reply takes in."""
    there = part_paths(files)
    used = {path for one in templates for path, _ in parts_of(one, there)}
    return [path for path in there.values() if path not in used]


_Paths = Mapping[tuple[str, str, str | None], str]  # by (brand, name, language or None for all)


def part_paths(files: Iterable[str]) -> _Paths:
    """The path of each part in *files*."""
    return {
        (match["brand"], match["name"], normalise_language(match["language"])): path
        for path in files
        if (match := PART.fullmatch(path))
    }


def parts_of(template: Template, there: _Paths) -> Iterator[tuple[str, str]]:
    """(path, source) of each part that *template* takes in."""
    for name, source in template.parts:
        ways = ((template.brand, name, code) for code in (*widen(template.language), None))
        yield next(there[way] for way in ways if way in there), source


def reply_names(files: Mapping[str, str], report: Report) -> set[str] | None:
    """The names that replies have, sound or not; None when some reply could not be read."""
    unread = {fault.file for fault in report.faults if fault.rule != "unknown-file"}
    if any(file.startswith(shown("replies")) for file in unread - {shown(path) for path in files}):
        return None
    return {match["name"] for path in files if (match := REPLY.fullmatch(path))}


def require_closing_replies(
    brands: Iterable[Brand], wanted: Iterable[str], replies: Replies, report: Report
) -> None:
    """Each brand must be able to close what any team solves, at least in its default language."""
    broken = {fault.file for fault in report.faults}
    there = replies.unsound | set(replies.templates)
    for brand in brands:
        default = brand.languages[0]
        for name in sorted(wanted):
            path = f"replies/{brand.key}/{name}.{default}.txt.j2"
            if (brand.key, name, default) not in there and shown(path) not in broken:
                message = f"{brand.key}: there is no {path}, and {default} is the brand's default language"
                report.add(Spot(brand.place.file, brand.place.line), "template-missing", message)


def _try_out(source: str, parts: Parts, file: str, language: str, report: Report) -> bool:
    """Render with every word given, and with none; False when something is wrong with what is said."""
    before = len(report.faults)
    brand = Brand(
        "sample", "Sample", (language,), {}, "— Sample", "UTC", (), Place(file, 1), "https://help.example"
    )
    bare = Brand("sample", "Sample", (language,), {}, "", "UTC", (), Place(file, 1))
    full = render_source(
        source, language, brand, Words("Anna", HANDLE, "Mastodon", SOME_MOMENT, "We replaced it."), parts
    )
    nameless = render_source(source, language, bare, Words("", HANDLE, "Mastodon"), parts)
    if not full or not nameless:
        report.add(Spot(file), "template-empty", "nothing is said when the optional words are empty")
    if max(len(full), len(nameless)) > MAX_TEXT:
        report.add(Spot(file), "template-too-long", f"more than {MAX_TEXT:,} characters")
    if "{{" in full or "{%" in full:
        report.add(Spot(file), "template-forbidden", "curly brackets would be shown to the customer")
    if airlock.greets_nobody(nameless):
        advice = "write {% if customer %}Hi {{ customer }},{% else %}Hi,{% endif %}"
        report.add(Spot(file), "template-empty-name", f"greets nobody when the name is not known: {advice}")
    return len(report.faults) == before
