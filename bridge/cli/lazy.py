"""A group whose commands are imported when they are asked for: importing all of them takes two seconds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """``where`` says of each command in which module of `bridge.cli` it is.

    There it has its own name, or the one after a colon: what stands in a module beside other things may
    need another.
    """

    def __init__(self, *arguments: Any, where: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._where = where

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._where})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._where:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._where[cmd_name].partition(":")
        try:
            found: click.Command = getattr(import_module(f"bridge.cli.{module}"), attribute or cmd_name)
        except KeyboardInterrupt:
            sys.exit(130)  # nothing was begun: click would say "Aborted!"
        return found
