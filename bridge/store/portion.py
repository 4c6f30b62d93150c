"""What one transaction of an erasure takes on, so that nobody who writes waits for long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.store.erasure import parts
from bridge.store.person import Person, Traces, case_ids_of
from bridge.store.tables import Message

BODIES = 500
# A tenth of a second or two on SQLite. A case has some ten rows of other tables.
MOST = 300
A_CASE = 10


@dataclass(frozen=True, slots=True)
class Portion:
    """Whole cases of a person, and ids of messages: their own, and those of others that hang on these.

    The ``last`` one ends the erasure: ``stones`` are ids of posts that were only spoken of. One that is
    ``open`` takes on what came since, besides.
    """

    cases: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    stones: frozenset[str] = frozenset()
    last: bool = False
    open: bool = False


def portions(tx: Session, installation: str, person: Person, found: Traces) -> list[Portion]:
    """One for a usual person, which is the last. Each case goes with all the person wrote in it.

    Others' messages go at the latest with what they answer: afterwards nobody could tell whom they
    quote. The last one keeps a post under every name of the person, so that an erasure which was cut
    short can be asked for by the same name.
    """
    rows = _own(tx, installation, person)
    tagged = _only_tagged(tx, installation, person, found)
    units = _units(rows, case_ids_of(tx, installation, person))
    others = found.rows - {row.id for row in rows} - tagged
    stones = frozenset(found.ids - {row.global_id for row in rows})
    kept = set({(row.author_handle, row.author_name, row.author_url): row.id for row in rows}.values())
    whole = sum(map(_weight, units)) + len(others) <= MOST
    packed = [] if whole else [*_packs(unit for unit in units if not kept & unit.own)]
    hanging = _hanging(tx, others, rows, packed)
    loose = others.difference(*hanging)
    ending = _joined([unit for unit in units if whole or kept & unit.own])
    last = replace(ending, own=ending.own | tagged, stones=stones, last=True, open=True)
    if len(loose) <= MOST:
        last, loose = replace(last, others=frozenset(loose)), set()
    return [
        *(Portion(others=frozenset(part)) for part in parts(loose)),
        *(replace(one, others=frozenset(some)) for one, some in zip(packed, hanging, strict=True)),
        last,
    ]


def _own(tx: Session, installation: str, person: Person) -> list[Any]:
    """The person's messages that are not erased, the oldest first."""
    columns = (
        Message.id,
        Message.case_id,
        Message.global_id,
        Message.author_handle,
        Message.author_name,
        Message.author_url,
    )
    query = select(*columns).where(
        Message.installation == installation,
        Message.network == person.network,
        Message.author_id.in_(person.author_ids),
    )
    return list(tx.execute(query.order_by(Message.id)))


def _only_tagged(tx: Session, installation: str, person: Person, found: Traces) -> set[str]:
    """Posts that never came, and of which a tag has spoken."""
    here = (Message.installation == installation, Message.network == person.network)
    return {
        row_id
        for part in parts(found.ids)
        for row_id in tx.scalars(
            select(Message.id).where(*here, Message.author_id.is_(None), Message.global_id.in_(part))
        )
    }


def _units(rows: Iterable[Any], case_ids: Iterable[str]) -> list[Portion]:
    """What cannot be parted: each case with its posts, each post without a case."""
    of_case: dict[str, set[str]] = {case_id: set() for case_id in case_ids}
    alone: list[Portion] = []
    for row in rows:
        if row.case_id in of_case:
            of_case[row.case_id].add(row.id)
        else:
            alone.append(Portion(own=frozenset({row.id})))
    return [Portion(frozenset({case_id}), frozenset(own)) for case_id, own in of_case.items()] + alone


def _weight(unit: Portion) -> int:
    return A_CASE * len(unit.cases) + len(unit.own)


def _packs(units: Iterable[Portion]) -> Iterator[Portion]:
    pack: list[Portion] = []
    for unit in units:
        if pack and sum(map(_weight, pack)) + _weight(unit) > MOST:
            yield _joined(pack)
            pack = []
        pack.append(unit)
    if pack:
        yield _joined(pack)


def _joined(units: list[Portion]) -> Portion:
    cases = frozenset(case_id for unit in units for case_id in unit.cases)
    return Portion(cases, frozenset(row_id for unit in units for row_id in unit.own))


def _hanging(tx: Session, others: set[str], rows: Iterable[Any], packed: list[Portion]) -> list[set[str]]:
    """For each of *packed*, the messages of others that answer a post in it and in none before it."""
    place = {row_id: number for number, one in enumerate(packed) for row_id in one.own}
    by_post = {row.global_id: place[row.id] for row in rows if row.id in place}
    hanging: dict[int, set[str]] = defaultdict(set)
    for part in parts(others):
        query = select(Message.id, Message.thread_root, Message.parent_id).where(Message.id.in_(part))
        for row in tx.execute(query):
            at = [by_post[one] for one in (row.thread_root, row.parent_id) if one in by_post]
            if at:
                hanging[min(at)].add(row.id)
    return [hanging[number] for number in range(len(packed))]
