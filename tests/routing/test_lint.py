"""Warnings: what is sound, serves, and is probably not what the admin meant."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bridge.routing.lint import lint
from bridge.routing.load import load_files
from bridge.routing.rules import RULES, WARNINGS
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import STARTER, starter_files

ROUTES = "routes/10-social.yaml"
VIPS = (STARTER / "vips.yaml").read_text(encoding="utf-8")
MADE: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "unreachable-route",
        "routes/20-late.yaml",
        "",
        "routes:\n  - {name: late, when: {tags: [crisis], networks: [mastodon]}, queue: triage}\n",
        "mappings/routes/20-late.yaml:2:5 late never takes a post: "
        "crisis (routes/10-social.yaml:31) takes all of them before it (unreachable-route)",
    ),
    (
        "unused-queue",
        ROUTES,
        "queue: sales",
        "queue: community",
        "mappings/queues.yaml:62:3 sales: no route leads to this queue (unused-queue)",
    ),
    (
        "unused-promise",
        "queues.yaml",
        "promises:\n",
        "promises:\n  gold: 30m\n",
        "mappings/queues.yaml:18:3 gold: no queue and no route gives this promise (unused-promise)",
    ),
    (
        "unused-tag",
        "tags.yaml",
        "  crisis:\n",
        "  praise:\n    meaning: Somebody is happy.\n  crisis:\n",
        "mappings/tags.yaml:43:3 praise: no route asks for this tag (unused-tag)",
    ),
    (
        "unused-part",
        "replies/kopi/parts/hours.en.txt.j2",
        "",
        "Nine to five.",
        "mappings/replies/kopi/parts/hours.en.txt.j2:1:1 no reply takes this part in (unused-part)",
    ),
    (
        "unused-reply",
        "replies/kopi/clsoing.en.txt.j2",
        "",
        "This is sorted.",
        "mappings/replies/kopi/clsoing.en.txt.j2:1:1 clsoing: no queue and no route asks for this reply. "
        'Did you mean "closing"? (unused-reply)',
    ),
    (
        "reply-beyond-target",
        "replies/rower/voice.yaml",
        "target_length: 280",
        "target_length: 159",
        "mappings/replies/rower/thanks.pl.txt.j2:1:1 160 characters, and rower aims at 159 "
        "(reply-beyond-target)",
    ),
    (
        "without-ticket",
        ROUTES,
        "queue: sales\n",
        "queue: sales\n    fields: {Plan: pro}\n    assignee: ola@kopi.example\n",
        "mappings/routes/10-social.yaml:71:5 sales-lead: sales has no tickets, so fields, assignee "
        "would do nothing (without-ticket)",
    ),
    (
        "no-vips",
        "vips.yaml",
        VIPS,
        "vips: {}\n",
        "mappings/routes/10-social.yaml:43:5 vip asks for VIPs, and vips.yaml names nobody: "
        "it never takes a post (no-vips)",
    ),
    (
        "reply-language-missing",
        "brands.yaml",
        "languages: [pl, en]",
        "languages: [pl, en, th]",
        "mappings/brands.yaml:34:3 rower speaks th, and there is no replies/rower/closing.th.txt.j2: "
        "another is used (reply-language-missing)\n"
        "mappings/brands.yaml:34:3 rower speaks th, and there is no replies/rower/thanks.th.txt.j2: "
        "another is used (reply-language-missing)",
    ),
)


def warnings(files: dict[str, str]) -> str:
    return "\n".join(map(str, lint(load_files(files, NETWORKS))))


def test_the_starter_has_nothing_to_warn_of():
    """People learn from it."""
    assert warnings(starter_files()) == ""


@pytest.mark.parametrize(
    ("rule", "file", "written", "instead", "expected"), MADE, ids=[rule for rule, *_ in MADE]
)
def test_each_warning_says_what_and_where(rule, file, written, instead, expected):
    """As `check` prints it, and nothing besides."""
    files = starter_files()
    before = files.setdefault(file, "")
    assert written in before
    files[file] = before.replace(written, instead) if written else instead
    if rule == "no-vips":  # then the starter's own example fails, and there would be more to say
        files[ROUTES] = re.sub(r"\n      - {text: \"Is it true.*", "", files[ROUTES])

    assert warnings(files) == expected
    assert f"({rule})" in expected


def test_every_warning_has_an_edit_that_brings_it():
    """A warning without one has never been seen to work."""
    assert {rule for rule, *_ in MADE} | {"promise-beyond-window"} == set(WARNINGS)


def test_an_unused_reply_of_another_name_is_not_taken_for_a_slip():
    """Nothing is near: nothing is guessed."""
    files = starter_files()
    files["replies/kopi/zzz.en.txt.j2"] = "This is sorted."

    assert warnings(files).endswith("zzz: no queue and no route asks for this reply (unused-reply)")


DAY = timedelta(hours=24)
CLOSING_AFTER_A_DAY = {**NETWORKS, "mastodon": NETWORKS["mastodon"].closing_after(DAY)}


def test_a_promise_that_outlasts_the_networks_window_is_warned_of():
    """By what the network declares; hours of work are counted as they pass on the wall."""
    found = [
        str(fault)
        for fault in lint(load_files(starter_files(), NETWORKS), CLOSING_AFTER_A_DAY)
        if fault.rule == "promise-beyond-window"
    ]

    assert found == [
        "mappings/queues.yaml:21:3 support-technical: an answer may be due 47 h after the post, "
        "and Mastodon takes replies for 24 h (promise-beyond-window)",
        "mappings/queues.yaml:48:3 product-feedback: an answer may be due 48 h after the post, "
        "and Mastodon takes replies for 24 h (promise-beyond-window)",
        "mappings/queues.yaml:78:3 triage: an answer may be due 5 days 17 h after the post, "
        "and Mastodon takes replies for 24 h (promise-beyond-window)",
        "mappings/routes/10-social.yaml:43:5 support-technical: an answer may be due 44 h after the post, "
        "and Mastodon takes replies for 24 h (promise-beyond-window)",
    ]


@pytest.mark.parametrize(
    ("promise", "condition", "warned"),
    [
        ("24h", "tags: [crisis]", False),
        ("25h", "tags: [crisis]", True),
        ("25h", "tags: [crisis], networks: [standard]", False),
        ("25h", "tags: [crisis], accounts: [kopi-mastodon]", True),
    ],
)
def test_a_routes_own_promise_counts_where_it_can_take_posts(promise, condition, warned):
    """It stands in for the queue's, and only networks of posts that the route takes matter."""
    files = starter_files()
    files[ROUTES] = (
        f"routes:\n  - {{name: mine, when: {{{condition}}}, queue: incident-response, promise: {promise}}}\n"
    )
    found = lint(load_files(files, NETWORKS), CLOSING_AFTER_A_DAY)

    assert [fault.file for fault in found if "incident-response: an answer" in fault.message] == (
        [f"mappings/{ROUTES}"] if warned else []
    )


