"""Who is to be forgotten, by everything that is known of them, and where they are in the messages."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bridge.store.erasure import HIDDEN, is_erased, parts
from bridge.store.tables import Case, CustomerRow, Message

_LEAST_NAME = 3  # a shorter one is in every second word
_MANY = 500
_SIMILAR = 5


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on one network, by every id, handle (without its first @) and name that we know."""

    network: str
    author_ids: frozenset[str]
    handles: frozenset[str]
    names: frozenset[str] = frozenset()

    def is_named_in(self, text: str) -> bool:
        """Whether *text* (of whatever shape: JSON, an address) holds an id, a handle or a name of theirs."""
        # Not a handle without its server: another server has another person of that name.
        return (
            _pattern(self.author_ids | self.handles | self._profiles() | self._told()).search(text)
            is not None
        )

    def is_in_id(self, identity: str) -> bool:
        """Whether a network made *identity*, the address of a post, of their name."""
        addresses = {one for one in self.author_ids if not one.isalnum()}
        if _pattern(frozenset(addresses)).search(identity):
            return True
        for handle in self.handles:
            user, _, host = handle.partition("@")
            at_home = not host or _pattern(frozenset({host})).search(identity)
            if at_home and re.search(rf"[/@]{re.escape(user)}(?=/|$)", identity, re.IGNORECASE):
                return True
        return False

    def without_mentions(self, text: str) -> str:
        """*text* by somebody else, without this person's handles and profile addresses."""
        addresses = {one for one in self.author_ids if "/" in one}
        mentions = {f"@{handle}" for handle in self.handles}
        text = _pattern(frozenset(addresses | mentions)).sub(HIDDEN, text)
        # Networks show a mention without its server; with another one it is somebody else's.
        bare = {f"@{handle.partition('@')[0]}" for handle in self.handles} - {"@"}
        return _pattern(frozenset(bare), then=r"(?!@\w)").sub(HIDDEN, text)

    def _profiles(self) -> frozenset[str]:
        """Where networks keep the profiles of people with such handles, also when its address is unknown."""
        each = (handle.partition("@") for handle in self.handles)
        return frozenset(
            f"{host}{way}{user}" for user, _, host in each if user and host for way in ("/@", "/users/")
        )

    def _told(self) -> frozenset[str]:
        return frozenset(name for name in self.names if len(name) >= _LEAST_NAME)


@lru_cache(maxsize=64)
def _pattern(words: frozenset[str], then: str = "") -> re.Pattern[str]:
    """Finds *words* whole, in any letter case, as they are and as JSON and addresses write them."""
    if not words:
        return re.compile(r"(?!)")
    written = {form for word in words for form in _forms(word)}
    each = sorted((re.escape(form) for form in written), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(each)})(?!\w){then}", re.IGNORECASE)


def _forms(word: str) -> set[str]:
    escaped = json.dumps(word)[1:-1]
    return {word, escaped, word.replace("/", "\\/"), escaped.replace("/", "\\/"), quote(word, safe="")}


def find_person(
    tx: Session, installation: str, network: str, *, handle: str = "", author_id: str = ""
) -> Person:
    """Everything that is known under a handle or an author's id. Finding nothing is no error."""
    handle = handle.strip().lstrip("@")
    ids = {author_id} if author_id else set()
    if handle:
        query = select(Message.author_handle, Message.author_id).where(
            Message.installation == installation,
            Message.network == network,
            Message.author_handle.is_not(None),
        )
        if handle.isascii():
            # Of other letters, SQLite knows no small ones: then everybody's handle is read.
            query = query.where(func.lower(Message.author_handle).in_({handle.lower(), f"@{handle.lower()}"}))
        small = _small(handle)
        ids |= {one for its, one in tx.execute(query.distinct()) if its and one and _small(its) == small}
        # Where the network's id is the handle, it is known after the names are gone, too.
        for table in (Message, Case, CustomerRow):
            known = select(table.author_id).where(
                table.installation == installation,
                table.network == network,
                table.author_id.in_({handle, f"@{handle}"}),
            )
            ids |= {one for one in tx.scalars(known.limit(2)) if one}
    handles, names = {handle} - {""}, set()
    called = select(Message.author_handle, Message.author_name, Message.author_url).where(
        Message.installation == installation, Message.network == network, Message.author_id.in_(ids)
    )
    for its_handle, name, url in tx.execute(called.distinct()):
        handles |= {(its_handle or "").lstrip("@")} - {""}
        names |= {name or ""} - {""}
        ids |= {url or ""} - {""}
    return Person(network, frozenset(ids), frozenset(handles), frozenset(names))


