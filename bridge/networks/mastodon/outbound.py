"""A brand's line to its Mastodon server.

Obeys https://docs.joinmastodon.org/methods/statuses/ and
https://docs.joinmastodon.org/methods/notifications/
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, TypeAdapter, ValidationError
from requests import PreparedRequest
from requests.auth import AuthBase

from bridge.core.account import Account
from bridge.core.message import RawItem, SocialMessage, Visibility
from bridge.core.ports import Finding, Polled
from bridge.core.reply import Obstacle, Preflight, Published, Reply
from bridge.errors import (
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.networks.http import Answer, HttpLine, is_confidential
from bridge.networks.limit import text_limit
from bridge.networks.mastodon.inbound import (
    NAME,
    AccountEntity,
    JsonObject,
    Status,
    deletion,
    is_own,
    text_of,
)
from bridge.networks.mastodon.refusal import may_be_of_one_reply
from bridge.networks.mastodon.text import folded
from bridge.networks.mastodon.thread import as_items, same_author
from bridge.networks.shape import Id, Shape

# Each mention costs one more read, of its thread; a server allows 300 in five minutes.
MENTIONS_PER_POLL = 40
# After so long what was read of a page is given to be written down, and the rest is asked for at once: a
# process that is killed again and again must get on.
LONGEST_PAGE_S = 2.0
# The latest mentions, asked for again with each poll: one may turn up late, behind newer ones.
OVERLAP = 20
# How many other threads are tried before it is the server that is in trouble, and not one post.
OTHERS = 3
CLOCK_SKEW = timedelta(minutes=2)

_GONE = (404, 410)
_VISIBILITY_NAMES = {
    Visibility.UNLISTED: "unlisted",
    Visibility.FOLLOWERS: "private",
    Visibility.DIRECT: "direct",
}
# The widest audience of our replies: they stand in the thread and stay out of public timelines.
_WIDEST = Visibility.UNLISTED

T = TypeVar("T")


class _Notification(Shape):
    id: Id
    type: str
    status: JsonObject | None = None


class _Context(Shape):
    ancestors: list[JsonObject]
    descendants: list[JsonObject]


class _Found(Shape):
    statuses: list[Status]


class _StatusLimits(Shape):
    max_characters: int


class _Configuration(Shape):
    statuses: _StatusLimits


class _Instance(Shape):
    configuration: _Configuration


def _is_status(entity: JsonObject) -> JsonObject:
    Status.model_validate(entity)
    return entity


_NOTIFICATIONS = TypeAdapter(list[_Notification])
_CONTEXT = TypeAdapter(_Context)
_STATUS = TypeAdapter(Status)
_JSON_OBJECT: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)
# A status as the server wrote it: what is recorded of a thread has every field.
_WHOLE_STATUS: TypeAdapter[JsonObject] = TypeAdapter(Annotated[JsonObject, AfterValidator(_is_status)])
_FOUND = TypeAdapter(_Found)
_ACCOUNT = TypeAdapter(AccountEntity)
_INSTANCE = TypeAdapter(_Instance)


class MastodonConnection:
    """An account's line to its server. Implements `bridge.core.ports.Connection`."""

    def __init__(
        self, account: Account, *, timeout_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._account = account
        self._url = account.fields.get("url", "").rstrip("/")
        self._token = _Token(account.secret("token"))
        self._line = HttpLine(NAME, timeout_s=timeout_s, sleep=sleep)
        self._own: AccountEntity | None = None

    def poll(self, cursor: str | None) -> Polled:
        """One page of mentions, walking forward; the cursor holds the latest notifications' ids.

        A busy or slow server in mid-page ends the page there: what was read is kept. A mention whose
        thread cannot be read comes without it if the server can read somebody else's just
        then; else the cursor stays before it, and nothing is passed over in an outage.
        """
        if cursor is None:
            return Polled((), self._newest_notification())
        known = cursor.split()
        limit = MENTIONS_PER_POLL + len(known) - 1  # 59 at the most; a server gives up to 80
        page = self._notifications("poll", {"min_id": known[0], "limit": str(limit)})
        new = [each for each in page if each.id not in known and _age(each.id) > _age(known[0])]
        items: list[RawItem] = []
        until = time.monotonic() + LONGEST_PAGE_S
        new.sort(key=lambda each: _age(each.id))
        for number, notification in enumerate(new, 1):
            try:
                items.extend(self._mention(notification))
            except VendorBusyError:
                if not items:
                    raise
                return Polled(tuple(items), _latest(known))
            known.append(notification.id)
            if number < len(new) and time.monotonic() > until:
                return Polled(tuple(items), _latest(known), more=True)
        # A server that pays no heed to min_id must not keep us here for ever.
        return Polled(tuple(items), _latest(known), more=len(page) >= limit and bool(new))

    def read_thread(self, message: SocialMessage) -> tuple[RawItem, ...]:
        """*message*, and all that was said under the customer's first post in its thread."""
        native_id = message.native_id or self._find_native_id(message)
        if not native_id:
            return ()
        try:
            status = self._status("read_thread", native_id, _JSON_OBJECT)
            context = self._context("read_thread", native_id)
        except VendorGoneError:
            # A wrong address and a proxy's error page answer 404 to everything, too.
            self._read_own_account()
            return (deletion(message),)
        return self._thread("read_thread", status, context)

    def preflight(self, target: SocialMessage, known: Collection[str]) -> Preflight:
        native_id = target.native_id or self._find_native_id(target)
        if not native_id:
            return Preflight(frozenset({Obstacle.CLOSED}), "our server cannot see that post")
        try:
            status = self._status("preflight", native_id, _WHOLE_STATUS)
            context = self._context("preflight", native_id)
        except VendorGoneError:
            self._read_own_account()
            return Preflight(frozenset({Obstacle.GONE}), "deleted, or its author blocked us")
        answer = self._own_answer(context, native_id, known)
        thread = self._thread("preflight", status, context)
        current = Status.model_validate(status)
        found = {
            Obstacle.ANSWERED: answer is not None,
            Obstacle.EDITED: _was_edited(current, target),
        }
        obstacles = frozenset(each for each in found if found[each])
        return Preflight(obstacles, answer=answer, edited_at=current.edited_at, thread=thread)

    def reply(self, reply: Reply, key: str) -> Published:
        native_id = reply.target.native_id or self._find_native_id(reply.target)
        if not native_id:
            raise VendorGoneError(NAME, "reply", "our server cannot see the post")
        audience = max(reply.visibility, reply.target.visibility, _WIDEST, key=list(Visibility).index)
        form = {
            "status": reply.text,
            "in_reply_to_id": native_id,
            "visibility": _VISIBILITY_NAMES[audience],
        }
        if reply.language:
            # ISO 639: the server takes no regions.
            form["language"] = re.split("[-_]", reply.language)[0].lower()
        try:
            answer = self._line.write(
                "reply",
                self._address("reply", "v1/statuses"),
                _STATUS,
                auth=self._token,
                body=json.dumps(form).encode(),
                headers={"Idempotency-Key": key},
                gone=_GONE,
                only_this=self._refuses_only_this,
            )
        except VendorGoneError as error:
            if self._is_gone(reply.target):
                raise
            # Somebody in between said so, as with a 502: nobody knows what became of the call.
            detail = "but the post was not seen to be gone"
            raise VendorUnclearError(NAME, "reply", detail, status=error.status) from None
        return _published(answer.value)

    def find_reply(self, reply: Reply, key: str, claimed: Collection[str]) -> Published | None:
        """Our post under the target with the reply's words; the key tells nothing here."""
        native_id = reply.target.native_id or self._find_native_id(reply.target)
        if not native_id:
            return None
        wanted = folded(reply.text)
        for status in self._own_replies(self._context("find_reply", native_id), native_id):
            is_free = status.uri not in claimed and status.id not in claimed
            is_recent = status.created_at >= reply.not_before - CLOCK_SKEW
            if is_free and is_recent and folded(text_of(status)) == wanted:
                return _published(status)
        return None

    def find_own_answer(self, target: SocialMessage, claimed: Collection[str]) -> Published | None:
        native_id = target.native_id or self._find_native_id(target)
        if not native_id:
            return None
        return self._own_answer(self._context("find_own_answer", native_id), native_id, claimed)

    def check(self) -> list[Finding]:
        try:
            own = self._own_account()
        except VendorError as error:
            fix = "see that url is the server and that the token is the account's and still valid"
            return [Finding("account", False, str(error), fix)]
        is_right = is_own(self._account, own)
        fix = "" if is_right else "correct the handle in brands.yaml, or use that account's token"
        return [
            Finding("account", is_right, f"the token belongs to {own.acct}", fix),
            self._check_mentions(),
            self._check_text_limit(),
        ]

    def _newest_notification(self) -> str:
        page = self._notifications("poll", {"limit": "1"})
        return max((notification.id for notification in page), key=_age, default="0")

    def _notifications(self, operation: str, params: Mapping[str, str]) -> list[_Notification]:
        # Strangers' mentions may be filtered by the account's own policy; they are the customers.
        wanted = {"types[]": "mention", "include_filtered": "true"} | dict(params)
        return self._read(operation, "notifications", _NOTIFICATIONS, params=wanted).value

    def _mention(self, notification: _Notification) -> list[RawItem]:
        """The mention with its thread; none if it was deleted meanwhile, or is none."""
        status = notification.status
        if notification.type != "mention" or status is None or "id" not in status:
            return []
        ancestors: Sequence[JsonObject] | None = None
        try:
            ancestors = self._context("poll", str(status["id"])).ancestors
        except VendorGoneError:
            return []
        except VendorRefusedError:
            # One thread that cannot be read must not stop the poll for ever.
            pass
        except VendorBusyError as error:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS or not self._reads_another_than(status):
                raise
        return list(as_items(ancestors, [status]))

    def _reads_another_than(self, status: JsonObject) -> bool:
        """Whether the server can read the thread of some other mention now, new or old.

        A few are tried, by chance: should they be of the same thread, the next poll tries others.
        """
        page = self._notifications("poll", {"limit": str(MENTIONS_PER_POLL)})
        ids = {str(each.status["id"]) for each in page if each.status and "id" in each.status}
        others = sorted(ids - {str(status["id"])})
        for native_id in random.sample(others, min(OTHERS, len(others))):
            try:
                self._context("poll", native_id)
            except (VendorBusyError, VendorGoneError, VendorRefusedError):
                continue
            return True
        return False

    def _status(self, operation: str, native_id: str, shape: TypeAdapter[T]) -> T:
        return self._read(operation, f"statuses/{quote(native_id, safe='')}", shape, gone=_GONE).value

    def _context(self, operation: str, native_id: str) -> _Context:
        path = f"statuses/{quote(native_id, safe='')}/context"
        return self._read(operation, path, _CONTEXT, gone=_GONE).value

    def _thread(self, operation: str, status: JsonObject, context: _Context) -> tuple[RawItem, ...]:
        """*status*, and all that was said under its author's first post above it."""
        first = next((above for above in context.ancestors if same_author(above, status)), None)
        if first is not None:
            try:
                context = self._context(operation, str(first.get("id")))
                status = first
            except VendorGoneError:
                pass  # deleted between the two reads: the next look at this thread starts below it
        return tuple(as_items(context.ancestors, [status, *context.descendants]))

    def _own_replies(self, context: _Context, native_id: str) -> Iterator[Status]:
        """Posts of our account right under *native_id*, as the server orders them: oldest first."""
        own = self._own_account()
        for entity in context.descendants:
            if entity.get("in_reply_to_id") != native_id:
                continue
            try:
                status = Status.model_validate(entity)
            except ValidationError:
                # Somebody else's malformed post must not hide ours.
                continue
            if status.account.id == own.id:
                yield status

    def _own_answer(self, context: _Context, native_id: str, known: Collection[str]) -> Published | None:
        """The latest reply of our account that nobody knows of and that the customer's readers can see."""
        unknown = [
            status
            for status in self._own_replies(context, native_id)
            if status.uri not in known and status.id not in known and status.visibility.is_public
        ]
        return _published(unknown[-1]) if unknown else None

    def _is_gone(self, target: SocialMessage) -> bool:
        """Whether the server itself says that it has no such post; False also when it cannot be asked."""
        try:
            return Obstacle.GONE in self.preflight(target, ()).obstacles
        except VendorError:
            return False

    def _refuses_only_this(self, body: bytes) -> bool:
        """Whether a 403 is about one reply, as where the post's author lets nobody answer.

        False also when it cannot be told from one about the account, as when that cannot be read.
        """
        if not may_be_of_one_reply(body):
            return False
        try:
            self._read_own_account()
        except VendorError:
            return False
        return True

    def _own_account(self) -> AccountEntity:
        if self._own is None:
            self._own = self._read_own_account()
        return self._own

    def _read_own_account(self) -> AccountEntity:
        return self._read("verify_credentials", "accounts/verify_credentials", _ACCOUNT).value

    def _find_native_id(self, message: SocialMessage) -> str:
        """What our server calls a post that came another way; empty if it cannot see it."""
        for address in dict.fromkeys(filter(None, (message.id, message.permalink))):
            if not address.startswith(("https://", "http://")):
                continue
            params = {"q": address, "resolve": "true", "type": "statuses", "limit": "5"}
            found = self._read("search", "search", _FOUND, params=params, version="v2").value
            for status in found.statuses:
                if message.id in (status.uri, status.url) or address in (status.uri, status.url):
                    return status.id
        return ""

    def _read(
        self,
        operation: str,
        path: str,
        shape: TypeAdapter[T],
        *,
        params: Mapping[str, str] | None = None,
        gone: Collection[int] = (),
        version: str = "v1",
    ) -> Answer[T]:
        address = self._address(operation, f"{version}/{path}")
        return self._line.read(operation, address, shape, auth=self._token, params=params, gone=gone)

    def _address(self, operation: str, path: str) -> str:
        if not is_confidential(self._url):
            raise VendorRefusedError(NAME, operation, "the account's url must begin with https://")
        return f"{self._url}/api/{path}"

    def _check_mentions(self) -> Finding:
        try:
            self._newest_notification()
        except VendorError as error:
            return Finding("mentions", False, str(error), "give the token the scope read:notifications")
        return Finding("mentions", True, "can be read")

    def _check_text_limit(self) -> Finding:
        try:
            instance = self._read("instance", "instance", _INSTANCE, version="v2").value
        except VendorError as error:
            # Some servers with this API have no second version of it; their limit is as written.
            return Finding("text_limit", True, f"the server does not say ({error})")
        actual = instance.configuration.statuses.max_characters
        written = text_limit(self._account)
        fix = "" if actual == written else f"set text_limit: {actual} for this account in brands.yaml"
        return Finding("text_limit", actual == written, f"{written} here, {actual} on the server", fix)


class _Token(AuthBase):
    """The bearer token. As requests' auth, so that no .netrc of the machine takes its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # A token with a letter outside of Latin-1 is a wrong token, not a crash in http.client.
        request.headers["Authorization"] = f"Bearer {self._token}".encode().decode("latin-1")
        return request


def _age(opaque_id: str) -> tuple[int, str]:
    """Orders ids: newer ones are longer, or lexically greater.

    https://docs.joinmastodon.org/api/guidelines/#id
    """
    return len(opaque_id), opaque_id


def _latest(ids: Sequence[str]) -> str:
    """The cursor of those who have read *ids*: the latest of them, oldest first."""
    return " ".join(sorted(ids, key=_age)[-OVERLAP:])


def _was_edited(status: Status, target: SocialMessage) -> bool:
    """Whether the words changed. The time alone may differ: ours is clamped to when we heard of it."""
    return status.edited_at != target.edited_at and text_of(status) != target.text


def _published(status: Status) -> Published:
    return Published(status.uri, status.url, status.created_at)
