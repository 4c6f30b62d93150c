"""canary.yaml: how many of the first posts under an edit may go astray before it is undone."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from bridge.routing.fit import fit
from bridge.routing.model import Canary
from bridge.routing.nodes import Node, Report
from bridge.routing.shape import Known, Shape, wrong

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

    @model_validator(mode="after")
    def _has_a_limit(self) -> CanaryFile:
        if self.unmatched is None and self.changed is None:
            raise wrong("canary-without-limit", "give unmatched, changed or both; else nothing is watched")
        return self


def read_canary(root: Node | None, known: Known, report: Report) -> Canary | None:
    """The canary that *root*, the whole of canary.yaml, asks for; None where there is no such file."""
    if root is None:
        return None
    entry = fit(root, root.spot, CanaryFile, known, report)
    return None if entry is None else Canary(entry.posts, entry.unmatched, entry.changed)
