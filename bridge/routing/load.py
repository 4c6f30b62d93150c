"""From the admins' texts to a `Mapping`, or to every reason why not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as Map
from pathlib import Path

from bridge.core.ports import Network
from bridge.errors import Fault, MappingError
from bridge.routing import canary, examples
from bridge.routing.account import AccountReader
from bridge.routing.entry import (
    BrandShape,
    CalendarShape,
    ExampleShape,
    QueueShape,
    RouteShape,
    TagShape,
)
from bridge.routing.fit import Section, fit, refuse_unknown_keys, section
from bridge.routing.folder import ROUTES, TESTS, check_files, read_folder, shown
from bridge.routing.match import tag_name
from bridge.routing.model import (
    AutoTag,
    Brand,
    Calendar,
    ClosingPolicy,
    Condition,
    Example,
    Mapping,
    Place,
    Queue,
    Route,
)
from bridge.routing.nodes import Node, Report, Spot, nearest, read
from bridge.routing.reply import hold_against_voices, read_templates, reply_names, require_closing_replies
from bridge.routing.shape import CLOSING, DAYS, FALLBACK, Known
from bridge.routing.testfile import Stated, read_tests, run_tests
from bridge.routing.voice import read_voices


def load(folder: Path, networks: Map[str, Network]) -> Mapping:
    """Read and check the mapping in *folder*. Raises MappingError with every fault."""
    report = Report()
    return _load(read_folder(folder, report), networks, report)


def load_files(files: Map[str, str], networks: Map[str, Network]) -> Mapping:
    """Check a mapping given by its texts (path within the folder → text), as a stored version is."""
    return _load(files, networks, Report())


def version_of(files: Map[str, str]) -> str:
    """The hash that names a mapping: the same texts under the same names, the same version."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


def _load(files: Map[str, str], networks: Map[str, Network], report: Report) -> Mapping:
    check_files(files, report)
    documents = {
        name: read(shown(name), files[name], report) for name in sorted(files) if name.endswith(".yaml")
    }
    reading = _Reading(files, documents, networks, report)
    mapping = reading.mapping(files)
    reading.try_examples(mapping)
    reading.try_tests(mapping)
    if report.faults:
        raise MappingError(report.faults)
    return mapping


