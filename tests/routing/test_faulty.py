"""Mappings with one thing wrong each: the report beside it is what an admin reads."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import MappingError
from bridge.routing.decide import decide
from bridge.routing.folder import read_folder
from bridge.routing.load import load, load_files
from bridge.routing.nodes import MAX_FAULTS, MAX_FILE_BYTES, Report
from bridge.routing.rules import RULES
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import MONDAY_NOON, make_message

HERE = Path(__file__).parent
BASE = HERE / "base"
FAULTY = sorted(path for path in (HERE / "faulty").iterdir() if path.is_dir())
BESIDE = ("expected.txt", "removed.txt")


def built(fixture: Path, folder: Path) -> Path:
    """The valid mapping in ``base``, with the files of *fixture* over it."""
    shutil.copytree(BASE, folder, dirs_exist_ok=True)
    shutil.copytree(fixture, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*BESIDE))
    removed = fixture / "removed.txt"
    for name in removed.read_text().split() if removed.exists() else ():
        (folder / name).unlink()
    return folder


def report_of(folder: Path) -> str:
    with pytest.raises(MappingError) as raised:
        load(folder, NETWORKS)
    return str(raised.value) + "\n"


def test_the_base_of_the_faulty_mappings_is_itself_valid():
    """Whatever a faulty mapping is blamed for, it is not the base's fault."""
    assert load(BASE, NETWORKS).fallback == "triage"


@pytest.mark.parametrize("fixture", FAULTY, ids=lambda path: path.name)
def test_a_faulty_mapping_is_reported_as_the_file_beside_it_says(fixture, tmp_path):
    """Every fault with file, line, column, the nearest right word and the rule."""
    expected = (fixture / "expected.txt").read_text()

    assert report_of(built(fixture, tmp_path)) == expected


@pytest.mark.parametrize("fixture", FAULTY, ids=lambda path: path.name)
def test_a_stored_version_is_judged_like_the_folder_it_came_from(fixture, tmp_path):
    """Texts from the database get the same report; only what is no text cannot be stored."""
    folder = built(fixture, tmp_path)
    try:
        files = {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in folder.rglob("*")
            if path.is_file()
        }
    except UnicodeDecodeError:
        assert fixture.name == "not-utf8"
        return
    with pytest.raises(MappingError) as raised:
        load_files(files, NETWORKS)

    assert str(raised.value) + "\n" == (fixture / "expected.txt").read_text()


def too_large(folder: Path) -> None:
    (folder / "tags.yaml").write_text("# " + "x" * MAX_FILE_BYTES)


def unreadable(folder: Path) -> None:
    (folder / "tags.yaml").unlink()
    (folder / "tags.yaml").symlink_to(folder / "tags.yaml")


def no_file(folder: Path) -> None:
    (folder / "tags.yaml").unlink()
    os.mkfifo(folder / "tags.yaml")


def unreadable_team(folder: Path) -> None:
    """The queue that a route leads to stands in it: nobody can say that there is none."""
    text = (folder / "queues.yaml").read_text()
    begin, end = text.index("  support:"), text.index("  triage:")
    (folder / "queues.yaml").write_text(text[:begin] + text[end:])
    (folder / "queues").mkdir()
    (folder / "queues/support.yaml").symlink_to(folder / "queues/support.yaml")


def linked_folder(folder: Path) -> None:
    shutil.move(folder / "routes", folder.parent / "elsewhere")
    (folder / "routes").symlink_to(folder.parent / "elsewhere")


# Faults that a repository cannot carry as files.
MADE: tuple[tuple[str, Callable[[Path], None], str], ...] = (
    ("file-too-large", too_large, "mappings/tags.yaml:1:1 larger than 1,000,000 bytes"),
    ("unreadable-file", unreadable, "mappings/tags.yaml:1:1 "),
    ("unreadable-file", no_file, "mappings/tags.yaml:1:1 this is not a file"),
    ("unreadable-file", unreadable_team, "mappings/queues/support.yaml:1:1 "),
    ("unreadable-file", linked_folder, "mappings/routes:1:1 a link to a folder is not followed"),
)


