"""A Zendesk and a Slack that answer what opening a loop asks, each call after 50 ms. A process of its own.

It keeps counts and nothing else, so that it costs little of the CPU that is being
measured. The shapes are those of `bridge.sandbox`, which takes them from the vendors.
Prints its port.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from functools import partial
from itertools import count
from typing import Any

from tests.benchmarks.wire import Messages

LATENCY_S = 0.05
GROUPS = ("Technical Support", "Incident Response", "Product", "Social Triage")
CHANNELS = ("support-technical", "incident-response", "product-feedback", "sales-leads", "community",
            "social-triage")  # fmt: skip
AT = "2026-01-01T00:00:00Z"


class Vendors:
    """What both answer. ``tickets`` and ``cards`` are the external ids and the keys that came in."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.tickets: Counter[str] = Counter()
        self.cards: Counter[str] = Counter()
        self._number = count(1)

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        self.calls[f"{method} {path.rstrip('0123456789')}"] += 1
        if path.startswith("/api/v2/"):
            return self._desk(method, path.removeprefix("/api/v2/").removesuffix(".json"), body)
        if path == "/oauth/tokens":
            return {"access_token": "test-token", "token_type": "bearer", "expires_in": 3600}
        if path == "/counts":
            twice = [key for key, times in (self.tickets + self.cards).items() if times > 1]
            found = {"tickets": len(self.tickets), "cards": len(self.cards)}
            return found | {"calls": self.calls, "doubled": len(twice)}
        return self._team(path.removeprefix("/api/"), body)

    def _desk(self, method: str, path: str, body: bytes) -> dict[str, Any]:  # noqa: PLR0911 - a table
        number = next(self._number)
        match method, path.split("/"):
            case "GET", ["groups"]:
                return {"groups": [{"id": i, "name": name} for i, name in enumerate(GROUPS, 1)]}
            case "GET", ["ticket_fields"]:
                fields = enumerate(("Social network", "Social permalink"), 1)
                return {"ticket_fields": [{"id": i, "title": title} for i, title in fields]}
            case "POST", ["users", "create_or_update"]:
                return {"user": {"id": number, "role": "end-user"}}
            case "POST", ["tickets"]:
                ticket = json.loads(body)["ticket"]
                self.tickets[ticket["external_id"]] += 1
                return {"ticket": _ticket(number), "audit": {"id": number}}
            case "GET", ["tickets"]:
                return {"tickets": []}
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
            self.cards[json.loads(body)["metadata"]["event_payload"]["key"]] += 1
        return {"ok": True, "channel": "C00000001", "ts": f"1767225600.{number:06}"}


def _ticket(number: int) -> dict[str, Any]:
    return {"id": number, "status": "new", "tags": [], "requester_id": 1, "created_at": AT}


class Line(Messages):
    def __init__(self, vendors: Vendors) -> None:
        super().__init__()
        self._vendors = vendors

    def message(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        answer = json.dumps(self._vendors.answer(method, path.partition("?")[0], body)).encode()
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
