"""`bridge mappings check --live`: what the files name is held against what Zendesk and Slack have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.routing.rules import LIVE, RULES, WARNINGS
from bridge.sandbox import Sandbox
from bridge.sandbox.slack.workspace import Channel
from tests.cli.conftest import Said, Shell, environment_of, run
from tests.running import REPOSITORY, starter_to_edit

QUEUES = "queues.yaml"
ROUTES = "routes/10-social.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return starter_to_edit(tmp_path / "mappings")


@pytest.fixture
def live(sandbox: Sandbox, tmp_path: Path, folder: Path) -> Shell:
    """Checks the starter's copy against a sandbox in which everything was set up. No bridge runs."""
    environment = environment_of(tmp_path / "data", sandbox, "http://127.0.0.1:1")
    assert run(environment, "setup", "zendesk").code == 0

    def check(*words: str, **changes: str) -> Said:
        given = {**environment, "BRIDGE_MAPPINGS": str(folder), **changes}
        return run(given, "mappings", "check", "--live", *words)

    return check


def edit(folder: Path, written: str, instead: str, file: str = QUEUES) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert written in text
    (folder / file).write_text(text.replace(written, instead, 1), encoding="utf-8")


def channel(sandbox: Sandbox, name: str) -> Channel:
    return next(one for one in sandbox.slack.channels.values() if one.name == name)


def test_a_mapping_that_fits_what_is_there_passes(live: Shell):
    """Groups, fields, channels and membership: the counts are said, and nothing else."""
    said = live("--strict")
    assert (said.code, said.out[:4], len(said.lines)) == (0, "OK: ", 1)
    assert "; Zendesk and Slack were asked, and have what the files name" in said.out


def test_faults_of_the_files_alone_keep_vendors_from_being_asked_and_that_is_said(
    live: Shell, sandbox: Sandbox, folder: Path
):
    """Else whoever mends them thinks that the names are right."""
    edit(folder, "priority: ", "priority: very-")
    calls = len(sandbox.calls.list("zendesk"))
    said = live()
    assert said.code == 1
    assert said.lines[-1] == "not asked: Zendesk and Slack, because of these faults: mend them first"
    assert len(sandbox.calls.list("zendesk")) == calls
    assert "not asked" not in live("--format", "github").out


Spoil = Callable[[Sandbox, Path], None]
IDEAS = "    queue: product-feedback\n"


def misspell_a_group(sandbox: Sandbox, folder: Path) -> None:
    edit(folder, "group: Technical Support", "group: Tecnical Suport")


def name_a_brand(sandbox: Sandbox, folder: Path) -> None:
    edit(folder, "    name: Kopi\n", "    name: Kopi\n    desk_brand: Koppi\n", "brands.yaml")


def remove_a_field(sandbox: Sandbox, folder: Path) -> None:
    fields = sandbox.zendesk.ticket_fields
    del fields[next(key for key, one in fields.items() if one["title"] == "Social permalink")]


def misspell_a_field(sandbox: Sandbox, folder: Path) -> None:
    edit(folder, IDEAS, IDEAS + '    fields: {"Social networks": "x"}\n', ROUTES)


def assign_to_nobody(sandbox: Sandbox, folder: Path) -> None:
    edit(folder, IDEAS, IDEAS + "    assignee: nobody@kopi.example\n", ROUTES)


def misspell_a_channel(sandbox: Sandbox, folder: Path) -> None:
    edit(folder, '"#sales-leads"', '"#sales-lead"')


def archive_a_channel(sandbox: Sandbox, folder: Path) -> None:
    one = channel(sandbox, "community")
    one.is_archived = True
    edit(folder, '"#community"', one.id)


def dismiss_the_app(sandbox: Sandbox, folder: Path) -> None:
    channel(sandbox, "incident-response").has_bot = False


def invent_an_approver(sandbox: Sandbox, folder: Path) -> None:
    edit(folder, "    closing: approve\n", "    closing: approve\n    approvers: [U0ANA0001, U0NOBODY1]\n")


