"""The fake Zendesk's memory: users, tickets and their audits, and how an update changes them."""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from bs4 import BeautifulSoup

Json: TypeAlias = dict[str, Any]

STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
TYPES = ("problem", "incident", "question", "task")
# Fields of a ticket that an update may set, and that an audit shows as a Change.
FIELDS = (
    "subject", "priority", "type", "status", "requester_id", "assignee_id", "group_id", "brand_id",
    "external_id", "problem_id", "ticket_form_id",
)  # fmt: skip
# The longest comment; Zendesk cuts the rest without a word.
COMMENT_LIMIT = 65_536

# Which way an update came → the via of its audit.
VIAS: dict[str, Json] = {
    "web": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
    "api": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
    "email": {"channel": "email", "source": {"from": {}, "to": {}, "rel": None}},
    "rule": {
        "channel": "rule",
        "source": {"from": {"id": 701, "title": "Solve after a week"}, "to": {}, "rel": "automation"},
    },
    "trigger": {
        "channel": "rule",
        "source": {"from": {"id": 702, "title": "A trigger"}, "to": {}, "rel": "trigger"},
    },
    "linked_problem": {"channel": "linked_problem", "source": {"from": {}, "to": {}, "rel": "problem"}},
    "merge": {"channel": "web", "source": {"from": {}, "to": {}, "rel": "merge"}},
}
VIA_IDS = {"web": 0, "email": 4, "api": 5, "rule": 8, "trigger": 8, "linked_problem": 9, "merge": 19}


class RecordError(Exception):
    """A write that Zendesk refuses with 422, and why: field → sentence."""

    def __init__(self, **details: str) -> None:
        self.details = details
        super().__init__("; ".join(f"{name}: {text}" for name, text in details.items()))


def now() -> datetime:
    return datetime.now(UTC)


