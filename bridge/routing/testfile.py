"""The admins' tests of the whole mapping: a post, and all that must become of it.

Examples stand in a route and ask which route takes a post. Tests stand in files of
their own, so that each team owns its file, and ask what the team, the desk and the
customer would see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from bridge.core.message import SocialMessage
from bridge.core.ports import Network
from bridge.routing.account import network_label, public_account
from bridge.routing.decide import decide
from bridge.routing.entry import ExampleShape
from bridge.routing.examples import UNTAGGED, account_of, example_message
from bridge.routing.fit import fit, refuse_unknown_keys
from bridge.routing.folder import TESTS, shown
from bridge.routing.model import Example, Mapping, Place
from bridge.routing.nodes import Node, Report, Spot
from bridge.routing.shape import (
    FALLBACK,
    MOMENT,
    NO_CASE,
    Closing,
    EmailOrNone,
    Language,
    Name,
    QueueName,
    RouteName,
    Shape,
    Text,
    moment,
    wrong,
)
from bridge.routing.shape import Known as KnownNames
from bridge.routing.wording import Words, render

NONE = "none"
"""What a test writes where nothing is: no priority, no type, no promise, no severity, no assignee."""

PLAIN = ("route", "queue", "ticket", "priority", "type", "closing", "language", "public_reply")
"""What is expected of an outcome by the word, or not at all."""

GIVEN = ("severity", "assignee", "fields", "copies")
"""What a route gives where it says so; a test that is made of a case says nothing of the others."""

SAID = 300
"""How much of a reply a report repeats."""


def _end(value: object) -> datetime | None:
    return None if value == NONE else moment(value).replace(second=0)


End = Annotated[
    datetime | None,
    BeforeValidator(_end),
    WithJsonSchema(
        {"type": "string", "pattern": f"^({MOMENT}|{NONE})$", "examples": ["2026-12-25 18:30", NONE]}
    ),
]


_SAYS_SOMETHING = ConfigDict(json_schema_extra={"minProperties": 1})


class ReplyShape(Shape):
    """What the closing reply says: all of it, or parts of it."""

    model_config = _SAYS_SOMETHING

    text: Text | None = None
    """The whole of it, with one space between words and an empty line between paragraphs."""
    contains: Annotated[list[Text], Field(min_length=1)] = []
    """Each of these stands in it, letter by letter."""


class ExpectShape(Shape):
    """What must become of the post. What is left out may be anything."""

    model_config = _SAYS_SOMETHING

    route: RouteName | None = None
    """The route that takes it; fallback: none; no-case: it has no tag, so no case is opened."""
    queue: QueueName | None = None
    """The team that it goes to."""
    ticket: bool | None = None
    """true: a Zendesk ticket; false: a card in Slack only."""
    priority: Literal["low", "normal", "high", "urgent", "none"] | None = None
    """The ticket's priority; none: it has none."""
    type: Literal["question", "incident", "problem", "task", "none"] | None = None
    """The ticket's type; none: it has none."""
    severity: Literal["low", "medium", "high", "critical", "none"] | None = None
    """How much the route says is at stake; none: it says nothing."""
    assignee: EmailOrNone | None = None
    """The agent who gets the ticket, by e-mail address; none: nobody yet."""
    fields: dict[Text, Text] | None = None
    """The ticket's custom fields, as routes name them, all of them; {}: none."""
    copies: list[QueueName] | None = None
    """The queues that are told, too, all of them in any order; []: none."""
    closing: Closing | None = None
    """Who lets the closing reply out."""
    language: Language | None = None
    """The language of the reply."""
    public_reply: bool | None = None
    """true: a public reply is possible; false: it is not."""
    promise: End = None
    """When the customer is promised an answer by, in the brand's time; none: never."""
    reply: ReplyShape = ReplyShape()
    """What the closing reply says, without the mention that some networks put before it."""

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectShape:
        if not self.stated:
            raise wrong("empty-value", "nothing is expected: such a test cannot fail")
        return self

    @property
    def stated(self) -> list[str]:
        """The keys that say what is expected."""
        given = [key for key in (*PLAIN, *GIVEN) if getattr(self, key) is not None]
        given += ["promise"] if "promise" in self.model_fields_set else []
        return given + (["reply"] if self.reply.text is not None or self.reply.contains else [])


