"""The fake Zendesk's users: who am I, create or update, look up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, g, request

from bridge.sandbox.zendesk.answers import NotFoundError, page_of, user_json
from bridge.sandbox.zendesk.records import Json, RecordError, User, now

if TYPE_CHECKING:
    from bridge.sandbox.zendesk.desk import ZendeskSandbox


def add_user_routes(app: Flask, desk: ZendeskSandbox) -> None:
    records = desk.records

    @app.get("/api/v2/users/me", endpoint="read_me")
    def read_me() -> Json:
        if not g.known:
            # Not a 401: a health check that looks at the status only is fooled.
            return {
                "user": {
                    "id": None,
                    "name": "Anonymous user",
                    "email": "invalid@example.com",
                    "role": "end-user",
                }
            }
        return {"user": user_json(desk.service_user)}

    @app.post("/api/v2/users/create_or_update", endpoint="register_user")
    def register_user() -> Any:
        wanted = (request.get_json(silent=True) or {}).get("user") or {}
        user = records.find_user(wanted.get("email"), wanted.get("external_id"))
        if user is None:
            if not wanted.get("name"):
                raise RecordError(name="Name: is too short (minimum is 1 character)")
            user = records.add_user(
                str(wanted["name"]),
                str(wanted.get("role") or "end-user"),
                wanted.get("email"),
                wanted.get("external_id"),
            )
            return {"user": user_json(user)}, 201
        user.name = str(wanted.get("name") or user.name)
        user.external_id = wanted.get("external_id") or user.external_id
        user.updated_at = now()
        return {"user": user_json(user)}

    @app.get("/api/v2/users/show_many", endpoint="show_users")
    def show_users() -> Json:
        ids = request.args.get("ids", "").split(",")
        externals = [one.lower() for one in request.args.get("external_ids", "").split(",") if one]
        found = [
            user
            for user in records.users.values()
            if str(user.id) in ids or (user.external_id and user.external_id.lower() in externals)
        ]
        return page_of("users", [user_json(user) for user in found])

    @app.get("/api/v2/users/search", endpoint="search_users")
    def search_users() -> Json:
        return page_of("users", [user_json(user) for user in _matching(records.users.values())])

    @app.get("/api/v2/users", endpoint="list_users")
    def list_users() -> Json:
        roles = [*request.args.getlist("role"), *request.args.getlist("role[]")]
        found = [user for user in records.users.values() if not roles or user.role in roles]
        return page_of("users", [user_json(user) for user in found])

    @app.get("/api/v2/users/<int:user_id>", endpoint="read_user")
    def read_user(user_id: int) -> Json:
        if user_id not in records.users:
            raise NotFoundError
        return {"user": user_json(records.users[user_id])}

    @app.put("/api/v2/users/<int:user_id>", endpoint="update_user")
    def update_user(user_id: int) -> Json:
        user = records.users.get(user_id)
        if user is None:
            raise NotFoundError
        wanted = (request.get_json(silent=True) or {}).get("user") or {}
        external_id = wanted.get("external_id", user.external_id)
        other = records.find_user(external_id=external_id) if external_id else None
        if other is not None and other is not user:
            raise RecordError(external_id=f"External: {external_id} is already being used")
        user.name, user.external_id = str(wanted.get("name") or user.name), external_id
        user.updated_at = now()
        return {"user": user_json(user)}


def _matching(users: Iterable[User]) -> list[User]:
    """The users that ``query`` (``role:agent email:x`` or a plain e-mail or name) finds."""
    external_id = request.args.get("external_id")
    if external_id is not None:
        return [user for user in users if (user.external_id or "").lower() == external_id.lower()]
    found = list(users)
    for term in request.args.get("query", "").split():
        name, _, value = term.partition(":")
        found = [user for user in found if _meets(user, name, value.strip('"').lower())]
    return found


def _meets(user: User, name: str, value: str) -> bool:
    if name == "type":
        return True
    fields = {"role": user.role, "email": user.email, "external_id": user.external_id}
    if value and name in fields:
        return (fields[name] or "").lower() == value
    return name.strip('"').lower() in f"{user.name} {user.email or ''}".lower()