def test_every_warning_is_explained_to_admins():
    """In the page's own table, in the warning's own words."""
    page = (STARTER / "README.md").read_text(encoding="utf-8")
    missing = [rule for rule, meaning in WARNINGS.items() if f"| `{rule}` | {meaning} |" not in page]

    assert missing == []
    assert not WARNINGS.keys() & RULES.keys()


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        ("tags: [crisis]", "tags: [crisis]", True),
        ("tags: [crisis, sales-lead]", "tags: [crisis]", True),
        ("tags: [crisis]", "tags: [crisis, sales-lead]", False),
        ("tags: [crisis]", "all_tags: [crisis, sales-lead]", True),
        ("all_tags: [crisis]", "tags: [crisis]", True),
        ("all_tags: [crisis]", "tags: [crisis, sales-lead]", False),
        ("all_tags: [crisis, sales-lead]", "all_tags: [crisis]", False),
        ("no_tags: [crisis]", "tags: [sales-lead]", False),
        ("no_tags: [crisis]", "tags: [sales-lead], no_tags: [crisis]", True),
        ("tags: [crisis], networks: [mastodon]", "tags: [crisis]", False),
        ("tags: [crisis], networks: [mastodon]", "tags: [crisis], accounts: [kopi-mastodon]", True),
        ("brands: [kopi]", "accounts: [kopi-plaza, kopi-mastodon]", True),
        ("brands: [kopi]", "networks: [standard]", True),
        ("brands: [kopi]", "networks: [mastodon]", False),
        ("languages: [pt]", "languages: [pt-br]", True),
        ("languages: [pt-br]", "languages: [pt]", False),
        ("words: [Café]", "words: [cafe]", True),
        ("words: [coffee]", "words: [coffee, tea]", False),
        ("words: [coffee]", "tags: [crisis]", False),
        ("kinds: [public, reply]", "kinds: [reply]", True),
        ("kinds: [reply]", "kinds: [public, reply]", False),
        ("kinds: [public, reply, review, direct]", "tags: [crisis]", True),
        ("severities: [high, critical]", "severities: [critical]", True),
        ("severities: [high]", "tags: [crisis]", False),
        ("sentiments: [negative]", "sentiments: [negative]", True),
        ("sentiments: [negative]", "tags: [crisis]", False),
        ("min_followers: 1000", "min_followers: 5000", True),
        ("min_followers: 5000", "min_followers: 1000", False),
        ("min_followers: 5000", "tags: [crisis]", False),
        ("vip: false", "vip: false, tags: [crisis]", True),
        ("vip: false", "tags: [crisis]", False),
        ("hours: {warsaw-office: closed}", "hours: {warsaw-office: closed, jakarta-desk: open}", True),
        ("hours: {warsaw-office: closed}", "hours: {warsaw-office: open}", False),
        ("hours: {warsaw-office: closed}", "tags: [crisis]", False),
    ],
)
def test_a_route_is_shadowed_only_when_every_post_of_it_is_taken_before(earlier, later, covered):
    """A doubt is no warning."""
    files = starter_files()
    files[ROUTES] = (
        "routes:\n"
        f"  - {{name: earlier, when: {{{earlier}}}, queue: triage}}\n"
        f"  - {{name: later, when: {{{later}}}, queue: triage}}\n"
    )

    assert ("later never takes a post" in warnings(files)) is covered
