"""Imported by nothing but the process that others are forked from: what a loop needs is compiled in it.

Half of what a bridge costs that lives for three seconds is its start.
"""

from __future__ import annotations

import gc
import logging
import tempfile
import threading
from pathlib import Path

from bridge.cli import run  # noqa: F401 - the command, for whoever is forked off
from bridge.sandbox import Sandbox
from tests.running import InProcess, eventually
from tests.stories.seen import brand_posts, the_card, the_ticket


def _play_a_loop() -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        running = InProcess(Path(folder) / "data", sandbox)
        try:
            sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])
            ticket = the_ticket(sandbox)
            the_card(sandbox, "support-technical", str(ticket.id))
            sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
            eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply")
            eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt:"), what="the receipt")
        finally:
            running.stop()


logging.disable()
_play_a_loop()
logging.disable(logging.NOTSET)
# Threads are not forked, and what they hold is never let go.
eventually(lambda: threading.active_count() == 1, what="nothing but the main thread")
gc.collect()
gc.freeze()  # a collection in whoever is forked off leaves these pages shared
