"""Messages and their tags: one row per message, whatever brought it and in whatever order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from bridge.core.message import (
    Attachment,
    Author,
    EventKind,
    InboundEvent,
    MessageKind,
    Sentiment,
    Severity,
    SocialMessage,
    Visibility,
)
from bridge.store import cases, erasure
from bridge.store.ids import new_id
from bridge.store.insert import add_new
from bridge.store.tables import Case, Message, MessageTag

# Not IS NULL: SQLite would take the index on it, and so go through every such message each time.
WITHOUT_CASE = func.coalesce(Message.case_id, "") == ""
# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_OF_NETWORK = select(Message).where(
    Message.installation == bindparam("at"), Message.network == bindparam("on")
)
_BY_ID = _OF_NETWORK.where(Message.global_id == bindparam("named")).with_for_update(key_share=True)
_BY_IDS = _OF_NETWORK.where(Message.global_id.in_(bindparam("ids", expanding=True)))
_ANY_OF_IDS = _BY_IDS.with_only_columns(Message.id).limit(1)
_READ = "tags of messages"  # in a session's info: those that it has read, by message
_TAGS = select(MessageTag).where(MessageTag.message_id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Senders:
    """The keys of the brands' accounts, as one network sees them: those that are on it, and relays.

    A tag source is neither. It belongs to no brand, so nobody could answer a post that is its own.
    """

    native: frozenset[str]
    relays: frozenset[str] = frozenset()

    def rank(self, account: str | None) -> int:
        """How much *account* knows of a post: 2 on its network, 1 for a relay, 0 for everybody else."""
        return 2 if account in self.native else int(account in self.relays)


def apply(
    tx: Session, installation: str, events: Sequence[InboundEvent], at: datetime, senders: Senders
) -> Message:
    """Take *events*, all about one message, into its row, and mark the row to be considered.

    A tag or a delete that comes before its post leaves a placeholder. The message belongs to the
    account of the highest rank among *senders* that brings it, whoever was first: only one on its
    network can answer, and only a brand's can have a case. What that one says counts, and an older
    version of its own never replaces a newer one. A post that was erased stays blank, whatever
    comes of it later.
    """
    erased = _erased(tx, installation, events)
    if events[0].message_id in erased:
        return erased[events[0].message_id]
    network, global_id = events[0].network, events[0].message_id
    row = Message(
        id=new_id(),
        installation=installation,
        network=network,
        global_id=global_id,
        received_at=at,
        own=False,
    )
    _take_all(row, events, at, erased, senders)
    if add_new(tx, row):
        _known_tags(tx)[row.id] = []
    else:
        # Locked: what a second event about it says is weighed against what the first has written.
        row = tx.scalars(_BY_ID, {"at": installation, "on": network, "named": global_id}).one()
        _take_all(row, events, at, erased, senders)
    for event in events:
        for tag in event.tags:
            _take_tag(tx, row, event.kind, tag.name, tag.source, tag.at, tag.by)
    return row


def _take_all(
    row: Message,
    events: Iterable[InboundEvent],
    at: datetime,
    erased: Mapping[str, Message],
    senders: Senders,
) -> None:
    for event in events:
        _take(row, event, erased, senders)
    row.due_at = at


def _take(row: Message, event: InboundEvent, erased: Mapping[str, Message], senders: Senders) -> None:
    if event.message is not None and event.kind in (EventKind.CREATED, EventKind.UPDATED, EventKind.TAGGED):
        _take_version(row, _less(event.message, erased), senders)
        if row.erased_at is not None:
            erasure.blank(row, row.erased_at)
    if event.kind is EventKind.DELETED:
        row.deleted_at = event.at if row.deleted_at is None else min(row.deleted_at, event.at)


def _erased(tx: Session, installation: str, events: Sequence[InboundEvent]) -> dict[str, Message]:
    """The rows of erased posts that *events* are about or speak of, by the ids that they have for them."""
    network, ids = events[0].network, {events[0].message_id}
    for event in events:
        if event.message is not None:
            ids |= {event.message.root_id or "", event.message.parent_id or ""} - {""}
    hidden = {erasure.pseudonym(installation, network, one): one for one in ids}
    asked = {"at": installation, "on": network, "ids": list(hidden)}
    if tx.connection().execute(_ANY_OF_IDS, asked).first() is None:
        return {}
    return {hidden[row.global_id]: row for row in tx.scalars(_BY_IDS, asked)}


def considered(
    tx: Session, installation: str, network: str, ids: Collection[str], senders: Senders
) -> set[str]:
    """Which of *ids* are posts that are known, and that no flow has to consider any more.

    None that only a tag source has brought: it could join no case.
    """
    asked = {one: one for one in ids} | {erasure.pseudonym(installation, network, one): one for one in ids}
    found = tx.scalars(_BY_IDS, {"at": installation, "on": network, "ids": list(asked)})
    return {
        asked[row.global_id]
        for row in found
        if row.complete and row.due_at is None and senders.rank(row.account) > 0
    }


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


def _take_version(row: Message, message: SocialMessage, senders: Senders) -> None:
    known, given = senders.rank(row.account), senders.rank(message.account)
    is_better = row.account is None or given > known
    if is_better:
        row.account, row.native_id = message.account, message.native_id
    if given < known:
        # A relay knows no better than the network itself, least of all who may read the post.
        if not _begins_thread(row):
            _fill_in_place(row, message)
        _fill_in(row, message)
        return
    said_at = row.edited_at or row.posted_at
    if not is_better and said_at is not None and (message.edited_at or message.posted_at) < said_at:
        _fill_in_place(row, message)
        _fill_in(row, message)
        return
    _take_place(row, message, over=is_better)
    row.author_id = message.author.id
    row.author_handle = message.author.handle
    row.author_name = message.author.name
    row.author_url = message.author.url
    row.followers = row.followers if message.author.followers is None else message.author.followers
    row.text = message.text
    row.language = message.language or row.language
    row.permalink = message.permalink or row.permalink
    row.visibility = message.visibility.value
    row.kind = message.kind.value
    row.severity = message.severity or row.severity
    row.sentiment = message.sentiment or row.sentiment
    row.attachments = [asdict(attachment) for attachment in message.attachments]
    row.own = message.own
    row.posted_at = message.posted_at
    row.edited_at = message.edited_at


def _begins_thread(row: Message) -> bool:
    """Whether the post is the first of its thread. One that answers another may not know its root yet."""
    return row.thread_root == row.global_id and row.parent_id is None


def _take_place(row: Message, message: SocialMessage, *, over: bool) -> None:
    """Where *message* says that it hangs; *over*: whatever was said of it before, by who knows less."""
    if message.root_id not in (None, message.id) or row.thread_root is None:
        row.thread_root = message.root_id or message.id
    elif over and message.root_id is not None:
        row.thread_root, row.parent_id, row.parent_text = message.root_id, None, None
    if message.parent_id not in (None, row.parent_id):
        row.parent_id, row.parent_text = message.parent_id, None
    row.parent_text = message.parent_text or row.parent_text


def _fill_in_place(row: Message, message: SocialMessage) -> None:
    """Where the post hangs, as far as that is not known yet: its own id stands for a root that is not."""
    if row.thread_root == row.global_id:
        row.thread_root = message.root_id or row.thread_root
    row.parent_id = row.parent_id or message.parent_id
    if message.parent_id == row.parent_id:
        row.parent_text = row.parent_text or message.parent_text


def _fill_in(row: Message, message: SocialMessage) -> None:
    """What is only ever added: what the version that counts left out, another may still say.

    Often that is what a tool that reads many networks makes of a post: they do not say.
    """
    row.language = row.language or message.language
    row.permalink = row.permalink or message.permalink
    row.severity = row.severity or message.severity
    row.sentiment = row.sentiment or message.sentiment
    row.followers = message.author.followers if row.followers is None else row.followers


def _take_tag(
    tx: Session, row: Message, kind: EventKind, name: str, source: str, at: datetime, by: str | None
) -> None:
    known = _all_tags(tx, row)
    tag = next((tag for tag in known if (tag.name, tag.source) == (name, source)), None)
    if tag is None:
        tag = MessageTag(
            id=new_id(), message_id=row.id, name=name, source=source, tagged_at=at, changed_at=at
        )
        known.append(tag)
        tx.add(tag)
    if kind is not EventKind.UNTAGGED and at <= tag.tagged_at:
        tag.tagged_at, tag.tagger = at, by
    if at < tag.changed_at:
        return
    tag.changed_at = at
    tag.removed_at = at if kind is EventKind.UNTAGGED else None


def tags_of(tx: Session, row: Message) -> list[MessageTag]:
    """The tags that are on the message now, first put on first."""
    tags = [tag for tag in _all_tags(tx, row) if tag.removed_at is None]
    return sorted(tags, key=lambda tag: (tag.tagged_at, tag.id))


def _all_tags(tx: Session, row: Message) -> list[MessageTag]:
    """The tags that ever were on *row*. Asked once in a transaction: who adds one has the row locked."""
    read = _known_tags(tx)
    if row.id not in read:
        with tx.no_autoflush:  # what this transaction has to write is known to it
            read[row.id] = list(tx.scalars(_TAGS, {"of": row.id}))
    return read[row.id]


def _known_tags(tx: Session) -> dict[str, list[MessageTag]]:
    found: dict[str, list[MessageTag]] = tx.info.setdefault(_READ, {})
    return found


def as_message(row: Message, tags: Iterable[str] = ()) -> SocialMessage:
    """The row as the core's message. Only for complete rows with an account."""
    if row.posted_at is None or row.account is None:
        raise ValueError(f"message {row.id} is only a placeholder")
    visibility = Visibility(row.visibility or Visibility.DIRECT)
    return SocialMessage(
        network=row.network,
        id=row.global_id,
        account=row.account,
        author=Author(
            row.author_id or "",
            row.author_handle or "",
            row.author_name or "",
            row.author_url,
            row.followers,
        ),
        text=row.text or "",
        posted_at=row.posted_at,
        native_id=row.native_id or "",
        root_id=row.thread_root,
        parent_id=row.parent_id,
        parent_text=row.parent_text,
        permalink=row.permalink,
        language=row.language,
        visibility=visibility,
        attachments=tuple(Attachment(**attachment) for attachment in row.attachments),
        edited_at=row.edited_at,
        tags=frozenset(tags),
        own=row.own,
        kind=MessageKind(row.kind or MessageKind.of(visibility, answers=row.parent_id is not None)),
        severity=Severity(row.severity) if row.severity else None,
        sentiment=Sentiment(row.sentiment) if row.sentiment else None,
    )


def one(tx: Session, case: Case, message_id: str) -> Message:
    """The message of *case* with that row id. Raises LookupError."""
    return {row.id: row for row in of_case(tx, case.id)}[message_id]


def named(tx: Session, ending: str) -> list[Message]:
    """Up to two messages whose row id is *ending*, or ends with it."""
    row = tx.get(Message, ending)
    if row is not None:
        return [row]
    return list(tx.scalars(select(Message).where(Message.id.endswith(ending, autoescape=True)).limit(2)))


def whose(tx: Session, installation: str) -> str | None:
    """The installation that the messages here are of: *installation* if any is, None if there are none."""
    of = select(Message.installation)
    # By the index on it: no more than a row is read.
    own = tx.scalar(of.where(Message.installation == installation).limit(1))
    return own or tx.scalar(of.limit(1))


def is_there(row: Message) -> bool:
    """Whether the post is known, and neither deleted nor erased: somebody can answer it."""
    return row.complete and row.deleted_at is None and row.erased_at is None


def of_case(tx: Session, case_id: str) -> list[Message]:
    """The customer's messages in a case, oldest first."""
    return cases.rows(tx, Message, case_id)
