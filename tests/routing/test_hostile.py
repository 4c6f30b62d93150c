"""Files and folders that somebody made to do harm, or that a disk made by accident.

Each is a clear fault, within `SECONDS` of the processor's time, the counting of memory included,
and `MEBIBYTES` of what Python allocates. What a running system cannot be brought to do is injected
where Python asks the system: the superuser, as whom tests often run, is denied nothing.
"""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import Fault, MappingError
from bridge.flows.mappings import Mappings
from bridge.routing import folder as folder_module
from bridge.routing.folder import MAX_BYTES, MAX_FILES
from bridge.routing.load import load, load_files
from bridge.routing.nodes import MAX_FAULTS, MAX_FILE_BYTES
from tests.cli.conftest import run
from tests.routing.catalogue import NETWORKS
from tests.routing.test_faulty import BASE, base_files

SECONDS = 10.0
MEBIBYTES = 64
TAGS = "tags.yaml"
ROUTES = "routes/10-social.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "mappings"))


def bounded(reading: Callable[[], object]) -> tuple[Fault, ...]:
    """The faults that *reading* finds, within the bounds."""
    tracemalloc.start()
    before = time.process_time()
    try:
        with pytest.raises(MappingError) as raised:
            reading()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert time.process_time() - before < SECONDS
    assert peak < MEBIBYTES * 2**20
    return tuple(raised.value.faults)


def faults(folder: Path) -> list[str]:
    return [
        f"{fault.file.removeprefix('mappings/')}: {fault.message} ({fault.rule})"
        for fault in bounded(lambda: load(folder, NETWORKS))
    ]


