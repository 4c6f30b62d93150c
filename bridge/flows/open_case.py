"""A message becomes a case, or joins one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState, move
from bridge.core.message import SocialMessage
from bridge.flows import cards, close_loop, drafting, erase, writing
from bridge.flows.told import edit_cause
from bridge.flows.world import World
from bridge.routing import language, voice
from bridge.routing.decide import decide
from bridge.routing.model import Decision
from bridge.store import casefile, cases, logbook, messages, threads
from bridge.store.messages import WITHOUT_CASE
from bridge.store.tables import Case, Message, MessageTag

# Made once: SQLAlchemy needs longer to put a statement together than to run it.
_OF_THREAD = cases.locked(
    select(Case)
    .where(
        Case.installation == bindparam("at"),
        Case.network == bindparam("on"),
        Case.brand == bindparam("of"),
        Case.thread_root == bindparam("root"),
        Case.author_id == bindparam("by"),
        # A post that only its team saw is over and done with: the next one is decided on anew.
        Case.with_ticket | (Case.state != CaseState.CLOSED),
    )
    .order_by(Case.opened_at.desc())
    .limit(1)
)
_CASELESS = (
    select(Message)
    .where(
        Message.installation == bindparam("at"),
        Message.network == bindparam("on"),
        Message.account == bindparam("of"),
        Message.thread_root == bindparam("root"),
        Message.author_id == bindparam("by"),
        WITHOUT_CASE,
        Message.deleted_at.is_(None),
        Message.own.is_(False),
    )
    .order_by(Message.posted_at)
)


def consider(world: World, key: str) -> None:
    """Look at the message with the row id *key*, and do what its facts ask for.

    A message opens a case when it carries a tag: a source's, or the mapping's own. A
    later message of the same person in the same thread joins that case, tag or none.
    """
    with world.database.read() as tx:
        row = tx.get(Message, key)
    if row is None or row.due_at is None:
        return
    if erase.must_go(row):
        erase.bodies_of(world, row)
    if row.language is None:
        language.prepare()  # not below: while a transaction is open, the door waits for it
    with world.database.write() as tx:
        threads.hold_of(tx, row)
        row = tx.get(Message, key, with_for_update={"key_share": True})
        case = None if row is None or row.due_at is None else _alone(tx, world, row)
    if case is not None:
        world.wake("work", case.id)


def consider_in(tx: Session, world: World, row: Message) -> tuple[str, str] | None:
    """`consider` *row*, which *tx* has written, in the same transaction; say what is to be woken.

    *tx* holds its thread, see `store.threads`.
    One whose words have to go is considered by itself: what came with them is searched first.
    """
    if erase.must_go(row):
        return consider_later(tx, world, row)
    case = _alone(tx, world, row)
    return None if case is None else ("work", case.id)


def consider_later(_tx: Session, _world: World, row: Message) -> tuple[str, str]:
    """Have *row* considered by itself; say what is to be woken."""
    return "consider", row.id


def _alone(tx: Session, world: World, row: Message) -> Case | None:
    """Consider *row* while nobody considers another message of its thread."""
    threads.require(tx, row)
    case = _settle_place(tx, world, row)
    row.due_at = None
    return case


def _settle_place(tx: Session, world: World, row: Message) -> Case | None:
    """Return the case that has something to do now, if there is one."""
    forgotten = _is_forgotten(tx, world, row)
    if forgotten or not row.complete or row.account is None or row.own or _is_a_brand(world, row):
        return None  # a placeholder waits for its post; our own words open nothing
    tags = messages.tags_of(tx, row)
    message = messages.as_message(row, (tag.name for tag in tags))
    if row.case_id is not None:
        known = cases.lock(tx, row.case_id)
        _take_home(tx, world, known, message)
        go_on = _grow if _outgrown(tx, world, known, row, message) else _changed
        return go_on(tx, world, known, row, message)
    if row.deleted_at is not None or row.account not in world.mappings.current.account_brand:
        return None
    with tx.no_autoflush:  # what is not written yet of the post itself says nothing about cases
        case = _case_of_thread(tx, world, message)
    if case is not None:
        grows = _outgrown(tx, world, case, row, message)
        _join(tx, world, case, row, message)
        return _grow(tx, world, case, row, message) if grows else case
    decision = decide(message, world.mappings.current, world.clock.now())
    if not decision.opens_case:
        return None
    return _open(tx, world, row, message, decision, tags)


def _is_forgotten(tx: Session, world: World, row: Message) -> bool:
    """Whether the post was erased by retention or on request; erases what the network has deleted."""
    if row.deleted_at is None:
        return row.erased_at is not None
    if erase.must_go(row):
        case = cases.lock(tx, row.case_id) if row.case_id else None
        erase.deleted(tx, world, case, row)
    return False


def _is_a_brand(world: World, row: Message) -> bool:
    """Whether one of our brands wrote the post: what one says to another is no customer's complaint."""
    handle = (row.author_handle or "").lstrip("@").casefold()
    return any(
        entry.network == row.network and entry.handle.lstrip("@").casefold() == handle
        for entry in world.mappings.current.accounts.values()
        if entry.handle
    )


