"""The shape of the code stays what the README's picture says: rooms, arrows and house rules."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.networks import NETWORKS
from tests.networks.contract import NetworkContract
from tests.running import REPOSITORY

PACKAGE = REPOSITORY / "bridge"
TESTS = REPOSITORY / "tests"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {"core", "intake", "networks", "routing", "flows", "store", "zendesk", "slack", "sandbox", "cli"}
LONGEST = 450
VAGUE = {"util", "common", "helper", "misc", "service", "manager", "handler", "base", "lib", "shared"}
VENDORS = re.compile(r"zendesk|slack|mastodon|plaza|zenpy|bolt", re.IGNORECASE)


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_the_arrows_hold():
    """Who may import whom: the contracts in pyproject.toml."""
    # In a process of its own: it switches off the loggers of whoever calls it.
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", lint], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_no_other_rooms():
    """A new one is a decision, and is drawn in the README first."""
    found = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert found == ROOMS


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_networks_room_has_the_prescribed_files(network: str):
    """The same names in each, so that somebody who knows one knows them all."""
    room = PACKAGE / "networks" / network
    for name in ("__init__.py", "network.py", "inbound.py", "outbound.py", "README.md"):
        assert (room / name).is_file(), name
    exported = [
        ast.unparse(one) for one in ast.walk(tree(room / "__init__.py")) if isinstance(one, ast.alias)
    ]
    assert "NETWORK" in exported


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_networks_tests_take_the_contract_and_name_their_sources(network: str):
    """What every network owes is proved for each, from bodies whose origin is noted."""
    room = TESTS / "networks" / network
    tests = importlib.import_module(f"tests.networks.{network}.test_{network}")
    assert [one for one in vars(tests).values() if is_contract(one) and one.__module__ == tests.__name__]
    sources = (room / "fixtures" / "SOURCES.md").read_text(encoding="utf-8")
    bodies = [path for path in (room / "fixtures").iterdir() if path.suffix == ".body"]
    assert bodies
    assert len(sources) > 100


def is_contract(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, NetworkContract)


def test_every_room_of_a_network_is_registered():
    """A folder that nobody lists would never be heard."""
    folders = {path.parent.name for path in (PACKAGE / "networks").glob("*/network.py")}
    assert folders == set(NETWORKS)


def test_no_network_knows_of_another():
    """The contract in pyproject.toml names each of them."""
    written = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = written["tool"]["importlinter"]["contracts"]
    [apart] = [
        one["modules"] for one in contracts if one["name"] == "Networks' rooms know nothing of each other"
    ]
    assert sorted(apart) == sorted(f"bridge.networks.{network}" for network in NETWORKS)


def test_no_module_has_a_name_that_says_nothing():
    """utils, common, helpers, services, managers and handlers take in everything and explain nothing."""
    names = {part for path in SOURCES for part in path.relative_to(PACKAGE).with_suffix("").parts}
    parts = {word for name in names for word in name.split("_")}
    assert {word for word in parts if word.removesuffix("s") in VAGUE} == set()


def test_only_the_settings_read_the_environment():
    """And the demo, which hands it on without the real accounts."""
    reading = {
        name_of(path)
        for path in SOURCES
        for one in ast.walk(tree(path))
        if isinstance(one, ast.Attribute | ast.alias)
        and re.search(r"\b(environb?|getenv|putenv)$", ast.unparse(one))
    }
    assert reading == {"bridge/settings.py", "bridge/cli/demo.py"}


def test_no_file_is_too_long_to_be_read_at_a_sitting():
    """A file that grows past this has two subjects."""
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_nothing_prints_but_the_command_line():
    """A service logs."""
    printing = {
        name_of(path)
        for path in SOURCES
        if path.relative_to(PACKAGE).parts[0] != "cli"
        for one in ast.walk(tree(path))
        if isinstance(one, ast.Call) and ast.unparse(one.func) in ("print", "click.echo", "sys.stdout.write")
    }
    assert printing == set()


def test_every_error_is_drawn_in_the_tree_of_errors():
    """Whoever has to catch one looks there first. The sandbox's stay in the sandbox."""
    drawn = ast.get_docstring(tree(PACKAGE / "errors.py")) or ""
    raised = {
        one.name
        for path in SOURCES
        if path.relative_to(PACKAGE).parts[0] != "sandbox"
        for one in ast.walk(tree(path))
        if isinstance(one, ast.ClassDef) and one.name.endswith("Error") and not one.name.startswith("_")
    }
    assert {name for name in raised if not re.search(rf"\b{name}\b", drawn)} == set()


def test_nothing_is_left_for_later():
    """No stubs: what is in the tree works."""
    left = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError|NotImplemented)\b")
    assert [name_of(path) for path in SOURCES if left.search(path.read_text(encoding="utf-8"))] == []


def test_what_catches_everything_says_why():
    """At a true boundary only, with the reason beside it."""
    unexplained = []
    for path in SOURCES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for one in ast.walk(tree(path)):
            if isinstance(one, ast.ExceptHandler) and catches_everything(one):
                around = lines[one.lineno - 1 : one.lineno + 1]
                if not any(re.search(r"#\s(?!noqa: BLE001$)", line) for line in around):
                    unexplained.append(f"{name_of(path)}:{one.lineno}")
    assert unexplained == []


def catches_everything(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")


@pytest.mark.parametrize("room", ["core", "routing", "flows", "store"])
def test_no_vendors_name_is_in_the_code_of_the_story(room: str):
    """What is decided and done does not depend on whose desk it is: ports are, vendors are not."""
    assert [
        f"{name_of(path)}: {name}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for name in names_in(tree(path))
        if VENDORS.search(name)
    ] == []


def names_in(module: ast.Module) -> Iterator[str]:
    for one in ast.walk(module):
        match one:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case _:
                continue


def test_every_test_is_a_sentence_with_its_reason():
    """A name that tells the behaviour, a docstring that tells why anybody wants it."""
    found = [
        (f"{name_of(path)}: {one.name}", ast.get_docstring(one))
        for path in TESTS.rglob("test_*.py")
        for one in ast.walk(tree(path))
        if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
    ]
    assert [name for name, reason in found if not reason] == []
    assert [name for name, _ in found if name.split(": test_")[1].count("_") < 2] == []
