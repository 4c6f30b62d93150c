"""The line to Zendesk: each request once, and each outcome as the error that names what to do next."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime

import pytest
import requests
import responses
import time_machine
from urllib3.exceptions import MaxRetryError, NameResolutionError, ProtocolError, SSLError

from bridge.core.desk import Customer, TicketDraft, TicketUpdate
from bridge.core.patience import ATTEMPTS
from bridge.errors import (
    SettingsError,
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.zendesk import ZendeskDesk
from bridge.zendesk.answer import code_in, no_answer
from bridge.zendesk.client import ZendeskClient
from bridge.zendesk.rate import LONGEST_WAIT_S
from tests.zendesk.conftest import HOME, Loopback, desk_at, grant, json_answer, oauth_account

TICKET = f"{HOME}/api/v2/tickets/5.json"
NOTE = TicketUpdate(ticket_id="5", text="a note")
DRAFT = TicketDraft(external_id="bridge:1:0", requester_id="7", subject="s", text="t", tags=())
CLOSED = {
    "error": "RecordInvalid",
    "description": "Record validation errors",
    "details": {"status": [{"description": "Status: closed prevents ticket update"}]},
}


def read(desk: ZendeskDesk) -> object:
    return desk.read_ticket("5")


def write(desk: ZendeskDesk) -> object:
    return desk.update_ticket(NOTE, "stamp-1")


def upsert(desk: ZendeskDesk) -> object:
    return desk.register_customer(Customer("mastodon:1", "Somebody"))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": "BadRequest"}, (VendorRefusedError, VendorRefusedError)),
        (400, {"error": "IdempotentRequestError"}, (VendorUnclearError, VendorUnclearError)),
        (401, {"error": "Couldn't authenticate you"}, (VendorAuthError, VendorAuthError)),
        (403, {"error": {"title": "Forbidden", "message": "…"}}, (VendorAuthError, VendorAuthError)),
        (404, {"error": "RecordNotFound", "description": "Not found"}, (VendorGoneError, VendorGoneError)),
        (404, {"error": "InvalidEndpoint"}, (VendorRefusedError, VendorRefusedError)),
        (409, {"error": "UpdateConflict"}, (VendorBusyError, VendorBusyError)),
        (413, {}, (VendorRefusedError, VendorRefusedError)),
        (418, {}, (VendorRefusedError, VendorRefusedError)),
        (422, CLOSED, (VendorGoneError, VendorGoneError)),
        (423, {}, (VendorBusyError, VendorBusyError)),
        (429, {}, (VendorBusyError, VendorBusyError)),
        (500, {}, (VendorBusyError, VendorUnclearError)),
        (502, {}, (VendorBusyError, VendorUnclearError)),
        (503, {}, (VendorBusyError, VendorUnclearError)),
        (504, {}, (VendorBusyError, VendorUnclearError)),
    ],
)
def test_each_status_is_named_for_what_the_caller_does_next(api, desk, status, body, expected):
    """The class is the retry policy, and a 5xx means something else to a read than to a write."""
    api.get(TICKET, json=body, status=status)
    api.put(TICKET, json=body, status=status)
    with pytest.raises(VendorError) as of_the_read:
        read(desk)
    with pytest.raises(VendorError) as of_the_write:
        write(desk)
    assert (type(of_the_read.value), type(of_the_write.value)) == expected
    assert of_the_write.value.status == status


def test_a_missing_account_does_not_look_like_a_missing_ticket(api, desk):
    """A wrong subdomain answers 404 in HTML: no case may be finished because of that."""
    api.get(TICKET, body="<html>No help desk here</html>", status=404)
    with pytest.raises(VendorRefusedError):
        read(desk)


def test_a_5xx_to_an_upsert_may_simply_be_repeated(api, desk):
    """Registering the same customer twice does no harm, so nothing has to be looked for."""
    api.post(f"{HOME}/api/v2/users/create_or_update.json", status=502)
    with pytest.raises(VendorBusyError):
        upsert(desk)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"title": "Forbidden", "message": "You do not have access"}}, "Forbidden"),
        (
            {"error": "RecordInvalid", "description": "…", "details": {"requester": [], "status": []}},
            "RecordInvalid (requester, status)",
        ),
        ({"errors": [{"code": "InvalidPaginationDepth", "title": "…"}]}, "InvalidPaginationDepth"),
        ({"errors": [{"title": "Forbidden"}]}, "Forbidden"),
        ({"error": "Couldn't authenticate you"}, ""),
        ({"error": "Value my card is 4111 is not valid"}, ""),
        ({"errors": ["plain"]}, ""),
        ({"error": None}, ""),
        (["unexpected"], ""),
        (None, ""),
    ],
)
def test_the_code_is_found_in_every_shape_of_error_body(body, code):
    """Only what looks like a code is taken: a sentence may quote the customer."""
    assert code_in(body) == code


def test_a_429_is_ours_before_zenpy_can_sleep_on_it(api):
    """zenpy would sleep half a minute in this thread, and then again, for as long as Zendesk says so."""
    api.get(f"{HOME}/api/v2/groups.json", status=429, headers={"Retry-After": "30"}, json={})
    client = ZendeskClient(oauth_account())
    started = time.monotonic()
    with pytest.raises(VendorBusyError) as caught, client.through_zenpy("list groups") as zenpy:
        list(zenpy.groups())
    assert time.monotonic() - started < 1
    assert caught.value.retry_after_s == 30
    assert len([call for call in api.calls if "groups" in call.request.url]) == 1


def test_a_date_in_retry_after_is_measured_from_now(api, desk):
    """Zendesk's own clock is not asked; ours decides how long to wait."""
    api.put(TICKET, status=429, headers={"Retry-After": "Fri, 20 Nov 2026 10:00:30 GMT"}, json={})
    at_ten = time_machine.travel(datetime(2026, 11, 20, 10, 0, tzinfo=UTC), tick=False)
    with at_ten, pytest.raises(VendorBusyError) as caught:
        write(desk)
    assert caught.value.retry_after_s == 30


