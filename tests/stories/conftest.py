"""What many stories begin with, and what makes them quick."""

from __future__ import annotations

import pytest

from bridge import app
from bridge.sandbox import Sandbox
from bridge.sandbox.zendesk import TicketView
from tests.running import InProcess, eventually
from tests.stories.seen import the_card, the_ticket


@pytest.fixture
def ticket(sandbox: Sandbox, running: InProcess) -> TicketView:
    """A case with its ticket, its note and its card."""
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    the_card(sandbox, "support-technical")
    return ticket


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due is noticed at once. Ask for it before the bridge is built, with ``usefixtures``."""
    monkeypatch.setattr(app, "SWEEP_S", 0.15)
