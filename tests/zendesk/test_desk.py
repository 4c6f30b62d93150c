"""The port: what the flows may rely on."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import responses

from bridge.core import deadline
from bridge.core.desk import Customer, TicketDraft, TicketRef, TicketStatus, TicketUpdate
from bridge.errors import (
    VendorBusyError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.zendesk import ZendeskDesk
from bridge.zendesk.catalogue import Catalogue
from bridge.zendesk.client import ZendeskClient
from tests.zendesk.conftest import HOME, grant, oauth_account

API = f"{HOME}/api/v2"
AUDITS = Path(__file__).parent / "fixtures" / "audits"


def sent(mock: responses.BaseResponse) -> Any:
    return json.loads(mock.calls[-1].request.body)


def draft(**changes: Any) -> TicketDraft:
    given = {
        "external_id": "bridge:1f0c:0",
        "requester_id": "35436",
        "subject": "The app logs me out",
        "text": "It logs me out.\nEvery hour!",
        "tags": ("technical-issue", "two words"),
    }
    return TicketDraft(**{**given, **changes})


def audit(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "created_at": "2026-11-20T08:00:00Z",
        "author_id": 5246746,
        "via": {"channel": "web"},
        "metadata": {"custom": {}},
        "events": [],
        **changes,
    }


def said(number: int, author: int) -> list[dict[str, Any]]:
    return [{"id": number, "type": "Comment", "author_id": author, "public": True, "plain_body": "Hello"}]


def test_a_customer_is_registered_by_the_social_identity(api, desk):
    """No e-mail address is invented, and nobody is written to."""
    made = api.post(f"{API}/users/create_or_update.json", json={"user": {"id": 35436}}, status=201)
    assert desk.register_customer(Customer("mastodon:social.example:1", "Ann {{ticket.id}}")) == "35436"
    assert sent(made) == {
        "user": {
            "external_id": "mastodon:social.example:1",
            "name": "Ann {\u200b{ticket.id}}",
            "role": "end-user",
            "skip_verify_email": True,
        }
    }


@pytest.mark.parametrize("name", [" ", "\u3000\n", "\x00\x07"])
def test_a_customer_whose_name_shows_nothing_is_registered_all_the_same(api, desk, name):
    """Zendesk refuses an empty name, and then nobody would hear of the complaint."""
    made = api.post(f"{API}/users/create_or_update.json", json={"user": {"id": 35436}}, status=201)
    desk.register_customer(Customer("mastodon:social.example:1", name))
    assert sent(made)["user"]["name"] == "mastodon:social.example:1"


def test_a_ticket_opens_with_the_customers_words_as_the_customers_own(api, desk):
    """Under our own user Zendesk would take them for an agent's, and count them as an answer."""
    made = api.post(f"{API}/tickets.json", json={"ticket": {"id": 5158, "status": "new"}}, status=201)
    ref = desk.open_ticket(draft(), "key-1")
    assert ref == TicketRef("5158", "https://acme.zendesk.com/agent/tickets/5158")
    assert sent(made) == {
        "ticket": {
            "external_id": "bridge:1f0c:0",
            "requester_id": 35436,
            "subject": "The app logs me out",
            "comment": {
                "html_body": "It logs me out.<br>Every hour!",
                "author_id": 35436,
                "public": True,
            },
            "tags": ["social_bridge", "technical-issue", "two_words"],
            "custom_fields": [],
            "metadata": {"bridge_stamp": "key-1"},
        }
    }


