"""Holds a node against the shape of an entry, and says in the admins' words what is wrong."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.routing.nodes import Node, Report, Spot, Value, nearest
from bridge.routing.rules import RULES
from bridge.routing.shape import Conflict, Known, Shape, table

ShapeT = TypeVar("ShapeT", bound=BaseModel)
Section = Mapping[str, tuple[Spot, Node]]

_CHOICES = {
    "priority": "unknown-priority",
    "type": "unknown-type",
    "closing": "unknown-closing",
    "[key]": "unknown-day",
    "kind": "unknown-kind",
    "kinds": "unknown-kind",
    "severity": "unknown-severity",
    "severities": "unknown-severity",
    "sentiment": "unknown-sentiment",
    "sentiments": "unknown-sentiment",
}
_WANTED = {
    "string_type": "text; put a number, true or false in quotes",
    "int_type": "a whole number, without quotes",
    "greater_than_equal": "a larger number",
    "less_than_equal": "a smaller number",
    "bool_type": "true or false, without quotes",
    "list_type": "a list, such as [a, b]",
    "dict_type": "a table of keys and values",
    "model_type": "a table of keys and values",
}
_ONE_TEXT: Mapping[type, str] = {
    list: 'must be one text, not a list: write "a, b" in quotes, or one of them',
    dict: "must be one text, not a table: a text with a colon and a space in it, or in { }, goes in quotes",
}


def section(root: Node | None, name: str, report: Report, *, required: bool = True) -> Section:
    """The table under the key *name* of a file; empty, and reported, if it is not there."""
    if root is None:
        return {}
    if root.entries is None or name not in root.entries:
        if required:
            report.add(root.spot, "missing-key", f'"{name}:" must be given in this file')
        return {}
    spot, node = root.entries[name]
    if node.entries is None:
        report.add(spot, "wrong-type", f"{name}: must be a table of keys and values")
        return {}
    return node.entries


def refuse_unknown_keys(root: Node | None, known: tuple[str, ...], report: Report) -> None:
    """Report what stands at the top of a file and means nothing there."""
    if root is None or root.entries is None:
        return
    for key, (spot, _) in root.entries.items():
        if key not in known:
            report.add(spot, "unknown-key", f'"{key}" means nothing here{nearest(key, known)}')


def fit(
    node: Node,
    spot: Spot,
    shape: type[ShapeT],
    known: Known,
    report: Report,
    stand_ins: Mapping[str, object] = MappingProxyType({}),
) -> ShapeT | None:
    """*node* as a *shape*, or None with every fault in *report*. *spot* is where its name stands.

    With *stand_ins* (key → value) the entry can be gone on with when nothing but these
    keys is at fault, so that one fault does not hide what other files have. The faults
    are reported all the same.
    """
    details: list[ErrorDetails] = []
    entry: ShapeT | None = None
    given = node.value
    try:
        entry = shape.model_validate(given, context=known)
    except ValidationError as error:
        details = error.errors(include_url=False)
    for detail in details:
        _report(detail, node, spot, shape, report)
    conflicts = _conflicts(node, table(given), spot, shape, known, report)
    if entry is not None and not conflicts:
        return entry
    paths = [*(detail["loc"] for detail in details), *(conflict.path for conflict in conflicts)]
    return _mended(node, shape, {str(path[0]) if path else "" for path in paths}, stand_ins)


def _conflicts(
    node: Node, given: dict[str, Value], spot: Spot, shape: type[ShapeT], known: Known, report: Report
) -> list[Conflict]:
    """Report what the keys have against each other; return what the entry cannot be gone on with."""
    if node.entries is None or not issubclass(shape, Shape):
        return []
    found = list(shape.conflicts(given, known))
    for conflict in found:
        add = report.add_newer if conflict.newer else report.add
        message = conflict.message[:400]
        add(_spot(node, conflict.path, spot), conflict.rule, _labelled(conflict.path, message))
    return [conflict for conflict in found if not conflict.newer]


def _mended(
    node: Node, shape: type[ShapeT], faulty: set[str], stand_ins: Mapping[str, object]
) -> ShapeT | None:
    if not stand_ins or node.entries is None:
        return None
    unknown = faulty - set(shape.model_fields)
    if "" in faulty or not stand_ins.keys() >= faulty - unknown:
        return None
    value = {key: one.value for key, (_, one) in node.entries.items() if key not in faulty}
    try:
        # Names are not looked up again: those at fault have been taken out.
        return shape.model_validate(
            {**value, **{key: stand_ins[key] for key in faulty - unknown}}, context=Known()
        )
    except ValidationError:
        return None


def _report(detail: ErrorDetails, node: Node, spot: Spot, shape: type[BaseModel], report: Report) -> None:
    path = detail["loc"]
    kind = detail["type"]
    if kind == "missing":
        at = node.key_spot(path[:-1]) if path[:-1] else spot
        report.add(at, "missing-key", f'"{path[-1]}" must be given')
    elif kind == "extra_forbidden":
        key = str(path[-1])
        hint = nearest(key, _keys(shape, path[:-1]))
        report.add(node.key_spot(path), "unknown-key", f'"{key}" means nothing here{hint}')
    else:
        rule, message = _explain(detail)
        if node.find(path).is_commented_out:
            message = 'nothing is given, since # starts a comment in YAML: put the text in quotes, "#…"'
        report.add(_spot(node, path, spot), rule, _labelled(path, message))


def _explain(detail: ErrorDetails) -> tuple[str, str]:
    """The rule and the message of a fault in a value. A wrong value of a wrong type is not repeated."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in RULES:
        return kind, detail["msg"][:400]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        value = str(detail["input"])[:60]
        rule = _CHOICES[next(step for step in reversed(detail["loc"]) if isinstance(step, str))]
        return rule, f'"{value}" is not one of {", ".join(choices)}{nearest(value, choices)}'
    if kind in ("string_too_short", "too_short"):
        return "empty-value", "must not be empty"
    if kind == "string_pattern_mismatch":
        return "env-name", "must be the name of an environment variable, such as KOPI_TOKEN"
    if kind == "string_type" and isinstance(detail["input"], list | dict):
        return "wrong-type", _ONE_TEXT[type(detail["input"])]
    return "wrong-type", f"must be {_WANTED.get(kind, 'something else')}"


def _spot(node: Node, path: tuple[int | str, ...], entry: Spot) -> Spot:
    """Where a fault is shown: a key for tables and keys, else the value itself."""
    if not path:
        return entry
    if path[-1] == "[key]":
        return node.key_spot(path[:-1])
    found = node.find(path)
    return found.spot if found.entries is None else node.key_spot(path)


def _labelled(path: tuple[int | str, ...], message: str) -> str:
    words = [step for step in path if isinstance(step, str) and step != "[key]"]
    return f"{words[-1]}: {message}" if words and path[-1] != "[key]" else message


def _keys(shape: Any, path: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that are allowed at *path* of *shape*."""
    for step in path:
        shape = typing.get_args(shape)[0] if isinstance(step, int) else shape.model_fields[step].annotation
    return tuple(shape.model_fields)
