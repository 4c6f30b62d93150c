"""Chaos knobs, and a log of every call that reached a fake.

A fault is armed for one operation of one vendor and used up by the calls that
meet it. Operations are named in each fake's route table (``open_ticket``,
``chat.postMessage``, ``post_status``, ``reply``); ``*`` meets every one.
"""

from __future__ import annotations

import io
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import RequestRedirect
from werkzeug.test import run_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Kind(StrEnum):
    """What goes wrong. A name that ends in ``_after`` (and a lost response) lets the call take effect."""

    LOST_RESPONSE = "lost_response"
    DROP_BEFORE = "drop_before"
    STATUS = "status"
    STATUS_AFTER = "status_after"
    DELAY = "delay"
    DELAY_AFTER = "delay_after"
    HOLD = "hold"
    HOLD_AFTER = "hold_after"


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached a fake. ``key`` is its Idempotency-Key or webhook-id, if it had one."""

    vendor: str
    operation: str
    method: str
    path: str
    at: datetime
    key: str | None
    fault: str | None


@dataclass(eq=False)
class Fault:
    """One armed fault. ``reached`` is set when a call meets it, ``released`` ends a hold.

    ``about``: only calls whose body contains it meet the fault.
    """

    vendor: str
    operation: str
    kind: Kind
    times: int
    status: int = 503
    retry_after: str | None = None
    seconds: float = 0.0
    about: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    dropped: bool = False

    def release(self) -> None:
        """Let the calls that this fault holds go on."""
        self.released.set()

    def drop(self) -> None:
        """Cut the connections of the calls that this fault holds; what was not done yet never is."""
        self.dropped = True
        self.released.set()


@dataclass(frozen=True, slots=True)
class Weather:
    """What calls meet by chance: shares of all calls between 0 and 1.

    ``busy``    429, Retry-After a second, as a number or as a date
    ``broken``  500: one half before the call was done, one half after
    ``lost``    done, and then a reset instead of an answer
    """

    busy: float = 0.0
    broken: float = 0.0
    lost: float = 0.0


class Faults:
    """The armed faults of a sandbox. Safe to use from any thread.

    ``weather`` comes upon the calls that no armed fault meets; *seed* makes it the same again.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self._used: list[Fault] = []
        self.weather: Weather | None = None
        self._chance = random.Random(seed)  # noqa: S311 - it plays weather

    def add(
        self,
        vendor: str,
        operation: str,
        kind: Kind | str,
        times: int = 1,
        *,
        status: int = 503,
        retry_after: str | float | None = None,
        seconds: float = 0.0,
        about: str = "",
    ) -> Fault:
        """Arm a fault for the next *times* calls of *operation* whose body contains *about*.

        ``lost_response``  do it, then cut the connection without an answer
        ``drop_before``    cut the connection without doing it
        ``status``         answer *status* (with Retry-After: seconds or a date) without doing it
        ``status_after``   do it, and answer *status*
        ``delay``, ``delay_after``  wait *seconds* before or after doing it
        ``hold``, ``hold_after``    wait before or after doing it until the fault is released
        """
        wait = None if retry_after is None else str(retry_after)
        fault = Fault(vendor, operation, Kind(kind), times, status, wait, seconds, about)
        with self._lock:
            self._armed.append(fault)
        return fault

    def take(self, vendor: str, operation: str, body: bytes = b"") -> Fault | None:
        """The oldest fault that this call meets, used up by one."""
        with self._lock:
            for fault in self._armed:
                meets = fault.vendor == vendor and fault.operation in (operation, "*")
                if meets and fault.about.encode() in body:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._armed.remove(fault)
                    self._used.append(fault)
                    return fault
            return self._by_chance(vendor, operation)

    def _by_chance(self, vendor: str, operation: str) -> Fault | None:
        if self.weather is None:
            return None
        roll = self._chance.random()
        for share, kind, status in (
            (self.weather.busy, Kind.STATUS, 429),
            (self.weather.broken / 2, Kind.STATUS, 500),
            (self.weather.broken / 2, Kind.STATUS_AFTER, 500),
            (self.weather.lost, Kind.LOST_RESPONSE, 0),
        ):
            if roll < share:
                wait = self._a_second() if status == 429 else None
                return Fault(vendor, operation, kind, 1, status, wait)
            roll -= share
        return None

    def _a_second(self) -> str:
        if self._chance.random() < 0.5:
            return "1"
        return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)

    def clear(self) -> None:
        """Disarm everything, end the weather, and release whoever is held."""
        with self._lock:
            self.weather = None
            for fault in (*self._armed, *self._used):
                fault.release()
            self._armed.clear()
            self._used.clear()