def test_names_in_the_mapping_become_zendesks_ids(api, desk):
    """Admins write names; case and stray spaces do not matter."""
    api.get(f"{API}/groups.json", json={"groups": [{"id": 9, "name": "Technical Support"}]})
    api.get(f"{API}/brands.json", json={"brands": [{"id": 4, "name": "Acme", "active": True}]})
    api.get(f"{API}/ticket_fields.json", json={"ticket_fields": [{"id": 71, "title": "Social network"}]})
    made = api.post(f"{API}/tickets.json", json={"ticket": {"id": 5158, "status": "new"}}, status=201)
    desk.open_ticket(
        draft(
            group="technical  support",
            brand="ACME",
            priority="high",
            type="incident",
            fields={"network": "mastodon"},
            follow_up_of="5001",
        ),
        "key-1",
    )
    ticket = sent(made)["ticket"]
    assert ticket["group_id"] == 9
    assert ticket["brand_id"] == 4
    assert ticket["custom_fields"] == [{"id": 71, "value": "mastodon"}]
    assert ticket["via_followup_source_id"] == 5001
    assert (ticket["priority"], ticket["type"]) == ("high", "incident")


def test_nothing_is_written_once_its_time_is_over(api, desk):
    """What is asked before a write is part of its time: whoever looks for it later counts on that."""
    groups = api.get(f"{API}/groups.json", json={"groups": [{"id": 9, "name": "Technical Support"}]})
    with deadline.within(0), pytest.raises(VendorBusyError):
        desk.open_ticket(draft(group="Technical Support"), "key-1")
    assert groups.call_count == 1
    assert not [call for call in api.calls if call.request.method == "POST" and "tickets" in call.request.url]


@pytest.mark.parametrize(("kind", "name"), [("group", "Nobody"), ("brand", "Retired")])
def test_a_name_that_zendesk_lacks_is_refused_with_what_to_do(api, desk, kind, name):
    """The ticket is not put in some other group instead; nothing is sent."""
    api.get(f"{API}/groups.json", json={"groups": [{"id": 9, "name": "Nobody", "deleted": True}]})
    api.get(f"{API}/brands.json", json={"brands": [{"id": 4, "name": "Retired", "active": False}]})
    made = api.post(f"{API}/tickets.json", json={})
    with pytest.raises(VendorRefusedError, match=f'"{name}".*create it'):
        desk.open_ticket(draft(**{kind: name}), "key-1")
    assert made.call_count == 0


def test_a_ticket_opens_without_a_field_that_zendesk_lacks(api, desk, caplog):
    """A complaint is worth more than a field; the log says what to run."""
    api.get(f"{API}/ticket_fields.json", json={"ticket_fields": []})
    made = api.post(f"{API}/tickets.json", json={"ticket": {"id": 5158, "status": "new"}}, status=201)
    desk.open_ticket(draft(fields={"permalink": "https://social.example/1"}), "key-1")
    assert sent(made)["ticket"]["custom_fields"] == []
    assert "permalink; run bridge setup zendesk" in caplog.text


def test_a_key_that_zendesk_knows_with_other_bytes_means_look_first(api, desk):
    """An earlier try has arrived: the ticket is there already, to be found by its external id."""
    api.post(f"{API}/tickets.json", json={"error": "IdempotentRequestError"}, status=400)
    with pytest.raises(VendorUnclearError):
        desk.open_ticket(draft(), "key-1")


@pytest.mark.parametrize(
    ("user", "status", "error"),
    [
        ({"user": {"id": 35436, "active": False}}, 200, VendorGoneError),
        ({"error": "RecordNotFound"}, 404, VendorGoneError),
        ({"user": {"id": 35436, "active": True, "suspended": True}}, 200, VendorRefusedError),
    ],
)
def test_a_requester_who_is_gone_is_told_from_another_refusal(api, desk, user, status, error):
    """Agents delete and merge users; one who is suspended is there, and a person has to look."""
    refusal = {"error": "RecordInvalid", "details": {"requester": [{"description": "Requester: …"}]}}
    api.post(f"{API}/tickets.json", json=refusal, status=422)
    api.get(f"{API}/users/35436.json", json=user, status=status)
    with pytest.raises(error):
        desk.open_ticket(draft(), "open-1")