def test_a_long_wait_is_cut(api, desk):
    """A day is a mistake: ten minutes later somebody asks again."""
    api.put(TICKET, status=429, headers={"Retry-After": "86400"}, json={})
    with pytest.raises(VendorBusyError) as caught:
        write(desk)
    assert caught.value.retry_after_s == LONGEST_WAIT_S


def test_a_bucket_that_is_empty_stops_the_next_call_before_it_is_sent(api, desk):
    """Zendesk said that nothing is left: asking again would only earn a 429."""
    api.get(TICKET, status=409, json={}, headers={"ratelimit-remaining": "0", "ratelimit-reset": "20"})
    with pytest.raises(VendorBusyError):
        read(desk)
    sent = len(api.calls)
    with pytest.raises(VendorBusyError) as caught:
        read(desk)
    assert len(api.calls) == sent
    assert 19 < caught.value.retry_after_s <= 20
    assert desk.rates.remaining() == {"account": 0}


def test_one_busy_ticket_does_not_stop_the_others(api, desk):
    """Thirty updates in ten minutes is a limit per ticket; the account may go on."""
    spent = {"Zendesk-RateLimit-tickets-update": "total=30; remaining=0; resets=500"}
    api.put(TICKET, json={"ticket": {}, "audit": {"id": 71}}, headers=spent)
    api.put(f"{HOME}/api/v2/tickets/6.json", json={"ticket": {}, "audit": {"id": 72}})
    assert write(desk) == "71"
    with pytest.raises(VendorBusyError):
        write(desk)
    assert desk.update_ticket(TicketUpdate("6", "x"), "stamp-2") == "72"


def test_rate_headers_that_make_no_sense_are_passed_over(api, desk):
    """A proxy may write anything there."""
    odd = {"ratelimit-remaining": "many", "Zendesk-RateLimit-search-index": "x; remaining=; =3"}
    api.put(TICKET, json={"ticket": {}, "audit": {"id": 71}}, headers=odd)
    assert write(desk) == "71"
    assert desk.rates.remaining() == {}


