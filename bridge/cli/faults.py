"""How `bridge mappings check` says what it found: to people, and to three kinds of machines."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from bridge import __version__
from bridge.errors import Fault
from bridge.routing.folder import text_of
from bridge.routing.rules import LIVE, RULES, WARNINGS

WIDEST = 100
_SHOWN_BEFORE = 60
# What may be a secret stays in the file: reports go to logs. A value after such a key is not shown.
_NOT_SHOWN = {"secret-in-file", "env-name", "yaml-anchor"}
_SECRET = re.compile(r"((?:secret|token|password|key)\w*[\"']?\s*:\s*)(?!\s*\{\s*env\b)\S.*", re.IGNORECASE)


def level(fault: Fault) -> str:
    return "warning" if fault.rule in WARNINGS else "error"


def as_text(faults: Collection[Fault], unasked: Collection[str] = ()) -> Iterator[str]:
    """A line per fault, and below it the line of the file with a caret where it is.

    Here as in the other forms, *unasked* is what a vendor could not be asked, each in a sentence.
    """
    lines: dict[str, list[str]] = {}
    for fault in faults:
        yield f"warning: {fault}" if level(fault) == "warning" else str(fault)
        if fault.rule not in _NOT_SHOWN:
            if fault.file not in lines:
                lines[fault.file] = _lines(Path(fault.file))
            yield from _excerpt(fault, lines[fault.file])
    for sentence in unasked:
        yield f"not asked: {sentence}"


def _lines(path: Path) -> list[str]:
    # As the mapping was read, which waits for no pipe and reads nothing without end.
    found = text_of(path)
    return [] if found is None else found.splitlines()  # what is wrong with the file is said already


def _excerpt(fault: Fault, lines: list[str]) -> Iterator[str]:
    if not 0 < fault.line <= len(lines) or not lines[fault.line - 1].strip():
        return
    line = _SECRET.sub(r"\1…", lines[fault.line - 1])
    at = min(fault.column - 1, len(line))
    start = max(0, at - _SHOWN_BEFORE)
    shown = _printable(line[start : start + WIDEST])
    before = sum(_width(letter) for letter in _printable(line[start:at]))
    number = str(fault.line)
    yield f"  {number} | {shown}"
    yield f"  {' ' * len(number)} | {' ' * before}^"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _width(letter: str) -> int:
    """The columns that a terminal gives *letter*."""
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("F", "W") else 1


def as_json(faults: Collection[Fault], unasked: Collection[str] = ()) -> Iterator[str]:
    """One document: whether the mapping would serve, every fault and warning, and what was not asked."""
    found = [
        {
            "file": fault.file,
            "line": fault.line,
            "column": fault.column,
            "level": level(fault),
            "rule": fault.rule,
            "message": fault.message,
        }
        for fault in faults
    ]
    report: dict[str, Any] = {"ok": all(one["level"] == "warning" for one in found), "faults": found}
    if unasked:
        report |= {"ok": False, "not_asked": list(unasked)}
    yield json.dumps(report, ensure_ascii=False, indent=2)


def as_github(faults: Collection[Fault], unasked: Collection[str] = ()) -> Iterator[str]:
    """Workflow commands, which GitHub shows at the lines of a pull request.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    for fault in faults:
        where = f"file={_property(fault.file)},line={fault.line},col={fault.column}"
        yield f"::{level(fault)} {where},title={fault.rule}::{_data(fault.message)}"
    for sentence in unasked:
        yield f"::error title=not asked::{_data(sentence)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(faults: Collection[Fault], unasked: Collection[str] = ()) -> Iterator[str]:
    """SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""
    meanings = {**RULES, **WARNINGS, **LIVE}
    used = sorted({fault.rule for fault in faults})
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "bridge mappings check",
                "version": __version__,
                "rules": [{"id": rule, "shortDescription": {"text": meanings[rule]}} for rule in used],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(fault, used) for fault in faults],
    }
    if unasked:
        notes = [{"level": "error", "message": {"text": sentence}} for sentence in unasked]
        run["invocations"] = [{"executionSuccessful": False, "toolExecutionNotifications": notes}]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    yield json.dumps(log, ensure_ascii=False, indent=2)


def _result(fault: Fault, rules: list[str]) -> dict[str, Any]:
    region = {"startLine": fault.line, "startColumn": fault.column}
    place = {"artifactLocation": {"uri": Path(fault.file).as_posix()}, "region": region}
    return {
        "ruleId": fault.rule,
        "ruleIndex": rules.index(fault.rule),
        "level": level(fault),
        "message": {"text": fault.message},
        "locations": [{"physicalLocation": place}],
    }


FORMATS: dict[str, Callable[[Collection[Fault], Collection[str]], Iterator[str]]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
}
