"""The fake Zendesk, talked to by zenpy and requests as the bridge does."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from zenpy import Zenpy
from zenpy.lib.api_objects import Comment, Ticket, User

from bridge.sandbox import Sandbox
from bridge.sandbox.zendesk import Limits
from tests.sandbox.conftest import Receiver


def mint(sandbox: Sandbox, **changes: object) -> requests.Response:
    desk = sandbox.zendesk
    wanted = {
        "grant_type": "client_credentials",
        "client_id": desk.client_id,
        "client_secret": desk.client_secret,
        "scope": "read write",
    }
    return requests.post(f"{desk.url}/oauth/tokens", json=wanted | changes, timeout=5)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[requests.Session]:
    """A session with a token; its ``url`` is the API's root."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer " + mint(sandbox).json()["access_token"]
        yield session


@pytest.fixture
def root(sandbox: Sandbox) -> str:
    return f"{sandbox.zendesk.url}/api/v2"


@pytest.fixture
def zenpy(sandbox: Sandbox, api: requests.Session, monkeypatch: pytest.MonkeyPatch) -> Zenpy:
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", urlsplit(sandbox.zendesk.url).netloc)
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", "http")
    return Zenpy(subdomain="sandbox", session=api, anonymous=True, disable_cache=True)


def open_ticket(zenpy: Zenpy, text: str = "the app logs me out", **fields: object) -> int:
    """A ticket by a customer, as the bridge opens one. Returns its id."""
    customer = zenpy.users.create_or_update(User(name="Ani", external_id="standard:ani"))
    comment = Comment(html_body=text, author_id=customer.id, public=True)
    audit = zenpy.tickets.create(Ticket(subject="app", requester_id=customer.id, comment=comment, **fields))
    return int(audit.ticket.id)


def put(api: requests.Session, root: str, ticket_id: int, **wanted: object) -> requests.Response:
    return api.put(f"{root}/tickets/{ticket_id}.json", json={"ticket": wanted}, timeout=5)


def test_expires_in_is_told_only_to_those_who_ask(sandbox):
    """A client that does not send expires_in is not told how long its token lives."""
    assert "expires_in" not in mint(sandbox).json()
    assert mint(sandbox, expires_in=3600).json()["expires_in"] == 3600


def test_wrong_client_secret_is_401(sandbox):
    """Bad client credentials mint nothing."""
    assert mint(sandbox, client_secret="wrong").status_code == 401


def test_scope_beyond_the_clients_list_is_refused(sandbox):
    """Since August 2026 a client may carry a list of allowed scopes."""
    sandbox.zendesk.door.allowed_scopes = {"read"}
    answer = mint(sandbox)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_without_token_everything_is_401_but_users_me_is_anonymous(sandbox, root):
    """users/me fools a health check that looks at the status only."""
    assert requests.get(f"{root}/tickets.json", timeout=5).status_code == 401
    me = requests.get(f"{root}/users/me.json", timeout=5)
    assert me.status_code == 200
    assert me.json()["user"]["id"] is None


def test_audits_need_the_global_read_scope(sandbox, root, zenpy):
    """tickets:read opens tickets, and not their audits."""
    ticket_id = open_ticket(zenpy)
    token = mint(sandbox, scope="tickets:read").json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{root}/tickets/{ticket_id}.json", headers=headers, timeout=5).status_code == 200
    audits = requests.get(f"{root}/tickets/{ticket_id}/audits.json", headers=headers, timeout=5)
    assert audits.status_code == 403


def test_revoked_token_is_401(sandbox, api, root):
    """An admin resets the tokens: the next call has to mint anew."""
    sandbox.zendesk.door.revoke_all()
    assert api.get(f"{root}/tickets.json", timeout=5).status_code == 401


