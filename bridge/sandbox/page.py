"""One page on loopback, on which a person plays customer, social team, agent and owner."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from flask import Flask, Response, request

from bridge.sandbox.page_state import page_state
from bridge.sandbox.serving import Served
from bridge.sandbox.world import Sandbox
from bridge.sandbox.zendesk.records import RecordError

Json: TypeAlias = dict[str, Any]

TAGS = ("technical-issue", "sales-lead", "feature-request", "crisis", "user-generated-content")


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the bridge's process is: up or down, and its process id."""

    up: bool
    pid: int | None = None


class Supervisor(Protocol):
    """Who starts the bridge again when it was killed."""

    def pulse(self) -> Pulse: ...

    def kill(self) -> None:
        """Kill the bridge's process outright; it is started again by and by."""
        ...


class ActError(Exception):
    """An act that cannot be, with a sentence for the person."""


class Page:
    """Serves the page at ``url`` until it is stopped. *port* 0: any free one."""

    def __init__(self, sandbox: Sandbox, supervisor: Supervisor | None = None, *, port: int = 0) -> None:
        self._sandbox = sandbox
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self._notices: list[tuple[datetime, str]] = []
        self._last_pulse: Pulse | None = None
        self._acts: dict[str, Callable[[Json], None]] = {
            "post": self._post,
            "delete": self._delete,
            "tag": self._tag,
            "comment": self._comment,
            "solve": self._solve,
            "press": self._press,
            "kill": self._kill,
        }
        self._served = Served("page", self._app(), port)
        self.url = self._served.url + "/"

    def stop(self) -> None:
        self._served.stop()

    def _app(self) -> Flask:
        app = Flask("bridge.sandbox.page", static_folder="static")
        app.add_url_rule("/", "page", lambda: app.send_static_file("page.html"))
        app.add_url_rule("/state.json", "state", self._state)
        app.add_url_rule("/act/<name>", "act", self._act, methods=["POST"])
        app.before_request(self._refuse_strangers)
        app.after_request(_harden)
        return app

    def _refuse_strangers(self) -> Response | None:
        """Another site in the same browser must not act here: not by form, not by a name that rebinds."""
        known = request.host == self._served.url.removeprefix("http://") or request.host.startswith(
            "localhost:"
        )
        if known and (request.method == "GET" or request.is_json):
            return None
        return Response("This page is for this machine only.", 403)

    def _state(self) -> Response:
        state = page_state(self._sandbox, self._read_notices())
        state["bridge"] = self._bridge()
        state["tags"] = list(TAGS)
        body = json.dumps(state, ensure_ascii=False).encode()
        answer = Response(body, content_type="application/json")
        answer.set_etag(hashlib.sha256(body).hexdigest()[:32])
        answer.make_conditional(request)
        return answer

    def _bridge(self) -> Json:
        if self._supervisor is None:
            return {"known": False, "up": False, "pid": None}
        pulse = self._supervisor.pulse()
        with self._lock:
            if self._last_pulse is not None and pulse.up != self._last_pulse.up:
                text = f"The bridge is up again, process {pulse.pid}" if pulse.up else "The bridge is down"
                self._notices.append((datetime.now(UTC), text))
            self._last_pulse = pulse
        return {"known": True, "up": pulse.up, "pid": pulse.pid}

    def _read_notices(self) -> list[tuple[datetime, str]]:
        with self._lock:
            return list(self._notices)

    def _act(self, name: str) -> tuple[Json, int]:
        act = self._acts.get(name)
        given = request.get_json(silent=True)
        if act is None or not isinstance(given, dict):
            return {"error": "There is no such act."}, 404
        try:
            act(given)
        except ActError as error:
            return {"error": str(error)}, 400
        except RecordError as error:
            return {"error": f"Zendesk refuses: {error}"}, 422
        except LookupError:
            return {"error": "That is not there any more."}, 404
        return {}, 200

    def _post(self, given: Json) -> None:
        author, text = (
            _words(given, "author", "Give the customer a name."),
            _words(given, "text", "Write something."),
        )
        author = author.lstrip("@").replace(" ", "_")
        language, reply_to = given.get("language") or None, given.get("reply_to") or None
        if given.get("network") == "mastodon":
            self._sandbox.mastodon.post(author, text, reply_to, language=language)
        else:
            self._sandbox.plaza.post(author, text, reply_to, language=language)

    def _delete(self, given: Json) -> None:
        network = self._sandbox.mastodon if given.get("network") == "mastodon" else self._sandbox.plaza
        network.delete(str(given["id"]))

    def _tag(self, given: Json) -> None:
        tag, post_id = str(given.get("tag")), str(given["id"])
        if tag not in TAGS:
            raise ActError("Choose a tag.")
        if given.get("network") == "mastodon":
            uri = next(one.uri for one in self._sandbox.mastodon.posts() if one.id == post_id)
            self._sandbox.tags.tag("mastodon", uri, tag)
        else:
            self._sandbox.tags.tag(self._sandbox.plaza.network, post_id, tag)

    def _comment(self, given: Json) -> None:
        text = _words(given, "text", "Write something.")
        status = "solved" if given.get("solve") else None
        self._sandbox.zendesk.agent_comments(int(given["ticket"]), text, bool(given.get("public")), status)

    def _solve(self, given: Json) -> None:
        self._sandbox.zendesk.solve(int(given["ticket"]))

    def _press(self, given: Json) -> None:
        status = self._sandbox.slack.press(
            str(given["channel"]), str(given["ts"]), str(given["action_id"]), value=given.get("value")
        )
        if not 200 <= status < 300:
            raise ActError(f"The bridge answered {status or 'nothing'}. Press again when it is up.")

    def _kill(self, _: Json) -> None:
        if self._supervisor is None:
            raise ActError("Nobody here could start the bridge again.")
        with self._lock:
            self._notices.append((datetime.now(UTC), "You killed the bridge"))
        self._supervisor.kill()


def _words(given: Json, name: str, otherwise: str) -> str:
    text = str(given.get(name) or "").strip()
    if not text:
        raise ActError(otherwise)
    return text


def _harden(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = (
        "default-src 'self'; frame-ancestors 'none'; form-action 'none'"
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-cache"
    return answer
