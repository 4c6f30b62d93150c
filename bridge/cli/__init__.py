"""The command line: one file per command or group."""

from __future__ import annotations

import logging
import sys

import click

from bridge import __version__
from bridge.cli.backup import backup, restore
from bridge.cli.case import case
from bridge.cli.delivery import delivery
from bridge.cli.demo import demo
from bridge.cli.doctor import doctor
from bridge.cli.forget import forget
from bridge.cli.intent import intent
from bridge.cli.mapping_diff import diff
from bridge.cli.mapping_docs import docs
from bridge.cli.mapping_explain import explain
from bridge.cli.mapping_history import history, reload, rollback, show
from bridge.cli.mapping_hours import hours
from bridge.cli.mapping_init import init
from bridge.cli.mapping_pin import pin_case
from bridge.cli.mapping_schema import schema
from bridge.cli.mappings import mappings
from bridge.cli.monitoring import monitoring
from bridge.cli.pause import pause, resume
from bridge.cli.run import migrate, serve, web, worker
from bridge.cli.setup import setup
from bridge.cli.terminal import say
from bridge.errors import BridgeError, SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bridge")
def bridge() -> None:
    """Public complaints become tickets, and the loop is closed where it began."""


for command in (
    demo, serve, web, worker, migrate, doctor, setup, mappings, case, delivery, intent, forget, pause, resume,
    backup, restore, monitoring,
):  # fmt: skip
    bridge.add_command(command)
for command in (init, diff, docs, explain, hours, history, pin_case, show, reload, rollback, schema):
    mappings.add_command(command)


def main() -> None:
    """Run the command line; whatever is refused is said in one paragraph, without a traceback."""
    # Alembic and vendors' libraries say on INFO what nobody asked.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        bridge()
    except KeyboardInterrupt:
        sys.exit(130)
    except (SettingsError, BridgeError) as error:
        say(f"bridge: {error}", err=True)
        sys.exit(2)
