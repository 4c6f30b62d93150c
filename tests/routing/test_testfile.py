"""Tests of the whole mapping, which admins write into files of their own."""

from __future__ import annotations

import sys

import pytest

from bridge.errors import MappingError
from bridge.routing.load import load_files
from tests.routing.catalogue import NETWORKS
from tests.routing.test_faulty import base_files

CRASH = """\
tests:
  - name: {name}
    text: "it will crash"
    expect: {{queue: {queue}}}
"""


def faults(files: dict[str, str]) -> list[tuple[str, str, int]]:
    """(rule, file, line) of everything wrong with *files*."""
    try:
        load_files(files, NETWORKS)
    except MappingError as error:
        return [(fault.rule, fault.file.removeprefix("mappings/"), fault.line) for fault in error.faults]
    return []


def with_tests(**texts: str) -> dict[str, str]:
    """The base with the files tests/NAME.yaml."""
    return {**base_files(), **{f"tests/{name}.yaml": text for name, text in texts.items()}}


def test_a_mapping_knows_the_tests_that_it_has_passed():
    """Of every file, so that teams own theirs."""
    files = with_tests(
        a=CRASH.format(name="one", queue="support"), b=CRASH.format(name="two", queue="support")
    )

    assert load_files(files, NETWORKS).tests == ("one", "two")


def test_tests_may_be_left_out():
    """No folder, or a file that holds none yet."""
    assert load_files(base_files(), NETWORKS).tests == ()
    assert load_files(with_tests(a="tests: []\n"), NETWORKS).tests == ()


def test_one_name_in_two_files_is_one_name():
    """A report that names it must be about one test."""
    files = with_tests(
        a=CRASH.format(name="same", queue="support"), b=CRASH.format(name="same", queue="support")
    )

    assert faults(files) == [("test-twice", "tests/b.yaml", 2)]


def test_a_file_that_cannot_be_read_hides_no_other():
    """The tests of the other teams are tried all the same."""
    files = with_tests(a="tests: [", b=CRASH.format(name="two", queue="triage"))

    assert faults(files) == [("yaml-syntax", "tests/a.yaml", 1), ("test-mismatch", "tests/b.yaml", 4)]


@pytest.mark.parametrize(
    ("file", "written", "instead"),
    [
        ("queues.yaml", "priority: high", "priority: hig"),
        ("queues.yaml", "queues:", "queues: ]"),
        ("hours.yaml", "zone: Asia/Jakarta", "zone: Asia/Jakata"),
        ("routes/10-social.yaml", "queue: support", "queue: suport"),
        ("replies/kopi/closing.en.txt.j2", "{{ signature }}", "{{ signatur }}"),
    ],
)
def test_a_test_that_hangs_on_a_fault_is_not_blamed(file, written, instead):
    """What becomes of its post is not known until the fault is mended."""
    files = with_tests(a=CRASH.format(name="one", queue="triage"))
    assert written in files[file]
    files[file] = files[file].replace(written, instead)

    assert [rule for rule, _, _ in faults(files)].count("test-mismatch") == 0


def test_a_fault_that_decides_nothing_keeps_no_test_from_being_tried():
    """A wrong example, a wrong canary: the admin hears of everything at once."""
    files = with_tests(a=CRASH.format(name="one", queue="triage"))
    files["canary.yaml"] = "posts: 10\n"
    files["routes/10-social.yaml"] += '      - {text: "all is well"}\n'

    assert {rule for rule, _, _ in faults(files)} == {
        "canary-without-limit",
        "example-mismatch",
        "test-mismatch",
    }


def test_the_customers_name_and_the_brands_time_are_the_tests_own():
    """The reply says the name; the promise counts from the wall clock of the brand."""
    files = with_tests(
        a="""\
tests:
  - name: dewi
    text: "it will crash"
    customer: Dewi Lestari
    at: 2026-01-05 11:30
    expect: {promise: 2026-01-05 16:30, reply: {text: "Hi Dewi, this is sorted."}}
"""
    )
    files["replies/kopi/closing.en.txt.j2"] = "Hi{% if customer %} {{ customer }}{% endif %}, this is sorted."

    assert faults(files) == []


