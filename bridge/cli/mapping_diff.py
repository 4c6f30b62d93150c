"""``bridge mappings diff``: what an edit would change, told by the messages that came in."""

from __future__ import annotations

import json
import re
import shlex
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from bridge.cli.mappings import EXIT_FAULTS, exit_with, load_or_exit, mappings_folder, networks
from bridge.cli.opened import opened_database
from bridge.cli.terminal import say
from bridge.core.plural import counted
from bridge.errors import MappingError, NoDatabaseError
from bridge.routing.compare import ASPECTS, Comparison, Side, as_data
from bridge.routing.edit import Edit, What, edits
from bridge.routing.folder import read_folder
from bridge.routing.load import load, load_files
from bridge.routing.model import Mapping
from bridge.routing.nodes import Report, Value
from bridge.store import history

_SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MOST = 20
"""How many changes of one aspect, and edits of the files, are told to people."""
_WIDTH = 80
_NO_MESSAGES = "There are no messages yet: nothing was replayed. Only the files are compared."
_FAILING = frozenset({"example-mismatch", "test-mismatch"})


class Span(click.ParamType[timedelta]):
    """A span of time such as 12h, 30d or 8w."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        match = re.fullmatch(r"([1-9][0-9]{0,3})([hdw])", str(value))
        if match is None:
            self.fail(f"{value} is no span of time such as 12h, 30d or 8w", param, ctx)
        return int(match[1]) * _SPANS[match[2]]


class Share(click.ParamType[float]):
    """A share such as 10%."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", str(value))
        if match is None or float(match[1]) > 100:
            self.fail(f"{value} is no share such as 10%", param, ctx)
        return float(match[1]) / 100


