"""Reading a signed webhook: bytes in, events out. Pure.

The body is the specification's envelope (``type``, ``timestamp``, ``data``); what
``data`` holds for each type stands in this room's README.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from bridge.core.account import Account
from bridge.core.message import (
    Attachment,
    Author,
    EventKind,
    InboundEvent,
    MessageKind,
    Sentiment,
    Severity,
    SocialMessage,
    Tag,
    Visibility,
)
from bridge.errors import UnreadablePayloadError, UnsupportedEventError
from bridge.networks.shape import Count, Id, Language, Name, Shape, Text, Time, WebAddress

NAME = "standard"

B = TypeVar("B", bound=Shape)


def normalise(account: Account, body: bytes, received_at: datetime) -> list[InboundEvent]:
    """Read one delivery.

    A message that comes with tags gives two events: the message, and its tags.
    Raises UnreadablePayloadError, UnsupportedEventError and nothing else.
    """
    envelope = _read(_Envelope, body)
    sent_at = envelope.timestamp or received_at
    match envelope.type:
        case "social.message.created" | "social.message.updated":
            kind = EventKind(envelope.type.rpartition(".")[2])
            return _message_events(account, kind, _read(_MessageBody, body).data, sent_at, received_at)
        case "social.message.deleted":
            gone = _read(_DeletedBody, body).data
            at = min(gone.at or sent_at, received_at)
            return [InboundEvent(EventKind.DELETED, gone.network, gone.id, at)]
        case "social.message.tagged" | "social.message.untagged":
            kind = EventKind(envelope.type.rpartition(".")[2])
            tagged = _read(_TagBody, body).data
            at = min(tagged.at or sent_at, received_at)
            return [_tag_event(account, kind, tagged, tagged.tags, at=at, by=tagged.by)]
        case _:
            raise UnsupportedEventError("this type of event is not one of ours")


def _message_events(
    account: Account, kind: EventKind, data: _MessageData, sent_at: datetime, received_at: datetime
) -> list[InboundEvent]:
    posted_at = min(data.created_at, received_at)
    edited_at = data.edited_at
    if kind is EventKind.UPDATED:
        # Two versions of one message differ at least by this time.
        edited_at = edited_at or sent_at
    edited_at = edited_at and min(edited_at, received_at)
    message = SocialMessage(
        network=data.network,
        id=data.id,
        account=account.key,
        author=_author(data.author),
        text=data.text,
        posted_at=posted_at,
        # What another network's API calls its message, its own room finds out.
        native_id=data.id if data.network == NAME else "",
        root_id=data.root_id or (None if data.parent_id else data.id),
        parent_id=data.parent_id,
        parent_text=data.parent_text,
        permalink=data.permalink,
        language=data.language,
        visibility=data.visibility,
        attachments=tuple(Attachment(a.kind, a.url, a.alt) for a in data.attachments if a.url),
        edited_at=edited_at,
        tags=frozenset(data.tags),
        own=_is_own(account, data.author),
        kind=_kind(data),
        severity=data.severity,
        sentiment=data.sentiment,
    )
    at = (edited_at or posted_at) if kind is EventKind.UPDATED else posted_at
    events = [InboundEvent(kind, data.network, data.id, at, message)]
    if data.tags:
        tagged_at = min(sent_at, received_at)
        events.append(_tag_event(account, EventKind.TAGGED, data, data.tags, at=tagged_at))
    return events


def _tag_event(
    account: Account,
    kind: EventKind,
    subject: _Subject,
    names: Sequence[str],
    *,
    at: datetime,
    by: str | None = None,
) -> InboundEvent:
    tags = tuple(Tag(name, source=account.key, at=at, by=by) for name in dict.fromkeys(names))
    return InboundEvent(kind, subject.network, subject.id, at, tags=tags)


def _author(author: _AuthorData) -> Author:
    return Author(author.id, author.handle, author.name, author.url, author.followers)


def _kind(data: _MessageData) -> MessageKind:
    """The sender's word, but that what not everybody may read is never called public."""
    if data.kind is not None and (data.visibility.is_public or data.kind is MessageKind.DIRECT):
        return data.kind
    answers = data.parent_id is not None or data.root_id not in (None, data.id)
    return MessageKind.of(data.visibility, answers=answers)


def _is_own(account: Account, author: _AuthorData) -> bool:
    own_id = account.fields.get("own_id")
    if own_id and author.id == own_id:
        return True
    handle = account.handle.removeprefix("@").casefold()
    return bool(handle) and author.handle.removeprefix("@").casefold() == handle


def _read(shape: type[B], body: bytes) -> B:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_input=False)
        if faults[0]["type"] == "json_invalid":
            # The parser's own words say what and where, and quote nothing: "EOF while parsing a string at …".
            raise UnreadablePayloadError(f"the body is no JSON: {faults[0]['ctx']['error']}") from None
        # The places and never the values: pydantic's own message quotes the customer's words.
        places = sorted({".".join(map(str, fault["loc"])) for fault in faults})
        named = ", ".join(place for place in places if place)[:200]
        what = f"look at {named}" if named else "it is no object"
        raise UnreadablePayloadError(f"the body has not the shape that its type has: {what}") from None


TagName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
NetworkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}$")]


E = TypeVar("E", bound=StrEnum)


def _word_of(words: type[E]) -> BeforeValidator:
    """One of *words*; any other, or anything else, is the same as left out: the post counts for more."""

    def word(given: object) -> E | None:
        return next((one for one in words if one == given), None)

    return BeforeValidator(word)


class _Envelope(Shape):
    type: Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$")]
    timestamp: Time | None = None


class _Subject(Shape):
    """The message that an event is about. It may be one of any network."""

    network: NetworkName = NAME
    id: Id


class _DeletedData(_Subject):
    at: Time | None = None


class _TagData(_Subject):
    tags: Annotated[tuple[TagName, ...], Field(min_length=1, max_length=100)]
    by: Name | None = None
    at: Time | None = None


class _AuthorData(Shape):
    id: Id
    handle: Name = ""
    name: Name = ""
    url: WebAddress = None
    followers: Count = None


class _AttachmentData(Shape):
    kind: Name = "file"
    url: WebAddress = None
    alt: Text = ""


class _MessageData(_Subject):
    author: _AuthorData
    text: Text
    created_at: Time
    edited_at: Time | None = None
    root_id: Id | None = None
    parent_id: Id | None = None
    parent_text: Text | None = None
    language: Language = None
    permalink: WebAddress = None
    visibility: Visibility = Visibility.PUBLIC
    attachments: Annotated[tuple[_AttachmentData, ...], Field(max_length=100)] = ()
    tags: Annotated[tuple[TagName, ...], Field(max_length=100)] = ()
    kind: Annotated[MessageKind | None, _word_of(MessageKind)] = None
    severity: Annotated[Severity | None, _word_of(Severity)] = None
    sentiment: Annotated[Sentiment | None, _word_of(Sentiment)] = None


class _MessageBody(Shape):
    data: _MessageData


class _DeletedBody(Shape):
    data: _DeletedData


class _TagBody(Shape):
    data: _TagData
