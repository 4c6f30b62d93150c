"""From the admins' texts to a `Mapping`, or to every reason why not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as Map
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pydantic_core import PydanticCustomError

from bridge.core.ports import Network
from bridge.errors import Fault, MappingError
from bridge.routing import canary, examples
from bridge.routing.account import AccountReader
from bridge.routing.entry import (
    BrandShape,
    CalendarShape,
    QueueShape,
    TagShape,
    VipShape,
    Week,
)
from bridge.routing.fit import Section, fit, refuse_unknown_keys, section
from bridge.routing.folder import QUEUES, ROUTES, TESTS, check_files, read_folder, shown
from bridge.routing.held import require_fitting, require_free_to_leave
from bridge.routing.match import tag_name
from bridge.routing.model import (
    AutoTag,
    Brand,
    Calendar,
    ClosingPolicy,
    Mapping,
    Place,
    Queue,
    Vip,
)
from bridge.routing.nodes import Node, Report, Spot, instead, read
from bridge.routing.reply import read_templates, reply_names, require_closing_replies
from bridge.routing.route import RouteReader, items_of, name_of, place_of, require_templates
from bridge.routing.shape import CLOSING, DAYS, FALLBACK, Known, duration, is_span
from bridge.routing.testfile import Stated, read_tests, run_tests
from bridge.routing.voice import read_voices


def load(folder: Path, networks: Map[str, Network]) -> Mapping:
    """Read and check the mapping in *folder*. Raises MappingError with every fault."""
    report = Report()
    return _load(read_folder(folder, report), networks, report)


def load_files(files: Map[str, str], networks: Map[str, Network], *, try_out: bool = True) -> Mapping:
    """Check a mapping given by its texts (path within the folder → text), as a stored version is.

    *try_out* False: examples and tests are not run, and what a later release came to ask is
    not asked. What has served has passed them, and a later release may read a language or know
    a holiday otherwise: no case may lose its version over that.
    """
    return _load(files, networks, Report(has_served=not try_out), try_out=try_out)


def version_of(files: Map[str, str]) -> str:
    """The hash that names a mapping: the same texts under the same names, the same version."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


