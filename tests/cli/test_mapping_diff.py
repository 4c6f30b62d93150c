"""`bridge mappings diff`: what an edit would change, told by the messages that came in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge import settings
from bridge.core.message import Author, EventKind, InboundEvent, SocialMessage, Tag
from bridge.routing.compare import ASPECTS
from bridge.store import messages
from bridge.store.database import Database
from tests import migrated
from tests.cli.conftest import Shell
from tests.routing.conftest import STARTER
from tests.running import starter_to_edit

NOW = datetime.now(UTC)
WORDS = "It happens every hour"


def came_in(database: Database, number: int, *tags: str, days_ago: int = 1, account: str = "kopi-mastodon"):
    """A post of the customer Dewi in the database; its row's id."""
    at = NOW - timedelta(days=days_ago, seconds=number)
    post = SocialMessage(
        network="mastodon",
        id=f"https://social.example/{number}",
        account=account,
        author=Author("dewi", "@dewi@social.example", "Dewi"),
        text=WORDS,
        posted_at=at,
        language="en",
        tags=frozenset(tags),
    )
    said = tuple(Tag(name, "social-team-tags", at) for name in tags)
    events = [
        InboundEvent(EventKind.CREATED, "mastodon", post.id, at, post),
        InboundEvent(EventKind.TAGGED, "mastodon", post.id, at, tags=said),
    ]
    with database.write() as tx:
        row = messages.apply(tx, "bridge", events, at, messages.Senders(frozenset({account})))
        row.received_at = at
        return row.id


@pytest.fixture
def database(tmp_path: Path) -> Database:
    url = settings.load({"BRIDGE_DATA": str(tmp_path / "alone")}).database_url
    migrated.prepare(url)
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """The starter with technical issues sent to the triage, and another promise for feature requests."""
    folder = starter_to_edit(tmp_path / "edited")
    routes, queues = folder / "routes/10-social.yaml", folder / "queues.yaml"
    routes.write_text(routes.read_text().replace("queue: support-technical", "queue: triage"))
    queues.write_text(queues.read_text().replace("promise: 2d", "promise: 3d"))
    return folder


def test_diff_counts_what_would_go_elsewhere(database, edited, alone: Shell):
    """By aspect, then change by change with the ids of some messages; no word of theirs."""
    ids = [came_in(database, number, "technical-issue") for number in range(12)]
    wish = came_in(database, 20, "feature-request")
    came_in(database, 21, "crisis")
    said = alone("mappings", "diff", str(edited), "--mappings", str(STARTER))

    assert (said.code, said.lines[0]) == (0, "14 messages, of which 13 would change (92.9%)")
    assert "  queue           12   85.7%  the team that it goes to" in said.lines
    assert "  taken by a route before, and by none then: 0" in said.lines
    at = said.lines.index("queue: support-technical → triage  12")
    assert [line.strip() for line in said.lines[at + 1 : at + 11]] == sorted(ids, reverse=True)[:10]
    at = said.lines.index("promise: 48 h 00 min → 72 h 00 min  1")
    assert said.lines[at + 1].strip() == wish
    assert WORDS not in said.out
    assert "dewi" not in said.out.lower()


def test_diff_of_the_same_mapping_changes_nothing(database, alone: Shell):
    """A folder against itself."""
    came_in(database, 1, "technical-issue")
    said = alone("mappings", "diff", str(STARTER), "--mappings", str(STARTER), "--max-change", "0%")

    assert (said.code, said.lines[0]) == (0, "1 messages, of which 0 would change (0.0%)")


def test_diff_looks_back_as_far_as_it_is_told(database, edited, alone: Shell):
    """Thirty days, if nobody says anything."""
    came_in(database, 1, "technical-issue", days_ago=31)
    diff = ("mappings", "diff", str(edited), "--mappings", str(STARTER))

    nothing = alone(*diff).lines
    assert nothing[:2] == [
        "No messages came in during that time: only the files are compared.",
        "In the files:",
    ]
    assert alone(*diff, "--since", "5w").lines[0].startswith("1 messages, of which 1 would")
    assert "12h, 30d or 8w" in alone(*diff, "--since", "1y").err


