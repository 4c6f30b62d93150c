"""What is said of a file that is not YAML: plain words, at the place where the editor must go."""

from __future__ import annotations

import time

import pytest

from bridge.routing.nodes import Report, read

INDENT = "this line is indented differently from its neighbours"
NEVER_CLOSED = "that is opened here is never closed"
NO_COLON = "a key must be followed by a colon and a space"


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("q:\n  a:\n    label: x\n   owner: y\n", 4, 4, INDENT),
        ("q:\n  a:\n    label: x\n      owner: y\n", 4, 7, INDENT),
        ("q:\n  a:\n    label: x\n\n\n      owner: y\n", 6, 7, INDENT),
        ("r:\n  - name: x\n   queue: y\n", 3, 4, INDENT),
        ("brands:\n  a: 1\n tags:\n  b: 1\n", 3, 2, INDENT),
        (" brands:\n  a: 1\ntags:\n  b: 1\n", 3, 1, INDENT),
        ("q:\n  a: 1\n  - b\n", 3, 3, INDENT),
        ("b:\n  languages: [en, id\n  zone: x\n  k: {env: A}\n", 2, 14, f"the bracket [ {NEVER_CLOSED}"),
        ("b:\n  token: {env: A\n  zone: x\n", 2, 10, f"the bracket {{ {NEVER_CLOSED}"),
        ("b: [a, b", 1, 4, f"the bracket [ {NEVER_CLOSED}"),
        ("broken: [", 1, 9, f"the bracket [ {NEVER_CLOSED}"),
        ("broken: [\n", 1, 9, f"the bracket [ {NEVER_CLOSED}"),
        ("b:\n  x: {a: [b, {c: ", 2, 14, f"the bracket {{ {NEVER_CLOSED}"),
        ("b: {c: [}\n", 1, 8, f"the bracket [ {NEVER_CLOSED}"),
        ("b: [c, , d]\n", 1, 8, "there is nothing before this comma"),
        ("r:\n  - when: {tags: [a}\n", 2, 18, f"the bracket [ {NEVER_CLOSED}"),
        ('  - {text: "a", tags: [x] expect: y}\n', 1, 27, "a comma is missing before this"),
        ('q:\n  label: "Support\n  meaning: x\n', 2, 10, f"the quote {NEVER_CLOSED}"),
        ('q:\n  label: "Support\n  meaning: "x"\n', 2, 10, f"the quote {NEVER_CLOSED}"),
        ('q:\n  label: "Support\n  meaning: x\n  channel: "#a"\n', 2, 10, f"the quote {NEVER_CLOSED}"),
        ("q:\n  label: 'it's fine'\n", 2, 14, "the text goes on after its closing quote"),
        ("q:\n  label Support\n  meaning: x\n", 2, 3, NO_COLON),
        ("q:\n  label:Support\n\n  meaning: x\n", 2, 3, NO_COLON),
        ("q:\n  a: one\n  two\n  b: 3\n", 3, 3, NO_COLON),
        ("q:\n  label: Support: x\n", 2, 17, "a text with a colon and a space in it must be in quotes"),
        ("q:\n  handle: @kopi\n", 2, 11, "a text that starts with @ must be in quotes"),
        ("q:\n  words: * new\n", 2, 10, "a text that starts with * must be in quotes"),
        ("q:\n  label: | new\n", 2, 10, "a text that starts with | must be in quotes"),
        ("q:\n  label: , new\n", 2, 10, "a text that starts with , must be in quotes"),
        ('q: "C:\\dir"\n', 1, 8, "a backslash in double quotes"),
        ("q: - a\n", 1, 4, "a list starts on a line of its own"),
        ("q:\n  l: [a]]\n", 2, 9, "a bracket or comma that belongs to nothing"),
    ],
)
def test_a_slip_is_named_where_it_was_made(text, line, column, said):
    """One fault: the line and column to go to, and what to look for there, without a parser's jargon."""
    report = Report()
    read("f.yaml", text, report)
    (fault,) = report.faults

    assert (fault.line, fault.column, fault.rule) == (line, column, "yaml-syntax")
    assert said in fault.message


def test_a_quoted_text_may_have_several_lines():
    """Only one that goes over the keys of later lines has lost its end."""
    report = Report()
    root = read("f.yaml", 'q:\n  a: "one\n    two"\n  b: x\n', report)

    assert report.faults == []
    assert root.find(("q", "a")).scalar == "one two"


@pytest.mark.parametrize(
    "text",
    ['a: "' + "\n" * 300_000 + '" b', "a: x\n " + "- " * 200_000 + "\n b: c", "a: x " + ": " * 100_000],
)
def test_a_slip_is_found_in_linear_time(text):
    """A large file is no way to keep the bridge busy."""
    report = Report()
    before = time.process_time()
    read("f.yaml", text, report)

    assert report.faults
    assert time.process_time() - before < 8
