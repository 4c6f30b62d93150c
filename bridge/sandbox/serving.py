"""Serving a fake on loopback, and sending its webhooks."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"


class _QuietHandler(WSGIRequestHandler):
    """Answers without writing an access log: the sandbox keeps its own."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Served:
    """A WSGI app on a loopback port, in a thread of its own, until it is stopped."""

    def __init__(self, name: str, app: WSGIApplication, port: int = 0) -> None:
        self._server = make_server(HOST, port, app, threaded=True, request_handler=_QuietHandler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=f"sandbox-{name}",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class Manners:
    """How a vendor repeats a webhook. Delays are in seconds, one for each repetition.

    ``gives_up_on`` says for which HTTP status it never tries again; no answer at all is
    always tried again.
    """

    delays: Sequence[float]
    gives_up_on: Callable[[int], bool]
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook to be sent. ``headers`` is asked anew for each try: a retry is signed anew."""

    url: str
    body: bytes
    headers: Callable[[], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one try. ``status`` is 0 when nobody answered."""

    url: str
    status: int
    attempt: int


@dataclass(order=True)
class _Waiting:
    due: float
    number: int
    hook: Hook = field(compare=False)
    attempt: int = field(compare=False, default=1)


class Sender:
    """Sends webhooks in the background, repeating them with a vendor's manners."""

    def __init__(self, name: str, manners: Manners) -> None:
        self.manners = manners
        self.losing = False  # while it is set, webhooks get lost and nobody repeats them
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._attempts: list[Attempt] = []
        self._busy = False
        self._stopped = False
        self._numbers = itertools.count()
        # Straight to loopback: a proxy in the environment has no business here.
        self._session = requests.Session()
        self._session.trust_env = False
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{name}-hooks", daemon=True)
        self._thread.start()

    def send(self, hook: Hook) -> None:
        if self.losing:
            return
        with self._condition:
            heapq.heappush(self._waiting, _Waiting(time.monotonic(), next(self._numbers), hook))
            self._condition.notify_all()

    def attempts(self) -> list[Attempt]:
        with self._condition:
            return list(self._attempts)

    def wait_idle(self, timeout_s: float = 5.0) -> bool:
        """Wait until nothing is to be sent any more; False if that did not come in time."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            status = self._try(waiting.hook)
            with self._condition:
                self._attempts.append(Attempt(waiting.hook.url, status, waiting.attempt))
                self._repeat(waiting, status)
                self._busy = False
                self._condition.notify_all()

    def _next(self) -> _Waiting | None:
        with self._condition:
            while not self._stopped:
                pause = self._waiting[0].due - time.monotonic() if self._waiting else None
                if pause is not None and pause <= 0:
                    self._busy = True
                    return heapq.heappop(self._waiting)
                self._condition.wait(pause)
        return None

    def _try(self, hook: Hook) -> int:
        with suppress(requests.RequestException):
            answer = self._session.post(
                hook.url,
                data=hook.body,
                headers=hook.headers(),
                timeout=self.manners.timeout_s,
                allow_redirects=False,
            )
            return answer.status_code
        return 0

    def _repeat(self, waiting: _Waiting, status: int) -> None:
        done = 200 <= status < 300 or (status != 0 and self.manners.gives_up_on(status))
        if done or waiting.attempt > len(self.manners.delays):
            return
        due = time.monotonic() + self.manners.delays[waiting.attempt - 1]
        heapq.heappush(self._waiting, _Waiting(due, waiting.number, waiting.hook, waiting.attempt + 1))
