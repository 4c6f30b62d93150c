"""``bridge mappings schema``: what editors need to complete and underline mapping files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bridge.cli.mappings import mappings_folder
from bridge.routing.document import FILES
from bridge.routing.shape import Shape

HIDDEN = ".schema"
"""Where the schemas lie in a mapping's folder; what starts with a dot is not read as mapping."""


def schema_of(shape: type[Shape]) -> dict[str, Any]:
    """JSON Schema 2020-12 of one kind of file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **shape.model_json_schema()}


def text_of(shape: type[Shape]) -> str:
    return json.dumps(schema_of(shape), ensure_ascii=False, indent=2) + "\n"


@click.command()
@mappings_folder
@click.argument("kind", type=click.Choice(sorted(FILES)), required=False)
def schema(folder: Path, kind: str | None) -> None:
    """Write the JSON Schemas of the mapping files into the folder, or print that of one KIND.

    The first line of a file tells the editor which one is its own:
    `# yaml-language-server: $schema=.schema/queues.json`
    """
    if kind is not None:
        click.echo(text_of(FILES[kind]), nl=False)
        return
    try:
        hidden = write_schemas(folder)
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from error
    click.echo(f"{len(FILES)} schemas are in {hidden}.")


def write_schemas(folder: Path) -> Path:
    """Write every schema into *folder*, and say where they lie. Raises OSError."""
    hidden = folder / HIDDEN
    hidden.mkdir(exist_ok=True)
    for name, shape in FILES.items():
        (hidden / f"{name}.json").write_text(text_of(shape), encoding="utf-8")
    return hidden