@pytest.mark.parametrize(
    ("act", "error", "calls"), [(read, VendorBusyError, ATTEMPTS), (write, VendorUnclearError, 1)]
)
def test_a_503_reaches_the_server_as_often_as_we_mean_it_to(loopback: Loopback, act, error, calls):
    """urllib3's hidden retries, which zenpy brings along for https, are off: a write goes out once."""
    loopback.answer = lambda asked: json_answer({}, 503)
    with pytest.raises(error):
        act(desk_at(loopback.url))
    assert len(loopback.api_calls) == calls


def test_zenpy_itself_repeats_nothing(loopback: Loopback):
    """What the session does not repeat goes out once, through zenpy, too."""
    loopback.answer = lambda asked: json_answer({}, 501, Retry_After="30")
    client = ZendeskClient(oauth_account(url=loopback.url))
    with pytest.raises(VendorBusyError), client.through_zenpy("list groups") as zenpy:
        list(zenpy.groups())
    assert len(loopback.api_calls) == 1


def test_a_read_that_works_the_second_time_is_an_answer(api, desk, slept):
    """A hiccup of a moment does not keep a case's whole desk waiting."""
    api.get(TICKET, status=500, json={})
    api.get(TICKET, status=429, headers={"Retry-After": "2"}, json={})
    api.get(TICKET, json={"ticket": {"id": 5, "status": "open", "requester_id": 7}})
    assert desk.read_ticket("5").id == "5"
    assert len(slept) == 2
    assert slept[1] == 2.0


def test_a_read_does_not_wait_a_long_rate_limit_out(api, desk, slept):
    """The flow waits in its table then, and the thread does something else."""
    api.get(TICKET, status=429, headers={"Retry-After": "30"}, json={})
    with pytest.raises(VendorBusyError) as caught:
        read(desk)
    assert caught.value.retry_after_s == 30
    assert slept == []


def test_a_token_is_asked_for_again_and_the_write_still_goes_out_once(loopback: Loopback):
    """Zendesk has hiccups at the token's address, too; a second token does no harm."""
    said = iter([json_answer({}, 503), json_answer({}, 503), json_answer(grant())])
    loopback.tokens = lambda: next(said)
    loopback.answer = lambda asked: json_answer({"ticket": {}, "audit": {"id": 71}})
    assert write(desk_at(loopback.url)) == "71"
    assert len(loopback.asked) == 4


def test_nothing_is_mounted_that_would_retry_on_https():
    """Production is https and the tests are http: both go through the same adapter, and there is no other."""
    client = ZendeskClient(oauth_account())
    session = client.zenpy.tickets.session
    assert session is client.session
    assert session.get_adapter(f"{HOME}/api/v2/tickets.json").max_retries.total == 0
    with pytest.raises(requests.exceptions.InvalidSchema):
        session.get_adapter("https://elsewhere.example/")


@pytest.mark.parametrize(
    ("act", "error", "calls"),
    [(read, VendorBusyError, ATTEMPTS), (upsert, VendorBusyError, 1), (write, VendorUnclearError, 1)],
)
def test_a_lost_answer_means_look_first_only_where_something_may_have_happened(loopback, act, error, calls):
    """The server took the request and hung up: a write may have been done."""
    loopback.answer = lambda asked: None
    with pytest.raises(error):
        act(desk_at(loopback.url))
    assert len(loopback.api_calls) == calls


def test_an_answer_cut_in_the_middle_is_unclear_to_a_write(loopback):
    """The head said 200, the body never came whole: the id of what was made is not known."""
    loopback.answer = lambda asked: (200, {"Content-Length": "5000"}, b'{"ticket":')
    desk = desk_at(loopback.url, timeout_s=0.2)
    with pytest.raises(VendorUnclearError):
        write(desk)


def test_a_server_that_drips_is_left_after_the_timeout(loopback):
    """requests' own timeout starts again with every byte."""

    def drip():
        for _ in range(40):
            time.sleep(0.02)
            yield b" "

    loopback.answer = lambda asked: (200, {"Content-Length": "1000"}, drip())
    desk = desk_at(loopback.url, timeout_s=0.1)
    started = time.monotonic()
    with pytest.raises(VendorUnclearError, match="in time"):
        write(desk)
    assert time.monotonic() - started < 0.7