@click.command()
@mappings_folder
@click.argument("new", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--since", type=Span(), default="30d", show_default=True, help="How far back: hours, days or weeks."
)
@click.option("--max-change", type=Share(), help="Fail when more of the messages than this would change.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for a machine: counts, ids of messages, and what the files say otherwise.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def diff(folder: Path, new: Path, since: timedelta, max_change: float | None, form: str) -> None:
    """Show what the mapping in the folder NEW would change.

    Holds the messages that came in against both mappings, and then tells what the files say
    otherwise: of a team that nobody wrote to, no message tells. Nothing is sent, nothing is
    written, and customers' words stay in the database: examples are ids, which `bridge mappings
    explain --message` takes. Where only examples or tests of NEW fail, it is compared all the same.
    Exits with 1 when NEW is faulty in any way, or more changes than --max-change allows.
    """
    before = load_or_exit(folder)
    after, fails = _edited(new)
    if fails:
        check = f"bridge mappings check --mappings {shlex.quote(str(new))}"
        failing = counted(fails, "example or test fails", "examples or tests fail")
        # Where a machine reads the rest, this is for who looks after it.
        click.echo(f"In {new}, {failing}: `{check}` shows which.", err=form == "json")
    try:
        found = _compare(before, after, datetime.now(UTC) - since)
        told_of = list(_of_messages(found))
    except NoDatabaseError:
        # Who tries the bridge out has files before there is a database.
        found, told_of = Comparison(), [_NO_MESSAGES]
    said = edits(before.files, after.files)
    if form == "json":
        told = {**as_data(found), "files": [asdict(edit) for edit in said]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for line in (*told_of, *_of_files(said, before.files == after.files)):
            say(line)
    if max_change is not None and found.share > max_change:
        click.echo(f"{found.share:.1%} of the messages would change: more than {max_change:.1%}", err=True)
        sys.exit(EXIT_FAULTS)
    if fails:
        sys.exit(EXIT_FAULTS)


def _edited(folder: Path) -> tuple[Mapping, int]:
    """The mapping in *folder*, and how many of its examples and tests fail; other faults end the command."""
    try:
        return load(folder, networks()), 0
    except MappingError as error:
        if any(fault.rule not in _FAILING for fault in error.faults):
            exit_with(error, folder, note="Not compared: mend this first.")
        fails = len({(fault.file, fault.line) for fault in error.faults})
    # What they fail over is often what one wants to see the reach of.
    return load_files(read_folder(folder, Report()), networks(), try_out=False), fails


def _compare(before: Mapping, after: Mapping, since: datetime) -> Comparison:
    found = Comparison()
    old, new = (Side(mapping, networks()) for mapping in (before, after))
    with opened_database() as database:
        total = history.count(database, since)
        with click.progressbar(
            history.read(database, since), length=total, label="Comparing", file=sys.stderr
        ) as recorded:
            for message_id, received_at, message in recorded:
                found.add(message_id, old.outcome(message, received_at), new.outcome(message, received_at))
    return found


def _of_messages(found: Comparison) -> Iterator[str]:
    if not found.messages:
        yield "No messages came in during that time: only the files are compared."
        return
    yield f"{found.messages:,} messages, of which {found.changed:,} would change ({found.share:.1%})"
    for aspect, meaning in ASPECTS.items():
        if number := found.per_aspect[aspect]:
            yield f"  {aspect:9} {number:>8,}  {number / found.messages:6.1%}  {meaning}"
    yield f"  taken by a route before, and by none then: {found.unmatched:,}"
    told: set[str] = set()
    for aspect in ASPECTS:
        changes = found.changes.get(aspect, Counter()).most_common()
        for (old, new), number in changes[:_MOST]:
            yield from _change(aspect, old, new, number)
            # Where one edit changes several aspects, one list of the same ids is enough.
            some = [one for one in found.examples[aspect, old, new] if one not in told]
            told.update(some)
            yield from (f"    {message_id}" for message_id in some)
        if len(changes) > _MOST:
            yield f"{aspect}: {len(changes) - _MOST:,} more changes, which --format json tells"


def _change(aspect: str, old: str, new: str, number: int) -> Iterator[str]:
    line = f"{aspect}: {old} → {new}  {number:,}"
    if len(line) <= _WIDTH and "\n" not in line:
        yield line
    else:
        yield f"{aspect}:  {number:,}"
        yield from _wrapped(old, "  before  ")
        yield from _wrapped(new, "  after   ")


def _wrapped(text: str, begin: str) -> Iterator[str]:
    """*text* over as many lines as it needs, none longer than a terminal."""
    for number, line in enumerate(text.splitlines()):
        first = begin if number == 0 else " " * len(begin)
        yield from textwrap.wrap(
            line, _WIDTH, initial_indent=first, subsequent_indent=" " * len(begin), break_on_hyphens=False
        )


def _of_files(said: list[Edit], same: bool) -> Iterator[str]:
    if not said:
        yield "The files are the same." if same else "The files say the same, in another form."
        return
    yield "In the files:"
    for edit in said[:_MOST]:
        yield from _wrapped(_edit(edit), "  ")
    if len(said) > _MOST:
        yield f"  … and {len(said) - _MOST:,} more, which --format json tells"


def _edit(edit: Edit) -> str:
    name = ": ".join((edit.file, *edit.at))
    old, new = edit.before, edit.after
    if edit.what is What.MOVED:
        return f"{name} moved: {_after(old)} → {_after(new)}"
    if isinstance(old, list) and isinstance(new, list):
        less, more = ([one for one in these if one not in those] for these, those in ((old, new), (new, old)))
        parts = (f"{word} {_value(some)}" for word, some in (("without", less), ("with", more)) if some)
        return f"{name}: {', '.join(parts) or 'in another order'}"
    if old is None and new is None:
        return f"{name} {_BECAME[edit.what]}"
    return f"{name} {_value(old)} → {_value(new)}"


_BECAME = {What.NEW: "is new", What.GONE: "is gone", What.OTHER: "is another"}


def _after(route: Value) -> str:
    return "first" if route is None else f"after {route}"


def _value(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    return json.dumps(value, ensure_ascii=False)
