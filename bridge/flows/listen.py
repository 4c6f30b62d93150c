"""Hearing networks that do not call: polls, and open threads read again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from bridge.core.account import Account
from bridge.core.message import RawItem
from bridge.core.plural import counted
from bridge.core.ports import Polled
from bridge.errors import VendorBusyError, VendorError, VendorGoneError, VendorRefusedError
from bridge.flows import backoff, finds
from bridge.flows.backoff import LONGEST_WAIT
from bridge.flows.world import World
from bridge.store import deliveries, erasure, messages
from bridge.store.insert import insert_new
from bridge.store.tables import Case, Cursor

log = logging.getLogger(__name__)

POLL, REREAD = "poll", "reread"
THREADS_A_ROUND = 10
STILL_WATCHED = timedelta(days=7)  # after its receipt, for a customer who comes back
IN_TROUBLE = 3  # threads that could not be read: no more are tried in this round
STANDING = 5  # rounds that failed, which takes a minute


def expect(tx: Session, world: World, *, at_once: bool = False) -> None:
    """Have a cursor for each account that has to be asked. *at_once*: at a start, for what was missed.

    None is due later than it ever puts itself off: a clock that was ahead for a moment silences nobody.
    """
    now = world.clock.now()
    periods: dict[str, timedelta] = {}
    for entry in world.mappings.current.accounts.values():
        if world.networks[entry.network].capabilities.poll is not True or world.unset(entry):
            continue
        periods[f"{POLL}:{entry.key}"] = _period(world, entry.network)
        # Who pushes is asked for what got lost on the way, and threads need no reading.
        if not _pushes(world, entry.network):
            periods[f"{REREAD}:{entry.key}"] = world.timing.reread
    for key in periods:
        insert_new(tx, Cursor, key=key, due_at=now, failures=0)
    for cursor in tx.scalars(select(Cursor).where(Cursor.key.in_(periods))):
        longest = LONGEST_WAIT if cursor.failures else periods[cursor.key]
        cursor.due_at = min(cursor.due_at, now if at_once else now + longest)


def poll(world: World, key: str) -> None:
    """Ask the account behind the cursor *key* for what is new, and write it down."""
    with world.lease(key) as lease:
        if lease is None:
            return
        kind, _, name = key.partition(":")
        account = world.account(name)
        with world.database.read() as tx:
            cursor = tx.get(Cursor, key)
        if account is None:
            with world.database.write() as tx:
                tx.execute(delete(Cursor).where(Cursor.key == key))
            return
        if cursor is None or cursor.due_at > world.clock.now():
            return  # somebody else has just asked
        try:
            if kind == POLL:
                _poll(world, account, cursor)
            else:
                _reread(world, account, cursor)
        except VendorError as error:
            _put_off(world, cursor, error)


def _poll(world: World, account: Account, cursor: Cursor) -> None:
    page = world.connect(account).poll(cursor.value)
    period = _period(world, account.network)
    _record(world, account, cursor.key, page, timedelta(0) if page.more else period)


def _reread(world: World, account: Account, cursor: Cursor) -> None:
    """Read the next few threads that have a case, so that an answer without a mention is heard.

    A thread that cannot be read keeps no other from being heard, and has its turn again with the
    next walk through all of them. A round ends early with the third of them. Where none could be
    read at all, it has failed and is begun again later, at the same place; from the fifth failure
    in a row on, behind these threads: it may be their trouble alone.
    """
    now = world.clock.now()
    with world.database.read() as tx:
        cases = _watched(tx, world, account, cursor.value, now)
        # A deleted post leads nowhere, an erased one is nobody's any more.
        posts = [
            (case.id, messages.as_message(there[0]))
            for case in cases
            if (there := [row for row in messages.of_case(tx, case.id) if messages.is_there(row)])
        ]
    line = world.connect(account)
    last = cases[-1].id if len(cases) == THREADS_A_ROUND else None
    items: list[RawItem] = []
    answered, busy = False, 0
    trouble: VendorBusyError | None = None
    for case_id, post in posts:
        try:
            items += line.read_thread(post)
            answered = True
        except (VendorGoneError, VendorRefusedError) as error:
            log.warning("a thread of %s could not be read: %s", account.key, error)
            answered = True
        except VendorBusyError as error:
            # A rate limit is no thread's fault: the others would only run into it, too.
            if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                raise
            log.warning("a thread of %s could not be read: %s", account.key, error)
            trouble, busy = error, busy + 1
            if busy == IN_TROUBLE:
                last = case_id
                break
    if trouble is not None and not answered:
        if cursor.failures + 1 >= STANDING:
            with world.database.write() as tx:
                tx.get_one(Cursor, cursor.key).value = last
        raise trouble
    _record(world, account, cursor.key, Polled(tuple(items), last), world.timing.reread)


def _watched(tx: Session, world: World, account: Account, after: str | None, now: datetime) -> list[Case]:
    """The next few cases whose threads are read: open ones, and those that were closed lately."""
    of_account = (
        select(Case)
        .where(Case.installation == world.installation, Case.network == account.network)
        .where(Case.account == account.key, Case.with_ticket, Case.id > (after or ""))
        .order_by(Case.id)
        .limit(THREADS_A_ROUND)
    )
    # Two questions, because each has an index: `uq_cases_open` holds those that are open, and of the closed
    # ones, which are many, few closed lately. The first is written out as the index has it.
    open_ = tx.scalars(of_account.where(text("state != 'closed'")))
    lately = tx.scalars(of_account.where(Case.closed_at > now - STILL_WATCHED))
    found = {case.id: case for case in (*open_, *lately)}
    return [found[key] for key in sorted(found)[:THREADS_A_ROUND]]


def _period(world: World, network: str) -> timedelta:
    """How often an account of *network* is polled."""
    return world.timing.sweep if _pushes(world, network) else world.timing.poll


def _pushes(world: World, network: str) -> bool:
    return world.networks[network].capabilities.push is True


def _record(world: World, account: Account, key: str, page: Polled, wait: timedelta) -> None:
    """Write down what came, and where to go on after *wait*.

    What is new although its network pushes was missed by a webhook.
    """
    with world.database.write() as tx:
        now = world.clock.now()
        recorded = write_down(tx, world, account, page.items)
        missed = len(recorded) if _pushes(world, account.network) else 0
        if missed:
            what = f"{counted(missed, 'delivery', 'deliveries')} for account {account.key}"
            finds.tell(tx, None, now, what, account.network, missed)
        cursor = tx.get_one(Cursor, key)
        cursor.value, cursor.due_at, cursor.heard_at = page.cursor, now + wait, now
        cursor.failures, cursor.reason = 0, None
    finds.count(world, account.network, missed)
    for delivery in recorded:
        world.wake("take_in", delivery)


def write_down(tx: Session, world: World, account: Account, items: Sequence[RawItem]) -> list[str]:
    """Record what *account* was shown; the rows of the deliveries that are new, to be taken in."""
    known = erasure.known_hidden(
        tx, world.installation, account.network, account.key, [item.delivery_id for item in items]
    )
    now = world.clock.now()
    new: dict[str, str] = {}
    # In one order everywhere, or two that were shown the same wait for each other.
    for item in sorted(items, key=lambda item: item.delivery_id):
        if item.delivery_id in known:
            continue
        row = deliveries.record(
            tx,
            installation=world.installation,
            source=account.network,
            account=account.key,
            delivery_id=item.delivery_id,
            body=item.body,
            at=now,
            by_id=True,
        )
        if row is not None:
            new[item.delivery_id] = row
    return [new[one] for one in dict.fromkeys(item.delivery_id for item in items) if one in new]


def _put_off(world: World, cursor: Cursor, error: VendorError) -> None:
    with world.database.write() as tx:
        row = tx.get_one(Cursor, cursor.key)
        row.failures += 1
        row.reason = str(error)
        wait = backoff.after(error, row.failures)
        row.due_at = world.clock.now() + min(wait, LONGEST_WAIT)
    log.warning("%s did not work: %s", cursor.key, error)
