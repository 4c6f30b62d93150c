"""`bridge doctor` and `bridge setup`: what is wrong, each with its fix, and the set-up that mends it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.flows import reconcile
from bridge.networks import NETWORKS
from bridge.routing.load import load
from bridge.sandbox import Sandbox
from bridge.store import lanes, versions
from bridge.store.tables import Alert, Cursor
from tests.cli.conftest import Said, Shell, environment_of, run
from tests.running import REPOSITORY, InProcess, eventually, starter_to_edit


@pytest.fixture
def healthy(sandbox: Sandbox, running: InProcess, shell: Shell) -> Shell:
    """A running bridge whose Zendesk was set up by the command."""
    assert shell("setup", "zendesk").code == 0
    return shell


def failed(said: Said) -> dict[str, str]:
    """What failed, and the fix that was printed for it."""
    found: dict[str, str] = {}
    for number, line in enumerate(said.lines):
        if line.startswith("FAIL "):
            assert said.lines[number + 1].startswith("     fix: "), line
            found[line.removeprefix("FAIL ")] = said.lines[number + 1].removeprefix("     fix: ")
    return found


def only(said: Said, check: str) -> str:
    """The fix of the one thing that failed, which is *check*."""
    assert said.code == 1, said.out
    [(what, fix)] = failed(said).items()
    assert what.startswith(check), said.out
    assert said.lines[-1] == "Some things need a person; the fixes are above."
    return fix


def test_all_is_green_after_the_setup(healthy: Shell):
    """Settings, database, worker, mapping, Zendesk, Slack and every account of the mapping."""
    said = healthy("doctor")
    assert (said.code, failed(said)) == (0, {})
    assert said.lines[-1] == "All is well."
    assert all(line.startswith("ok   ") for line in said.lines[:-1])
    for check in (
        "settings:",
        "BRIDGE_PUBLIC_URL:",
        "database:",
        "worker:",
        "mapping:",
        "Zendesk sign-in:",
        "Zendesk group Technical Support:",
        "Zendesk webhook:",
        "Slack token:",
        "Slack scopes:",
        "Slack channel #support-technical:",
    ):
        assert f"ok   {check}" in said.out
    for account in ("kopi-mastodon", "rower-mastodon", "kopi-plaza", "social-team-tags"):
        assert f"ok   account {account}, " in said.out


def test_it_says_up_to_where_the_last_sweep_came(running: InProcess, healthy: Shell):
    """And how much it found in the last day: here nothing was missed."""
    eventually(lambda: "found in the last day what no webhook told: 0" in sweep_of(healthy), what="the sweep")
    assert " s ago, up to 20" in sweep_of(healthy)


def test_a_folder_that_does_not_serve_is_no_green_line(running: InProcess, healthy: Shell, tmp_path: Path):
    """The canary undid the edit: what is in the folder is sound, and yet nobody is served by it."""
    folder = starter_to_edit(tmp_path / "edited")
    with (folder / "tags.yaml").open("a", encoding="utf-8") as tags:
        tags.write("# edited\n")
    edited, before = load(folder, NETWORKS), running.bridge.world.mappings.current
    assert f"; version {before.version[:12]} serves: " in mapping_of(healthy, folder)

    now = datetime.now(UTC)
    with running.database.write() as tx:
        versions.serve(tx, edited.version, edited.files, now, "somebody", trial=True)
        versions.serve(tx, before.version, before.files, now, "the canary", undone="posts went astray")

    said = mapping_of(healthy, folder)
    assert said.startswith("FAIL mapping: ")
    assert f"is an edit that was undone: version {before.version[:12]} serves" in said
    assert "bridge mappings reload" in failed(healthy("doctor", BRIDGE_MAPPINGS=str(folder)))[said[5:]]


def mapping_of(shell: Shell, folder: Path) -> str:
    said = shell("doctor", BRIDGE_MAPPINGS=str(folder))
    return next(line for line in said.lines if " mapping: " in line)


def test_a_sweep_that_is_refused_is_named_with_the_fix(sandbox: Sandbox, running: InProcess, shell: Shell):
    """The service user is no admin, or its client lacks the scope."""
    sandbox.faults.add("zendesk", "export_tickets", "status", times=1000, status=403)
    with running.database.write() as tx:
        tx.get_one(Cursor, reconcile.KEY).due_at = datetime.now(UTC)

    eventually(lambda: "make the service user an admin" in sweep_of(shell), what="the refusal")
    assert any(what.startswith("sweep: ") for what in failed(shell("doctor")))


def sweep_of(shell: Shell) -> str:
    return next(line for line in shell("doctor").lines if line[5:].startswith("sweep: "))


def test_without_the_setup_it_says_to_run_it(shell: Shell):
    """Missing fields, webhook and triggers: one command mends them all."""
    said = shell("doctor")
    fixes = failed(said)
    assert said.code == 1
    assert set(fixes.values()) == {"run: bridge setup zendesk"}
    assert any(what.startswith("Zendesk webhook") for what in fixes)


def test_a_public_address_that_moved_is_noticed(healthy: Shell):
    """The webhook still points to the old one."""
    said = healthy("doctor", BRIDGE_PUBLIC_URL="https://moved.example")
    assert "run: bridge setup zendesk" in failed(said).values()


def test_a_channel_without_the_app_is_named_with_what_to_type(sandbox: Sandbox, healthy: Shell):
    """The most common fault in Slack: nobody invited it."""
    channel(sandbox, "incident-response").has_bot = False
    fix = only(healthy("doctor"), "Slack channel #incident-response: the app is not a member")
    assert "/invite @" in fix
    assert "#incident-response" in fix


def test_a_channel_that_does_not_exist_is_named(sandbox: Sandbox, healthy: Shell):
    """Renamed in Slack, or misspelt in queues.yaml."""
    channel(sandbox, "incident-response").name = "incidents"
    assert "queues.yaml" in only(healthy("doctor"), "Slack channel #incident-response:")


def test_a_slack_that_is_not_reached_is_no_wrong_token(healthy: Shell):
    """Nobody there has looked at the token."""
    fix = only(healthy("doctor", SLACK_API_URL="http://127.0.0.1:1/api/"), "Slack token: ")
    assert "whether Slack can be reached" in fix
    assert "SLACK_BOT_TOKEN" not in fix


def channel(sandbox: Sandbox, name: str):
    return next(one for one in sandbox.slack.channels.values() if one.name == name)


def test_a_wrong_slack_token_is_one_finding(healthy: Shell):
    """One cause, one fault; the token is not repeated."""
    said = healthy("doctor", SLACK_BOT_TOKEN="xoxb-not-the-token")
    assert "SLACK_BOT_TOKEN" in only(said, "Slack token:")
    assert "not-the-token" not in said.out


def test_a_wrong_zendesk_secret_is_one_finding(healthy: Shell):
    """Nothing else can be asked then."""
    said = healthy("doctor", ZENDESK_CLIENT_SECRET="not-the-secret")
    assert "ZENDESK_CLIENT_SECRET" in only(said, "Zendesk sign-in:")
    assert "not-the-secret" not in said.out


def test_a_missing_webhook_secret_is_one_finding(healthy: Shell):
    """Everything that Zendesk sends would be refused; said once."""
    fix = only(healthy("doctor", ZENDESK_WEBHOOK_SECRET=""), "Zendesk webhook secret")
    assert "--show-secret" in fix


def test_a_missing_signing_secret_is_one_finding(healthy: Shell):
    """Every press would be refused; said once, with both ways out."""
    fix = only(healthy("doctor", SLACK_SIGNING_SECRET=""), "Slack buttons")
    assert "SLACK_SIGNING_SECRET" in fix
    assert "SLACK_APP_TOKEN" in fix


def test_an_account_without_its_variable_is_named_with_the_variable(healthy: Shell):
    """brands.yaml names it, nobody set it."""
    fix = only(healthy("doctor", KOPI_MASTODON_TOKEN=""), "account kopi-mastodon, credentials: missing")
    assert fix == "set KOPI_MASTODON_TOKEN"


def test_an_account_whose_token_is_refused_is_named(healthy: Shell):
    """Revoked or mistyped; the others are still checked."""
    said = healthy("doctor", KOPI_MASTODON_TOKEN="not-the-token")
    [what] = failed(said)
    assert what.startswith("account kopi-mastodon, ")
    assert "ok   account rower-mastodon, " in said.out
    assert "not-the-token" not in said.out


def test_a_secret_file_that_cannot_be_read_is_a_finding_among_others(healthy: Shell):
    """The doctor goes on: it is asked because something is wrong."""
    said = healthy("doctor", KOPI_MASTODON_TOKEN="", KOPI_MASTODON_TOKEN_FILE="/not/there")
    assert "KOPI_MASTODON_TOKEN_FILE" in only(said, "account kopi-mastodon, credentials:")
    assert "ok   account rower-mastodon, " in said.out


def test_no_worker_is_said_with_the_command(healthy: Shell, running: InProcess):
    """The tables are there, but nobody works."""
    running.stop()
    assert "`bridge serve`" in only(healthy("doctor"), "worker: no worker is alive since 20")


def test_a_worker_that_was_killed_is_not_alive(sandbox: Sandbox, tmp_path: Path, start_process):
    """It was seen a second ago, and the lock on the folder says that it is dead."""
    process = start_process()
    environment = environment_of(tmp_path / "data", sandbox, process.url)
    assert "ok   worker: alive" in run(environment, "doctor").out
    process.kill()
    assert "FAIL worker: no worker is alive since 20" in run(environment, "doctor").out


def test_a_full_disk_is_named_and_no_worker_is_called_dead(healthy: Shell, environment: dict[str, str]):
    """The doctor tries a write: nothing else would show it before the next customer does."""
    limited = subprocess.run(
        [sys.executable, "-m", "bridge", "doctor"],
        env={**os.environ, **environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16)),
    )
    said = Said(limited.returncode, limited.stdout, limited.stderr)
    assert "goes on by itself" in only(said, "database: the database cannot be written: ")
    assert "ok   worker: alive" in said.out


def test_a_faulty_mapping_is_named_and_the_rest_is_still_checked(healthy: Shell, tmp_path: Path):
    """With the first fault and the command that lists all."""
    (tmp_path / "faulty").mkdir()
    said = healthy("doctor", BRIDGE_MAPPINGS=str(tmp_path / "faulty"))
    assert "`bridge mappings check`" in failed(said)[next(w for w in failed(said) if w.startswith("mapping"))]
    assert "ok   Slack token:" in said.out


def test_a_wrong_zendesk_subdomain_is_named_and_the_rest_is_still_checked(healthy: Shell):
    """The slip of everybody's first try."""
    said = healthy("doctor", ZENDESK_SUBDOMAIN="acme.zendesk.com")
    assert 'ZENDESK_SUBDOMAIN is the "acme" of acme.zendesk.com' in only(said, "Zendesk: ")
    assert "ok   Slack token:" in said.out
    assert "ok   account kopi-plaza, " in said.out