class TestShape(ExampleShape):
    """A post, and all that must become of it."""

    name: Name
    """Its name, given once in all files."""
    customer: str = "Anna"
    """The name of who wrote it, as their profile has it."""
    vip: bool = False
    """true: somebody of vips.yaml wrote it, whoever stands there first for that network."""
    expect: ExpectShape  # type: ignore[assignment]  # an example expects a route only
    """What must become of it: at least one of these."""


class TestsFile(Shape):
    """Posts, and all that must become of them: `bridge mappings check` tries each."""

    tests: list[TestShape]
    """In any order; each stands alone."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One test as it stands in its file."""

    entry: TestShape
    node: Node

    @property
    def spot(self) -> Spot:
        return self.node.spot


def read_tests(documents: Map[str, Node | None], known: KnownNames, report: Report) -> list[Stated]:
    """The tests that are whole, in file order; what is wrong with the others goes to *report*."""
    found: list[Stated] = []
    seen: dict[str, Spot] = {}
    for path, root in documents.items():
        if root is None or not TESTS.fullmatch(path):
            continue
        refuse_unknown_keys(root, ("tests",), report)
        items = root.find(("tests",)).items if root.entries is not None else None
        if items is None:
            report.add(root.spot, "missing-key", '"tests:" must be given in this file, as a list')
        for node in items or ():
            entry = fit(node, node.spot, TestShape, known, report)
            if entry is None:
                continue
            at = node.find(("name",)).spot
            first = seen.setdefault(entry.name, at)
            if first is at:
                found.append(Stated(entry, node))
            else:
                message = f'"{entry.name}" is already in {first.file.removeprefix(shown(""))}:{first.line}'
                report.add(at, "test-twice", message)
    return found


def run_tests(tests: list[Stated], mapping: Mapping, networks: Map[str, Network], report: Report) -> None:
    """Report each expectation that is not met, at its own line, with what came instead."""
    detects = any(route.when.languages for route in mapping.routes)
    for test in tests:
        entry = test.entry
        message = _message(entry, mapping)
        if message is None:
            whom = " or no VIP" if entry.vip else ""
            said = f"{entry.name}: no account{whom} fits what this test says of brand, network, account"
            report.add(test.spot, "test-unplaced", said)
            continue
        if not (detects or entry.expect.language or _asks_for_words(entry)):
            # Nobody asks for it here, and telling a text's language takes a model of 90 MB.
            brand = mapping.brands[mapping.account_brand[message.account]]
            message = replace(message, language=message.language or brand.languages[0])
        for path, came in _deviations(entry, outcome(message, mapping, networks)):
            report.add(test.node.find(path).spot, "test-mismatch", f"{entry.name}: {came}")


def _asks_for_words(entry: TestShape) -> bool:
    return bool(entry.expect.reply.text is not None or entry.expect.reply.contains)


_TOLD = tuple({one.name for one in fields(Example)} & set(ExampleShape.model_fields) - {"tags", "expect"})


def _message(entry: TestShape, mapping: Mapping) -> SocialMessage | None:
    """The post of *entry*, on the first account that fits what it says; None when there is none."""
    told = {name: getattr(entry, name) for name in _TOLD}
    example = Example(**told, tags=tuple(entry.tags), expect=None, place=Place("", 1))
    account = account_of(example, mapping)
    if account is None:
        return None
    zone = mapping.brands[mapping.account_brand[account.key]].zone
    message = example_message(example, account, zone)
    message = replace(message, author=replace(message.author, name=entry.customer))
    return by_vip(message, mapping) if entry.vip else message