def iso(at: datetime) -> str:
    """A time as Zendesk's REST API writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class User:
    id: int
    name: str
    role: str = "end-user"
    email: str | None = None
    external_id: str | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    active: bool = True  # False: deleted, or merged into another user

    @property
    def is_staff(self) -> bool:
        return self.role in ("agent", "admin")


@dataclass
class Comment:
    id: int
    author_id: int
    body: str
    html_body: str
    public: bool
    created_at: datetime
    via: str


@dataclass
class Audit:
    id: int
    ticket_id: int
    author_id: int
    created_at: datetime
    via: str
    custom: Json
    events: list[Json]
    source: Json = field(default_factory=dict)


@dataclass
class Ticket:
    """``values`` holds the fields named in FIELDS, by name."""

    id: int
    submitter_id: int
    via: str
    values: Json
    tags: list[str] = field(default_factory=list)
    custom_fields: dict[int, Any] = field(default_factory=dict)
    followup_source_id: int | None = None
    followup_ids: list[int] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    deleted: bool = False

    @property
    def status(self) -> str:
        return str(self.values["status"])


@dataclass(frozen=True)
class Change:
    """One update as triggers see it. ``before`` is the status it found, None for a creation."""

    ticket: Ticket
    audit: Audit
    actor: User
    before: str | None
    comment: Comment | None
    author: User | None  # of the comment


def text_of(fragment: str) -> str:
    """HTML as plain text, with its line breaks."""
    soup = BeautifulSoup(fragment, "html.parser")
    for line in soup.find_all("br"):
        line.replace_with("\n")
    for paragraph in soup.find_all(["p", "div", "blockquote", "li"]):
        paragraph.append("\n")
    return re.sub(r"\n{3,}", "\n\n", soup.get_text()).strip()


def html_of(text: str) -> str:
    """Plain text as the HTML that Zendesk makes of it."""
    return wrapped("<br>".join(html.escape(line) for line in text.splitlines()))


def wrapped(fragment: str) -> str:
    """HTML in the element that Zendesk puts around every comment, once."""
    if fragment.startswith('<div class="zd-comment"'):
        return fragment
    return f'<div class="zd-comment" dir="auto">{fragment}</div>'


class Records:
    """Users and tickets. Callers hold the fake's lock."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.tickets: dict[int, Ticket] = {}
        self._ids = itertools.count(9001)
        self._ticket_ids = itertools.count(1)

    def next_id(self) -> int:
        return next(self._ids)

    def add_user(
        self, name: str, role: str = "end-user", email: str | None = None, external_id: str | None = None
    ) -> User:
        user = User(self.next_id(), name, role, email, external_id)
        self.users[user.id] = user
        return user

    def find_user(self, email: str | None = None, external_id: str | None = None) -> User | None:
        """The user with this e-mail or external id; neither minds letter case."""
        for user in filter(lambda one: one.active, self.users.values()):
            same_id = external_id and user.external_id and user.external_id.lower() == external_id.lower()
            if same_id or (email and user.email and user.email.lower() == email.lower()):
                return user
        return None

    def create(self, wanted: Json, actor: User, via: str) -> Change:
        """Open a ticket as *wanted* says (the API's ``ticket`` object)."""
        if not isinstance(wanted.get("comment"), dict) or not _raw_text(wanted["comment"]):
            raise RecordError(base="Description: cannot be blank")
        source = self._followup_source(wanted)
        requester_id = wanted.get("requester_id") or self._inline_requester(wanted) or actor.id
        self._check(wanted | {"requester_id": requester_id})
        values: Json = {name: wanted.get(name) for name in FIELDS}
        values |= {"status": wanted.get("status") or "new", "requester_id": requester_id}
        values["status"] = "open" if values["assignee_id"] and values["status"] == "new" else values["status"]
        ticket = Ticket(next(self._ticket_ids), actor.id, via, values)
        inherited = source.tags if source else []
        ticket.tags = sorted({str(tag).lower() for tag in wanted.get("tags") or inherited})
        ticket.custom_fields = {int(one["id"]): one["value"] for one in wanted.get("custom_fields") or []}
        comment = self._comment(ticket, wanted["comment"], actor, via)
        if not values["subject"]:
            values["subject"] = comment.body[:80]
        if source:
            ticket.followup_source_id = source.id
            source.followup_ids.append(ticket.id)
        self.tickets[ticket.id] = ticket
        events = [self._comment_event(comment)]
        shown = {**values, "tags": ticket.tags}
        events += [
            {"id": self.next_id(), "type": "Create", "field_name": name, "value": _shown(value)}
            for name, value in shown.items()
            if value not in (None, [])
        ]
        audit = self._audit(ticket, actor, via, wanted, events)
        return Change(ticket, audit, actor, None, comment, self.users[comment.author_id])

    def update(
        self, ticket: Ticket, wanted: Json, actor: User, via: str, source: Json | None = None
    ) -> Change:
        """Change *ticket* as *wanted* says; one audit comes of it.

        Raises RecordError for a closed ticket and for values that Zendesk does not know.
        """
        if ticket.status == "closed":
            raise RecordError(status="closed prevents ticket update")
        self._check(wanted)
        before = ticket.status
        wanted = dict(wanted)
        events: list[Json] = []
        comment = None
        if isinstance(wanted.get("comment"), dict) and _raw_text(wanted["comment"]):
            comment = self._comment(ticket, wanted["comment"], actor, via)
            events.append(self._comment_event(comment))
            # The author counts for nothing here, only who is signed in.
            by_customer = comment.public and not actor.is_staff
            if by_customer and before in ("pending", "hold", "solved") and "status" not in wanted:
                wanted["status"] = "open"
        self._native_rules(ticket, wanted, actor)
        for name in FIELDS:
            if name in wanted and wanted[name] != ticket.values[name]:
                events.append(self._change_event(name, wanted[name], ticket.values[name]))
                ticket.values[name] = wanted[name]
        events += self._change_tags(ticket, wanted)
        for one in wanted.get("custom_fields") or []:
            events.append(
                self._change_event(str(one["id"]), one["value"], ticket.custom_fields.get(int(one["id"])))
            )
            ticket.custom_fields[int(one["id"])] = one["value"]
        audit = self._audit(ticket, actor, via, wanted, events, source=source)
        author = self.users[comment.author_id] if comment else None
        return Change(ticket, audit, actor, before, comment, author)

    def _native_rules(self, ticket: Ticket, wanted: Json, actor: User) -> None:
        """What Zendesk does by itself: a solved ticket has an assignee, an assigned one is not new."""
        if wanted.get("status") == "new" and ticket.status != "new":
            raise RecordError(status="Status: is not valid")
        assigned = wanted.get("assignee_id", ticket.values["assignee_id"])
        if wanted.get("status") == "solved" and not assigned and actor.is_staff:
            wanted["assignee_id"] = actor.id
        elif wanted.get("assignee_id") and ticket.status == "new" and "status" not in wanted:
            wanted["status"] = "open"

    def _check(self, wanted: Json) -> None:
        for name, allowed in (("status", STATUSES), ("priority", PRIORITIES), ("type", TYPES)):
            if wanted.get(name) is not None and wanted[name] not in allowed:
                raise RecordError(**{name: f"{name.title()}: is not valid"})
        for name in ("requester_id", "assignee_id"):
            if wanted.get(name) is not None and wanted[name] not in self.users:
                raise RecordError(**{name.removesuffix("_id"): "is invalid"})
            if wanted.get(name) is not None and not self.users[wanted[name]].active:
                raise RecordError(**{name.removesuffix("_id"): "is deleted"})
        assignee = self.users.get(wanted.get("assignee_id") or 0)
        if assignee and not assignee.is_staff:
            raise RecordError(assignee="is not an agent")

    def _followup_source(self, wanted: Json) -> Ticket | None:
        number = wanted.get("via_followup_source_id")
        if number is None:
            return None
        source = self.tickets.get(int(number))
        if source is None or source.status != "closed":
            raise RecordError(via_followup_source_id="is not the id of a closed ticket")
        return source

    def _inline_requester(self, wanted: Json) -> int | None:
        requester = wanted.get("requester")
        if not isinstance(requester, dict):
            return None
        email = requester.get("email")
        user = self.find_user(email) if email else None
        return (user or self.add_user(str(requester.get("name") or "?"), email=email)).id

    def _comment(self, ticket: Ticket, wanted: Json, actor: User, via: str) -> Comment:
        author = self.users.get(wanted.get("author_id") or actor.id)
        if author is None:
            raise RecordError(comment="Author is invalid")
        raw = str(wanted.get("html_body") or wanted.get("body"))[:COMMENT_LIMIT]
        if author.is_staff:
            raw = expand(raw, ticket, author, self)
        if wanted.get("html_body"):
            body, shown = text_of(raw), wrapped(raw)
        else:
            # The API strips HTML from `body` and collapses white space; the interface does not.
            body = raw if via == "web" else re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", raw)).strip()
            shown = html_of(body)
        # Left out, a comment is as public as the ticket's first one.
        fallback = ticket.comments[0].public if ticket.comments else True
        public = bool(wanted.get("public", fallback)) if author.is_staff or "public" in wanted else True
        comment = Comment(self.next_id(), author.id, body, shown, public, now(), via)
        ticket.comments.append(comment)
        return comment

    def audit_of(self, ticket: Ticket, comment: Comment) -> Audit:
        return next(audit for audit in ticket.audits if any(e["id"] == comment.id for e in audit.events))

    def make_internal(self, ticket: Ticket, comment: Comment, actor: User) -> Change:
        """Take *comment* off the public side. The audit that brought it stays as it was: a new one tells."""
        comment.public = False
        event = {"id": self.next_id(), "type": "CommentPrivacyChange"}
        event |= {"comment_id": comment.id, "public": False}
        audit = self._audit(ticket, actor, "web", {}, [event])
        return Change(ticket, audit, actor, ticket.status, None, None)

    def redact(self, ticket: Ticket, comment: Comment, shown: str, actor: User) -> None:
        """Give *comment* the HTML *shown*, in the ticket and in its audit; what was there is nowhere."""
        comment.html_body, comment.body = shown, text_of(shown)
        audit = self.audit_of(ticket, comment)
        event = next(one for one in audit.events if one["id"] == comment.id)
        event |= self._comment_event(comment)
        event["audit_id"] = audit.id
        told = {"id": self.next_id(), "type": "CommentRedactionEvent", "comment_id": comment.id}
        self._audit(ticket, actor, "web", {}, [told])

    def _comment_event(self, comment: Comment) -> Json:
        return {
            "id": comment.id,
            "type": "Comment",
            "author_id": comment.author_id,
            "body": comment.body,
            "html_body": comment.html_body,
            "plain_body": comment.body,
            "public": comment.public,
            "attachments": [],
        }

    def _change_event(self, name: str, value: Any, previous: Any) -> Json:
        shown, before = _shown(value), _shown(previous)
        event = {"id": self.next_id(), "type": "Change", "field_name": name}
        return event | {"value": shown, "previous_value": before}

    def _change_tags(self, ticket: Ticket, wanted: Json) -> list[Json]:
        if "tags" not in wanted and not wanted.get("additional_tags") and not wanted.get("remove_tags"):
            return []
        tags = {str(tag).lower() for tag in wanted.get("tags", ticket.tags)}
        tags = (tags | set(wanted.get("additional_tags") or [])) - set(wanted.get("remove_tags") or [])
        if tags == set(ticket.tags):
            return []
        event = self._change_event("tags", sorted(tags), ticket.tags)
        ticket.tags = sorted(tags)
        return [event]

    def _audit(
        self,
        ticket: Ticket,
        actor: User,
        via: str,
        wanted: Json,
        events: list[Json],
        *,
        source: Json | None = None,
    ) -> Audit:
        ticket.updated_at = now()
        custom = wanted.get("metadata") or {}
        audit = Audit(
            self.next_id(), ticket.id, actor.id, ticket.updated_at, via, custom, events, source or {}
        )
        for event in events:
            if event["type"] == "Comment":
                event["audit_id"] = audit.id
        ticket.audits.append(audit)
        return audit


