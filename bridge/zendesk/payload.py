"""Our words as Zendesk's JSON. Pure: the same draft gives the same bytes tomorrow.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridge.core.desk import TicketDraft, TicketStatus, TicketUpdate
from bridge.errors import VendorRefusedError
from bridge.zendesk.answer import VENDOR
from bridge.zendesk.body import TicketBody
from bridge.zendesk.text import SUBJECT_LIMIT, as_html, as_line

# On every ticket of the bridge: the triggers look for it.
TAG = "social_bridge"
# Comes back in the audit as metadata.custom.bridge_stamp.
STAMP = "bridge_stamp"
_REOPENED = (TicketStatus.PENDING, TicketStatus.HOLD, TicketStatus.SOLVED)


def ticket_body(
    draft: TicketDraft,
    key: str,
    *,
    group_id: int | None,
    brand_id: int | None,
    field_ids: Mapping[str, int],
) -> dict[str, Any]:
    """The body that opens *draft*. Fields without an id in *field_ids* are left out."""
    ticket: dict[str, Any] = {
        "external_id": draft.external_id,
        "requester_id": number(draft.requester_id, "open ticket"),
        "subject": as_line(draft.subject, SUBJECT_LIMIT),
        "comment": {
            "html_body": as_html(draft.text),
            "author_id": number(draft.requester_id, "open ticket"),
            "public": True,
        },
        "tags": _tags(draft.tags),
        "custom_fields": _custom_fields(draft.fields, field_ids),
        "metadata": {STAMP: key},
        "group_id": group_id,
        "brand_id": brand_id,
        "priority": draft.priority,
        "type": draft.type,
        "via_followup_source_id": (
            number(draft.follow_up_of, "open ticket") if draft.follow_up_of is not None else None
        ),
    }
    return {"ticket": {name: value for name, value in ticket.items() if value is not None}}


def update_body(
    update: TicketUpdate,
    stamp: str,
    *,
    assignee_id: int | None,
    field_ids: Mapping[str, int],
    seen: TicketBody | None = None,
) -> dict[str, Any]:
    """The body that applies *update*. Tags are left alone: an update would replace them all.

    *seen*: the ticket right before, for the customer's words. Where it waits or is solved they
    open it again, and Zendesk refuses them (409) when it has changed since.
    """
    ticket: dict[str, Any] = {"metadata": {STAMP: stamp}}
    if update.text is not None:
        # Left out, "public" takes whatever the ticket had first.
        ticket["comment"] = {"html_body": as_html(update.text), "public": update.public}
        if update.author_id is not None:
            ticket["comment"]["author_id"] = number(update.author_id, "update ticket")
    if assignee_id is not None:
        ticket["assignee_id"] = assignee_id
    if update.subject is not None:
        ticket["subject"] = as_line(update.subject, SUBJECT_LIMIT)
    if field_ids:
        ticket["custom_fields"] = _custom_fields(update.fields, field_ids)
    if seen is not None:
        ticket |= {"safe_update": True, "updated_stamp": seen.updated_at} if seen.updated_at else {}
        # Zendesk does so itself for who signs in as the customer, not for who writes in their name:
        # https://support.zendesk.com/hc/en-us/articles/4408825831962
        ticket |= {"status": TicketStatus.OPEN.value} if seen.status in _REOPENED else {}
    return {"ticket": ticket}


def as_bytes(body: Mapping[str, Any]) -> bytes:
    """*body* as JSON whose bytes do not depend on anything but its content."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def number(desk_id: str, operation: str) -> int:
    """*desk_id* as Zendesk wants it. Raises VendorRefusedError when it was never one of Zendesk's."""
    if not (desk_id.isascii() and desk_id.isdigit()):
        raise VendorRefusedError(VENDOR, operation, "an id that is not one of Zendesk's")
    return int(desk_id)


def _custom_fields(values: Mapping[str, str], field_ids: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"id": field_ids[name], "value": as_line(value, 1000)}
        for name, value in sorted(values.items())
        if name in field_ids
    ]


def _tags(tags: tuple[str, ...]) -> list[str]:
    # Zendesk takes a space for the end of a tag.
    wanted = ("_".join(tag.lower().split()) for tag in (TAG, *tags))
    return list(dict.fromkeys(tag for tag in wanted if tag))
