"""Two things wrong at once: each is told of, as if it were alone."""

from __future__ import annotations

import random
import re
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.routing.load import load_files
from tests.routing.catalogue import NETWORKS
from tests.routing.test_faulty import BESIDE, FAULTY, base_files

Files = dict[str, str | None]
"""Path → text; None: the file is taken away."""

SEED = 20261122
PAIRS = 600
BASE = base_files()

# A file that cannot be read to its end says nothing for sure: what stands in it, and what is said
# elsewhere about what it should hold, is open until it can.
UNREAD = re.compile(
    r"yaml-(syntax|tab|anchor)|several-documents|too-deep$|missing-file|missing-key-in-an-empty"
)
# Rules that are asked of a whole mapping only: what becomes of a post hangs on everything.
TRIED_OUT = re.compile(r"(example|test)-(mismatch|unplaced)|bad-name-no-case")
# (hidden, what hides it): the second changes what the first would have to be asked of.
DEPENDENT = (
    (
        r"unknown-.*|banned-word.*|reply-.*|template-missing.*|missing-key-of-a-voice",
        r"empty-value-of-a-section",
    ),
    (r"unknown-tag", r"wrong-type-section"),  # no vocabulary
    (r".*", r"unknown-network"),  # the fields of an account are its network's
    (r"template-missing.*", r"bad-language|empty-value"),  # the language that it would be missing in
    (r"template-missing", r"group-without-ticket|unknown-reply|wrong-type"),  # no queue asks for it
    (r"template-missing-of-a-route", r"unknown-(account|brand)"),  # nobody's route
    (r"template-missing-of-a-route|route-twice", r"bad-name.*"),  # called otherwise
    (r"unknown-reply(-of-a-route)?", r"template-missing"),  # the same words, about other files
    (r"unknown-queue-.*", r"unknown-queue-among-many|wrong-type-entry"),  # the same words, with other names
    (r"unknown-shift", r".*-shift|.*-of-a-named-one"),  # the same words, with one shift more
    (r"unknown-promise-of-none", r"bad-duration-of-a-promise"),  # there are some
    (r"group-without-ticket", r"unknown-key"),  # one key less
    (r"account-twice-by-handle", r"handle-format"),  # another one
    (r"part-cycle", r"template-name-in-a-part"),  # what a faulty part includes is not known
    # A reply without the signature, or one that cannot be filled in; and a brand that now has one.
    (
        r"reply-held-for-a-signature",
        r"template-.*|too-deep-.*|unknown-part.*|part-cycle|reply-.*|banned-word-.*",
    ),
    (r"missing-key-of-a-voice", r"reply-held-for-a-signature"),
    (r"unknown-part-in-a-language", r"reply-held-in-a-part"),  # it is there now
    (r"queue-twice|missing-file-routes", r"route-twice|queue-twice"),
    (r"missing-key-in-an-empty-file", r"route-twice|queue-twice|unknown-queue-among-many"),
)


def files_of(fixture: Path) -> Files:
    files: Files = {
        path.relative_to(fixture).as_posix(): path.read_text(encoding="utf-8")
        for path in fixture.rglob("*")
        if path.is_file() and path.name not in BESIDE
    }
    removed = fixture / "removed.txt"
    return {**files, **dict.fromkeys(removed.read_text().split() if removed.exists() else ())}


def edits_of(before: list[str], after: list[str]) -> list[tuple[int, int, list[str]]]:
    """(first line, line after the last one, what stands there instead)."""
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(begin, end, after[b:e]) for kind, begin, end, b, e in codes if kind != "equal"]


def merged(one: Files, other: Files) -> dict[str, str] | None:
    """The base with both edits; None where they touch the same lines of a file."""
    files = dict(BASE)
    for name in {*one, *other}:
        texts = [given[name] for given in (one, other) if name in given]
        if len(set(texts)) == 1:
            if texts[0] is None:
                files.pop(name, None)
            else:
                files[name] = texts[0]
            continue
        if None in texts or name not in BASE:
            return None
        lines = BASE[name].splitlines(keepends=True)
        edits = sorted(
            (edit for text in texts for edit in edits_of(lines, (text or "").splitlines(keepends=True))),
            key=lambda edit: edit[:2],
        )
        if any(later[0] <= earlier[1] for earlier, later in pairwise(edits)):
            return None
        for begin, end, instead in reversed(edits):
            lines[begin:end] = instead
        files[name] = "".join(lines)
    return files


def faults_in(report: str) -> set[tuple[str, str]]:
    """(file, message) of each line: where in the file changes with the other edit."""
    found = (re.fullmatch(r"(\S+?):\d+:\d+ (.*)", line) for line in report.splitlines())
    return {(one[1], re.sub(r"(line |:)\d+", r"\1…", one[2])) for one in found if one}


def hangs_on(hidden: str, other: str) -> bool:
    if UNREAD.match(other) or TRIED_OUT.match(hidden):
        return True
    return any(re.fullmatch(one, hidden) and re.fullmatch(by, other) for one, by in DEPENDENT)


def sample() -> list[tuple[Path, Path]]:
    """Some pairs, the same ones each time."""
    alone = [path for path in FAULTY if path.name != "not-utf8" and not path.name.startswith("many-faults")]
    return random.Random(SEED).sample(  # noqa: S311 - no secret
        list(combinations(alone, 2)), PAIRS
    )


@pytest.mark.parametrize("part", range(4))
def test_no_fault_hides_another_that_does_not_hang_on_it(part):
    """Else an admin mends one and meets the next."""
    hidden: list[str] = []
    for pair in sample()[part::4]:
        files = merged(*map(files_of, pair))
        if files is None:
            continue
        found: set[tuple[str, str]] = set()
        try:
            load_files(files, NETWORKS)
        except MappingError as error:
            found = faults_in(str(error))
        for fixture, other in (pair, pair[::-1]):
            missing = faults_in((fixture / "expected.txt").read_text(encoding="utf-8")) - found
            if missing and not hangs_on(fixture.name, other.name):
                hidden.append(f"{other.name} hides {missing}")

    assert hidden == []


def test_what_may_hide_a_fault_is_the_name_of_a_faulty_mapping():
    """An excuse for a mapping that is no more would excuse nobody knows what."""
    names = [path.name for path in FAULTY]
    for hidden, other in DEPENDENT:
        assert any(re.fullmatch(hidden, name) for name in names)
        assert any(re.fullmatch(other, name) for name in names)
