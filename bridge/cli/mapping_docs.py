"""``bridge mappings docs``: the playbook, one page for people."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.mappings import load_or_exit, mappings_folder, networks
from bridge.core.plural import counted
from bridge.routing.playbook import GENERATOR, page

_HEAD = 8_000
"""Of a file that is there, how many characters are looked at for whether it is a playbook."""


@click.command()
@mappings_folder
@click.option(
    "--out",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="playbook.html",
    show_default=True,
    help="The file to write; - prints the page.",
)
def docs(folder: Path, out: Path) -> None:
    """Write the playbook: one HTML page that says to people what the mapping files say to the bridge.

    Each tag with its meaning, owner, next step, promise, hours, who is told and sample replies,
    and the house rules of playbook.md. The page needs nothing else: send it, print it, put it on an
    intranet. Exits as check does when the files are faulty.
    """
    mapping = load_or_exit(folder)
    text = page(mapping, networks())
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    _write(out, text)
    said = f"{counted(len(mapping.tags), 'tag')} and {counted(len(mapping.queues), 'team')}"
    click.echo(f"{out} has the playbook: {said}. Open it in a browser.")


def _write(out: Path, text: str) -> None:
    try:
        if out.exists() and GENERATOR not in out.read_text(encoding="utf-8", errors="replace")[:_HEAD]:
            raise click.ClickException(f"{out} is there already and is no playbook: name another with --out")
        # In one step: whoever reads it meanwhile sees the old page or the new one.
        beside = out.with_name(f".{out.name}.new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from error
