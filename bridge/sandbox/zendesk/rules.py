"""The fake Zendesk's triggers: their conditions, and the bodies of their webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bridge.sandbox.zendesk.records import STATUSES, VIA_IDS, Change, Json, RecordError

_FIELDS = {
    "current_tags", "comment_is_public", "role", "status", "update_type", "current_via_id", "via_id",
    "brand_id", "group_id", "priority", "type",
}  # fmt: skip


@dataclass
class Trigger:
    id: int
    title: str
    all: list[Json]
    any: list[Json]
    actions: list[Json]
    active: bool = True
    description: str | None = None


@dataclass
class Webhook:
    """``secret`` signs what is sent. A webhook is for triggers or for events, for life."""

    id: str
    name: str
    endpoint: str
    status: str
    subscriptions: list[str]
    secret: str
    raw: Json = field(default_factory=dict)

    @property
    def for_triggers(self) -> bool:
        return self.subscriptions == ["conditional_ticket_events"]


def check_trigger(wanted: Json) -> None:
    """Refuse a trigger that the sandbox could not honour."""
    if not wanted.get("title"):
        raise RecordError(title="cannot be blank")
    if not wanted.get("actions"):
        raise RecordError(actions="Trigger must have at least one action")
    conditions = wanted.get("conditions") or {}
    for condition in (*conditions.get("all", ()), *conditions.get("any", ())):
        if condition.get("field") not in _FIELDS:
            raise RecordError(conditions=f"the sandbox does not know the field {condition.get('field')}")
    for action in wanted["actions"]:
        if action.get("field") != "notification_webhook":
            raise RecordError(actions=f"the sandbox does not know the action {action.get('field')}")


def fires(trigger: Trigger, change: Change) -> bool:
    """Whether *trigger* runs on this update: all of ``all``, and one of ``any`` if there are any."""
    if not trigger.active:
        return False
    some = [_holds(condition, change) for condition in trigger.any]
    return all(_holds(condition, change) for condition in trigger.all) and (not some or any(some))


def _holds(condition: Json, change: Change) -> bool:
    name, operator, value = condition["field"], condition.get("operator", "is"), condition.get("value")
    if name == "current_tags":
        found = any(tag in change.ticket.tags for tag in str(value).lower().split())
        return bool(found == (operator == "includes"))
    if name == "status":
        return _status_holds(operator, str(value).lower(), change)
    held = _is(name, value, change)
    return held != (operator in ("is_not", "not_value"))


def _is(name: str, value: Any, change: Change) -> bool:
    wanted = str(value).lower()
    if name == "update_type":
        return wanted == ("create" if change.before is None else "change")
    if name == "comment_is_public":
        return _comment_is(wanted, change)
    if name == "role":
        role = "agent" if change.actor.is_staff else "end_user"
        return wanted in (role, str(change.actor.id))
    if name == "current_via_id":
        return wanted in (str(VIA_IDS[change.audit.via]), change.audit.via)
    if name == "via_id":
        return wanted in (str(VIA_IDS[change.ticket.via]), change.ticket.via)
    return wanted == str(change.ticket.values[name] or "").lower()


def _comment_is(wanted: str, change: Change) -> bool:
    if change.comment is None:
        return False
    if wanted in ("not_relevant", ""):
        return True
    public = wanted in ("true", "1", "requester_can_see_comment")
    return change.comment.public == public


def _status_holds(operator: str, wanted: str, change: Change) -> bool:
    now, before = change.ticket.status, change.before
    changed = before is not None and before != now
    if operator in ("less_than", "greater_than"):
        distance = STATUSES.index(now) - STATUSES.index(wanted)
        return distance < 0 if operator == "less_than" else distance > 0
    answers = {
        "is": now == wanted,
        "is_not": now != wanted,
        "changed": changed,
        "not_changed": not changed,
        "value": now == wanted and (changed or before is None),
        "value_previous": changed and before == wanted,
        "not_value": changed and now != wanted,
        "not_value_previous": changed and before != wanted,
    }
    return bool(answers.get(operator))


def event_detail(change: Change) -> Json:
    """The ``detail`` of an event-type webhook: ids as strings, enums in capitals."""
    ticket = change.ticket
    values = ticket.values

    def text(value: Any) -> str | None:
        return None if value is None else str(value)

    def loud(value: Any) -> str | None:
        return None if value is None else str(value).upper()

    stamp = "%Y-%m-%dT%H:%M:%S.%f000Z"
    return {
        "id": str(ticket.id),
        "subject": values["subject"],
        "status": loud(ticket.status),
        "priority": loud(values["priority"]),
        "type": loud(values["type"]),
        "actor_id": str(change.actor.id),
        "assignee_id": text(values["assignee_id"]),
        "requester_id": text(values["requester_id"]),
        "submitter_id": str(ticket.submitter_id),
        "group_id": text(values["group_id"]),
        "organization_id": None,
        "brand_id": text(values["brand_id"]),
        "form_id": text(values["ticket_form_id"]),
        "external_id": values["external_id"],
        "is_public": any(comment.public for comment in ticket.comments),
        "tags": ticket.tags,
        "custom_status": None,
        "description": ticket.comments[0].body,
        "created_at": ticket.created_at.strftime(stamp),
        "updated_at": ticket.updated_at.strftime(stamp),
        "via": {"channel": ticket.via},
    }


def events_of(change: Change) -> list[tuple[str, Json]]:
    """The event types that this update fires, each with its ``event`` object."""
    events: list[tuple[str, Json]] = []
    if change.before is None:
        events.append(("zen:event-type:ticket.created", {}))
    if change.comment is not None:
        comment = change.comment
        author = change.author
        about = {
            "id": str(comment.author_id),
            "is_staff": bool(author and author.is_staff),
            "name": author.name if author else "",
        }
        event = {"id": str(comment.id), "body": comment.body, "is_public": comment.public, "author": about}
        events.append(("zen:event-type:ticket.comment_added", {"comment": event}))
    if change.before is not None and change.before != change.ticket.status:
        status = {"current": change.ticket.status.upper(), "previous": change.before.upper()}
        events.append(("zen:event-type:ticket.status_changed", status))
    return events
