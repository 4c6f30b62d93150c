"""Effects on the help desk."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from bridge.core.desk import Customer, TicketDraft, TicketUpdate
from bridge.core.intent import UNSETTLED, Effect, IntentState
from bridge.core.ports import Desk
from bridge.errors import VendorBusyError, VendorError, VendorGoneError
from bridge.flows import cards, drafting, writing
from bridge.flows.recipe import Outcome, Recipe
from bridge.store import casefile, cases, deliveries, intents, messages, tickets
from bridge.store.ids import new_id
from bridge.store.insert import insert_new
from bridge.store.tables import Case, CustomerRow, Intent, Message, TicketRow

# The desk keeps an idempotency key for two hours; the margin is for clocks.
KEY_LASTS = timedelta(minutes=110)

_customer = TypeAdapter(Customer)
_ticket = TypeAdapter(TicketDraft)
_update = TypeAdapter(TicketUpdate)


class DeskRecipe(Recipe):
    @property
    def desk(self) -> Desk:
        if self.world.desk is None:
            raise VendorBusyError("desk", "any call", "it is not set up")
        return self.world.desk


class RegisterCustomer(DeskRecipe):
    """Create or update the requester: safe to repeat, so never looked for."""

    def covered(self, intent: Intent, at: datetime) -> bool:
        return True

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        first = messages.of_case(tx, case.id)[0]
        names = (first.author_name, first.author_handle)
        name = next((name for name in names if name and not name.isspace()), "Customer")
        payload: dict[str, Any] = _customer.dump_python(
            Customer(drafting.customer_external_id(case), name), mode="json"
        )
        return payload

    def send(self, intent: Intent) -> Outcome:
        return Outcome(self.desk.register_customer(_customer.validate_python(intent.payload)))

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        return None

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        if "requester_id" in intent.draft:
            drafting.replace_requester(tx, case, intent.draft["requester_id"], outcome.id)
        # The same person may have been registered for another case meanwhile: that row stays.
        insert_new(
            tx,
            CustomerRow,
            id=new_id(),
            installation=case.installation,
            network=case.network,
            author_id=case.author_id,
            requester_id=outcome.id,
            registered_at=self.world.clock.now(),
        )
        # A user's id is no object of this case alone: it must not be claimed.
        intent.outcome_id = None


class OpenTicket(DeskRecipe):
    def covered(self, intent: Intent, at: datetime) -> bool:
        return intent.first_sent_at is not None and at < intent.first_sent_at + KEY_LASTS

    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        requester_id = drafting.requester_of(tx, case)
        return requester_id is not None and not drafting.is_gone(tx, case, requester_id)

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        requester_id = drafting.requester_of(tx, case)
        if requester_id is None:
            raise ValueError("ready() comes before freeze()")
        message = messages.as_message(messages.one(tx, case, intent.draft["message"]))
        mapping = self.world.mappings.version(tx, case.mapping_version)
        queue, brand = mapping.queues[case.queue], mapping.brands[case.brand]
        route = mapping.route(case.route)
        severity = {f"severity-{route.severity}"} if route and route.severity else set()
        draft = TicketDraft(
            external_id=f"{case.installation}:{case.id}:{intent.draft['number']}",
            requester_id=requester_id,
            subject=writing.subject(message, self.world.label(case.network, case.account)),
            text=writing.first_post(message, self.world.label(case.network, case.account)),
            tags=tuple(sorted({*case.tags, *case.ticket_tags, *severity})),
            group=queue.group,
            priority=case.priority,
            type=case.kind,
            brand=brand.desk_brand,
            fields={
                **(route.fields if route else {}),
                "network": case.network,
                "permalink": message.permalink or "",
            },
            follow_up_of=intent.draft["follow_up_of"],
        )
        payload: dict[str, Any] = _ticket.dump_python(draft, mode="json")
        return payload

    def send(self, intent: Intent) -> Outcome:
        ref = self.desk.open_ticket(_ticket.validate_python(intent.payload), intent.id)
        return Outcome(ref.id, {"url": ref.url})

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        ref = self.desk.find_ticket(_ticket.validate_python(intent.payload).external_id)
        return None if ref is None else Outcome(ref.id, {"url": ref.url})

    def at_address(self, url: str) -> Outcome | None:
        ref = self.desk.locate(url)
        return None if ref is None else Outcome(ref.id, {"url": ref.url})

    def confirmed(self, tx: Session, case: Case, intent: Intent, outcome: Outcome) -> None:
        now = self.world.clock.now()
        payload = _ticket.validate_python(intent.payload)
        found_late = outcome.found or intent.attempts > 1
        cases.add(
            tx,
            case,
            TicketRow(
                installation=case.installation,
                case_id=case.id,
                number=intent.draft["number"],
                ticket_id=outcome.id,
                url=outcome.data["url"],
                requester_id=payload.requester_id,
                state="current",
                opened_at=now,
                # Somebody may have been faster than our record of the answer.
                hinted_at=now if found_late or deliveries.some_are_tried_again(tx) else None,
            ),
        )
        case.ticket_opened_at = case.ticket_opened_at or now
        for update in intents.of_case(tx, case.id):
            if update.effect == Effect.UPDATE_TICKET and update.state == IntentState.APPROVED:
                update.due_at = now
        intents.wake_case(case, now)
        cards.show(tx, self.world, case)

    def refused(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        """The requester was deleted or merged away in the desk: register the customer anew, once."""
        if not isinstance(error, VendorGoneError) or "instead_of" in intent.draft:
            return
        now, requester_id = self.world.clock.now(), _ticket.validate_python(intent.payload).requester_id
        intent.decided_by = "the bridge"  # nobody has to look at it: another one takes its place
        casefile.tell(tx, case.id, now, "desk", f"requester {requester_id} is gone: registered anew")
        drafting.register_anew(tx, case, requester_id, now)
        openings = (one for one in intents.of_case(tx, case.id) if one.effect == Effect.OPEN_TICKET)
        number = max(one.draft["number"] for one in openings) + 1
        message, source = tx.get_one(Message, intent.draft["message"]), intent.draft["follow_up_of"]
        drafting.open_ticket(tx, case, message, now, number, follow_up_of=source, instead_of=intent.id)


class UpdateTicket(DeskRecipe):
    settle = timedelta(seconds=15)  # no key of ours keeps a second one away: a slow desk has this long
    can_be_gone = True

    def ready(self, tx: Session, case: Case, intent: Intent) -> bool:
        if intent.payload is not None or "ticket_id" in intent.draft:
            return True
        ticket = cards.current_ticket(tx, case)
        # A closed ticket is tried only while no follow-up is on its way: the desk's "no" asks for one.
        return ticket is not None and (ticket.state == "current" or not follow_up_on_its_way(tx, case))

    def freeze(self, tx: Session, case: Case, intent: Intent) -> dict[str, Any]:
        ticket = cards.current_ticket(tx, case)
        content = intent.draft
        if ticket is None and "ticket_id" not in content:
            raise ValueError("ready() comes before freeze()")
        update = TicketUpdate(
            ticket_id=content.get("ticket_id") or (ticket.ticket_id if ticket else ""),
            text=content.get("text"),
            public=content.get("public", False),
            author_id=ticket.requester_id if ticket and content.get("message") else None,
            assignee_email=content.get("assignee_email"),
        )
        payload: dict[str, Any] = _update.dump_python(update, mode="json")
        return payload

    def send(self, intent: Intent) -> Outcome:
        return Outcome(self.desk.update_ticket(_update.validate_python(intent.payload), intent.id))

    def look(self, intent: Intent, claimed: Collection[str]) -> Outcome | None:
        found = self.desk.find_update(_update.validate_python(intent.payload).ticket_id, intent.id)
        return None if found is None else Outcome(found)

    def lost(self, tx: Session, case: Case, intent: Intent, error: VendorError | None) -> None:
        """The ticket takes nothing any more: what the customer wrote goes on elsewhere."""
        if "ticket_id" in intent.draft:
            return  # none of the case's own
        now = self.world.clock.now()
        gone = _update.validate_python(intent.payload).ticket_id
        rows = cases.rows(tx, TicketRow, case.id)
        ticket = next(row for row in rows if row.ticket_id == gone)
        news = ticket.state == "current"
        if news:
            # Closed, merged or deleted: reading it tells which, and comes before the next try.
            ticket.state = "closed"
            tickets.hint(ticket, now)
        if intent.draft.get("message") is None:
            return
        message = tx.get_one(Message, intent.draft["message"])
        newer = any(row.state == "current" for row in rows)
        if news or newer or follow_up_on_its_way(tx, case):
            drafting.pass_on(tx, case, message, now, again=f":{intent.id}")
            return
        number = max(row.number for row in rows) + 1
        what = f"ticket {gone} is {ticket.state}: the post opens a follow-up"
        casefile.tell(tx, case.id, now, "follow-up", what)
        source = gone if ticket.state == "closed" else None
        drafting.open_ticket(tx, case, message, now, number, follow_up_of=source)
        drafting.note(tx, case, f"opened:{number}", writing.follow_up_note(case, gone), now)


def follow_up_on_its_way(tx: Session, case: Case) -> bool:
    """Whether the case may still get another ticket by an intent of ours."""
    return any(intent.effect == Effect.OPEN_TICKET for intent in intents.of_case(tx, case.id, UNSETTLED))
