"""Just enough HTTP/1.1 over asyncio: stub and load generator leave the CPU to what is measured."""

from __future__ import annotations

import asyncio

END = b"\r\n\r\n"


class Messages(asyncio.Protocol):
    """Cuts what arrives into whole messages with a ``Content-Length``, and hands each to `message`."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(END)) >= 0:
            head = bytes(self._pending[:end])
            whole = end + len(END) + _length(head)
            if len(self._pending) < whole:
                return
            body = bytes(self._pending[end + len(END) : whole])
            del self._pending[:whole]
            self.message(head, body)

    def message(self, head: bytes, body: bytes) -> None:
        raise AssertionError("a subclass says what to do with a message")


def _length(head: bytes) -> int:
    place = head.lower().find(b"\r\ncontent-length:")
    return int(head[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
