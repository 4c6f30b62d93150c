"""A Zendesk on loopback that says what a test tells it, and accounts that point at it or at ``responses``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import responses

from bridge.zendesk import ZendeskAccount, ZendeskDesk

HOME = "https://acme.zendesk.com"
SECRET = "test-client-secret"
TOKEN = "test-access-token"

# (status, headers, body in one or more pieces), or None: take the request and hang up.
Answer = tuple[int, dict[str, str], bytes | Iterable[bytes]] | None


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Loopback:
    url: str
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Answer] = lambda asked: (404, {}, b"{}")
    tokens: Callable[[], Answer] = lambda: json_answer(grant())
    date: str | None = None  # what the server's clock says; None: the time

    @property
    def api_calls(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path != "/oauth/tokens"]


def json_answer(body: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **named}, json.dumps(body).encode()


def grant(token: str = TOKEN, expires_in: int = 3600, scope: str = "read tickets:write users:write") -> Any:
    return {"access_token": token, "token_type": "bearer", "scope": scope, "expires_in": expires_in}


def oauth_account(**changes: Any) -> ZendeskAccount:
    given = {"subdomain": "acme", "client_id": "test-client", "client_secret": SECRET, "timeout_s": 5.0}
    return ZendeskAccount(**{**given, **changes})


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A server whose ``answer`` a test sets; tokens are handed out by itself."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait for each other's receipt

        def log_message(self, *args: Any) -> None:
            """Say nothing on stderr."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return place.date or super().date_time_string(timestamp)

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            place.asked.append(asked)
            said = place.tokens() if asked.path == "/oauth/tokens" else place.answer(asked)
            if said is None:
                self.close_connection = True
                return
            status, headers, content = said
            pieces = [content] if isinstance(content, bytes) else content
            length = {"Content-Length": str(len(content))} if isinstance(content, bytes) else {}
            self.send_response(status)
            for name, value in {**length, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except BrokenPipeError:
                self.close_connection = True  # the caller had enough, as some tests want

        do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - the names that http.server looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    place = Loopback(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield place
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    """Zendesk by ``responses``; whatever is not registered is refused. Tokens are handed out."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(f"{HOME}/oauth/tokens", json=grant())
        yield mock


def desk_at(url: str, **changes: Any) -> ZendeskDesk:
    """A desk there that passes no time between two attempts."""
    return ZendeskDesk(oauth_account(url=url, **changes), sleep=lambda seconds: None)


@pytest.fixture
def slept() -> list[float]:
    """The waits between the attempts of ``desk``, which are not waited."""
    return []


@pytest.fixture
def desk(slept: list[float]) -> ZendeskDesk:
    return ZendeskDesk(oauth_account(), sleep=slept.append)
