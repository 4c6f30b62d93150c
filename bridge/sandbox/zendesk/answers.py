"""What the fake Zendesk's answers have in common: error bodies, and pages with absolute links."""

from __future__ import annotations

import base64
import binascii

from flask import Response, jsonify, request

from bridge.sandbox.zendesk.records import Json, User, iso


class NotFoundError(Exception):
    """There is no such record."""


def error_answer(
    status: int, code: str, description: str | None = None, details: Json | None = None
) -> Response:
    body: Json = {"error": code}
    if description:
        body["description"] = description
    if details is not None:
        body["details"] = details
    answer = jsonify(body)
    answer.status_code = status
    return answer


def user_json(user: User) -> Json:
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "external_id": user.external_id,
        "active": user.active,
        "suspended": False,
        "verified": True,
        "created_at": iso(user.created_at),
        "updated_at": iso(user.updated_at),
    }


def page_of(name: str, rows: list[Json], extra: Json | None = None) -> Json:
    """One page of *rows* under *name*, by cursor (``page[size]``) or by offset, with absolute links."""
    if "page[size]" in request.args:
        size = min(100, int(request.args["page[size]"]))
        start = decode(request.args.get("page[after]", ""))
        more = start + size < len(rows)
        cursor = encode(start + size) if more else None
        kept = "".join(
            f"&{key}={value}" for key, value in request.args.items() if not key.startswith("page[")
        )
        link = f"{request.base_url}?page[size]={size}&page[after]={cursor}{kept}" if more else None
        body: Json = {name: rows[start : start + size]}
        body["meta"] = {"has_more": more, "after_cursor": cursor, "before_cursor": None}
        body["links"] = {"next": link, "prev": None}
        return body | (extra or {})
    size = min(100, int(request.args.get("per_page", 100)))
    page = max(1, int(request.args.get("page", 1)))
    start = (page - 1) * size
    others = "".join(
        f"&{key}={value}" for key, value in request.args.items() if key not in ("page", "per_page")
    )
    more = start + size < len(rows)
    link = f"{request.base_url}?page={page + 1}&per_page={size}{others}" if more else None
    body = {name: rows[start : start + size], "count": len(rows), "next_page": link, "previous_page": None}
    return body | (extra or {})


def encode(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def decode(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor) or 0)
    except (binascii.Error, ValueError):
        return 0