def test_diff_without_a_database_compares_the_files_and_makes_none(edited, alone: Shell, tmp_path):
    """Who tries out an edit before any bridge has run: nothing was replayed, and that is said."""
    said = alone("mappings", "diff", str(edited), "--mappings", str(STARTER), "--max-change", "0%")

    assert said.code == 0, said.err
    assert said.lines[:2] == [
        "There are no messages yet: nothing was replayed. Only the files are compared.",
        "In the files:",
    ]
    found = json.loads(alone("mappings", "diff", str(edited), "--mappings", str(STARTER), "--json").out)
    assert (found["messages"], found["files"] != []) == (0, True)
    assert not list(tmp_path.rglob("*.db*"))


def test_diff_compares_files_whose_examples_and_tests_fail(database, edited, alone: Shell):
    """They fail over the very edit whose reach is asked for; how many do is said first."""
    came_in(database, 1, "technical-issue")
    routes, tests = edited / "routes/10-social.yaml", edited / "tests/team.yaml"
    routes.write_text(routes.read_text().replace("expect: technical-issue", "expect: fallback", 1))
    tests.parent.mkdir(exist_ok=True)
    tests.write_text(
        "tests:\n"
        "  - {name: x, text: it fails, tags: [technical-issue], expect: {queue: sales, ticket: false}}\n"
    )
    diff = ("mappings", "diff", str(edited), "--mappings", str(STARTER))
    said, machine = alone(*diff), alone(*diff, "--json")
    faults = alone("mappings", "check", "--mappings", str(edited)).out
    told = f"In {edited}, 2 examples or tests fail: `bridge mappings check --mappings {edited}` shows which."

    assert ("(example-mismatch)" in faults, "(test-mismatch)" in faults) == (True, True)
    assert said.lines[:2] == [told, "1 messages, of which 1 would change (100.0%)"]
    assert (said.code, machine.code, json.loads(machine.out)["changed"]) == (1, 1, 1)
    assert machine.err.startswith(told)


def test_diff_of_faulty_files_says_that_nothing_was_compared(database, edited, alone: Shell):
    """After the faults, so that nobody takes their silence for no change."""
    queues = edited / "queues.yaml"
    queues.write_text(queues.read_text().replace("promise: 3d", "promise: 3 days"))
    said = alone("mappings", "diff", str(edited), "--mappings", str(STARTER))

    assert said.code == 1
    assert "(bad-duration)" in said.out
    assert said.lines[-1] == "Not compared: mend this first."


def test_diff_finds_what_no_route_takes_any_more(database, alone: Shell, tmp_path):
    """A route that is taken away, and an account that is."""
    came_in(database, 1, "sales-lead")
    came_in(database, 2, "crisis", account="rower-mastodon")
    folder = starter_to_edit(tmp_path / "less")
    routes, brands = folder / "routes/10-social.yaml", folder / "brands.yaml"
    text = routes.read_text()
    start, end = text.index("  - name: sales-lead"), text.index("  - name: user-generated-content")
    routes.write_text(text[:start] + text[end:])
    brands.write_text(brands.read_text().replace("rower-mastodon:", "rower-elsewhere:"))
    found = json.loads(alone("mappings", "diff", str(folder), "--mappings", str(STARTER), "--json").out)

    assert (found["messages"], found["changed"], found["newly_unmatched"]) == (2, 2, 1)
    queues = {(one["before"], one["after"]) for one in found["aspects"]["queue"]["changes"]}
    assert queues == {("sales", "triage"), ("incident-response", "(not heard)")}


def test_diff_is_a_gate(database, edited, alone: Shell):
    """--max-change: one more than that, and it fails."""
    came_in(database, 1, "technical-issue")
    came_in(database, 2, "crisis")
    diff = ("mappings", "diff", str(edited), "--mappings", str(STARTER), "--max-change")

    assert alone(*diff, "50%").code == 0
    over = alone(*diff, "49%")
    assert (over.code, over.err.splitlines()[-1]) == (
        1,
        "50.0% of the messages would change: more than 49.0%",
    )
    assert "no share such as 10%" in alone(*diff, "ten").err


