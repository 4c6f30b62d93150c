"""A fake Mastodon server: the brands' accounts on it, its API, and customers who write.

https://docs.joinmastodon.org/methods/
Operations are named by their endpoint (``post_status``), for the chaos knobs.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any, TypeAlias

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from bridge.sandbox.faults import CallLog, Faults, FaultyApp
from bridge.sandbox.mastodon_records import (
    MAX_CHARACTERS,
    VISIBILITIES,
    Keys,
    MastodonRefusalError,
    Notification,
    Person,
    PostView,
    Status,
    ancestors,
    iso,
)
from bridge.sandbox.mastodon_text import length, mentions, render
from bridge.sandbox.reading_room import thread_page
from bridge.sandbox.serving import Served

Json: TypeAlias = dict[str, Any]


class MastodonSandbox:
    """One server. ``tokens`` maps each brand's handle to its access token.

    ``honours_keys``: whether Idempotency-Key does anything (Mastodon: yes; GoToSocial,
    snac and Takahe: no). ``visible_after_s``: how late a new status shows in a context.
    """

    def __init__(
        self,
        faults: Faults,
        calls: CallLog,
        *,
        honours_keys: bool = True,
        visible_after_s: float = 0.0,
    ) -> None:
        self.honours_keys = honours_keys
        self.visible_after_s = visible_after_s
        self.tokens = {"kopi": "test-mastodon-kopi", "rower": "test-mastodon-rower"}
        self.lock = threading.RLock()
        self._people: dict[str, Person] = {}
        self._statuses: dict[str, Status] = {}
        self._notifications: list[Notification] = []
        self._keys = Keys()
        self._last_id = 0
        for handle, token in self.tokens.items():
            self._person(handle, handle.title()).token = token
        self._served = Served("mastodon", FaultyApp("mastodon", self._app(), faults, calls))
        self.url = self._served.url

    def stop(self) -> None:
        self._served.stop()

    def post(
        self,
        author: str,
        text: str,
        reply_to: str | None = None,
        *,
        visibility: str = "public",
        language: str | None = None,
        mention: bool = True,
        to: str = "kopi",
    ) -> PostView:
        """A customer writes. With *mention* the text names whom it answers, or the brand *to*."""
        if visibility not in VISIBILITIES:
            raise ValueError(f"{visibility} is none of {', '.join(VISIBILITIES)}")
        with self.lock:
            parent = self._statuses[self._id_of(reply_to)] if reply_to else None
            addressee = parent.author.handle if parent and parent.author.token else to
            if mention and addressee not in mentions(text):
                text = f"@{addressee} {text}"
            status = self._add(self._person(author), text, visibility, language, parent, by_api=False)
            return self._view(status)

    def edit(self, status_id: str, text: str) -> PostView:
        with self.lock:
            status = self._statuses[self._id_of(status_id)]
            status.text = text
            status.edited_at = datetime.now(UTC)
            return self._view(status)

    def delete(self, status_id: str) -> None:
        with self.lock:
            status = self._statuses.pop(self._id_of(status_id))
            self._notifications = [one for one in self._notifications if one.status is not status]

    def brand_posts(self, handle: str, text: str, reply_to: str | None = None) -> PostView:
        """Somebody of the brand writes by hand, in the network's own app."""
        with self.lock:
            parent = self._statuses[self._id_of(reply_to)] if reply_to else None
            return self._view(self._add(self._people[handle], text, "public", None, parent, by_api=False))

    def posts(self) -> list[PostView]:
        """Every status there is, oldest first."""
        with self.lock:
            return [self._view(status) for status in self._statuses.values()]

    def thread(self, root: str) -> list[PostView]:
        """The status *root* (an id or a URI) and everything under it, oldest first."""
        with self.lock:
            top = self._id_of(root)
            return [
                self._view(one)
                for one in self._statuses.values()
                if one.id == top or any(above.id == top for above in ancestors(one))
            ]

    def _id_of(self, reference: str) -> str:
        status_id = reference.rsplit("/", 1)[-1]
        if status_id not in self._statuses:
            raise LookupError(f"there is no status {reference}")
        return status_id

    def _view(self, status: Status) -> PostView:
        return PostView(
            status.id,
            self._uri(status),
            self._address(status),
            status.author.handle,
            status.author.token is not None,
            status.text,
            status.visibility,
            status.parent.id if status.parent else None,
            status.created_at,
            status.edited_at,
        )

    def _next_id(self) -> str:
        # As Mastodon's ids: milliseconds since the epoch, shifted; later is greater.
        self._last_id = max(self._last_id + 1, time.time_ns() // 1_000_000 << 16)
        return str(self._last_id)

    def _person(self, handle: str, name: str | None = None) -> Person:
        if handle not in self._people:
            shown = name or handle.split("@", maxsplit=1)[0].replace("_", " ").title()
            self._people[handle] = Person(self._next_id(), handle, shown)
        return self._people[handle]

    def _add(
        self,
        author: Person,
        text: str,
        visibility: str,
        language: str | None,
        parent: Status | None,
        *,
        by_api: bool,
    ) -> Status:
        mentioned = list(self._mentioned(text).values())
        visible_at = time.monotonic() + self.visible_after_s
        now = datetime.now(UTC)
        status = Status(
            self._next_id(), author, text, visibility, language, parent, mentioned, now, visible_at, by_api
        )
        self._statuses[status.id] = status
        for person in mentioned:
            if person.token and person is not author:
                self._notifications.append(Notification(self._next_id(), person, status))
        return status

    def _mentioned(self, text: str) -> dict[str, Person]:
        """Handle as written → person. Our own people may be written with our domain, too."""
        domain = "@" + self.url.removeprefix("http://").split(":")[0]
        written = {handle: handle.removesuffix(domain) for handle in mentions(text)}
        return {handle: self._people[name] for handle, name in written.items() if name in self._people}

    def _uri(self, status: Status) -> str:
        return f"{self.url}/users/{status.author.handle}/statuses/{status.id}"

    def _address(self, status: Status) -> str:
        return f"{self.url}/@{status.author.handle}/{status.id}"

    def _account_json(self, person: Person) -> Json:
        return {
            "id": person.id,
            "username": person.handle.split("@")[0],
            "acct": person.handle,
            "display_name": person.name,
            "url": f"{self.url}/@{person.handle}",
            "uri": f"{self.url}/users/{person.handle}",
            "bot": False,
            "locked": False,
            "created_at": "2026-01-01T00:00:00.000Z",
        }

    def _status_json(self, status: Status) -> Json:
        mentioned = self._mentioned(status.text)
        addresses = {written: f"{self.url}/@{person.handle}" for written, person in mentioned.items()}
        parent = status.parent
        return {
            "id": status.id,
            "uri": self._uri(status),
            "url": self._address(status),
            "created_at": iso(status.created_at),
            "edited_at": iso(status.edited_at) if status.edited_at else None,
            "account": self._account_json(status.author),
            "content": render(status.text, self.url, addresses),
            "visibility": status.visibility,
            "language": status.language,
            "sensitive": False,
            "spoiler_text": "",
            "in_reply_to_id": parent.id if parent else None,
            "in_reply_to_account_id": parent.author.id if parent else None,
            "media_attachments": [],
            "mentions": [
                {
                    "id": person.id,
                    "username": person.handle.split("@")[0],
                    "acct": person.handle,
                    "url": f"{self.url}/@{person.handle}",
                }
                for person in status.mentioned
            ],
            "tags": [],
            "emojis": [],
            "reblog": None,
            "replies_count": sum(one.parent is status for one in self._statuses.values()),
            "reblogs_count": 0,
            "favourites_count": 0,
        }

    def _may_read(self, status: Status) -> bool:
        reader = g.account
        if reader in (status.author, *status.mentioned):
            return True
        return status.visibility in ("public", "unlisted")

    def _app(self) -> Flask:
        app = Flask("sandbox-mastodon", static_folder=None)
        app.before_request(self._admit)
        app.after_request(_rate_headers)
        app.register_error_handler(MastodonRefusalError, _refuse)
        app.register_error_handler(HTTPException, _unknown)
        add = app.add_url_rule
        add("/api/v1/accounts/verify_credentials", "verify_credentials", self._verify)
        add("/api/v1/notifications", "list_notifications", self._list_notifications)
        add("/api/v1/statuses", "post_status", self._post_status, methods=["POST"])
        add("/api/v1/statuses/<status_id>", "read_status", self._read_status)
        add("/api/v1/statuses/<status_id>/context", "read_context", self._read_context)
        add("/api/v2/instance", "read_instance", self._read_instance)
        add("/api/v2/search", "search", self._search)
        add("/@<handle>/<status_id>", "web_page", self._web_page)
        return app

    def _admit(self) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        people = list(self._people.values())
        g.account = next((one for one in people if one.token and one.token == token), None)
        if g.account is None and request.endpoint not in ("read_instance", "web_page"):
            raise MastodonRefusalError(401, "The access token is invalid")

    def _verify(self) -> Json:
        return self._account_json(g.account) | {"source": {"privacy": "public", "language": None}}

    def _list_notifications(self) -> Response:
        types = [*request.args.getlist("types[]"), *request.args.getlist("types")]
        limit = min(80, int(request.args.get("limit", 40)))
        with self.lock:
            found = [
                one
                for one in self._notifications
                if one.to is g.account and (not types or "mention" in types)
            ]
            page = _window(found, limit)
            rows = [
                {
                    "id": one.id,
                    "type": "mention",
                    "created_at": iso(one.status.created_at),
                    "group_key": f"ungrouped-{one.id}",
                    "account": self._account_json(one.status.author),
                    "status": self._status_json(one.status),
                }
                for one in page
            ]
        answer = jsonify(rows)
        if rows:
            answer.headers["Link"] = (
                f'<{request.base_url}?limit={limit}&max_id={rows[-1]["id"]}>; rel="next", '
                f'<{request.base_url}?limit={limit}&min_id={rows[0]["id"]}>; rel="prev"'
            )
        return answer

    def _post_status(self) -> Json:
        given = request.get_json(silent=True) or request.form.to_dict()
        key = request.headers.get("Idempotency-Key")
        with self.lock:
            earlier = self._keys.find(g.account.id, key) if self.honours_keys else None
            if earlier is not None:
                return self._status_json(earlier)
            parent = self._parent(given.get("in_reply_to_id"))
            text = str(given.get("status") or "")
            visibility = str(given.get("visibility") or "public")
            if not text.strip():
                raise MastodonRefusalError(422, "Validation failed: Text can't be blank")
            if length(text) + length(str(given.get("spoiler_text") or "")) > MAX_CHARACTERS:
                raise MastodonRefusalError(
                    422, f"Validation failed: Text character limit of {MAX_CHARACTERS} exceeded"
                )
            if visibility not in VISIBILITIES:
                raise MastodonRefusalError(422, "Validation failed: Visibility is not included in the list")
            status = self._add(g.account, text, visibility, given.get("language"), parent, by_api=True)
            if key:
                self._keys.kept[g.account.id, key] = (status, time.monotonic())
            return self._status_json(status)

    def _parent(self, parent_id: Any) -> Status | None:
        if not parent_id:
            return None
        parent = self._statuses.get(str(parent_id))
        if parent is None or not self._may_read(parent):
            raise MastodonRefusalError(404, "The post you are trying to reply to does not appear to exist.")
        return parent

    def _find(self, status_id: str) -> Status:
        status = self._statuses.get(status_id)
        if status is None or not self._may_read(status):
            raise MastodonRefusalError(404, "Record not found")
        return status

    def _read_status(self, status_id: str) -> Json:
        with self.lock:
            return self._status_json(self._find(status_id))

    def _read_context(self, status_id: str) -> Json:
        with self.lock:
            status = self._find(status_id)
            below = [
                one
                for one in self._statuses.values()
                if status in ancestors(one) and one.visible_at <= time.monotonic() and self._may_read(one)
            ]
            alive = [one for one in ancestors(status) if one.id in self._statuses and self._may_read(one)]
            return {
                "ancestors": [self._status_json(one) for one in alive],
                "descendants": [self._status_json(one) for one in below],
            }

    def _read_instance(self) -> Json:
        statuses = {"max_characters": MAX_CHARACTERS, "characters_reserved_per_url": 23}
        return {
            "domain": self.url.removeprefix("http://"),
            "title": "Sandbox",
            "version": "4.4.0",
            "configuration": {"statuses": statuses, "urls": {}},
        }

    def _search(self) -> Json:
        wanted = request.args.get("q", "")
        with self.lock:
            found = [
                self._status_json(one)
                for one in self._statuses.values()
                if wanted in (self._uri(one), self._address(one)) and self._may_read(one)
            ]
        return {"accounts": [], "statuses": found, "hashtags": []}

    def _web_page(self, handle: str, status_id: str) -> str:
        if status_id not in self._statuses:
            raise MastodonRefusalError(404, "Record not found")
        posts = [(f"@{one.author}", one.text) for one in self.thread(status_id)]
        return thread_page(f"@{handle}", posts)


def _window(found: list[Notification], limit: int) -> list[Notification]:
    """A page, newest first. ``min_id`` gives the ones right after it, ``since_id`` the newest after it."""
    least = int(request.args.get("min_id") or request.args.get("since_id") or 0)
    most = int(request.args.get("max_id") or 0)
    within = [one for one in found if int(one.id) > least and (not most or int(one.id) < most)]
    page = within[:limit] if "min_id" in request.args else within[-limit:]
    return page[::-1]


def _rate_headers(answer: Response) -> Response:
    reset = datetime.fromtimestamp(time.time() // 300 * 300 + 300, UTC)
    answer.headers["X-RateLimit-Limit"] = "300"
    answer.headers["X-RateLimit-Remaining"] = "299"
    answer.headers["X-RateLimit-Reset"] = iso(reset)
    return answer


def _refuse(error: MastodonRefusalError) -> tuple[Json, int]:
    return {"error": error.text}, error.status


def _unknown(error: HTTPException) -> tuple[Json, int]:
    return {"error": error.name}, error.code or 500
