"""A loopback stand-in for Slack's Socket Mode: one WebSocket, frames of text. RFC 6455 §1.3, §5.2."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import queue
import socket
import struct
import threading
from typing import Any

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT = 1


class FakeSocket:
    """Accepts one connection after another; ``send`` goes to the latest, ``received`` holds what came."""

    def __init__(self) -> None:
        self.received: queue.Queue[dict[str, Any]] = queue.Queue()
        self.connected = threading.Event()
        self.latest: socket.socket | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.listener.getsockname()[1]}/link?ticket=test"

    def send(self, message: dict[str, Any]) -> None:
        payload = json.dumps(message).encode()
        assert self.latest is not None
        self.latest.sendall(struct.pack("!BBH", 0x80 | TEXT, 126, len(payload)) + payload)

    def hang_up(self) -> None:
        """End the connection: a client that waits in recv learns of it at once."""
        if self.latest is not None:
            with contextlib.suppress(OSError):
                self.latest.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self._handshake(connection)
            self.latest = connection
            self.connected.set()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _handshake(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        lines = (line.partition(b": ") for line in request.split(b"\r\n"))
        key = next(value for name, _, value in lines if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key.strip() + GUID, usedforsecurity=False).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError, ValueError):
            while len(head := stream.read(2)) == 2:
                size = head[1] & 0x7F
                if size == 126:
                    (size,) = struct.unpack("!H", stream.read(2))
                mask = stream.read(4)
                payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(stream.read(size)))
                if head[0] & 0x0F == TEXT:
                    self.received.put(json.loads(payload))