@pytest.mark.parametrize(
    ("rule", "spoil", "expected"), MADE, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_file_that_cannot_be_read_is_a_fault_and_never_empty(rule, spoil, expected, tmp_path):
    """One fault about the file, and none that only follows from not having read it."""
    folder = shutil.copytree(BASE, tmp_path / "mappings")
    spoil(folder)

    report = report_of(folder)

    assert report.startswith(expected)
    assert report.count("\n") == 1
    assert f"({rule})" in report


def test_a_folder_that_is_not_there_is_a_fault(tmp_path):
    """A wrong path says so, and not that every file is missing."""
    report = report_of(tmp_path / "nowhere")

    assert report == f"mappings:1:1 there is no folder {tmp_path / 'nowhere'} (missing-file)\n"


def test_every_rule_has_a_faulty_mapping():
    """A rule without one has never been seen to work."""
    reports = "".join((fixture / "expected.txt").read_text() for fixture in FAULTY)
    shown = set(re.findall(r"\(([a-z0-9-]+)\)$", reports, re.MULTILINE))

    assert shown | {rule for rule, _, _ in MADE} == set(RULES)


def test_every_rule_is_explained_to_admins():
    """The page that a fault sends people to has an entry for each rule, in the rule's own words."""
    page = (HERE.parents[1] / "mappings" / "README.md").read_text()
    missing = [rule for rule, meaning in RULES.items() if f"| `{rule}` | {meaning} |" not in page]

    assert missing == []


def test_each_faulty_mapping_is_named_after_its_rule():
    """The folder's name begins with the one rule that it breaks."""
    for fixture in FAULTY:
        rules = re.findall(r"\(([a-z0-9-]+)\)$", (fixture / "expected.txt").read_text(), re.MULTILINE)
        if not fixture.name.startswith("many-faults"):
            assert len(set(rules)) == 1
            assert fixture.name.startswith(rules[0])


def base_files() -> dict[str, str]:
    return {path.relative_to(BASE).as_posix(): path.read_text() for path in BASE.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("file", "written", "instead"),
    [
        ("tags.yaml", "words: [crash]", "words: crash"),
        ("tags.yaml", "tags:", "tags: ]"),
        ("brands.yaml", "languages: [en, id]", "languages: [indonesian]"),
        ("brands.yaml", "network: mastodon", "network: mastodn"),
        ("brands.yaml", "brands:", "brands: ]"),
        ("routes/10-social.yaml", "when: {tags: [technical-issue]}", "when: {tag: [technical-issue]}"),
        ("routes/10-social.yaml", "name: technical-issue", "name: Technical Issue"),
    ],
)
def test_an_example_that_hangs_on_a_fault_is_not_blamed(file, written, instead):
    """It would be found wrong for no fault of its own, so it is left out until the fault is mended."""
    files = base_files()
    # Taken by the fallback if the faulty entry were simply not there.
    files["routes/20-team.yaml"] = (
        "routes:\n  - name: team\n    when: {tags: [praise]}\n    queue: triage\n"
        '    examples: [{text: "it will crash", expect: technical-issue}]\n'
    )
    assert load_files(files, NETWORKS).routes[1].name == "team"
    assert written in files[file]
    files[file] = files[file].replace(written, instead)
    with pytest.raises(MappingError) as raised:
        load_files(files, NETWORKS)

    assert not [fault for fault in raised.value.faults if fault.rule.startswith("example-")]


TEAM_TESTS = """\
tests:
  - name: a-crash
    text: it will crash
    at: 2026-01-05 10:00
    expect: {queue: support, priority: high, promise: 2026-01-05 15:00, reply: {contains: [sorted]}}
"""


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_edit_gives_a_mapping_or_a_report(data):
    """Whatever is done to the files with an editor: faults or a mapping that decides, never an error."""
    files = {**base_files(), "tests/team.yaml": TEAM_TESTS}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(files)))
        at, length = data.draw(st.integers(0, len(files[name]))), data.draw(st.integers(0, 30))
        typed = data.draw(
            st.text(alphabet=st.sampled_from("ab:- \n[]{}&*\"'#1~") | st.characters(), max_size=10)
        )
        files[name] = files[name][:at] + typed + files[name][at + length :]
    try:
        mapping = load_files(files, NETWORKS)
    except MappingError as error:
        assert error.faults
        return
    decision = decide(make_message("crash", "praise"), mapping, MONDAY_NOON)

    assert decision.queue in mapping.queues