def test_every_setting_that_is_wrong_is_a_finding_of_its_own(alone: Shell):
    """Nothing else can be checked before they are mended, and that is said."""
    said = alone("doctor", PORT="eighty", BRIDGE_LOG_LEVEL="chatty")
    assert said.code == 1
    assert said.lines.count("FAIL settings: one cannot be used") == 2
    assert "     fix: PORT must be a number of at least 0, not 'eighty'." in said.lines
    assert said.lines[-1] == "Nothing else was checked: mend these first."


def test_nothing_set_up_is_a_list_of_what_to_do(alone: Shell):
    """The first command that somebody tries: no traceback, no blank."""
    said = alone("doctor")
    fixes = " ".join(failed(said).values())
    assert said.code == 1
    for part in ("BRIDGE_PUBLIC_URL", "https://", "bridge migrate", "ZENDESK_SUBDOMAIN", "SLACK_BOT_TOKEN"):
        assert part in said.out + fixes


def test_a_database_that_cannot_be_used_says_what_to_do_about_it(alone: Shell, tmp_path: Path):
    """Unreachable, or no database at all: `bridge migrate` would not help."""
    (tmp_path / "list.txt").write_text("This is a shopping list, not a database.\n" * 40)
    for url, says in (
        ("postgresql://bridge@127.0.0.1:1/bridge", "DATABASE_URL is its address"),
        (f"sqlite:///{tmp_path}/list.txt", "point DATABASE_URL elsewhere"),
    ):
        found = failed(alone("doctor", DATABASE_URL=url))
        [fix] = [fix for what, fix in found.items() if what.startswith("database: ")]
        assert says in fix
        assert "migrate" not in fix


