"""Plaza: a social site of ours that speaks Standard Webhooks, and takes signed replies.

https://www.standardwebhooks.com (1.0.0). It sends ``social.message.created``,
``.updated`` and ``.deleted``. An answer comes to its reply address:

``POST <reply_url>``  signed, type ``social.reply.requested``, data ``{in_reply_to, network,
text, language, visibility}`` → 201 ``{id, permalink}``; the same ``webhook-id`` again → 200
and the same answer; 410 parent_gone, 403 author_blocked, 409 replies_closed, 422 too_long
``GET <reply_url>?key=<webhook-id>`` (signed, without a body) → 200 ``{id, permalink}`` or 404
``GET <reply_url>?since=<time or mark>`` (signed) → ``{deliveries: [{id, at, body}], next}``
``GET <reply_url>?message=<id>`` (signed) → ``{state, edited_at, answers: [{id, permalink, at, own}],
newer: [data of a created]}``
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from flask import Flask, request

from bridge.sandbox.faults import CallLog, Faults, FaultyApp
from bridge.sandbox.reading_room import thread_page
from bridge.sandbox.serving import Hook, Manners, Sender, Served
from bridge.sandbox.signing import readable_secret, standard_headers, standard_is_authentic

Json: TypeAlias = dict[str, Any]

# Every failure is tried again; 410 says that the address is gone for good.
MANNERS = Manners(delays=(0.1, 0.2, 0.4, 0.8) + (1.0,) * 60, gives_up_on=lambda status: status == 410)
OWN = "kopi"
TEXT_LIMIT = 5000


@dataclass
class Post:
    id: str
    author: str
    own: bool
    text: str
    parent: Post | None
    language: str | None
    tags: tuple[str, ...]
    visibility: str
    created_at: datetime
    edited_at: datetime | None = None
    deleted: bool = False
    closed: bool = False

    @property
    def root(self) -> Post:
        return self.parent.root if self.parent else self


@dataclass(frozen=True, slots=True)
class PostView:
    """A post as people see it. ``own``: the brand wrote it."""

    id: str
    url: str
    author: str
    own: bool
    text: str
    parent_id: str | None
    root_id: str
    language: str | None
    at: datetime
    edited_at: datetime | None
    deleted: bool


class PlazaSandbox:
    """One site. ``secret`` signs both ways, ``reply_url`` takes the brand's answers.

    ``list_page``: how many webhooks it lists at once to those who ask what was sent.
    ``tells_newer``: whether its look shows what the author of a post wrote after it.
    ``network`` is the name that its webhooks give the network. ``echo_own``: whether the
    brand's own posts are told to the bridge too, as many networks do.
    """

    def __init__(
        self, faults: Faults, calls: CallLog, *, network: str = "standard", echo_own: bool = False
    ) -> None:
        self.network = network
        self.echo_own = echo_own
        self.secret = readable_secret("test-plaza-secret-one")
        self.bridge_url: str | None = None
        self.lock = threading.RLock()
        self._posts: dict[str, Post] = {}
        self._blocked: set[str] = set()
        self._answered: dict[str, Post] = {}
        self._told: list[Json] = []
        self.list_page = 100
        self.tells_newer = True
        self.sender = Sender("plaza", MANNERS)
        self._served = Served("plaza", FaultyApp("plaza", self._app(), faults, calls))
        self.url = self._served.url
        self.reply_url = f"{self.url}/replies/{OWN}"

    def stop(self) -> None:
        self._served.stop()
        self.sender.stop()

    def post(
        self,
        author: str,
        text: str,
        reply_to: str | None = None,
        tags: Sequence[str] = (),
        language: str | None = None,
        *,
        visibility: str = "public",
        quiet: bool = False,
    ) -> PostView:
        """A customer writes. *quiet*: the webhook does not leave (it was lost, or comes later)."""
        with self.lock:
            post = self._add(author, text, reply_to, language, tags=tuple(tags), visibility=visibility)
            if not quiet:
                self._tell("created", post)
            return self._view(post)

    def edit(self, post_id: str, text: str) -> PostView:
        with self.lock:
            post = self._posts[post_id]
            post.text, post.edited_at = text, datetime.now(UTC)
            self._tell("updated", post)
            return self._view(post)

    def delete(self, post_id: str) -> None:
        with self.lock:
            post = self._posts[post_id]
            post.deleted = True
            self._tell("deleted", post)

    def tell_again(self, post_id: str) -> None:
        """Send the post's ``created`` in a delivery of its own, as a confused sender does."""
        with self.lock:
            self._tell("created", self._posts[post_id])

    def block_brand(self, author: str) -> None:
        """*author* does not want to hear of the brand any more."""
        with self.lock:
            self._blocked.add(author)

    def close_replies(self, post_id: str) -> None:
        with self.lock:
            self._posts[post_id].closed = True

    def brand_posts(self, text: str, reply_to: str | None = None) -> PostView:
        """Somebody of the brand writes by hand, on the site itself."""
        with self.lock:
            return self._view(self._add_own(text, reply_to, None, "public"))

    def posts(self) -> list[PostView]:
        """Every post there was, oldest first."""
        with self.lock:
            return [self._view(post) for post in self._posts.values()]

    def thread(self, root: str) -> list[PostView]:
        """The post *root* and everything in its thread, oldest first."""
        with self.lock:
            return [self._view(post) for post in self._posts.values() if post.root.id == root]

    def _add(
        self,
        author: str,
        text: str,
        reply_to: str | None,
        language: str | None,
        *,
        tags: tuple[str, ...] = (),
        visibility: str = "public",
        own: bool = False,
    ) -> Post:
        number = f"plaza-{len(self._posts) + 1}-{uuid.uuid4().hex[:6]}"
        parent = self._posts[reply_to] if reply_to else None
        post = Post(number, author, own, text, parent, language, tags, visibility, datetime.now(UTC))
        self._posts[number] = post
        return post

    def _add_own(self, text: str, reply_to: str | None, language: str | None, visibility: str) -> Post:
        post = self._add(OWN, text, reply_to, language, visibility=visibility, own=True)
        if self.echo_own:
            self._tell("created", post)
        return post

    def _permalink(self, post: Post) -> str:
        return f"{self.url}/p/{post.id}"

    def _view(self, post: Post) -> PostView:
        return PostView(
            post.id,
            self._permalink(post),
            post.author,
            post.own,
            post.text,
            post.parent.id if post.parent else None,
            post.root.id,
            post.language,
            post.created_at,
            post.edited_at,
            post.deleted,
        )

    def _tell(self, what: str, post: Post) -> None:
        if self.bridge_url is None:
            return
        now = datetime.now(UTC).isoformat()
        envelope = {"type": f"social.message.{what}", "timestamp": now, "data": self._data(what, post)}
        body = json.dumps(envelope, ensure_ascii=False).encode()
        number = f"msg_{uuid.uuid4().hex}"
        self._told.append({"id": number, "at": now, "body": envelope})
        url = f"{self.bridge_url}/hooks/social/kopi-plaza"
        self.sender.send(Hook(url, body, lambda: standard_headers(self.secret, number, body)))

    def _data(self, what: str, post: Post) -> Json:
        if what == "deleted":
            return {"network": self.network, "id": post.id, "deleted_at": datetime.now(UTC).isoformat()}
        parent = post.parent
        return {
            "network": self.network,
            "id": post.id,
            "root_id": post.root.id,
            "parent_id": parent.id if parent else None,
            "parent_text": parent.text if parent else None,
            "author": {
                "id": post.author,
                "handle": post.author,
                "name": post.author.replace("_", " ").title(),
                "url": f"{self.url}/u/{post.author}",
            },
            "text": post.text,
            "language": post.language,
            "permalink": self._permalink(post),
            "visibility": post.visibility,
            "created_at": post.created_at.isoformat(),
            "edited_at": post.edited_at.isoformat() if post.edited_at else None,
            "attachments": [],
            "tags": list(post.tags),
        }

    def _app(self) -> Flask:
        app = Flask("sandbox-plaza", static_folder=None)
        app.add_url_rule(f"/replies/{OWN}", "reply", self._reply, methods=["POST"])
        app.add_url_rule(f"/replies/{OWN}", "look", self._look)
        app.add_url_rule("/p/<post_id>", "web_page", self._web_page)
        return app

    def _reply(self) -> tuple[Json, int]:
        if not self._is_authentic():
            return {"error": "signature"}, 401
        envelope = request.get_json(silent=True) or {}
        wanted = envelope.get("data")
        if envelope.get("type") != "social.reply.requested" or not isinstance(wanted, dict):
            return {"error": "unknown_type"}, 400
        with self.lock:
            key = request.headers["webhook-id"]
            if key in self._answered:
                return self._published(self._answered[key]), 200
            refusal = self._refusal(wanted)
            if refusal is not None:
                return refusal
            visibility = str(wanted.get("visibility") or "public")
            text, language = str(wanted["text"]), wanted.get("language")
            self._answered[key] = self._add_own(text, wanted["in_reply_to"], language, visibility)
            return self._published(self._answered[key]), 201

    def _is_authentic(self) -> bool:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return standard_is_authentic(self.secret, headers, request.get_data())

    def _refusal(self, wanted: Json) -> tuple[Json, int] | None:
        parent = self._posts.get(str(wanted.get("in_reply_to")))
        text = str(wanted.get("text") or "")
        if parent is None or parent.deleted:
            return {"error": "parent_gone"}, 410
        if parent.author in self._blocked:
            return {"error": "author_blocked"}, 403
        if parent.closed:
            return {"error": "replies_closed"}, 409
        if not text.strip():
            return {"error": "blank"}, 422
        if len(text) > TEXT_LIMIT:
            return {"error": "too_long"}, 422
        return None

    def _published(self, post: Post) -> Json:
        return {"id": post.id, "permalink": self._permalink(post), "at": post.created_at.isoformat()}

    def _look(self) -> tuple[Json, int]:
        if not self._is_authentic():
            return {"error": "signature"}, 401
        with self.lock:
            if "since" in request.args:
                return self._sent_since(request.args["since"]), 200
            if "key" in request.args:
                post = self._answered.get(request.args["key"])
                return (self._published(post), 200) if post else ({"error": "unknown_key"}, 404)
            post = self._posts.get(request.args.get("message", ""))
            if post is None:
                return {"error": "unknown_message"}, 404
            answers = [
                self._published(one) | {"own": one.own, "text": one.text}
                for one in self._posts.values()
                if one.parent is post and not one.deleted
            ]
            edited = post.edited_at.isoformat() if post.edited_at else None
            newer = [self._data("created", one) for one in self._newer(post)] if self.tells_newer else []
            state = {"state": self._state(post), "edited_at": edited, "answers": answers, "newer": newer}
            return state, 200

    def _newer(self, post: Post) -> list[Post]:
        """What the author of *post* wrote after it in its thread."""
        after = list(self._posts.values())[list(self._posts).index(post.id) + 1 :]
        return [
            one for one in after if one.root is post.root and one.author == post.author and not one.deleted
        ]

    def _sent_since(self, since: str) -> Json:
        """Webhooks that left at or after a time; a page's mark is the place of the next one."""
        if since.isdigit():
            first = int(since)
        else:
            start = datetime.fromisoformat(since)
            times = (datetime.fromisoformat(one["at"]) for one in self._told)
            first = next((place for place, at in enumerate(times) if at >= start), len(self._told))
        end = first + self.list_page
        return {
            "deliveries": self._told[first:end],
            "next": str(end) if end < len(self._told) else None,
        }

    def _state(self, post: Post) -> str:
        if post.deleted:
            return "deleted"
        if post.author in self._blocked:
            return "blocked"
        if post.closed:
            return "closed"
        return "edited" if post.edited_at else "present"

    def _web_page(self, post_id: str) -> tuple[str, int]:
        with self.lock:
            if post_id not in self._posts:
                return thread_page("This post is not there", ()), 404
            posts = self.thread(self._posts[post_id].root.id)
        return thread_page("Plaza", [(f"@{one.author}", one.text) for one in posts if not one.deleted]), 200
