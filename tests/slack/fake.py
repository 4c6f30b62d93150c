"""A loopback stand-in for Slack's Web API: answers what a test queued, and keeps what it was sent."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Answer:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drop: bool = False
    hold_s: float = 0.0


@dataclass
class Call:
    method: str
    token: str
    params: dict[str, Any]


class FakeSlack:
    """One server; ``answer`` queues, ``default`` stays. ``calls`` is everything that arrived."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.queued: dict[str, deque[Answer]] = defaultdict(deque)
        self.defaults: dict[str, Answer] = {}
        self.let_go = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake.serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/api/"

    def answer(self, method: str, body: Any = None, **more: Any) -> None:
        self.queued[method].append(Answer(body=body, **more))

    def default(self, method: str, body: Any = None, **more: Any) -> None:
        self.defaults[method] = Answer(body=body, **more)

    def sent(self, method: str) -> list[dict[str, Any]]:
        return [call.params for call in self.calls if call.method == method]

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        method = request.path.removeprefix("/api/")
        raw = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        kind = request.headers.get("Content-Type", "")
        params = (
            json.loads(raw or b"{}")
            if kind.startswith("application/json")
            else {name: values[0] for name, values in parse_qs(raw.decode()).items()}
        )
        self.calls.append(Call(method, request.headers.get("Authorization", ""), params))
        queue = self.queued[method]
        found = queue.popleft() if queue else self.defaults.get(method)
        answer = found or Answer({"ok": False, "error": "unknown_method"})
        if answer.hold_s:
            self.let_go.wait(answer.hold_s)
        if answer.drop:
            linger = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            request.connection.close()
            request.close_connection = True
            return
        body = answer.raw if answer.raw is not None else json.dumps(answer.body).encode()
        request.send_response(answer.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | answer.headers
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
