"""Routes and their examples: a list in every file of ``routes/``, in the order of the files' names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any

from bridge.routing.entry import ExampleShape, RouteShape, WhenShape
from bridge.routing.fit import fit, refuse_unknown_keys
from bridge.routing.folder import shown
from bridge.routing.model import Brand, ClosingPolicy, Condition, Example, Mapping, Place, Route
from bridge.routing.nodes import Node, Report, Spot
from bridge.routing.shape import FALLBACK, Known, table, texts

_ROUTE_STAND_INS: Map[str, object] = {
    "queue": "?",
    "priority": None,
    "type": None,
    "closing": None,
    "promise": None,
    "severity": None,
    "closing_template": None,
    "ticket_tags": [],
    "fields": {},
    "assignee": None,
    "copies": [],
    "never": [],
    "examples": [],
}
# What an example tells of a post as it is written there.
_TOLD = ("author", "kind", "followers", "severity", "sentiment", "at")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A closing reply that a route names, and whose messages it takes, whatever else it says."""

    name: str
    spot: Spot
    reply: str
    when: Condition


@dataclass(slots=True)
class RouteReader:
    """Reads routes, and reports what is wrong with them. ``None`` is a file that could not be parsed.

    ``sure``: how many routes stand before the first that could not be read; None: all could.
    """

    documents: Map[str, Node | None]
    known: Known
    report: Report
    sure: int | None = None
    wanted: list[Wanted] = field(default_factory=list)

    def read(self) -> tuple[Route, ...]:
        """The routes that are whole, in the order of the files; faults go to the report."""
        routes: list[Route] = []
        seen: dict[str, Spot] = {}
        for root in self.documents.values():
            refuse_unknown_keys(root, ("routes",), self.report)
            if root is not None and (root.entries is None or root.find(("routes",)).items is None):
                self.report.add(root.spot, "missing-key", '"routes:" must be given in this file, as a list')
            if (root is None or not items_of(root)) and self.sure is None:
                self.sure = len(routes)
            for node in items_of(root):
                entry = fit(node, node.spot, RouteShape, self.known, self.report, _ROUTE_STAND_INS)
                name, at = name_of(node), node.find(("name",)).spot
                first = seen.setdefault(name, at) if name else at
                if name == FALLBACK:
                    self.report.add(at, "bad-name", f'"{FALLBACK}" is what examples call "no route"')
                    entry = None
                elif first is not at:
                    message = f'"{name}" is already in {first.file.removeprefix(shown(""))}:{first.line}'
                    self.report.add(at, "route-twice", message)
                self.wanted += self._wanted(node, name)
                made = self._examples(node, name)
                if entry is not None:
                    routes.append(_route(entry, node, made))
                elif self.sure is None:
                    self.sure = len(routes)
        return tuple(routes)

    def _wanted(self, route: Node, name: str) -> Iterator[Wanted]:
        """The reply that *route* names, as far as that and whose messages it takes can be read."""
        given = table(route.value)
        reply, when = given.get("closing_template"), table(given.get("when"))
        if not isinstance(reply, str) or reply not in (self.known.replies or ()):
            return
        for key, there in (("brands", self.known.brands), ("accounts", self.known.accounts)):
            if key in when and not set(texts(when[key])) & set(there or ()):
                return
        brands, accounts = (tuple(texts(when.get(key))) for key in ("brands", "accounts"))
        yield Wanted(name, route.spot, reply, Condition(brands=brands, accounts=accounts))

    def _examples(self, route: Node, name: str) -> tuple[Example, ...]:
        """The examples of *route* that are whole. What stands for none is the route's *name*."""
        made: list[Example] = []
        found = route.find(("examples",))
        for node in found.items or () if found is not route else ():
            entry = fit(node, node.spot, ExampleShape, self.known, self.report)
            if entry is not None:
                made.append(
                    Example(
                        text=entry.text,
                        tags=tuple(entry.tags),
                        expect=None if entry.expect == FALLBACK else entry.expect or name,
                        network=entry.network,
                        brand=entry.brand,
                        language=entry.language,
                        account=entry.account,
                        **{name: getattr(entry, name) for name in _TOLD},
                        place=place_of(node.spot),
                    )
                )
        return tuple(made)


def require_templates(
    wanted: Iterable[Wanted], brands: Map[str, Brand], mapping: Mapping, report: Report
) -> None:
    """Report each route whose own closing reply one of its *brands* does not have in its default language."""
    for route in wanted:
        for key in sorted(mapping.brands_of(route.when) & set(brands)):
            language = brands[key].languages[0]
            if (key, route.reply, language) not in mapping.templates:
                path = f"replies/{key}/{route.reply}.{language}.txt.j2"
                message = f"{route.name}: there is no {path}, and {language} is the brand's default language"
                report.add(route.spot, "template-missing", message)


def items_of(root: Node | None) -> list[Node]:
    """The routes of a file, as far as they are a list."""
    found = root.find(("routes",)).items if root is not None else None
    return found or []


def name_of(node: Node) -> str:
    """The name of a route, as far as it has one."""
    found = node.find(("name",))
    return found.scalar if found is not node and isinstance(found.scalar, str) else ""


def place_of(spot: Spot) -> Place:
    return Place(spot.file, spot.line, spot.column)


def _route(entry: RouteShape, node: Node, examples_of_it: tuple[Example, ...]) -> Route:
    return Route(
        name=entry.name,
        when=_condition(entry.when),
        queue=entry.queue,
        place=place_of(node.spot),
        priority=entry.priority,
        type=entry.type,
        closing=None if entry.closing is None else ClosingPolicy(entry.closing),
        promise=entry.promise.span if entry.promise else None,
        promise_class=entry.promise.name if entry.promise else None,
        severity=entry.severity,
        closing_template=entry.closing_template,
        ticket_tags=tuple(entry.ticket_tags),
        fields=entry.fields,
        assignee=entry.assignee,
        copies=tuple(dict.fromkeys(entry.copies)),
        never=tuple(entry.never),
        examples=examples_of_it,
    )


def _condition(entry: WhenShape) -> Condition:
    lists: dict[str, Any] = {name: tuple(asked) for name, asked in entry if isinstance(asked, list)}
    return Condition(
        **lists, min_followers=entry.min_followers, vip=entry.vip, hours=tuple(entry.hours.items())
    )