def test_idempotency_key_gives_the_first_answer_again(api, root, sandbox):
    """The same key and body twice is one ticket; another body is a 400."""
    body = {"ticket": {"comment": {"body": "help"}}}
    headers = {"Idempotency-Key": "case-1"}
    first = api.post(f"{root}/tickets.json", json=body, headers=headers, timeout=5)
    again = api.post(f"{root}/tickets.json", json=body, headers=headers, timeout=5)
    assert (first.status_code, first.headers["x-idempotency-lookup"]) == (201, "miss")
    assert (again.status_code, again.headers["x-idempotency-lookup"]) == (201, "hit")
    assert first.json() == again.json()
    assert len(sandbox.zendesk.tickets()) == 1
    other = {"ticket": {"comment": {"body": "helps"}}}
    refused = api.post(f"{root}/tickets.json", json=other, headers=headers, timeout=5)
    assert (refused.status_code, refused.json()["error"]) == (400, "IdempotentRequestError")


def test_tickets_are_found_by_external_id(zenpy, api, root):
    """An external id that holds & and # is found when the query is encoded."""
    ticket_id = open_ticket(zenpy, external_id="one:a&b#c")
    open_ticket(zenpy, external_id="one:a")
    found = api.get(f"{root}/tickets.json", params={"external_id": "one:a&b#c"}, timeout=5).json()
    assert [ticket["id"] for ticket in found["tickets"]] == [ticket_id]


def test_placeholders_are_expanded_in_agents_comments_only(zenpy, api, root, sandbox):
    """A customer's braces survive under the customer's name and not under an agent's."""
    ticket_id = open_ticket(zenpy, "my {{ticket.id}} and {{secret}}")
    put(api, root, ticket_id, comment={"body": "my {{ticket.id}} and {{secret}} {% if %}", "public": False})
    texts = [comment.text for comment in sandbox.zendesk.ticket(ticket_id).comments]
    assert texts == ["my {{ticket.id}} and {{secret}}", f"my {ticket_id} and {{% if %}}"]


def test_body_loses_its_line_breaks_and_html_body_keeps_them(zenpy, api, root, sandbox):
    """A plain body is collapsed by the API."""
    ticket_id = open_ticket(zenpy, "one<br>two &lt;b&gt;")
    put(api, root, ticket_id, comment={"body": "one\n  two", "public": False})
    texts = [comment.text for comment in sandbox.zendesk.ticket(ticket_id).comments]
    assert texts == ["one\ntwo <b>", "one two"]


def test_comment_in_a_customers_name_reopens_a_solved_ticket_only_where_it_says_so(zenpy, api, root, sandbox):
    """Who is signed in counts, not the author; the status change is in the same audit as the comment."""
    ticket_id = open_ticket(zenpy)
    sandbox.zendesk.solve(ticket_id)
    customer = zenpy.users.search(external_id="standard:ani").next()
    comment = {"html_body": "no", "public": True, "author_id": customer.id}
    put(api, root, ticket_id, comment=comment)
    assert sandbox.zendesk.ticket(ticket_id).status == "solved"
    put(api, root, ticket_id, comment=comment, status="open")
    assert sandbox.zendesk.ticket(ticket_id).status == "open"
    last = api.get(f"{root}/tickets/{ticket_id}/audits.json", timeout=5).json()["audits"][-1]
    assert [event["type"] for event in last["events"]] == ["Comment", "Change"]


def test_closed_ticket_takes_no_update_and_one_follow_up(zenpy, api, root, sandbox):
    """422 with Zendesk's own words; a follow-up inherits the tags and is linked."""
    ticket_id = open_ticket(zenpy, tags=["social"])
    sandbox.zendesk.solve(ticket_id)
    early = {"ticket": {"comment": {"body": "again"}, "via_followup_source_id": ticket_id}}
    assert api.post(f"{root}/tickets.json", json=early, timeout=5).status_code == 422
    sandbox.zendesk.close(ticket_id)
    refused = put(api, root, ticket_id, comment={"body": "again", "public": True})
    assert refused.status_code == 422
    assert refused.json()["details"]["status"][0]["description"] == "closed prevents ticket update"
    follow_up = api.post(f"{root}/tickets.json", json=early, timeout=5).json()["ticket"]
    assert follow_up["tags"] == ["social"]
    assert follow_up["via"]["source"] == {"from": {"ticket_id": ticket_id}, "to": {}, "rel": "follow_up"}


