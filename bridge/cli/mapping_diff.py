"""``bridge mappings diff``: what an edit would change, told by the messages that came in."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from bridge.cli.mappings import EXIT_FAULTS, load_or_exit, mappings_folder, networks
from bridge.cli.opened import opened_database
from bridge.core.message import SocialMessage
from bridge.routing.account import public_account
from bridge.routing.compare import ASPECTS, Comparison, as_data, outcome
from bridge.routing.model import Mapping
from bridge.store import history

_SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_SHOWN = 10


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
@click.option("--json", "as_json", is_flag=True, help="For a machine: counts, and ids of messages.")
def diff(folder: Path, new: Path, since: timedelta, max_change: float | None, as_json: bool) -> None:
    """Show what the mapping in the folder NEW would change.

    Holds the messages that came in against both mappings. Nothing is sent, nothing is written, and
    customers' words stay in the database: examples are ids, which `bridge mappings explain --message`
    takes. Exits with 1 when NEW is faulty, or more changes than --max-change allows.
    """
    before, after = load_or_exit(folder), load_or_exit(new)
    found = _compare(before, after, datetime.now(UTC) - since)
    if as_json:
        click.echo(json.dumps(as_data(found), ensure_ascii=False, indent=2))
    else:
        for line in _lines(found):
            click.echo(line)
    if max_change is not None and found.share > max_change:
        click.echo(f"{found.share:.1%} of the messages would change: more than {max_change:.1%}", err=True)
        sys.exit(EXIT_FAULTS)


def _compare(before: Mapping, after: Mapping, since: datetime) -> Comparison:
    found = Comparison()
    with opened_database() as database:
        total = history.count(database, since)
        with click.progressbar(
            history.read(database, since), length=total, label="Comparing", file=sys.stderr
        ) as recorded:
            for message_id, received_at, message in recorded:
                old, new = (outcome(message, mapping, received_at, _light) for mapping in (before, after))
                found.add(message_id, old, new)
    return found


def _light(account: str, message: SocialMessage, mapping: Mapping) -> bool:
    entry = mapping.accounts[account]
    return (
        networks()[entry.network]
        .light(public_account(entry, mapping.account_brand[account]), message)
        .possible
    )


def _lines(found: Comparison) -> Iterator[str]:
    if not found.messages:
        yield "No messages came in during that time: there is nothing to compare."
        return
    yield f"{found.messages:,} messages, of which {found.changed:,} would change ({found.share:.1%})"
    for aspect in ASPECTS:
        number = found.per_aspect[aspect]
        yield f"  {aspect:9} {number:>8,}  {number / found.messages:6.1%}"
    yield f"  taken by a route before, and by none then: {found.unmatched:,}"
    for aspect in ASPECTS:
        for (old, new), number in found.changes.get(aspect, {}).items():
            some = found.examples[aspect, old, new][:_SHOWN]
            yield f"{aspect}: {old} → {new}  {number:,}"
            yield from (f"    {message_id}" for message_id in some)