class _Reading:
    """One pass over the documents. ``None`` among them is a file that could not be parsed."""

    def __init__(
        self,
        files: Map[str, str],
        documents: Map[str, Node | None],
        networks: Map[str, Network],
        report: Report,
    ) -> None:
        self.documents = documents
        self.networks = networks
        self.report = report
        self.tests: list[Stated] = []
        unread = any(fault.file.startswith(shown("routes")) for fault in report.faults)
        self.sure_routes: int | None = 0 if unread else None
        self.routes = {name: root for name, root in documents.items() if ROUTES.fullmatch(name)}
        self.known = self._known(tuple(networks), files)
        self.accounts = AccountReader(self.known, networks, report)
        self.account_brand: dict[str, str] = {}
        self.examples_can_run = self.known.accounts is not None and self.known.tags is not None

    def mapping(self, files: Map[str, str]) -> Mapping:
        """The mapping, as far as it can be put together; to be served only without faults."""
        for name, keys in _TOP.items():
            refuse_unknown_keys(self.documents.get(name), keys, self.report)
        brands = self._brands()
        queues = self._queues()
        sources = self.accounts.read(self._top("tag_sources"))
        tags, auto_tags, tag_places = self._tags()
        replies = read_templates(files, self.known, self.report)
        wanted = self._wanted_replies()
        require_closing_replies(brands.values(), wanted, replies, self.report)
        self.tests = read_tests(self.documents, self.known, self.report)
        voices = read_voices(self.documents, brands, self.known, self.report)
        hold_against_voices(brands, voices, replies.templates.values(), self.report)
        accounts = [account for brand in brands.values() for account in brand.accounts]
        return Mapping(
            version=version_of(files),
            files=dict(files),
            brands=brands,
            queues=queues,
            calendars=self._calendars(),
            routes=self._routes(),
            fallback=self._fallback(),
            tags=tags,
            tag_places=tag_places,
            auto_tags=auto_tags,
            templates=replies.templates,
            accounts={account.key: account for account in (*accounts, *sources)},
            account_brand=self.account_brand,
            canary=canary.read_canary(self.documents.get(canary.FILE), self.known, self.report),
            voices=voices,
            tests=tuple(test.entry.name for test in self.tests),
        )

    def try_examples(self, mapping: Mapping) -> None:
        """Run the examples, but for those that hang on something that could not be read."""
        if self.examples_can_run:
            examples.run(mapping, self.report, self.sure_routes)

    def try_tests(self, mapping: Mapping) -> None:
        """Run the tests of the whole, once nothing that they hang on is at fault."""
        if all(_leaves_tests_alone(fault) for fault in self.report.faults):
            run_tests(self.tests, mapping, self.networks, self.report)

    def _top(self, name: str) -> Section:
        root = self.documents.get(_FILE_OF[name])
        before = len(self.report.faults)
        found = section(root, name, self.report, required=name != "tag_sources")
        if root is not None and not found and name in _NEEDED and len(self.report.faults) == before:
            self.report.add(root.key_spot((name,)), "empty-value", f"{name}: must not be empty")
        for key, (spot, _) in found.items():
            if key != tag_name(key):
                advice = f'write it in small letters, digits and hyphens: "{tag_name(key)}"'
                self.report.add(spot, "bad-name", f'"{key}" is no good name here; {advice}')
        return found

    def _known(self, networks: tuple[str, ...], files: Map[str, str]) -> Known:
        """The names that are there to be referred to, right or wrong in themselves."""

        def names(key: str) -> set[str] | None:
            root, quiet = self.documents.get(_FILE_OF[key]), Report()
            found = section(root, key, quiet)
            nothing_known = root is None or quiet.faults or (key in _NEEDED and not found)
            return None if nothing_known else set(found)

        quiet = Report()
        brands = section(self.documents.get("brands.yaml"), "brands", quiet)
        accounts = [key for _, brand in brands.values() for key in section(brand, "accounts", quiet)]
        routes = [_name(node) for root in self.routes.values() for node in _items(root)]
        readable = self.routes and all(root is not None for root in self.routes.values())
        return Known(
            networks=networks,
            brands=names("brands"),
            accounts=None if names("brands") is None else set(accounts),
            queues=names("queues"),
            calendars=names("calendars"),
            tags=names("tags"),
            routes={*routes, FALLBACK} if readable else None,
            replies=reply_names(files, self.report),
        )

    def _brands(self) -> dict[str, Brand]:
        brands: dict[str, Brand] = {}
        taken: dict[str, str] = {}
        for key, (spot, node) in self._top("brands").items():
            entry = fit(node, spot, BrandShape, self.known, self.report, _BRAND_STAND_INS)
            given = section(node, "accounts", Report())
            accounts = self.accounts.read(given)
            for name in given:
                self.account_brand.setdefault(name, key)
            for account in accounts:
                handle = f"{account.network}:{account.handle.lower()}" if account.handle else ""
                for claim in filter(None, (account.key, handle)):
                    if taken.setdefault(claim, key) != key:
                        at = node.key_spot(("accounts", account.key))
                        message = f"{account.key}: {taken[claim]} has this account; it belongs to one brand"
                        self.report.add(at, "account-twice", message)
            if entry is None:
                self.examples_can_run = False
            else:
                brands[key] = Brand(
                    key=key,
                    name=entry.name,
                    languages=tuple(entry.languages),
                    fallbacks={code: tuple(chain) for code, chain in entry.fallbacks.items()},
                    signature=entry.signature,
                    zone=entry.zone,
                    accounts=tuple(accounts),
                    place=_place(spot),
                    help_link=entry.help_link,
                    desk_brand=entry.desk_brand,
                )
        for key, (spot, _) in self._top("tag_sources").items():
            if key in taken:
                message = f"{key}: {taken[key]} has an account of this name; a tag source is not an account"
                self.report.add(spot, "account-twice", message)
        return brands

    def _queues(self) -> dict[str, Queue]:
        queues: dict[str, Queue] = {}
        for key, (spot, node) in self._top("queues").items():
            entry = fit(node, spot, QueueShape, self.known, self.report)
            if entry is not None:
                fields = entry.model_dump(exclude={"hours", "closing", "approvers"})
                queues[key] = Queue(
                    key=key,
                    calendar=entry.hours,
                    closing=ClosingPolicy(entry.closing),
                    approvers=tuple(entry.approvers),
                    place=_place(spot),
                    **fields,
                )
        return queues

    def _wanted_replies(self) -> set[str]:
        """The replies that close what the desk solves, as far as there are such; right or wrong queues."""
        wanted: set[str] = set()
        for _, node in section(self.documents.get("queues.yaml"), "queues", Report()).values():
            given = (node.entries or {}).get("closing_template")
            name = CLOSING if given is None else given[1].scalar
            if isinstance(name, str) and node.find(("ticket",)).scalar is True:
                wanted.add(name)
        # A name that no reply has is the queue's fault, and each brand's only when no queue names it.
        return {name for name in wanted if name == CLOSING or name in (self.known.replies or ())}

    def _fallback(self) -> str:
        root = self.documents.get("queues.yaml")
        if root is None or root.entries is None:
            return ""
        if "fallback" not in root.entries:
            self.report.add(root.spot, "missing-key", '"fallback:" must be given: the queue for all the rest')
            return ""
        node = root.entries["fallback"][1]
        name = node.scalar
        if not isinstance(name, str):
            self.report.add(node.spot, "wrong-type", "fallback: must be the name of a queue")
        elif self.known.queues is not None and name not in self.known.queues:
            hint = nearest(name, self.known.queues)
            self.report.add(node.spot, "unknown-queue", f'fallback: there is no queue "{name}"{hint}')
        return str(name)

    def _calendars(self) -> dict[str, Calendar]:
        calendars: dict[str, Calendar] = {}
        for key, (spot, node) in self._top("calendars").items():
            entry = fit(node, spot, CalendarShape, self.known, self.report)
            if entry is not None:
                shifts = {DAYS.index(day): tuple(sorted(hours)) for day, hours in entry.week.items()}
                own = frozenset(entry.holidays)
                calendars[key] = Calendar(key, entry.zone, shifts, own, entry.country)
        return calendars

    def _tags(self) -> tuple[dict[str, str], tuple[AutoTag, ...], dict[str, Place]]:
        tags: dict[str, str] = {}
        places: dict[str, Place] = {}
        auto: list[AutoTag] = []
        for key, (spot, node) in self._top("tags").items():
            entry = fit(node, spot, TagShape, self.known, self.report, {"meaning": "?"})
            if entry is None:
                self.examples_can_run = False
            else:
                tags[key], places[key] = entry.meaning, _place(spot)
                if entry.words:
                    auto.append(AutoTag(key, tuple(entry.words), _place(spot)))
        return tags, tuple(auto), places

    def _routes(self) -> tuple[Route, ...]:
        routes: list[Route] = []
        seen: dict[str, Spot] = {}
        for root in self.routes.values():
            refuse_unknown_keys(root, ("routes",), self.report)
            if root is not None and (root.entries is None or root.find(("routes",)).items is None):
                self.report.add(root.spot, "missing-key", '"routes:" must be given in this file, as a list')
            if (root is None or not _items(root)) and self.sure_routes is None:
                self.sure_routes = len(routes)
            for node in _items(root):
                entry = fit(node, node.spot, RouteShape, self.known, self.report, _ROUTE_STAND_INS)
                name, at = _name(node), node.find(("name",)).spot
                first = seen.setdefault(name, at) if name else at
                if name == FALLBACK:
                    self.report.add(at, "bad-name", f'"{FALLBACK}" is what examples call "no route"')
                    entry = None
                elif first is not at:
                    message = f'"{name}" is already in {first.file.removeprefix(shown(""))}:{first.line}'
                    self.report.add(at, "route-twice", message)
                made = self._examples(node, name)
                if entry is not None:
                    routes.append(_route(entry, node, made))
                elif self.sure_routes is None:
                    self.sure_routes = len(routes)
        return tuple(routes)

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
                        place=_place(node.spot),
                    )
                )
        return tuple(made)