def test_a_refused_connection_never_happened():
    """Nobody listens: even a write may simply be tried again."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(VendorBusyError):
            write(desk_at(url))
        with pytest.raises(VendorBusyError):
            write(ZendeskDesk(legacy(url)))


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectTimeout(),
        requests.ConnectionError(
            MaxRetryError(None, "/", NameResolutionError("acme.zendesk.com", None, socket.gaierror()))
        ),
    ],
)
def test_a_call_that_found_no_server_never_happened(error):
    """No connection, no name: nothing of the request has left."""
    assert type(no_answer("update ticket", error, repeatable=False)) is VendorBusyError


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(MaxRetryError(None, "/", ProtocolError("reset", ConnectionResetError()))),
        requests.ConnectionError(ProtocolError("hung up")),
        requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError("bad record"))),
        requests.ReadTimeout(),
        requests.ConnectionError(),
    ],
)
def test_a_call_that_broke_off_may_have_happened(error):
    """A server was there and something may have left, whoever wraps the error."""
    assert type(no_answer("update ticket", error, repeatable=False)) is VendorUnclearError


@pytest.mark.parametrize(("act", "error"), [(read, VendorBusyError), (write, VendorUnclearError)])
@pytest.mark.parametrize(
    "body", [b"<html>welcome</html>", b"[]", b'{"ticket": 7, "audit": "x"}', b"\xff", b""]
)
def test_a_2xx_of_another_shape_is_no_success(loopback, act, error, body):
    """A captive portal answers 200 too."""
    loopback.answer = lambda asked: (200, {}, body)
    with pytest.raises(error):
        act(desk_at(loopback.url))


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"[]", b'{"user": 7}', b'{"other": {}}', b"{}"])
def test_zenpy_failing_to_read_an_answer_is_a_vendors_error(loopback, body):
    """zenpy has errors of its own, which quote the whole answer."""
    loopback.answer = lambda asked: (200, {}, body)
    with pytest.raises(VendorBusyError) as caught:
        upsert(desk_at(loopback.url))
    assert "welcome" not in str(caught.value)


@pytest.mark.parametrize(
    ("act", "error"), [(read, VendorBusyError), (upsert, VendorBusyError), (write, VendorUnclearError)]
)
def test_a_time_out_of_the_server_is_unclear_to_a_write_alone(loopback, act, error):
    """408: whoever waited for whom, a write may have been done."""
    loopback.answer = lambda asked: (408, {}, b"")
    with pytest.raises(error):
        act(desk_at(loopback.url))


@pytest.mark.parametrize(("act", "error"), [(upsert, VendorBusyError), (write, VendorRefusedError)])
def test_a_redirect_is_tried_again_where_that_is_safe(loopback, act, error):
    """A page for a time of maintenance must not park a case that has no ticket yet."""
    loopback.answer = lambda asked: (303, {"Location": "/maintenance"}, b"")
    with pytest.raises(error):
        act(desk_at(loopback.url))
    assert len(loopback.api_calls) == 1


def test_a_redirect_is_not_followed(api, desk):
    """Credentials go to the one address that the admin wrote down."""
    api.get(TICKET, status=302, headers={"Location": "https://elsewhere.example/"})
    elsewhere = api.get("https://elsewhere.example/", json={})
    with pytest.raises(VendorBusyError):
        read(desk)
    assert elsewhere.call_count == 0


def test_a_link_to_another_host_is_not_followed(api, desk):
    """A next page elsewhere would be handed our token."""
    page = {
        "audits": [],
        "meta": {"has_more": True},
        "links": {"next": "https://acme.zendesk.com.evil.example/"},
    }
    api.get(f"{HOME}/api/v2/tickets/5/audits.json", json=page)
    with pytest.raises(VendorRefusedError):
        desk.read_updates("5")


@pytest.mark.parametrize("base", ["{url}", HOME, ""])
def test_links_are_followed_whether_they_name_zendesk_or_the_address_that_is_dialled(loopback, base):
    """A proxy may or may not rewrite Zendesk's links, and some are relative."""
    following = base.format(url=loopback.url) + "/api/v2/tickets/5/audits.json?page=2"

    def answer(asked):
        more = "page=2" not in asked.path
        return json_answer({"audits": [], "meta": {"has_more": more}, "links": {"next": following}})

    loopback.answer = answer
    assert desk_at(loopback.url).read_updates("5") == []
    assert len(loopback.api_calls) == 2


