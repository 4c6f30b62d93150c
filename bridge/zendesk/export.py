"""The cursor-based incremental export of tickets: which ones changed, page by page.

https://developer.zendesk.com/documentation/ticketing/managing-tickets/using-the-incremental-export-api/
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, Field

from bridge.core.desk import Change, Changes
from bridge.errors import VendorAuthError, VendorBusyError
from bridge.zendesk.answer import VENDOR, other_shape
from bridge.zendesk.body import Body, ViaBody, read
from bridge.zendesk.client import ZendeskClient

# Zendesk allows a thousand; answers of half that size come well within a call's timeout.
PER_PAGE = 500
REQUESTS = 10
WINDOW_S = 60.0

_OPERATION = "read changes"
_PATH = "/api/v2/incremental/tickets/cursor.json"


class Export:
    """The export of one account. Shared by its threads.

    Zendesk allows ten requests a minute, and does not promise to say in a header how
    many are left: they are counted here as well. An empty budget is a VendorBusyError
    with the seconds to wait, and nothing is sent.
    """

    def __init__(self, client: ZendeskClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sent: deque[float] = deque(maxlen=REQUESTS)

    def read(self, since: datetime, cursor: str | None) -> Changes:
        """One page, as `bridge.core.ports.Desk.read_changes` says."""
        self._spend()
        params = {"per_page": str(PER_PAGE)}
        if cursor is None:
            params["start_time"] = str(int(since.timestamp()))
        else:
            params["cursor"] = cursor
        try:
            content = self._client.get(_OPERATION, _PATH, params, patient=False)
        except VendorAuthError as error:
            if error.status != 403:
                raise
            fix = "the export is not allowed: make the service user an admin, and allow the scope read"
            raise VendorAuthError(VENDOR, _OPERATION, fix, status=403) from None
        page = read(_ExportAnswer, content, _OPERATION)
        if not page.end_of_stream and (page.after_cursor is None or page.after_cursor == cursor):
            raise other_shape(_OPERATION, repeatable=True)
        return Changes(
            tuple(self._change(ticket) for ticket in page.tickets),
            None if page.end_of_stream else page.after_cursor,
        )

    def _change(self, ticket: _ChangedTicket) -> Change:
        at = ticket.updated_at.astimezone(UTC)
        if ticket.generated_timestamp is not None:
            at = datetime.fromtimestamp(ticket.generated_timestamp, UTC)
        return Change(
            ticket_id=str(ticket.id),
            url=self._client.account.ticket_url(str(ticket.id)),
            at=at,
            external_id=ticket.external_id,
            follow_up_of=_source_of(ticket.via),
            deleted=ticket.status == "deleted",
        )

    def _spend(self) -> None:
        now = self._monotonic()
        with self._lock:
            if len(self._sent) == REQUESTS and self._sent[0] > now - WINDOW_S:
                wait = self._sent[0] + WINDOW_S - now
                raise VendorBusyError(
                    VENDOR, _OPERATION, "the export's budget is used up", retry_after_s=wait
                )
            self._sent.append(now)


class _ChangedTicket(Body):
    id: int
    status: str
    external_id: str | None = None
    # What the export goes by: system's updates move it too, and it can be newer than updated_at.
    generated_timestamp: int | None = Field(default=None, ge=0, le=253402300799)
    updated_at: AwareDatetime
    via: ViaBody | None = None


class _ExportAnswer(Body):
    tickets: list[_ChangedTicket]
    after_cursor: str | None = None
    end_of_stream: bool


def _source_of(via: ViaBody | None) -> str | None:
    """The closed ticket that a follow-up continues."""
    if via is None or via.source is None or via.source.rel != "follow_up":
        return None
    source: Any = (via.source.from_ or {}).get("ticket_id")
    return str(source) if isinstance(source, int) else None
