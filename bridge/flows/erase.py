"""Taking back what a case has said, and what a network deleted: here, and outside as far as it goes.

What stands outside is taken back by intents, carried out like all others, and what the outside does
not let us take back is written into the proof of the erasure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.core.case import CaseState, Receipt
from bridge.core.intent import UNSENT, Effect, IntentState
from bridge.flows import cards, drafting, ending
from bridge.flows.world import World
from bridge.store import casefile, cases, erasure, intents, lanes, messages
from bridge.store.tables import CardRow, Case, CustomerRow, Erasure, Intent, Message, TicketRow

DELETED = "deleted"
ERASED = "erased"
ON_REQUEST = "erased on request"
GONE_ON_THE_NETWORK = "the customer deleted the post"
# Causes of the updates that bring a customer's own words to a ticket.
_WITH_WORDS = ("message:", "edited:")
REDACTIONS = frozenset(
    {Effect.REDACT_COMMENT, Effect.REDACT_TICKET, Effect.ERASE_CUSTOMER, Effect.BLANK_POST}
)
# A body may have been written down shortly before its message.
MARGIN = timedelta(minutes=1)


def take_back(tx: Session, world: World, case: Case, proof: str) -> list[str]:
    """Refuse what waits, end the case, and draft what takes its words back outside; what remains of it."""
    now = world.clock.now()
    _refuse_waiting(tx, case, now)
    casefile.tell(tx, case.id, now, ERASED, "on request: the words and names of this customer are gone")
    if case.state != CaseState.CLOSED:
        # Nobody knows any more whom to answer.
        ending.close(tx, world, case, Receipt.CUSTOMER_GONE, reason=ON_REQUEST)
    else:
        cards.show(tx, world, case)
    settled = intents.of_case(tx, case.id)
    for intent in settled:
        _redact(tx, case, intent, proof, now)
    _blank_posts(tx, case, settled, proof, now)
    customer = drafting.known_customer(tx, case)
    if customer is not None:
        _erase_customer(tx, world, case, customer, proof, now)
    tickets = cases.rows(tx, TicketRow, case.id)
    if not tickets:
        _refuse_waiting(tx, case, now, Effect.UPDATE_TICKET)
    if cards.current_card(tx, case) is None:
        _refuse_waiting(tx, case, now, Effect.UPDATE_CARD)
    return [
        f"ticket {row.ticket_id}: what agents wrote, its audits, and what was mailed or merged from it"
        for row in tickets
    ]


def _refuse_waiting(tx: Session, case: Case, now: datetime, only: Effect | None = None) -> None:
    for intent in intents.of_case(tx, case.id, UNSENT):
        if intent.effect in REDACTIONS or (only is not None and intent.effect != only):
            continue
        intents.advance(intent, IntentState.REFUSED, reason=ERASED)
        intent.decided_by, intent.settled_at = "the bridge", now


def _redact(tx: Session, case: Case, source: Intent, proof: str, now: datetime) -> None:
    """Have the words that *source* brought to a ticket redacted, if it brought any."""
    if source.state != IntentState.CONFIRMED and not erasure.may_have_been_sent(source):
        return
    if source.effect == Effect.OPEN_TICKET:
        _draft(tx, case, Effect.REDACT_COMMENT, source.id, proof, now, of=source.id)
        _draft(tx, case, Effect.REDACT_TICKET, source.id, proof, now, of=source.id)
    elif source.effect == Effect.UPDATE_TICKET and source.cause.startswith(_WITH_WORDS):
        ticket_id = (source.payload or {}).get("ticket_id") or _first_ticket(tx, case)
        if ticket_id is not None:
            _draft(tx, case, Effect.REDACT_COMMENT, source.id, proof, now, of=source.id, ticket_id=ticket_id)


def _first_ticket(tx: Session, case: Case) -> str | None:
    """Where a comment was, once retention has blanked what the ledger knew of it."""
    return next((row.ticket_id for row in cases.rows(tx, TicketRow, case.id)), None)


def _blank_posts(tx: Session, case: Case, settled: Collection[Intent], proof: str, now: datetime) -> None:
    """Earlier cards, which are never drawn anew, and the notes under cards."""
    current = cards.current_card(tx, case)
    earlier = cases.rows(tx, CardRow, case.id)
    places = [(row.channel, row.message_id) for row in earlier if current is None or row.id != current.id]
    where = current.channel if current is not None else None
    for intent in settled:
        channel = (intent.payload or {}).get("channel", where)
        if intent.effect == Effect.POST_NOTE and intent.outcome_id and channel:
            places.append((channel, intent.outcome_id))
    for channel, message_id in places:
        target = f"{channel}:{message_id}"
        _draft(tx, case, Effect.BLANK_POST, target, proof, now, channel=channel, id=message_id)


def _erase_customer(
    tx: Session, world: World, case: Case, customer: CustomerRow, proof: str, now: datetime
) -> None:
    hidden = erasure.pseudonym(world.installation, case.network, case.author_id)
    target = f"{case.network}:{hidden}"
    _draft(tx, case, Effect.ERASE_CUSTOMER, target, proof, now, requester_id=customer.requester_id)


def _draft(
    tx: Session, case: Case, effect: Effect, target: str, proof: str, now: datetime, **content: str
) -> None:
    lane = lanes.TEAM if effect is Effect.BLANK_POST else lanes.DESK
    content["erasure"] = proof
    intents.draft(
        tx, case, effect, target=target, cause=f"erasure:{proof}", lane=lane, at=now, content=dict(content)
    )


def bodies(world: World, *, until: datetime, since: datetime | None = None) -> Iterator[list[Any]]:
    """The deliveries with a body, some hundred at a time: see `erasure.bodies_between`."""
    after: tuple[datetime, str] | None = None
    while True:
        with world.database.read() as tx:
            page = erasure.bodies_between(tx, after, until, since)
        if not page:
            return
        yield page
        after = (page[-1].received_at, page[-1].id)


def bodies_of(world: World, row: Message) -> None:
    """Blank the bodies that brought the deleted post *row*, or show it (a press on its card)."""
    needles = [one for one in (row.global_id, row.case_id) if one]

    def is_meant(body: bytes) -> bool:
        text = erasure.text_of(body).replace("\\/", "/")
        return any(needle in text for needle in needles)

    for page in bodies(world, until=world.clock.now(), since=row.received_at - MARGIN):
        ids = [one.id for one in page if is_meant(one.body)]
        if ids:
            with world.database.write() as tx:
                erasure.blank_bodies(tx, ids)


def must_go(row: Message) -> bool:
    """Whether the network has deleted the post since it was erased last, if it ever was."""
    return row.deleted_at is not None and (row.erased_at is None or row.erased_at < row.deleted_at)


def deleted(tx: Session, world: World, case: Case | None, row: Message) -> None:
    """The network deleted the post: its words and names go, here and outside. The ids stay.

    The case needs them until its end: which post is gone, and who must still be answered.
    """
    now = world.clock.now()
    words = [one for one in (row.text, row.permalink, *_addresses(row)) if one]
    erasure.blank(row, now)
    row.erased_at = now  # later than any retention: see `must_go`
    quoting = select(Message).where(
        Message.installation == row.installation,
        Message.network == row.network,
        Message.account == row.account,
        Message.thread_root == row.thread_root,
        Message.parent_id == row.global_id,
    )
    answers = list(tx.scalars(quoting))
    for answer in answers:
        words += [answer.parent_text] if answer.parent_text else []  # of an earlier version, perhaps
        answer.parent_text = None
    if not row.complete:
        return
    counts = {"messages": 1}
    proof = erasure.record(
        tx, installation=row.installation, at=now, cause=DELETED, by="the network", network=row.network
    )
    if case is not None:
        counts["intents"] = _take_back_one(tx, world, case, row, words, proof, now)
        counts["intents"] += _unquote(tx, case, answers)
    proof.counts = counts


def _take_back_one(
    tx: Session,
    world: World,
    case: Case,
    row: Message,
    words: Collection[str],
    proof: Erasure,
    now: datetime,
) -> int:
    number = 0
    posts = messages.of_case(tx, case.id)
    for intent in intents.of_case(tx, case.id):
        about = _is_about(intent, row, first=posts[0].id == row.id)
        waits = intent.state in UNSENT
        sent = erasure.may_have_been_sent(intent)
        if about and waits and intent.effect == Effect.UPDATE_TICKET:
            intents.advance(intent, IntentState.REFUSED, reason=GONE_ON_THE_NETWORK)
            intent.decided_by, intent.settled_at = "the bridge", now
        elif about and waits and not sent and intent.effect == Effect.OPEN_TICKET:
            intent.payload = None  # nothing was sent: it is drawn up anew, without the words
        elif about:
            _redact(tx, case, intent, proof.id, now)
        if about and IntentState(intent.state).is_final:
            erasure.blank_intent(intent)
        elif about and intent.payload is not None:
            erasure.blank_later(intent)
        # None of these by their text: an earlier version of the post had another.
        shown = _off_the_card(intent) or _off_the_reply(intent, row)
        number += erasure.rewrite(intent, lambda kept: erasure.without(kept, words)) or shown or about
        if erasure.quotes(intent):
            erasure.remains_too(tx, proof.id, erasure.QUOTED)
            ask_about_quote(tx, world, case, intent)
    current = cards.current_card(tx, case)
    for card in cases.rows(tx, CardRow, case.id):
        if current is None or card.id == current.id:
            continue
        target = f"{card.channel}:{card.message_id}"
        _draft(tx, case, Effect.BLANK_POST, target, proof.id, now, channel=card.channel, id=card.message_id)
    return number


def _is_about(intent: Intent, row: Message, *, first: bool) -> bool:
    """Whether *intent* brings the post *row* to the desk; retention may have blanked its draft."""
    if intent.effect == Effect.REGISTER_CUSTOMER:
        return first  # it brought the name that stood on it
    if intent.effect == Effect.OPEN_TICKET:
        return first if "message" not in intent.draft else intent.draft["message"] == row.id
    _, _, of_post = intent.cause.partition(":")
    is_update = intent.effect == Effect.UPDATE_TICKET and intent.cause.startswith(_WITH_WORDS)
    return is_update and of_post.partition(":")[0] == row.id


def _off_the_card(intent: Intent) -> bool:
    """A card that was shown keeps its state and nobody's words; one that was not is drawn anew."""
    if intent.effect not in (Effect.POST_CARD, Effect.UPDATE_CARD):
        return False
    if IntentState(intent.state).is_final:
        return erasure.blank_card(intent)
    if intent.state not in UNSENT or intent.payload is None:
        return False  # on its way: `effects.team` blanks it when it is settled
    intent.payload = None
    return True


