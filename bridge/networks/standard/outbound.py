"""The signed callback: asking the account's relay to post a reply, and what it knows of a thread.

The protocol is ours and small; this room's README spells it out for the relay's author.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter
from requests import PreparedRequest
from requests.auth import AuthBase

from bridge.core.account import Account
from bridge.core.message import RawItem, SocialMessage, Visibility
from bridge.core.ports import Finding, Polled
from bridge.core.reply import Obstacle, Preflight, Published, Reply
from bridge.errors import VendorAuthError, VendorError, VendorGoneError, VendorRefusedError
from bridge.networks.http import HttpLine
from bridge.networks.shape import Id, Shape, Time, WebAddress
from bridge.networks.standard.inbound import NAME
from bridge.networks.standard.signature import decode_secret, sign

SHORTEST_KEY_BYTES = 24

# Each look at the relay's list begins a little before the latest that is known.
OVERLAP = timedelta(minutes=1)

_GONE = (410,)
_UNKNOWN = (404, 501)
# A relay that was written before this question existed says in its own way that it knows none.
_NO_LIST = (400, 404, 405, 422, 501)

T = TypeVar("T")


class _Posted(Shape):
    id: Id
    permalink: WebAddress = None


class _PostedAnswer(_Posted):
    at: Time | None = None
    own: bool = False


class _State(Shape):
    state: Literal["present", "edited", "deleted", "blocked", "closed"]
    edited_at: Time | None = None
    answers: tuple[_PostedAnswer, ...] = ()
    newer: Annotated[tuple[dict[str, Any], ...], Field(max_length=1000)] = ()


_POSTED = TypeAdapter(_Posted)


class _Sent(Shape):
    """A webhook that the relay sent, or tried to. ``id`` is its webhook-id, ``at`` when it first left."""

    id: Id
    at: Time
    body: dict[str, Any]


class _SentPage(Shape):
    deliveries: Annotated[tuple[_Sent, ...], Field(max_length=1000)]
    next: Id | None = None


_STATE = TypeAdapter(_State)
_SENT = TypeAdapter(_SentPage)


class StandardConnection:
    """A relay's line. Implements `bridge.core.ports.Connection`."""

    def __init__(
        self, account: Account, *, timeout_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._account = account
        self._reply_url = account.fields.get("reply_url", "")
        self._line = HttpLine(NAME, timeout_s=timeout_s, sleep=sleep)

    def poll(self, cursor: str | None) -> Polled:
        """What the relay has sent since: webhooks that got lost among it.

        Each has the delivery id under which it was pushed. A relay that keeps no list
        has nothing to say. The cursor is the relay's time of the latest, and the next
        page's mark if there is one.
        """
        now = datetime.now(UTC)
        if not self._reply_url:
            return Polled((), cursor)
        if cursor is None:
            return Polled((), now.isoformat())
        reached, _, mark = cursor.partition(" ")
        at = datetime.fromisoformat(reached)
        since = mark or (at - OVERLAP).isoformat()
        page = self._ask("poll", _SENT, "since", since, _NO_LIST)
        if page is None:
            return Polled((), cursor)
        items = tuple(RawItem(sent.id, json.dumps(sent.body).encode()) for sent in page.deliveries)
        # A time that has not come yet would make us deaf until it has.
        at = max([at, *(min(sent.at, now) for sent in page.deliveries)])
        more = page.next is not None and page.next != mark
        return Polled(items, f"{at.isoformat()} {page.next}" if more else at.isoformat(), more=more)

    def read_thread(self, message: SocialMessage) -> tuple[RawItem, ...]:
        return ()

    def preflight(self, target: SocialMessage, known: Collection[str]) -> Preflight:
        if not self._reply_url:
            return Preflight(frozenset({Obstacle.CLOSED}), "this account has no reply_url")
        state = self._read_state("preflight", target)
        return replace(_judged(state, target, known), thread=_thread(state)) if state else Preflight()

    def reply(self, reply: Reply, key: str) -> Published:
        if not self._reply_url:
            raise VendorRefusedError(NAME, "reply", "the account has no reply_url")
        body = _reply_body(reply)
        answer = self._line.write(
            "reply", self._reply_url, _POSTED, auth=self._signature(key), body=body, gone=_GONE
        )
        return Published(answer.value.id, answer.value.permalink)

    def find_reply(self, reply: Reply, key: str, claimed: Collection[str]) -> Published | None:
        if not self._reply_url:
            return None
        try:
            answer = self._line.read(
                "find_reply",
                self._reply_url,
                _POSTED,
                auth=self._signature(_read_id(key)),
                params={"key": key},
                gone=(404,),
            )
        except VendorGoneError:
            return None
        return Published(answer.value.id, answer.value.permalink)

    def find_own_answer(self, target: SocialMessage, claimed: Collection[str]) -> Published | None:
        state = self._read_state("find_own_answer", target) if self._reply_url else None
        return _own_answer(state, claimed) if state else None

    def check(self) -> list[Finding]:
        secrets = [
            _check_secret(name, value) for name, values in self._account.secrets.items() for value in values
        ]
        if not secrets:
            fix = "set the environment variable that brands.yaml names as this account's secret"
            secrets = [Finding("secret", False, "no secret is set: every webhook is refused", fix)]
        return [*secrets, self._check_reply_url()]

    def _check_reply_url(self) -> Finding:
        if not self._reply_url:
            return Finding("reply_url", True, "none: this account only brings messages in")
        try:
            self._read_state_of("check", "bridge-doctor")
        except VendorError as error:
            fix = "see that reply_url is the relay's address and that it knows reply_secret"
            return Finding("reply_url", False, str(error), fix)
        return Finding("reply_url", True, "the relay answers")

    def _read_state(self, operation: str, target: SocialMessage) -> _State | None:
        return self._read_state_of(operation, target.id)

    def _read_state_of(self, operation: str, message_id: str) -> _State | None:
        return self._ask(operation, _STATE, "message", message_id)

    def _ask(
        self,
        operation: str,
        shape: TypeAdapter[T],
        name: str,
        value: str,
        unknown: Collection[int] = _UNKNOWN,
    ) -> T | None:
        """What the relay answers to one question; None when it cannot say."""
        try:
            answer = self._line.read(
                operation,
                self._reply_url,
                shape,
                auth=self._signature(_read_id(value)),
                params={name: value},
                gone=unknown,
            )
        except VendorGoneError:
            return None
        return answer.value

    def _signature(self, webhook_id: str) -> _Signature:
        key = decode_secret(self._account.secret("reply_secret") or self._account.secret("secret"))
        if key is None:
            raise VendorAuthError(NAME, "sign", "the account has no usable secret")
        return _Signature(key, webhook_id)


class _Signature(AuthBase):
    """Signs a request as the last thing before it leaves: the very bytes, at the very time."""

    def __init__(self, key: bytes, webhook_id: str) -> None:
        self._key = key
        self._webhook_id = webhook_id

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        timestamp = str(int(datetime.now(UTC).timestamp()))
        body = request.body if isinstance(request.body, bytes) else b""
        request.headers["webhook-id"] = self._webhook_id
        request.headers["webhook-timestamp"] = timestamp
        request.headers["webhook-signature"] = sign(self._key, self._webhook_id, timestamp, body)
        return request


def _reply_body(reply: Reply) -> bytes:
    """The callback's bytes: the same for the same reply, whenever it is sent."""
    data: Mapping[str, str] = {
        "in_reply_to": reply.target.id,
        "network": reply.target.network,
        "text": reply.text,
        "language": reply.language,
        # Never a wider audience than the message that it answers.
        "visibility": max(reply.visibility, reply.target.visibility, key=list(Visibility).index).value,
    }
    envelope = {
        "type": "social.reply.requested",
        "timestamp": reply.not_before.isoformat(),
        "data": data,
    }
    return json.dumps(envelope, ensure_ascii=False).encode()


def _read_id(asked: str) -> str:
    """The webhook-id of a read: bound to what is asked, and fit for a header whatever that is."""
    return "read_" + hashlib.sha256(asked.encode()).hexdigest()


def _judged(state: _State, target: SocialMessage, known: Collection[str]) -> Preflight:
    if state.state in ("deleted", "blocked"):
        return Preflight(frozenset({Obstacle.GONE}), f"the relay says: {state.state}")
    answer = _own_answer(state, known)
    found = {
        Obstacle.ANSWERED: answer is not None,
        Obstacle.EDITED: _was_edited(state, target),
        Obstacle.CLOSED: state.state == "closed",
    }
    detail = "the relay says: closed" if found[Obstacle.CLOSED] else ""
    return Preflight(frozenset(each for each in found if found[each]), detail, answer, state.edited_at)


def _thread(state: _State) -> tuple[RawItem, ...]:
    """What the author wrote since, in the form of webhooks; each version has an id of its own."""
    items = []
    for data in state.newer:
        envelope = {"type": "social.message.created", "data": data}
        body = json.dumps(envelope, ensure_ascii=False).encode()
        version = data.get("edited_at") or data.get("created_at")
        items.append(RawItem(_read_id(f"{data.get('id')}@{version}"), body))
    return tuple(items)


def _was_edited(state: _State, target: SocialMessage) -> bool:
    if target.edited_at is None:
        return state.state == "edited" or state.edited_at is not None
    return state.edited_at is not None and state.edited_at > target.edited_at


def _own_answer(state: _State, known: Collection[str]) -> Published | None:
    """The latest answer of our own account that nobody knows of."""
    answers = [answer for answer in state.answers if answer.own and answer.id not in known]
    if not answers:
        return None
    latest = max(answers, key=lambda answer: answer.at or datetime.min.replace(tzinfo=UTC))
    return Published(latest.id, latest.permalink, latest.at)


def _check_secret(name: str, value: str) -> Finding:
    key = decode_secret(value)
    if key is None:
        return Finding(name, False, "not whsec_ and base64", "copy the secret again, whole, from the sender")
    if len(key) < SHORTEST_KEY_BYTES:
        detail = f"only {len(key)} bytes long; the specification wants 24 to 64"
        return Finding(name, False, detail, "make a longer one: whsec_ and base64 of 32 random bytes")
    return Finding(name, True, "well formed")
