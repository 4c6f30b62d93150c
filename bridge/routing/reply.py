"""The reply templates: found by their file names, and tried out before anybody needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import jinja2
from jinja2 import meta, nodes

from bridge.routing import airlock
from bridge.routing.folder import REPLY, shown
from bridge.routing.language import normalise_language
from bridge.routing.model import Brand, Place, Template
from bridge.routing.nodes import Report, Spot, nearest
from bridge.routing.shape import Known
from bridge.routing.wording import VOCABULARY, Words, environment, render_source

MAX_SOURCE = 4_000
MAX_TEXT = 2_000
_SOME_MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

Templates = Mapping[tuple[str, str, str], Template]

# Nothing that repeats, calls, calculates or reaches into a value: the time and the size
# of a reply are bounded by the length of its file.
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
)


def read_templates(
    files: Mapping[str, str], known: Known, report: Report
) -> dict[tuple[str, str, str], Template]:
    """Every reply in *files*, by (brand, name, language)."""
    templates: dict[tuple[str, str, str], Template] = {}
    for path, source in sorted(files.items()):
        match = REPLY.fullmatch(path)
        if match is None:
            continue
        brand, name, written = match["brand"], match["name"], match["language"]
        file = shown(path)
        language = normalise_language(written)
        if known.brands is not None and brand not in known.brands:
            hint = nearest(brand, known.brands)
            report.add(Spot(file), "unknown-brand", f'there is no brand "{brand}"{hint}')
        if language is None:
            report.add(
                Spot(file), "bad-language", f'"{written}" is not a language code such as en, th or pt-BR'
            )
        elif _is_sound(file, source, language, report):
            version = hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()[:12]
            templates[brand, name, language] = Template(brand, name, language, source, version, file)
    return templates


def reply_names(files: Mapping[str, str], report: Report) -> set[str] | None:
    """The names that replies have, sound or not; None when some reply could not be read."""
    unread = {fault.file for fault in report.faults if fault.rule != "unknown-file"}
    if any(file.startswith(shown("replies")) for file in unread - {shown(path) for path in files}):
        return None
    return {match["name"] for path in files if (match := REPLY.fullmatch(path))}


def require_closing_replies(
    brands: Iterable[Brand], wanted: Iterable[str], templates: Templates, report: Report
) -> None:
    """Each brand must be able to close what any team solves, at least in its default language."""
    broken = {fault.file for fault in report.faults}
    for brand in brands:
        default = brand.languages[0]
        for name in sorted(wanted):
            path = f"replies/{brand.key}/{name}.{default}.txt.j2"
            if (brand.key, name, default) not in templates and shown(path) not in broken:
                message = f"{brand.key}: there is no {path}, and {default} is the brand's default language"
                report.add(Spot(brand.place.file, brand.place.line), "template-missing", message)


def _is_sound(file: str, source: str, language: str, report: Report) -> bool:
    before = len(report.faults)
    if len(source) > MAX_SOURCE:
        report.add(Spot(file), "template-too-long", f"longer than {MAX_SOURCE:,} characters")
        return False
    try:
        tree = environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        report.add(Spot(file, error.lineno), "template-syntax", f"not a template: {error.message}")
        return False
    _check_tree(tree, file, report)
    if len(report.faults) == before:
        _try_out(source, file, language, report)
    return len(report.faults) == before


def _check_tree(tree: nodes.Template, file: str, report: Report) -> None:
    for node in _descend(tree):
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            report.add(Spot(file, node.lineno), "template-forbidden", f"a reply may not do this ({word})")
    unknown = meta.find_undeclared_variables(tree) - set(VOCABULARY)
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            message = f'replies do not know "{name.name}"{nearest(name.name, VOCABULARY)}'
            report.add(Spot(file, name.lineno), "template-name", message)


def _descend(node: nodes.Node) -> Iterable[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _descend(child)


def _try_out(source: str, file: str, language: str, report: Report) -> None:
    """Render with every word given, and with none."""
    brand = Brand(
        "sample", "Sample", (language,), {}, "— Sample", "UTC", (), Place(file, 1), "https://help.example"
    )
    bare = Brand("sample", "Sample", (language,), {}, "", "UTC", (), Place(file, 1))
    full = render_source(source, language, brand, Words("Anna", "@anna", "Mastodon", _SOME_MOMENT))
    nameless = render_source(source, language, bare, Words("", "@anna", "Mastodon"))
    if not full or not nameless:
        report.add(Spot(file), "template-empty", "nothing is said when the optional words are empty")
    if max(len(full), len(nameless)) > MAX_TEXT:
        report.add(Spot(file), "template-too-long", f"more than {MAX_TEXT:,} characters")
    if "{{" in full or "{%" in full:
        report.add(Spot(file), "template-forbidden", "curly brackets would be shown to the customer")
    if airlock.greets_nobody(nameless):
        advice = "write {% if customer %}Hi {{ customer }},{% else %}Hi,{% endif %}"
        report.add(Spot(file), "template-empty-name", f"greets nobody when the name is not known: {advice}")
