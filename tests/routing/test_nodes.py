"""YAML that knows where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.nodes import Report, Spot, nearest, read


def value_of(text: str) -> object:
    report = Report()
    root = read("f.yaml", text, report)
    assert report.faults == []
    return root.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("012", 12),
        ("0o14", "0o14"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-12-25", "2026-12-25"),
        ("1.5", 1.5),
        ("-3", -3),
        (".inf", ".inf"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("~", None),
        ("", None),
        ("null", None),
        ("=", "="),
        ("9" * 30, 1e30),
    ],
)
def test_a_value_is_what_it_looks_like(written, meant):
    """The YAML 1.2 core schema: no surprises with no, on, dates and octal numbers."""
    assert value_of(f"key: {written}\n") == {"key": meant}
    assert type(value_of(f"key: {written}\n")["key"]) is type(meant)


def test_a_key_is_its_text():
    """`no:` and `2026:` name something; they are neither false nor a number."""
    assert value_of("no: 1\n2026: 2\ntrue: 3\n") == {"no": 1, "2026": 2, "true": 3}


def test_every_value_and_key_knows_its_place():
    """Lines and columns count from 1."""
    root = read("f.yaml", "a:\n  - x\n  - b: [1, 2]\n", Report())

    assert root.find(("a", 1, "b", 1)).spot == Spot("f.yaml", 3, 12)
    assert root.key_spot(("a", 1, "b")) == Spot("f.yaml", 3, 5)
    assert root.key_spot(("a", 0)) == Spot("f.yaml", 2, 5)
    assert root.find(("a", "nothing", "here")).spot == Spot("f.yaml", 2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]\n",
        "a: &a [1, 1]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        "? [complex, key]\n: value\n",
        "? {a: b}\n: value\n",
        "[" * 100_000,
        "a: " + "{a: " * 10_000,
        "a: 1\n---\nb: 2\n",
        "a: \x00\n",
        "%YAML 9.9\n---\na: 1\n",
        "!!python/object/apply:os.system [ls]\n",
        "a: [1, 2\nb: 3\n",
        "@@@@",
        "'unclosed",
        'a: "\\ud83d"\n',
        "# " + "x" * 1_000_001,
    ],
)
def test_a_hostile_file_is_a_fault(text):
    """Bombs, bytes, depth, objects: a report, and neither an error nor a wait."""
    report = Report()
    read("f.yaml", text, report)

    assert report.faults


@given(st.text(alphabet=st.sampled_from("ab:- \n[]{}&*!|>'\"#%,?~\t1") | st.characters(), max_size=80))
def test_any_text_is_nodes_or_a_fault(text):
    """Total: no text makes the reader raise."""
    report = Report()
    root = read("f.yaml", text, report)

    assert root is not None or report.faults


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "---\n"])
def test_an_empty_file_holds_nothing(text):
    """It is no fault of the file, but whoever wants a key of it will miss it."""
    assert value_of(text) is None


def test_the_nearest_word_is_offered_only_when_it_is_near():
    """A wrong guess is worse than none."""
    assert nearest("urgentt", ["low", "urgent"]) == '. Did you mean "urgent"?'
    assert nearest("banana", ["low", "urgent"]) == ""
