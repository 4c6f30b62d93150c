"""The fake Zendesk's tickets, their comments and audits, and the incremental export.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from bridge.sandbox.zendesk.answers import NotFoundError, error_answer, page_of, user_json
from bridge.sandbox.zendesk.records import VIAS, Audit, Comment, Json, RecordError, Ticket, iso, now

if TYPE_CHECKING:
    from bridge.sandbox.zendesk.desk import ZendeskSandbox

KEY_LIFETIME_S = 7200


class TicketRoutes:
    """Tickets, their comments and audits, and the incremental export."""

    def __init__(self, desk: ZendeskSandbox) -> None:
        self._desk = desk
        self._keys: dict[str, tuple[str, Json, float]] = {}

    def add_to(self, app: Flask) -> None:
        ticket = "/api/v2/tickets/<int:ticket_id>"
        app.add_url_rule("/api/v2/tickets", "open_ticket", self.open, methods=["POST"])
        app.add_url_rule("/api/v2/tickets", "list_tickets", self.list)
        app.add_url_rule(ticket, "read_ticket", self.read)
        app.add_url_rule(ticket, "update_ticket", self.update, methods=["PUT"])
        app.add_url_rule(f"{ticket}/audits", "list_audits", self.audits)
        app.add_url_rule(f"{ticket}/comments", "list_comments", self.comments)
        comment = "<int:comment_id>"
        app.add_url_rule(
            f"{ticket}/comments/{comment}/redact", "redact_text", self.redact_text, methods=["PUT"]
        )
        path = f"/api/v2/comment_redactions/{comment}"
        app.add_url_rule(path, "redact_comment", self.redact_comment, methods=["PUT"])
        app.add_url_rule(f"{ticket}/tags", "add_tags", self.add_tags, methods=["PUT"])
        app.add_url_rule(f"{ticket}/tags", "remove_tags", self.remove_tags, methods=["DELETE"])
        app.add_url_rule("/api/v2/incremental/tickets/cursor", "export_tickets", self.export)

    def _ticket(self, ticket_id: int) -> Ticket:
        ticket = self._desk.records.tickets.get(ticket_id)
        if ticket is None or ticket.deleted:
            raise NotFoundError
        return ticket

    def open(self) -> Any:
        key = request.headers.get("Idempotency-Key")
        digest = hashlib.sha256(request.get_data()).hexdigest()
        kept = self._keys.get(key or "")
        if kept and kept[2] > time.monotonic():
            if kept[0] != digest:
                text = "Idempotency key was used before with another request body"
                return error_answer(400, "IdempotentRequestError", text)
            return kept[1], 201, {"x-idempotency-lookup": "hit"}
        desk = self._desk
        wanted = (request.get_json(silent=True) or {}).get("ticket") or {}
        self._check_places(wanted)
        change = desk.records.create(wanted, desk.service_user, "api")
        desk.run_triggers(change)
        body = {"ticket": desk.ticket_json(change.ticket), "audit": audit_json(change.audit)}
        headers = {"Location": f"{desk.url}/api/v2/tickets/{change.ticket.id}.json"}
        if key:
            self._keys[key] = (digest, body, time.monotonic() + KEY_LIFETIME_S)
            headers["x-idempotency-lookup"] = "miss"
        return body, 201, headers

    def _check_places(self, wanted: Json) -> None:
        for name, known in (("group_id", self._desk.groups), ("brand_id", self._desk.brands)):
            if wanted.get(name) is not None and wanted[name] not in known:
                raise RecordError(**{name.removesuffix("_id"): "is invalid"})

    def list(self) -> Json:
        wanted = request.args.get("external_id")
        rows = [
            self._desk.ticket_json(ticket)
            for ticket in self._desk.records.tickets.values()
            if not ticket.deleted and wanted in (None, ticket.values["external_id"])
        ]
        return page_of("tickets", rows)

    def read(self, ticket_id: int) -> Json:
        ticket = self._ticket(ticket_id)
        body: Json = {"ticket": self._desk.ticket_json(ticket)}
        return body | self._sideloads({ticket.values["requester_id"], ticket.values["assignee_id"]})

    def update(self, ticket_id: int) -> Any:
        desk = self._desk
        ticket = self._ticket(ticket_id)
        wanted = (request.get_json(silent=True) or {}).get("ticket") or {}
        self._check_places(wanted)
        # Sent as false it acts like true; only leaving it out forces.
        if "safe_update" in wanted and wanted.get("updated_stamp") != iso(ticket.updated_at):
            return error_answer(
                409, "UpdateConflict", "Safe Update prevented the update due to outdated ticket data"
            )
        if "assignee_email" in wanted:
            agent = desk.records.find_user(email=wanted["assignee_email"])
            wanted["assignee_id"] = agent.id if agent else -1
        change = desk.records.update(ticket, wanted, desk.service_user, "api")
        desk.run_triggers(change)
        return {"ticket": desk.ticket_json(ticket), "audit": audit_json(change.audit)}

    def audits(self, ticket_id: int) -> Json:
        ticket = self._ticket(ticket_id)
        rows = [audit_json(audit) for audit in ticket.audits]
        if request.args.get("sort_order") == "desc" or request.args.get("sort", "").startswith("-"):
            rows.reverse()
        people = {audit.author_id for audit in ticket.audits} | {one.author_id for one in ticket.comments}
        return page_of("audits", rows, self._sideloads(people))

    def comments(self, ticket_id: int) -> Json:
        ticket = self._ticket(ticket_id)
        by_audit = {
            event["id"]: audit
            for audit in ticket.audits
            for event in audit.events
            if event["type"] == "Comment"
        }
        rows = [comment_json(comment, by_audit[comment.id]) for comment in ticket.comments]
        if request.args.get("sort_order") == "desc" or request.args.get("sort", "").startswith("-"):
            rows.reverse()
        return page_of("comments", rows, self._sideloads({one.author_id for one in ticket.comments}))

    def redact_comment(self, comment_id: int) -> Any:
        """What is marked in the comment's own HTML becomes blocks; closed tickets too."""
        wanted = request.get_json(silent=True) or {}
        ticket = self._ticket(int(wanted.get("ticket_id") or 0))
        if not self._desk.agent_workspace:
            return error_answer(403, "Forbidden")
        comment, marked = _comment_of(ticket, comment_id), str(wanted.get("html_body") or "")
        if unmarked(marked) != comment.html_body:
            raise RecordError(html_body="is not the comment's own")
        self._desk.records.redact(ticket, comment, blocked(marked), self._desk.service_user)
        return {"comment": comment_json(comment, self._desk.records.audit_of(ticket, comment))}

    def redact_text(self, ticket_id: int, comment_id: int) -> Any:
        """Every place of one string becomes blocks; not on a closed ticket."""
        ticket = self._ticket(ticket_id)
        text = str((request.get_json(silent=True) or {}).get("text") or "")
        comment = _comment_of(ticket, comment_id)
        if ticket.status == "closed":
            raise RecordError(status="closed prevents ticket update")
        if not text or text not in comment.body:
            raise RecordError(text="is not in the comment")
        shown = html.escape(text)
        marked = comment.html_body.replace(shown, f"<redact>{shown}</redact>")
        self._desk.records.redact(ticket, comment, blocked(marked), self._desk.service_user)
        return {"comment": comment_json(comment, self._desk.records.audit_of(ticket, comment))}

    def _sideloads(self, people: set[int]) -> Json:
        if "users" not in request.args.get("include", "").split(","):
            return {}
        users = self._desk.records.users
        return {"users": [user_json(users[number]) for number in sorted(filter(None, people))]}

    def add_tags(self, ticket_id: int) -> Json:
        return self._change_tags(ticket_id, "additional_tags")

    def remove_tags(self, ticket_id: int) -> Json:
        return self._change_tags(ticket_id, "remove_tags")

    def _change_tags(self, ticket_id: int, how: str) -> Json:
        ticket = self._ticket(ticket_id)
        wanted = {how: (request.get_json(silent=True) or {}).get("tags") or []}
        desk = self._desk
        desk.run_triggers(desk.records.update(ticket, wanted, desk.service_user, "api"))
        return {"tags": ticket.tags}

    def export(self) -> Any:
        """A page, oldest change first; the newest time is left out, deleted tickets are not."""
        cursor, start_time = request.args.get("cursor"), request.args.get("start_time", "")
        if cursor is None and not start_time.isdigit():
            return error_answer(400, "InvalidStartTime", "start_time is missing or is no Unix time")
        after = _place_of(cursor) if cursor else (int(start_time), 0)
        if after is None:
            return error_answer(400, "InvalidCursor", "The cursor is not one of ours")
        horizon = now() - timedelta(seconds=self._desk.export_lag_s)
        changed = sorted(
            (int(one.updated_at.timestamp()), one.id, one)
            for one in self._desk.records.tickets.values()
            if one.updated_at <= horizon
        )
        rest = [row for row in changed if row[:2] > after]
        size = min(self._desk.export_page, int(request.args.get("per_page", 1000)))
        page = rest[:size]
        last = page[-1][:2] if page else after
        after_cursor = base64.urlsafe_b64encode("||".join(map(str, last)).encode()).decode()
        return {
            "tickets": [self._desk.ticket_json(ticket) for _, _, ticket in page],
            "after_cursor": after_cursor,
            "after_url": f"{request.base_url}.json?cursor={after_cursor}",
            "before_cursor": None,
            "before_url": None,
            "end_of_stream": len(rest) <= size,
        }