@pytest.mark.parametrize(
    "name",
    [
        "language-twice",
        "tag-twice",
        "handle-format",
        "vip-twice",
        "empty-value-in-conditions",
        "empty-value-of-a-tag",
        "reply-held",
        "reply-beyond-limit",
        "banned-word-behind-a-condition",
    ],
)
def test_what_a_release_came_to_ask_is_not_asked_of_what_has_served(name, tmp_path):
    """No case loses the version that it was opened with."""
    files = read_folder(built(HERE / "faulty" / name, tmp_path), Report())

    assert load_files(files, NETWORKS, try_out=False).fallback == "triage"


@pytest.mark.parametrize("name", ["secret-in-file", "env-name"])
def test_a_fault_never_repeats_a_secret(name, tmp_path):
    """Reports go to logs and to Slack."""
    report = report_of(built(HERE / "faulty" / name, tmp_path))

    assert "test-secret" not in report


@pytest.mark.parametrize(
    "line",
    ["routes: 1\n", "k{}: 1\n", "  - {{name: r, when: {{tags: [no]}}, queue: no}}\n"],
    ids=["twice", "unknown", "wrong"],
)
def test_a_file_of_nothing_but_faults_is_given_up(line):
    """A thousand faults are reported, in bounded time; nobody reads more."""
    files = base_files()
    head = "routes:\n" if line.startswith(" ") else ""
    files["routes/big.yaml"] = head + "".join(line.format(number) for number in range(5_000))
    with pytest.raises(MappingError) as raised:
        load_files(files, NETWORKS)

    assert len(raised.value.faults) == MAX_FAULTS


def test_a_version_that_has_served_is_not_held_to_what_examples_are_held_to_today():
    """Neither for an example without a tag, nor for a route whose name was free then: its cases keep it."""
    files = base_files()
    files["routes/20-old.yaml"] = (
        "routes:\n  - name: no-case\n    when: {brands: [kopi]}\n    queue: triage\n"
        "    examples: [{text: all is well, expect: fallback}, {text: fine, expect: no-case}]\n"
    )
    with pytest.raises(MappingError) as raised:
        load_files(files, NETWORKS)

    assert {fault.rule for fault in raised.value.faults} == {"bad-name", "example-mismatch"}
    assert load_files(files, NETWORKS, try_out=False).route("no-case") is not None


def test_a_team_may_have_its_queue_in_a_file_of_its_own():
    """Read with queues.yaml, which may then have none itself; its name changes nothing."""
    files = base_files()
    whole = load_files(files, NETWORKS)
    head, _, entries = files["queues.yaml"].partition("queues:\n")
    support, at, triage = entries.partition("  triage:")
    parts = {"queues.yaml": head, "queues/anything.yaml": "queues:\n" + support}
    parts["queues/z.yaml"] = "queues:\n" + at + triage
    apart = load_files({**files, **parts}, NETWORKS)

    assert apart.fallback == whole.fallback
    assert list(apart.queues) == ["support", "triage"]
    assert apart.queues["support"].place.file == "mappings/queues/anything.yaml"
    assert decide(make_message("crash"), apart, MONDAY_NOON).queue == "support"
