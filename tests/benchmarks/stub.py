"""A Zendesk and a Slack that answer what opening a loop asks, each call after 50 ms. A process of its own.

It keeps ids and counts and nothing else, so that it costs little of the CPU that is
being measured. The shapes are those of `bridge.sandbox`, which takes them from the vendors.
Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from tests.benchmarks.wire import Messages

LATENCY_S = 0.05
GROUPS = ("Technical Support", "Incident Response", "Product", "Social Triage")
CHANNELS = ("support-technical", "incident-response", "product-feedback", "sales-leads", "community",
            "social-triage")  # fmt: skip
AT = "2026-01-01T00:00:00Z"


_DIGITS = re.compile(r"\d+")
_KEY = re.compile(rb"\r\nidempotency-key: *([^\r]+)", re.IGNORECASE)


class Vendors:
    """What both answer. They remember what they were given, so that whoever looks for it finds it."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.doubled = 0
        self._tickets: dict[str, tuple[int, str]] = {}  # by external id, with the key that opened it
        self._cards: dict[str, str] = {}  # ts by key
        self._number = count(1)

    def answer(self, method: str, path: str, query: str, key: str, body: bytes) -> dict[str, Any]:
        self.calls[f"{method} {_DIGITS.sub('N', path)}"] += path != "/counts"
        if path.startswith("/api/v2/"):
            return self._desk(method, path.removeprefix("/api/v2/").removesuffix(".json"), query, key, body)
        if path == "/oauth/tokens":
            return {"access_token": "test-token", "token_type": "bearer", "expires_in": 3600}
        if path == "/counts":
            found = {"tickets": len(self._tickets), "cards": len(self._cards)}
            return found | {"calls": self.calls, "doubled": self.doubled}
        return self._team(path.removeprefix("/api/"), body)

    def _open(self, ticket: dict[str, Any], key: str) -> int:
        known, opened_by = self._tickets.get(ticket["external_id"], (0, ""))
        if known and opened_by == key:
            return known  # as Zendesk does with a key that it has seen
        self.doubled += known > 0
        number = next(self._number)
        self._tickets[ticket["external_id"]] = number, key
        return number

    def _post(self, message: dict[str, Any]) -> str:
        key = message["metadata"]["event_payload"]["key"]
        self.doubled += key in self._cards
        self._cards[key] = f"1767225600.{next(self._number):06}"
        return self._cards[key]

    def _desk(  # noqa: PLR0911 - a table
        self, method: str, path: str, query: str, key: str, body: bytes
    ) -> dict[str, Any]:
        number = next(self._number)
        match method, path.split("/"):
            case "GET", ["groups"]:
                return {"groups": [{"id": i, "name": name} for i, name in enumerate(GROUPS, 1)]}
            case "GET", ["users", "me"]:  # the hourly check; nobody's account, so it asks no more
                return {"user": {"id": None, "role": "end-user"}}
            case "GET", ["ticket_fields"]:
                fields = enumerate(("Social network", "Social permalink"), 1)
                return {"ticket_fields": [{"id": i, "title": title} for i, title in fields]}
            case "POST", ["users", "create_or_update"]:
                return {"user": {"id": number, "role": "end-user"}}
            case "POST", ["tickets"]:
                return {
                    "ticket": _ticket(self._open(json.loads(body)["ticket"], key)),
                    "audit": {"id": number},
                }
            case "GET", ["tickets"]:
                external_id = parse_qs(query)["external_id"][0]
                found = [self._tickets[external_id][0]] if external_id in self._tickets else []
                return {"tickets": [_ticket(one) | {"external_id": external_id} for one in found]}
            case "GET", ["incremental", "tickets", "cursor"]:
                return {"tickets": [], "after_cursor": "a", "after_url": None, "end_of_stream": True}
            case "PUT", ["tickets", which]:
                return {"ticket": _ticket(int(which)), "audit": {"id": number}}
            case "GET", ["tickets", which]:
                return {"ticket": _ticket(int(which)), "users": []}
            case "GET", ["tickets", _, "audits"]:
                return {"audits": [], "users": [], "meta": {"has_more": False}}
        raise ValueError(f"the stub has no answer to {method} {path}")

    def _team(self, method: str, body: bytes) -> dict[str, Any]:
        number = next(self._number)
        if method == "conversations.list":
            return {"ok": True, "channels": [
                {"id": f"C{i:08}", "name": name, "is_member": True} for i, name in enumerate(CHANNELS, 1)
            ]}  # fmt: skip
        if method == "chat.postMessage":
            return {"ok": True, "channel": "C00000001", "ts": self._post(json.loads(body))}
        if method == "conversations.history":
            return {"ok": True, "messages": [_card(ts, key) for key, ts in self._cards.items()]}
        return {"ok": True, "channel": "C00000001", "ts": f"1767225600.{number:06}"}


def _card(ts: str, key: str) -> dict[str, Any]:
    return {"ts": ts, "metadata": {"event_type": "bridge_card", "event_payload": {"key": key}}}


def _ticket(number: int) -> dict[str, Any]:
    return {"id": number, "status": "new", "tags": [], "requester_id": 1, "created_at": AT}


class Line(Messages):
    def __init__(self, vendors: Vendors) -> None:
        super().__init__()
        self._vendors = vendors

    def message(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        where, _, query = path.partition("?")
        known = _KEY.search(head)
        key = known[1].decode() if known else ""
        answer = json.dumps(self._vendors.answer(method, where, query, key, body)).encode()
        status = b"201 Created" if (method, path) == ("POST", "/api/v2/tickets.json") else b"200 OK"
        whole = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (
            status,
            len(answer),
        )
        closes = b"\r\nconnection: close" in head.lower()
        whole += b"Connection: close\r\n\r\n" if closes else b"\r\n"
        wait = 0 if path == "/counts" else LATENCY_S
        asyncio.get_running_loop().call_later(wait, partial(self._send, whole + answer, closes))

    def _send(self, answer: bytes, closes: bool) -> None:
        self.transport.write(answer)
        if closes:
            self.transport.close()


async def serve() -> None:
    vendors = Vendors()
    server = await asyncio.get_running_loop().create_server(
        lambda: Line(vendors), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