def test_ten_megabytes_are_not_read(folder: Path):
    """One byte more than a file may have is enough to know."""
    (folder / TAGS).write_bytes(b"# x\n" * (10 * 2**20 // 4))

    assert faults(folder) == [f"{TAGS}: larger than {MAX_FILE_BYTES:,} bytes (file-too-large)"]


def many_routes() -> dict[str, str]:
    lines = [f"  - {{name: r{n}, when: {{words: [w{n}]}}, queue: triage}}\n" for n in range(100_000)]
    return {
        f"routes/{20 + n}.yaml": "routes:\n" + "".join(lines[n * 10_000 : (n + 1) * 10_000])
        for n in range(10)
    }


def test_a_hundred_thousand_routes_are_too_many(folder: Path):
    """Spread over files that are each small enough; in the folder, and as a stored version."""
    for name, text in many_routes().items():
        (folder / name).write_text(text, encoding="utf-8")
    said = f"more than {MAX_BYTES:,} bytes in all files together"

    assert [fault.message for fault in bounded(lambda: load(folder, NETWORKS))] == [said]
    files = {**base_files(), **many_routes()}
    assert [fault.message for fault in bounded(lambda: load_files(files, NETWORKS))] == [said]


def test_more_files_and_folders_than_any_mapping_has(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody named the whole disk: the walk ends."""
    monkeypatch.setattr(folder_module, "MAX_FILES", 50)
    for number in range(60):
        (folder / f"replies/kopi/r{number}.en.txt.j2").write_text("Sorted.", encoding="utf-8")
    assert f"mappings: more than {50} files (file-too-large)" in faults(folder)

    shutil.rmtree(folder)
    for number in range(60):
        (folder / f"f{number}").mkdir(parents=True)
    assert "mappings: more than 50 folders (file-too-large)" in faults(folder)
    assert MAX_FILES == 5_000


MEGABYTE = 999_000
BOMB = 'a: &a ["x", "x"]\n' + "".join(
    f"{after}: &{after} [*{before}, *{before}, *{before}]\n"
    for before, after in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("[" * MEGABYTE, {"too-deep"}),
        ("{a: " * (MEGABYTE // 4), {"too-deep"}),
        ("- " * (MEGABYTE // 2), {"too-deep"}),
        ("\n".join(f"{' ' * depth}a:" for depth in range(1_400)), {"too-deep"}),
        (BOMB, {"yaml-anchor"}),
        ("tags: &a [*a]\n", {"yaml-anchor"}),
        ("tags: [" + "*a, " * (MEGABYTE // 5) + "]", {"yaml-anchor"}),
        ("tags: {<<: [*a, *a]}\n", {"yaml-anchor", "yaml-merge-key"}),
        ("tags:\0\n", {"yaml-syntax"}),
        ("tags: !!python/object/apply:os.system [x]\n", {"yaml-tag", "wrong-type"}),
        ("---\n" * (MEGABYTE // 4), {"several-documents"}),
        ("'" * MEGABYTE, {"wrong-type", "missing-key"}),
        ("? " * (MEGABYTE // 2), {"too-deep"}),
    ],
    ids=[
        "lists", "tables", "dashes", "indents", "a bomb", "itself", "aliases", "merged", "nul", "an object",
        "documents", "quotes", "keys",
    ],
)  # fmt: skip
def test_hostile_yaml_is_a_fault(text: str, rules: set[str]):
    """Nothing is built from it, and nothing grows."""
    found = bounded(lambda: load_files({**base_files(), TAGS: text}, NETWORKS))

    assert {fault.rule for fault in found if fault.file == f"mappings/{TAGS}"} & rules
    assert len(found) <= MAX_FAULTS


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("tags: {}".encode("utf-16"), 1, "not UTF-8 but UTF-16: save the file with the encoding UTF-8"),
        ("tags: {}".encode("utf-16-le"), 1, "not UTF-8 but UTF-16: save the file with the encoding UTF-8"),
        ("tags: {}".encode("utf-16-be"), 1, "not UTF-8 but UTF-16: save the file with the encoding UTF-8"),
        ("tags: {}".encode("utf-32"), 1, "not UTF-8 but UTF-16: save the file with the encoding UTF-8"),
        (
            "# café\ntags:\n".encode() + "# café".encode("latin-1"),
            3,
            "not UTF-8: save the file with that encoding",
        ),
        (b"tags: {} # \xed\xa0\x80", 1, "not UTF-8: save the file with that encoding"),
    ],
    ids=["utf-16", "little", "big", "utf-32", "mixed", "half a character"],
)
def test_another_encoding_is_named_with_its_line(folder: Path, content: bytes, line: int, said: str):
    """Two of them in one file, too."""
    (folder / TAGS).write_bytes(content)
    [fault] = bounded(lambda: load(folder, NETWORKS))

    assert (fault.rule, fault.line, fault.message) == ("not-utf8", line, said)


def test_a_byte_order_mark_is_no_fault(folder: Path):
    """Some editors put it first."""
    (folder / TAGS).write_bytes(b"\xef\xbb\xbf" + (folder / TAGS).read_bytes())

    assert load(folder, NETWORKS).tags


def test_links_that_go_in_circles_are_faults(folder: Path):
    """To itself, to each other, to a folder above; none is followed."""
    (folder / TAGS).unlink()
    (folder / TAGS).symlink_to(TAGS)
    (folder / "routes/20-a.yaml").symlink_to("20-b.yaml")
    (folder / "routes/20-b.yaml").symlink_to("20-a.yaml")
    (folder / "replies/kopi/loop").symlink_to(folder)
    found = faults(folder)

    assert [one.partition(":")[0] for one in found] == [
        "replies/kopi/loop", "routes/20-a.yaml", "routes/20-b.yaml", TAGS,
    ]  # fmt: skip
    assert "a link to a folder is not followed" in found[0]
    assert all("Too many levels of symbolic links" in one for one in found[1:])


def test_a_link_to_a_file_is_read(folder: Path):
    """As a configuration that is mounted has it."""
    shutil.move(folder / TAGS, folder.parent / "elsewhere.yaml")
    (folder / TAGS).symlink_to(folder.parent / "elsewhere.yaml")

    assert load(folder, NETWORKS).tags


def test_a_link_to_nowhere_a_pipe_and_a_folder_are_no_files(folder: Path):
    """None of them is waited for, and none is empty."""
    for name in (TAGS, "hours.yaml", "queues.yaml"):
        (folder / name).unlink()
    (folder / TAGS).symlink_to(folder / "nowhere.yaml")
    os.mkfifo(folder / "hours.yaml")
    (folder / "queues.yaml").symlink_to("/dev/zero")
    found = faults(folder)

    assert [one.partition(" (")[0] for one in found] == [
        "hours.yaml: this is not a file",
        "queues.yaml: this is not a file",
        "tags.yaml: cannot be read: No such file or directory",
    ]


def test_a_name_that_is_no_text_is_a_fault_that_can_be_shown(folder: Path):
    """It could be neither printed nor stored."""
    name = os.fsencode(folder / "routes") + b"/caf\xe9.yaml"
    with open(name, "wb") as file:  # noqa: PTH123 - no Path holds such a name
        file.write(b"routes: []\n")

    assert faults(folder) == ["routes/caf\ufffd.yaml: the file's name is not UTF-8: rename it (unknown-file)"]
    assert run({}, "mappings", "check", "--mappings", str(folder)).code == 1


def denied(*given: object, **more: object) -> int:
    raise PermissionError(13, "Permission denied", str(given[0]))


def test_a_file_that_may_not_be_read_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Injected where files are opened, since the superuser may read everything."""
    opened = os.open

    def but_not(path: object, *given: object, **more: object) -> int:
        return denied(path) if str(path).endswith(TAGS) else opened(path, *given, **more)

    monkeypatch.setattr(os, "open", but_not)

    assert faults(folder) == [f"{TAGS}: cannot be read: Permission denied (unreadable-file)"]


@pytest.mark.parametrize(("at", "named"), [("", "mappings"), ("routes", "routes")])
def test_a_folder_that_may_not_be_read_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch, at, named):
    """Injected where folders are listed. What would be in it is not called missing."""
    listed = os.scandir

    def but_not(path: object) -> object:
        return denied(path) if Path(str(path)) == folder / at else listed(path)

    monkeypatch.setattr(os, "scandir", but_not)

    assert faults(folder) == [f"{named}: cannot be opened: Permission denied (unreadable-file)"]


def test_a_folder_above_that_may_not_be_entered_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Injected where it is asked whether the folder is there."""
    monkeypatch.setattr(Path, "is_dir", denied)

    assert faults(folder) == ["mappings: cannot be opened: Permission denied (unreadable-file)"]


class Meanwhile:
    """Does something as soon as the file of that name was opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
        self._opened, self._name, self._act = os.open, name, act
        monkeypatch.setattr(os, "open", self)

    def __call__(self, path: object, *given: int, **more: object) -> int:
        found = self._opened(path, *given, **more)
        if str(path).endswith(self._name):
            self._act()
        return found


def test_a_file_that_is_replaced_while_it_is_read_is_the_old_one_or_the_new_one(folder: Path, monkeypatch):
    """As editors save: another file of the same name. What was opened is read as it was."""
    before = (folder / TAGS).read_text(encoding="utf-8")
    beside = folder / ".tags.yaml.new"
    beside.write_text("tags: {}\n", encoding="utf-8")
    Meanwhile(monkeypatch, TAGS, lambda: beside.replace(folder / TAGS))

    assert load(folder, NETWORKS).files[TAGS] == before


def test_a_file_that_is_written_to_while_it_is_read_is_a_fault(folder: Path, monkeypatch):
    """In place: what was read may be half of it."""
    looked, files = os.fstat, []
    Meanwhile(monkeypatch, TAGS, lambda: files.append((folder / TAGS).stat().st_ino))

    def then_write(descriptor: int) -> os.stat_result:
        found = looked(descriptor)
        if files == [found.st_ino]:
            files.clear()
            (folder / TAGS).write_text("tags: {}\n", encoding="utf-8")
        return found

    monkeypatch.setattr(os, "fstat", then_write)

    assert faults(folder) == [f"{TAGS}: somebody wrote to it while it was read: try again (unreadable-file)"]


def test_a_folder_that_vanishes_while_it_is_read_is_a_fault(folder: Path, monkeypatch):
    """A volume that is unmounted: the files that were not read yet are not missing, and not empty."""
    Meanwhile(monkeypatch, "brands.yaml", lambda: folder.rename(folder.with_name("gone")))
    found = faults(folder)

    assert all("cannot be read: No such file or directory (unreadable-file)" in one for one in found)
    assert [one.partition(":")[0] for one in found] == [
        "hours.yaml", "queues.yaml", "replies/kopi/closing.en.txt.j2", ROUTES, TAGS,
    ]  # fmt: skip


def test_a_folder_that_vanishes_while_it_is_looked_at_stops_nobody(folder: Path, monkeypatch, tmp_path):
    """The look for an edit goes on, and finds that the folder looks otherwise."""
    mappings = Mappings(folder, NETWORKS, None)  # type: ignore[arg-type]  # it is not asked here
    seen = mappings._look()
    monkeypatch.setattr(Path, "rglob", lambda *_: iter(lambda: denied(folder), None))

    assert mappings._look() != seen
