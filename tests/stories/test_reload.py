"""A thousand edits of the mapping while customers write: no half of one serves, and nobody is dropped."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.routing.load import version_of
from bridge.sandbox import Sandbox
from bridge.store.tables import Case, MappingVersion
from tests.running import InProcess, eventually, starter_to_edit
from tests.stories.seen import doubled

EDITS, POSTS = 1_000, 40
EDITED = (
    "queues.yaml",
    "hours.yaml",
    "tags.yaml",
    "vips.yaml",
    "routes/10-social.yaml",
    "replies/kopi/closing.en.txt.j2",
)


class Editor:
    """An admin in a hurry. ``saved``: the version of each mapping that lay in the folder as a whole."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self._folder, self._whole = folder, files
        self._chance = random.Random(7)  # noqa: S311 - a story that is the same each time
        self.saved = {version_of(files)}

    def edit(self) -> None:
        """Change one file, well or badly, after taking back the change before."""
        self.take_back()
        name = self._chance.choice(EDITED)
        text = self._whole[name]
        at = self._chance.randrange(len(text))
        kind = self._chance.choice(["typo", "cut", "label", "label", "away"])
        if kind == "label":
            name, text = "queues.yaml", self._whole["queues.yaml"].replace("label: Sales", f"label: S{at}")
        elif kind == "typo":
            text = text[:at] + self._chance.choice("[]{}:\"'#-\tabc 7") + text[at + 1 :]
        elif kind == "cut":
            text = text[:at]
        left = {key: words for key, words in self._whole.items() if key != name}
        self.saved.add(version_of(left if kind == "away" else {**left, name: text}))
        if kind == "away":
            (self._folder / name).unlink()
        else:
            (self._folder / name).write_text(text, encoding="utf-8")

    def take_back(self) -> None:
        for name in EDITED:
            file = self._folder / name
            if not file.exists() or file.read_text(encoding="utf-8") != self._whole[name]:
                file.write_text(self._whole[name], encoding="utf-8")


@pytest.mark.usefixtures("quick_sweep")
def test_a_thousand_edits_serve_whole_and_drop_nobody(sandbox: Sandbox, tmp_path: Path, store_url: str):
    """Typos, halves, lost files and good ones: each post has its one case, under a mapping that was saved."""
    folder = starter_to_edit(tmp_path / "edited")
    running = InProcess(tmp_path / "data", sandbox, DATABASE_URL=store_url, BRIDGE_MAPPINGS=str(folder))
    try:
        mappings = running.bridge.world.mappings
        editor = Editor(folder, dict(mappings.current.files))
        for number in range(EDITS):
            editor.edit()
            if number % (EDITS // POSTS) == 0:
                author = f"customer-{number}"
                sandbox.plaza.post(author, "It is broken", language="en", tags=["technical-issue"])
            if number % 10 == 0:
                mappings.hurry()
                mappings.refresh(datetime.now(UTC))
        editor.take_back()
        eventually(lambda: mappings.error is None and serves(running, editor), what="the last good mapping")
        eventually(lambda: sum(cases(running).values()) >= POSTS, what="everybody's case")
        time.sleep(0.3)

        assert set(cases(running).values()) == {1}
        assert doubled(sandbox) == []
        with running.database.read() as tx:
            served = set(tx.scalars(select(MappingVersion.version)))
            under = set(tx.scalars(select(Case.mapping_version)))
        assert served <= editor.saved
        assert under <= served
        assert len(served) > 10
    finally:
        running.stop()


def serves(running: InProcess, editor: Editor) -> bool:
    mapping = running.bridge.world.mappings.current
    return mapping.queues["sales"].label == "Sales" and mapping.version in editor.saved


def cases(running: InProcess) -> Counter[str]:
    """How many cases each customer has."""
    with running.database.read() as tx:
        return Counter(tx.scalars(select(Case.author_id)))
