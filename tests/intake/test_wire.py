"""What is no proper HTTP, sent to the real server: refused, not stored, and nobody else waits for it."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from bridge.sandbox.signing import standard_headers
from tests.benchmarks.processes import SECRET, Service, start_door
from tests.intake.knocking import created

PATH = b"/hooks/social/kopi-plaza"

# What is sent, and the status that it may get; b"" when the connection is closed without a word.
SPOILT: dict[str, tuple[bytes, set[bytes]]] = {
    "a header without end": (b"POST %b HTTP/1.1\r\nX: %b\r\n\r\n" % (PATH, b"x" * 400_000), {b"431", b"400"}),
    "a thousand headers": (
        b"POST %b HTTP/1.1\r\n%b\r\n" % (PATH, b"".join(b"X-%d: y\r\n" % n for n in range(1000))),
        {b"401"},
    ),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {b"400"}),
    "a length that is no number": (b"POST %b HTTP/1.1\r\nContent-Length: x\r\n\r\n" % PATH, {b"400"}),
    "a negative length": (b"POST %b HTTP/1.1\r\nContent-Length: -1\r\n\r\n" % PATH, {b"400"}),
    "two lengths": (b"POST %b HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx" % PATH, {b"400"}),
    "chunks that are none": (
        b"POST %b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" % PATH,
        {b"400"},
    ),
    "another encoding": (b"POST %b HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n" % PATH, {b"501"}),
    "a length beyond all bounds": (
        b"POST %b HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" % PATH,
        {b"413"},
    ),
    "a NUL in a header": (b"POST %b HTTP/1.1\r\nwebhook-id: a\0b\r\n\r\n" % PATH, {b"400", b"401"}),
    "a path with a NUL": (b"POST /hooks/social/%00 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", {b"404"}),
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """``bridge web``, as it is run."""
    with start_door(tmp_path_factory.mktemp("wire") / "door") as door:
        yield door


def dial(door: Service) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", int(door.url.rpartition(":")[2])), timeout=10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def status(line: socket.socket) -> bytes:
    return line.recv(65536)[9:12]


def rows(door: Service) -> int:
    with closing(sqlite3.connect(door.log.with_name("bridge.db"))) as database:
        return int(database.execute("SELECT count(*) FROM deliveries").fetchone()[0])


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_no_request_is_refused_and_leaves_nothing(door: Service, name: str):
    """By the server, before anything of ours sees it, or by us: never a 500, and not a row."""
    sent, expected = SPOILT[name]
    before = rows(door)
    with dial(door) as line:
        line.sendall(sent)
        assert status(line) in expected
    assert before == rows(door)


@pytest.mark.parametrize("way", ["with its length", "chunked"])
def test_a_body_that_breaks_off_is_not_stored_and_nobody_waits_for_it(door: Service, way: str):
    """Signed, and cut short on the way: others are answered meanwhile, and it may come again whole."""
    number = f"msg_{way.replace(' ', '_')}"
    body = created(id=number)
    headers = {"Host": "bridge", **standard_headers(SECRET, number, body)}
    if way == "chunked":
        headers["Transfer-Encoding"] = "chunked"
        first, rest = b"%x\r\n%b" % (len(body), body[:40]), body[40:] + b"\r\n0\r\n\r\n"
    else:
        headers["Content-Length"] = str(len(body))
        first, rest = body[:40], body[40:]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = b"POST %b HTTP/1.1\r\n%b\r\n" % (PATH, lines.encode())
    before = rows(door)
    broken = [dial(door) for _ in range(12)]  # more than the door has threads
    for line in broken:
        line.sendall(head + first)
    with dial(door) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert b"200" == status(line)
    for line in broken:
        line.close()
    assert before == rows(door)
    with dial(door) as line:
        line.sendall(head + first)
        line.sendall(rest)
        assert b"202" == status(line)
    assert before + 1 == rows(door)


def test_a_header_in_any_other_encoding_is_no_crash(door: Service):
    """Bytes that are no ASCII where the signature stands."""
    with dial(door) as line:
        line.sendall(
            b"POST %b HTTP/1.1\r\nwebhook-id: \xff\xfe\r\nwebhook-timestamp: \xd9\xa3\r\n"
            b"webhook-signature: v1,\xc3\xa9\r\nContent-Length: 0\r\n\r\n" % PATH
        )
        assert b"401" == status(line)