def _case_of_thread(tx: Session, world: World, message: SocialMessage) -> Case | None:
    place = {
        "at": world.installation,
        "on": message.network,
        "of": world.mappings.current.account_brand[message.account],
        "root": message.thread,
        "by": message.author.id,
    }
    return tx.scalars(_OF_THREAD, place).first()


def _open(
    tx: Session,
    world: World,
    row: Message,
    message: SocialMessage,
    decision: Decision,
    tags: list[MessageTag],
) -> Case:
    now = world.clock.now()
    account = world.account(message.account)
    if account is None:
        raise ValueError("the account was in the mapping a moment ago")
    light = world.networks[account.network].light(account, message)
    case = Case(
        installation=world.installation,
        network=message.network,
        account=message.account,
        brand=decision.brand,
        thread_root=message.thread,
        author_id=message.author.id,
        route=decision.route,
        queue=decision.queue,
        route_place=str(decision.place),
        reason=decision.reason,
        tags=sorted(decision.tags),
        language=decision.language,
        language_reason=decision.language_reason,
        closing=decision.closing.value,
        priority=decision.priority,
        kind=decision.type,
        ticket_tags=list(decision.ticket_tags),
        with_ticket=decision.ticket,
        light=light.possible,
        light_reason=light.reason,
        mapping_version=decision.mapping_version,
        promise_at=decision.promise_at,
        posted_at=message.posted_at,
        tagged_at=min((tag.tagged_at for tag in tags), default=None),
        received_at=row.received_at,
        opened_at=now,
        due_at=now,  # as what is drafted below would have it: the row is written once
    )
    cases.begin(tx, case)
    cases.take(tx, case, row)
    by = sorted({tag.source for tag in tags}) or ["the mapping's words"]
    came = (
        f"a post by account {message.account}, tagged {', '.join(sorted(decision.tags))} by {', '.join(by)}"
    )
    casefile.tell(tx, case.id, now, "came in", came, message=row.id)
    opened = f"{decision.reason} ({decision.place}) → queue {decision.queue}"
    casefile.tell(tx, case.id, now, "opened", opened, mapping=decision.mapping_version)
    _log(tx, case, "case opened")
    if decision.ticket:
        # Before the card: the first of these is begun at once, and what only waits is written together.
        _ask_for_ticket(tx, world, case, row, now)
    drafting.post_card(tx, case, now)
    drafting.post_copies(tx, case, decision.copies, now)
    if decision.ticket:
        _gather(tx, case, row, now)
    return case