def test_a_customers_words_in_subject_and_fields_expand_to_nothing(api, desk):
    """Opening and updating: Zendesk expands placeholders in what our credentials write."""
    api.get(f"{API}/ticket_fields.json", json={"ticket_fields": [{"id": 71, "title": "Social author"}]})
    made = api.post(f"{API}/tickets.json", json={"ticket": {"id": 5158, "status": "new"}}, status=201)
    put = api.put(f"{API}/tickets/5158.json", json={"ticket": {}, "audit": {"id": 1}})
    words = "Ann {{ticket.id}}\n{% x"
    desk.open_ticket(draft(subject=words, fields={"Social author": words}), "key-1")
    desk.update_ticket(TicketUpdate("5158", subject=words, fields={"Social author": words}), "stamp-1")
    inert = "Ann {\u200b{ticket.id}} {\u200b% x"
    for ticket in (sent(made)["ticket"], sent(put)["ticket"]):
        assert (ticket["subject"], ticket["custom_fields"]) == (inert, [{"id": 71, "value": inert}])


def test_an_id_that_was_never_zendesks_is_refused(desk):
    """It would become part of an address."""
    with pytest.raises(VendorRefusedError):
        desk.read_ticket("5/../../users/me")
    with pytest.raises(VendorRefusedError):
        desk.open_ticket(draft(requester_id="x:1"), "key-1")


class Hours:
    """A monotonic clock that a test moves."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_names_are_read_again_after_a_while_and_sooner_when_one_is_missing(api):
    """Five minutes for what is known; a group that somebody has just made is seen at once."""
    groups = api.get(f"{API}/groups.json", json={"groups": [{"id": 9, "name": "Support"}]})
    clock = Hours()
    catalogue = Catalogue(ZendeskClient(oauth_account()), clock)
    assert catalogue.group("Support") == 9
    assert catalogue.group("New") is None
    clock.at += 250
    assert catalogue.group("Support") == 9
    assert groups.call_count == 1
    assert catalogue.group("New") is None
    assert groups.call_count == 2
    clock.at += 301
    catalogue.group("Support")
    assert groups.call_count == 3


def test_a_ticket_field_is_known_by_title_by_key_and_by_id(api):
    """Mapping files may say any; where a key is another field's title, the title goes first."""
    fields = [
        {"id": 360012, "title": "Product", "key": "tier"},
        {"id": 360013, "title": "Tier", "key": None},
        {"id": 360014, "title": "Old", "key": "old", "active": False},
    ]
    api.get(f"{API}/ticket_fields.json", json={"ticket_fields": fields})
    catalogue = Catalogue(ZendeskClient(oauth_account()), Hours())
    known = {name: catalogue.field(name) for name in ("product", "360012", "Tier", "360013", "old", "360014")}
    assert list(known.values()) == [360012, 360012, 360013, 360013, None, None]


def test_a_ticket_is_found_by_its_whole_external_id(api, desk):
    """zenpy sends "&" and "#" bare, and Zendesk would look for the half before them."""
    hard = "bridge:a&b#c +d:0"
    tickets = [
        {"id": 8, "status": "open", "external_id": hard},
        {"id": 6, "status": "open", "external_id": hard},
        {"id": 2, "status": "open", "external_id": "bridge:a"},
    ]
    api.get(
        f"{API}/tickets.json",
        json={"tickets": tickets},
        match=[responses.matchers.query_param_matcher({"external_id": hard})],
    )
    assert desk.find_ticket(hard) == TicketRef("6", "https://acme.zendesk.com/agent/tickets/6")


def test_no_ticket_is_none(api, desk):
    """Not an error: the caller asks because it does not know."""
    api.get(f"{API}/tickets.json", json={"tickets": []})
    assert desk.find_ticket("bridge:1:0") is None


