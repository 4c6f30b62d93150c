"""The commands that admins use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli.mappings import mappings
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import STARTER


@pytest.fixture
def run(monkeypatch):
    """Run ``bridge mappings …`` on the starter, unless another folder is given."""
    monkeypatch.setattr("bridge.networks.NETWORKS", NETWORKS, raising=False)
    monkeypatch.setenv("BRIDGE_MAPPINGS", str(STARTER))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(mappings, arguments)

    return invoke


def broken(tmp_path: Path) -> str:
    """A copy of the starter with two faults."""
    folder = shutil.copytree(STARTER, tmp_path / "mappings")
    queues = folder / "queues.yaml"
    queues.write_text(queues.read_text().replace("urgent", "urgentt").replace("jakarta-desk", "jakarta"))
    return str(folder)


def test_check_says_what_a_good_mapping_has(run):
    """One line, and exit code 0."""
    result = run("check")

    assert result.output == "OK: 2 brands, 6 queues, 5 routes, 5 tags, 12 replies; 16 examples pass\n"
    assert result.exit_code == 0


def test_check_reports_every_fault_and_fails(run, tmp_path):
    """Each with its place and rule, then how many there are."""
    result = run("check", "--mappings", broken(tmp_path))
    lines = result.output.splitlines()

    assert [line.rpartition(" ")[2] for line in lines[:-1]] == ["(unknown-calendar)", "(unknown-priority)"]
    assert lines[0].startswith("mappings/queues.yaml:")
    assert lines[-1] == "2 faults"
    assert result.exit_code == 1


def test_check_of_nothing_is_not_a_check(run, tmp_path):
    """A folder that cannot be read has an exit code of its own."""
    result = run("check", "--mappings", str(tmp_path / "nowhere"))

    assert "there is no folder" in result.output
    assert result.exit_code == 2


def test_explain_shows_the_way_of_a_post(run):
    """Routes and conditions, ticket, promise on the wall, card, light, and the reply in each language."""
    result = run(
        "explain",
        "--text",
        "แอปเด้งทุกครั้งเลยค่ะ",
        "--account",
        "kopi-mastodon",
        "--author",
        "สมชาย ใจดี",
        "--at",
        "2026-01-05T02:00:00",
    )

    assert result.exit_code == 0
    for expected in (
        "Tags     technical-issue (by words: technical-issue)",
        "  no   crisis (mappings/routes/social.yaml:",
        "         false  tags: any of crisis (seen: technical-issue)",
        "  yes  technical-issue (mappings/routes/social.yaml:",
        "Ticket   Technical Support, priority high, type problem",
        "Promise  Monday 2026-01-05 14:00 in Asia/Jakarta (2026-01-05 07:00 UTC)",
        "Card     #support-technical",
        "Light    green: It was said in public.",
        "Closing  auto, in th (the text reads like th)",
        "of 500 characters: @customer สวัสดีค่ะ คุณสมชาย",
    ):
        assert expected in result.output
    assert [line[2:4] for line in result.output.splitlines() if " of 500 " in line] == [
        "en",
        "id",
        "pl",
        "th",
    ]


def test_explain_shows_what_no_route_takes(run):
    """The fallback, and every route with the condition that failed."""
    result = run("explain", "--text", "nothing special", "--account", "rower-mastodon")

    assert "Taken    no route: the fallback → triage (mappings/queues.yaml:" in result.output
    assert result.output.count("false  tags:") == 5


def test_explain_reads_a_message_from_a_file(run, tmp_path):
    """JSON with the same names as the options."""
    file = tmp_path / "message.json"
    file.write_text(
        json.dumps({"text": "Look!", "tags": ["User-Generated Content"], "account": "kopi-plaza"})
    )

    result = run("explain", str(file))

    assert "Account  kopi-plaza (Kopi, Signed webhook)" in result.output
    assert "Tags     user-generated-content\n" in result.output
    assert "Ticket   none: a card is enough" in result.output


@pytest.mark.parametrize(
    ("arguments", "content", "complaint"),
    [
        ((), None, "Give the message"),
        (("--text", "x", "--account", "kopi"), None, "There is no account"),
        ((), "not json", "FILE is not JSON"),
        ((), '{"txt": "x"}', "no other keys than"),
    ],
)
def test_explain_says_what_it_needs(run, tmp_path, arguments, content, complaint):
    """A wrong call is a sentence, and exit code 2."""
    if content is not None:
        file = tmp_path / "message.json"
        file.write_text(content)
        arguments = (*arguments, str(file))

    result = run("explain", *arguments)

    assert complaint in result.output
    assert result.exit_code == 2


def test_explain_of_a_broken_mapping_reports_its_faults(run, tmp_path):
    """As check does: there is nothing to explain."""
    result = run("explain", "--mappings", broken(tmp_path), "--text", "x")

    assert result.output.endswith("2 faults\n")
    assert result.exit_code == 1