def _ask_for_ticket(tx: Session, world: World, case: Case, row: Message, now: datetime) -> None:
    queue = world.mappings.current.queues[case.queue]
    drafting.register(tx, case, now)
    drafting.open_ticket(tx, case, row, now, number=1)
    zone = world.mappings.current.brands[case.brand].zone
    route = world.route_of(tx, case)
    severity = route.severity if route else None
    hints = voice.hints(case.brand, world.mappings.current)
    note = writing.opening_note(case, queue.owner, queue.next_step, queue.meaning, zone, severity, hints)
    drafting.note(tx, case, "opened:1", note, now)
    if route and route.assignee:
        drafting.assign(tx, case, "assigned:opened", route.assignee, now)


def _outgrown(tx: Session, world: World, case: Case, row: Message, message: SocialMessage) -> bool:
    """Whether a new tag makes a matter for the desk of what only a team was to see."""
    mapping = world.mappings.current
    if case.with_ticket or row.deleted_at is not None or row.account not in mapping.account_brand:
        return False
    if message.tags <= set(case.tags):
        return False
    decision = decide(message, mapping, world.clock.now())
    if not decision.ticket or decision.queue in _kept_off(tx, world, case):
        return False
    other = _case_of_thread(tx, world, message)
    return other is None or other.id == case.id  # else the thread has a ticket


def _kept_off(tx: Session, world: World, case: Case) -> tuple[str, ...]:
    """The queues that posts of the case's route must not come to."""
    route = world.route_of(tx, case)
    return route.never if route else ()


def _grow(tx: Session, world: World, case: Case, row: Message, message: SocialMessage) -> Case:
    """Route a case without a ticket anew: it gets one, and a card for the team that has it now."""
    now = world.clock.now()
    decision = decide(message, world.mappings.current, now)
    kept_off = _kept_off(tx, world, case)
    case.route, case.queue, case.route_place = decision.route, decision.queue, str(decision.place)
    case.reason, case.tags = decision.reason, sorted({*case.tags, *decision.tags})
    case.closing, case.priority, case.kind = decision.closing.value, decision.priority, decision.type
    case.ticket_tags, case.with_ticket = list(decision.ticket_tags), True
    case.mapping_version, case.promise_at = decision.mapping_version, decision.promise_at
    _reopen(tx, world, case, now)
    opened = f"{decision.reason} ({decision.place}) → queue {decision.queue}"
    casefile.tell(tx, case.id, now, "opened", opened, mapping=decision.mapping_version)
    _log(tx, case, "case routed anew, by a tag that came later")
    if cards.current_card(tx, case) is not None:  # else the first is still to be drawn
        drafting.post_card(tx, case, now, cause=f"queue:{case.queue}")
    copies = [queue for queue in decision.copies if queue not in kept_off]
    drafting.post_copies(tx, case, copies, now, cause=f"queue:{case.queue}")
    _ask_for_ticket(tx, world, case, row, now)
    for earlier in messages.of_case(tx, case.id):
        if earlier.id != row.id and earlier.deleted_at is None:
            drafting.pass_on(tx, case, earlier, now)
    return case


def _join(tx: Session, world: World, case: Case, row: Message, message: SocialMessage) -> None:
    """The customer wrote again: the ticket hears it, and a closed case is open again."""
    now = world.clock.now()
    cases.take(tx, case, row)
    casefile.tell(tx, case.id, now, "came in", "the customer wrote again", message=row.id)
    _reopen(tx, world, case, now)
    if case.with_ticket:
        drafting.pass_on(tx, case, row, now)
    cards.show(tx, world, case)


def _gather(tx: Session, case: Case, opener: Message, now: datetime) -> None:
    """What the same person wrote in the thread before somebody tagged it belongs to the case too."""
    place = {
        "at": case.installation,
        "on": case.network,
        "of": case.account,
        "root": case.thread_root,
        "by": case.author_id,
    }
    with tx.no_autoflush:  # that *opener* has a case now is not written yet
        earlier = [row for row in tx.scalars(_CASELESS, place) if row is not opener]
    for row in earlier:
        cases.take(tx, case, row)
        casefile.tell(tx, case.id, now, "came in", "an untagged post of the same thread", message=row.id)
        drafting.pass_on(tx, case, row, now)