def test_the_language_of_a_text_is_told_as_for_a_real_post():
    """A test that says no language, and expects one, is held to what the bridge hears in the text."""
    text = "Aplikasi ini selalu crash setiap kali saya membukanya"
    files = with_tests(
        a=f'tests:\n  - {{name: a, text: "{text}", expect: {{language: id}}}}\n'
        f'  - {{name: b, text: "{text}", language: en, expect: {{language: id}}}}\n'
    )
    files["replies/kopi/closing.id.txt.j2"] = "Halo, sudah beres."

    assert faults(files) == [("test-mismatch", "tests/a.yaml", 3)]


def test_the_model_of_languages_is_loaded_only_for_a_test_that_asks(monkeypatch):
    """It takes 90 MB: a queue can be told without it."""
    monkeypatch.setitem(sys.modules, "py3langid", None)

    assert faults(with_tests(a=CRASH.format(name="one", queue="support"))) == []


def test_of_a_post_without_a_tag_only_that_no_case_is_opened_can_be_expected():
    """That is what the flow does with it, whatever route it would take: one fault, at the first such line."""
    files = with_tests(
        a="tests:\n"
        "  - {name: a, text: hello, expect: {route: no-case}}\n"
        "  - {name: b, text: hello, tags: [praise], expect: {route: fallback, queue: triage}}\n"
        "  - {name: c, text: hello, expect: {queue: triage, ticket: false}}\n"
        "  - {name: d, text: hello, tags: [praise], expect: {route: no-case}}\n"
    )

    assert faults(files) == [("test-mismatch", "tests/a.yaml", 4), ("test-mismatch", "tests/a.yaml", 5)]


def test_a_test_expects_what_a_route_gives():
    """In its own words; who is told in any order. Of a team without tickets nobody gets any."""
    files = with_tests(
        a="tests:\n"
        "  - name: a\n    text: hello\n    tags: [praise]\n"
        "    expect: {severity: low, assignee: ola@kopi.example, fields: {Size: '2', Product: Roaster},"
        " copies: [triage]}\n"
        "  - name: b\n    text: it will crash\n"
        "    expect: {severity: none, assignee: none, fields: {}, copies: []}\n"
        "  - name: c\n    text: hello\n    kind: review\n    tags: [praise]\n"
        "    expect: {ticket: false, severity: none, assignee: none, fields: {}, copies: [support]}\n"
    )
    files["routes/20-praise.yaml"] = """\
routes:
  - {name: reviews, when: {kinds: [review]}, queue: triage, assignee: ola@kopi.example, copies: [support]}
  - name: praise
    when: {tags: [praise]}
    queue: support
    severity: low
    assignee: ola@kopi.example
    fields: {Product: Roaster, Size: "2"}
    copies: [triage]
"""

    assert faults(files) == []


FACTS = """\
routes:
  - {name: vips, when: {vip: true}, queue: support}
  - {name: known, when: {min_followers: 1000, kinds: [review]}, queue: support}
"""
VIPS = 'vips:\n  press: {network: mastodon, handle: "@news@press.example", why: They print it.}\n'


def test_a_test_tells_what_a_source_tells():
    """Kind, reach, and a VIP without a name in the test."""
    files = with_tests(
        a="tests:\n"
        "  - {name: a, text: hello, tags: [praise], vip: true, expect: {route: vips}}\n"
        "  - {name: b, text: hello, tags: [praise], followers: 1000, kind: review, expect: {route: known}}\n"
        "  - {name: c, text: hello, tags: [praise], kind: direct,\n"
        "     expect: {route: fallback, public_reply: false}}\n"
    )
    files |= {"routes/20-facts.yaml": FACTS, "vips.yaml": VIPS}

    assert faults(files) == []


def test_a_test_of_a_vip_needs_one():
    """On the network of the post."""
    files = with_tests(
        a="tests:\n  - {name: a, text: hello, tags: [praise], vip: true, expect: {route: vips}}\n"
    )
    files |= {"routes/20-facts.yaml": FACTS, "vips.yaml": "vips: {}\n"}

    assert faults(files) == [("test-unplaced", "tests/a.yaml", 2)]
