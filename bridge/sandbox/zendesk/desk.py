"""The fake Zendesk as its people see it: agents act, triggers run, webhooks leave."""

from __future__ import annotations

import html
import json
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge.sandbox.faults import CallLog, Faults, FaultyApp
from bridge.sandbox.serving import Hook, Manners, Sender, Served
from bridge.sandbox.signing import zendesk_headers
from bridge.sandbox.zendesk.auth import Door
from bridge.sandbox.zendesk.http import build_app
from bridge.sandbox.zendesk.limits import Limits, Meter
from bridge.sandbox.zendesk.records import (
    VIAS,
    Change,
    Comment,
    Json,
    Records,
    Ticket,
    User,
    expand,
    html_of,
    iso,
)
from bridge.sandbox.zendesk.rules import Trigger, Webhook, event_detail, events_of, fires

# Repeats after no answer and after the statuses that ask for it; a 500 loses the event.
MANNERS = Manners(
    delays=(0.1, 0.2, 0.4, 0.8) + (1.0,) * 60, gives_up_on=lambda status: status not in (409, 429, 503)
)

AGENTS = (
    ("agent-1", "Agent One", "agent-one@example.com"),
    ("agent-2", "Agent Two", "agent-two@example.com"),
    ("agent-3", "Agent Three", "agent-three@example.com"),
)
GROUPS = (
    "Technical Support", "Incident Response", "Product", "Product Feedback", "Sales", "Social Triage",
    "Triage",
)  # fmt: skip
BRANDS = ("Kopi", "Rower")


