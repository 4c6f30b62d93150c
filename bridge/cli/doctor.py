"""``bridge doctor``: does everything work, and if not, what is the fix?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import click

from bridge import app, settings, slack, zendesk
from bridge.cli.mapping_live import NO_SLACK, NO_ZENDESK
from bridge.cli.opened import may_live, time_at
from bridge.cli.terminal import say
from bridge.core.account import Account
from bridge.core.plural import counted
from bridge.core.ports import Finding
from bridge.errors import MappingError, SettingsError, StoreBusyError, StoreError, VendorError
from bridge.flows import reconcile
from bridge.networks import NETWORKS
from bridge.routing.load import load
from bridge.routing.model import AccountEntry, Mapping
from bridge.settings import Settings
from bridge.store import room, standing, versions
from bridge.store.conditions import SILENCE, UNDONE_FIX, WORKER_GONE, conditions, nobody_works, unwritable
from bridge.store.database import Database
from bridge.store.presence import last_seen


@click.command()
def doctor() -> None:
    """Check settings, database, mapping, Zendesk, Slack and every account; print the fix for each fault."""
    try:
        loaded = settings.load()
    except SettingsError as error:
        for fault in str(error).splitlines():
            _print(Finding("settings", False, "one cannot be used", fault))
        say("Nothing else was checked: mend these first.")
        sys.exit(1)
    healthy = True
    for finding in _findings(loaded):
        _print(finding)
        healthy = healthy and finding.ok
    say("All is well." if healthy else "Some things need a person; the fixes are above.")
    sys.exit(0 if healthy else 1)


def _print(finding: Finding) -> None:
    mark = click.style("ok  ", fg="green") if finding.ok else click.style("FAIL", fg="red")
    click.echo(f"{mark} ", nl=False)
    say(f"{finding.check}: {finding.detail}")
    if not finding.ok and finding.fix:
        say(f"     fix: {finding.fix}")


def _findings(loaded: Settings) -> Iterator[Finding]:
    yield Finding("settings", True, "read")
    yield _public_url(loaded)
    yield from _database(loaded)
    mapping = None
    try:
        mapping = load(loaded.mappings, NETWORKS)
    except MappingError as error:
        fix = f"run `bridge mappings check`; the first is {error.faults[0]}"
        yield Finding("mapping", False, f"{counted(len(error.faults), 'fault')} in {loaded.mappings}", fix)
    else:
        yield _served(loaded, mapping)
    yield from _zendesk(loaded, mapping)
    yield from _slack(loaded, mapping)
    if mapping is not None:
        yield from _accounts(loaded, mapping)


def _public_url(loaded: Settings) -> Finding:
    fix = "set it to the https:// address under which Zendesk, Slack and networks reach the bridge"
    return Finding("BRIDGE_PUBLIC_URL", bool(loaded.public_url), loaded.public_url or "not set", fix)


def _database(loaded: Settings) -> Iterator[Finding]:
    try:
        database = Database(loaded.database_url)
        try:
            revision = database.revision()
            if revision is None:
                fix = "start `bridge serve` or run `bridge migrate`; or set BRIDGE_DATA or DATABASE_URL"
                yield Finding("database", False, f"there is none yet ({database.name})", fix)
                return
            if revision != database.head():
                fix = "run `bridge migrate` (`bridge serve` does it by itself)"
                yield Finding("database", False, f"{database.name} is not migrated", fix)
                return
            why = room.why_not(database)
            now = time_at(database)
            with database.read() as tx:
                seen, nobody = last_seen(tx), nobody_works(tx)
                period = timedelta(seconds=loaded.sweep_s)
                swept, sweep = reconcile.standing(tx, now, period)
                wrong = [one for one in conditions(tx, now) if one.tell]
                silent = [alert for alert in standing.alerts(tx) if alert.key.startswith(f"{SILENCE}:")]
        finally:
            database.close()
    except StoreBusyError as error:
        fix = "see that it runs, that DATABASE_URL is its address, and who may read and write there"
        yield Finding("database", False, str(error), fix)
        return
    except StoreError as error:
        yield Finding("database", False, "it cannot be used", str(error))
        return
    if why is None:
        yield Finding("database", True, f"{database.name} is at this version's revision, and can be written")
    else:
        yield Finding("database", False, why, unwritable(why).fix)
    yield _worker(database, seen, now, nobody, writable=why is None)
    if loaded.zendesk is not None:
        fix = "let a worker run, as an admin of Zendesk with the scope read: see bridge/zendesk/README.md"
        yield Finding("sweep", swept, sweep, fix)
    for one in wrong:
        yield Finding(one.key, False, one.wrong, one.fix)
    for alert in silent:
        yield Finding(
            alert.key, False, alert.text, "look at what should send, and at the proxy in front of us"
        )


def _worker(
    database: Database, seen: datetime | None, now: datetime, nobody: str, *, writable: bool
) -> Finding:
    """Whether one is alive: by what it wrote last and, where that can be asked, by its lock.

    ``nobody`` says that none is, and since when.
    """
    fix = "start `bridge serve`, or `bridge worker` beside `bridge web`"
    if seen is None or not may_live(database):
        return Finding("worker", False, nobody, fix)
    age = now - seen
    if age < WORKER_GONE:
        return Finding("worker", True, "alive")
    if not writable:
        detail = f"last seen {age.total_seconds():.0f} s ago: it cannot write that it lives"
        return Finding("worker", True, detail)
    return Finding("worker", False, nobody, fix)


def _served(loaded: Settings, mapping: Mapping) -> Finding:
    """The folder is sound; whether what it holds is what serves."""
    detail = f"{loaded.mappings}, version {mapping.version[: versions.SHORT]}"
    try:
        database = Database(loaded.database_url)
        try:
            database.require_current()
            with database.read() as tx:
                serving, gone = versions.serving_version(tx), versions.undone(tx)
        finally:
            database.close()
    except StoreError:
        return Finding("mapping", True, detail)  # what is wrong with the database is said already
    if serving in (None, mapping.version):
        return Finding("mapping", True, detail)
    other = f"version {serving[: versions.SHORT]} serves"
    if gone is not None and gone[0] == mapping.version:
        return Finding("mapping", False, f"{detail}, is an edit that was undone: {other}", UNDONE_FIX)
    soon = "a running bridge takes up an edit within seconds, `bridge mappings reload` any folder"
    return Finding("mapping", True, f"{detail}; {other}: {soon}")


def _zendesk(loaded: Settings, mapping: Mapping | None) -> Iterator[Finding]:
    try:
        account = app.zendesk_account(loaded)
    except SettingsError as error:
        yield Finding("Zendesk", False, "its settings cannot be used", str(error))
        return
    if account is None:
        yield Finding("Zendesk", False, "not set up", NO_ZENDESK)
        return
    queues = mapping.queues.values() if mapping else ()
    brands = mapping.brands.values() if mapping else ()
    groups = {queue.group for queue in queues if queue.group}
    desk_brands = {brand.desk_brand for brand in brands if brand.desk_brand}
    try:
        yield from zendesk.ZendeskDesk(account).check(groups, desk_brands)
    except VendorError as error:
        yield Finding("Zendesk", False, str(error), "see README, “Connect Zendesk”")


def _slack(loaded: Settings, mapping: Mapping | None) -> Iterator[Finding]:
    account = app.slack_account(loaded)
    if account is None:
        yield Finding("Slack", False, "not set up", NO_SLACK)
        return
    channels = {loaded.admin_channel: "BRIDGE_ADMIN_CHANNEL"} if loaded.admin_channel else {}
    if mapping is not None:
        channels |= {queue.channel: "queues.yaml" for queue in mapping.queues.values()}
    try:
        yield from slack.SlackTeam(account).check(channels)
    except VendorError as error:
        yield Finding("Slack", False, str(error), "see README, “Connect Slack”")


def _accounts(loaded: Settings, mapping: Mapping) -> Iterator[Finding]:
    for key, entry in sorted(mapping.accounts.items()):
        try:
            found = list(_account(loaded, mapping, entry))
        except SettingsError as error:
            found = [Finding("credentials", False, "they cannot be read", str(error))]
        except VendorError as error:
            fix = f"see bridge/networks/{entry.network}/README.md"
            found = [Finding("connection", False, str(error), fix)]
        for finding in found:
            yield replace(finding, check=f"account {key}, {finding.check}")


def _account(loaded: Settings, mapping: Mapping, entry: AccountEntry) -> Iterator[Finding]:
    variables = [*entry.secrets.values(), *entry.env_fields.values()]
    missing = [name for name in variables if not loaded.named(name)]
    if missing:
        yield Finding("credentials", False, "missing", f"set {', '.join(missing)}")
        return
    account = Account(
        key=entry.key,
        network=entry.network,
        brand=mapping.account_brand.get(entry.key, ""),
        handle=entry.handle,
        fields={**entry.fields, **{name: loaded.named(of)[0] for name, of in entry.env_fields.items()}},
        secrets={name: loaded.named(of) for name, of in entry.secrets.items()},
    )
    yield from NETWORKS[entry.network].connect(account, timeout_s=loaded.call_timeout_s).check()
