"""A real post becomes a test of the whole mapping, with what tells who wrote it replaced.

Knows neither where cases are kept nor where files lie, so that a command and a button can
both call it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from bridge.core.message import Author, MessageKind, SocialMessage
from bridge.core.ports import Network
from bridge.errors import MappingError
from bridge.routing.disguise import SOMEBODY, disguise
from bridge.routing.examples import visibility_of
from bridge.routing.folder import TESTS, shown
from bridge.routing.language import spoken
from bridge.routing.load import load_files
from bridge.routing.match import tag_name
from bridge.routing.model import Mapping
from bridge.routing.nodes import Report, read
from bridge.routing.shape import NO_CASE
from bridge.routing.testfile import GIVEN, NONE, PLAIN, Outcome, alike, by_vip, outcome, quoted, written
from bridge.routing.wording import safe_name

FILE = "tests/pinned.yaml"
"""Where a test goes, if nobody says otherwise."""

_HEAD = """\
# yaml-language-server: $schema=../.schema/tests.json
# Real posts, with personal data replaced: see "bridge mappings pin".

tests:
"""
_DASH = re.compile(r"( *)- +")


class NotPinnedError(Exception):
    """Why there is no test; a sentence or more for who asked."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """What to append to ``file``, which is the whole of it where there was none.

    ``replaced`` names the kinds of what was taken out. ``fails``: the expectations that the
    mapping does not meet today, where somebody wants what was and not what is.
    """

    file: str
    addition: str
    replaced: tuple[str, ...]
    fails: tuple[str, ...] = ()


def differences(before: Outcome, now: Outcome) -> Iterator[str]:
    """What a test would state otherwise, one line each; the words of the reply are not compared."""
    # Of a post that opens no case nothing else is to be compared.
    opened = NO_CASE not in (before.route, now.route)
    for key in (*PLAIN, "promise", *GIVEN) if opened else ("route",):
        old, new = getattr(before, key), getattr(now, key)
        if not alike(old, new):
            yield f"{key}: {written(old)}, now {written(new)}"


def pin(
    message: SocialMessage,
    mapping: Mapping,
    networks: Map[str, Network],
    name: str,
    *,
    file: str = FILE,
    expected: Outcome | None = None,
    with_reply: bool = False,
) -> Pinned:
    """The test called *name* for *message*, as it goes into *file* of *mapping*'s folder.

    Expects what becomes of the message today, or what is *expected* (``reply`` is not
    looked at then). Raises NotPinnedError where the post would become something else
    without the words that were replaced, or the file would not be sound with the test.
    """
    _refuse_names(name, file, mapping)
    # A test knows no seconds.
    whole = replace(message, posted_at=message.posted_at.replace(second=0, microsecond=0))
    disguised, replaced = _disguised(whole, mapping)
    now, then = outcome(whole, mapping, networks), outcome(disguised, mapping, networks)
    if whole.tags and not disguised.tags and then.route == NO_CASE != now.route:
        tags = ", ".join(sorted(whole.tags))
        raise NotPinnedError(
            f"A test can give no tag that is not in tags.yaml ({tags}), and without a tag no case is opened: "
            "write one of them there first."
        )
    changed = list(differences(now, then))
    if changed:
        kinds = f" ({', '.join(replaced)})" if replaced else ""
        raise NotPinnedError(
            f"Without its personal data{kinds} the post would become something else, so a test of it would "
            "prove nothing:\n  " + "\n  ".join(changed)
        )
    wanted = expected or then
    lines = list(_lines(disguised, name, mapping, wanted, then.reply if with_reply else ""))
    before = mapping.files.get(file)
    addition = _HEAD + _item(lines, 2, "\n") if before is None else _next_item(before, lines, file)
    files = {**mapping.files, file: (before or "") + addition}
    fails = _faults(files, networks, file, name, may_differ=expected is not None)
    return Pinned(file, addition, replaced, fails)


def _refuse_names(name: str, file: str, mapping: Mapping) -> None:
    if not TESTS.fullmatch(file):
        raise NotPinnedError(f"Tests stand in files such as {FILE}, not in {file}.")
    if name in mapping.tests:
        raise NotPinnedError(f"There is a test called {name} already. Give this one another name.")


def _disguised(message: SocialMessage, mapping: Mapping) -> tuple[SocialMessage, tuple[str, ...]]:
    """*message* as the test tells it, and the kinds of what was replaced."""
    brand = mapping.brands[mapping.account_brand[message.account]]
    author = message.author
    ours = (
        *(account.handle for one in mapping.brands.values() for account in one.accounts),
        *(one.name for one in mapping.brands.values()),
    )
    # Their server's name tells no more than ours does.
    handle = author.handle.lstrip("@").partition("@")[0]
    hidden = disguise(message.text, names=(author.name, handle), keep=_own(ours))
    called = SOMEBODY if safe_name(author.name, author.handle) else ""
    said = replace(
        message,
        id="example",
        author=Author("@example", "@example", called, followers=_reach(author.followers, mapping)),
        text=hidden.text,
        language=spoken(message, brand)[0],
        visibility=visibility_of(message.kind),
        tags=frozenset(tag for one in message.tags if (tag := tag_name(one)) in mapping.tags),
    )
    is_vip = mapping.vip(message.network, author.id, author.handle) is not None
    return (by_vip(said, mapping) or said) if is_vip else said, hidden.replaced


def _reach(followers: int | None, mapping: Mapping) -> int | None:
    """As many followers as routes tell apart: the exact number would tell whose they are."""
    if followers is None:
        return None
    asked = (route.when.min_followers or 0 for route in mapping.routes)
    return max((least for least in asked if least <= followers), default=0)


def _own(names: Collection[str]) -> set[str]:
    """Handles with and without their server, and names."""
    return {*names, *(name.lstrip("@").partition("@")[0] for name in names)} - {""}


def _lines(message: SocialMessage, name: str, mapping: Mapping, wanted: Outcome, reply: str) -> Iterator[str]:
    zone = ZoneInfo(mapping.brands[mapping.account_brand[message.account]].zone)
    yield f"name: {name}"
    yield f"text: {quoted(message.text)}"
    if message.tags:
        yield f"tags: [{', '.join(sorted(message.tags))}]"
    yield f"account: {message.account}"
    if message.language:
        yield f'language: "{message.language}"'
    if message.kind is not MessageKind.PUBLIC:
        yield f"kind: {message.kind}"
    if message.severity:
        yield f"severity: {message.severity}"
    if message.sentiment:
        yield f"sentiment: {message.sentiment}"
    if message.author.followers is not None:
        yield f"followers: {message.author.followers}"
    if mapping.vip(message.network, message.author.id, message.author.handle):
        yield "vip: true"
    if not message.author.name:
        yield 'customer: ""'
    yield f"at: {written(message.posted_at.astimezone(zone))}"
    yield "expect:"
    for key in (*PLAIN, "promise") if wanted.route != NO_CASE else ("route",):
        value = written(getattr(wanted, key))
        yield f'  {key}: "{value}"' if key == "language" else f"  {key}: {value}"
    for key in GIVEN if wanted.route != NO_CASE else ():
        value = getattr(wanted, key)
        if value and value != NONE:
            yield f"  {key}: {quoted(value) if key == 'assignee' else written(value)}"
    if reply and wanted.route != NO_CASE:
        yield f"  reply: {{text: {quoted(reply)}}}"


def _item(lines: Collection[str], indent: int, end: str) -> str:
    first, *rest = lines
    return "".join(f"{' ' * indent}{line}{end}" for line in (f"- {first}", *(f"  {line}" for line in rest)))


def _next_item(before: str, lines: Collection[str], file: str) -> str:
    """What has to come after the text *before* for one more test; nothing of it is touched."""
    end = "\r\n" if "\r\n" in before else "\n"
    root = read(shown(file), before, Report())
    items = root.find(("tests",)).items if root is not None else None
    if items:
        spot = items[0].spot
        dash = _DASH.fullmatch(before.splitlines()[spot.line - 1][: spot.column - 1])
        if dash is not None:
            gap = "" if before.endswith("\n") else end
            return f"{gap}{end}{_item(lines, len(dash[1]), end)}"
    raise NotPinnedError(
        f"The tests in {file} are not written one below the other, with dashes: name another file."
    )


def _faults(
    files: Map[str, str], networks: Map[str, Network], file: str, name: str, *, may_differ: bool
) -> tuple[str, ...]:
    """The expectations that are not met. Raises NotPinnedError when anything else is wrong."""
    try:
        load_files(files, networks)
    except MappingError as error:
        mine = [fault for fault in error.faults if fault.file == shown(file)]
        if may_differ and all(
            fault.rule == "test-mismatch" and fault in mine and fault.message.startswith(f"{name}: ")
            for fault in error.faults
        ):
            return tuple(fault.message for fault in error.faults)
        said = "\n  ".join(str(fault) for fault in error.faults)
        raise NotPinnedError(f"With this test the files would not be sound:\n  {said}") from None
    return ()
