"""Messages and their tags: one row per message, whatever brought it and in whatever order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.message import Attachment, Author, EventKind, InboundEvent, SocialMessage, Visibility
from bridge.store import erasure
from bridge.store.ids import new_id
from bridge.store.insert import insert_new
from bridge.store.tables import Message, MessageTag


def apply(
    tx: Session, installation: str, event: InboundEvent, at: datetime, native: frozenset[str]
) -> Message:
    """Take *event* into its message's row, and mark the row to be considered.

    A tag or a delete that comes before its post leaves a placeholder. *native* are the
    accounts that are on the message's own network: one of them keeps a message that a
    relay has brought too, because only it can answer. An older version never replaces
    a newer one. A post that was erased stays blank, whatever comes of it later.
    """
    erased = _erased(tx, installation, event)
    if event.message_id in erased:
        return erased[event.message_id]
    row = _row(tx, installation, event, at)
    if event.message is not None and event.kind in (EventKind.CREATED, EventKind.UPDATED, EventKind.TAGGED):
        _take_version(row, _less(event.message, erased), native)
        if row.erased_at is not None:
            erasure.blank(row, row.erased_at)
    if event.kind is EventKind.DELETED:
        row.deleted_at = event.at if row.deleted_at is None else min(row.deleted_at, event.at)
    for tag in event.tags:
        _take_tag(tx, row, event.kind, tag.name, tag.source, tag.at, tag.by)
    row.due_at = at
    tx.flush()
    return row


def _erased(tx: Session, installation: str, event: InboundEvent) -> dict[str, Message]:
    """The rows of erased posts that *event* is about or speaks of, by the ids that it has for them."""
    ids = {event.message_id}
    if event.message is not None:
        ids |= {event.message.root_id or "", event.message.parent_id or ""} - {""}
    hidden = {erasure.pseudonym(installation, event.network, one): one for one in ids}
    found = tx.scalars(
        select(Message).where(
            Message.installation == installation,
            Message.network == event.network,
            Message.global_id.in_(hidden),
        )
    )
    return {hidden[row.global_id]: row for row in found}


def _less(message: SocialMessage, erased: Mapping[str, Message]) -> SocialMessage:
    """*message* as it hangs together with *erased* posts: by their pseudonyms, without quoting them."""
    if not erased:
        return message
    names = {one: row.global_id for one, row in erased.items()}
    return replace(
        message,
        root_id=names.get(message.root_id or "", message.root_id),
        parent_id=names.get(message.parent_id or "", message.parent_id),
        parent_text=None if message.parent_id in erased else message.parent_text,
    )


def _row(tx: Session, installation: str, event: InboundEvent, at: datetime) -> Message:
    names = {"installation": installation, "network": event.network, "global_id": event.message_id}
    insert_new(tx, Message, id=new_id(), **names, received_at=at, attachments=[], own=False)
    # Locked: what a second event about it says is weighed against what the first has written.
    return tx.scalars(select(Message).filter_by(**names).with_for_update(key_share=True)).one()


def _take_version(row: Message, message: SocialMessage, native: frozenset[str]) -> None:
    if row.account is None or (row.account not in native and message.account in native):
        row.account, row.native_id = message.account, message.native_id
    row.thread_root = message.root_id or row.thread_root or message.id
    row.parent_id = message.parent_id or row.parent_id
    row.parent_text = message.parent_text or row.parent_text
    if row.account in native and message.account not in native:
        return  # a relay knows no better than the network itself, least of all who may read the post
    known = row.edited_at or row.posted_at
    if known is not None and (message.edited_at or message.posted_at) < known:
        # What the newer version left out, an older one may still say.
        row.language = row.language or message.language
        row.permalink = row.permalink or message.permalink
        return
    row.author_id = message.author.id
    row.author_handle = message.author.handle
    row.author_name = message.author.name
    row.author_url = message.author.url
    row.text = message.text
    row.language = message.language or row.language
    row.permalink = message.permalink or row.permalink
    row.visibility = message.visibility.value
    row.attachments = [asdict(attachment) for attachment in message.attachments]
    row.own = message.own
    row.posted_at = message.posted_at
    row.edited_at = message.edited_at


def _take_tag(
    tx: Session, row: Message, kind: EventKind, name: str, source: str, at: datetime, by: str | None
) -> None:
    tag = tx.scalars(
        select(MessageTag).where(
            MessageTag.message_id == row.id, MessageTag.name == name, MessageTag.source == source
        )
    ).first()
    if tag is None:
        tag = MessageTag(message_id=row.id, name=name, source=source, tagged_at=at, changed_at=at)
        tx.add(tag)
    if kind is not EventKind.UNTAGGED and at <= tag.tagged_at:
        tag.tagged_at, tag.tagger = at, by
    if at < tag.changed_at:
        return
    tag.changed_at = at
    tag.removed_at = at if kind is EventKind.UNTAGGED else None


def tags_of(tx: Session, row: Message) -> list[MessageTag]:
    """The tags that are on the message now, first put on first."""
    return list(
        tx.scalars(
            select(MessageTag)
            .where(MessageTag.message_id == row.id, MessageTag.removed_at.is_(None))
            .order_by(MessageTag.tagged_at, MessageTag.id)
        )
    )


def as_message(row: Message, tags: Iterable[str] = ()) -> SocialMessage:
    """The row as the core's message. Only for complete rows with an account."""
    if row.posted_at is None or row.account is None:
        raise ValueError(f"message {row.id} is only a placeholder")
    return SocialMessage(
        network=row.network,
        id=row.global_id,
        account=row.account,
        author=Author(row.author_id or "", row.author_handle or "", row.author_name or "", row.author_url),
        text=row.text or "",
        posted_at=row.posted_at,
        native_id=row.native_id or "",
        root_id=row.thread_root,
        parent_id=row.parent_id,
        parent_text=row.parent_text,
        permalink=row.permalink,
        language=row.language,
        visibility=Visibility(row.visibility or Visibility.DIRECT),
        attachments=tuple(Attachment(**attachment) for attachment in row.attachments),
        edited_at=row.edited_at,
        tags=frozenset(tags),
        own=row.own,
    )


def is_there(row: Message) -> bool:
    """Whether the post is known, and neither deleted nor erased: somebody can answer it."""
    return row.complete and row.deleted_at is None and row.erased_at is None


def of_case(tx: Session, case_id: str) -> list[Message]:
    """The customer's messages in a case, oldest first."""
    return list(
        tx.scalars(select(Message).where(Message.case_id == case_id).order_by(Message.posted_at, Message.id))
    )