def test_wrong_settings_are_a_finding_too(alone: Shell):
    """All of them, and then it ends: nothing else can be looked at."""
    said = alone("doctor", PORT="eighty", BRIDGE_LOG_LEVEL="chatty")
    assert said.code == 1
    assert "PORT must be" in said.out
    assert "BRIDGE_LOG_LEVEL must be" in said.out


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "postgresql://bridge@127.0.0.1:54x2/bridge", "the port must be a number"),
        ("BRIDGE_POLL_S", "1e300", "from 0.1 to 86,400"),
    ],
)
def test_a_slip_in_a_setting_is_a_finding_with_what_is_possible(
    alone: Shell, name: str, value: str, says: str
):
    """As every other command says it, and without a traceback."""
    said = alone("doctor", **{name: value})
    assert (said.code, len(said.lines)) == (1, 3)
    assert said.lines[0].startswith("FAIL settings")
    assert f"fix: {name}" in said.lines[1]
    assert says in said.lines[1]


def test_setting_zendesk_up_twice_changes_nothing(sandbox: Sandbox, shell: Shell):
    """The first run creates, the second finds everything as it should be."""
    first = shell("setup", "zendesk")
    before = writes(sandbox)
    second = shell("setup", "zendesk")
    assert (first.code, second.code) == (0, 0)
    assert {line.split()[0] for line in first.lines[:-1]} == {"created"}
    assert {line.split()[0] for line in second.lines[:-1]} == {"unchanged"}
    assert [line[20:] for line in second.lines[:-1]] == [line[20:] for line in first.lines[:-1]]
    assert writes(sandbox) == before