# What is spoilt, where the caret stands, and what is said.
MADE: tuple[tuple[str, Spoil, str, str, str], ...] = (
    (
        "unknown-group",
        misspell_a_group,
        QUEUES,
        "Tecnical Suport",
        'group: Zendesk has no group "Tecnical Suport". Did you mean "Technical Support"? '
        "Else create it in Admin Center → Team → Groups",
    ),
    (
        "unknown-desk-brand",
        name_a_brand,
        "brands.yaml",
        "Koppi",
        'desk_brand: Zendesk has no active brand "Koppi". Did you mean "Kopi"? '
        "Else create it in Admin Center → Account → Brands",
    ),
    (
        "unknown-field",
        remove_a_field,
        QUEUES,
        "true\n",
        'ticket: tickets need the field "Social permalink", which Zendesk does not have; '
        "run: bridge setup zendesk",
    ),
    (
        "unknown-field",
        misspell_a_field,
        ROUTES,
        '"x"}',
        'fields: Zendesk has no ticket field "Social networks". Did you mean "Social network"? '
        "Else create it in Admin Center → Objects and rules → Tickets → Fields",
    ),
    (
        "unknown-agent",
        assign_to_nobody,
        ROUTES,
        "nobody@",
        'assignee: Zendesk has no agent "nobody@kopi.example"; '
        "name an agent who may sign in, by e-mail address, or take it away",
    ),
    (
        "unknown-channel",
        misspell_a_channel,
        QUEUES,
        '"#sales-lead"',
        'channel: the app sees no channel "#sales-lead" in Slack. Did you mean "#sales-leads"? '
        "Else in Slack, type `/invite @` and the app's name in #sales-lead",
    ),
    (
        "archived-channel",
        archive_a_channel,
        QUEUES,
        "C00000006",
        "channel: C00000006 is archived in Slack; unarchive it, or name another",
    ),
    (
        "not-in-channel",
        dismiss_the_app,
        QUEUES,
        '"#incident-response"',
        "channel: the app is not a member of #incident-response; "
        "in Slack, type `/invite @` and the app's name in #incident-response",
    ),
    (
        "unknown-approver",
        invent_an_approver,
        QUEUES,
        "U0NOBODY1",
        'approvers: Slack has no active user "U0NOBODY1"; '
        "copy the id anew (in Slack: profile, Copy member ID)",
    ),
)


def place(folder: Path, file: str, marker: str) -> str:
    """Where *marker* stands first, outside comments."""
    text = (folder / file).read_text(encoding="utf-8")
    at = text.index(marker, text.index("\n\n"))
    column = at - text.rfind("\n", 0, at)
    return f"{folder}/{file}:{text.count(chr(10), 0, at) + 1}:{column}"


@pytest.mark.parametrize(("rule", "spoil", "file", "marker", "says"), MADE, ids=[rule for rule, *_ in MADE])
def test_what_does_not_exist_is_a_fault_at_its_line(
    live: Shell, sandbox: Sandbox, folder: Path, rule: str, spoil: Spoil, file: str, marker: str, says: str
):
    """Where it is written, the nearest name that exists, what to do, and nothing besides."""
    spoil(sandbox, folder)
    said = live()
    assert (said.code, said.lines[0]) == (1, f"{place(folder, file, marker)} {says} ({rule})")
    assert said.lines[2].strip(" |") == "^"
    assert (said.lines[-1], len(said.lines)) == ("1 fault", 4)


def test_every_rule_of_what_vendors_have_has_been_seen_to_work():
    """One without a spoilt example has not."""
    assert {rule for rule, *_ in MADE} == set(LIVE)
    assert not LIVE.keys() & {**RULES, **WARNINGS}.keys()


def test_every_rule_of_what_vendors_have_is_explained_to_admins():
    """In the page's own table, in the rule's own words."""
    page = (REPOSITORY / "mappings/README.md").read_text(encoding="utf-8")
    assert [rule for rule, meaning in LIVE.items() if f"| `{rule}` | {meaning} |" not in page] == []


