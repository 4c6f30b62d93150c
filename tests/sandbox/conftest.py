"""A running sandbox, and a tiny bridge that only writes down what it hears."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask, request

from bridge.sandbox import Sandbox
from bridge.sandbox.serving import Served


@dataclass
class Heard:
    """One request that the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Stands where the bridge would: answers *statuses* in turn (then 200) and keeps what came."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, path: str | None = None) -> list[Heard]:
        """What came to *path*, once there are *count* of it."""

        def found() -> list[Heard]:
            return [one for one in self.heard if path in (None, one.path)]

        with self.arrived:
            assert self.arrived.wait_for(lambda: len(found()) >= count, 5), f"only {len(found())} came"
            return found()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    app = Flask("receiver")
    room = Receiver()

    @app.route("/<path:path>", methods=["POST"])
    def hear(path: str) -> tuple[str, int]:
        with room.arrived:
            headers = {name.lower(): value for name, value in request.headers.items()}
            room.heard.append(Heard(f"/{path}", headers, request.get_data()))
            room.arrived.notify_all()
            return "", room.statuses.pop(0) if room.statuses else 200

    served = Served("receiver", app)
    room.url = served.url
    yield room
    served.stop()
