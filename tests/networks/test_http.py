"""How the rooms talk HTTP: what comes back has its class, reads are repeated, writes never."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import requests
import responses
import time_machine
import urllib3.exceptions
from pydantic import TypeAdapter
from requests.auth import AuthBase

from bridge.core import deadline, patience
from bridge.errors import (
    VendorAuthError,
    VendorBusyError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.networks import http
from bridge.networks.http import LONGEST_WAIT_S, HttpLine, is_confidential, wait_asked_for

URL = "https://vendor.example/things?secret-in-the-address=1"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANYTHING: TypeAdapter[object] = TypeAdapter(object)
NUMBERS: TypeAdapter[list[int]] = TypeAdapter(list[int])


class Nobody(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Sleeper:
    """Passes no time and remembers what it was asked for."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def sleeper():
    return Sleeper()


@pytest.fixture
def line(sleeper):
    return HttpLine("vendor", timeout_s=0.2, sleep=sleeper)


def read(line: HttpLine, url: str = URL, shape: TypeAdapter[object] = ANYTHING) -> object:
    return line.read("look", url, shape, auth=Nobody(), gone=(404,)).value


def write(line: HttpLine, url: str = URL) -> object:
    return line.write("post", url, ANYTHING, auth=Nobody(), body=b"{}", gone=(404,)).value


@pytest.mark.parametrize(
    ("status", "error_class", "calls"),
    [
        (302, VendorRefusedError, 1),
        (400, VendorRefusedError, 1),
        (401, VendorAuthError, 1),
        (403, VendorAuthError, 1),
        (404, VendorGoneError, 1),
        (408, VendorBusyError, 4),
        (410, VendorRefusedError, 1),
        (418, VendorRefusedError, 1),
        (429, VendorBusyError, 4),
        (500, VendorBusyError, 4),
        (503, VendorBusyError, 4),
    ],
)
@responses.activate
def test_read_that_failed_has_its_class(line, status, error_class, calls):
    """Only what may be different a moment later is asked again."""
    responses.get(URL, status=status)
    with pytest.raises(error_class) as caught:
        read(line)
    assert type(caught.value) is error_class
    assert caught.value.status == status
    assert len(responses.calls) == calls


@responses.activate
def test_read_that_works_the_second_time_is_an_answer(line, sleeper):
    """A hiccup of a moment does not reach the flow."""
    responses.get(URL, status=502)
    responses.get(URL, json=[1, 2])
    assert read(line) == [1, 2]
    assert len(sleeper.slept) == 1
    assert sleeper.slept[0] <= patience.LONGEST_WAIT_S


@responses.activate
def test_wait_that_the_vendor_asks_for_is_kept(line, sleeper):
    """Two seconds are waited in place."""
    responses.get(URL, status=429, headers={"Retry-After": "2"})
    responses.get(URL, json=1)
    read(line)
    assert sleeper.slept == [2.0]


@pytest.mark.parametrize("status", [429, 503])
@responses.activate
def test_long_wait_is_handed_to_the_caller(line, sleeper, status):
    """Five minutes are not: the error says how long."""
    responses.get(URL, status=status, headers={"Retry-After": "300"})
    with pytest.raises(VendorBusyError) as caught:
        read(line)
    assert caught.value.retry_after_s == 300.0
    assert sleeper.slept == []


@pytest.mark.parametrize("status", [429, 500, 503])
@responses.activate
def test_write_is_never_repeated(line, sleeper, status):
    """One call, whatever comes back."""
    responses.post(URL, status=status, headers={"Retry-After": "1"})
    with pytest.raises((VendorBusyError, VendorUnclearError)):
        write(line)
    assert len(responses.calls) == 1
    assert sleeper.slept == []


@pytest.mark.parametrize(
    "failure",
    [
        requests.ReadTimeout(),
        requests.ConnectionError(ConnectionResetError(104, "reset")),
        requests.exceptions.ChunkedEncodingError(),
        requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLError("bad record"))),
    ],
)
@responses.activate
def test_write_that_broke_off_is_unclear(line, failure):
    """It may have arrived. The same on a read harms nobody."""
    responses.post(URL, body=failure)
    responses.get(URL, body=failure)
    with pytest.raises(VendorUnclearError):
        write(line)
    with pytest.raises(VendorBusyError):
        read(line)


@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectTimeout(),
        requests.exceptions.SSLError(
            urllib3.exceptions.MaxRetryError(
                None,  # type: ignore[arg-type]
                "/",
                urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed")),
            )
        ),
    ],
)
@responses.activate
def test_write_that_never_left_is_not_unclear(line, failure):
    """No connection, or a certificate that we do not trust: nothing was sent."""
    responses.post(URL, body=failure)
    with pytest.raises(VendorBusyError):
        write(line)


