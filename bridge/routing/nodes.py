"""YAML that knows where it stands: text in, nodes with line and column out.

Reads the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema), in
which ``no``, ``on`` and ``2026-12-25`` are text. Works on the parser's events and
constructs nothing, so a file can neither name a class nor grow by aliases.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import yaml
from rapidfuzz import fuzz, process

from bridge.errors import Fault, MappingError
from bridge.routing import syntax

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_FAULTS = 1_000
MAX_NAMES = 12  # that are told where none is near

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A place in a file. ``line`` and ``column`` count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(slots=True)
class Node:
    """A value with its place: text, number, true or false, nothing, a list or a table.

    ``items`` is given for a list; ``entries`` (key → its place, its value) for a table.
    ``is_commented_out``: nothing, but a comment stands where it could be, perhaps by mistake.
    """

    spot: Spot
    scalar: str | int | float | bool | None = None
    items: list[Node] | None = None
    entries: dict[str, tuple[Spot, Node]] | None = None
    is_commented_out: bool = False

    @property
    def value(self) -> Value:
        """The plain Python value, without places."""
        if self.entries is not None:
            return {key: node.value for key, (_, node) in self.entries.items()}
        if self.items is not None:
            return [node.value for node in self.items]
        return self.scalar

    def find(self, path: Sequence[str | int]) -> Node:
        """The node at *path*, or the deepest one on the way to it."""
        node = self
        for step in path:
            if node.entries is not None and step in node.entries:
                node = node.entries[str(step)][1]
            elif node.items is not None and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                break
        return node

    def key_spot(self, path: Sequence[str | int]) -> Spot:
        """Where the key at the end of *path* stands; for a list's item, the item itself."""
        if not path:
            return self.spot
        parent = self.find(path[:-1])
        if parent.entries is not None and path[-1] in parent.entries:
            return parent.entries[str(path[-1])][0]
        return self.find(path).spot


@dataclass(slots=True)
class Report:
    """Collects faults, so that an admin hears of all of them at once.

    A file that breaks a rule a thousand times is no mapping, and looking further
    would only take time: then MappingError is raised on the spot.

    ``has_served``: these files have served already. They are not held to what a release since
    has come to ask; see `add_newer`.
    """

    faults: list[Fault] = field(default_factory=list)
    has_served: bool = False
    _seen: set[Fault] = field(default_factory=set)

    def add(self, spot: Spot, rule: str, message: str) -> None:
        fault = Fault(spot.file, spot.line, spot.column, message, rule)
        if fault not in self._seen:
            self._seen.add(fault)
            self.faults.append(fault)
        if len(self.faults) >= MAX_FAULTS:
            raise MappingError(self.faults)

    def add_newer(self, spot: Spot, rule: str, message: str) -> None:
        """Add a fault that mappings without it have served with: the case of one must not lose it."""
        if not self.has_served:
            self.add(spot, rule, message)


def nearest(word: str, known: Collection[str]) -> str:
    """``. Did you mean "…"?`` with the word of *known* closest to *word*, or nothing."""
    match = process.extractOne(word, sorted(known), scorer=fuzz.ratio, processor=str.lower, score_cutoff=60)
    return f'. Did you mean "{match[0]}"?' if match else ""


def instead(word: str, known: Collection[str]) -> str:
    """What may stand in place of *word*, to end its sentence: the `nearest`, else what is *known*."""
    names = sorted(filter(None, known))
    near = nearest(word, names)
    if near or not names:
        return near
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    listed = ", ".join(names[:MAX_NAMES]) + more
    return f": it is one of {listed}" if len(names) > 1 else f": there is only {listed}"


def read(file: str, text: str, report: Report) -> Node | None:
    """Parse *text*. None when there is nothing to go on with; then *report* says why.

    An empty file is a node that holds nothing.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        report.add(Spot(file), "file-too-large", f"larger than {MAX_FILE_BYTES:,} bytes")
        return None
    builder = _Builder(file, text, report)
    try:
        # The pure parser on purpose: libyaml words its complaints differently.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if not builder.take(event):
                return None
    except yaml.reader.ReaderError as error:
        before = text[: int(error.position)]
        spot = Spot(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        report.add(spot, "yaml-syntax", "a control character that YAML does not allow")
        return None
    except yaml.MarkedYAMLError as error:
        _report_syntax(file, text, error, report)
        return None
    # What an alias stands for is not known, so what the file says is not known either.
    if builder.has_alias:
        return None
    return builder.root or Node(Spot(file))


def _report_syntax(file: str, text: str, error: yaml.MarkedYAMLError, report: Report) -> None:
    if "'\\t'" in str(error.problem):
        report.add(_spot(file, error.problem_mark), "yaml-tab", "a tab: use spaces to indent")
    else:
        mark, message = syntax.explain(text, error)
        report.add(_spot(file, mark), "yaml-syntax", message)


class _Mark(Protocol):
    """The part of a parser's mark that counts, from 0."""

    line: int
    column: int