def _small(handle: str) -> str:
    """What one handle is in any letter case, whatever the database makes of it."""
    # Not casefolded: @groß and @gross may be two people.
    return unicodedata.normalize("NFC", handle.lstrip("@")).lower()


def similar_handles(tx: Session, installation: str, network: str, handle: str) -> list[str]:
    """Handles of people who are known on *network*, the most like *handle* first; a few at most."""
    called = select(Message.author_handle).where(
        Message.installation == installation, Message.network == network, Message.author_handle.is_not(None)
    )
    known = {one.lstrip("@").casefold(): one.lstrip("@") for one in tx.scalars(called.distinct()) if one}
    handle = handle.strip().lstrip("@").casefold()
    user = handle.partition("@")[0]
    same = sorted(one for one in known if one.partition("@")[0] == user)
    found = dict.fromkeys([*same, *difflib.get_close_matches(handle, sorted(known))])
    return [known[one] for one in found][:_SIMILAR]


def case_ids_of(tx: Session, installation: str, person: Person) -> list[str]:
    """The ids of the cases of *person*; nothing is locked."""
    query = select(Case.id).where(
        Case.installation == installation,
        Case.network == person.network,
        Case.author_id.in_(person.author_ids),
    )
    return list(tx.scalars(query))


@dataclass
class Traces:
    """Where a person is in the messages.

    ``ids`` are the ids of their posts, seen or only spoken of; ``rows`` the messages of
    anybody that carry one of them, or a mention.
    """

    ids: set[str]
    rows: set[str]


def traces(tx: Session, installation: str, person: Person) -> Traces:
    """Look through the network's messages; reads every one of them, some at a time."""
    here = (Message.installation == installation, Message.network == person.network)
    wrote = select(Message.global_id).where(*here, Message.author_id.in_(person.author_ids))
    ids = {one for one in tx.scalars(wrote) if not is_erased(one)}
    rows: set[str] = set()
    spoken_of: set[str] = set()
    for row in _walk(tx, *here):
        named = {one for one in (row.thread_root, row.parent_id) if one and person.is_in_id(one)}
        if row.author_id is None and person.is_in_id(row.global_id):
            named.add(row.global_id)  # known from a tag only
        spoken_of |= named
        said = any(one and person.without_mentions(one) != one for one in (row.text, row.parent_text))
        if named or said or row.thread_root in ids or row.parent_id in ids:
            rows.add(row.id)
    for part in parts(spoken_of):
        by_others = Message.author_id.not_in(person.author_ids)
        spoken_of -= set(
            tx.scalars(select(Message.global_id).where(*here, Message.global_id.in_(part), by_others))
        )
    return Traces(ids | {one for one in spoken_of if not is_erased(one)}, rows)


def _walk(tx: Session, *here: Any) -> Iterator[Any]:
    columns = (
        Message.id,
        Message.author_id,
        Message.global_id,
        Message.thread_root,
        Message.parent_id,
        Message.text,
        Message.parent_text,
    )
    last = ""
    while True:
        page = tx.execute(
            select(*columns).where(*here, Message.id > last).order_by(Message.id).limit(_MANY)
        ).all()
        yield from page
        if len(page) < _MANY:
            return
        last = page[-1].id