_TOP = {
    "brands.yaml": ("brands", "tag_sources"),
    "queues.yaml": ("fallback", "queues"),
    "hours.yaml": ("calendars",),
    "tags.yaml": ("tags",),
}
_NEEDED = ("brands", "queues")
# What neither the examples nor the replies that must be there hang on.
_BRAND_STAND_INS: Map[str, object] = {
    "name": "?",
    "zone": "UTC",
    "fallbacks": {},
    "signature": "",
    "help_link": None,
    "desk_brand": None,
    "accounts": {},
}
_ROUTE_STAND_INS: Map[str, object] = {
    "queue": "?",
    "priority": None,
    "type": None,
    "closing": None,
    "promise": None,
    "ticket_tags": [],
    "examples": [],
}
_FILE_OF = {key: file for file, keys in _TOP.items() for key in keys}


def _leaves_tests_alone(fault: Fault) -> bool:
    """Whether *fault* has no say in what becomes of a post: then the tests are told of as well."""
    path = fault.file.removeprefix(shown(""))
    return (
        path == canary.FILE
        or TESTS.fullmatch(path) is not None
        or fault.rule in ("example-mismatch", "example-unplaced", "banned-word", "unknown-file")
    )


def _items(root: Node | None) -> list[Node]:
    """The routes of a file, as far as they are a list."""
    found = root.find(("routes",)).items if root is not None else None
    return found or []


def _name(node: Node) -> str:
    """The name of a route, as far as it has one."""
    found = node.find(("name",))
    return found.scalar if found is not node and isinstance(found.scalar, str) else ""


def _place(spot: Spot) -> Place:
    return Place(spot.file, spot.line, spot.column)


def _route(entry: RouteShape, node: Node, examples_of_it: tuple[Example, ...]) -> Route:
    when = {name: tuple(asked) for name, asked in entry.when}
    return Route(
        name=entry.name,
        when=Condition(**when),
        queue=entry.queue,
        place=_place(node.spot),
        priority=entry.priority,
        type=entry.type,
        closing=None if entry.closing is None else ClosingPolicy(entry.closing),
        promise=entry.promise,
        ticket_tags=tuple(entry.ticket_tags),
        examples=examples_of_it,
    )
