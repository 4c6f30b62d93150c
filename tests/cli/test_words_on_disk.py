"""What is erased is off the disk as well, while the bridge runs on."""

from __future__ import annotations

from pathlib import Path

from bridge.sandbox import Sandbox
from tests.cli.conftest import Shell
from tests.running import eventually
from tests.stories.seen import the_card, the_ticket

WORDS = "The kettle whistles at four in the morning"


def on_disk(data: Path) -> list[str]:
    """The files of the database that hold the words."""
    return [one.name for one in sorted(data.glob("bridge.db*")) if WORDS.encode() in one.read_bytes()]


def test_after_an_erasure_no_file_of_the_database_holds_the_words(
    sandbox: Sandbox, shell: Shell, tmp_path: Path
):
    """Nor its write-ahead log, which a running bridge keeps."""
    sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    the_card(sandbox, "support-technical")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    assert on_disk(tmp_path / "data")

    assert shell("forget", "@dewi@standard", "--yes").code == 0
    assert on_disk(tmp_path / "data") == []