@dataclass(frozen=True, slots=True)
class CommentView:
    id: int
    author: str
    by_staff: bool
    public: bool
    text: str
    via: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StatusView:
    """The ticket's status changed."""

    status: str
    by: str
    via: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket as an agent sees it."""

    id: int
    subject: str
    status: str
    group: str | None
    brand: str | None
    priority: str | None
    type: str | None
    requester: str
    requester_external_id: str | None
    assignee: str | None
    external_id: str | None
    tags: tuple[str, ...]
    follow_up_of: int | None
    comments: tuple[CommentView, ...]
    created_at: datetime
    history: tuple[StatusView, ...]

    def says(self, text: str, *, public: bool | None = None) -> bool:
        """Whether a comment (of that publicity) contains *text*."""
        return any(text in one.text for one in self.comments if public in (None, one.public))


class ZendeskSandbox:
    """One account. ``url`` is its address; ``client_id``, ``client_secret`` and
    ``webhook_secret`` are what the bridge is configured with.

    ``event_subscriptions``: whether this account offers event webhooks for tickets.
    ``export_lag_s``: how much of the newest time the incremental export leaves out;
    ``export_page``: the most tickets on one page of it.
    ``agent_workspace``: whether comments can be redacted by marking them, as newer accounts allow.
    """

    def __init__(
        self,
        faults: Faults,
        calls: CallLog,
        *,
        limits: Limits | None = None,
        event_subscriptions: bool = False,
        export_lag_s: float = 60.0,
    ) -> None:
        self.client_id = "loop-bridge-sandbox"
        self.client_secret = "test-client-secret"
        self.webhook_secret = "test-webhook-secret"
        self.event_subscriptions = event_subscriptions
        self.export_lag_s = export_lag_s
        self.export_page = 1000
        self.agent_workspace = True
        self.lock = threading.RLock()
        self.records = Records()
        self.door = Door(self.client_id, self.client_secret)
        self.meter = Meter(limits or Limits())
        self.webhooks: dict[str, Webhook] = {}
        self.triggers: dict[int, Trigger] = {}
        self.ticket_fields: dict[int, Json] = {}
        self._people()
        self.sender = Sender("zendesk", MANNERS)
        self._served = Served("zendesk", FaultyApp("zendesk", build_app(self), faults, calls, _bare_path))
        self.url = self._served.url

    def _people(self) -> None:
        records = self.records
        self.service_user = records.add_user("Loop bridge", "admin", "bridge@example.com")
        self.agents = {key: records.add_user(name, "agent", email) for key, name, email in AGENTS}
        self.groups = {records.next_id(): name for name in GROUPS}
        self.brands = {records.next_id(): name for name in BRANDS}

    def stop(self) -> None:
        self._served.stop()
        self.sender.stop()

    def agent_comments(
        self,
        ticket_id: int | str,
        text: str,
        public: bool = True,
        status: str | None = None,
        *,
        agent: str = "agent-1",
        via: str = "web",
    ) -> int:
        """An agent comments, and sets *status* in the same update. Returns the audit's id."""
        wanted: Json = {"comment": {"html_body": html_of(text), "public": public}}
        return self._act(ticket_id, wanted | ({"status": status} if status else {}), agent, via)

    def make_internal(self, ticket_id: int | str, words: str, agent: str = "agent-1") -> int:
        """An agent makes the comment that says *words* an internal note. Returns the audit's id."""
        with self.lock:
            ticket, comment = self._comment_with(ticket_id, words)
            change = self.records.make_internal(ticket, comment, self.agents[agent])
            self.run_triggers(change)
            return change.audit.id

    def redact(self, ticket_id: int | str, words: str, agent: str = "agent-1") -> None:
        """An agent redacts *words* in the comment that says them."""
        with self.lock:
            ticket, comment = self._comment_with(ticket_id, words)
            shown = comment.html_body.replace(html.escape(words), "▇" * len(words))
            self.records.redact(ticket, comment, shown, self.agents[agent])

    def _comment_with(self, ticket_id: int | str, words: str) -> tuple[Ticket, Comment]:
        ticket = self.records.tickets[int(ticket_id)]
        return ticket, next(one for one in ticket.comments if words in one.body)

    def solve(self, ticket_id: int | str, via: str = "web", agent: str = "agent-1") -> int:
        """Set the ticket to solved: by an agent, a ``rule``, the ``api``, a ``linked_problem``."""
        return self._act(ticket_id, {"status": "solved"}, agent, via)

    def fill_in(
        self, ticket_id: int | str, title: str, value: str, via: str = "web", agent: str = "agent-1"
    ) -> int:
        """Write *value* into the ticket field of that title, which a set-up has made."""
        number = next(key for key, one in self.ticket_fields.items() if one["title"] == title)
        return self._act(ticket_id, {"custom_fields": [{"id": number, "value": value}]}, agent, via)

    def reopen(self, ticket_id: int | str, agent: str = "agent-1") -> int:
        return self._act(ticket_id, {"status": "open"}, agent, "web")

    def close(self, ticket_id: int | str) -> int:
        """Zendesk closes solved tickets for good after some days."""
        return self._act(ticket_id, {"status": "closed"}, "agent-1", "rule")

    def merge(self, source_id: int | str, target_id: int | str, agent: str = "agent-1") -> None:
        """Merge *source_id* into *target_id*: the source is closed, and both get a private comment."""
        with self.lock:
            source, target = self.records.tickets[int(source_id)], self.records.tickets[int(target_id)]
            actor = self.agents[agent]
            note = (
                f'Request #{source.id} "{source.values["subject"]}" was closed and merged into this request.'
            )
            origin = {"ticket_id": source.id, "ticket_ids": [source.id], "subject": source.values["subject"]}
            comment = {"html_body": html_of(note), "public": False}
            self._update(target, {"comment": comment}, actor, "merge", {"from": origin})
            farewell = (
                f'This request was closed and merged into request #{target.id} "{target.values["subject"]}".'
            )
            wanted = {
                "comment": {"html_body": html_of(farewell), "public": False},
                "status": "closed",
                "additional_tags": ["closed_by_merge"],
            }
            goal = {"ticket_id": target.id, "subject": target.values["subject"]}
            self._update(source, wanted, actor, "merge", {"to": goal})

    def change_requester(self, ticket_id: int | str, name: str, email: str, agent: str = "agent-1") -> int:
        """An agent hands the ticket to another requester."""
        with self.lock:
            user = self.records.find_user(email) or self.records.add_user(name, email=email)
            return self._act(ticket_id, {"requester_id": user.id}, agent, "web")

    def delete(self, ticket_id: int | str) -> None:
        """An agent deletes the ticket. No trigger runs; the export still shows it, as deleted."""
        with self.lock:
            ticket = self.records.tickets[int(ticket_id)]
            ticket.deleted, ticket.updated_at = True, datetime.now(UTC)

    def restore(self, ticket_id: int | str) -> None:
        """An admin takes the ticket back from among the deleted ones. No trigger runs."""
        with self.lock:
            ticket = self.records.tickets[int(ticket_id)]
            ticket.deleted, ticket.updated_at = False, datetime.now(UTC)

    def open_follow_up(self, closed_id: int | str, text: str, agent: str = "agent-1") -> int:
        """An agent opens a follow-up of a closed ticket in the interface. Returns its id."""
        with self.lock:
            source = self.records.tickets[int(closed_id)]
            wanted = {
                "comment": {"html_body": html_of(text), "public": True},
                "requester_id": source.values["requester_id"],
                "via_followup_source_id": source.id,
            }
            change = self.records.create(wanted, self.agents[agent], "web")
            self.run_triggers(change)
            return change.ticket.id

    def _act(self, ticket_id: int | str, wanted: Json, agent: str, via: str) -> int:
        if via not in VIAS:
            raise ValueError(f"{via} is none of {', '.join(VIAS)}")
        with self.lock:
            return self._update(self.records.tickets[int(ticket_id)], wanted, self.agents[agent], via)

    def _update(self, ticket: Ticket, wanted: Json, actor: User, via: str, source: Json | None = None) -> int:
        change = self.records.update(ticket, wanted, actor, via, source)
        self.run_triggers(change)
        return change.audit.id

    def tickets(self) -> list[TicketView]:
        """All tickets that are not deleted, oldest first."""
        with self.lock:
            return [self._view(ticket) for ticket in self.records.tickets.values() if not ticket.deleted]

    def ticket(self, ticket_id: int | str) -> TicketView:
        with self.lock:
            return self._view(self.records.tickets[int(ticket_id)])

    def _view(self, ticket: Ticket) -> TicketView:
        users, values = self.records.users, ticket.values
        requester = users[values["requester_id"]]
        assignee = users.get(values["assignee_id"] or 0)
        comments = tuple(
            CommentView(
                one.id,
                users[one.author_id].name,
                users[one.author_id].is_staff,
                one.public,
                one.body,
                one.via,
                one.created_at,
            )
            for one in ticket.comments
        )
        return TicketView(
            ticket.id,
            values["subject"],
            ticket.status,
            self.groups.get(values["group_id"]),
            self.brands.get(values["brand_id"]),
            values["priority"],
            values["type"],
            requester.name,
            requester.external_id,
            assignee.name if assignee else None,
            values["external_id"],
            tuple(ticket.tags),
            ticket.followup_source_id,
            comments,
            ticket.created_at,
            self._history(ticket),
        )

    def _history(self, ticket: Ticket) -> tuple[StatusView, ...]:
        return tuple(
            StatusView(
                str(event["value"]), self.records.users[audit.author_id].name, audit.via, audit.created_at
            )
            for audit in ticket.audits
            for event in audit.events
            if event["type"] == "Change" and event["field_name"] == "status"
        )

    def install_webhook(self, bridge_url: str, tag: str | None = None) -> str:
        """What a set-up would make: one webhook, a trigger for comments and one for the status.

        *tag* limits the triggers to tickets that carry it. Returns the webhook's id.
        """
        with self.lock:
            webhook = self.add_webhook(
                {
                    "name": "loop bridge",
                    "endpoint": f"{bridge_url.rstrip('/')}/hooks/zendesk",
                    "status": "active",
                    "subscriptions": ["conditional_ticket_events"],
                }
            )
            tagged = [{"field": "current_tags", "operator": "includes", "value": tag}] if tag else []
            comment = [
                {"field": "comment_is_public", "operator": "is", "value": "true"},
                {"field": "role", "operator": "is", "value": "agent"},
            ]
            status = [{"field": "status", "operator": "changed", "value": None}]
            for event, conditions in (("commented", comment), ("status_changed", status)):
                body = {
                    "schema": 1,
                    "event": event,
                    "ticket_id": "{{ticket.id}}",
                    "ticket_external_id": "{{ticket.external_id}}",
                    "current_user_id": "{{current_user.id}}",
                    "updated_at": "{{ticket.updated_at_with_timestamp}}",
                }
                action = {"field": "notification_webhook", "value": [webhook.id, json.dumps(body)]}
                number = self.records.next_id()
                title = f"loop bridge: {event}"
                self.triggers[number] = Trigger(number, title, tagged + conditions, [], [action])
            return webhook.id

    def add_webhook(self, wanted: Json) -> Webhook:
        """Callers hold the lock."""
        number = f"01SANDBOX{self.records.next_id():017d}"
        subscriptions = list(wanted.get("subscriptions") or ["conditional_ticket_events"])
        webhook = Webhook(
            number,
            str(wanted["name"]),
            str(wanted["endpoint"]),
            str(wanted.get("status", "active")),
            subscriptions,
            self.webhook_secret,
            wanted,
        )
        self.webhooks[number] = webhook
        return webhook

    def run_triggers(self, change: Change) -> None:
        """Run every trigger and event subscription on an update. Callers hold the lock."""
        for trigger in self.triggers.values():
            if not fires(trigger, change):
                continue
            for action in trigger.actions:
                webhook = self.webhooks.get(str(action["value"][0]))
                if webhook is not None and webhook.for_triggers:
                    body = expand(str(action["value"][1]), change.ticket, change.actor, self.records)
                    self._send(webhook, body.encode())
        for webhook in self.webhooks.values():
            for name, event in events_of(change):
                if name in webhook.subscriptions:
                    self._send(webhook, self._event_body(name, event, change))

    def _event_body(self, name: str, event: Json, change: Change) -> bytes:
        sequence = {"sequence": {"id": str(change.audit.id), "position": 1}}
        envelope = {
            "type": name,
            "account_id": 1,
            "id": str(uuid.uuid4()),
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
            "zendesk_event_version": "2022-11-06",
            "subject": f"zen:ticket:{change.ticket.id}",
            "detail": event_detail(change),
            "event": event | {"meta": sequence},
        }
        return json.dumps(envelope).encode()

    def _send(self, webhook: Webhook, body: bytes) -> None:
        if webhook.status != "active":
            return
        fixed = {
            "X-Zendesk-Account-Id": "1",
            "X-Zendesk-Webhook-Id": webhook.id,
            "X-Zendesk-Webhook-Invocation-Id": uuid.uuid4().hex,
        }
        self.sender.send(Hook(webhook.endpoint, body, lambda: zendesk_headers(webhook.secret, body) | fixed))

    def ticket_json(self, ticket: Ticket) -> Json:
        """A ticket as the API writes it. Callers hold the lock."""
        shown = {name: ticket.values[name] for name in ticket.values}
        source: dict[str, Any] = {"channel": ticket.via, "source": {"from": {}, "to": {}, "rel": None}}
        if ticket.followup_source_id:
            source["source"] = {
                "from": {"ticket_id": ticket.followup_source_id},
                "to": {},
                "rel": "follow_up",
            }
        if ticket.deleted:
            shown["status"] = "deleted"
        return shown | {
            "url": f"{self.url}/api/v2/tickets/{ticket.id}.json",
            "id": ticket.id,
            "via": source,
            "created_at": iso(ticket.created_at),
            "updated_at": iso(ticket.updated_at),
            "generated_timestamp": int(ticket.updated_at.timestamp()),
            "raw_subject": ticket.values["subject"],
            "description": ticket.comments[0].body,
            "submitter_id": ticket.submitter_id,
            "organization_id": None,
            "collaborator_ids": [],
            "follower_ids": [],
            "has_incidents": False,
            "is_public": any(comment.public for comment in ticket.comments),
            "due_at": None,
            "tags": ticket.tags,
            "custom_fields": [{"id": key, "value": value} for key, value in ticket.custom_fields.items()],
            "followup_ids": ticket.followup_ids,
            "allow_channelback": False,
        }


def _bare_path(path: str) -> str:
    """Zendesk's paths work with and without ``.json``."""
    return path.removesuffix(".json")