def _load(
    files: Map[str, str], networks: Map[str, Network], report: Report, *, try_out: bool = True
) -> Mapping:
    check_files(files, report)
    documents = {
        name: read(shown(name), files[name], report) for name in sorted(files) if name.endswith(".yaml")
    }
    reading = _Reading(files, documents, networks, report)
    mapping = reading.mapping(files)
    reading.require_templates(mapping)
    if try_out:
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
        self.team_files = {name: root for name, root in documents.items() if QUEUES.fullmatch(name)}
        parsed = {shown(name) for name in documents}
        self.all_queues_read = not any(
            f"{fault.file}/".startswith(shown("queues/")) and fault.file not in parsed
            for fault in report.faults
        )
        self.route_files = {name: root for name, root in documents.items() if ROUTES.fullmatch(name)}
        self.known = self._known(tuple(networks), files)
        self.routes = RouteReader(self.route_files, self.known, report, sure=0 if unread else None)
        self.accounts = AccountReader(self.known, networks, report)
        self.account_brand: dict[str, str] = {}
        self.sure_of_hours = self.known.calendars is not None
        self.sure_of_vips = documents.get("vips.yaml", _NONE) is not None
        self.examples_can_run = self.known.accounts is not None and self.known.tags is not None

    def mapping(self, files: Map[str, str]) -> Mapping:
        """The mapping, as far as it can be put together; to be served only without faults."""
        for name, keys in _TOP.items():
            refuse_unknown_keys(self.documents.get(name), keys, self.report)
        for root in self.team_files.values():
            refuse_unknown_keys(root, ("queues",), self.report)
        brands = self._brands()
        queues = self._queues()
        sources = self.accounts.read(self._top("tag_sources"))
        tags, auto_tags, tag_places = self._tags()
        replies = read_templates(files, self.known, self.report)
        wanted = self._wanted_replies()
        sure = [brand for brand in brands.values() if brand.languages != _UNREAD]
        require_closing_replies(sure, wanted, replies, self.report)
        self.tests = read_tests(self.documents, self.known, self.report)
        voices = read_voices(self.documents, brands, self.known, self.report)
        require_free_to_leave(brands, voices, replies, files, self.report)
        accounts = [account for brand in brands.values() for account in brand.accounts]
        mapping = Mapping(
            version=version_of(files),
            files=dict(files),
            brands=brands,
            queues=queues,
            calendars=self._calendars(),
            routes=self.routes.read(),
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
            vips=self._vips(),
            promises=self.known.promises or {},
            promise_places={key: place_of(spot) for key, (spot, _) in self._top("promises").items()},
        )
        require_fitting(mapping, replies, self.networks, self.report)
        return mapping

    def require_templates(self, mapping: Mapping) -> None:
        """Report routes whose own closing reply is not there, for brands whose languages are known."""
        sure = {key: brand for key, brand in mapping.brands.items() if brand.languages != _UNREAD}
        require_templates(self.routes.wanted, sure, mapping, self.report)

    def try_examples(self, mapping: Mapping) -> None:
        """Run the examples, but for those that hang on something that could not be read."""
        asked = [route.when for route in mapping.routes]
        unsure_hours = not self.sure_of_hours and any(when.hours for when in asked)
        unsure_vips = not self.sure_of_vips and any(when.vip is not None for when in asked)
        if self.examples_can_run and not unsure_hours and not unsure_vips:
            examples.run(mapping, self.report, self.routes.sure)

    def _section(self, name: str, report: Report) -> Section:
        """The entries under *name* in its file; queues, of the teams' own files besides."""
        lacks = name in _MAY_LACK or (name == "queues" and self.team_files)
        found = dict(section(self.documents.get(_FILE_OF[name]), name, report, required=not lacks))
        for root in self.team_files.values() if name == "queues" else ():
            for key, (spot, node) in section(root, name, report).items():
                first, _ = found.setdefault(key, (spot, node))
                if first is not spot:
                    message = f'"{key}" is already in {first.file.removeprefix(shown(""))}:{first.line}'
                    report.add(spot, "queue-twice", message)
        return found

    def try_tests(self, mapping: Mapping) -> None:
        """Run the tests of the whole, once nothing that they hang on is at fault."""
        if all(_leaves_tests_alone(fault) for fault in self.report.faults):
            run_tests(self.tests, mapping, self.networks, self.report)

    def _top(self, name: str) -> Section:
        root = self.documents.get(_FILE_OF[name])
        before = len(self.report.faults)
        found = self._section(name, self.report)
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
            found = self._section(key, quiet)
            unsure = any(fault.rule != "queue-twice" for fault in quiet.faults)
            if key == "queues":
                unsure = unsure or not self.all_queues_read or None in self.team_files.values()
            return None if root is None or unsure or (key in _NEEDED and not found) else set(found)

        quiet = Report()
        brands = section(self.documents.get("brands.yaml"), "brands", quiet)
        accounts = [key for _, brand in brands.values() for key in section(brand, "accounts", quiet)]
        routes = [name_of(node) for root in self.route_files.values() for node in items_of(root)]
        readable = self.route_files and all(root is not None for root in self.route_files.values())
        return Known(
            networks=networks,
            brands=names("brands"),
            accounts=None if names("brands") is None else set(accounts),
            queues=names("queues"),
            calendars=names("calendars"),
            tags=names("tags"),
            routes={*routes, FALLBACK} if readable else None,
            replies=reply_names(files, self.report),
            shifts=self._shift_names(),
            promises=self._promises(),
        )

    def _promises(self) -> dict[str, timedelta] | None:
        """The promises that have a name; a faulty one is reported, and goes on as an hour."""
        if self.documents.get("queues.yaml") is None:
            return None
        promises: dict[str, timedelta] = {}
        for key, (spot, node) in self._top("promises").items():
            if is_span(key):
                self.report.add(spot, "bad-name", f'"{key}" is a span of time; a name says what it is for')
            try:
                promises[key] = duration(node.value)
            except PydanticCustomError as fault:
                promises[key] = timedelta(hours=1)
                self.report.add(node.spot, fault.type, f"{key}: {fault.message()}")
        return promises

    def _shift_names(self) -> dict[str, set[str]] | None:
        root, quiet = self.documents.get("hours.yaml"), Report()
        calendars = section(root, "calendars", quiet)
        if root is None or quiet.faults:
            return None
        return {
            key: set(section(node, "shifts", quiet, required=False)) for key, (_, node) in calendars.items()
        }

    def _brands(self) -> dict[str, Brand]:
        brands: dict[str, Brand] = {}
        taken: dict[str, str] = {}
        for key, (spot, node) in self._top("brands").items():
            entry = fit(node, spot, BrandShape, self.known, self.report, _BRAND_STAND_INS)
            given = section(node, "accounts", Report())
            accounts = self.accounts.read(given)
            for name in given:
                self.account_brand.setdefault(name, key)
            claims = [(name, name) for name in given]
            claims += [
                (account.key, f"{account.network}:{account.handle.lower()}")
                for account in accounts
                if account.handle
            ]
            for name, claim in claims:
                if taken.setdefault(claim, key) != key:
                    at = node.key_spot(("accounts", name))
                    message = f"{name}: {taken[claim]} has this account; it belongs to one brand"
                    self.report.add(at, "account-twice", message)
            if entry is None or tuple(entry.languages) == _UNREAD:
                self.examples_can_run = False
            if entry is not None:
                brands[key] = Brand(
                    key=key,
                    name=entry.name,
                    languages=tuple(entry.languages),
                    fallbacks={code: tuple(chain) for code, chain in entry.fallbacks.items()},
                    signature=entry.signature,
                    zone=entry.zone,
                    accounts=tuple(accounts),
                    place=place_of(spot),
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
                fields = entry.model_dump(exclude={"hours", "closing", "approvers", "promise"})
                queues[key] = Queue(
                    key=key,
                    calendar=entry.hours,
                    closing=ClosingPolicy(entry.closing),
                    approvers=tuple(entry.approvers),
                    promise=entry.promise.span if entry.promise else None,
                    promise_class=entry.promise.name if entry.promise else None,
                    place=place_of(spot),
                    **fields,
                )
        return queues

    def _wanted_replies(self) -> set[str]:
        """The replies that close what the desk solves, as far as there are such; right or wrong queues."""
        wanted: set[str] = set()
        for _, node in self._section("queues", Report()).values():
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
            hint = instead(name, self.known.queues)
            self.report.add(node.spot, "unknown-queue", f'fallback: there is no queue "{name}"{hint}')
        return str(name)

    def _calendars(self) -> dict[str, Calendar]:
        calendars: dict[str, Calendar] = {}
        for key, (spot, node) in self._top("calendars").items():
            entry = fit(node, spot, CalendarShape, self.known, self.report)
            if entry is None:
                self.sure_of_hours = False
            else:
                named = {name: _calendar(name, week, entry) for name, week in entry.shifts.items()}
                calendars[key] = replace(_calendar(key, entry.week, entry), named=named)
        return calendars

    def _vips(self) -> tuple[Vip, ...]:
        vips: list[Vip] = []
        listed: dict[tuple[str, str], str] = {}
        for key, (spot, node) in self._top("vips").items():
            entry = fit(node, spot, VipShape, self.known, self.report)
            if entry is None:
                self.sure_of_vips = False
            else:
                vip = Vip(key, entry.network, entry.handle, entry.id, entry.why, place_of(spot))
                for name in vip.names:
                    first = listed.setdefault((vip.network, name), key)
                    if first != key:
                        message = f"{key} and {first} are the same person: {vip.network}, {name}"
                        self.report.add_newer(spot, "vip-twice", message)
                vips.append(vip)
        return tuple(vips)

    def _tags(self) -> tuple[dict[str, str], tuple[AutoTag, ...], dict[str, Place]]:
        tags: dict[str, str] = {}
        places: dict[str, Place] = {}
        auto: list[AutoTag] = []
        for key, (spot, node) in self._top("tags").items():
            entry = fit(node, spot, TagShape, self.known, self.report, {"meaning": "?"})
            if entry is None:
                self.examples_can_run = False
            else:
                tags[key], places[key] = entry.meaning, place_of(spot)
                if entry.words:
                    auto.append(AutoTag(key, tuple(entry.words), place_of(spot)))
        return tags, tuple(auto), places


_TOP = {
    "brands.yaml": ("brands", "tag_sources"),
    "queues.yaml": ("fallback", "promises", "queues"),
    "hours.yaml": ("calendars",),
    "tags.yaml": ("tags",),
    "vips.yaml": ("vips",),
}
_MAY_LACK = ("tag_sources", "promises")
_UNREAD = ("qaa",)
"""The languages of a brand whose own could not be read (ISO 639 keeps this code free for such a use)."""
# What other faults of a brand do not hang on.
_BRAND_STAND_INS: Map[str, object] = {
    "name": "?",
    "languages": list(_UNREAD),
    "zone": "UTC",
    "fallbacks": {},
    "signature": "",
    "help_link": None,
    "desk_brand": None,
    "accounts": {},
}
_NEEDED = ("brands", "queues")
_NONE = Node(Spot(""))
_FILE_OF = {key: file for file, keys in _TOP.items() for key in keys}


_OF_WORDS_ALONE = frozenset(
    {
        "example-mismatch",
        "example-unplaced",
        "banned-word",
        "reply-held",
        "reply-beyond-limit",
        "unknown-file",
    }
)


def _leaves_tests_alone(fault: Fault) -> bool:
    """Whether *fault* has no say in what becomes of a post: then the tests are told of as well."""
    path = fault.file.removeprefix(shown(""))
    return path == canary.FILE or TESTS.fullmatch(path) is not None or fault.rule in _OF_WORDS_ALONE


def _calendar(key: str, week: Week, entry: CalendarShape) -> Calendar:
    """*entry* with the hours of *week*."""
    shifts = {DAYS.index(day): tuple(sorted(hours)) for day, hours in week.items()}
    return Calendar(key, entry.zone, shifts, frozenset(entry.holidays), entry.country)
