"""An edit that sends posts astray is undone by itself, and somebody is told; a sound one stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bridge.sandbox import Sandbox
from bridge.store import versions
from tests.cli.conftest import run
from tests.running import REPOSITORY, InProcess, eventually, starter_to_edit, stays

ASTRAY = "routes:\n  - {name: leads, when: {tags: [sales-lead]}, queue: product-feedback}\n"
CANARY = "posts: 4\nunmatched: 25%\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = starter_to_edit(tmp_path / "mappings")
    (copy / "canary.yaml").write_text(CANARY, encoding="utf-8")
    return copy


@pytest.fixture
def bridge(sandbox: Sandbox, tmp_path: Path, folder: Path, store_url: str) -> Iterator[InProcess]:
    running = InProcess(
        tmp_path / "data",
        sandbox,
        DATABASE_URL=store_url,
        BRIDGE_MAPPINGS=str(folder),
    )
    yield running
    running.stop()


def serving(bridge: InProcess) -> str:
    return bridge.bridge.world.mappings.current.version


def edit(bridge: InProcess, folder: Path, text: str) -> str:
    """Save other routes, and wait until they serve."""
    before = serving(bridge)
    (folder / "routes/10-social.yaml").write_text(text, encoding="utf-8")
    return eventually(lambda: serving(bridge) != before and serving(bridge), what="the edit serves")


def complain(sandbox: Sandbox, *names: str) -> None:
    for name in names:
        sandbox.plaza.post(name, "The app logs me out every hour", language="en", tags=["technical-issue"])


def problems(bridge: InProcess) -> str:
    return "\n".join(requests.get(f"{bridge.url}/readyz", timeout=5).json()["problems"])


def test_an_edit_under_which_posts_find_no_route_is_undone(sandbox: Sandbox, bridge: InProcess, folder: Path):
    """Two of four are more than a quarter: what served before serves again, and /readyz says why."""
    good = serving(bridge)
    bad = edit(bridge, folder, ASTRAY)
    complain(sandbox, "dewi", "bima")
    eventually(lambda: serving(bridge) == good, what="the edit is undone")

    told = "2 of its first 4 posts were taken by no route, more than 25%"
    assert told in problems(bridge)
    assert "is not what serves" in requests.get(f"{bridge.url}/readyz", timeout=5).json()["mapping_folder"]
    with bridge.database.read() as tx:
        assert versions.switches(tx, 1)[0].by == "the canary"
        assert (versions.undone(tx) or ("", ""))[0] == bad

    # Saved again as it is, or met again at a start, it stays away.
    (folder / "routes/10-social.yaml").touch()
    stays(lambda: serving(bridge) == good)
    bridge.stop()
    bridge.start()
    stays(lambda: serving(bridge) == good)

    # The next edit is one like any other, and the matter is over.
    starter = (REPOSITORY / "mappings/routes/10-social.yaml").read_text(encoding="utf-8")
    edit(bridge, folder, starter + "# mended\n")
    assert "undone" not in problems(bridge)


def test_one_post_astray_is_not_too_many(sandbox: Sandbox, bridge: InProcess, folder: Path):
    """The share is of all that are watched, not of those that have come so far; later ones do not count."""
    bad = edit(bridge, folder, ASTRAY)
    complain(sandbox, "dewi")
    for name in ("bima", "citra", "eka"):
        sandbox.plaza.post(name, "What does the pro plan cost?", language="en", tags=["sales-lead"])
    eventually(lambda: len(sandbox.zendesk.tickets()) == 4, what="the four that are watched")
    complain(sandbox, "fitri", "gita", "hadi")
    eventually(lambda: len(sandbox.zendesk.tickets()) == 7, what="three more")
    stays(lambda: serving(bridge) == bad, seconds=6)


def test_posts_that_go_elsewhere_than_before_count_where_that_is_asked(
    sandbox: Sandbox, bridge: InProcess, folder: Path
):
    """A route takes them, but another queue than the day before."""
    (folder / "canary.yaml").write_text("posts: 2\nchanged: 40%\n", encoding="utf-8")
    good = edit(bridge, folder, (folder / "routes/10-social.yaml").read_text(encoding="utf-8") + "# x\n")
    moved = "routes:\n  - {name: all, when: {tags: [technical-issue]}, queue: triage}\n"
    edit(bridge, folder, moved)
    complain(sandbox, "dewi")
    eventually(lambda: serving(bridge) == good, what="the edit is undone")
    assert "1 of its first 2 posts went to another queue than before, more than 40%" in problems(bridge)


def test_whoever_insists_has_it_served(sandbox: Sandbox, bridge: InProcess, folder: Path):
    """`bridge mappings reload` after it was undone: it is meant, and is not watched again."""
    good = serving(bridge)
    bad = edit(bridge, folder, ASTRAY)
    complain(sandbox, "dewi", "bima")
    eventually(lambda: serving(bridge) == good, what="the edit is undone")
    where = {"BRIDGE_MAPPINGS": str(folder), "DATABASE_URL": bridge.bridge.settings.database_url}
    said = run(where, "mappings", "reload")
    assert said.code == 0, said.err
    eventually(lambda: serving(bridge) == bad, what="it serves again")
    complain(sandbox, "citra", "eka")
    stays(lambda: serving(bridge) == bad, seconds=6)
