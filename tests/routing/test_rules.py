"""The page that faults send people to: each rule with an example that breaks it, and one that does not.

The examples are run: in the small mapping that the faulty ones are made of, each stands in for
words of a file, or in a place that is made for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.errors import MappingError
from bridge.routing.lint import lint
from bridge.routing.load import load_files
from bridge.routing.rules import LIVE, RULES, WARNINGS
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import STARTER
from tests.routing.test_faulty import FAULTY, MADE, base_files

Files = dict[str, str]
CLOSING_AFTER_A_DAY = {name: one.closing_after(timedelta(days=1)) for name, one in NETWORKS.items()}
PAGE = (STARTER / "README.md").read_text(encoding="utf-8").partition("## Every rule")[2]
ROWS = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", PAGE, re.MULTILINE)
ENTRIES = {rule: cells.split(" | ") for rule, cells in ROWS}
WRONG, RIGHT = 1, 2
CODE = re.compile(r"`[^`]+`(?:<br>`[^`]+`)*")

# What no text can show: the file system, bytes, sizes, and what only the vendors know.
NOT_TEXT = {"unreadable-file", "not-utf8", "file-too-large", "template-too-long", "reply-beyond-limit", *LIVE}


def example(rule: str, column: int) -> str:
    """The first code in the entry of *rule*, its lines as the page breaks them."""
    found = CODE.search(ENTRIES[rule][column])
    assert found is not None, rule
    return "\n".join(line.strip("`") for line in found[0].split("<br>"))


QUEUES, ROUTES, BRANDS, HOURS = "queues.yaml", "routes/10-social.yaml", "brands.yaml", "hours.yaml"
CLOSING = "replies/kopi/closing.en.txt.j2"
TEAM = "tests/team.yaml"
WHEN = "when: {tags: [technical-issue]}"
WEEK = 'monday: ["09:00-12:00", "13:00-17:00"]'
TRIAGE = "ticket: false"
A_ROUTE = "  - {@, when: {tags: [praise]}, queue: triage}\n"
LATER = "  - {name: later, @, queue: triage}\n"
A_TEST = "tests:\n  - name: a-crash\n    text: it will crash\n    @\n"

INSTEAD: dict[str, tuple[str, str]] = {
    "yaml-syntax": (QUEUES, "label: Support"),
    "yaml-tab": (QUEUES, "label: Support"),
    "yaml-anchor": (QUEUES, "owner: Head of support"),
    "yaml-merge-key": (QUEUES, "priority: high"),
    "yaml-tag": (QUEUES, "label: Support"),
    "several-documents": (QUEUES, "fallback: triage"),
    "too-deep": (QUEUES, "label: Support"),
    "duplicate-key": (QUEUES, "priority: high"),
    "wrong-type": (QUEUES, "label: Support"),
    "unknown-key": (QUEUES, "priority: high"),
    "empty-value": (QUEUES, "label: Support"),
    "bad-duration": (QUEUES, "promise: 4h"),
    "bad-language": (BRANDS, "languages: [en, id]"),
    "bad-url": (BRANDS, "url: https://social.example"),
    "bad-shift": (HOURS, WEEK),
    "shift-overlap": (HOURS, WEEK),
    "bad-date": (HOURS, "holidays: [2026-12-25]"),
    "never-open": (HOURS, f"week:\n      {WEEK}"),
    "channel-format": (QUEUES, 'channel: "#support"'),
    "handle-format": (BRANDS, 'handle: "@kopi@social.example"'),
    "language-twice": (BRANDS, "languages: [en, id]"),
    "tag-twice": (ROUTES, WHEN),
    "env-name": (BRANDS, "token: {env: KOPI_TOKEN}"),
    "secret-in-file": (BRANDS, "token: {env: KOPI_TOKEN}"),
    "unknown-priority": (QUEUES, "priority: high"),
    "unknown-type": (QUEUES, "type: problem"),
    "unknown-closing": (QUEUES, "closing: auto"),
    "unknown-day": (HOURS, WEEK),
    "unknown-zone": (HOURS, "zone: Asia/Jakarta"),
    "unknown-network": (ROUTES, WHEN),
    "unknown-account": (ROUTES, WHEN),
    "unknown-brand": (ROUTES, WHEN),
    "unknown-queue": (ROUTES, "queue: support"),
    "unknown-tag": (ROUTES, WHEN),
    "unknown-calendar": (QUEUES, "hours: office"),
    "unknown-route": (ROUTES, "expect: technical-issue"),
    "no-condition": (ROUTES, WHEN),
    "queue-without-group": (QUEUES, TRIAGE),
    "group-without-ticket": (QUEUES, TRIAGE),
    "template-syntax": (CLOSING, "{{ signature }}"),
    "template-name": (CLOSING, "{{ signature }}"),
    "template-forbidden": (CLOSING, "{{ signature }}"),
    "example-mismatch": (ROUTES, '{text: "it will crash", expect: technical-issue}'),
    "example-unplaced": (ROUTES, '{text: "it will crash", expect: technical-issue}'),
    "unused-queue": (ROUTES, "queue: support"),
    "unused-tag": (ROUTES, WHEN),
    "reply-language-missing": (BRANDS, "languages: [en, id]"),
}
"""Rule → the words of the base that its example stands in for."""

PLACES: dict[str, tuple[str, str]] = {
    "missing-key": (ROUTES, "  - @\n"),
    "bad-name": (ROUTES, A_ROUTE),
    "bad-percent": ("canary.yaml", "posts: 50\n@\n"),
    "bad-time": (TEAM, f"{A_TEST}    expect: {{queue: support}}\n"),
    "bad-email": (ROUTES, "  - {name: praise, when: {tags: [praise]}, queue: support, @}\n"),
    "approver-format": (QUEUES, "    @\n"),
    "unknown-country": (HOURS, "    @\n"),
    "unknown-reply": (QUEUES, "    @\n"),
    "route-twice": (ROUTES, A_ROUTE),
    "canary-without-limit": ("canary.yaml", "@\n"),
    "test-mismatch": (TEAM, A_TEST),
    "test-unplaced": (TEAM, f"{A_TEST}    expect: {{queue: support}}\n"),
    "test-twice": (
        TEAM,
        "tests:\n  - {name: a-crash, text: it will crash, expect: {queue: support}}\n"
        "  - {@, text: all is well, tags: [praise], expect: {queue: triage}}\n",
    ),
    "unknown-file": ("@", "Sorted."),
    "unused-reply": ("@", "Sorted."),
    "unknown-kind": (ROUTES, LATER),
    "unknown-severity": (ROUTES, LATER),
    "unknown-sentiment": (ROUTES, LATER),
    "unknown-shift": (ROUTES, LATER),
    "unreachable-route": (ROUTES, LATER),
}
"""Rule → where in addition its example stands (@): at the end of a file of the base, or in one of its own."""


def second_brand(files: Files, shown: str) -> None:
    account = (
        'network: mastodon, handle: "@rower@social.example", url: "https://social.example", '
        "token: {env: ROWER_TOKEN}"
    )
    brand = (
        f"name: Rower, languages: [en], zone: Europe/Warsaw, accounts: {{{shown.rstrip(':')}: {{{account}}}}}"
    )
    files[BRANDS] = files[BRANDS].replace("tag_sources:", f"  rower: {{{brand}}}\ntag_sources:")
    files["replies/rower/closing.en.txt.j2"] = "Sorted."


def template_missing(files: Files, shown: str) -> None:
    files[f"replies/kopi/{shown}"] = files.pop(CLOSING)


def with_part(files: Files, shown: str) -> None:
    files["replies/kopi/parts/hours.en.txt.j2"] = "Nine to five."
    files[CLOSING] = shown


def in_part(files: Files, shown: str) -> None:
    files["replies/kopi/parts/hours.en.txt.j2"] = shown
    files[CLOSING] = '{% include "hours" %}'


def whole_reply(files: Files, shown: str) -> None:
    files[CLOSING] = shown


def banned(files: Files, shown: str) -> None:
    files["replies/kopi/voice.yaml"] = "banned_words: {en: [inconvenience]}\n"
    files[CLOSING] = shown


def named_promise(files: Files, shown: str) -> None:
    files[QUEUES] = f"promises: {{gold: 2h}}\n{files[QUEUES]}".replace("promise: 4h", shown)


def kept_off(files: Files, shown: str) -> None:
    files[ROUTES] += f"  - {{name: praise, when: {{tags: [praise]}}, {shown[1:-1]}}}\n"


def second_file(files: Files, shown: str) -> None:
    fields = 'label: a, meaning: a, next_step: a, owner: a, channel: "#a", ticket: false'
    files["queues/warsaw.yaml"] = f"queues:\n  {shown} {{{fields}}}\n"


def vips(files: Files, shown: str) -> None:
    files["vips.yaml"] = shown
    files[ROUTES] += "  - {name: vips, when: {vip: true}, queue: triage}\n"


def target(files: Files, shown: str) -> None:
    files["replies/kopi/voice.yaml"] = shown
    files[CLOSING] = "This is sorted. Thank you for telling us."


def promise(files: Files, shown: str) -> None:
    """Every hour counts: how long it lasts is as it is written."""
    files[QUEUES] = files[QUEUES].replace("    hours: office\n", "").replace("promise: 4h", shown)


SET_UP: dict[str, Callable[[Files, str], None]] = {
    "account-twice": second_brand,
    "template-missing": template_missing,
    "unknown-part": with_part,
    "unused-part": with_part,
    "part-cycle": in_part,
    "template-empty": whole_reply,
    "template-empty-name": whole_reply,
    "banned-word": banned,
    "reply-held": whole_reply,
    "unknown-promise": named_promise,
    "unused-promise": named_promise,
    "copy-to-owner": kept_off,
    "never-reached": kept_off,
    "queue-twice": second_file,
    "no-vips": vips,
    "vip-twice": vips,
    "without-ticket": kept_off,
    "reply-beyond-target": target,
    "promise-beyond-window": promise,
}
"""Rule → what else an example needs."""


def with_example(rule: str, column: int) -> Files:
    files, shown = base_files(), example(rule, column).replace("⇥", "\t")
    if rule == "missing-file":
        files[QUEUES] = files[QUEUES].replace("    hours: office\n", "")
        files[shown] = "calendars: {}\n"
        if column == WRONG:
            del files[shown]
    elif rule in SET_UP:
        SET_UP[rule](files, shown)
    elif rule in PLACES:
        file, place = PLACES[rule]
        indent = " " * (len(place) - len(place.lstrip(" ")))
        file = file.replace("@", shown)
        files[file] = files.get(file, "") + place.replace("@", shown.replace("\n", f"\n{indent}"))
    else:
        file, words = INSTEAD[rule]
        at = files[file].index(words)
        indent = " " * (at - files[file].rfind("\n", 0, at) - 1)
        files[file] = files[file].replace(words, shown.replace("\n", f"\n{indent}"), 1)
    return files


def found_in(files: Files) -> set[str]:
    """The rules that *files* break; where they break none, those of their warnings."""
    try:
        mapping = load_files(files, NETWORKS)
    except MappingError as error:
        return {fault.rule for fault in error.faults}
    return {fault.rule for fault in lint(mapping, CLOSING_AFTER_A_DAY)} & WARNINGS.keys()


@pytest.mark.parametrize("rule", [*RULES, *WARNINGS, *LIVE])
def test_each_rule_has_its_entry_with_a_wrong_and_a_right_example(rule: str):
    """In the rule's own words; the two examples differ."""
    assert rule in ENTRIES
    meaning, _, right = ENTRIES[rule]

    assert meaning == {**RULES, **WARNINGS, **LIVE}[rule]
    assert CODE.search(right)
    assert ENTRIES[rule][WRONG] != right