def _place_of(cursor: str) -> tuple[int, int] | None:
    """The time and the id after which a page begins; None for what is no cursor."""
    try:
        at, _, ticket_id = base64.urlsafe_b64decode(cursor).decode().partition("||")
        return int(at), int(ticket_id)
    except ValueError:
        return None


def _comment_of(ticket: Ticket, comment_id: int) -> Comment:
    for comment in ticket.comments:
        if comment.id == comment_id:
            return comment
    raise NotFoundError


_MARKED = re.compile(r"<redact>(.*?)</redact>", re.DOTALL)


def unmarked(marked: str) -> str:
    return _MARKED.sub(lambda found: found[1], marked)


def blocked(marked: str) -> str:
    """HTML whose marked text became blocks, one for each character."""
    return _MARKED.sub(lambda found: "▇" * len(html.unescape(re.sub(r"<[^>]*>", "", found[1]))), marked)


def audit_json(audit: Audit) -> Json:
    via = VIAS[audit.via]
    source = {**via["source"], **audit.source}
    return {
        "id": audit.id,
        "ticket_id": audit.ticket_id,
        "created_at": iso(audit.created_at),
        "author_id": audit.author_id,
        "metadata": {"system": {"client": "sandbox"}, "custom": audit.custom},
        "events": audit.events,
        "via": {"channel": via["channel"], "source": source},
    }


def comment_json(comment: Comment, audit: Audit) -> Json:
    return {
        "id": comment.id,
        "type": "Comment",
        "author_id": comment.author_id,
        "body": comment.body,
        "html_body": comment.html_body,
        "plain_body": comment.body,
        "public": comment.public,
        "attachments": [],
        "audit_id": audit.id,
        "via": VIAS[audit.via],
        "created_at": iso(comment.created_at),
        "metadata": {"system": {}, "custom": audit.custom},
    }
