"""A ticket's audits as the core's updates. Pure.

https://developer.zendesk.com/documentation/ticketing/reference-guides/ticket-audit-events-reference/
https://developer.zendesk.com/documentation/ticketing/reference-guides/via-types/
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC

from bridge.core.desk import Comment, Origin, Resolution, TicketStatus, Update
from bridge.zendesk.body import AuditBody, EventBody, ViaBody
from bridge.zendesk.payload import STAMP

MERGED_TAG = "closed_by_merge"

# Channels come by name or by number.
_ORIGINS: dict[str | int, Origin] = {
    "web": Origin.INTERFACE,
    "web_form": Origin.INTERFACE,
    0: Origin.INTERFACE,
    "mobile": Origin.INTERFACE,
    "api": Origin.API,
    "web_service": Origin.API,
    5: Origin.API,
    "rule": Origin.RULE,
    8: Origin.RULE,
    "email": Origin.EMAIL,
    "mail": Origin.EMAIL,
    4: Origin.EMAIL,
    "linked_problem": Origin.LINKED_PROBLEM,
    9: Origin.LINKED_PROBLEM,
    "merge": Origin.MERGE,
    19: Origin.MERGE,
}
# What the source says about an update goes before its channel: merges come as "web" too.
_RELATIONS = {
    "merge": Origin.MERGE,
    "trigger": Origin.RULE,
    "automation": Origin.RULE,
    "problem": Origin.LINKED_PROBLEM,
}
# An agent in the browser has no relation, in the mobile app it is this one. A widget, a
# feedback tab, a follow-up and whatever comes to be are not an agent's own interface.
_HAND = frozenset({None, "mobile"})
_TICKET_NUMBER = re.compile(r"#(\d{1,18})\b")


def as_update(audit: AuditBody, staff: Collection[int], resolution_field: int | None = None) -> Update:
    """One audit as one update; *staff* holds the ids of agents and admins."""
    comment = _comment_in(audit)
    status = next((e for e in reversed(audit.events) if _sets_status(e)), None)
    # An event has a "via" of its own when another hand than the audit's did it, as a trigger
    # that solves while an agent writes. What is said to the customer counts most, then the solve.
    said = comment if comment is not None and (comment.public or status is None) else None
    telling = said or status
    via = (telling.via if telling else None) or audit.via
    custom = (audit.metadata.custom if audit.metadata else None) or {}
    stamp = custom.get(STAMP)
    return Update(
        id=str(audit.id),
        at=audit.created_at.astimezone(UTC),
        actor_id=str(audit.author_id),
        origin=origin_of(via),
        stamp=stamp if isinstance(stamp, str) else None,
        comment=_as_comment(comment, audit, staff) if comment else None,
        status=TicketStatus(status.value) if status else None,
        resolution=_resolution_in(audit, staff, resolution_field),
        merged=_merged_by(audit),
    )


def withhold(audits: Iterable[AuditBody]) -> None:
    """Take for internal, in *audits* themselves, the comments that an agent made internal later.

    The reference of events tells of that in an event CommentPrivacyChange with the comment's
    number and ``public``. It does not say whether the audit that brought the comment changes
    too, so either will do. A redaction shows in the comment's own words, which are gone for
    good then; the event for it (CommentRedactionEvent) tells nothing more.
    """
    audits = list(audits)
    events = [event for audit in audits for event in audit.events]
    withheld = {
        event.comment_id for event in events if event.type == "CommentPrivacyChange" and not event.public
    }
    for event in events:
        if event.type == "Comment" and event.id is not None and event.id in withheld:
            event.public = False


def sets_fields(audit: AuditBody) -> bool:
    """Whether an audit changes fields of the account's own: they are named by their numbers."""
    return any(event.type == "Change" and (event.field_name or "").isdecimal() for event in audit.events)


def authors_in(audits: Iterable[AuditBody]) -> set[int]:
    """The users who wrote a comment in *audits*. Negative ids are the system's."""
    comments = ((audit, _comment_in(audit)) for audit in audits)
    authors = {comment.author_id or audit.author_id for audit, comment in comments if comment}
    return {author for author in authors if author > 0}


