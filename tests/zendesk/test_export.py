"""The incremental export: which tickets changed, page by page, within ten requests a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from responses import matchers

from bridge.core.desk import Change
from bridge.errors import VendorAuthError, VendorBusyError, VendorError
from bridge.zendesk import ZendeskDesk
from bridge.zendesk.client import ZendeskClient
from bridge.zendesk.export import Export
from tests.zendesk.conftest import HOME, oauth_account

URL = f"{HOME}/api/v2/incremental/tickets/cursor.json"
SINCE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Seconds:
    """A monotonic clock that a test puts forward."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def ticket(number: int, **changes: Any) -> dict[str, Any]:
    """A ticket as the vendor's page shows one, shortened."""
    via = {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}}
    plain = {
        "id": number,
        "status": "open",
        "external_id": None,
        "updated_at": "2026-11-21T12:00:05Z",
        "generated_timestamp": int(SINCE.timestamp()) + 7,
        "subject": "words of a customer",
        "via": via,
    }
    return {**plain, **changes}


def page(*tickets: dict[str, Any], after: str | None = "MTU4", end: bool = True) -> dict[str, Any]:
    return {"tickets": list(tickets), "after_cursor": after, "after_url": None, "end_of_stream": end}


def answer(api: responses.RequestsMock, body: Any, *asked: tuple[str, str], **more: Any) -> None:
    params = {"per_page": "500", **dict(asked)}
    api.get(URL, json=body, match=[matchers.query_param_matcher(params)], **more)


def test_the_first_page_is_asked_for_by_time_the_next_by_cursor(
    api: responses.RequestsMock, desk: ZendeskDesk
):
    """Until the end of the stream."""
    answer(api, page(ticket(1), end=False), ("start_time", str(int(SINCE.timestamp()))))
    answer(api, page(ticket(2)), ("cursor", "MTU4"))

    first = desk.read_changes(SINCE, None)
    second = desk.read_changes(SINCE, first.cursor)

    assert ["1", "2"] == [change.ticket_id for change in (*first.changes, *second.changes)]
    assert [True, False] == [first.more, second.more]


def test_a_change_has_the_time_that_the_export_goes_by(api: responses.RequestsMock, desk: ZendeskDesk):
    """The system's own updates move generated_timestamp and leave updated_at."""
    answer(api, page(ticket(1, external_id="bridge:case:1")), ("start_time", str(int(SINCE.timestamp()))))
    [change] = desk.read_changes(SINCE, None).changes
    at = SINCE + timedelta(seconds=7)
    assert Change("1", f"{HOME}/agent/tickets/1", at, "bridge:case:1") == change


def test_deleted_tickets_and_follow_ups_are_told(api: responses.RequestsMock, desk: ZendeskDesk):
    """Deleted ones stay in the export; a follow-up names the closed ticket that it continues."""
    source = {"from": {"ticket_id": 7, "subject": "x"}, "to": {}, "rel": "follow_up"}
    via = {"channel": "web", "source": source}
    answer(
        api,
        page(ticket(1, status="deleted"), ticket(2, via=via)),
        ("start_time", str(int(SINCE.timestamp()))),
    )
    gone, followed = desk.read_changes(SINCE, None).changes
    assert (True, None) == (gone.deleted, gone.follow_up_of)
    assert (False, "7") == (followed.deleted, followed.follow_up_of)


def test_the_eleventh_request_of_a_minute_is_not_sent(api: responses.RequestsMock):
    """It says how long to wait, and after that there is room again."""
    seconds = Seconds()
    export = Export(ZendeskClient(oauth_account()), seconds)
    api.get(URL, json=page())
    for _ in range(10):
        export.read(SINCE, None)
        seconds.at += 1
    with pytest.raises(VendorBusyError) as busy:
        export.read(SINCE, None)
    assert 50 == busy.value.retry_after_s
    assert 10 == len([call for call in api.calls if call.request.url.startswith(URL)])

    seconds.at += 50
    export.read(SINCE, None)


@pytest.mark.parametrize("name", ["incremental-exports", "incremental-exports-cursor"])
def test_zendesks_own_count_is_believed_first(api: responses.RequestsMock, desk: ZendeskDesk, name: str):
    """Somebody else's exports count against the same budget."""
    left = {f"Zendesk-RateLimit-{name}": "total=10; remaining=0; resets=33"}
    api.get(URL, json=page(), headers=left)
    desk.read_changes(SINCE, None)
    with pytest.raises(VendorBusyError) as busy:
        desk.read_changes(SINCE, None)
    assert busy.value.retry_after_s == pytest.approx(33, abs=2)
    assert 1 == len([call for call in api.calls if call.request.url.startswith(URL)])


def test_the_export_s_budget_stops_nothing_else(api: responses.RequestsMock, desk: ZendeskDesk):
    """Tickets are found and written while it is used up."""
    left = {"Zendesk-RateLimit-incremental-exports": "total=10; remaining=0; resets=33"}
    api.get(URL, json=page(), headers=left)
    api.get(f"{HOME}/api/v2/tickets.json", json={"tickets": []})
    desk.read_changes(SINCE, None)
    assert desk.find_ticket("bridge:case:1") is None


def test_a_refusal_names_the_fix(api: responses.RequestsMock, desk: ZendeskDesk):
    """The export is for admins, with the plain scope."""
    api.get(URL, status=403, json={"error": {"title": "Forbidden", "message": "no"}})
    with pytest.raises(VendorAuthError, match="make the service user an admin"):
        desk.read_changes(SINCE, None)


def test_too_many_requests_is_waited_out(api: responses.RequestsMock, desk: ZendeskDesk):
    """429 with Retry-After."""
    api.get(URL, status=429, headers={"Retry-After": "42"}, json={"error": "TooManyRequests"})
    with pytest.raises(VendorBusyError) as busy:
        desk.read_changes(SINCE, None)
    assert 42 == busy.value.retry_after_s


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_page_is_asked_for_once(
    api: responses.RequestsMock, desk: ZendeskDesk, slept: list[float], status: int
):
    """Ten requests a minute are counted one by one: none is repeated unseen, however short the wait."""
    asked = api.get(URL, json={}, status=status, headers={"Retry-After": "1"})
    with pytest.raises(VendorBusyError):
        desk.read_changes(SINCE, None)
    assert (asked.call_count, slept) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        page(ticket(1), after=None, end=False),
        {"tickets": [ticket(1)]},
        page({"id": 1, "subject": "words of a customer"}),
        page(ticket(1, generated_timestamp=10**15)),
        [],
    ],
    ids=["no cursor", "no end", "half a ticket", "a time beyond all calendars", "no object"],
)
def test_another_shape_is_refused_and_quotes_nobody(
    api: responses.RequestsMock, desk: ZendeskDesk, body: Any
):
    """Going on would be going round in circles, or would miss what cannot be read."""
    api.get(URL, json=body)
    with pytest.raises(VendorError) as error:
        desk.read_changes(SINCE, None)
    assert isinstance(error.value, VendorBusyError)
    assert "customer" not in str(error.value)


def test_a_cursor_that_leads_to_itself_ends_the_reading(api: responses.RequestsMock, desk: ZendeskDesk):
    """The same page for ever."""
    answer(api, page(ticket(1), end=False), ("cursor", "MTU4"))
    with pytest.raises(VendorBusyError):
        desk.read_changes(SINCE, "MTU4")
