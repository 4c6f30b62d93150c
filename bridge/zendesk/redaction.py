"""Taking words out of tickets for good, and a customer's name out of the record that we made.

https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/#redact-ticket-comment-in-agent-workspace
and, for accounts without the Agent Workspace, "Redact String in Comment" on the same page.
Redacted characters are replaced by a block; nobody can bring them back.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.core.desk import Customer
from bridge.errors import VendorAuthError, VendorGoneError, VendorRefusedError
from bridge.zendesk.answer import VENDOR
from bridge.zendesk.body import CommentBody, CommentsAnswer, UserAnswer, read
from bridge.zendesk.client import ZendeskClient
from bridge.zendesk.text import NAME_LIMIT, as_line

_REDACT = "redact a comment"
_RENAME = "rename the customer"
_PAGES = 50  # of a hundred comments each: as many as a ticket takes
_BLOCK = "▇"
# A link goes as a whole, because its address tells as much as its text.
_PIECES = re.compile(r"(<a\b.*?</a>|<[^>]*>)", re.DOTALL | re.IGNORECASE)
_NOT_ALLOWED = "the bridge's user may not redact: allow its role to redact ticket content"


def redact(client: ZendeskClient, ticket_id: int, update_id: str | None) -> None:
    """Redact the comment that came with the audit *update_id*, None: the opening one.

    Raises VendorRefusedError where neither way is open to us, VendorGoneError when the
    ticket was deleted or has no such comment.
    """
    comment = _find(client, ticket_id, update_id)
    marked = mark(comment.html_body or "")
    if marked is None:
        return
    body = {"ticket_id": ticket_id, "html_body": marked}
    try:
        client.send(_REDACT, "PUT", f"/api/v2/comment_redactions/{comment.id}.json", body)
    except (VendorAuthError, VendorRefusedError, VendorGoneError) as error:
        if error.status not in (400, 403, 404, 422):
            raise
        # No Agent Workspace here, or a token that may only touch tickets.
        _redact_lines(client, ticket_id, comment)


def mark(fragment: str) -> str | None:
    """HTML with every word marked to be redacted; None when there is nothing left to redact."""
    pieces = []
    found = False
    for piece in _PIECES.split(fragment):
        is_markup = piece.startswith("<") and not piece[:3].lower().startswith(("<a ", "<a>"))
        if is_markup or not piece.replace("&nbsp;", "").replace(_BLOCK, "").strip():
            pieces.append(piece)
        else:
            found = True
            pieces.append(f"<redact>{piece}</redact>")
    return "".join(pieces) if found else None


def _redact_lines(client: ZendeskClient, ticket_id: int, comment: CommentBody) -> None:
    """The older way: one string at a time, on tickets that are not closed."""
    text = comment.plain_body or comment.body or ""
    path = f"/api/v2/tickets/{ticket_id}/comments/{comment.id}/redact.json"
    try:
        for line in dict.fromkeys(each.strip() for each in text.replace("&nbsp;", " ").splitlines()):
            if line.replace(_BLOCK, "").strip():
                client.send(_REDACT, "PUT", path, {"text": line})
    except VendorAuthError as error:
        if error.status != 403:
            raise
        # Not a fault of the credentials: it must not park what else goes to the desk.
        raise VendorRefusedError(VENDOR, _REDACT, _NOT_ALLOWED, status=403) from None


def _find(client: ZendeskClient, ticket_id: int, update_id: str | None) -> CommentBody:
    path: str | None = f"/api/v2/tickets/{ticket_id}/comments.json"
    params: dict[str, str] | None = {"page[size]": "100"}
    for _ in range(_PAGES):
        if path is None:
            break
        page = read(CommentsAnswer, client.get(_REDACT, path, params), _REDACT)
        for comment in page.comments:
            if update_id is None or str(comment.audit_id) == update_id:
                return comment
        path, params = page.next, None
    raise VendorGoneError(VENDOR, _REDACT, "the ticket has no such comment")


def rename(client: ZendeskClient, user_id: int, customer: Customer, is_ours: Callable[[str], bool]) -> bool:
    """Give the user the name and external id of *customer*; False when *is_ours* no longer holds of it."""
    path = f"/api/v2/users/{user_id}.json"
    try:
        user = read(UserAnswer, client.get(_RENAME, path), _RENAME).user
        if user.external_id == customer.external_id:
            return True
        if not is_ours(user.external_id or ""):
            return False
        new = {"name": as_line(customer.name, NAME_LIMIT), "external_id": customer.external_id}
        client.send(_RENAME, "PUT", path, {"user": new})
    except VendorGoneError:
        return False
    return True