class CallLog:
    """Every call, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def list(self, vendor: str | None = None, operation: str | None = None) -> list[Call]:
        """The calls of one vendor and operation (None: of all)."""
        with self._lock:
            return [
                call
                for call in self._calls
                if vendor in (None, call.vendor) and operation in (None, call.operation)
            ]

    def count(self) -> Counter[tuple[str, str]]:
        """How often each (vendor, operation) was called."""
        return Counter((call.vendor, call.operation) for call in self.list())


class FaultyApp:
    """A Flask app behind the chaos knobs: WSGI in, WSGI out.

    *rewrite* turns a request's path into the one that the routes know.
    """

    def __init__(
        self,
        vendor: str,
        app: Flask,
        faults: Faults,
        calls: CallLog,
        rewrite: Callable[[str], str] = lambda path: path,
    ) -> None:
        self._vendor = vendor
        self._app = app
        self._faults = faults
        self._calls = calls
        self._rewrite = rewrite

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = self._rewrite(environ["PATH_INFO"])
        operation = self._operation(environ)
        fault = self._faults.take(self._vendor, operation, _body_of(environ))
        self._calls.add(
            Call(
                self._vendor,
                operation,
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                datetime.now(UTC),
                environ.get("HTTP_IDEMPOTENCY_KEY") or environ.get("HTTP_WEBHOOK_ID"),
                fault.kind.value if fault else None,
            )
        )
        if fault is None:
            return self._app(environ, start_response)
        return self._with_fault(fault, environ, start_response)

    def _operation(self, environ: WSGIEnvironment) -> str:
        adapter = self._app.url_map.bind_to_environ(environ)
        try:
            endpoint, _ = adapter.match()
        except (HTTPException, RequestRedirect):
            return "unknown"
        return str(endpoint)

    def _with_fault(
        self, fault: Fault, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if fault.kind is Kind.DROP_BEFORE:
            fault.reached.set()
            _cut(environ)
        if fault.kind is Kind.STATUS:
            fault.reached.set()
            return _answer(fault, start_response)
        if fault.kind in (Kind.DELAY, Kind.HOLD):
            _wait(fault)
        if fault.dropped:
            _cut(environ)
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if fault.kind in (Kind.DELAY_AFTER, Kind.HOLD_AFTER):
            _wait(fault)
        fault.reached.set()
        if fault.kind is Kind.LOST_RESPONSE or fault.dropped:
            _cut(environ)
        if fault.kind is Kind.STATUS_AFTER:
            return _answer(fault, start_response)
        start_response(status, headers.to_wsgi_list())
        return body


def _body_of(environ: WSGIEnvironment) -> bytes:
    """The request's body, left readable for the app."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _wait(fault: Fault) -> None:
    fault.reached.set()
    if fault.kind in (Kind.DELAY, Kind.DELAY_AFTER):
        time.sleep(fault.seconds)
    else:
        fault.released.wait()


def _answer(fault: Fault, start_response: StartResponse) -> Iterable[bytes]:
    reason = HTTP_STATUS_CODES.get(fault.status, "Unknown")
    headers = [("Content-Type", "application/json")]
    if fault.retry_after is not None:
        headers.append(("Retry-After", fault.retry_after))
    start_response(f"{fault.status} {reason}", headers)
    return [json.dumps({"ok": False, "error": reason}).encode()]


def _cut(environ: WSGIEnvironment) -> None:
    """Cut the TCP connection with a reset, as a broken network does, and end the request."""
    connection: Any = environ["werkzeug.socket"]
    # Linger on, with zero seconds: closing sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("the sandbox cut this connection")
