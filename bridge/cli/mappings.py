"""``bridge mappings``: check the admins' files, and explain what they do with a message."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click
from pydantic_core import PydanticCustomError

from bridge import settings
from bridge.cli import faults
from bridge.cli.lazy import LazyGroup
from bridge.core.plural import counted
from bridge.core.ports import Network
from bridge.errors import Fault, MappingError
from bridge.routing.folder import ROOT, located
from bridge.routing.lint import lint
from bridge.routing.load import load
from bridge.routing.model import Mapping
from bridge.routing.shape import moment

EXIT_FAULTS = 1
EXIT_UNREADABLE = 2
EXIT_UNASKED = 3
FIRST_YEAR, LAST_YEAR = 1900, 2999
_NOT_ASKED = "not asked: Zendesk and Slack, because of these faults: mend them first"


class _Moment(click.ParamType[datetime]):
    """A moment as the mapping files write it, without a zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            found = value if isinstance(value, datetime) else moment(value)
        except PydanticCustomError as fault:
            self.fail(fault.message(), param, ctx)
        # At the edges of time another zone's clock shows no date at all, and the next shift none either.
        if not FIRST_YEAR <= found.year <= LAST_YEAR:
            self.fail(f'"{value}" is too far away: give a year from {FIRST_YEAR} to {LAST_YEAR}', param, ctx)
        return found


MOMENT = _Moment()

mappings_folder = click.option(
    "--mappings",
    "folder",
    envvar="BRIDGE_MAPPINGS",
    default=lambda: settings.mappings_folder(""),
    show_default="./mappings, or the starter that came with the bridge",
    type=click.Path(path_type=Path),
    help="The folder with the mapping files.",
)


@click.group(
    cls=LazyGroup,
    where={
        "diff": "mapping_diff",
        "docs": "mapping_docs",
        "explain": "mapping_explain",
        "history": "mapping_history",
        "hours": "mapping_hours",
        "init": "mapping_init",
        "pin": "mapping_pin:pin_case",
        "reload": "mapping_history",
        "rollback": "mapping_history",
        "schema": "mapping_schema",
        "show": "mapping_history",
    },
)
def mappings() -> None:
    """Check and explain the mapping files."""


@mappings.command()
@mappings_folder
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(faults.FORMATS)),
    default="text",
    show_default=True,
    help="For people, or for a pipeline: JSON, GitHub's annotations, SARIF 2.1.0.",
)
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@click.option(
    "--live", is_flag=True, help="Ask Zendesk and Slack whether what the files name exists. Only reads."
)
def check(folder: Path, form: str, strict: bool, live: bool) -> None:
    """Report every fault in the mapping files, run their examples, and warn of what looks wrong.

    Exits with 0 when all is well (warnings or none), 1 when there are faults (with --strict:
    or warnings), 2 when the files cannot be read, 3 when there are no faults that are known
    of, but Zendesk or Slack could not be asked.
    """
    mapping = load_or_exit(folder, form, note=_NOT_ASKED if live else "")
    warnings = _located(lint(mapping, networks()), folder)
    wrong, unasked = _ask(mapping, folder) if live else ([], [])
    _say(sorted([*warnings, *wrong]), form, unasked)
    if form == "text" and wrong:
        click.echo(counted(len(wrong), "fault"))
    elif form == "text":
        _say_counts(mapping, folder, len(warnings), asked=live and not unasked)
    if wrong or (strict and warnings):
        sys.exit(EXIT_FAULTS)
    if unasked:
        sys.exit(EXIT_UNASKED)


def _ask(mapping: Mapping, folder: Path) -> tuple[list[Fault], list[str]]:
    # Here, not above: a check of the files alone needs no vendor's client.
    from bridge.cli.mapping_live import ask  # noqa: PLC0415

    answer = ask(mapping)
    return _located(answer.faults, folder), answer.unasked


def _say(found: list[Fault], form: str, unasked: Collection[str] = ()) -> None:
    for line in faults.FORMATS[form](found, unasked):
        click.echo(line)


def _located(found: Iterable[Fault], folder: Path) -> list[Fault]:
    return [replace(fault, file=located(fault.file, folder)) for fault in found]


def _say_counts(mapping: Mapping, folder: Path, warnings: int, *, asked: bool) -> None:
    counts = (
        counted(len(mapping.brands), "brand"),
        counted(len(mapping.queues), "queue"),
        counted(len(mapping.routes), "route"),
        counted(len(mapping.tags), "tag"),
        counted(len(mapping.templates), "reply", "replies"),
    )
    examples = sum(len(route.examples) for route in mapping.routes)
    passed = counted(examples, "example passes", "examples pass")
    passed += f", {counted(len(mapping.tests), 'test passes', 'tests pass')}" if mapping.tests else ""
    warned = f"; {counted(warnings, 'warning')}" if warnings else ""
    there = "; Zendesk and Slack were asked, and have what the files name" if asked else ""
    click.echo(f"OK: {', '.join(counts)} in {folder}; {passed}{there}{warned}")


def networks() -> dict[str, Network]:
    # Here, not above: listing the commands must not load every network.
    from bridge.networks import NETWORKS  # noqa: PLC0415

    return NETWORKS


def load_or_exit(folder: Path, form: str = "text", note: str = "") -> Mapping:
    """The mapping; without one, its faults are printed, as text with *note*, and the command ends."""
    try:
        return load(folder, networks())
    except MappingError as error:
        exit_with(error, folder, form, note if form == "text" else "")


def exit_with(error: MappingError, folder: Path, form: str = "text", note: str = "") -> NoReturn:
    """Print the faults of the mapping in *folder*, then *note*, and end the command."""
    _say(_located(error.faults, folder), form)
    if form == "text":
        click.echo(counted(len(error.faults), "fault"))
    if note:
        click.echo(note)
    unreadable = any(fault.rule == "unreadable-file" or fault.file == ROOT for fault in error.faults)
    sys.exit(EXIT_UNREADABLE if unreadable else EXIT_FAULTS)
