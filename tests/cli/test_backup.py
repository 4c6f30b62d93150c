"""`bridge backup` and `restore`, as an operator runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.store.database import Database
from bridge.store.tables import Cursor
from tests.cli.conftest import Shell
from tests.running import InProcess
from tests.store.conftest import NOON


@pytest.mark.parametrize("name", ["copy?.db", "%41.db"])
def test_a_backup_is_named_as_it_was_asked_for_and_restored(alone: Shell, tmp_path: Path, name: str):
    """Into a database on which a bridge ran; what that had heard of a network is the backup's again."""
    folder = tmp_path / "copies"
    folder.mkdir()
    assert alone("migrate").code == 0
    said = alone("backup", str(folder / name))
    assert (said.code, [path.name for path in folder.iterdir()]) == (0, [name]), said.err
    database = Database(f"sqlite:///{tmp_path}/alone/bridge.db")
    with database.write() as tx:
        tx.add(Cursor(key="poll:kopi-plaza", due_at=NOON))
    said = alone("restore", str(folder / name))
    assert said.code == 0, said.err
    with database.read() as tx:
        assert tx.query(Cursor).all() == []
    database.close()


def test_a_restore_beside_a_running_bridge_is_refused(running: InProcess, shell: Shell, tmp_path: Path):
    """It would go on with what it knows."""
    assert shell("backup", str(tmp_path / "copy.db")).code == 0
    said = shell("restore", str(tmp_path / "copy.db"))
    assert said.code == 2
    assert "already runs the bridge on" in said.err


def test_what_is_no_file_is_said_to_be_none(alone: Shell, tmp_path: Path):
    """It is there; "there is no file" would send people looking for it."""
    said = alone("restore", "/dev/null")
    assert (said.code, said.err) == (
        2,
        "bridge: /dev/null is not a file: give one that `bridge backup` made\n",
    )
    assert not (tmp_path / "alone").exists()
