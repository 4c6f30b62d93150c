"""canary.yaml: how many of the first posts under an edit may go astray before it is undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from bridge.routing.fit import fit
from bridge.routing.model import Canary
from bridge.routing.nodes import Node, Report, Value
from bridge.routing.shape import Conflict, Known, Shape, wrong

FILE = "canary.yaml"
MOST = 1000


def _percent(value: object) -> float:
    match = re.fullmatch(r"([0-9]{1,2}|100)%", value) if isinstance(value, str) else None
    if match is None:
        raise wrong("bad-percent", f'"{value}" is not a share such as 20%')
    return int(match[1]) / 100


def _posts(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MOST:
        raise wrong("wrong-type", f"must be a whole number from 1 to {MOST}, without quotes")
    return value


Percent = Annotated[
    float,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]{1,2}|100)%$", "examples": ["20%"]}),
]


class CanaryFile(Shape):
    """After an edit the first posts are watched; when too many go astray, it is undone by itself."""

    posts: Annotated[int, BeforeValidator(_posts), Field(json_schema_extra={"minimum": 1, "maximum": MOST})]
    """How many tagged posts are watched, from 1 to 1000."""
    unmatched: Percent | None = None
    """Undo the edit when more of them than this are taken by no route."""
    changed: Percent | None = None
    """Undo the edit when more of them than this go to another queue than before it."""

    @classmethod
    def conflicts(cls, given: Map[str, Value], known: Known) -> Iterator[Conflict]:
        if given.get("unmatched") is None and given.get("changed") is None:
            message = "give unmatched, changed or both; else nothing is watched"
            yield Conflict((), "canary-without-limit", message)


def read_canary(root: Node | None, known: Known, report: Report) -> Canary | None:
    """The canary that *root*, the whole of canary.yaml, asks for; None where there is no such file."""
    if root is None:
        return None
    if root.value is None:
        message = "the file says nothing: give posts, and unmatched or changed; or delete it"
        report.add(root.spot, "empty-value", message)
        return None
    entry = fit(root, root.spot, CanaryFile, known, report)
    return None if entry is None else Canary(entry.posts, entry.unmatched, entry.changed)