def _off_the_reply(intent: Intent, row: Message) -> bool:
    return intent.effect == Effect.REPLY and erasure.blank_target(intent, row.global_id)


def _unquote(tx: Session, case: Case, answers: Collection[Message]) -> int:
    """What brought *answers* to the desk quotes what they answer; settled, nobody needs it any more."""
    number = 0
    for intent in intents.of_case(tx, case.id):
        opens = intent.effect == Effect.OPEN_TICKET  # what brings a later post quotes nothing
        quotes = opens and any(_is_about(intent, answer, first=False) for answer in answers)
        if quotes and IntentState(intent.state).is_final and intent.payload is not None:
            erasure.blank_intent(intent)
            number += 1
    return number


def ask_about_quote(tx: Session, world: World, case: Case, intent: Intent) -> None:
    """A reply that quotes what was erased does not leave by itself; whoever is asked about it knows."""
    why = erasure.QUOTES_WHY
    if intent.state == IntentState.APPROVED:
        now = world.clock.now()
        intents.advance(intent, IntentState.HELD, reason=why)
        casefile.tell(tx, case.id, now, "held", f"{intents.named(intent)}: {why}", intent=intent.id)
        drafting.note_waiting(tx, case, intent, why, now)
    elif IntentState(intent.state).needs_person and why not in (intent.reason or ""):
        # Another question than the one that was asked: see `intents.advance`.
        intents.advance(intent, IntentState(intent.state), reason=f"{intent.reason or ''} {why}".strip())


def _addresses(row: Message) -> list[str]:
    return [str(one.get("url", "")) for one in row.attachments]
