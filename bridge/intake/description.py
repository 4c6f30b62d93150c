"""What the door answers, as OpenAPI 3.1: every address, method and status. Served at ``/openapi.json``.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from typing import Any

from bridge import __version__
from bridge.intake.door import MAX_BODY

Json = dict[str, Any]

_WAIT = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}

# No body: who knocks is told what to do, and not why.
STATUSES: dict[int, Json] = {
    200: {"description": "Known already, or not wanted: nothing to repeat."},
    202: {"description": "Written down, durably."},
    400: {
        "description": "Authentic and unreadable: its bytes are kept, and there is no use in repeating them."
    },
    401: {"description": "Not signed, not by the right key, or not of now. Nothing is kept."},
    404: {"description": "There is no such hook here, or it is not set up."},
    413: {"description": f"More than {MAX_BODY} bytes. Nothing is kept."},
    503: {"description": "Nothing can be written just now: again, after the wait.", "headers": _WAIT},
}


def describe() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Loop bridge",
            "version": __version__,
            "summary": "The door: webhooks are verified, written down and answered here.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "paths": {
            "/hooks/social/{key}": {
                "parameters": [_ACCOUNT],
                "get": _shakes_hands(),
                "post": _hears(
                    "A network's or a tag source's webhook",
                    "Standard Webhooks 1.0.0, or as the account's network signs.",
                    _headers("webhook-id", "webhook-timestamp", "webhook-signature"),
                    "application/json",
                    (200, 202, 400, 401, 404, 413, 503),
                ),
            },
            "/hooks/zendesk": {
                "post": _hears(
                    "Zendesk's webhook",
                    "The body names a ticket that is worth reading again.",
                    _headers("X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp"),
                    "application/json",
                    (200, 202, 400, 401, 413, 503),
                )
            },
            "/slack/events": {
                "post": _hears(
                    "Presses of the cards' buttons",
                    "Slack's signature, version 0.",
                    _headers("X-Slack-Signature", "X-Slack-Request-Timestamp"),
                    "application/x-www-form-urlencoded",
                    (200, 400, 401, 404, 413, 503),
                )
            },
            "/healthz": {"get": _tells("Whether the process answers", {200: _HEALTH})},
            "/readyz": {
                "get": _tells("Whether the bridge does its work, and why not", {200: _REPORT, 503: _REPORT})
            },
            "/metrics": {"get": _counts()},
            "/playbook": {"get": _shows()},
            "/openapi.json": {"get": _tells("This description", {200: {"type": "object"}})},
        },
    }


_ACCOUNT: Json = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": "An account's key in brands.yaml.",
    "schema": {"type": "string", "minLength": 1},
}

_HEALTH: Json = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"const": "ok"}},
}

_REPORT: Json = {
    "type": "object",
    "required": ["status", "problems"],
    "properties": {
        "status": {"enum": ["ok", "degraded", "down"]},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
}


def _hears(
    summary: str, description: str, headers: list[Json], media: str, statuses: tuple[int, ...]
) -> Json:
    return {
        "summary": summary,
        "description": description,
        "parameters": headers,
        # Verified as bytes, before anything parses them.
        "requestBody": {"required": True, "content": {media: {"schema": {}}}},
        "responses": _answers(statuses),
    }


def _shakes_hands() -> Json:
    said = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "summary": "The handshake of a network that has one",
        "responses": {
            "200": {"description": "What the network asked to hear.", "content": said},
            **_answers((404,)),
        },
    }


def _tells(summary: str, shapes: dict[int, Json]) -> Json:
    return {
        "summary": summary,
        "responses": {
            str(status): {
                "description": "How it is." if status < 300 else "It is down.",
                "content": {"application/json": {"schema": shape}},
            }
            for status, shape in shapes.items()
        },
    }


def _counts() -> Json:
    text = {"schema": {"type": "string"}}
    return {
        "summary": "What Prometheus reads: the whole installation's numbers, from any process",
        "responses": {
            "200": {"description": "Prometheus' text format.", "content": {"text/plain": text}},
            **_answers((503,)),
        },
    }


def _shows() -> Json:
    html = {"schema": {"type": "string"}}
    return {
        "summary": "What each tag means and who does what: a page for people, of the mapping that serves now",
        "description": "Names teams, owners and channels: for colleagues only, like /readyz.",
        "responses": {"200": {"description": "The playbook.", "content": {"text/html": html}}},
    }


def _answers(statuses: tuple[int, ...]) -> Json:
    return {str(status): STATUSES[status] for status in statuses}


def _headers(*names: str) -> list[Json]:
    return [{"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in names]
