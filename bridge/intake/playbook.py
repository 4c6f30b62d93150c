"""The playbook over HTTP: the page for people, drawn from the mapping that serves now. Only read.

It names teams, owners and channels, and nobody's words: for colleagues, as /readyz is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask, Response


@dataclass(slots=True, kw_only=True)
class Playbook:
    """``version`` says what serves now, ``draw`` makes its page, ``policy`` is what the page may load.

    A page is drawn once for each version: with hundreds of tags that takes a while.
    """

    version: Callable[[], str]
    draw: Callable[[], str]
    policy: Callable[[], str]
    _drawn: tuple[str, str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self) -> str:
        with self._lock:
            version = self.version()
            if self._drawn is None or self._drawn[0] != version:
                self._drawn = (version, self.draw())
            return self._drawn[1]


def show_playbook(web: Flask, playbook: Playbook) -> None:
    @web.get("/playbook")
    def read_playbook() -> Response:
        answer = Response(playbook.page(), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = f"{playbook.policy()}; frame-ancestors 'none'"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        # An edit of the mapping shows at the next look, and no proxy keeps it for others.
        answer.headers["Cache-Control"] = "private, no-cache"
        return answer