def test_a_note_says_that_it_is_internal(api, desk):
    """Left out, "public" would take what the ticket had first: a note would be sent to the customer."""
    put = api.put(f"{API}/tickets/5158.json", json={"ticket": {}, "audit": {"id": 2127301143}})
    assert desk.update_ticket(TicketUpdate("5158", "Route: technical {{x}} <b>"), "stamp-1") == "2127301143"
    assert sent(put) == {
        "ticket": {
            "metadata": {"bridge_stamp": "stamp-1"},
            "comment": {"html_body": "Route: technical {\u200b{x}} &lt;b&gt;", "public": False},
        }
    }


def test_a_customers_comment_is_the_customers_and_the_tags_stay(api, desk):
    """An update that names tags replaces them all."""
    api.get(f"{API}/tickets/5158.json", json={"ticket": {"id": 5158, "status": "new"}})
    put = api.put(f"{API}/tickets/5158.json", json={"ticket": {}, "audit": {"id": 1}})
    desk.update_ticket(TicketUpdate("5158", "Again!", public=True, author_id="35436"), "stamp-1")
    assert sent(put)["ticket"] == {
        "metadata": {"bridge_stamp": "stamp-1"},
        "comment": {"html_body": "Again!", "public": True, "author_id": 35436},
    }


@pytest.mark.parametrize(
    ("status", "sends"),
    [("new", None), ("open", None), ("pending", "open"), ("hold", "open"), ("solved", "open")],
)
def test_a_customers_comment_opens_the_ticket_again_as_it_was_just_seen(api, desk, status, sends):
    """Zendesk reopens for who is signed in as the customer, and we only write in their name.

    What an agent does in the same moment is not overwritten: then Zendesk answers 409.
    """
    shown = {"id": 5158, "status": status, "updated_at": "2026-11-20T08:00:00Z"}
    api.get(f"{API}/tickets/5158.json", json={"ticket": shown})
    put = api.put(f"{API}/tickets/5158.json", json={"ticket": {}, "audit": {"id": 1}})
    desk.update_ticket(TicketUpdate("5158", "Again!", public=True, author_id="35436"), "stamp-1")
    ticket = sent(put)["ticket"]
    assert ticket.get("status") == sends
    assert (ticket["safe_update"], ticket["updated_stamp"]) == (True, "2026-11-20T08:00:00Z")


PEOPLE = [
    {"id": 1, "email": "ann@example.com", "role": "end-user"},
    {"id": 2, "email": "joann@example.com", "role": "agent"},
    {"id": 3, "email": "ann@example.com", "role": "agent", "suspended": True},
    {"id": 4, "email": "Ann@Example.com", "role": "admin", "suspended": False},
]


def test_a_claim_assigns_the_ticket_to_the_agent_with_that_address(api, desk):
    """Not to a customer, a suspended agent or somebody whose address only looks like it."""
    query = responses.matchers.query_param_matcher({"query": 'email:"ann@example.com"'})
    api.get(f"{API}/users/search.json", json={"users": PEOPLE}, match=[query])
    put = api.put(f"{API}/tickets/5158.json", json={"ticket": {}, "audit": {"id": 1}})
    desk.update_ticket(TicketUpdate("5158", assignee_email="ann@example.com"), "stamp-1")
    assert sent(put)["ticket"] == {"metadata": {"bridge_stamp": "stamp-1"}, "assignee_id": 4}
    assert desk.agent_exists("ann@example.com")


def test_an_assignee_whom_zendesk_does_not_know_changes_nothing(api, desk):
    """Half an update would be worse; and the address stays out of the error."""
    api.get(f"{API}/users/search.json", json={"users": PEOPLE[:3]})
    put = api.put(f"{API}/tickets/5158.json", json={})
    with pytest.raises(VendorRefusedError) as caught:
        desk.update_ticket(TicketUpdate("5158", "x", assignee_email="ann@example.com"), "stamp-1")
    assert "ann" not in str(caught.value)
    assert put.call_count == 0
    assert not desk.agent_exists("ann@example.com")