def test_a_dry_run_writes_nothing(sandbox: Sandbox, shell: Shell):
    """It says what would be done, and only reads."""
    before = writes(sandbox)
    said = shell("setup", "zendesk", "--dry-run")
    assert said.code == 0
    assert {tuple(line.split()[:3]) for line in said.lines} == {("would", "be", "created")}
    assert writes(sandbox) == before


def writes(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [
        (call.method, call.path)
        for call in sandbox.calls.list("zendesk")
        if call.method != "GET" and call.operation != "mint_token"
    ]


def test_the_webhooks_secret_is_printed_only_on_request(sandbox: Sandbox, shell: Shell):
    """It belongs into an environment, not into a scroll-back."""
    assert "ZENDESK_WEBHOOK_SECRET=" not in shell("setup", "zendesk").out
    said = shell("setup", "zendesk", "--show-secret")
    assert said.lines[-1].startswith("ZENDESK_WEBHOOK_SECRET=")
    assert len(said.lines[-1]) > len("ZENDESK_WEBHOOK_SECRET=")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"ZENDESK_SUBDOMAIN": ""},
            "Set ZENDESK_SUBDOMAIN, ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET first.",
        ),
        ({"BRIDGE_PUBLIC_URL": ""}, "Set BRIDGE_PUBLIC_URL first"),
    ],
)
def test_a_setup_that_cannot_begin_says_what_to_set(
    sandbox: Sandbox, tmp_path: Path, changes: dict[str, str], says: str
):
    """One paragraph, status 2, no traceback."""
    environment = environment_of(tmp_path / "data", sandbox, "http://127.0.0.1:1")
    said = run({**environment, **changes}, "setup", "zendesk")
    assert said.code == 2
    assert said.err.startswith(f"bridge: {says}")


@pytest.mark.parametrize("words", [(), ("--socket-mode",)])
def test_slacks_manifest_is_json_that_can_be_pasted(alone: Shell, words: tuple[str, ...]):
    """Nothing but the manifest is printed, so that it can be piped."""
    said = alone("setup", "slack", *words, BRIDGE_PUBLIC_URL="https://bridge.example")
    manifest = json.loads(said.out)
    assert said.code == 0
    assert manifest["settings"]["socket_mode_enabled"] is bool(words)
    assert "chat:write" in manifest["oauth_config"]["scopes"]["bot"]
    assert ("https://bridge.example/slack/events" in said.out) is not bool(words)


def test_slacks_manifest_needs_an_address_or_socket_mode(alone: Shell):
    """And with Socket Mode it needs none."""
    said = alone("setup", "slack")
    assert (said.code, said.out) == (2, "")
    assert "Set BRIDGE_PUBLIC_URL first, or use --socket-mode." in said.err
    assert alone("setup", "slack", "--socket-mode").code == 0


def test_what_is_wrong_in_the_tables_is_said_with_its_fix(healthy: Shell, running: InProcess):
    """What /readyz and the admin channel would say, in the list of the person who asks."""
    # The watch would see that nothing is silent; one that is under way now still does, once.
    running.bridge.engine._flows["watch"] = lambda key: None
    now = running.bridge.world.clock.now()
    silence = {"key": "silence:kopi-plaza", "text": "nothing has come in from kopi-plaza", "since": now}
    expected = {
        "lane:public: lane public is parked: somebody paused it",
        "silence:kopi-plaza: nothing has come in from kopi-plaza",
    }

    def said() -> dict[str, str] | None:
        with running.database.write() as tx:
            tx.merge(Alert(**silence, ended_at=None))
        found = failed(healthy("doctor"))
        return found if set(found) == expected else None

    with running.database.write() as tx:
        lanes.park(tx, "public", "somebody paused it", "dewi", now)
    found = eventually(said, what="both")
    fix = found["lane:public: lane public is parked: somebody paused it"]
    assert fix.startswith("`bridge resume`")
    assert "credentials" not in fix


def test_the_admin_channel_is_checked_like_those_of_queues(healthy: Shell):
    """Whoever should hear that something is wrong must be reachable before it is."""
    fix = only(healthy("doctor", BRIDGE_ADMIN_CHANNEL="#nowhere"), "Slack channel #nowhere")
    assert "/invite" in fix
    assert "BRIDGE_ADMIN_CHANNEL" in fix
    assert "queues.yaml" not in fix