@responses.activate
def test_nothing_is_written_once_its_time_is_over(line):
    """Whoever looks for it later counts on that; reading harms nobody."""
    responses.get(URL, json=[1])
    responses.post(URL, json=[1])
    with deadline.within(0):
        assert read(line) == [1]
        with pytest.raises(VendorBusyError):
            write(line)
    assert [call.request.method for call in responses.calls] == ["GET"]


def test_refused_connection_is_known_to_have_sent_nothing(line):
    """A real closed port."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(VendorBusyError) as caught:
        write(line, f"http://127.0.0.1:{port}/x?token=abc")
    assert "abc" not in f"{caught.value!s} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"])
def test_server_that_hangs_up_in_mid_answer(line, answer):
    """A real connection that ends before the answer does: unclear on a write."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(VendorUnclearError):
            write(line, f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()


def test_server_that_says_nothing_runs_into_the_timeout(line):
    """A call ends after its timeout, and a write is unclear then."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(VendorUnclearError):
        write(line, f"http://127.0.0.1:{server.getsockname()[1]}/")


@pytest.mark.parametrize(("call", "error_class"), [(read, VendorBusyError), (write, VendorUnclearError)])
@pytest.mark.parametrize(
    "head", [b"Content-Length: 400\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"]
)
def test_server_that_drips_runs_into_the_timeout(monkeypatch, call, error_class, head):
    """Each byte comes in time, the answer does not: no thread waits for its end."""
    monkeypatch.setattr(patience, "ATTEMPTS", 1)
    drop = b"1\r\n \r\n" if b"chunked" in head else b" "
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
                for _ in range(100):
                    connection.sendall(drop)
                    if over.wait(0.05):
                        break

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(error_class):
            call(HttpLine("vendor", timeout_s=0.2), f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert time.monotonic() - begun < 2
        over.set()
        thread.join()


@responses.activate
def test_answer_of_another_shape_is_busy(line):
    """A maintenance page with status 200 is no answer."""
    responses.get(URL, body="<html>back soon</html>")
    with pytest.raises(VendorBusyError) as caught:
        read(line, shape=NUMBERS)
    assert "back soon" not in str(caught.value)


@responses.activate
def test_endless_answer_is_cut(line, monkeypatch):
    """More than the limit is not read: refused on a read, unclear on a write."""
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1000)
    responses.get(URL, body=b"[" + b" " * 1000 + b"]")
    responses.post(URL, body=b"[" + b" " * 1000 + b"]")
    with pytest.raises(VendorRefusedError):
        read(line)
    with pytest.raises(VendorUnclearError):
        write(line)


@pytest.mark.parametrize("authorities", [None, "/etc/our-own.pem"])
@responses.activate
def test_certificates_are_checked(line, monkeypatch, authorities):
    """By the machine's own authorities, or those that its environment names."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    if authorities:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authorities)
    responses.get(URL, json=1)
    responses.post(URL, json=1)
    for call in (read, write):
        call(line)
    asked = [call.request.req_kwargs["verify"] for call in responses.calls]  # type: ignore[attr-defined]
    assert asked == [authorities or True] * 2


@responses.activate
def test_redirect_is_not_followed(line):
    """Neither a token nor a signature goes where somebody else points."""
    responses.get(URL, status=307, headers={"Location": "https://evil.example/"})
    responses.post(URL, status=307, headers={"Location": "https://evil.example/"})
    for call in (read, write):
        with pytest.raises(VendorRefusedError):
            call(line)
    assert {call.request.url for call in responses.calls} == {URL}


@pytest.mark.parametrize("url", ["", "nonsense", "https://", "ftp://x.example/", "http://[::1"])
def test_address_that_is_none_is_refused(line, url):
    """A typing error in brands.yaml is a refusal, not a crash."""
    for call in (read, write):
        with pytest.raises(VendorRefusedError):
            call(line, url)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"X-RateLimit-Reset": "2026-11-21T12:05:00.000Z"}, 300.0),
        ({"Retry-After": "5", "X-RateLimit-Reset": "2026-11-21T12:05:00Z"}, 5.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "-1"}, None),
        ({"X-RateLimit-Reset": "1763726700"}, None),
        ({"Retry-After": "9" * 5000}, LONGEST_WAIT_S),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"X-RateLimit-Reset": "0001-01-01T00:00:00+23:59"}, 0.0),
        ({"X-RateLimit-Reset": "9999-12-31T23:59:59-23:59"}, LONGEST_WAIT_S),
    ],
)
def test_wait_is_read_in_all_its_forms(headers, wait):
    """Seconds, an HTTP date, Mastodon's ISO time; nonsense is no wait."""
    with time_machine.travel(NOW, tick=False):
        assert wait_asked_for(headers) == wait


@pytest.mark.parametrize(
    ("url", "confidential"),
    [
        ("https://social.example", True),
        ("http://127.0.0.1:5000", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("http://social.example", False),
        ("http://localhost.evil.example", False),
        ("ftp://localhost", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_secrets_travel_by_https_or_at_home(url, confidential):
    """Plain http is for this machine."""
    assert is_confidential(url) is confidential
