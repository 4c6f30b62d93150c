"""The schemas that editors use: they take what `check` takes, and refuse what an editor can see."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from bridge.cli.mapping_schema import HIDDEN, schema_of, text_of
from bridge.routing.document import FILES
from bridge.routing.nodes import Report, read
from tests.routing.conftest import STARTER
from tests.routing.test_faulty import BASE, FAULTY

# What a schema of one file cannot know: other files, the file system, YAML itself, and what is counted.
BEYOND = re.compile(
    "account-twice|route-twice|queue-twice|test-|canary-without-limit|bad-name|example-|template-|unknown-part|"
    "part-cycle|banned-word|reply-|missing-key-of-a-voice|missing-file|unknown-file|not-utf8|yaml-|too-deep|"
    "several-documents|duplicate-key|many-faults|secret-in-file|env-name|unknown-(account|brand|queue|tag|"
    "calendar|reply|route|network|zone|country)|bad-language|shift-overlap|never-open|no-condition|"
    "vip-twice|bad-shift|unknown-key-of-an-account|queue-without-group|group-without-ticket|missing-key-of-an-account|bad-url|unknown-(shift|promise)|missing-key-of-a-vip|copy-to-owner|never-reached|"
    "bad-date-that-no-month-has|bad-time-on-no-day"
)


def kind_of(path: Path) -> str:
    return {"routes": "routes", "tests": "tests", "queues": "team"}.get(path.parent.name, path.stem)


def verdicts(folder: Path) -> dict[str, bool]:
    """Whether each file of *folder* is what its schema says; those that are no YAML are left out."""
    found = {}
    for path in (path for path in folder.rglob("*.yaml") if kind_of(path) in FILES):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        report = Report()
        node = read(path.name, text, report)
        if node is not None and not report.faults:
            found[path.name] = jsonschema_rs.is_valid(schema_of(FILES[kind_of(path)]), node.value)
    return found


@pytest.mark.parametrize("folder", [STARTER, BASE], ids=["starter", "base"])
def test_a_sound_mapping_is_what_its_schemas_say(folder: Path):
    """Nothing is underlined."""
    assert set(verdicts(folder).values()) == {True}


@pytest.mark.parametrize("fixture", FAULTY, ids=lambda path: path.name)
def test_an_editor_underlines_what_it_can_see(fixture: Path):
    """Wrong types, unknown and missing keys, wrong words and forms; and it never trips over a file."""
    found = verdicts(fixture)
    if not BEYOND.match(fixture.name):
        assert False in found.values()


@pytest.mark.parametrize("kind", sorted(FILES.keys() - {"team"}))
def test_the_starter_brings_its_schemas_and_names_them(kind: str):
    """Written anew by `bridge mappings schema`; each file's first line says which is its own."""
    assert (STARTER / HIDDEN / f"{kind}.json").read_text(encoding="utf-8") == text_of(FILES[kind])
    elsewhere = {
        "routes": "routes/10-social.yaml",
        "tests": "tests/social.yaml",
        "voice": "replies/kopi/voice.yaml",
    }
    path = STARTER / elsewhere.get(kind, f"{kind}.yaml")
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named is not None
    assert (path.parent / named[1]).resolve() == (STARTER / HIDDEN / f"{kind}.json").resolve()


def test_every_key_says_what_it_is():
    """Descriptions and choices come with the completion."""
    for shape in FILES.values():
        schema = schema_of(shape)
        jsonschema_rs.meta.validate(schema)
        tables = [schema, *schema.get("$defs", {}).values()]
        keys = {key: value for table in tables for key, value in table.get("properties", {}).items()}
        assert [key for key, value in keys.items() if "description" not in value] == []
    assert '"urgent"' in json.dumps(schema_of(FILES["queues"]))