def test_audits_tell_who_came_which_way_with_which_stamp(zenpy, api, root, sandbox):
    """API updates carry their metadata; a solve by rule is no act of a person."""
    ticket_id = open_ticket(zenpy)
    put(api, root, ticket_id, comment={"body": "note", "public": False}, metadata={"bridge": "intent-1"})
    sandbox.zendesk.agent_comments(ticket_id, "Fixed.", status="solved")
    sandbox.zendesk.reopen(ticket_id)
    sandbox.zendesk.solve(ticket_id, via="rule")
    answer = api.get(f"{root}/tickets/{ticket_id}/audits.json?include=users", timeout=5).json()
    channels = [audit["via"]["channel"] for audit in answer["audits"]]
    assert channels == ["api", "api", "web", "web", "rule"]
    assert answer["audits"][1]["metadata"]["custom"] == {"bridge": "intent-1"}
    staff = {user["id"] for user in answer["users"] if user["role"] in ("agent", "admin")}
    assert [audit["author_id"] in staff for audit in answer["audits"]] == [True] * 5


def test_a_cursors_next_page_keeps_the_order_and_the_sideloads(zenpy, api, root):
    """The link says all that was asked: newest first goes on with what is older."""
    ticket_id = open_ticket(zenpy)
    for number in range(4):
        put(api, root, ticket_id, comment={"body": f"note {number}", "public": False})
    address, seen = f"{root}/tickets/{ticket_id}/audits.json?page[size]=2&sort=-created_at&include=users", []
    while address:
        page = api.get(address, timeout=5).json()
        seen += [audit["id"] for audit in page["audits"]]
        assert page["users"]
        address = page["links"]["next"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 5


def test_zenpy_pages_through_audits(zenpy, api, root):
    """next_page is absolute and leads to the rest."""
    ticket_id = open_ticket(zenpy)
    for number in range(4):
        put(api, root, ticket_id, comment={"body": f"note {number}", "public": False})
    page = api.get(f"{root}/tickets/{ticket_id}/audits.json?per_page=2", timeout=5).json()
    second = api.get(page["next_page"], timeout=5).json()
    assert len(page["audits"]) == len(second["audits"]) == 2
    assert len(list(zenpy.tickets.audits(ticket_id))) == 5


def test_merge_closes_the_source_and_keeps_its_words_private(zenpy, sandbox):
    """Both tickets get an internal comment; the source is closed and tagged."""
    source, target = open_ticket(zenpy), open_ticket(zenpy)
    sandbox.zendesk.merge(source, target)
    merged = sandbox.zendesk.ticket(source)
    assert (merged.status, merged.tags) == ("closed", ("closed_by_merge",))
    assert sandbox.zendesk.ticket(target).says(f"Request #{source}", public=False)


def test_updates_of_one_ticket_are_limited(root):
    """30 in ten minutes in the real thing: then 429 with Retry-After."""
    with Sandbox(limits=Limits(updates_per_ticket_in_ten_minutes=1)) as sandbox:
        token = mint(sandbox).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        base = f"{sandbox.zendesk.url}/api/v2/tickets"
        opened = requests.post(base, json={"ticket": {"comment": {"body": "x"}}}, headers=headers, timeout=5)
        assert opened.headers["X-Rate-Limit"] == "400"
        body = {"ticket": {"comment": {"body": "y", "public": False}}}
        assert requests.put(f"{base}/1", json=body, headers=headers, timeout=5).status_code == 200
        refused = requests.put(f"{base}/1", json=body, headers=headers, timeout=5)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert len(sandbox.zendesk.ticket(1).comments) == 2


def test_tickets_own_link_opens_for_a_person(zenpy, sandbox):
    """The card links to it; what customers wrote is escaped."""
    ticket_id = open_ticket(zenpy, "&lt;script&gt;")
    answer = requests.get(f"{sandbox.zendesk.url}/agent/tickets/{ticket_id}", timeout=5)
    assert answer.status_code == 200
    assert "<p>&lt;script&gt;</p>" in answer.text


def signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Zendesk's recipe, written down a second time."""
    content = headers["x-zendesk-webhook-signature-timestamp"].encode() + body
    digest = hmac.new(secret.encode(), content, hashlib.sha256).digest()
    return headers["x-zendesk-webhook-signature"] == base64.b64encode(digest).decode()


def test_agents_public_comment_fires_one_signed_webhook(sandbox, receiver: Receiver, zenpy):
    """The body holds ids only, rendered from placeholders; an internal note fires nothing."""
    ticket_id = open_ticket(zenpy, external_id="one:case:1")
    sandbox.zendesk.install_webhook(receiver.url)
    sandbox.zendesk.agent_comments(ticket_id, "only for us", public=False)
    sandbox.zendesk.agent_comments(ticket_id, "Hello!")
    assert sandbox.wait_idle()
    heard = receiver.heard
    assert len(heard) == 1
    assert signed_by(sandbox.zendesk.webhook_secret, heard[0].headers, heard[0].body)
    told = json.loads(heard[0].body)
    assert (told["ticket_id"], told["ticket_external_id"]) == (str(ticket_id), "one:case:1")
    assert told["event"] == "commented"


def test_triggers_run_on_updates_by_api_too(sandbox, receiver: Receiver, zenpy, api, root):
    """A bridge that forgets its own comments hears itself."""
    sandbox.zendesk.install_webhook(receiver.url)
    ticket_id = open_ticket(zenpy)
    put(api, root, ticket_id, comment={"body": "ours", "public": True})
    actors = [json.loads(one.body)["current_user_id"] for one in receiver.wait_for(2)]
    assert actors == [str(sandbox.zendesk.service_user.id)] * 2


def test_comment_and_solve_in_one_update_fire_both_triggers(sandbox, receiver: Receiver, zenpy):
    """Two webhooks for one audit: whoever answers each of them answers twice."""
    ticket_id = open_ticket(zenpy)
    sandbox.zendesk.install_webhook(receiver.url)
    sandbox.zendesk.agent_comments(ticket_id, "Fixed.", status="solved")
    events = {json.loads(one.body)["event"] for one in receiver.wait_for(2)}
    assert events == {"commented", "status_changed"}


def test_webhook_and_trigger_are_made_through_the_api(sandbox, receiver: Receiver, zenpy, api, root):
    """As a set-up does it: create, read the secret back, limit the trigger to a tag."""
    webhook = {
        "name": "mine",
        "status": "active",
        "endpoint": f"{receiver.url}/mine",
        "http_method": "POST",
        "request_format": "json",
        "subscriptions": ["conditional_ticket_events"],
    }
    made = api.post(f"{root}/webhooks", json={"webhook": webhook}, timeout=5).json()["webhook"]
    secret = api.get(f"{root}/webhooks/{made['id']}/signing_secret", timeout=5).json()["signing_secret"]
    assert secret["secret"] == sandbox.zendesk.webhook_secret
    trigger = {
        "title": "mine",
        "conditions": {
            "all": [{"field": "current_tags", "operator": "includes", "value": "social"}],
            "any": [],
        },
        "actions": [{"field": "notification_webhook", "value": [made["id"], "{{ticket.status}}"]}],
    }
    assert api.post(f"{root}/triggers.json", json={"trigger": trigger}, timeout=5).status_code == 201
    open_ticket(zenpy)
    open_ticket(zenpy, tags=["social"])
    assert sandbox.wait_idle()
    assert [(one.path, one.body) for one in receiver.heard] == [("/mine", b"New")]


def test_webhook_is_repeated_after_503_and_lost_after_500(sandbox, receiver: Receiver, zenpy):
    """Zendesk's retry manners: a 500 loses the event for good."""
    ticket_id = open_ticket(zenpy)
    sandbox.zendesk.install_webhook(receiver.url)
    receiver.statuses = [503, 200]
    sandbox.zendesk.agent_comments(ticket_id, "one")
    receiver.wait_for(2)
    assert sandbox.wait_idle()
    receiver.statuses = [500]
    sandbox.zendesk.agent_comments(ticket_id, "two")
    receiver.wait_for(3)
    assert sandbox.wait_idle()
    assert len(receiver.heard) == 3


def test_event_subscriptions_are_an_account_matter(receiver: Receiver):
    """Where the account has them, a comment comes as an event with capitals and string ids."""
    with Sandbox(event_subscriptions=True) as sandbox:
        headers = {"Authorization": "Bearer " + mint(sandbox).json()["access_token"]}
        base = f"{sandbox.zendesk.url}/api/v2"
        webhook = {
            "name": "events",
            "status": "active",
            "endpoint": f"{receiver.url}/events",
            "http_method": "POST",
            "request_format": "json",
            "subscriptions": ["zen:event-type:ticket.comment_added", "zen:event-type:ticket.status_changed"],
        }
        made = requests.post(f"{base}/webhooks", json={"webhook": webhook}, headers=headers, timeout=5)
        assert made.status_code == 201
        opened = {"ticket": {"comment": {"body": "x"}}}
        requests.post(f"{base}/tickets", json=opened, headers=headers, timeout=5)
        sandbox.zendesk.agent_comments(1, "Fixed.", status="solved")
        told = [json.loads(one.body) for one in receiver.wait_for(3)]
    assert [one["type"].rsplit(".", 1)[1] for one in told] == [
        "comment_added",
        "comment_added",
        "status_changed",
    ]
    assert told[1]["event"]["comment"]["author"]["is_staff"] is True
    assert told[2]["event"]["current"] == told[2]["detail"]["status"] == "SOLVED"
    assert told[2]["detail"]["id"] == "1"


def test_event_subscriptions_are_refused_where_the_account_lacks_them(api, root):
    """403, so that a set-up falls back to triggers."""
    webhook = {
        "name": "events",
        "status": "active",
        "endpoint": "http://127.0.0.1/",
        "http_method": "POST",
        "request_format": "json",
        "subscriptions": ["zen:event-type:ticket.comment_added"],
    }
    assert api.post(f"{root}/webhooks", json={"webhook": webhook}, timeout=5).status_code == 403


def exported(api: requests.Session, root: str, **params: object) -> list[list[tuple[int, str]]]:
    """The whole export from *params* on: id and status of the tickets on each page."""
    pages = []
    while True:
        body = api.get(f"{root}/incremental/tickets/cursor.json", params=params, timeout=5).json()
        pages.append([(one["id"], one["status"]) for one in body["tickets"]])
        if body["end_of_stream"]:
            return pages
        params = {"cursor": body["after_cursor"]}


def test_the_export_goes_on_within_a_second_and_shows_deleted_tickets(zenpy, api, root, sandbox):
    """Three tickets of one second on pages of two; deleted ones are only there."""
    sandbox.zendesk.export_lag_s, sandbox.zendesk.export_page = 0.0, 2
    numbers = [open_ticket(zenpy) for _ in range(3)]
    sandbox.zendesk.delete(numbers[1])
    records = sandbox.zendesk.records.tickets
    for number in numbers:
        records[number].updated_at = records[numbers[0]].updated_at
    start = int(records[numbers[0]].updated_at.timestamp())

    pages = exported(api, root, start_time=start)

    assert [[(numbers[0], "new"), (numbers[1], "deleted")], [(numbers[2], "new")]] == pages
    assert 404 == api.get(f"{root}/tickets/{numbers[1]}.json", timeout=5).status_code
    assert numbers[1] not in [ticket.id for ticket in sandbox.zendesk.tickets()]


def test_the_export_leaves_the_newest_minute_out(zenpy, api, root, sandbox):
    """As the real one does: what is newer is not certain yet."""
    number = open_ticket(zenpy)
    assert [[]] == exported(api, root, start_time=0)
    record = sandbox.zendesk.records.tickets[number]
    record.updated_at -= timedelta(seconds=61)
    assert [[(number, "new")]] == exported(api, root, start_time=0)


def test_the_eleventh_export_of_a_minute_is_429_and_says_how_long(api, root):
    """Ten a minute, told in a header of its own."""
    answers = [
        api.get(f"{root}/incremental/tickets/cursor.json", params={"start_time": 0}, timeout=5)
        for _ in range(11)
    ]
    assert [200] * 10 + [429] == [answer.status_code for answer in answers]
    assert "remaining=0" in answers[9].headers["Zendesk-RateLimit-incremental-exports"]
    assert 0 < int(answers[10].headers["Retry-After"]) <= 60


@pytest.mark.parametrize("params", [{}, {"start_time": "yesterday"}, {"cursor": "!"}])
def test_an_export_from_nowhere_is_400(api, root, params):
    """Neither a time nor a cursor of ours."""
    answer = api.get(f"{root}/incremental/tickets/cursor.json", params=params, timeout=5)
    assert 400 == answer.status_code