def _reopen(tx: Session, world: World, case: Case, now: datetime) -> None:
    close_loop.withdraw(tx, world, case, close_loop.WROTE_AGAIN)
    if case.state == CaseState.OPEN or not case.with_ticket:
        return
    case.state = move(CaseState(case.state), CaseState.OPEN).value
    case.receipt = case.receipt_url = case.receipt_reason = case.closed_at = case.solved_at = None
    casefile.tell(tx, case.id, now, "reopened", "the customer wrote again")
    _log(tx, case, "case reopened")


def _log(tx: Session, case: Case, what: str) -> None:
    place = {"network": case.network, "route": case.route or "fallback", "queue": case.queue}
    logbook.note(tx, what, case=case.id, **place)


def _take_home(tx: Session, world: World, case: Case, message: SocialMessage) -> None:
    """Give a case that a relay brought to the brand's account on its network, which can answer there."""
    native = world.senders(case.network).native
    account = world.account(message.account)
    if case.account in native or message.account not in native or account is None:
        return
    other = _case_of_thread(tx, world, message)
    if account.brand != case.brand or (other is not None and other.id != case.id):
        return
    light = world.networks[account.network].light(account, message)
    case.account, case.thread_root = message.account, message.thread
    case.light, case.light_reason = light.possible, light.reason
    casefile.tell(tx, case.id, world.clock.now(), "account", f"{account.key} has the post too, and answers")


def _changed(tx: Session, world: World, case: Case, row: Message, message: SocialMessage) -> Case | None:
    """A message of a case was edited or deleted: whoever works on it is told, once per version."""
    now = world.clock.now()
    if row.deleted_at is not None:
        drafting.note(tx, case, f"deleted:{row.id}", writing.deleted_note(), now)
    elif row.edited_at is not None and not drafting.is_told(tx, case, row):
        cause = f"{edit_cause(row)}{row.edited_at.isoformat()}"
        drafting.note(tx, case, cause, writing.edited_post(message), now)
        close_loop.edited(tx, world, case, row)
    elif not _retagged(tx, world, case, row, message):
        return None
    cards.show(tx, world, case)
    return case


def _retagged(tx: Session, world: World, case: Case, row: Message, message: SocialMessage) -> bool:
    """A new tag moves no case that people work on; they, and the team it would go to, are told."""
    mapping = world.mappings.current
    if row.account not in mapping.account_brand or set(message.tags) <= set(case.tags):
        return False
    now = world.clock.now()
    decision = decide(message, mapping, now)
    tags = ", ".join(sorted(decision.tags - set(case.tags)))
    case.tags = sorted({*case.tags, *decision.tags})
    casefile.tell(tx, case.id, now, "tagged", tags, message=row.id)
    _tell_of_tag(tx, world, case, decision, tags, now)
    if decision.queue == case.queue:
        return True
    never = case.route if decision.queue in _kept_off(tx, world, case) else None
    text = writing.retagged_note(tags, decision.queue, decision.reason, never)
    drafting.note(tx, case, f"retagged:{row.id}:{tags}"[:255], text, now)
    drafting.post_note(tx, case, f"retagged:{row.id}:{tags}"[:255], text, now)
    return True


def _tell_of_tag(tx: Session, world: World, case: Case, decision: Decision, tags: str, now: datetime) -> None:
    """The team that would have the case now, and those that its route tells, hear of it once."""
    here = world.route_of(tx, case)
    told = {case.queue, *_kept_off(tx, world, case), *(here.copies if here else ())}
    more = [queue for queue in (decision.queue, *decision.copies) if queue not in told]
    drafting.post_copies(tx, case, more, now, cause="retagged", tags=tags)
