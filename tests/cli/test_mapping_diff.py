"""`bridge mappings diff`: what an edit would change, told by the messages that came in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge import settings
from bridge.core.message import Author, EventKind, InboundEvent, SocialMessage, Tag
from bridge.store import messages
from bridge.store.database import Database
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
        row = messages.apply(tx, "bridge", events, at, frozenset({account}))
        row.received_at = at
        return row.id


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(settings.load({"BRIDGE_DATA": str(tmp_path / "alone")}).database_url)
    database.migrate()
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
    assert "  queue           12   85.7%" in said.lines
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

    assert alone(*diff).lines == ["No messages came in during that time: there is nothing to compare."]
    assert alone(*diff, "--since", "5w").lines[0].startswith("1 messages, of which 1 would")
    assert "12h, 30d or 8w" in alone(*diff, "--since", "1y").err


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
    assert "There is no message 1234567" in alone("mappings", "explain", "--message", "1234567").err
