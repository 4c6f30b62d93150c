"""A recorded delivery becomes facts: messages and tags, a hint about a ticket, a press."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from datetime import timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from bridge.core.desk import Hint
from bridge.core.message import InboundEvent
from bridge.errors import StoreBusyError, UnreadablePayloadError, UnsupportedEventError, VendorError
from bridge.flows import astray, open_case, press
from bridge.flows.backoff import doubling
from bridge.flows.slots import Slots
from bridge.flows.work import Turn
from bridge.flows.world import World
from bridge.routing import language
from bridge.store import casefile, cases, deliveries, erasure, intents, messages, threads, tickets
from bridge.store.deliveries import DESK_SOURCE, TEAM_SOURCE, Received
from bridge.store.tables import Delivery, Message, TicketRow

log = logging.getLogger(__name__)

TRIES = 6
LONGEST_WAIT = timedelta(seconds=2**TRIES)  # for the next of them
WAIT_FOR_TICKET = timedelta(seconds=1)
LONGEST_WAIT_FOR_TICKET = timedelta(minutes=1)  # while one is being opened

# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_DELIVERY = (
    select(Delivery)
    .where(Delivery.id == bindparam("wanted"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def take_in(world: World, slots: Slots, key: str) -> Turn | None:
    """Understand the delivery with the row id *key*. Harmless when it is done already.

    Gives the turn at a case that it has opened: what may be done at once is begun.
    """
    with world.database.read() as tx:
        delivery = deliveries.find_received(tx, key)
    if delivery is None:
        return None
    try:
        return _understand(world, slots, delivery)
    except UnreadablePayloadError as error:
        _settle(world, key, "unreadable", str(error))
    except UnsupportedEventError as error:
        _settle(world, key, "unwanted", str(error))
    except VendorError as error:
        put_off(world, key, str(error))
    return None


def put_off(world: World, key: str, reason: str) -> None:
    """Try the delivery again later; after some tries it waits for ``bridge delivery replay``."""
    with world.database.write() as tx:
        delivery = _open_delivery(tx, key)
        if delivery is None:
            return
        delivery.attempts += 1
        delivery.reason = reason
        delivery.due_at = world.clock.now() + doubling(delivery.attempts, LONGEST_WAIT)
        if delivery.attempts >= TRIES:
            delivery.state = "failed"
            log.error("delivery %s from %s failed for good: %s", key, delivery.source, reason)


def _understand(world: World, slots: Slots, delivery: Received) -> Turn | None:
    if delivery.body is None:
        _settle(world, delivery.id, "done", "its words were erased")
        return None
    body = delivery.body
    if delivery.source == DESK_SOURCE:
        _hear_hint(world, delivery.id, world.read_hint(body))
    elif delivery.source == TEAM_SOURCE:
        _obey(world, delivery, body)
    else:
        return _take_events(world, slots, delivery, body)
    return None


def _obey(world: World, delivery: Received, body: bytes) -> None:
    """A press may ask vendors, so no transaction holds its place meanwhile: a lease does.

    What it does last and that it is done are one transaction.
    """
    with world.lease(f"delivery:{delivery.id}") as lease:
        if lease is None:
            return
        press.obey(world, world.read_press(body), lambda tx: _settle_in(tx, world, delivery.id))


def _take_events(world: World, slots: Slots, delivery: Received, body: bytes) -> Turn | None:
    account = world.account(delivery.account)
    if account is None:
        raise UnreadablePayloadError(f"account {delivery.account} is in no mapping file any more")
    events = world.networks[delivery.source].normalise(account, body, delivery.received_at)
    posts = _by_post(events)
    if not all(any(event.message and event.message.language for event in about) for about in posts):
        language.prepare()  # not below: while a transaction is open, the door waits for it
    try:
        turn, woken = _write_down(world, slots, delivery.id, posts, open_case.consider_in)
    except StoreBusyError:
        raise
    except Exception:
        # The boundary between what came in, which is kept, and what is made of it.
        log.exception("the messages of delivery %s could not be considered at once", delivery.id)
        turn, woken = _write_down(world, slots, delivery.id, posts, open_case.consider_later)
    for flow, key in woken:
        if turn is None or (flow, key) != (turn.flow, turn.key):
            world.wake(flow, key)
    return turn


def _write_down(
    world: World,
    slots: Slots,
    delivery_id: str,
    posts: Collection[Sequence[InboundEvent]],
    consider: Callable[[Session, World, Message], tuple[str, str] | None],
) -> tuple[Turn | None, list[tuple[str, str]]]:
    """Turn what came in into rows, and have each considered; say which flows are to be woken.

    The turn at a new case is begun here: nobody else can know of the case yet.
    """
    turn = None
    woken: list[tuple[str, str]] = []
    with ExitStack() as around, world.database.write() as tx:
        if not _settle_in(tx, world, delivery_id):
            return None, []
        threads.hold(tx, world.installation, posts)
        rows = [_take_post(tx, world, about) for about in posts]
        if any(row.erased_at is not None or erasure.is_erased(row.parent_id) for row in rows):
            # What was erased came once more, or is quoted: what it says is not kept a second time.
            erasure.hide_delivery(tx, tx.get_one(Delivery, delivery_id))
        for row in rows:
            if len(rows) > 1:
                tx.flush()  # what came of one post, the others must find
            to_wake = consider(tx, world, row)
            woken += [] if to_wake is None else [to_wake]
        made = cases.made(tx)
        if made:
            turn = Turn(world, slots, made[0].id)
            # Around the transaction: it may fail in its commit.
            around.enter_context(turn.given_back_when_it_fails())
            turn.begin(tx, made[0])
    return turn, woken


def _by_post(events: Sequence[InboundEvent]) -> Collection[Sequence[InboundEvent]]:
    """*events* in their order, together what is about the same post."""
    found: dict[tuple[str, str], list[InboundEvent]] = {}
    for event in events:
        found.setdefault((event.network, event.message_id), []).append(event)
    return found.values()


def _take_post(tx: Session, world: World, events: Sequence[InboundEvent]) -> Message:
    senders = world.senders(events[0].network)
    row = messages.apply(tx, world.installation, events, world.clock.now(), senders)
    if row.case_id is not None:
        for event in events:
            tags = ", ".join(tag.name for tag in event.tags)
            what = f"{event.kind}: {tags}" if tags else event.kind.value
            casefile.tell(tx, row.case_id, world.clock.now(), "came in", what, message=row.id)
    return row


def _hear_hint(world: World, delivery_id: str, hint: Hint) -> None:
    with world.database.write() as tx:
        delivery = _open_delivery(tx, delivery_id)
        if delivery is None:
            return
        now = world.clock.now()
        ticket = tx.scalars(
            select(TicketRow).where(
                TicketRow.installation == world.installation, TicketRow.ticket_id == hint.ticket_id
            )
        ).first()
        if ticket is None:
            _wait_for_ticket(tx, world, delivery, hint)
            return
        case = cases.lock(tx, ticket.case_id)
        tx.refresh(ticket)
        tickets.hint(ticket, now)
        intents.wake_case(case, now)
        _settle_in(tx, world, delivery.id)
    world.wake("work", case.id)


def _wait_for_ticket(tx: Session, world: World, delivery: Delivery, hint: Hint) -> None:
    """An agent can be faster than our record of the desk's answer: a ticket of ours is known in a moment."""
    now = world.clock.now()
    # One wait at least: between two questions of this transaction the number may have become known.
    waited = delivery.due_at > delivery.received_at
    longest = LONGEST_WAIT_FOR_TICKET if intents.some_ticket_opens(tx) else WAIT_FOR_TICKET
    if waited and now - delivery.received_at >= longest:
        if astray.is_named_ours(world, hint.external_id):
            astray.notice(tx, world, hint.ticket_id)  # the sweep wakes it
            _settle_in(
                tx, world, delivery.id, reason=f"no case knows ticket {hint.ticket_id}, which was ours"
            )
            return
        _settle_in(tx, world, delivery.id, reason=f"ticket {hint.ticket_id} is none of ours")
        return
    delivery.due_at = now + WAIT_FOR_TICKET


def _settle(world: World, delivery_id: str, state: str, reason: str | None = None) -> None:
    with world.database.write() as tx:
        _settle_in(tx, world, delivery_id, state, reason)


def _settle_in(
    tx: Session, world: World, delivery_id: str, state: str = "done", reason: str | None = None
) -> bool:
    """Settle the delivery with whatever else *tx* writes; False when somebody has."""
    return deliveries.settle(tx, delivery_id, state, world.clock.now(), reason)


def _open_delivery(tx: Session, delivery_id: str) -> Delivery | None:
    """The delivery, if nobody has taken it in; until *tx* ends nobody else can."""
    row = tx.scalars(_DELIVERY, {"wanted": delivery_id}).first()
    return row if row is not None and row.state == "received" else None
