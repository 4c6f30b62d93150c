"""What a reply's text may hold, told from its tree before it is ever rendered.

Nothing that repeats, calls, calculates or reaches into a value, and nothing deep: a
reply takes no longer than its letters, and what it says grows with them alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import jinja2
from jinja2 import nodes

from bridge.routing.nodes import Report, Spot, nearest
from bridge.routing.slip import slip
from bridge.routing.wording import VOCABULARY, environment

MAX_SOURCE = 4_000
"""Characters of a reply, each part counted as often as it is included."""
MAX_NESTED = 20
_TOO_DEEP = f"nested more than {MAX_NESTED} deep, or as many words in one condition"

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
    nodes.Include,
)
# What is around or above them is reported: a call, a table, {% autoescape %}. Some know no line of their own.
_WITHIN = (nodes.Keyword, nodes.Pair, nodes.Scope)
_FORBIDDEN: tuple[tuple[tuple[type[nodes.Node], ...], str], ...] = (
    ((nodes.For,), "a loop ({% for … %})"),
    ((nodes.Macro, nodes.CallBlock), "a macro ({% macro … %} or {% call … %})"),
    (
        (nodes.Assign, nodes.AssignBlock, nodes.With, nodes.NSRef),
        "a word of its own ({% set … %} or {% with … %})",
    ),
    ((nodes.Import, nodes.FromImport), "an import ({% import … %} or {% from … %})"),
    ((nodes.Extends, nodes.Block), "a layout ({% extends … %} or {% block … %})"),
    ((nodes.Filter, nodes.FilterBlock), "a filter (|)"),
    ((nodes.Test,), "a test (is …)"),
    ((nodes.Call,), "a call: round brackets after a word"),
    ((nodes.Getattr, nodes.Getitem, nodes.Slice), "a dot or square brackets after a word"),
    ((nodes.BinExpr, nodes.UnaryExpr), "arithmetic (+ - * / %)"),
    ((nodes.Concat,), "words put together with ~: write one after the other"),
    ((nodes.List, nodes.Tuple, nodes.Dict), "a list or a table"),
    ((nodes.EvalContextModifier,), "another way of escaping ({% autoescape … %})"),
)
"""What a template could have and a reply may not, in words for who writes replies."""
_ELSE = "what only programs need"
# What no network and no database takes: half a character, and controls that are no white space.
_UNPRINTABLE = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Nobody writes these to customers; they are what is left of markup with a slip in it.
_BRACKETS = re.compile(r"\{[^{}\n]{0,60}\}|\[\[[^\[\]\n]{0,60}\]\]|[{}]|\[\[|\]\]")


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where a text takes in a part of its brand's, and which."""

    part: str
    line: int


def check_source(file: str, source: str, report: Report) -> tuple[Inclusion, ...] | None:
    """What *source* includes; None when something in it is wrong, which *report* says."""
    before = len(report.faults)
    if len(source) > MAX_SOURCE:
        report.add(Spot(file), "template-too-long", f"longer than {MAX_SOURCE:,} characters")
        return None
    if found := _UNPRINTABLE.search(source):
        line = source.count("\n", 0, found.start()) + 1
        report.add(Spot(file, line), "template-syntax", "not a template: a control character, or half of one")
        return None
    try:
        tree = environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        line, message = slip(source, error)
        report.add(Spot(file, line), "template-syntax", message)
        return None
    except RecursionError:
        report.add(Spot(file), "too-deep", _TOO_DEEP)
        return None
    if not _is_shallow(tree, file, report):
        return None
    included = [made for node in _descend(tree) if (made := _check_node(node, file, report))]
    # Not by jinja2.meta, which works out every constant on its way: 'x' * 999999999.
    names = list(tree.find_all(nodes.Name))
    known = {*VOCABULARY, *(name.name for name in names if name.ctx != "load")}
    for name in names:
        if name.name not in known:
            message = f'replies do not know "{name.name}"{nearest(name.name, VOCABULARY)}'
            report.add(Spot(file, name.lineno), "template-name", message)
    return tuple(included) if len(report.faults) == before else None


def _is_shallow(tree: nodes.Template, file: str, report: Report) -> bool:
    # Level by level: a tree may be deeper than what calls itself can go down.
    level: list[nodes.Node] = [tree]
    for _ in range(2 * MAX_NESTED):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return True
    report.add(Spot(file, level[0].lineno), "too-deep", _TOO_DEEP)
    return False


def _descend(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _descend(child)


def _check_node(node: nodes.Node, file: str, report: Report) -> Inclusion | None:
    """Report what *node* may not do; tell what it includes."""
    spot = Spot(file, node.lineno)
    if isinstance(node, nodes.Include):
        part = node.template.value if isinstance(node.template, nodes.Const) else None
        if isinstance(part, str) and node.with_context and not node.ignore_missing:
            return Inclusion(part, node.lineno)
        report.add(
            spot, "template-forbidden", 'a reply may include one part by its name: {% include "hours" %}'
        )
    elif isinstance(node, nodes.Const) and not isinstance(node.value, str | bool | None):
        # Written otherwise than it would be said, and of any length: 1e999, 0xfff.
        report.add(spot, "template-forbidden", "a reply may not have a number by itself: write it as text")
    elif isinstance(node, nodes.Const) and isinstance(node.value, str) and _UNPRINTABLE.search(node.value):
        report.add(spot, "template-syntax", "not a template: a control character, or half of one")
    elif isinstance(node, nodes.TemplateData):
        _check_text(node, file, report)
    elif not isinstance(node, (*_ALLOWED, *_WITHIN)):
        said = next((words for kinds, words in _FORBIDDEN if isinstance(node, kinds)), _ELSE)
        report.add(spot, "template-forbidden", f"a reply may not have {said}")
    return None


def _check_text(text: nodes.TemplateData, file: str, report: Report) -> None:
    """Report what was meant as markup, and is none: customers would read it."""
    for found in _BRACKETS.finditer(text.data):
        line = text.lineno + text.data.count("\n", 0, found.start())
        message = f'"{found[0]}" would be posted as it is: write {_meant(found[0])}'
        report.add_newer(Spot(file, line), "template-syntax", message)


def _meant(brackets: str) -> str:
    inside = " ".join(brackets.strip("{}[]% \t").split())
    if "%" in brackets:
        return f"{{% {inside or 'else'} %}}, without a space between {{ and %"
    return f"{{{{ {inside if inside in VOCABULARY else 'signature'} }}}}"