# An escape such as "\ud83d" makes half of a character, which no network and no database takes.
_HALF = re.compile("[\ud800-\udfff]")


def _spot(file: str, mark: _Mark | None) -> Spot:
    return Spot(file, mark.line + 1, mark.column + 1) if mark else Spot(file)


_CORE = (
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda _: None),
    (re.compile(r"(?:true|True|TRUE)\Z"), lambda _: True),
    (re.compile(r"(?:false|False|FALSE)\Z"), lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,18}\Z"), int),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z"), float),
)


def _resolve(text: str) -> str | int | float | bool | None:
    """What a plain (unquoted) scalar is in the core schema. Octal and hex stay text."""
    for pattern, make in _CORE:
        if pattern.match(text):
            resolved: str | int | float | bool | None = make(text)
            return resolved
    return text


_QUOTES = ("'", '"')
_BEFORE_COMMENT = re.compile("[ \t]+(?=#)")


@dataclass(slots=True)
class _Open:
    """A list or table whose end has not come yet. ``key``: what the next value belongs to."""

    node: Node
    key: tuple[str, Spot] | None = None


class _Builder:
    """Puts events together to nodes, and refuses what a mapping file may not hold."""

    def __init__(self, file: str, text: str, report: Report) -> None:
        self.file = file
        self.text = text
        self.report = report
        self.root: Node | None = None
        self.has_alias = False
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Add *event*. False: nothing after it can be trusted."""
        spot = _spot(self.file, event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.report.add(spot, "several-documents", "a second document (---): one file, one document")
                return False
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            return self._take_node(event, spot)
        return True

    def _take_node(self, event: yaml.NodeEvent, spot: Spot) -> bool:
        if event.anchor is not None:
            # The name is not repeated: it may be the start of a pasted secret.
            kind = "alias (*)" if isinstance(event, yaml.AliasEvent) else "anchor (&)"
            self.report.add(spot, "yaml-anchor", f"an {kind}: write the value out, or put it in quotes")
        if isinstance(event, yaml.AliasEvent):
            self.has_alias = True
            self._place(Node(spot), spot)
            return True
        # Its stub leaves the tag out.
        if getattr(event, "tag", None) is not None:
            self.report.add(spot, "yaml-tag", "a tag (!): write the value without it, or put it in quotes")
        if isinstance(event, yaml.ScalarEvent):
            if _HALF.search(event.value):
                self.report.add(spot, "yaml-syntax", "half a character: write the character itself, not \\u…")
            if event.style in _QUOTES and self._swallows_lines(event, spot):
                return False
            scalar = _resolve(event.value) if event.implicit[0] else event.value
            comment = self._comment_at(event)
            if comment is not None:
                spot = comment
            # As a key every plain scalar is its text: `no:` and `2026:` name something.
            self._place(Node(spot, scalar, is_commented_out=comment is not None), spot, key=event.value)
            return True
        is_list = isinstance(event, yaml.SequenceStartEvent)
        node = Node(spot, items=[]) if is_list else Node(spot, entries={})
        self._place(node, spot)
        self._open.append(_Open(node))
        if len(self._open) > MAX_DEPTH:
            self.report.add(spot, "too-deep", f"more than {MAX_DEPTH} levels deep")
            return False
        return True

    def _swallows_lines(self, event: yaml.ScalarEvent, spot: Spot) -> bool:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None or start.line == end.line:
            return False
        if not syntax.swallows_lines(self.text[start.index : end.index]):
            return False
        self.report.add(spot, "yaml-syntax", syntax.OPEN_QUOTE)
        return True

    def _comment_at(self, event: yaml.ScalarEvent) -> Spot | None:
        """Where the comment starts that stands in place of a value, if that is so."""
        mark = event.start_mark
        if mark is None or event.value or event.style in _QUOTES:
            return None
        gap = _BEFORE_COMMENT.match(self.text, mark.index)
        return Spot(self.file, mark.line + 1, mark.column + len(gap[0]) + 1) if gap else None

    def _place(self, node: Node, spot: Spot, key: str | None = None) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if parent.node.items is not None:
            parent.node.items.append(node)
        elif parent.key is None:
            if key is None:
                self.report.add(spot, "wrong-type", "a key must be a plain word")
            parent.key = (key or "", spot)
        else:
            self._enter(parent, node)

    def _enter(self, parent: _Open, node: Node) -> None:
        assert parent.node.entries is not None  # noqa: S101 - _place has told lists from tables
        key, spot = parent.key or ("", node.spot)
        parent.key = None
        if key == "<<":
            self.report.add(spot, "yaml-merge-key", "the merge key <<: write the values out")
        elif key in parent.node.entries:
            first = parent.node.entries[key][0].line
            self.report.add(spot, "duplicate-key", f'"{key}" stands here twice (first on line {first})')
        else:
            parent.node.entries[key] = (spot, node)
