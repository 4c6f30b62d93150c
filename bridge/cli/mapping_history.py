"""``bridge mappings history``, ``show``, ``reload`` and ``rollback``: what served, and the way back."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from collections.abc import Mapping as Map
from pathlib import Path

import click
from sqlalchemy.orm import Session

from bridge.cli.mappings import load_or_exit, mappings_folder, networks
from bridge.cli.opened import opened_database, time_at, who
from bridge.errors import MappingError
from bridge.routing.folder import read_folder
from bridge.routing.load import load_files
from bridge.routing.model import Mapping
from bridge.routing.nodes import Report
from bridge.store import versions
from bridge.store.tables import MappingVersion
from bridge.store.versions import SHORT

_LEAST = 4  # fewer letters of a version may name one by accident
_MANY = 5
_SOON = "Running processes take it up within seconds."


@click.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
def history(limit: int) -> None:
    """List what served, newest first: when, which version, by whom, and the files that changed."""
    with opened_database() as database, database.read() as tx:
        found = versions.switches(tx, limit)
    if not found:
        click.echo("No mapping has served yet.")
    for number, switch in enumerate(found):
        now = "  (serves now)" if number == 0 else ""
        click.echo(f"{switch.at:%Y-%m-%d %H:%M:%S} UTC  {switch.version[:SHORT]}  {switch.by}{now}")
        for name in switch.changed[:_MANY]:
            click.echo(f"    {name}")
        if len(switch.changed) > _MANY:
            click.echo(f"    … and {len(switch.changed) - _MANY} more files")


@click.command()
@click.argument("version")
@click.argument("file", required=False)
@mappings_folder
def show(version: str, file: str | None, folder: Path) -> None:
    """Show how VERSION differs from the folder as it is now, or the whole of one FILE of it."""
    with opened_database() as database, database.read() as tx:
        files = _named(tx, version).files
    if file is not None:
        if file not in files:
            raise click.ClickException(f"That version has no {file}. It has: {', '.join(sorted(files))}")
        click.echo(files[file], nl=False)
        return
    lines = list(_differences(files, read_folder(folder, Report()), version, str(folder)))
    click.echo("\n".join(lines) if lines else f"The files in {folder} are those of version {version}.")


@click.command()
@mappings_folder
def reload(folder: Path) -> None:
    """Have the files in the folder served by every process, when they are sound.

    A running bridge notices an edit of its own folder by itself; this is for a folder that
    no running process looks at, or for files that were put back with an old date.
    """
    mapping = load_or_exit(folder)
    with opened_database() as database, database.write() as tx:
        gone = versions.undone(tx)
        # Who has an edit served that was undone means it: it is not watched again.
        trial = gone is None or gone[0] != mapping.version
        new = versions.serve(tx, mapping.version, mapping.files, time_at(database), who(), trial=trial)
    short = mapping.version[:SHORT]
    click.echo(f"Version {short} serves now. {_SOON}" if new else f"Version {short} serves already.")


@click.command()
@click.argument("version", required=False)
@mappings_folder
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(version: str | None, folder: Path, yes: bool) -> None:
    """Put the files of VERSION back into the folder, and have them served.

    Left out, the version that served before the one that serves now. What is in the folder and
    serves stays in the history, so a rollback can be rolled back; what was never served is lost.
    """
    with opened_database() as database:
        with database.read() as tx:
            row = _named(tx, version) if version else _before_this(tx)
            serves = versions.serving_version(tx)
        now = read_folder(folder, Report())
        changed = versions.differing(now, row.files)
        # They were sound when they served; this bridge may know more rules. No file is touched before.
        mapping = _sound(row)
        for name in changed:
            click.echo(f"{_what(name, now, row.files)}  {name}")
        if not changed:
            click.echo(f"The files in {folder} are those of version {row.version[:SHORT]} already.")
        if not yes and changed:
            click.confirm(f"Put these files of version {row.version[:SHORT]} into {folder}?", abort=True)
        elif not yes and serves != mapping.version:
            click.confirm(f"Have version {row.version[:SHORT]} served?", abort=True)
        _write(folder, row.files, changed)
        with database.write() as tx:
            versions.serve(tx, mapping.version, mapping.files, time_at(database), f"{who()}, rolled back")
    click.echo(f"Version {row.version[:SHORT]} serves now. {_SOON}")


def _sound(row: MappingVersion) -> Mapping:
    try:
        return load_files(row.files, networks())
    except MappingError as error:
        for fault in error.faults:
            click.echo(str(fault), err=True)
        short = row.version[:SHORT]
        raise click.ClickException(
            f"Version {short} was made for another version of the bridge: nothing was changed."
        ) from None


def _named(tx: Session, beginning: str) -> MappingVersion:
    found = versions.named(tx, beginning) if len(beginning) >= _LEAST else []
    if len(found) != 1:
        raise click.ClickException(f"There is no version {beginning}. `bridge mappings history` lists them.")
    return found[0]


def _before_this(tx: Session) -> MappingVersion:
    found = versions.switches(tx, 2)
    if len(found) < 2:
        raise click.ClickException("Only one version has served: there is nothing to go back to.")
    return tx.get_one(MappingVersion, found[1].version)


def _what(name: str, now: Map[str, str], then: Map[str, str]) -> str:
    if name not in now:
        return "comes back"
    return "changes   " if name in then else "goes      "


def _write(folder: Path, files: Map[str, str], changed: list[str]) -> None:
    """Have the files in *changed* be those of *files*. The first is put in place when all are written."""
    try:
        written = [_beside(folder / name, files[name]) for name in changed if name in files]
        # A running bridge that looks just now meets a mixture at worst, and never half a file.
        for beside, path in written:
            beside.replace(path)
        for name in changed:
            if name not in files:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from error


def _beside(path: Path, text: str) -> tuple[Path, Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8", newline="")
    return beside, path


def _differences(before: Map[str, str], after: Map[str, str], old: str, new: str) -> Iterator[str]:
    for name in versions.differing(before, after):
        yield from difflib.unified_diff(
            before.get(name, "").splitlines(),
            after.get(name, "").splitlines(),
            f"{name} ({old})",
            f"{name} ({new})",
            lineterm="",
        )
