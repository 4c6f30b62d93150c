"""``bridge setup``: what Zendesk and Slack must know of the bridge."""

from __future__ import annotations

import json

import click

from bridge import app, settings, slack
from bridge.cli.terminal import say
from bridge.errors import SettingsError
from bridge.zendesk import setup as zendesk_setup


@click.group()
def setup() -> None:
    """Prepare Zendesk and Slack."""


@setup.command("zendesk")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@click.option("--show-secret", is_flag=True, help="Print the webhook's signing secret at the end.")
def zendesk_(dry_run: bool, show_secret: bool) -> None:
    """Create or repair the webhook, triggers and ticket fields. May be run any number of times."""
    loaded = settings.load()
    account = app.zendesk_account(loaded)
    if account is None:
        raise SettingsError("Set ZENDESK_SUBDOMAIN, ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET first.")
    if not loaded.public_url:
        raise SettingsError(
            "Set BRIDGE_PUBLIC_URL first: the address under which Zendesk reaches the bridge."
        )
    steps = (zendesk_setup.plan if dry_run else zendesk_setup.apply)(account, loaded.public_url)
    for step in steps:
        done = step.action if step.applied or step.action == "unchanged" else f"would be {step.action}"
        say(f"{done:<20} {step.what}")
    if show_secret and not dry_run:
        click.echo(f"ZENDESK_WEBHOOK_SECRET={zendesk_setup.signing_secret(account)}")
    elif not dry_run:
        click.echo("The webhook's secret belongs into ZENDESK_WEBHOOK_SECRET; --show-secret prints it.")


@setup.command("slack")
@click.option("--socket-mode", is_flag=True, help="For a bridge that Slack cannot reach from outside.")
def slack_(socket_mode: bool) -> None:
    """Print the app manifest to paste at api.slack.com/apps → Create New App → From a manifest."""
    loaded = settings.load()
    if not socket_mode and not loaded.public_url:
        raise SettingsError("Set BRIDGE_PUBLIC_URL first, or use --socket-mode.")
    click.echo(json.dumps(slack.manifest(loaded.public_url or None, socket_mode=socket_mode), indent=2))
