"""Zendesk as the flows see it: the port ``bridge.core.ports.Desk``."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from itertools import islice

from zenpy.lib.api_objects import User

from bridge.core.desk import (
    Changes,
    Customer,
    Ticket,
    TicketDraft,
    TicketRef,
    TicketStatus,
    TicketUpdate,
    Update,
)
from bridge.core.ports import Desk, Finding, Named
from bridge.errors import VendorGoneError, VendorRefusedError
from bridge.zendesk import redaction
from bridge.zendesk.account import ZendeskAccount
from bridge.zendesk.answer import VENDOR
from bridge.zendesk.audit import MERGED_TAG, as_update, authors_in, merge_target, sets_fields, withhold
from bridge.zendesk.body import (
    AuditBody,
    AuditsAnswer,
    TicketAnswer,
    TicketBody,
    TicketsAnswer,
    UpdatedAnswer,
    UserAnswer,
    UserBody,
    UsersAnswer,
    read,
)
from bridge.zendesk.catalogue import Catalogue
from bridge.zendesk.check import AGENT, LISTS, check_account, finder, look_up
from bridge.zendesk.client import ZendeskClient
from bridge.zendesk.export import Export
from bridge.zendesk.payload import STAMP, number, ticket_body, update_body
from bridge.zendesk.rate import RateState
from bridge.zendesk.text import NAME_LIMIT, as_line

log = logging.getLogger(__name__)

_PAGES = 100  # of a hundred audits each; Zendesk takes 5000 comments on a ticket
_SHOW_MANY = 100


class ZendeskDesk(Desk):
    """One Zendesk account. May be shared by threads.

    Raises the classes of VendorError, and nothing else. ``sleep`` passes the time between
    two attempts of a read.
    """

    def __init__(self, account: ZendeskAccount, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._account = account
        self._client = ZendeskClient(account, sleep=sleep)
        self._catalogue = Catalogue(self._client)
        self._export = Export(self._client)

    def calls_left(self) -> dict[str, int]:
        """As last heard. Single tickets' own limits are left out: they come and go."""
        return {name: left for name, left in self.rates.remaining().items() if " " not in name}

    @property
    def rates(self) -> RateState:
        """What Zendesk last said about its limits."""
        return self._client.rates

    def register_customer(self, customer: Customer) -> str:
        """Create or update the requester by its external id, and return Zendesk's user id.

        Zendesk takes one such call a second, and five a minute for one user. A 5xx
        is VendorBusyError here: the call may be repeated at any time.
        """
        operation = "register customer"
        user = User(
            external_id=customer.external_id,
            # Zendesk refuses an empty name.
            name=as_line(customer.name, NAME_LIMIT) or customer.external_id[:NAME_LIMIT],
            role="end-user",
            skip_verify_email=True,
        )
        with self._client.through_zenpy(operation, repeatable=True) as zenpy:
            return str(int(zenpy.users.create_or_update(user).id))

    def open_ticket(self, draft: TicketDraft, key: str) -> TicketRef:
        """Open a ticket with the customer's text as its first, public comment.

        The same draft and key give the same bytes, which Zendesk's Idempotency-Key asks
        for. Raises VendorRefusedError for a group or brand that Zendesk does not have,
        VendorGoneError when the requester is not there any more.
        Fields that it does not have are left out and named in the log.
        """
        operation = "open ticket"
        body = ticket_body(
            draft,
            key,
            group_id=self._group(draft.group, operation),
            brand_id=self._brand(draft.brand, operation),
            field_ids=self._fields(draft.fields),
        )
        # Plain JSON: zenpy cannot send headers, and would render the body anew.
        key_header = {"Idempotency-Key": key}
        try:
            content = self._client.send(operation, "POST", "/api/v2/tickets.json", body, key_header)
        except VendorRefusedError as error:
            if error.status == 422 and not self._is_there(number(draft.requester_id, operation), operation):
                detail = "its requester was deleted, or merged into another user"
                raise VendorGoneError(VENDOR, operation, detail, status=422) from None
            raise
        return self._ref(read(TicketAnswer, content, operation, repeatable=False).ticket)

    def find_ticket(self, external_id: str) -> TicketRef | None:
        """The oldest ticket with this external id; Zendesk does not keep them unique."""
        operation = "find ticket"
        # Plain JSON: zenpy does not encode values, and an "&" would cut the id short.
        content = self._client.get(operation, "/api/v2/tickets.json", {"external_id": external_id})
        tickets = [t for t in read(TicketsAnswer, content, operation).tickets if t.external_id == external_id]
        return self._ref(min(tickets, key=lambda ticket: ticket.id)) if tickets else None

    def update_ticket(self, update: TicketUpdate, stamp: str) -> str:
        """Apply *update* with *stamp* in its audit's metadata; return the audit's id.

        The customer's words open the ticket again where it waits or is solved. Raises
        VendorGoneError when the ticket is closed or deleted, VendorRefusedError when nobody
        on the staff has the assignee's e-mail address.
        """
        operation = "update ticket"
        ticket_id = number(update.ticket_id, operation)
        assignee_id = None
        if update.assignee_email is not None:
            assignee_id = self._agent(update.assignee_email)
            if assignee_id is None:
                raise VendorRefusedError(VENDOR, operation, "no agent has the assignee's e-mail address")
        fields = self._fields(update.fields)
        seen = self._show(ticket_id, operation).ticket if update.author_id is not None else None
        body = update_body(update, stamp, assignee_id=assignee_id, field_ids=fields, seen=seen)
        try:
            # Plain JSON: zenpy sends what it believes has changed, and drops what it does not know.
            content = self._client.send(operation, "PUT", f"/api/v2/tickets/{ticket_id}.json", body)
        except VendorRefusedError as error:
            # The sentence that says "closed" comes in the account's language.
            if error.status == 422 and self._is_closed(ticket_id):
                raise VendorGoneError(VENDOR, operation, "the ticket is closed", status=422) from None
            raise
        return str(read(UpdatedAnswer, content, operation, repeatable=False).audit.id)

    def find_update(self, ticket_id: str, stamp: str) -> str | None:
        """The id of the audit that carries *stamp*, looked for from the newest."""
        for page in self._audit_pages(ticket_id, "find update"):
            for audit in page.audits:
                if audit.metadata and (audit.metadata.custom or {}).get(STAMP) == stamp:
                    return str(audit.id)
        return None

    def read_ticket(self, ticket_id: str) -> Ticket:
        """The ticket as it stands. Raises VendorGoneError when it was deleted."""
        operation = "read ticket"
        found = self._show(number(ticket_id, operation), operation)
        ticket = found.ticket
        if ticket.status not in list(TicketStatus):
            # "deleted" is the one status that Zendesk has and agents cannot set.
            raise VendorGoneError(VENDOR, operation, f"its status is {_word(ticket.status)}")
        merged_into = None
        tagged = MERGED_TAG in ticket.tags
        if tagged or ticket.status == TicketStatus.CLOSED:
            # Not by the tag alone: an admin's trigger or a person may take it away.
            page = next(self._audit_pages(ticket_id, operation))
            merged_into = merge_target(page.audits, ticket.id, is_tagged=tagged)
        requester = next((u for u in found.users if u.id == ticket.requester_id), None)
        return Ticket(
            id=str(ticket.id),
            url=self._account.ticket_url(str(ticket.id)),
            status=TicketStatus(ticket.status),
            external_id=ticket.external_id,
            requester_id=str(ticket.requester_id or ""),
            requester_external_id=requester.external_id if requester else None,
            merged_into=merged_into,
        )

    def read_updates(self, ticket_id: str) -> list[Update]:
        """The ticket's updates, oldest first: its whole history, for an update is judged by what came before.

        Raises VendorRefusedError when there are more than ten thousand.
        """
        operation = "read updates"
        audits: dict[int, AuditBody] = {}
        users: dict[int, UserBody] = {}
        for page in self._audit_pages(ticket_id, operation):
            audits.update((audit.id, audit) for audit in page.audits)
            users.update((user.id, user) for user in page.users if user.id is not None)
        withhold(audits.values())
        for user in self._users(sorted(authors_in(audits.values()) - users.keys()), operation):
            users[user.id or 0] = user
        staff = {user_id for user_id, user in users.items() if user.is_staff}
        field = self._catalogue.field("resolution") if any(map(sets_fields, audits.values())) else None
        return [as_update(audits[audit_id], staff, field) for audit_id in sorted(audits)]

    def read_changes(self, since: datetime, cursor: str | None) -> Changes:
        """A page of the incremental export; raises VendorBusyError while its budget is used up."""
        return self._export.read(since, cursor)

    def redact(self, ticket_id: str, update_id: str | None) -> None:
        """What `bridge.zendesk.redaction.redact` does."""
        redaction.redact(self._client, number(ticket_id, "redact a comment"), update_id)

    def rename_customer(self, requester_id: str, customer: Customer, is_ours: Callable[[str], bool]) -> bool:
        """What `bridge.zendesk.redaction.rename` does."""
        user_id = number(requester_id, "rename the customer")
        return redaction.rename(self._client, user_id, customer, is_ours)

    def locate(self, url: str) -> TicketRef | None:
        """The ticket behind the address in an agent's browser, of this account only."""
        for base in (self._client.account.base, self._client.account.home):
            found = re.fullmatch(rf"{re.escape(base)}/agent/tickets/([0-9]+)/?", url)
            if found is not None:
                return TicketRef(found[1], self._client.account.ticket_url(found[1]))
        return None

    def agent_exists(self, email: str) -> bool:
        """Whether somebody on the staff, not suspended, has this e-mail address."""
        return self._agent(email) is not None

    def check(self, groups: Collection[str], brands: Collection[str]) -> list[Finding]:
        """For ``bridge doctor``. Raises nothing: what does not work is a finding."""
        return check_account(self._client, self._catalogue, groups, brands)

    def look_up(self, kind: str, names: Collection[str]) -> list[Named]:
        """What `bridge.zendesk.check.look_up` does."""
        find_id = self._agent if kind == AGENT else finder(self._catalogue, kind)
        return look_up(kind, names, find_id)

    def names(self, kind: str) -> list[str]:
        """Every group, brand or ticket field that there is, as Zendesk writes it."""
        return self._catalogue.names(LISTS[kind])

    def _ref(self, ticket: TicketBody) -> TicketRef:
        return TicketRef(id=str(ticket.id), url=self._account.ticket_url(str(ticket.id)))

    def _group(self, name: str | None, operation: str) -> int | None:
        if name is None:
            return None
        group_id = self._catalogue.group(name)
        if group_id is None:
            raise VendorRefusedError(
                VENDOR, operation, f'Zendesk has no group "{name}": create it, then run bridge doctor'
            )
        return group_id

    def _brand(self, name: str | None, operation: str) -> int | None:
        if name is None:
            return None
        brand_id = self._catalogue.brand(name)
        if brand_id is None:
            raise VendorRefusedError(
                VENDOR, operation, f'Zendesk has no active brand "{name}": create it, then run bridge doctor'
            )
        return brand_id

    def _fields(self, names: Collection[str]) -> dict[str, int]:
        known = {name: self._catalogue.field(name) for name in names}
        missing = sorted(name for name, field_id in known.items() if field_id is None)
        if missing:
            # A customer's complaint is worth more than a field.
            advice = "run bridge setup zendesk for the bridge's own, and make the others there"
            log.warning("Zendesk lacks ticket fields: %s; %s", ", ".join(missing), advice)
        return {name: field_id for name, field_id in known.items() if field_id is not None}

    def _agent(self, email: str) -> int | None:
        operation = "find agent"
        query = 'email:"{}"'.format(email.replace('"', ""))
        # Plain JSON: zenpy does not encode values, and a "+" in an address is a space then.
        content = self._client.get(operation, "/api/v2/users/search.json", {"query": query})
        for user in read(UsersAnswer, content, operation).users:
            if user.is_staff and not user.suspended and (user.email or "").lower() == email.lower():
                return user.id
        return None

    def _show(self, ticket_id: int, operation: str) -> TicketAnswer:
        # Plain JSON: with its cache off, zenpy throws sideloaded users away.
        content = self._client.get(operation, f"/api/v2/tickets/{ticket_id}.json", {"include": "users"})
        return read(TicketAnswer, content, operation)

    def _is_there(self, user_id: int, operation: str) -> bool:
        try:
            content = self._client.get(operation, f"/api/v2/users/{user_id}.json")
        except VendorGoneError:
            return False
        return read(UserAnswer, content, operation).user.active is not False

    def _is_closed(self, ticket_id: int) -> bool:
        return self._show(ticket_id, "read ticket").ticket.status == TicketStatus.CLOSED

    def _audit_pages(self, ticket_id: str, operation: str) -> Iterator[AuditsAnswer]:
        """The ticket's audits, newest first, page by page; always at least one page."""
        path = f"/api/v2/tickets/{number(ticket_id, operation)}/audits.json"
        # Plain JSON, as in _show. "sort" and not "sort_by", which cursor paging drops silently.
        params: dict[str, str] | None = {"page[size]": "100", "sort": "-created_at", "include": "users"}
        for _ in range(_PAGES):
            page = read(AuditsAnswer, self._client.get(operation, path, params), operation)
            yield page
            if page.next is None:
                return
            path, params = page.next, None
        # Not asked for without end: a page that named itself as the next would be read for ever.
        limit = f"the ticket has more than {100 * _PAGES} updates, which is more than the bridge reads"
        raise VendorRefusedError(VENDOR, operation, limit)

    def _users(self, ids: list[int], operation: str) -> Iterator[UserBody]:
        remaining = iter(ids)
        while some := list(islice(remaining, _SHOW_MANY)):
            content = self._client.get(
                operation, "/api/v2/users/show_many.json", {"ids": ",".join(map(str, some))}
            )
            yield from read(UsersAnswer, content, operation).users


def _word(status: str) -> str:
    return status if status.isascii() and status.isalpha() and len(status) < 30 else "unknown"