def test_the_page_has_no_entry_for_a_rule_that_is_none():
    """And each entry once."""
    assert set(ENTRIES) == {*RULES, *WARNINGS, *LIVE}
    assert len(re.findall(r"^\| `", PAGE, re.MULTILINE)) == len(ENTRIES)


@pytest.mark.parametrize("rule", [rule for rule in (*RULES, *WARNINGS) if rule not in NOT_TEXT])
def test_the_wrong_example_breaks_its_rule_and_the_right_one_does_not(rule: str):
    """Run where they belong. A wrong one breaks no other rule, a right one none at all."""
    wrong, right = found_in(with_example(rule, WRONG)), found_in(with_example(rule, RIGHT))

    if rule in RULES:
        assert wrong == {rule}
        assert not right & RULES.keys()
    else:
        assert rule in wrong
        assert rule not in right
        assert not (wrong | right) & RULES.keys()


def test_each_rule_has_been_seen_at_work():
    """A faulty mapping for each fault, a case for each warning, and for each of what the vendors say."""
    reports = "".join((fixture / "expected.txt").read_text(encoding="utf-8") for fixture in FAULTY)
    shown = set(re.findall(r"\(([a-z0-9-]+)\)$", reports, re.MULTILINE)) | {rule for rule, _, _ in MADE}
    beyond = "".join(
        (STARTER.parent / "tests" / file).read_text(encoding="utf-8")
        for file in ("routing/test_lint.py", "cli/test_mapping_live.py")
    )

    assert shown == set(RULES)
    assert [rule for rule in (*WARNINGS, *LIVE) if rule not in beyond] == []