TECHNICAL = """\
    channel: "#support-technical"
    ticket: true
    group: Technical Support
    type: problem
"""
ROUTE = "  - name: technical-issue\n    when: {tags: [technical-issue]}\n    queue: support-technical\n"
EDITS = (
    ("owner", "queues.yaml", "owner: Head of technical support", "owner: Nina"),
    ("channel", "queues.yaml", '"#support-technical"', '"#support-apps"'),
    ("group", "queues.yaml", "group: Technical Support", "group: Apps"),
    ("desk", "brands.yaml", "    name: Kopi\n", "    name: Kopi\n    desk_brand: Kopi Coffee\n"),
    ("type", "queues.yaml", "type: problem", "type: incident"),
    ("priority", "queues.yaml", "priority: high", "priority: low"),
    ("severity", "routes/10-social.yaml", ROUTE, ROUTE + "    severity: high\n"),
    ("tags", "routes/10-social.yaml", ROUTE, ROUTE + "    ticket_tags: [app]\n"),
    ("tags", "tags.yaml", "  crisis:\n", "  crisis:\n    words: [it happens]\n"),
    ("fields", "routes/10-social.yaml", ROUTE, ROUTE + "    fields: {Product: App}\n"),
    ("assignee", "routes/10-social.yaml", ROUTE, ROUTE + "    assignee: ola@kopi.example\n"),
    ("promise", "queues.yaml", "promise: 4h", "promise: 5h"),
    ("closing", "queues.yaml", "closing: auto\n\n  incident", "closing: approve\n\n  incident"),
    ("approvers", "queues.yaml", TECHNICAL, TECHNICAL + "    approvers: [U012AB3CD]\n"),
    ("grace", "queues.yaml", TECHNICAL, TECHNICAL + "    closing_grace: 1h\n"),
    ("template", "queues.yaml", TECHNICAL, TECHNICAL + "    closing_template: thanks\n"),
    ("words", "replies/kopi/closing.en.txt.j2", "sorted", "settled"),
    ("words", "brands.yaml", "— Team Kopi", "— Kopi"),
    ("copies", "routes/10-social.yaml", ROUTE, ROUTE + "    copies: [triage]\n"),
    ("never", "routes/10-social.yaml", ROUTE, ROUTE + "    never: [sales]\n"),
)


@pytest.mark.parametrize(
    ("aspect", "file", "written", "instead"), EDITS, ids=[f"{one[0]}-{one[1][:4]}" for one in EDITS]
)
def test_diff_sees_whatever_people_would_notice(
    database, alone: Shell, tmp_path, aspect, file, written, instead
):
    """An edit of one key in one file: the aspect is counted, and the file is named."""
    post = came_in(database, 1, "technical-issue")
    folder = starter_to_edit(tmp_path / "edited")
    before = starter_to_edit(tmp_path / "before")
    text = (folder / file).read_text()
    assert written in text
    (folder / file).write_text(text.replace(written, instead, 1))
    said = alone("mappings", "diff", str(folder), "--mappings", str(before), "--json")
    found = json.loads(said.out)

    assert found["changed"] == 1
    assert found["aspects"][aspect]["changes"][0]["examples"] == [post]
    assert {edit["file"] for edit in found["files"]} == {file}


def test_diff_explains_each_aspect_that_it_counts(database, alone: Shell, tmp_path):
    """In the table itself, and only those that change: "light" alone says nothing to anybody."""
    came_in(database, 1, "technical-issue", account="kopi-plaza")
    folder = starter_to_edit(tmp_path / "edited")
    brands = folder / "brands.yaml"
    lines = brands.read_text().splitlines(keepends=True)
    brands.write_text("".join(line for line in lines if "reply_url" not in line))
    said = alone("mappings", "diff", str(folder), "--mappings", str(STARTER))

    assert said.lines[1:4] == [
        "  light            1  100.0%  whether a public reply is possible",
        "  taken by a route before, and by none then: 0",
        "light: possible → not possible  1",
    ]
    page = (STARTER / "README.md").read_text()
    assert [aspect for aspect, meaning in ASPECTS.items() if f"| `{aspect}` | {meaning}" not in page] == []


