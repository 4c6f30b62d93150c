"""One person's words, names and ids go out of every table but the deliveries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from bridge.core.intent import Effect, IntentState
from bridge.store import cases, erasure, threads
from bridge.store.erasure import blank, blank_intent, parts, pseudonym
from bridge.store.insert import insert_new
from bridge.store.person import Person, Traces
from bridge.store.portion import Portion
from bridge.store.tables import Case, CustomerRow, Intent, LeaseRow, Message

MOST_HELD = 1_000  # PostgreSQL has room for some 6,400 locks of all its sessions; a post takes two


def cases_of(
    tx: Session, installation: str, person: Person, only: Collection[str] | None = None
) -> list[Case]:
    """The cases of *person*, or *only* these of them, locked, in the order of their ids."""
    query = select(Case).where(
        Case.installation == installation,
        Case.network == person.network,
        Case.author_id.in_(person.author_ids),
    )
    if only is not None:
        query = query.where(Case.id.in_(only))
    return list(tx.scalars(cases.locked(query.order_by(Case.id))))


def hold(tx: Session, installation: str, person: Person, portion: Portion) -> None:
    """Be alone with the threads of *portion* before anything of it is read.

    Whoever takes in an edit or a tag of one of these posts meanwhile waits, and finds it erased. Of posts
    by others, and of those that were only spoken of, as many as a server has locks for.
    """
    ids = {*portion.own, *sorted(portion.others)[:MOST_HELD]}
    if portion.open:
        ids |= set(tx.scalars(_written_by(installation, person).with_only_columns(Message.id)))
    spoken_of = sorted(portion.stones)[:MOST_HELD]
    threads.hold_rows(tx, ids, [(installation, person.network, one) for one in spoken_of])


def _written_by(installation: str, person: Person) -> Select[Message]:
    return select(Message).where(
        Message.installation == installation,
        Message.network == person.network,
        Message.author_id.in_(person.author_ids),
    )


@dataclass
class Eraser:
    """Erases *person* from all tables but the deliveries, in the caller's transaction: first `hold`.

    ``scrubbed``: the intents of other people's cases that named them; ``quoting``: the replies
    among these that have not left, and somebody has to be asked about.
    """

    tx: Session
    installation: str
    person: Person
    found: Traces
    at: datetime
    scrubbed: set[str] = field(default_factory=set)
    quoting: set[str] = field(default_factory=set)

    def __call__(self, theirs: Collection[Case], portion: Portion) -> dict[str, int]:
        """Erase *portion*, *theirs* being its cases. Returns the number of rows touched, by table."""
        own, others = self._messages(portion)
        roots = set(self.found.ids) if portion.last else {row.global_id for row in own}
        touched = {row.case_id for row in others if row.case_id} - {case.id for case in theirs}
        words = {row.parent_text for row in others if row.parent_text}
        words |= {row.text for row in own if row.text}
        counts = {"messages": len(own), "messages of others": len(others)}
        counts["intents"] = self._blank_intents([case.id for case in theirs])
        self._scrub_intents(touched, words)
        for row in own:
            self._erase(row)
        for row in others:
            self._unname(row)
        self.tx.flush()
        counts["cases"] = self._cases(theirs, touched)
        self._leases(roots)
        if portion.last:
            counts["customers"] = self._customers()
            self._leave_stones(portion.stones)
        return {table: number for table, number in counts.items() if number}

    def _messages(self, portion: Portion) -> tuple[list[Message], list[Message]]:
        own = {row.id: row for row in self._rows(portion.own)}
        if portion.open:
            came_since = _written_by(self.installation, self.person)
            own |= {row.id: row for row in self.tx.scalars(came_since)}
        return list(own.values()), self._rows(portion.others - own.keys())

    def _rows(self, ids: Collection[str]) -> list[Message]:
        return [
            row for part in parts(ids) for row in self.tx.scalars(select(Message).where(Message.id.in_(part)))
        ]

    def _erase(self, row: Message) -> None:
        blank(row, self.at)
        row.author_id = self._hidden(row.author_id)
        row.global_id = self._hidden(row.global_id) or row.global_id
        row.native_id = self._hidden(row.native_id)
        self._hide_thread(row)
        row.due_at = None

    def _unname(self, row: Message) -> None:
        """Somebody else's post: their words stay, less what they quote and whom they mention."""
        if row.parent_id in self.found.ids:
            row.parent_text = None
        for column in ("text", "parent_text"):
            said = getattr(row, column)
            if said:
                setattr(row, column, self.person.without_mentions(said))
        self._hide_thread(row)

    def _hide_thread(self, row: Message) -> None:
        for column in ("thread_root", "parent_id"):
            if getattr(row, column) in self.found.ids:
                setattr(row, column, self._hidden(getattr(row, column)))

    def _blank_intents(self, case_ids: Collection[str]) -> int:
        rows = [
            row
            for part in parts(case_ids)
            for row in self.tx.scalars(select(Intent).where(Intent.case_id.in_(part)))
        ]
        for row in rows:
            if row.effect == Effect.REGISTER_CUSTOMER:
                network, _, author_id = row.target.partition(":")
                row.target = f"{network}:{self._hidden(author_id)}"
            if IntentState(row.state).is_final:
                blank_intent(row)
        # Not what takes words back outside: an erasure has drafted that itself.
        return sum(not row.cause.startswith("erasure:") for row in rows)

    def _scrub_intents(self, case_ids: Collection[str], words: Collection[str]) -> None:
        for part in parts(case_ids):
            # Somebody may be working on them: what is on its way keeps what its call needs.
            self.tx.scalars(cases.locked(select(Case).where(Case.id.in_(part)).order_by(Case.id))).all()
            found = select(Intent).where(Intent.case_id.in_(part)).execution_options(populate_existing=True)
            for row in self.tx.scalars(found):
                if erasure.rewrite(row, lambda kept: self._unnamed(erasure.without(kept, words))):
                    self.scrubbed.add(row.id)
                if erasure.quotes(row):
                    self.quoting.add(row.id)

    def _unnamed(self, value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            if name in ("root_id", "parent_id") and value in self.found.ids:
                return self._hidden(value)
            return self.person.without_mentions(value)
        if isinstance(value, list):
            return [self._unnamed(one) for one in value]
        if isinstance(value, dict):
            return {key: self._unnamed(one, key) for key, one in value.items()}
        return value

    def _cases(self, theirs: Collection[Case], touched: Collection[str]) -> int:
        others = [
            row for part in parts(touched) for row in self.tx.scalars(select(Case).where(Case.id.in_(part)))
        ]
        for row in (*theirs, *others):
            if row.thread_root in self.found.ids:
                row.thread_root = self._hidden(row.thread_root) or row.thread_root
        for row in theirs:
            row.author_id = self._hidden(row.author_id) or row.author_id
        return len(theirs)

    def _customers(self) -> int:
        rows = list(
            self.tx.scalars(
                select(CustomerRow).where(
                    CustomerRow.installation == self.installation,
                    CustomerRow.network == self.person.network,
                    CustomerRow.author_id.in_(self.person.author_ids),
                )
            )
        )
        for row in rows:
            hidden = self._hidden(row.author_id) or row.author_id
            # Erased once, back, and erased again: the earlier row stands for both.
            known = select(CustomerRow.id).where(
                CustomerRow.installation == self.installation,
                CustomerRow.network == self.person.network,
                CustomerRow.author_id == hidden,
            )
            if self.tx.scalar(known) is None:
                row.author_id = hidden
            else:
                self.tx.delete(row)
            self.tx.flush()
        return len(rows)

    def _leases(self, roots: Collection[str]) -> None:
        keys = [f"thread:{self.person.network}:{one}" for one in roots]
        for part in parts(keys):
            # A flow that holds one stops, and is woken again by its message.
            self.tx.execute(delete(LeaseRow).where(LeaseRow.key.in_(part)))

    def _leave_stones(self, spoken_of: Collection[str]) -> None:
        """A row for each erased post that was only spoken of, so that it stays erased when it comes."""
        for one in spoken_of:
            hidden = self._hidden(one)
            insert_new(
                self.tx,
                Message,
                installation=self.installation,
                network=self.person.network,
                global_id=hidden,
                attachments=[],
                own=False,
                received_at=self.at,
                erased_at=self.at,
            )

    def _hidden(self, identity: str | None) -> str | None:
        return None if identity is None else pseudonym(self.installation, self.person.network, identity)
