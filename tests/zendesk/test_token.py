"""OAuth tokens: minted when needed, kept until a minute before their end, minted again once on a 401."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import pytest

from bridge.core import deadline
from bridge.core.desk import TicketUpdate
from bridge.core.patience import ATTEMPTS
from bridge.errors import VendorAuthError, VendorBusyError, VendorError, VendorGoneError
from bridge.zendesk import ZendeskDesk
from bridge.zendesk.session import dial
from bridge.zendesk.token import RUN_SCOPES, TokenProvider
from tests.zendesk.conftest import (
    HOME,
    SECRET,
    Answer,
    Loopback,
    desk_at,
    grant,
    json_answer,
    oauth_account,
)

MINT = f"{HOME}/oauth/tokens"
TICKET = f"{HOME}/api/v2/tickets/5.json"
DONE = {"ticket": {}, "audit": {"id": 71}}


class Ticking:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def provider(clock: Ticking | None = None) -> TokenProvider:
    account = oauth_account()
    return TokenProvider(account, lambda: dial(account), RUN_SCOPES, clock or Ticking())


def mints(api) -> int:
    return len([call for call in api.calls if call.request.url == MINT])


def authorisations(api) -> list[str]:
    return [call.request.headers["Authorization"] for call in api.calls if call.request.url == TICKET]


def write(desk: ZendeskDesk) -> str:
    return desk.update_ticket(TicketUpdate("5", "x"), "stamp-1")


def test_the_request_for_a_token_names_its_scopes_and_its_lifetime(api):
    """Without expires_in in the request Zendesk's answer has none either."""
    assert provider().token() == "test-access-token"
    assert json.loads(api.calls[0].request.body) == {
        "grant_type": "client_credentials",
        "client_id": "test-client",
        "client_secret": SECRET,
        "scope": "read tickets:write users:write",
        "expires_in": 3600,
    }


def test_a_token_serves_until_a_minute_before_its_end(api):
    """A call that starts in the last minute may end after it."""
    clock = Ticking()
    tokens = provider(clock)
    tokens.token()
    clock.at += 3600 - 61
    tokens.token()
    assert mints(api) == 1
    clock.at += 1
    tokens.token()
    assert mints(api) == 2


def test_an_answer_without_a_lifetime_is_taken_for_what_was_asked(api):
    """The vendor leaves expires_in out at times."""
    api.replace("POST", MINT, json={"access_token": "test-access-token", "scope": "read"})
    clock = Ticking()
    tokens = provider(clock)
    tokens.token()
    clock.at += 3000
    tokens.token()
    assert mints(api) == 1


def test_many_threads_mint_one_token(api):
    """A burst at the start must not spend the rate limit on tokens."""
    tokens = provider()
    threads = [threading.Thread(target=tokens.token) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mints(api) == 1


@pytest.mark.parametrize(
    ("status", "attempts", "kind"), [(503, ATTEMPTS, VendorBusyError), (401, 1, VendorAuthError)]
)
def test_many_threads_share_one_failure_to_mint(loopback: Loopback, status: int, attempts: int, kind: type):
    """One after the other they would wait for a call each, far past the leases of what they work on."""
    desk = desk_at(loopback.url)
    asking, failures = threading.Barrier(7), []

    def answer() -> Answer:
        if loopback.asked[0] is loopback.asked[-1]:
            asking.wait(5)
            time.sleep(0.2)  # the others are in
        return json_answer({"error": "down"}, status)

    def ask(number: int) -> None:
        if number:
            asking.wait(5)
        try:
            desk.read_ticket("5")
        except VendorError as error:
            failures.append(error)

    loopback.tokens = answer
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loopback.asked) == attempts
    assert {type(error) for error in failures} == {kind}
    assert len(failures) == 7
    assert len({str(error) for error in failures}) == 1


def test_whoever_asks_after_a_failure_to_mint_has_it_tried_again(loopback: Loopback):
    """It is for those who waited for it, and not remembered against the next."""
    desk = desk_at(loopback.url)
    loopback.tokens = lambda: json_answer({"error": "invalid_client"}, 401)
    with pytest.raises(VendorAuthError):
        desk.read_ticket("5")
    loopback.tokens = lambda: json_answer(grant())
    with pytest.raises(VendorGoneError):  # which is what this Zendesk says of every ticket
        desk.read_ticket("5")
    assert len(loopback.api_calls) == 1


def test_a_revoked_token_is_renewed_once_and_the_call_repeated(api, desk):
    """A 401 did nothing, so even a write may go again."""
    api.replace("POST", MINT, json=grant("test-first"))

    def renewed(request):
        if request.headers["Authorization"] == "Bearer test-second":
            return 200, {}, json.dumps(DONE)
        api.replace("POST", MINT, json=grant("test-second"))
        return 401, {}, "{}"

    api.add_callback("PUT", TICKET, renewed)
    assert write(desk) == "71"
    assert authorisations(api) == ["Bearer test-first", "Bearer test-second"]


def test_a_write_whose_time_ran_out_at_a_401_does_not_go_again(api, desk, monkeypatch):
    """Whoever looks for it later counts on that: nothing can come of it any more."""
    clock = Ticking()
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=clock))

    def slowly_refused(request):
        clock.at += 31
        return 401, {}, "{}"

    api.add_callback("PUT", TICKET, slowly_refused)
    with deadline.within(30), pytest.raises(VendorBusyError):
        write(desk)
    assert len(authorisations(api)) == 1


def test_a_second_401_is_an_auth_error(api, desk):
    """Renewing over and over would only lock the client out."""
    api.put(TICKET, status=401, json={"error": "Couldn't authenticate you"})
    with pytest.raises(VendorAuthError):
        write(desk)
    assert mints(api) == 2
    assert len(authorisations(api)) == 2


def test_a_late_401_does_not_throw_away_a_newer_token(api):
    """Two threads meet the same 401; the second must not undo what the first renewed."""
    tokens = provider()
    tokens.token()
    tokens.discard("test-older-token")
    tokens.token()
    assert mints(api) == 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_scope"}, VendorAuthError),
        (401, {"error": "invalid_client"}, VendorAuthError),
        (403, {}, VendorAuthError),
        (404, "no help desk", VendorAuthError),
        (302, {}, VendorBusyError),
        (429, {}, VendorBusyError),
        (503, {}, VendorBusyError),
        (200, {"token": "elsewhere"}, VendorBusyError),
    ],
)
def test_what_goes_wrong_at_minting_pauses_the_lane_or_waits(api, desk, status, body, error):
    """No token: nothing was sent, nothing is lost, and no case is parked for it."""
    api.replace("POST", MINT, status=status, json=body)
    with pytest.raises(error) as caught:
        write(desk)
    assert caught.value.operation == "mint token"
    assert authorisations(api) == []


def test_a_lost_answer_to_minting_is_simply_tried_again(loopback):
    """A second token does no harm, even when the call behind it is a write."""
    loopback.tokens = lambda: None
    with pytest.raises(VendorBusyError):
        write(desk_at(loopback.url))
    with pytest.raises(VendorBusyError):
        desk_at(loopback.url).read_ticket("5")
    assert [asked.path for asked in loopback.asked] == 2 * ATTEMPTS * ["/oauth/tokens"]


def test_granted_scopes_are_remembered(api):
    """The doctor compares them with what was asked for."""
    tokens = provider()
    tokens.token()
    assert tokens.granted == ("read", "tickets:write", "users:write")