def test_a_closed_ticket_is_gone_in_any_language(api, desk):
    """The sentence comes in the account's language, so the ticket itself is asked."""
    polish = {"error": "RecordInvalid", "details": {"status": [{"description": "Status: zamknięte"}]}}
    api.put(f"{API}/tickets/5158.json", json=polish, status=422)
    api.get(f"{API}/tickets/5158.json", json={"ticket": {"id": 5158, "status": "closed"}})
    with pytest.raises(VendorGoneError):
        desk.update_ticket(TicketUpdate("5158", "x"), "stamp-1")


def test_another_refusal_stays_a_refusal(api, desk):
    """A 422 on an open ticket is our request's fault."""
    api.put(f"{API}/tickets/5158.json", json={"error": "RecordInvalid"}, status=422)
    api.get(f"{API}/tickets/5158.json", json={"ticket": {"id": 5158, "status": "open"}})
    with pytest.raises(VendorRefusedError, match="RecordInvalid"):
        desk.update_ticket(TicketUpdate("5158", "x"), "stamp-1")


def pages(api, *found: dict[str, Any]) -> list[responses.BaseResponse]:
    """Register the audits of ticket 5158, newest first, page by page."""
    made = []
    for number, page in enumerate(found):
        more = number + 1 < len(found)
        meta = {
            "meta": {"has_more": more},
            "links": {"next": f"{API}/tickets/5158/audits.json?at={number + 1}"},
        }
        query = (
            {"at": str(number)}
            if number
            else {"page[size]": "100", "sort": "-created_at", "include": "users"}
        )
        matcher = responses.matchers.query_param_matcher(query)
        made.append(api.get(f"{API}/tickets/5158/audits.json", json={**page, **meta}, match=[matcher]))
    return made


def test_our_own_update_is_found_by_its_stamp(api, desk):
    """The proof that a comment was written, after an answer that was lost."""
    stamped = audit(7, metadata={"custom": {"bridge_stamp": "stamp-7"}})
    pages(api, {"audits": [audit(9), audit(8, metadata=None)]}, {"audits": [stamped, audit(6)]})
    assert desk.find_update("5158", "stamp-7") == "7"
    assert desk.find_update("5158", "stamp-8") is None


def test_updates_come_oldest_first_from_every_page(api, desk):
    """Zendesk is asked for the newest first."""
    pages(api, {"audits": [audit(9), audit(8)]}, {"audits": [audit(7), audit(6)]}, {"audits": [audit(5)]})
    assert [update.id for update in desk.read_updates("5158")] == ["5", "6", "7", "8", "9"]


def test_an_archived_ticket_has_one_page_oldest_first(api, desk):
    """Archived tickets know neither cursor nor order."""
    plain = {"audits": [audit(5), audit(6), audit(7)], "next_page": None, "count": 3}
    api.get(f"{API}/tickets/5158/audits.json", json=plain)
    assert [update.id for update in desk.read_updates("5158")] == ["5", "6", "7"]


def test_a_ticket_with_as_many_comments_as_zendesk_takes_is_read(api, desk):
    """Five thousand, and as many changes again."""
    newest_first = [audit(number) for number in range(10_000, 0, -1)]
    pages(api, *({"audits": newest_first[start : start + 100]} for start in range(0, 10_000, 100)))
    assert len(desk.read_updates("5158")) == 10_000


@pytest.mark.parametrize("ask", [lambda d: d.read_updates("5158"), lambda d: d.find_update("5158", "x")])
def test_a_history_without_end_is_refused_in_words_that_say_so(api, desk, ask):
    """A page that names itself as the next one must not be read for ever."""
    more = {"meta": {"has_more": True}, "links": {"next": f"{API}/tickets/5158/audits.json?at=1"}}
    page = api.get(f"{API}/tickets/5158/audits.json", json={"audits": [audit(1)], **more})
    with pytest.raises(VendorRefusedError, match="more than 10000 updates"):
        ask(desk)
    assert page.call_count == 100