def by_vip(message: SocialMessage, mapping: Mapping) -> SocialMessage | None:
    """*message* as if the first of the VIPs on its network had written it; None when there is none."""
    for vip in mapping.vips:
        if vip.network == message.network:
            author = message.author
            known = replace(author, id=vip.author_id or author.id, handle=vip.handle or author.handle)
            return replace(message, author=known)
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a post, in the words that tests are written in. ``promise``: in the brand's time.

    Where ``route`` is ``no-case``, nothing does, and the rest says nothing.
    """

    route: str
    queue: str
    ticket: bool
    priority: str
    type: str
    closing: str
    language: str
    public_reply: bool
    promise: datetime | None
    reply: str
    severity: str = NONE
    assignee: str = NONE
    fields: Map[str, str] = field(default_factory=dict)
    copies: tuple[str, ...] = ()


def outcome(message: SocialMessage, mapping: Mapping, networks: Map[str, Network]) -> Outcome:
    """What *mapping* makes of *message*, which came in on an account of a brand."""
    decision = decide(message, mapping, message.posted_at)
    entry = mapping.accounts[message.account]
    network = networks[entry.network]
    zone = ZoneInfo(mapping.brands[decision.brand].zone)
    end = decision.promise_at
    words = Words(message.author.name, message.author.handle, network_label(entry, network), end)
    rendered = render(mapping, decision.brand, decision.closing_template, decision.language, words)
    return Outcome(
        route=(decision.route or FALLBACK) if decision.opens_case else NO_CASE,
        queue=decision.queue,
        ticket=decision.ticket,
        priority=decision.priority or NONE,
        type=decision.type or NONE,
        closing=decision.closing.value,
        language=decision.language,
        public_reply=network.light(public_account(entry, decision.brand), message).possible,
        promise=end.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None) if end else None,
        reply=rendered.text if rendered else "",
        severity=decision.severity or NONE,
        assignee=(decision.ticket and decision.assignee) or NONE,
        fields=decision.fields if decision.ticket else {},
        copies=decision.copies,
    )


def _deviations(entry: TestShape, came: Outcome) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path of the expectation, what is wrong) for each that is not met."""
    expected = entry.expect
    if came.route == NO_CASE:
        others = [key for key in expected.stated if (key, expected.route) != ("route", NO_CASE)]
        if others:
            only = f"expect {{route: {NO_CASE}}} and nothing else"
            yield ("expect", others[0]), f"the post {UNTAGGED}, or {only}"
        return
    for key in (*PLAIN, *GIVEN):
        wanted, got = getattr(expected, key), getattr(came, key)
        if wanted is not None and not alike(wanted, got):
            yield ("expect", key), f"{key} is {written(got)}, not {written(wanted)}"
    if "promise" in expected.model_fields_set and expected.promise != came.promise:
        yield ("expect", "promise"), f"promise is {written(came.promise)}, not {written(expected.promise)}"
    said = came.reply if len(came.reply) <= SAID else came.reply[: SAID - 1] + "…"
    if expected.reply.text not in (None, came.reply):
        yield ("expect", "reply", "text"), f'the reply is "{said}"'
    for number, part in enumerate(expected.reply.contains):
        if part not in came.reply:
            yield ("expect", "reply", "contains", number), f'"{part}" is not in the reply, which is "{said}"'


def alike(one: object, other: object) -> bool:
    """Whether two values of an outcome are the same; who is told has no order."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return set(one) == set(other)
    return one == other


def written(value: object) -> str:
    """*value* of an outcome as tests write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, Map):
        return f"{{{', '.join(f'{quoted(key)}: {quoted(said)}' for key, said in value.items())}}}"
    if isinstance(value, datetime):
        return f"{value.date()} {value:%H:%M}"  # not %Y: on Linux, it has no zeros before an early year
    return str(value or NONE)


_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def quoted(text: str) -> str:
    """*text* as YAML has it between double quotes, on one line."""
    plain = json.dumps(text, ensure_ascii=False)
    return _UNPRINTED.sub(lambda match: f"\\u{ord(match[0]):04x}", plain)
