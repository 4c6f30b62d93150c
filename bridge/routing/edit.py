"""What two sets of mapping files say differently, in the words that stand in them.

Told by keys and names and not by lines: a comment, an indent or a queue that moved into a
file of its own is no edit here. What may be personal (who is a VIP, what a post in a test
says) is told of by its name alone.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from enum import StrEnum

from bridge.routing.folder import QUEUES, ROUTES, TESTS, shown
from bridge.routing.nodes import Report, Value, read

_QUEUES, _ROUTES = "queues.yaml", "routes"
_SECTIONS = ("brands", "queues", "calendars", "tags", "vips", "routes", "tests")
"""What a file of that name is about anyway: it is not repeated before each entry."""


class What(StrEnum):
    """What became of something that the files say."""

    NEW = "new"
    GONE = "gone"
    OTHER = "other"
    MOVED = "moved"  # a route: the first whose conditions hold takes the post


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that is said differently. ``at``: the keys that lead to it; empty, the file itself.

    ``before`` and ``after`` are what stands there; both None where that is long or personal. Of a
    route that moved, they are the names of the routes before it, None where it is the first.
    """

    file: str
    at: tuple[str, ...]
    what: What
    before: Value = None
    after: Value = None


def edits(before: Map[str, str], after: Map[str, str]) -> list[Edit]:
    """What *after* says otherwise than *before*: two mappings (path → text) that are sound."""
    differing = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    found: list[Edit] = []
    for name in differing:
        if name.endswith(".yaml"):
            continue
        if name not in before or name not in after:
            found.append(Edit(name, (), What.NEW if name in after else What.GONE))
        else:
            found.append(Edit(name, (), What.OTHER))
    old, new = _said(before, differing), _said(after, differing)
    for document in sorted({*old.values, *new.values}):
        for at, what, was, now in _compare(old.values.get(document), new.values.get(document), ()):
            side = old if what is What.GONE else new
            file = side.files.get((document, *at[:2]), document)
            found.append(_told(Edit(file, at, what, was, now)))
    found += _moves(old, new)
    return sorted(found, key=lambda edit: (edit.file, edit.at))


@dataclass(slots=True)
class _Said:
    """What some files say. ``files``: where an entry of several files' one table stands."""

    values: dict[str, dict[str, Value]]
    files: dict[tuple[str, ...], str]
    routes: list[str]


def _said(files: Map[str, str], names: list[str]) -> _Said:
    said = _Said({}, {}, [])
    for name in names:
        if name not in files or not name.endswith(".yaml"):
            continue
        root = read(shown(name), files[name], Report())
        value = root.value if root is not None and isinstance(root.value, dict) else {}
        is_team, is_routes = QUEUES.fullmatch(name) is not None, ROUTES.fullmatch(name) is not None
        document = _QUEUES if is_team else _ROUTES if is_routes else name
        table = said.values.setdefault(document, {})
        for key, held in value.items():
            entries = _by_name(held)
            if isinstance(entries, dict):
                there = table.setdefault(key, {})
                if isinstance(there, dict):
                    there.update(entries)
                said.files.update(((document, key, entry), name) for entry in entries)
                said.routes += entries if is_routes else ()
            else:
                table[key] = entries
    return said


def _by_name(value: Value) -> Value:
    """Routes and tests are lists of what has a name; compared by that, whatever their order."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        return {str(one["name"]): one for one in value if isinstance(one, dict)}
    return value


_Difference = tuple[tuple[str, ...], What, Value, Value]


def _compare(before: Value, after: Value, at: tuple[str, ...]) -> Iterator[_Difference]:
    if not at:  # a file, or a section, that only one side has is told of entry by entry
        before, after = before or {}, after or {}
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            one, other = before.get(key), after.get(key)
            if len(at) == 0 and isinstance(one or other, dict):
                one, other = one or {}, other or {}
            yield from _compare(one, other, (*at, key))
    elif before != after:
        what = What.NEW if before is None else What.GONE if after is None else What.OTHER
        yield at, what, before, after


def _told(edit: Edit) -> Edit:
    """*edit* without what is long or personal, under the name of its entry."""
    at = edit.at[1:] if edit.at[0] in _SECTIONS and len(edit.at) > 1 else edit.at
    personal = edit.file == "vips.yaml" or TESTS.fullmatch(edit.file) or edit.at[-1] == "examples"
    hidden = personal or not all(map(_is_short, (edit.before, edit.after)))
    before, after = (None, None) if hidden else (edit.before, edit.after)
    return Edit(edit.file, at, edit.what, before, after)


def _is_short(value: Value) -> bool:
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(one, list | dict) for one in value)
    )


def _moves(old: _Said, new: _Said) -> Iterator[Edit]:
    """The fewest routes that one would have to move to come from the old order to the new one."""
    position = {name: number for number, name in enumerate(old.routes)}
    common = [name for name in new.routes if name in position]
    stayed = _longest_rise([position[name] for name in common])
    earlier = dict(zip(old.routes, [None, *old.routes], strict=False))
    later = dict(zip(new.routes, [None, *new.routes], strict=False))
    for number, name in enumerate(common):
        if number not in stayed:
            file = new.files[_ROUTES, "routes", name]
            yield Edit(file, (name,), What.MOVED, earlier[name], later[name])


def _longest_rise(numbers: list[int]) -> set[int]:
    """The positions of a longest rising run in *numbers*, which are all different; gaps are allowed."""
    ends: list[int] = []  # the least number that a run of each length can end with
    at: list[int] = []  # its position
    before: list[int | None] = []
    for position, number in enumerate(numbers):
        length = bisect.bisect_left(ends, number)
        before.append(at[length - 1] if length else None)
        ends[length : length + 1], at[length : length + 1] = [number], [position]
    run: set[int] = set()
    last = at[-1] if at else None
    while last is not None:
        run.add(last)
        last = before[last]
    return run
