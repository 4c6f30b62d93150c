"""The command line: one file per command or group."""

from __future__ import annotations

import io
import logging
import sys

import click

from bridge import __version__
from bridge.cli.lazy import LazyGroup
from bridge.cli.terminal import say
from bridge.errors import BridgeError, SettingsError


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    where={
        "backup": "backup",
        "case": "case",
        "delivery": "delivery",
        "demo": "demo",
        "doctor": "doctor",
        "forget": "forget",
        "intent": "intent",
        "mappings": "mappings",
        "migrate": "run",
        "monitoring": "monitoring",
        "pause": "pause",
        "restore": "backup",
        "resume": "pause",
        "serve": "run",
        "setup": "setup",
        "web": "run",
        "worker": "run",
    },
)
@click.version_option(__version__, prog_name="bridge")
def bridge() -> None:
    """Public complaints become tickets, and the loop is closed where it began."""


def main() -> None:
    """Run the command line; whatever is refused is said in one paragraph, without a traceback."""
    # Alembic and vendors' libraries say on INFO what nobody asked.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know every letter
    for word in sys.argv[1:]:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            # Half a letter can be neither looked for nor stored, whatever the command.
            shown = word.encode(errors="surrogateescape").decode(errors="backslashreplace")
            say(f"bridge: the argument {shown} is not UTF-8: give it in that encoding", err=True)
            sys.exit(2)
    try:
        bridge()
    except KeyboardInterrupt:
        sys.exit(130)
    except (SettingsError, BridgeError) as error:
        say(f"bridge: {error}", err=True)
        sys.exit(2)