def test_staff_are_told_from_customers_by_their_role(api, desk):
    """By the sideload where it has them, else by one look-up for all; a vanished user is no staff."""
    events = [audit(1, events=said(1, 11)), audit(2, events=said(2, 12)), audit(3, events=said(3, 13))]
    more = [audit(4, events=said(4, -1)), audit(5, events=said(5, 14))]
    pages(api, {"audits": events + more, "users": [{"id": 11, "role": "agent"}]})
    users = api.get(
        f"{API}/users/show_many.json",
        json={"users": [{"id": 12, "role": "admin"}, {"id": 13, "role": "end-user"}]},
        match=[responses.matchers.query_param_matcher({"ids": "12,13,14"})],
    )
    staff = [u.comment.by_staff for u in desk.read_updates("5158") if u.comment]
    assert staff == [True, True, False, False, False]
    assert users.call_count == 1


def test_authors_beyond_a_hundred_are_asked_for_in_parts(api, desk):
    """Zendesk shows a hundred users at a time, and without their roles no answer would leave."""
    authors = range(1001, 1102)
    pages(api, {"audits": [audit(author, events=said(author, author)) for author in authors]})
    for some in (authors[:100], authors[100:]):
        match = [responses.matchers.query_param_matcher({"ids": ",".join(map(str, some))})]
        users = [{"id": author, "role": "agent"} for author in some]
        api.get(f"{API}/users/show_many.json", json={"users": users}, match=match)
    assert all(update.comment and update.comment.by_staff for update in desk.read_updates("5158"))


@pytest.mark.parametrize(
    ("url", "ticket"),
    [
        ("https://acme.zendesk.com/agent/tickets/5158", "5158"),
        ("https://acme.zendesk.com/agent/tickets/5158/", "5158"),
        ("https://other.zendesk.com/agent/tickets/5158", None),
        ("https://acmeXzendesk.com/agent/tickets/5158", None),
        ("https://acme.zendesk.com/agent/tickets/5158/x", None),
        ("https://acme.zendesk.com/agent/users/5158", None),
    ],
)
def test_a_ticket_is_told_from_its_address_in_this_account_only(desk, url, ticket):
    """A person who settles by hand pastes what the browser shows: elsewhere the number is another."""
    found = desk.locate(url)
    assert (found.id if found else None) == ticket


def test_a_whole_story_is_read_from_one_page(api, desk):
    """Every recorded audit at once, as Zendesk would list them."""
    story = [json.loads(path.read_text()) for path in AUDITS.glob("*.audit.json")]
    story.sort(key=lambda entry: -entry["id"])
    staff = [
        {"id": 5246746, "role": "agent"},
        {"id": 35436, "role": "end-user"},
        {"id": 900, "role": "admin"},
    ]
    pages(api, {"audits": story, "users": staff})
    updates = desk.read_updates("5158")
    assert [u.id for u in updates] == sorted(u.id for u in updates)
    assert [u.stamp for u in updates if u.stamp] == ["open-1", "stamp-5"]
    assert {u.status for u in updates} == {None, TicketStatus.SOLVED, TicketStatus.OPEN}


def test_a_ticket_tells_whose_it_is_now(api, desk):
    """The requester may have been changed by an agent: then nothing may leave by itself."""
    ticket = {
        "id": 5158,
        "status": "open",
        "external_id": "bridge:1:0",
        "requester_id": 35436,
        "tags": ["social_bridge"],
    }
    users = [{"id": 900, "external_id": None}, {"id": 35436, "external_id": "mastodon:1"}]
    api.get(f"{API}/tickets/5158.json", json={"ticket": ticket, "users": users})
    found = desk.read_ticket("5158")
    assert (found.requester_id, found.requester_external_id) == ("35436", "mastodon:1")
    assert (found.status, found.external_id) == (TicketStatus.OPEN, "bridge:1:0")
    assert found.merged_into is None
    assert found.url == "https://acme.zendesk.com/agent/tickets/5158"


