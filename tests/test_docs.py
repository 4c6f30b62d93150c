"""The README is true: every setting, command and address is in it, and nothing that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bridge import app, settings
from bridge.cli import bridge
from bridge.store.database import Database
from tests.running import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    path
    for pattern in ("*.md", "mappings/**/*.md", "bridge/**/*.md", ".ci/**/*.md")
    for path in REPOSITORY.glob(pattern)
)


def commands(group: click.Group = bridge, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that can be run, as its words."""
    asked = click.Context(group)
    for name in group.list_commands(asked):
        command = group.get_command(asked, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name)


ALL = set(commands())
GROUPS = {words[0] for words in ALL if len(words) > 1}


def mentioned(text: str) -> Iterator[tuple[str, ...]]:
    """The commands that *text* names in code: `bridge case list`, and `show ID` after it in the same line."""
    for line in text.splitlines():
        group = ""
        for span in re.findall(r"`([^`]+)`", line):
            words = span.removeprefix("bridge ").split()
            for path in (tuple(words[:2]), tuple(words[:1]), (group, *words[:1])):
                if path in ALL:
                    group = path[0] if path[0] in GROUPS else group
                    yield path
                    break


def test_every_variable_is_in_the_readme():
    """In the table of settings: name, default and what it is."""
    table = README.partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]
    missing = [one.name for one in settings.VARIABLES if f"| `{one.name}` |" not in table]
    assert missing == []
    assert [one.name for one in settings.VARIABLES if one.help not in table] == []


def test_every_command_is_in_the_readme():
    """By its words, in code."""
    assert sorted(" ".join(words) for words in ALL - set(mentioned(README))) == []


@pytest.fixture
def routes(tmp_path: Path) -> set[tuple[str, str]]:
    """Every (method, path) that the door answers."""
    loaded = settings.load(
        {"BRIDGE_DATA": str(tmp_path), "BRIDGE_MAPPINGS": str(REPOSITORY / "mappings"), "PORT": "0"}
    )
    database = Database(loaded.database_url)
    database.migrate()
    database.close()
    built = app.build(loaded, flows=False)
    built.world.database.close()
    return {
        (method, re.sub(r"<[^>]+>", "<account>", rule.rule))
        for rule in built.web.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_address_is_in_the_readme(routes: set[tuple[str, str]]):
    """Method and path; a second method of the same path is named beside it."""
    assert len(routes) >= 6
    lines = README.splitlines()
    missing = [
        f"{method} {path}"
        for method, path in sorted(routes)
        if not any(path in line and re.search(rf"`{method}\b", line) for line in lines)
    ]
    assert missing == []


def test_every_address_in_the_readme_is_answered(routes: set[tuple[str, str]]):
    """Nothing is promised that is not there."""
    promised = set(re.findall(r"`(GET|POST) (/[^`]*)`", README))
    assert promised - routes == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_command_and_option_that_a_page_names_exists(page: Path):
    """A page that sends people to a command of last month is worse than none."""
    assert list(unknown(page.read_text(encoding="utf-8"))) == []


def test_every_command_that_a_message_names_exists():
    """Errors and findings tell people what to run: it must be there."""
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "bridge").rglob("*.py")]
    assert [wrong for source in sources for wrong in unknown(source)] == []


def unknown(text: str) -> Iterator[str]:
    """What *text* calls `bridge …` in code and is no command, or an option that the command does not take."""
    for span in re.findall(r"`bridge ([a-z][^`\n]*)`", text):
        command: click.Command = bridge
        words = re.split(r"[\s\\|\[\]]+", span)
        while words and isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            if found is None:
                yield f"bridge {span}"
                break
            command = found
        else:
            options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
            yield from (
                f"bridge {span}: {word}"
                for word in words
                if word.startswith("--") and word.partition("=")[0] not in {*options, "--help"}
            )


LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_within_the_repository_leads_somewhere(page: Path):
    """Files and folders, relative to the page."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_procfile_starts_commands_that_exist():
    """What a platform runs without anybody watching."""
    lines = (REPOSITORY / "Procfile").read_text(encoding="utf-8").splitlines()
    started = [line.partition(":")[2].split() for line in lines if line.strip()]
    assert [words for words in started if words[0] != "bridge" or tuple(words[1:2]) not in ALL] == []
