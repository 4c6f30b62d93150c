"""The team's card: one per case, redrawn from the tables whenever something visible changes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bridge.core.card import Action, Ask, Card
from bridge.core.case import CaseState
from bridge.core.intent import MOVING, Effect, IntentState
from bridge.flows.world import World
from bridge.store import cases, intents, lanes, messages
from bridge.store.lanes import TEAM
from bridge.store.tables import CardRow, Case, Intent, Message, TicketRow


def show(tx: Session, world: World, case: Case) -> None:
    """Have the case's card show what the tables say now."""
    show_at(tx, case, world.clock.now())


def show_at(tx: Session, case: Case, at: datetime) -> None:
    """The same, for a command that knows the tables only.

    An update that nobody has begun to send will be drawn when it is sent, so one is enough.
    """
    known = intents.of_case(tx, case.id)
    drawings = [i for i in known if i.effect in (Effect.UPDATE_CARD, Effect.POST_CARD)]
    if any(i.state == IntentState.APPROVED and i.payload is None for i in drawings):
        return
    number = len([i for i in drawings if i.effect == Effect.UPDATE_CARD])
    intents.draft(
        tx,
        case,
        Effect.UPDATE_CARD,
        target=case.id,
        cause=f"drawing:{number + 1}",
        lane=TEAM,
        at=at,
    )


def draw(tx: Session, world: World, case: Case) -> Card:
    """The case as its team should see it now."""
    mapping = world.mappings.current
    posts = messages.of_case(tx, case.id)
    first = posts[0]
    brand = mapping.brands.get(case.brand)
    queue = mapping.queues.get(case.queue)
    route = world.route_of(tx, case)
    copies = route.copies if route else ()
    ticket = current_ticket(tx, case)
    waiting = intents.waiting_for_a_person(tx, case.id)
    paused = _paused(tx, world, case)
    author = f"{first.author_name} ({first.author_handle})" if first.author_name else first.author_handle
    return Card(
        case_id=case.id,
        title=case.route or "no route",
        stage=_stage(case, bool(waiting), paused is not None),
        brand=brand.name if brand else case.brand,
        network=world.label(case.network, case.account),
        author=author or "",
        text=_words_of(first),
        route=case.route or "fallback",
        queue=queue.label if queue else case.queue,
        permalink=first.permalink,
        priority=case.priority,
        ticket_id=ticket.ticket_id if ticket else None,
        ticket_url=ticket.url if ticket else None,
        promise_at=case.promise_at,
        zone=brand.zone if brand else "UTC",
        light=case.light_reason,
        claimed_by=case.claimed_by,
        receipt=_receipt(case),
        receipt_url=case.receipt_url,
        next_step=queue.next_step if queue and _asks_for_somebody(case) else None,
        timeline=_timeline(case, len(posts) - 1, paused),
        asks=tuple(_ask(intent) for intent in waiting) + _refusals(tx, case),
        actions=(Action.CLAIM, Action.WHY)
        if _asks_for_somebody(case) and not case.claimed_by
        else (Action.WHY,),
        severity=route.severity if route else None,
        copies=tuple(other.label if (other := mapping.queues.get(key)) else key for key in copies),
    )


def _words_of(post: Message) -> str:
    if post.deleted_at is not None:
        return "(deleted by the customer)"
    return "(erased)" if post.erased_at is not None else post.text or ""


def current_ticket(tx: Session, case: Case) -> TicketRow | None:
    """The ticket that stands for the case: the newest that is not closed, else the newest."""
    rows = [row for row in reversed(cases.rows(tx, TicketRow, case.id)) if row.state != "merged"]
    return next((row for row in rows if row.state == "current"), rows[0] if rows else None)


def current_card(tx: Session, case: Case) -> CardRow | None:
    """The card that is drawn anew: the newest."""
    rows = cases.rows(tx, CardRow, case.id)
    return rows[-1] if rows else None


def asks(tx: Session, case: Case) -> bool:
    """Whether there is a card to ask a person on, or one on its way."""
    if current_card(tx, case) is not None:
        return True
    return any(intent.effect == Effect.POST_CARD for intent in intents.of_case(tx, case.id, MOVING))


def _paused(tx: Session, world: World, case: Case) -> str | None:
    """Why words that may leave do not: since when everything public is paused, and the reason."""
    if not any(Effect(intent.effect).is_public for intent in intents.of_case(tx, case.id, MOVING)):
        return None
    parked = lanes.parked(tx, world.clock.now()).get(lanes.PUBLIC)
    return None if parked is None else parked.said


def _stage(case: Case, waits: bool, paused: bool) -> str:
    if waits:
        return "waits for a person"
    if paused:
        return "waits for the end of the pause"
    if case.state == CaseState.CLOSED and case.with_ticket:
        return "closed"
    if case.state == CaseState.SOLVED:
        return "solved, closing"
    if case.first_public_word_at:
        return "answered"
    return "claimed" if case.claimed_at else "opened" if case.with_ticket else "for this team"


def _asks_for_somebody(case: Case) -> bool:
    """A case without a ticket owes the public nothing, but its team has something to do with it."""
    return case.state == CaseState.OPEN or not case.with_ticket


def _receipt(case: Case) -> str | None:
    if case.receipt is None:
        return None
    return f"{case.receipt}: {case.receipt_reason}" if case.receipt_reason else case.receipt


def _timeline(case: Case, posts_after_first: int, paused: str | None) -> tuple[str, ...]:
    stages = (
        ("posted", case.posted_at),
        ("tagged", case.tagged_at),
        ("ticket opened", case.ticket_opened_at),
        ("claimed", case.claimed_at),
        ("first public word", case.first_public_word_at),
        ("solved", case.solved_at),
        ("closed", case.closed_at),
    )
    lines = [f"{name} {at:%d %b %H:%M} UTC" for name, at in stages if at is not None]
    if posts_after_first:
        lines.append(f"the customer wrote {posts_after_first} more")
    if paused:
        lines.append(f"nothing leaves: {paused}")
    return tuple(lines)


def _ask(intent: Intent) -> Ask:
    payload = intent.payload or {}
    if intent.effect == Effect.REPLY:
        text = str(payload.get("text", ""))
        actions: tuple[Action, ...] = (Action.APPROVE, Action.REFUSE, Action.THERE_ALREADY)
    else:
        text = intents.named(intent)
        actions = (Action.APPROVE, Action.REFUSE)
    return Ask(
        intent_id=intent.id,
        text=text,
        reason=intent.reason or "",
        actions=actions,
        question=intents.question(intent),
    )


def _refusals(tx: Session, case: Case) -> tuple[Ask, ...]:
    """What a vendor refused: nothing to press, but somebody has to know."""
    return tuple(
        Ask(
            intent_id=intent.id,
            text=f"Refused: {intents.named(intent)}",
            reason=intent.reason,
            actions=(),
        )
        for intent in intents.of_case(tx, case.id, [IntentState.REFUSED])
        if intent.reason
        and intent.decided_by is None
        and (intent.lane != TEAM or intent.effect == Effect.POST_COPY)
    )
