"""``bridge backup`` and ``restore``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from bridge import settings
from bridge.cli.opened import opened_database, who
from bridge.core.plural import counted
from bridge.flows import engine
from bridge.store import backup as copying
from bridge.store.database import Database
from bridge.store.presence import FolderLock


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Copy the database, which may be at work, into the new file FILE."""
    with opened_database() as database:
        counts = copying.back_up(database, file, datetime.now(UTC), who())
    click.echo(f"{file} holds {_said(counts)}. It has customers' words in it: keep it as you keep them.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Copy the backup FILE into the database of DATABASE_URL, which must be empty."""
    loaded = settings.load()
    database = Database(loaded.database_url)
    lock = FolderLock(database.file) if database.embedded else None
    try:
        copying.require_file(file)  # before the lock, which makes the folder
        if lock is not None:
            lock.acquire()
        counts = copying.restore(file, database, datetime.now(UTC), who())
        engine.prepare(loaded.wakes_url)
    finally:
        if lock is not None:
            lock.release()
        database.close()
    click.echo(
        f"Restored {_said(counts)}. Nothing public leaves yet, because nobody knows what did since the "
        "backup: start the bridge, look at `bridge intent list`, then `bridge resume`."
    )


def _said(counts: dict[str, int]) -> str:
    cases, messages, intents = (counted(counts[f"{one}s"], one) for one in ("case", "message", "intent"))
    return f"{cases}, {messages} and {intents}"
