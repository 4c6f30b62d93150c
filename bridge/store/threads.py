"""Being alone with a thread, and the order in which locks are taken.

Whoever writes about posts takes, in this order: the threads of them all; the rows of the posts;
the cases that they belong to. What hangs on a thread, like its earlier posts, may be written by
whoever has the thread. Two transactions that began with different things would wait for each other.
Who erases a person has the threads, too, and may then take cases before posts.

On SQLite every transaction that writes is alone already, and this does nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from bridge.core.message import InboundEvent
from bridge.errors import StoreBusyError
from bridge.store import erasure, insert
from bridge.store.tables import Message

_HELD = "threads"  # in a session's info: the keys of those that it has
# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_KNOWN = select(Message.thread_root).where(
    Message.installation == bindparam("at"),
    Message.network == bindparam("on"),
    Message.global_id.in_(bindparam("ids", expanding=True)),
    Message.thread_root.is_not(None),
)
_PLACES = select(
    Message.installation,
    Message.network,
    Message.global_id,
    func.coalesce(Message.thread_root, Message.global_id).label("root"),
).where(Message.id.in_(bindparam("rows", expanding=True)))


def hold(tx: Session, installation: str, posts: Collection[Sequence[InboundEvent]]) -> None:
    """Be the only transaction about the threads of *posts* until this one ends.

    Each of *posts* is what came of one post. Its thread is the one that it names, and the one
    that its row has. Until its root is known, that is the post itself, which is held as well:
    a tag may come at the same moment, and knows no more.
    """
    if not insert.is_shared(tx):
        return
    named: dict[str, set[str]] = {}
    for events in posts:
        threads = named.setdefault(events[0].network, set())
        threads.add(events[0].message_id)
        threads |= {event.message.thread for event in events if event.message is not None}
    keys = set[str]()
    for network, ids in named.items():
        hidden = {erasure.pseudonym(installation, network, one) for one in ids}
        found = tx.connection().scalars(_KNOWN, {"at": installation, "on": network, "ids": [*ids, *hidden]})
        keys |= {_key(installation, network, one) for one in (*ids, *found)}
    _hold(tx, keys)


def hold_of(tx: Session, row: Message) -> None:
    """`hold` the thread of *row*, as another transaction has read it."""
    if insert.is_shared(tx):
        _hold(tx, {_key(row.installation, row.network, one) for one in (row.global_id, _root(row))})


def hold_rows(tx: Session, ids: Collection[str], others: Collection[tuple[str, str, str]] = ()) -> None:
    """`hold` the threads of the messages with these row ids, and of *others* that have no row.

    Each of those is given by installation, network and global id.
    """
    if not insert.is_shared(tx):
        return
    keys = {_key(*other) for other in others}
    for part in erasure.parts(ids):
        for row in tx.execute(_PLACES, {"rows": part}):
            keys |= {_key(row.installation, row.network, one) for one in (row.global_id, row.root)}
    _hold(tx, keys)


def require(tx: Session, row: Message) -> None:
    """Make sure that *tx* holds the thread of *row*, whose row it has locked.

    The row may have come to another thread after *tx* had asked which ones to hold. To wait for
    that one now would be the wrong order: raises StoreBusyError when somebody else has it.
    """
    key = _key(row.installation, row.network, _root(row))
    if not insert.is_shared(tx) or key in tx.info.get(_HELD, ()):
        return
    if not insert.alone_at_once(tx, key):
        raise StoreBusyError(f"the message {row.id} has just come to a thread that somebody works on")
    tx.info[_HELD] = {*tx.info.get(_HELD, ()), key}


def _hold(tx: Session, keys: set[str]) -> None:
    insert.alone(tx, *keys)
    tx.info[_HELD] = keys


def _root(row: Message) -> str:
    return row.thread_root or row.global_id


def _key(installation: str, network: str, root: str) -> str:
    # The same before and after an erasure.
    return f"thread:{erasure.pseudonym(installation, network, root)}"