def _raw_text(comment: Json) -> str:
    return str(comment.get("html_body") or comment.get("body") or "").strip()


def _shown(value: Any) -> Any:
    """A value as audits write it: numbers as strings."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# Liquid's blocks work in business rules; what an agent types keeps its {% as it is.
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def expand(text: str, ticket: Ticket, actor: User, records: Records) -> str:
    """*text* with Zendesk's placeholders filled in; unknown ones vanish."""
    requester = records.users.get(ticket.values["requester_id"])
    assignee = records.users.get(ticket.values["assignee_id"] or 0)
    last = ticket.comments[-1].body if ticket.comments else ""
    known = {
        "ticket.id": ticket.id,
        "ticket.external_id": ticket.values["external_id"],
        "ticket.title": ticket.values["subject"],
        "ticket.status": ticket.status.title(),
        "ticket.priority": ticket.values["priority"],
        "ticket.tags": " ".join(ticket.tags),
        "ticket.updated_at_with_timestamp": iso(ticket.updated_at),
        "ticket.created_at_with_timestamp": iso(ticket.created_at),
        "ticket.requester.name": requester.name if requester else "",
        "ticket.requester.email": requester.email if requester else "",
        "ticket.assignee.name": assignee.name if assignee else "",
        "ticket.assignee.email": assignee.email if assignee else "",
        "ticket.latest_comment": last,
        "ticket.comments": f"[#<Comment body: {last!r}>]",
        "current_user.id": actor.id,
        "current_user.name": actor.name,
        "current_user.email": actor.email,
    }
    return _PLACEHOLDER.sub(lambda match: str(known.get(match.group(1)) or ""), text)
