"""What makes stories quick."""

from __future__ import annotations

import pytest

from bridge import app


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due is noticed at once. Ask for it before the bridge is built, with ``usefixtures``."""
    monkeypatch.setattr(app, "SWEEP_S", 0.15)