def test_a_merged_ticket_tells_where_to(api, desk):
    """The thread has to move along, or its replies go to a closed ticket."""
    ticket = {"id": 5158, "status": "closed", "requester_id": 35436, "tags": ["closed_by_merge"]}
    api.get(f"{API}/tickets/5158.json", json={"ticket": ticket, "users": []})
    merge = {"channel": "web", "source": {"rel": "merge", "to": {"ticket_id": 5160}}}
    pages(api, {"audits": [audit(9, via=merge)]})
    found = desk.read_ticket("5158")
    assert (found.status, found.merged_into) == (TicketStatus.CLOSED, "5160")
    assert found.requester_external_id is None


MERGED = {"channel": "web", "source": {"rel": "merge", "to": {"ticket_id": 5160}}}
TAKEN_IN = {"channel": "web", "source": {"rel": "merge", "from": {"ticket_id": 5160}}}
CLOSES = {"id": 8, "type": "Change", "field_name": "status", "value": "closed"}
NOTE = {"id": 7, "type": "Comment", "public": False, "plain_body": "Their order is #4711"}


@pytest.mark.parametrize(
    ("audits", "target"),
    [
        ([audit(9, via=MERGED)], "5160"),
        ([audit(9, via=TAKEN_IN, events=[CLOSES])], "5160"),
        ([audit(9, events=[CLOSES]), audit(8, via=TAKEN_IN)], None),
        ([audit(9, events=[NOTE, CLOSES])], None),
    ],
)
def test_a_merge_is_known_without_its_tag(api, desk, audits, target):
    """A person or a trigger took the tag away. What was merged into ours is no merge of ours."""
    closed = {"id": 5158, "status": "closed", "requester_id": 35436, "tags": []}
    api.get(f"{API}/tickets/5158.json", json={"ticket": closed, "users": []})
    pages(api, {"audits": audits})
    assert desk.read_ticket("5158").merged_into == target


def test_a_deleted_ticket_is_gone(api, desk):
    """Zendesk answers 404, or for a while a status that no agent can set."""
    api.get(f"{API}/tickets/5158.json", json={"ticket": {"id": 5158, "status": "deleted"}})
    with pytest.raises(VendorGoneError, match="deleted"):
        desk.read_ticket("5158")


def test_zenpy_keeps_nothing(api):
    """With its cache on, the second look would show what was there before somebody changed it."""
    shown = api.get(f"{API}/users/7.json", json={"user": {"id": 7, "name": "x"}})
    client = ZendeskClient(oauth_account())
    for _ in range(2):
        with client.through_zenpy("read user") as zenpy:
            assert zenpy.users(id=7).id == 7
    assert shown.call_count == 2


def test_two_threads_do_not_share_a_client():
    """zenpy keeps what it is about to send on a shared object: another thread's body would go out."""
    client = ZendeskClient(oauth_account())
    seen = []
    other = threading.Thread(target=lambda: seen.append((client.zenpy, client.session)))
    other.start()
    other.join()
    zenpy, session = seen[0]
    assert zenpy is not client.zenpy
    assert session is not client.session
    assert client.zenpy is client.zenpy


def test_threads_share_what_was_learnt_about_limits_and_one_token(api):
    """An empty bucket stops every thread, and eight workers need one token."""
    desk = ZendeskDesk(oauth_account())
    empty = {"ratelimit-remaining": "0", "ratelimit-reset": "30"}
    api.get(f"{API}/tickets.json", json={"tickets": []}, headers=empty)
    thread = threading.Thread(target=desk.find_ticket, args=("bridge:1:0",))
    thread.start()
    thread.join()
    with pytest.raises(VendorBusyError):
        desk.find_ticket("bridge:1:0")
    assert [call.request.url for call in api.calls].count(f"{HOME}/oauth/tokens") == 1
    assert grant()["access_token"] not in repr(desk.rates.remaining())
