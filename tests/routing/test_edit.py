"""What two sets of files say differently: by name, not by line, and nothing personal."""

from __future__ import annotations

from bridge.routing.edit import Edit, What, edits
from tests.routing.conftest import starter_files

ROUTES = "routes/10-social.yaml"


def edited(file: str, written: str, instead: str) -> list[Edit]:
    """What an edit of one file of the starter is told as."""
    files = starter_files()
    assert written in files[file]
    return edits(files, {**files, file: files[file].replace(written, instead, 1)})


def route(name: str) -> str:
    return f"  - {{name: {name}, when: {{tags: [crisis]}}, queue: triage}}\n"


def test_a_key_that_comes_and_goes_is_told_with_its_value():
    """By the names that lead to it."""
    given = "    owner: Head of sales\n"
    priced = given + "    label_of: x\n"
    files = starter_files()
    with_it = {**files, "queues.yaml": files["queues.yaml"].replace(given, priced)}

    assert edits(files, with_it) == [Edit("queues.yaml", ("sales", "label_of"), What.NEW, None, "x")]
    assert edits(with_it, files) == [Edit("queues.yaml", ("sales", "label_of"), What.GONE, "x", None)]


def test_an_entry_that_comes_is_told_as_one():
    """Not key by key, and in a file of its own likewise."""
    files = starter_files()
    team = "queues:\n  press:\n    label: Press\n    ticket: false\n"
    added = {**files, "queues/press.yaml": team}

    assert edits(files, added) == [Edit("queues/press.yaml", ("press",), What.NEW)]
    assert edits(added, files) == [Edit("queues/press.yaml", ("press",), What.GONE)]
    assert edited("queues.yaml", "fallback: triage", "fallback: sales") == [
        Edit("queues.yaml", ("fallback",), What.OTHER, "triage", "sales")
    ]


def test_a_team_that_moves_to_a_file_of_its_own_is_no_edit():
    """The bridge reads it as before."""
    files = starter_files()
    head, at, rest = files["queues.yaml"].partition("  triage:\n")
    apart = {**files, "queues.yaml": head, "queues/triage.yaml": f"queues:\n{at}{rest}"}

    assert edits(files, apart) == []


def test_routes_are_told_apart_by_name_and_place():
    """The fewest that moved; a condition by its keys."""
    files = starter_files()
    names = ["a", "b", "c", "d"]
    before = {**files, ROUTES: "routes:\n" + "".join(map(route, names))}
    after = {**files, ROUTES: "routes:\n" + "".join(map(route, ["d", "a", "x", "b", "c"]))}

    assert edits(before, after) == [
        Edit(ROUTES, ("d",), What.MOVED, "c", None),
        Edit(ROUTES, ("x",), What.NEW),
    ]
    assert edited(ROUTES, "when: {tags: [crisis]}", "when: {tags: [crisis, sales-lead]}") == [
        Edit(ROUTES, ("crisis", "when", "tags"), What.OTHER, ["crisis"], ["crisis", "sales-lead"])
    ]


def test_a_route_that_moves_to_a_later_file_has_moved():
    """Files are read in the order of their names, so such a move may change what is taken."""
    files = starter_files()
    rest = route("y") + route("z")
    before = {**files, "routes/20.yaml": "routes:\n" + route("late"), "routes/30.yaml": "routes:\n" + rest}
    after = {**files, "routes/30.yaml": "routes:\n" + rest + route("late")}

    assert [(edit.file, edit.at, edit.what) for edit in edits(before, after)] == [
        ("routes/30.yaml", ("late",), What.MOVED)
    ]


def test_words_and_persons_are_told_of_and_not_shown():
    """Pipelines keep what they print."""
    files = starter_files()
    voices = edited("replies/kopi/closing.en.txt.j2", "sorted", "settled")
    persons = edited("vips.yaml", "newsdesk@", "desk@")
    examples = edited(ROUTES, "What a cup!", "What a mug!")
    tests = "tests:\n  - {name: one, text: Hello Dewi, expect: {route: crisis}}\n"
    posts = edits(
        {**files, "tests/a.yaml": tests}, {**files, "tests/a.yaml": tests.replace("Hello Dewi", "Hello Ola")}
    )

    assert voices == [Edit("replies/kopi/closing.en.txt.j2", (), What.OTHER)]
    assert [(one.at[-1], one.before, one.after) for one in persons] == [("handle", None, None)]
    assert examples == [Edit(ROUTES, ("vip", "examples"), What.OTHER)]
    assert posts == [Edit("tests/a.yaml", ("one", "text"), What.OTHER)]
