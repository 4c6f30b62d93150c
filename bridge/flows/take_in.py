"""A recorded delivery becomes facts: messages and tags, a hint about a ticket, a press."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.message import InboundEvent
from bridge.errors import UnreadablePayloadError, UnsupportedEventError, VendorError
from bridge.flows import open_case, press
from bridge.flows.world import World
from bridge.routing import language
from bridge.store import casefile, cases, erasure, intents, messages, tickets
from bridge.store.tables import Delivery, Message, TicketRow

log = logging.getLogger(__name__)

DESK_SOURCE = "zendesk"
TEAM_SOURCE = "slack"
TRIES = 6
UNKNOWN_TICKET_TRIES = 1


def take_in(world: World, key: str) -> None:
    """Understand the delivery with the row id *key*. Harmless when it is done already."""
    with world.database.read() as tx:
        delivery = tx.get(Delivery, key)
    if delivery is None or delivery.state != "received":
        return
    try:
        _understand(world, delivery)
    except UnreadablePayloadError as error:
        _settle(world, key, "unreadable", str(error))
    except UnsupportedEventError as error:
        _settle(world, key, "unwanted", str(error))
    except VendorError as error:
        put_off(world, key, str(error))


def put_off(world: World, key: str, reason: str) -> None:
    """Try the delivery again later; after some tries it waits for ``bridge delivery replay``."""
    with world.database.write() as tx:
        delivery = tx.get(Delivery, key)
        if delivery is None or delivery.state != "received":
            return
        delivery.attempts += 1
        delivery.reason = reason
        delivery.due_at = world.clock.now() + timedelta(seconds=2**delivery.attempts)
        if delivery.attempts >= TRIES:
            delivery.state = "failed"
            log.error("delivery %s from %s failed for good: %s", key, delivery.source, reason)


def _understand(world: World, delivery: Delivery) -> None:
    if delivery.body is None:
        _settle(world, delivery.id, "done", "its words were erased")
        return
    body = delivery.body
    if delivery.source == DESK_SOURCE:
        _hear_hint(world, delivery.id, world.read_hint(body))
    elif delivery.source == TEAM_SOURCE:
        _obey(world, delivery, body)
    else:
        _take_events(world, delivery, body)


def _obey(world: World, delivery: Delivery, body: bytes) -> None:
    """A press may ask vendors, so no transaction holds its place meanwhile: a lease does."""
    with world.lease(f"delivery:{delivery.id}") as lease:
        if lease is None:
            return
        press.obey(world, world.read_press(body))
        _settle(world, delivery.id, "done")


def _take_events(world: World, delivery: Delivery, body: bytes) -> None:
    account = world.account(delivery.account)
    if account is None:
        raise UnreadablePayloadError(f"account {delivery.account} is in no mapping file any more")
    events = world.networks[delivery.source].normalise(account, body, delivery.received_at)
    if not all(event.message and event.message.language for event in events):
        language.prepare()  # not below: while a transaction is open, the door waits for it
    with world.database.write() as tx:
        if not _is_open(tx, delivery.id):
            return
        rows = list(dict.fromkeys(_take_event(tx, world, event) for event in events))
        _finish(tx, world, delivery.id, "done")
        if any(row.erased_at is not None or erasure.is_erased(row.parent_id) for row in rows):
            # What was erased came once more, or is quoted: what it says is not kept a second time.
            erasure.hide_delivery(tx.get_one(Delivery, delivery.id))
        # At once where that goes well; else each message is considered by itself, later again.
        woken = [open_case.consider_in(tx, world, row) for row in rows]
    for flow, key in filter(None, woken):
        world.wake(flow, key)


def _take_event(tx: Session, world: World, event: InboundEvent) -> Message:
    native = world.native_accounts(event.network)
    row = messages.apply(tx, world.installation, event, world.clock.now(), native)
    if row.case_id is not None:
        what = (
            f"{event.kind}: {', '.join(tag.name for tag in event.tags)}" if event.tags else event.kind.value
        )
        casefile.tell(tx, row.case_id, world.clock.now(), "came in", what, message=row.id)
    return row


def _hear_hint(world: World, delivery_id: str, ticket_id: str) -> None:
    with world.database.write() as tx:
        if not _is_open(tx, delivery_id):
            return
        now = world.clock.now()
        ticket = tx.scalars(
            select(TicketRow).where(
                TicketRow.installation == world.installation, TicketRow.ticket_id == ticket_id
            )
        ).first()
        if ticket is None:
            _wait_for_ticket(tx, world, delivery_id, ticket_id)
            return
        case = cases.lock(tx, ticket.case_id)
        tx.refresh(ticket)
        tickets.hint(ticket, now)
        intents.wake_case(case, now)
        _finish(tx, world, delivery_id, "done")
    world.wake("work", case.id)


def _wait_for_ticket(tx: Session, world: World, delivery_id: str, ticket_id: str) -> None:
    """An agent can be faster than our record of the desk's answer: a ticket of ours is known in a moment."""
    delivery = tx.get_one(Delivery, delivery_id)
    if delivery.attempts >= UNKNOWN_TICKET_TRIES:
        _finish(tx, world, delivery_id, "done", f"ticket {ticket_id} is none of ours")
        return
    delivery.attempts += 1
    delivery.due_at = world.clock.now() + timedelta(seconds=1)


def _settle(world: World, delivery_id: str, state: str, reason: str | None = None) -> None:
    with world.database.write() as tx:
        if _is_open(tx, delivery_id):
            _finish(tx, world, delivery_id, state, reason)


def _is_open(tx: Session, delivery_id: str) -> bool:
    """Whether nobody has taken the delivery in; until *tx* ends nobody else can."""
    query = select(Delivery).where(Delivery.id == delivery_id).with_for_update()
    row = tx.scalars(query.execution_options(populate_existing=True)).first()
    return row is not None and row.state == "received"


def _finish(tx: Session, world: World, delivery_id: str, state: str, reason: str | None = None) -> None:
    delivery = tx.get_one(Delivery, delivery_id)
    delivery.state, delivery.reason, delivery.done_at = state, reason, world.clock.now()