def test_a_deactivated_approver_is_none(live: Shell, sandbox: Sandbox, folder: Path):
    """Slack still knows them, and they can press nothing."""
    sandbox.slack.deactivated.add("U0TOMAS03")
    edit(folder, "    closing: approve\n", "    closing: approve\n    approvers: [U0TOMAS03]\n")
    assert "name somebody else (unknown-approver)" in live().lines[0]


def test_all_that_is_wrong_is_said_at_once_and_to_machines_too(live: Shell, sandbox: Sandbox, folder: Path):
    """In file order, beside what the files say of themselves, in each form."""
    edit(folder, "group: Technical Support", "group: Tecnical Suport")
    edit(folder, "queue: sales\n", "queue: community\n", "routes/10-social.yaml")
    channel(sandbox, "community").has_bot = False
    rules = ["unknown-group", "unused-queue", "not-in-channel"]

    plain = json.loads(live("--format", "json").out)
    assert (plain["ok"], [one["rule"] for one in plain["faults"]]) == (False, rules)
    log = json.loads(live("--format", "sarif").out)["runs"][0]
    assert [one["ruleId"] for one in log["results"]] == rules
    assert {one["id"] for one in log["tool"]["driver"]["rules"]} == set(rules)
    notes = live("--format", "github").lines
    assert [line.partition(",title=")[2].partition("::")[0] for line in notes] == rules


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ZENDESK_SUBDOMAIN": ""}, "Zendesk: it is not set up: set ZENDESK_SUBDOMAIN"),
        ({"SLACK_BOT_TOKEN": ""}, "Slack: it is not set up: set SLACK_BOT_TOKEN"),
        ({"ZENDESK_CLIENT_SECRET": "not-the-secret"}, "Zendesk: zendesk mint token"),
        ({"SLACK_BOT_TOKEN": "xoxb-not-the-token"}, "invalid_auth"),
        ({"ZENDESK_URL": "http://127.0.0.1:1"}, "Zendesk: zendesk mint token"),
        ({"SLACK_API_URL": "http://127.0.0.1:1/api/"}, "not reached"),
        ({"PORT": "eighty"}, "the settings cannot be used: PORT"),
    ],
)
def test_a_vendor_that_cannot_be_asked_is_never_taken_for_one_without_anything(
    live: Shell, changes: dict[str, str], says: str
):
    """No fault is made of it, and no passing either: a status of its own."""
    said = live(**changes)
    assert said.code == 3
    [line] = [line for line in said.lines if line.startswith("not asked: ")]
    assert says in line
    assert not any(f"({rule})" in said.out for rule in LIVE)
    assert "not-the-" not in said.out

    plain = json.loads(live("--format", "json", **changes).out)
    assert (plain["ok"], plain["faults"], len(plain["not_asked"])) == (False, [], 1)
    run_ = json.loads(live("--format", "sarif", **changes).out)["runs"][0]
    assert run_["invocations"][0]["executionSuccessful"] is False
    assert live("--format", "github", **changes).out.startswith("::error title=not asked::")


def test_faults_that_are_known_count_more_than_what_could_not_be_asked(live: Shell, folder: Path):
    """One vendor is down, the other lacks a group: both are said."""
    edit(folder, "group: Technical Support", "group: Tecnical Suport")
    said = live(SLACK_BOT_TOKEN="")
    assert said.code == 1
    assert "(unknown-group)" in said.lines[0]
    assert any(line.startswith("not asked: Slack") for line in said.lines)


def test_only_what_is_asked_for_is_asked(live: Shell, sandbox: Sandbox, folder: Path):
    """Reads, and none at all while the files themselves are at fault."""
    before = len([call for call in sandbox.calls.list("zendesk") if call.method != "GET"])
    assert live().code == 0
    writes = [call for call in sandbox.calls.list("zendesk") if call.method != "GET"]
    assert {call.operation for call in writes[before:]} <= {"mint_token"}
    edit(folder, "priority: high", "priority: hihg")
    calls = len(sandbox.calls.list("zendesk"))
    assert live().code == 1
    assert len(sandbox.calls.list("zendesk")) == calls
