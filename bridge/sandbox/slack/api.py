"""The fake Slack's Web API.

https://docs.slack.dev/reference/methods
Operations are named by their method (``chat.postMessage``), for the chaos knobs.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response, jsonify, request

from bridge.sandbox.slack.blocks import BlocksError, Json, check_blocks
from bridge.sandbox.slack.workspace import (
    BOT,
    BOT_USER,
    PEOPLE,
    TEAM,
    Channel,
    Message,
    SlackError,
    Workspace,
    metadata_of,
)

SCOPES = "chat:write,users:read,users:read.email,channels:read,groups:read,channels:history,groups:history"


class WebApi:
    """The methods that a bot calls, as a Flask app (``app``).

    ``posts_per_second`` limits chat.postMessage per channel (None: no limit).
    """

    def __init__(self, workspace: Workspace, bot_token: str, posts_per_second: float | None) -> None:
        self._workspace = workspace
        self._bot_token = bot_token
        self._posts_per_second = posts_per_second
        self._last_post: dict[str, float] = {}
        self.url = ""
        self.app = self._app()

    def _app(self) -> Flask:
        app = Flask("sandbox-slack", static_folder=None)
        methods: dict[str, Callable[[Json], Json]] = {
            "api.test": lambda _: {},
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.list": self._list,
            "conversations.info": self._info,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.join": self._join,
            "users.info": self._user_info,
            "users.lookupByEmail": self._user_by_email,
            "views.open": self._open_view,
        }
        for name, method in methods.items():
            app.add_url_rule(f"/api/{name}", name, self._call(method), methods=["GET", "POST"])
        app.add_url_rule("/response/<response_id>", "response_url", self._respond, methods=["POST"])
        return app

    def _call(self, method: Callable[[Json], Json]) -> Callable[[], Response]:
        def answer() -> Response:
            arguments = _arguments()
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                with self._workspace.lock:
                    if (token or arguments.get("token")) != self._bot_token:
                        raise SlackError("invalid_auth" if token else "not_authed")
                    response = jsonify({"ok": True} | method(arguments))
            except SlackError as error:
                response = jsonify({"ok": False, "error": error.code} | error.more)
                if error.code == "ratelimited":
                    response.status_code = 429
                    response.headers["Retry-After"] = "1"
            except BlocksError as error:
                messages = {"messages": [error.reason]}
                response = jsonify({"ok": False, "error": error.code, "response_metadata": messages})
            response.headers["x-oauth-scopes"] = SCOPES
            return response

        return answer

    def _auth_test(self, _: Json) -> Json:
        return {
            "url": f"{self.url}/",
            "team": "Sandbox",
            "user": "loop-bridge",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "is_enterprise_install": False,
        }

    def _post_message(self, arguments: Json) -> Json:
        channel = self._workspace.channel(str(arguments.get("channel", "")))
        if not channel.has_bot:
            raise SlackError("not_in_channel")
        _refuse_archived(channel)
        self._limit_posts(channel.id)
        message = self._workspace.new_message(channel, arguments)
        channel.messages.append(message)
        return {"channel": channel.id, "ts": message.ts, "message": message.as_json(with_metadata=True)}

    def _limit_posts(self, channel: str) -> None:
        if self._posts_per_second is None:
            return
        now = time.monotonic()
        if now - self._last_post.get(channel, -10.0) < 1 / self._posts_per_second:
            raise SlackError("ratelimited")
        self._last_post[channel] = now

    def _update(self, arguments: Json) -> Json:
        channel = self._workspace.channel(str(arguments.get("channel", "")), by_name=False)
        _refuse_archived(channel)
        message = self._workspace.message(channel, str(arguments.get("ts")))
        text = arguments.get("text")
        if text is not None and len(str(text)) > 4000:
            raise SlackError("msg_too_long")
        if "blocks" in arguments:
            check_blocks(arguments["blocks"])
        elif text is None:
            raise SlackError("no_text")
        # Text without blocks takes the old blocks away; metadata that is left out stays.
        message.blocks = arguments.get("blocks") or []
        message.text = str(text) if text is not None else message.text
        message.metadata = metadata_of(arguments) or message.metadata
        message.edited_at = datetime.now(UTC)
        return {"channel": channel.id, "ts": message.ts, "text": message.text}

    def _post_ephemeral(self, arguments: Json) -> Json:
        channel = self._workspace.channel(str(arguments.get("channel", "")))
        if arguments.get("user") not in PEOPLE:
            raise SlackError("user_not_in_channel")
        message = self._workspace.new_message(channel, arguments)
        self._workspace.whisper(str(arguments["user"]), channel.id, message.text, message.blocks)
        return {"message_ts": message.ts}

    def _list(self, arguments: Json) -> Json:
        unwanted = str(arguments.get("exclude_archived")).lower() in ("1", "true")
        rows = [
            _channel_json(channel)
            for channel in self._workspace.channels.values()
            if not (unwanted and channel.is_archived)
        ]
        start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
        following = str(start + size) if start + size < len(rows) else ""
        return {"channels": rows[start : start + size], "response_metadata": {"next_cursor": following}}

    def _info(self, arguments: Json) -> Json:
        return {
            "channel": _channel_json(
                self._workspace.channel(str(arguments.get("channel", "")), by_name=False)
            )
        }

    def _join(self, arguments: Json) -> Json:
        channel = self._workspace.channel(str(arguments.get("channel", "")), by_name=False)
        channel.has_bot = True
        return {"channel": _channel_json(channel)}

    def _history(self, arguments: Json) -> Json:
        channel = self._workspace.channel(str(arguments.get("channel", "")), by_name=False)
        if not channel.has_bot:
            raise SlackError("not_in_channel")
        found = [one for one in channel.messages if one.thread_ts in (None, one.ts)]
        return _page(list(reversed(found)), arguments)

    def _replies(self, arguments: Json) -> Json:
        channel = self._workspace.channel(str(arguments.get("channel", "")), by_name=False)
        root = self._workspace.message(channel, str(arguments.get("ts")))
        found = [root] + [one for one in channel.messages if one.thread_ts == root.ts and one is not root]
        return _page(found, arguments)

    def _user_info(self, arguments: Json) -> Json:
        user = str(arguments.get("user"))
        if user not in PEOPLE:
            raise SlackError("user_not_found")
        return {"user": _user_json(user) | {"deleted": user in self._workspace.deactivated}}

    def _user_by_email(self, arguments: Json) -> Json:
        for user, (_, _, email) in PEOPLE.items():
            if email == arguments.get("email"):
                return {"user": _user_json(user)}
        raise SlackError("users_not_found")

    def _open_view(self, arguments: Json) -> Json:
        deadline = self._workspace.triggers.pop(str(arguments.get("trigger_id")), None)
        if deadline is None:
            raise SlackError("invalid_trigger_id")
        if deadline < time.monotonic():
            raise SlackError("expired_trigger_id")
        view = arguments.get("view") or {}
        for name in ("title", "submit", "close"):
            if len(_title(view.get(name))) > 24:
                raise SlackError("invalid_arguments")
        check_blocks(view.get("blocks"))
        self._workspace.whisper("", None, _title(view.get("title")), view["blocks"])
        return {"view": view | {"id": f"V{uuid.uuid4().hex[:9].upper()}"}}

    def _respond(self, response_id: str) -> tuple[str, int]:
        with self._workspace.lock:
            place = self._workspace.responses.get(response_id)
            if place is None or place["left"] == 0:
                return "expired_url", 404
            place["left"] -= 1
            arguments = request.get_json(silent=True) or {}
            blocks = arguments.get("blocks") or []
            if arguments.get("replace_original"):
                message = self._workspace.message(self._workspace.channels[place["channel"]], place["ts"])
                message.blocks, message.text = blocks, str(arguments.get("text") or message.text)
                message.edited_at = datetime.now(UTC)
            else:
                self._workspace.whisper(
                    place["user"], place["channel"], str(arguments.get("text") or ""), blocks
                )
            return "ok", 200


def _refuse_archived(channel: Channel) -> None:
    if channel.is_archived:
        raise SlackError("is_archived")


def _title(text: Json | None) -> str:
    return str((text or {}).get("text", ""))


def _arguments() -> Json:
    """A call's arguments, however they came; JSON inside forms is read."""
    given: Json = {
        **request.args.to_dict(),
        **request.form.to_dict(),
        **(request.get_json(silent=True) or {}),
    }
    for name in ("blocks", "metadata", "view"):
        if isinstance(given.get(name), str):
            try:
                given[name] = json.loads(given[name])
            except ValueError:
                given[name] = None
    return given


def _page(found: list[Message], arguments: Json) -> Json:
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    inclusive = str(arguments.get("inclusive", "")).lower() in ("1", "true")
    within = [
        one
        for one in found
        if oldest < float(one.ts) < latest or (inclusive and float(one.ts) in (oldest, latest))
    ]
    start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
    with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
    more = start + size < len(within)
    return {
        "messages": [one.as_json(with_metadata=with_metadata) for one in within[start : start + size]],
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + size) if more else ""},
    }


def _channel_json(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": True,
        "is_archived": channel.is_archived,
        "is_private": False,
        "is_member": channel.has_bot,
    }


def _user_json(user: str) -> Json:
    handle, name, email = PEOPLE[user]
    profile = {"email": email, "display_name": name, "real_name": name}
    return {
        "id": user,
        "team_id": TEAM,
        "name": handle,
        "real_name": name,
        "is_bot": False,
        "profile": profile,
    }
