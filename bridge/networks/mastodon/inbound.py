"""Reading what a poll brought: bytes in, events out. Pure.

One item is ``{"status": Status, "ancestors": [root, parent]}``, or
``{"deleted": {"uri": …}}`` for a post that the server has no more. Shapes obey
https://docs.joinmastodon.org/entities/Status/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from bridge.core.account import Account
from bridge.core.message import (
    Attachment,
    Author,
    EventKind,
    InboundEvent,
    MessageKind,
    RawItem,
    SocialMessage,
    Visibility,
)
from bridge.errors import UnreadablePayloadError
from bridge.networks.mastodon.text import plain_text
from bridge.networks.shape import Count, Id, Language, Name, Shape, Text, Time, WebAddress

NAME = "mastodon"

_VISIBILITIES = {
    "public": Visibility.PUBLIC,
    "unlisted": Visibility.UNLISTED,
    "private": Visibility.FOLLOWERS,
}

JsonObject = dict[str, Any]

_KEPT_OF_ANCESTORS = ("id", "uri", "in_reply_to_id", "account", "spoiler_text", "content")


def normalise(account: Account, body: bytes, received_at: datetime) -> list[InboundEvent]:
    """Read one item.

    An edited post is an update, whether or not its first version was ever seen.
    Raises UnreadablePayloadError and nothing else.
    """
    try:
        item = _ITEM.validate_json(body)
    except ValidationError:
        # "from None": pydantic's error quotes the customer's words.
        raise UnreadablePayloadError("this is no item of a poll") from None
    if isinstance(item, _DeletedItem):
        return [InboundEvent(EventKind.DELETED, NAME, item.deleted.uri, received_at)]
    message = _message(account, item.status, item.ancestors, received_at)
    kind = EventKind.UPDATED if message.edited_at else EventKind.CREATED
    return [InboundEvent(kind, NAME, message.id, message.edited_at or message.posted_at, message)]


def raw_item(status: JsonObject, ancestors: Sequence[JsonObject], *, placed: bool = True) -> RawItem:
    """One version of one post, with what is needed of the posts above it.

    *ancestors* is oldest first; the root and the parent are kept of it. *status*
    must have ``uri`` and ``created_at``. *placed* is False where the posts above it could not be
    read: then the item has an id of its own, and the same post in its thread is news.
    """
    needed = ancestors if len(ancestors) < 3 else (ancestors[0], ancestors[-1])
    kept = [{name: above[name] for name in _KEPT_OF_ANCESTORS if name in above} for above in needed]
    version = status.get("edited_at") or status["created_at"]
    body = json.dumps({"status": status, "ancestors": kept}).encode()
    return RawItem(f"{status['uri']}@{version}{'' if placed else '@unplaced'}", body)


def deletion(message: SocialMessage) -> RawItem:
    """The news that *message* is gone."""
    body = json.dumps({"deleted": {"uri": message.id}}).encode()
    return RawItem(f"{message.id}@deleted", body)


def text_of(status: Ancestor) -> str:
    """A post's words, its content warning first."""
    return "\n".join(filter(None, (status.spoiler_text.strip(), plain_text(status.content))))


def _message(
    account: Account, status: Status, ancestors: Sequence[Ancestor], received_at: datetime
) -> SocialMessage:
    parent = ancestors[-1] if ancestors else None
    is_reply = status.in_reply_to_id is not None
    return SocialMessage(
        network=NAME,
        id=status.uri,
        account=account.key,
        author=_author(status.account),
        text=text_of(status),
        posted_at=min(status.created_at, received_at),
        native_id=status.id,
        # A reply whose ancestors the server does not have: the thread is not known.
        root_id=ancestors[0].uri if ancestors else (None if is_reply else status.uri),
        parent_id=parent.uri if parent else None,
        parent_text=text_of(parent) if parent else None,
        permalink=status.url,
        language=status.language,
        visibility=status.visibility,
        attachments=tuple(_attachments(status)),
        edited_at=min(status.edited_at, received_at) if status.edited_at else None,
        own=is_own(account, status.account),
        kind=MessageKind.of(status.visibility, answers=is_reply),
    )


def is_own(account: Account, author: AccountEntity) -> bool:
    """Whether *author* is the brand's own account, by its handle in the mapping or its address."""
    handle = account.handle.strip().casefold()
    if author.url and handle == author.url.casefold():
        return True
    handle = handle.removeprefix("@")
    acct = author.acct.casefold()
    # Without a server the acct is one of the server that we ask, which is the brand's.
    return bool(handle) and acct in (handle, handle.partition("@")[0])


def full_handle(author: AccountEntity) -> str:
    """``@user@host``, also for the people of our own server, whom it names without a host."""
    host = urlsplit(author.url).hostname if author.url else None
    return f"@{author.acct}" if "@" in author.acct or not host else f"@{author.acct}@{host}"


def _author(author: AccountEntity) -> Author:
    handle = full_handle(author)
    # The server's own id of a person differs from server to server; the profile's address does not.
    return Author(author.url or handle, handle, author.display_name, author.url, author.followers_count)


def _attachments(status: Status) -> list[Attachment]:
    found = [(media, media.url or media.remote_url) for media in status.media_attachments]
    return [Attachment(media.type, url, media.description) for media, url in found if url]


def _visibility(name: object) -> Visibility:
    # Relatives of Mastodon know other audiences: none that we do not know is public.
    return _VISIBILITIES.get(str(name), Visibility.DIRECT)


Audience = Annotated[Visibility, BeforeValidator(_visibility)]


class AccountEntity(Shape):
    """https://docs.joinmastodon.org/entities/Account/"""

    id: Id
    acct: Id
    display_name: Name = ""
    url: WebAddress = None
    followers_count: Count = None


class _Media(Shape):
    type: Name = "unknown"
    url: WebAddress = None
    remote_url: WebAddress = None
    description: Text = ""


class Ancestor(Shape):
    """What is read of a post above the one in hand."""

    id: Id
    uri: Id
    content: Text = ""
    spoiler_text: Text = ""


class Status(Ancestor):
    """https://docs.joinmastodon.org/entities/Status/"""

    account: AccountEntity
    created_at: Time
    edited_at: Time | None = None
    url: WebAddress = None
    in_reply_to_id: Id | None = None
    visibility: Audience
    language: Language = None
    media_attachments: Annotated[tuple[_Media, ...], Field(max_length=100)] = ()


class _Deleted(Shape):
    uri: Id


class _PostItem(Shape):
    status: Status
    ancestors: tuple[Ancestor, ...] = ()


class _DeletedItem(Shape):
    deleted: _Deleted


_ITEM: TypeAdapter[_PostItem | _DeletedItem] = TypeAdapter(_PostItem | _DeletedItem)