def test_diff_of_a_reply_shows_what_it_said_and_would_say(database, alone: Shell, tmp_path):
    """In the language of each post, and no line wider than a terminal."""
    came_in(database, 1, "technical-issue")
    folder = starter_to_edit(tmp_path / "edited")
    reply = folder / "replies/kopi/closing.en.txt.j2"
    reply.write_text(reply.read_text().replace("sorted", "settled"))
    other = folder / "replies/kopi/closing.pl.txt.j2"
    other.write_text(other.read_text() + "PS")
    said = alone("mappings", "diff", str(folder), "--mappings", str(STARTER))
    at = said.lines.index("words:  1")

    assert said.lines[at + 1].startswith("  before  Hi Anna")
    assert [line[:10] for line in said.lines[at + 1 : at + 5] if line.startswith("  after")] == ["  after   "]
    assert "settled" in said.out
    assert max(map(len, said.lines)) <= 80
    assert "  replies/kopi/closing.pl.txt.j2 is another" in said.lines


def test_diff_knows_that_a_post_without_a_tag_opens_no_case(database, edited, alone: Shell, tmp_path):
    """So it changes nothing where such a post would go; a word that gives it a tag does."""
    came_in(database, 1)
    folder = starter_to_edit(tmp_path / "tagging")
    queues = (folder / "queues.yaml").read_text()
    (folder / "queues.yaml").write_text(queues.replace("fallback: triage", "fallback: sales"))
    diff = ("mappings", "diff", str(folder), "--mappings", str(STARTER))

    assert alone(*diff).lines[0] == "1 messages, of which 0 would change (0.0%)"
    tags = (folder / "tags.yaml").read_text()
    (folder / "tags.yaml").write_text(tags.replace("  crisis:\n", "  crisis:\n    words: [it happens]\n"))
    assert "queue: (no case) → incident-response  1" in alone(*diff).lines


def test_diff_tells_of_edits_that_no_message_meets(database, alone: Shell, tmp_path):
    """A team that nobody wrote to hears of its next post elsewhere: the files say so."""
    folder = starter_to_edit(tmp_path / "edited")
    before = starter_to_edit(tmp_path / "before")
    queues = folder / "queues.yaml"
    queues.write_text(queues.read_text().replace('"#sales-leads"', '"#sales"'))
    diff = ("mappings", "diff", str(folder), "--mappings", str(before))

    assert alone(*diff).lines[1:] == [
        "In the files:",
        '  queues.yaml: sales: channel "#sales-leads" → "#sales"',
    ]
    told = json.loads(alone(*diff, "--format", "json").out)
    assert told["files"] == [
        {
            "file": "queues.yaml",
            "at": ["sales", "channel"],
            "what": "other",
            "before": "#sales-leads",
            "after": "#sales",
        }
    ]
    queues.write_text("# of the teams\n" + (before / "queues.yaml").read_text())
    assert alone(*diff).lines[1:] == ["The files say the same, in another form."]
    assert alone(*diff[:2], str(before), *diff[3:]).lines[1:] == ["The files are the same."]


def test_diff_against_a_faulty_folder_says_what_is_wrong(database, edited, alone: Shell):
    """As check does."""
    (edited / "queues.yaml").write_text("queues: {}\nfallback: x\n")
    said = alone("mappings", "diff", str(edited), "--mappings", str(STARTER))

    assert said.code == 1
    assert "(empty-value)" in said.out


def test_explain_takes_a_message_that_came_in(database, edited, alone: Shell):
    """By its id or the end of it, under the files as they are now."""
    post = came_in(database, 1, "technical-issue")
    said = alone("mappings", "explain", "--message", post[-12:], "--mappings", str(edited))

    assert (said.code, "Taken    technical-issue → triage" in said.out) == (0, True)
    none = alone("mappings", "explain", "--message", "1234567").err
    assert "There is no message 1234567: give its id, or the end of it." in none