def origin_of(via: ViaBody | None) -> Origin:
    """Which way an update came. What is not known for certain is OTHER, and that is held."""
    if via is None or via.channel is None:
        return Origin.OTHER
    relation = via.source.rel if via.source else None
    if relation in _RELATIONS:
        return _RELATIONS[relation]
    origin = _ORIGINS.get(via.channel, Origin.OTHER)
    if origin is Origin.INTERFACE and relation not in _HAND:
        return Origin.OTHER
    return origin


def merge_target(audits: Iterable[AuditBody], ticket_id: int, *, is_tagged: bool = True) -> str | None:
    """The ticket into which *ticket_id* was merged, if its audits (newest first) tell.

    The number stands in the source of the merge, else in the notice that Zendesk writes with
    it, in whatever language. Where the ticket has not the tag of a merge (*is_tagged*), a notice
    may be anybody's note, and a merge that closes nothing one of another ticket into this.
    """
    for audit in audits:
        closes = any(_sets_status(e) and e.value == TicketStatus.CLOSED for e in audit.events)
        for via in (audit.via, *(event.via for event in audit.events)):
            if via is None or via.source is None or origin_of(via) is not Origin.MERGE:
                continue
            for end in (via.source.to, via.source.from_ if is_tagged or closes else None):
                other = (end or {}).get("ticket_id")
                if isinstance(other, int) and other != ticket_id:
                    return str(other)
        comment = _comment_in(audit)
        named = _TICKET_NUMBER.findall(_text_of(comment)) if is_tagged and comment and closes else []
        if named and int(named[0]) != ticket_id:
            return str(int(named[0]))
    return None


def _merged_by(audit: AuditBody) -> frozenset[str]:
    """The tickets that *audit* merged into its own: from the source of the merge, else from the notice."""
    found: set[int] = set()
    merges = [
        via
        for via in (audit.via, *(event.via for event in audit.events))
        if via is not None and origin_of(via) is Origin.MERGE
    ]
    for via in merges:
        source = (via.source.from_ if via.source else None) or {}
        several = source.get("ticket_ids")
        named = [source.get("ticket_id"), *(several if isinstance(several, list) else ())]
        found |= {one for one in named if isinstance(one, int)}
    comment = _comment_in(audit)
    if merges and not found and comment is not None:
        found |= {int(one) for one in _TICKET_NUMBER.findall(_text_of(comment))}
    return frozenset(map(str, found))


def _comment_in(audit: AuditBody) -> EventBody | None:
    comments = [event for event in audit.events if event.type == "Comment"]
    # Where a rule added a comment of its own to the update, the person's goes first.
    return min(
        comments, key=lambda event: origin_of(event.via or audit.via) is not Origin.INTERFACE, default=None
    )


def _resolution_in(audit: AuditBody, staff: Collection[int], field: int | None) -> Resolution | None:
    for event in reversed(audit.events):
        if event.type == "Change" and field is not None and event.field_name == str(field):
            text = event.value if isinstance(event.value, str) else ""
            hand = origin_of(event.via or audit.via) is Origin.INTERFACE and audit.author_id in staff
            return Resolution(text.strip(), by_hand=hand)
    return None


def _as_comment(event: EventBody, audit: AuditBody, staff: Collection[int]) -> Comment:
    author = event.author_id or audit.author_id
    return Comment(
        id=str(event.id if event.id is not None else audit.id),
        author_id=str(author),
        by_staff=author in staff,
        public=event.public,
        text=_text_of(event),
    )


def _text_of(event: EventBody) -> str:
    # Zendesk's "plain" text keeps this one entity for the spaces of its editor.
    # A picture alone has none, and ``body`` would be its address as Markdown.
    text = event.body if event.plain_body is None else event.plain_body
    return (text or "").replace("&nbsp;", " ").replace("\xa0", " ").strip()


def _sets_status(event: EventBody) -> bool:
    return event.type == "Change" and event.field_name == "status" and event.value in list(TicketStatus)