def test_loopback_is_dialled_even_where_a_proxy_is_set(loopback, monkeypatch):
    """HTTP_PROXY in a developer's environment would catch the sandbox's calls."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    loopback.answer = lambda asked: json_answer({"ticket": {}, "audit": {"id": 71}})
    assert write(desk_at(loopback.url)) == "71"


@pytest.mark.parametrize("authorities", [None, "/etc/our-own.pem"])
@responses.activate
def test_zendesk_is_reached_by_the_proxy_and_authorities_that_the_environment_names(monkeypatch, authorities):
    """Certificates are checked all the same."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    if authorities:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authorities)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    responses.post(f"{HOME}/oauth/tokens", json=grant())
    responses.put(TICKET, json={"ticket": {}, "audit": {"id": 71}})
    assert write(ZendeskDesk(oauth_account())) == "71"
    with_what = [call.request.req_kwargs for call in responses.calls]  # type: ignore[attr-defined]
    assert [one["verify"] for one in with_what] == [authorities or True] * 2
    assert [one["proxies"]["https"] for one in with_what] == ["http://proxy.example:3128"] * 2


def legacy(url: str | None = None):
    return oauth_account(
        client_id=None, client_secret=None, email="bridge@example.com", api_token="test-api-token", url=url
    )


def test_the_old_token_still_works_and_says_when_it_will_not(caplog):
    """API tokens stop on 2027-04-30; whoever still has one should hear of it at each start."""
    with responses.RequestsMock() as mock:
        mock.put(TICKET, json={"ticket": {}, "audit": {"id": 71}})
        assert write(ZendeskDesk(legacy())) == "71"
        header = mock.calls[0].request.headers["Authorization"]
    assert requests.auth._basic_auth_str("bridge@example.com/token", "test-api-token") == header
    assert "2027-04-30" in caplog.text
    assert "test-api-token" not in caplog.text


@pytest.mark.parametrize("subdomain", ["", "acme.zendesk.com", "https://acme", "evil.example/#", "a b"])
def test_a_subdomain_that_is_none_is_a_fault_of_the_settings(subdomain):
    """It becomes part of the address that gets the credentials."""
    with pytest.raises(SettingsError, match="ZENDESK_SUBDOMAIN"):
        oauth_account(subdomain=subdomain)


def test_the_case_of_a_subdomain_does_not_matter(loopback):
    """zenpy knows an answer by its address, and so does our session."""
    loopback.answer = lambda asked: json_answer({"user": {"id": 7}})
    assert upsert(ZendeskDesk(oauth_account(subdomain="ACME", url=loopback.url))) == "7"


def test_no_credentials_at_all_is_a_fault_of_the_settings():
    """Said at the start, not on the first complaint."""
    with pytest.raises(SettingsError, match="ZENDESK_CLIENT_ID"):
        ZendeskDesk(oauth_account(client_secret=None))


def test_the_key_and_the_bytes_of_a_ticket_are_the_same_at_every_try(api, desk):
    """Idempotency-Key asks for it: the same key with other bytes is refused."""
    made = api.post(f"{HOME}/api/v2/tickets.json", json={"ticket": {"id": 5, "status": "new"}}, status=201)
    api.get(
        f"{HOME}/api/v2/ticket_fields.json",
        json={
            "ticket_fields": [{"id": 1, "title": "Social network"}, {"id": 2, "title": "Social permalink"}]
        },
    )
    fields = {"network": "mastodon", "permalink": "https://example.com/1"}
    for ordered in (fields, dict(reversed(fields.items()))):
        other = ZendeskDesk(oauth_account())
        other.open_ticket(
            TicketDraft("bridge:1:0", "7", "s", "t", ("b", "a"), fields=ordered), "bridge:1:0:key"
        )
    first, second = (call.request for call in made.calls)
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == "bridge:1:0:key"
    assert first.body == second.body
    assert json.loads(first.body)["ticket"]["custom_fields"] == [
        {"id": 1, "value": "mastodon"},
        {"id": 2, "value": "https://example.com/1"},
    ]
    assert "Idempotency-Key" not in api.calls[0].request.headers
