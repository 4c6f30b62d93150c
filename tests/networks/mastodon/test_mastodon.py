"""Mastodon: its contract, and what is peculiar to it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.account import Account
from bridge.core.message import Author, EventKind, SocialMessage, Visibility
from bridge.core.reply import Obstacle, Reply
from bridge.errors import (
    UnauthenticRequestError,
    VendorAuthError,
    VendorBusyError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.networks import NETWORKS
from bridge.networks.mastodon import outbound
from bridge.networks.mastodon.outbound import MENTIONS_PER_POLL, OTHERS, OVERLAP, MastodonConnection
from bridge.networks.mastodon.text import LONGEST_HTML, folded, length, plain_text
from tests.networks.contract import RECEIVED_AT, NetworkContract

SERVER = "https://social.example"
API = f"{SERVER}/api/v1"
ACCOUNT = Account(
    key="masto",
    network="mastodon",
    brand="acme",
    handle="@care@social.example",
    fields={"url": f"{SERVER}/"},
    secrets={"token": ("test-token-one",)},
)
MASTODON = NETWORKS["mastodon"]
CARE = {"id": "2", "acct": "care", "url": f"{SERVER}/@care"}
ALICE = {"id": "7", "acct": "alice@pub.example", "url": "https://pub.example/@alice"}
MENTION = '<p><a href="https://pub.example/@alice" class="u-url mention">@<span>alice</span></a> '


def status(native_id: str, author: dict[str, str] = ALICE, **changes: Any) -> dict[str, Any]:
    return {
        "id": native_id,
        "uri": f"https://pub.example/posts/{native_id}",
        "url": f"https://pub.example/@alice/{native_id}",
        "created_at": "2026-11-21T11:40:00.000Z",
        "edited_at": None,
        "in_reply_to_id": None,
        "visibility": "public",
        "language": "en",
        "account": author,
        "content": "<p>My parcel never came</p>",
    } | changes


def answer(native_id: str, words: str, **changes: Any) -> dict[str, Any]:
    """A reply of our own account to the customer's post 11."""
    content = f"{MENTION}{words}</p>"
    defaults = {"in_reply_to_id": "11", "content": content, "created_at": "2026-11-21T12:00:05.000Z"}
    return status(native_id, CARE, **(defaults | changes))


def context(*descendants: dict[str, Any], above: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"ancestors": list(above), "descendants": list(descendants)}


@pytest.fixture
def server():
    """A server that knows our account; tests add what else it knows."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{API}/accounts/verify_credentials", json=CARE)
        yield mock


def line(account: Account = ACCOUNT) -> MastodonConnection:
    return MastodonConnection(account, timeout_s=1, sleep=lambda _: None)


def the_message(item_body: bytes) -> SocialMessage:
    [event] = MASTODON.normalise(ACCOUNT, item_body, RECEIVED_AT)
    assert event.message is not None
    return event.message


TARGET = the_message(json.dumps({"status": status("11")}).encode())
REPLY = Reply("masto", TARGET, "@alice@pub.example We found it.", "en", Visibility.PUBLIC, RECEIVED_AT)


class TestMastodon(NetworkContract):
    network = MASTODON
    account = ACCOUNT
    fixtures = Path(__file__).parent / "fixtures"
    reply_api = f"{API}/statuses"

    def connect(self) -> MastodonConnection:
        return line(self.account)

    def show(self, vendor: responses.RequestsMock, *, edited_at: datetime, answer: str) -> None:
        ours = status("20", CARE, uri=answer, in_reply_to_id="11")
        vendor.get(f"{API}/accounts/verify_credentials", json=CARE)
        with_thread(vendor, status("11", edited_at=edited_at.isoformat(), content="<p>It came</p>"), ours)


def test_no_webhook_is_ever_authentic():
    """Mastodon sends none, so whoever sends one is somebody else."""
    assert MASTODON.challenge(ACCOUNT, {"hub.challenge": "1"}) is None
    with pytest.raises(UnauthenticRequestError):
        MASTODON.verify(ACCOUNT, b"{}", {}, RECEIVED_AT)


def notifications(*pairs: tuple[str, dict[str, Any] | None], kind: str = "mention") -> list[dict[str, Any]]:
    return [{"id": native_id, "type": kind, "status": about} for native_id, about in pairs]


def test_first_poll_starts_now(server):
    """Old mentions are not raked up: the first cursor is the newest notification."""
    server.get(f"{API}/notifications", json=notifications(("99", status("11"))))
    polled = line().poll(None)
    assert (polled.items, polled.cursor, polled.more) == ((), "99", False)
    assert parse_qs(urlsplit(server.calls[0].request.url).query)["limit"] == ["1"]


def test_first_poll_of_an_empty_account_hears_what_comes_next(server):
    """No notification yet: the cursor is older than any id."""
    server.get(f"{API}/notifications", json=[])
    assert line().poll(None).cursor == "0"


def test_poll_walks_forward_and_brings_the_thread(server):
    """Each mention comes with its root and parent, oldest first, and the cursor ends with the newest id."""
    root, parent = status("9"), status("10", in_reply_to_id="9", content="<p>the parent</p>")
    newer, older = status("12", in_reply_to_id="10"), status("11")
    server.get(f"{API}/notifications", json=notifications(("100", newer), ("99", older)))
    server.get(f"{API}/statuses/12/context", json=context(above=(root, parent)))
    server.get(f"{API}/statuses/11/context", json=context())
    polled = line().poll("98")
    assert (polled.cursor, polled.more) == ("98 99 100", False)
    first, second = (the_message(item.body) for item in polled.items)
    assert (first.id, first.root_id, first.parent_id) == (older["uri"], older["uri"], None)
    assert (second.root_id, second.parent_id) == (root["uri"], parent["uri"])
    assert second.parent_text == "the parent"
    asked = parse_qs(urlsplit(server.calls[0].request.url).query)
    assert asked["min_id"] == ["98"]
    assert asked["types[]"] == ["mention"]
    assert asked["include_filtered"] == ["true"]


def test_what_a_slow_server_gave_is_written_down_before_the_rest_is_asked_for(server, monkeypatch):
    """A process that dies every few seconds gets on all the same, mention by mention."""
    monkeypatch.setattr(outbound, "LONGEST_PAGE_S", -1.0)
    pairs = [(str(number), status(str(number))) for number in (101, 102, 103)]
    server.get(f"{API}/notifications", json=notifications(*pairs))
    for number, _status in pairs:
        server.get(f"{API}/statuses/{number}/context", json=context())
    cursor, heard = "100", []
    for more in (True, True, False):
        polled = line().poll(cursor)
        assert polled.more is more
        heard += [the_message(item.body).native_id for item in polled.items]
        cursor = polled.cursor
    assert heard == ["101", "102", "103"]


def test_mention_deleted_meanwhile_is_passed_over(server):
    """Its notification is still there, the post is not: nothing to hear, and the poll goes on."""
    page = notifications(("99", status("11")), ("98", None)) + notifications(
        ("97", status("9")), kind="favourite"
    )
    server.get(f"{API}/notifications", json=page)
    server.get(f"{API}/statuses/11/context", status=404)
    polled = line().poll("90")
    assert (polled.items, polled.cursor) == ((), "90 97 98 99")


def test_busy_server_in_mid_page_loses_nothing(server):
    """What was read is kept, and the cursor stands before what was not."""
    page = notifications(*((str(n), status(str(n))) for n in (103, 102, 101)))
    server.get(f"{API}/notifications", json=page)
    server.get(f"{API}/statuses/101/context", json=context())
    server.get(f"{API}/statuses/102/context", status=429, headers={"Retry-After": "300"})
    polled = line().poll("100")
    assert [the_message(item.body).native_id for item in polled.items] == ["101"]
    assert (polled.cursor, polled.more) == ("100 101", False)
    with pytest.raises(VendorBusyError):
        server.replace("GET", f"{API}/notifications", json=page[:2])
        line().poll(polled.cursor)


def test_thread_that_cannot_be_read_does_not_stop_the_poll(server):
    """A refusal for one thread: the mention comes in without it."""
    server.get(f"{API}/notifications", json=notifications(("99", status("11", in_reply_to_id="10"))))
    server.get(f"{API}/statuses/11/context", status=422)
    [item] = line().poll("90").items
    assert the_message(item.body).root_id is None


STUMBLES = [{"status": 500}, {"json": {"ancestors": None, "descendants": []}}, {"body": "<html>oops</html>"}]


@pytest.mark.parametrize("stumble", STUMBLES)
def test_post_that_the_server_stumbles_over_keeps_no_other_from_being_heard(server, stumble):
    """The others' threads can be read: it comes in without its own, and the poll goes on."""
    page = notifications(*((str(n), status(str(n), in_reply_to_id="10")) for n in (103, 102, 101)))
    server.get(f"{API}/notifications", json=page)
    server.get(f"{API}/statuses/101/context", **stumble)
    server.get(f"{API}/statuses/102/context", json=context(above=(status("10"),)))
    server.get(f"{API}/statuses/103/context", json=context(above=(status("10"),)))
    polled = line().poll("100")
    heard = [the_message(item.body) for item in polled.items]
    assert [(one.native_id, one.root_id is None) for one in heard] == [
        ("101", True),
        ("102", False),
        ("103", False),
    ]
    assert polled.cursor == "100 101 102 103"


def test_post_that_the_server_stumbles_over_is_heard_when_nothing_else_is_new(server):
    """An older mention's thread shows as well that the server is up."""
    new = status("101", in_reply_to_id="10")
    server.get(f"{API}/notifications", json=notifications(("101", new), ("99", status("9"))))
    server.get(f"{API}/statuses/101/context", status=500)
    server.get(f"{API}/statuses/9/context", json=context())
    polled = line().poll("99")
    assert [the_message(item.body).native_id for item in polled.items] == ["101"]
    assert polled.cursor == "99 101"


@pytest.mark.parametrize("stumble", [*STUMBLES, {"status": 404}, {"body": requests.ReadTimeout()}])
def test_outage_passes_nothing_over(server, stumble):
    """No thread can be read: the poll fails as a whole, with its cursor where it was."""
    page = notifications(*((str(n), status(str(n))) for n in range(120, 100, -1)))
    server.get(f"{API}/notifications", json=page)
    server.get(f"{API}/statuses/101/context", status=502)
    for n in range(102, 121):
        server.get(f"{API}/statuses/{n}/context", **stumble)
    with pytest.raises(VendorBusyError):
        line().poll("100")
    assert len({call.request.url for call in server.calls if "/context" in call.request.url}) == 1 + OTHERS


def test_full_page_asks_for_more(server):
    """A full page that moved the cursor means that there may be more; one that did not, ends the walk."""
    page = notifications(*((str(200 + n), status("11")) for n in range(MENTIONS_PER_POLL)))
    server.get(f"{API}/notifications", json=page)
    server.get(f"{API}/statuses/11/context", json=context())
    assert line().poll("200").more
    assert not line().poll(str(199 + MENTIONS_PER_POLL)).more


def test_longer_ids_are_newer(server):
    """Ids are compared as the vendor says, not as words or numbers."""
    page = notifications(("100", status("11")), ("99", status("11")))
    server.get(f"{API}/notifications", json=page)
    server.get(f"{API}/statuses/11/context", json=context())
    assert line().poll("98").cursor == "98 99 100"


def test_mention_that_turns_up_behind_newer_ones_is_heard(server):
    """The latest twenty are asked for again with each poll; what was read is not read again."""
    page = notifications(*((str(n), status(str(n))) for n in range(130, 100, -1)))
    for n in range(101, 131):
        server.get(f"{API}/statuses/{n}/context", json=context())
    late = page.pop(5)
    server.get(f"{API}/notifications", json=page)
    first = line().poll("100")
    assert (len(first.items), len(first.cursor.split())) == (29, OVERLAP)
    server.replace("GET", f"{API}/notifications", json=[late, *page[:24]])

    second = line().poll(first.cursor)

    assert [the_message(item.body).native_id for item in second.items] == [late["id"]]
    asked = parse_qs(urlsplit(server.calls[-2].request.url).query)
    assert (asked["min_id"], asked["limit"]) == ([first.cursor.split()[0]], [str(39 + OVERLAP)])
    assert len(second.cursor.split()) == OVERLAP


def test_thread_is_read_in_the_same_form_as_a_poll(server):
    """The same version by poll and by thread is one delivery, in the same bytes."""
    server.get(f"{API}/notifications", json=notifications(("99", status("11"))))
    server.get(f"{API}/statuses/11", json=status("11"))
    below = status("12", in_reply_to_id="11", content="<p>still nothing</p>")
    server.get(f"{API}/statuses/11/context", json=context(below))
    [polled] = line().poll("90").items
    same, follow_up = line().read_thread(TARGET)
    assert same == polled
    heard = the_message(follow_up.body)
    assert (heard.text, heard.root_id, heard.parent_id) == ("still nothing", TARGET.id, TARGET.id)


def test_edit_is_another_delivery(server):
    """An edited version has an id of its own, and is an update."""
    edited = status("11", edited_at="2026-11-21T11:50:00.000Z", content="<p>It came!</p>")
    server.get(f"{API}/statuses/11", json=edited)
    server.get(f"{API}/statuses/11/context", json=context())
    [item] = line().read_thread(TARGET)
    assert item.delivery_id == f"{TARGET.id}@2026-11-21T11:50:00.000Z"
    [event] = MASTODON.normalise(ACCOUNT, item.body, RECEIVED_AT)
    assert event.kind is EventKind.UPDATED


def test_thread_is_read_from_the_customers_first_post(server):
    """A later post is known; what they wrote beside it in the same thread is heard, too."""
    bob = {"id": "8", "acct": "bob", "url": f"{SERVER}/@bob"}
    top = status("9", bob)
    first = status("10", in_reply_to_id="9")
    later = status("11", in_reply_to_id="10")
    beside = status("12", in_reply_to_id="10")
    server.get(f"{API}/statuses/11", json=later)
    server.get(f"{API}/statuses/11/context", json=context(above=(top, first)))
    server.get(f"{API}/statuses/10/context", json=context(later, beside, above=(top,)))
    heard = [the_message(item.body) for item in line().read_thread(TARGET)]
    assert [message.native_id for message in heard] == ["10", "11", "12"]
    assert {message.root_id for message in heard} == {top["uri"]}


def test_deleted_post_is_heard_of(server):
    """The message itself is gone: one item that says so, the same however often it is read."""
    server.get(f"{API}/statuses/11", status=404)
    [item] = line().read_thread(TARGET)
    assert item.delivery_id == f"{TARGET.id}@deleted"
    [event] = MASTODON.normalise(ACCOUNT, item.body, RECEIVED_AT)
    assert (event.kind, event.message_id) == (EventKind.DELETED, TARGET.id)


def test_server_that_answers_404_to_everything_deletes_nothing(server):
    """A wrong address or a proxy's error page is no deletion."""
    server.replace("GET", f"{API}/accounts/verify_credentials", status=404)
    server.get(f"{API}/statuses/11", status=404)
    with pytest.raises(VendorRefusedError):
        line().read_thread(TARGET)
    with pytest.raises(VendorRefusedError):
        line().preflight(TARGET, ())


def test_ring_of_replies_ends(server):
    """A server in disorder gives a ring of parents: it is walked once."""
    one, two = status("11", in_reply_to_id="12"), status("12", in_reply_to_id="11")
    server.get(f"{API}/statuses/11", json=one)
    server.get(f"{API}/statuses/11/context", json=context(two))
    assert len(line().read_thread(TARGET)) == 2


@pytest.mark.parametrize(
    ("handle", "author", "own"),
    [
        ("@care@social.example", {"acct": "care", "url": f"{SERVER}/@care"}, True),
        ("@Care@social.example", {"acct": "care@social.example", "url": f"{SERVER}/@care"}, True),
        (f"{SERVER}/@Care", {"acct": "help", "url": f"{SERVER}/@care"}, True),
        ("@care@social.example", {"acct": "care@evil.example", "url": "https://evil.example/@care"}, False),
        ("@care", {"acct": "care@evil.example", "url": "https://evil.example/@care"}, False),
        (f"{SERVER}/@care", {"acct": "care@evil.example", "url": "https://evil.example/@care"}, False),
        ("", {"acct": "care", "url": None}, False),
    ],
)
def test_post_is_ours_by_the_whole_handle_or_the_address(handle, author, own):
    """Somebody of the same name on another server is a customer, or somebody who plays us."""
    body = json.dumps({"status": status("11", {"id": "7", **author})}).encode()
    [event] = MASTODON.normalise(replace(ACCOUNT, handle=handle), body, RECEIVED_AT)
    assert event.message is not None
    assert event.message.own is own


def test_reply_begins_with_a_mention():
    """Without the mention the customer would not be told."""
    assert MASTODON.compose(ACCOUNT, " Hello! ", TARGET).text == "@alice@pub.example Hello!"


@pytest.mark.parametrize(
    "text", ["@alice@pub.example hi", "hi @Alice@PUB.example!", "(@alice@pub.example) hi"]
)
def test_mention_that_is_there_is_not_doubled(text):
    """The agent may have typed it."""
    assert MASTODON.compose(ACCOUNT, text, TARGET).text == text


@pytest.mark.parametrize(
    "text", ["@alice hi", "see https://pub.example/@alice@pub.example", "mail x@alice@pub.example"]
)
def test_what_only_looks_like_the_mention_is_none(text):
    """A bare name means somebody of our own server; a link and a mail address mean nobody."""
    assert MASTODON.compose(ACCOUNT, text, TARGET).text == f"@alice@pub.example {text}"


def test_bare_name_mentions_people_of_our_own_server():
    """For them the short form is enough."""
    local = replace(TARGET, author=Author("1", "@bob@social.example"))
    assert MASTODON.compose(ACCOUNT, "@bob hi", local).text == "@bob hi"


@pytest.mark.parametrize(
    ("author", "mention"),
    [
        (Author("1", "alice", url="https://pub.example/@alice"), "@alice@pub.example "),
        (Author("1", "@alice"), "@alice "),
        (Author("1", ""), ""),
        (Author("1", "not a handle"), ""),
    ],
)
def test_mention_is_made_of_what_is_known(author, mention):
    """A tag source may know the handle without its server, or no handle at all."""
    assert MASTODON.compose(ACCOUNT, "hi", replace(TARGET, author=author)).text == f"{mention}hi"


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("@alice@pub.example hi", len("@alice hi")),
        ("https://example.com/" + "a" * 90, 23),
        ("see https://example.com/" + "a" * 90 + ".", 4 + 23 + 1),
        ("(http://x.y)", 25),
        ("ที่นี่", 2),
        ("\N{REGIONAL INDICATOR SYMBOL LETTER P}\N{REGIONAL INDICATOR SYMBOL LETTER L}", 1),
        ("https://pub.example/@alice@pub.example", 23),
        ("", 0),
    ],
)
def test_length_is_counted_as_the_server_counts(text, counted):
    """Graphemes, 23 for each link, and a mention without its server."""
    assert length(text) == counted


def with_thread(server, current: dict[str, Any], *descendants: dict[str, Any]) -> None:
    server.get(f"{API}/statuses/11", json=current)
    server.get(f"{API}/statuses/11/context", json=context(*descendants))


def test_untouched_post_may_be_answered(server):
    """The post is as it was and others have talked: go."""
    with_thread(server, status("11"), status("12", in_reply_to_id="11"), {"id": 3}, {"in_reply_to_id": "11"})
    assert not line().preflight(TARGET, ()).obstacles


def test_deleted_post_stops_the_reply(server):
    """404: deleted, or its author blocked us."""
    server.get(f"{API}/statuses/11", status=404)
    assert line().preflight(TARGET, ()).obstacles == {Obstacle.GONE}


def test_edited_post_stops_the_reply(server):
    """The customer says something else now."""
    with_thread(server, status("11", edited_at="2026-11-21T11:50:00Z", content="<p>Thanks, it came</p>"))
    assert line().preflight(TARGET, ()).obstacles == {Obstacle.EDITED}


def test_edit_that_changed_no_word_does_not(server):
    """A new picture description, or our clamped clock, is no reason to hold the reply."""
    with_thread(server, status("11", edited_at="2026-11-21T11:50:00Z"))
    assert not line().preflight(TARGET, ()).obstacles


def test_answer_of_a_colleague_stops_the_reply(server):
    """Somebody answered from our account in the app: it is shown."""
    with_thread(server, status("11"), answer("20", "On it!"), answer("21", "DM", visibility="direct"))
    preflight = line().preflight(TARGET, ())
    assert preflight.obstacles == {Obstacle.ANSWERED}
    assert preflight.answer is not None
    assert preflight.answer.id == "https://pub.example/posts/20"


@pytest.mark.parametrize("malformed", [{"id": "19"}, {"id": "19", "account": "alice"}])
def test_malformed_post_hides_no_answer_of_a_colleague(server, malformed):
    """Somebody else's, before it in the thread."""
    with_thread(server, status("11"), {"in_reply_to_id": "11", **malformed}, answer("20", "On it!"))
    assert line().preflight(TARGET, ()).obstacles == {Obstacle.ANSWERED}
    found = line().find_reply(replace(REPLY, text="@alice@pub.example On it!"), "intent-1", ())
    assert found is not None


@pytest.mark.parametrize("known", ["20", "https://pub.example/posts/20"])
def test_answer_that_is_known_by_either_of_its_ids_is_not_a_colleagues(server, known):
    """The server's own id of it, or the one that every server knows."""
    with_thread(server, status("11"), answer("20", "On it!"))
    assert not line().preflight(TARGET, {known}).obstacles
    assert line().find_own_answer(TARGET, {known}) is None


def test_id_of_a_post_stays_one_part_of_the_address(server):
    """Whatever a server calls its posts: no other address is asked with our token."""
    odd = "11/../../accounts/2?x=#"
    server.get(f"{API}/statuses/11%2F..%2F..%2Faccounts%2F2%3Fx%3D%23", json=status(odd))
    server.get(f"{API}/statuses/11%2F..%2F..%2Faccounts%2F2%3Fx%3D%23/context", json=context())
    assert not line().preflight(replace(TARGET, native_id=odd), ()).obstacles


def test_our_own_earlier_answer_does_not(server):
    """A post that the bridge made itself is known; one to another post in the thread is no answer to this."""
    elsewhere = answer("22", "hello", in_reply_to_id="12")
    with_thread(server, status("11"), answer("20", "On it!"), elsewhere)
    assert not line().preflight(TARGET, {"https://pub.example/posts/20"}).obstacles


def test_look_before_a_reply_shows_the_thread(server):
    """What the customer wrote since, also beside the post that is answered: as a poll would bring it."""
    first, target = status("10"), status("11", in_reply_to_id="10")
    beside = status("12", in_reply_to_id="10", content="<p>Still nothing!</p>")
    server.get(f"{API}/statuses/11", json=target)
    server.get(f"{API}/statuses/11/context", json=context(above=(first,)))
    server.get(f"{API}/statuses/10/context", json=context(target, beside))
    shown = line().preflight(TARGET, ())
    assert not shown.obstacles
    assert shown.thread == line().read_thread(TARGET)
    heard = the_message(shown.thread[-1].body)
    assert (heard.text, heard.root_id) == ("Still nothing!", first["uri"])


def test_look_whose_first_post_goes_away_meanwhile_shows_what_is_left(server):
    """Deleted between the two reads: the reply may leave, and what stands under its target is shown."""
    server.get(f"{API}/statuses/11", json=status("11", in_reply_to_id="10"))
    below = status("12", in_reply_to_id="11")
    server.get(f"{API}/statuses/11/context", json=context(below, above=(status("10"),)))
    server.get(f"{API}/statuses/10/context", status=404)
    shown = line().preflight(TARGET, ())
    assert not shown.obstacles
    assert [the_message(item.body).native_id for item in shown.thread] == ["11", "12"]


def test_answer_by_hand_is_found_unless_claimed(server):
    """The latest that nobody claims."""
    with_thread(server, status("11"), answer("20", "first"), answer("21", "second"))
    found = line().find_own_answer(TARGET, {"https://pub.example/posts/21"})
    assert found is not None
    assert found.id == "https://pub.example/posts/20"
    latest = line().find_own_answer(TARGET, ())
    assert latest is not None
    assert latest.id == "https://pub.example/posts/21"


def test_reply_stands_under_the_post(server):
    """Text as frozen, in the thread, out of public timelines, with our key and the token."""
    server.post(f"{API}/statuses", json=answer("20", "We found it."))
    published = line().reply(REPLY, "intent-1")
    request = server.calls[-1].request
    assert json.loads(request.body) == {
        "status": "@alice@pub.example We found it.",
        "in_reply_to_id": "11",
        "visibility": "unlisted",
        "language": "en",
    }
    assert request.headers["Idempotency-Key"] == "intent-1"
    assert request.headers["Authorization"] == "Bearer test-token-one"
    assert published.id == "https://pub.example/posts/20"
    assert published.permalink == "https://pub.example/@alice/20"


@pytest.mark.parametrize(
    ("visibility", "sent"), [(Visibility.FOLLOWERS, "private"), (Visibility.DIRECT, "direct")]
)
def test_reply_never_has_a_wider_audience(server, visibility, sent):
    """Whatever was asked for, what was said to few is answered to few."""
    server.post(f"{API}/statuses", json=answer("20", "We found it."))
    line().reply(replace(REPLY, target=replace(TARGET, visibility=visibility)), "intent-1")
    assert json.loads(server.calls[-1].request.body)["visibility"] == sent


@pytest.mark.parametrize(
    ("visibility", "sent"), [(Visibility.FOLLOWERS, "private"), (Visibility.DIRECT, "direct")]
)
def test_reply_that_is_meant_for_few_goes_to_few(server, visibility, sent):
    """Also under a post that everybody may read."""
    server.post(f"{API}/statuses", json=answer("20", "We found it."))
    line().reply(replace(REPLY, visibility=visibility), "intent-1")
    assert json.loads(server.calls[-1].request.body)["visibility"] == sent


@pytest.mark.parametrize("language", ["pt-BR", "pt_BR", "PT"])
def test_language_of_a_reply_is_sent_without_its_region(server, language):
    """The server refuses a post in a language that is not of ISO 639."""
    server.post(f"{API}/statuses", json=answer("20", "We found it."))
    line().reply(replace(REPLY, language=language), "intent-1")
    assert json.loads(server.calls[-1].request.body)["language"] == "pt"


@pytest.mark.parametrize("gone", [404, 410])
def test_reply_to_a_post_that_is_gone(server, gone):
    """Deleted, or its author blocks us."""
    server.post(f"{API}/statuses", status=gone, json={"error": "The post does not appear to exist."})
    server.get(f"{API}/statuses/11", status=gone)
    with pytest.raises(VendorGoneError):
        line().reply(REPLY, "intent-1")


@pytest.mark.parametrize("look", [200, 503])
def test_reply_that_somebody_in_between_answers_with_404(server, look):
    """The post is there, or cannot be asked for: a proxy's error page makes no customer gone."""
    server.post(f"{API}/statuses", status=404, body="<html>not found</html>")
    server.get(f"{API}/statuses/11", status=look, json=status("11"))
    server.get(f"{API}/statuses/11/context", status=look, json=context())
    with pytest.raises(VendorUnclearError):
        line().reply(REPLY, "intent-1")
    assert [call.request.method for call in server.calls].count("POST") == 1


def test_reply_where_everything_is_answered_with_404():
    """A wrong address: not even our own account is there, so nothing is said about the post."""
    with responses.RequestsMock() as nobody:
        nobody.post(f"{API}/statuses", status=404)
        nobody.get(f"{API}/statuses/11", status=404)
        nobody.get(f"{API}/accounts/verify_credentials", status=404)
        with pytest.raises(VendorUnclearError):
            line().reply(REPLY, "intent-1")


def test_reply_that_the_posts_author_allows_nobody(server):
    """403 in GoToSocial's words, and the account may do everything else: this one reply is refused."""
    words = "Forbidden: you do not have permission to reply to this status"
    server.post(f"{API}/statuses", status=403, json={"error": words})
    with pytest.raises(VendorRefusedError) as caught:
        line().reply(REPLY, "intent-1")
    assert caught.value.status == 403
    assert words not in str(caught.value)
    assert [call.request.method for call in server.calls].count("POST") == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"error": "This action is outside the authorized scopes"}',
        '{"error": "Forbidden: token has insufficient scope permission"}',
        '{"error": "Insufficient permissions: write:statuses."}',
        "<html>blocked by the firewall</html>",
        "{}",
        "",
    ],
)
def test_reply_that_the_token_may_not_write(server, body):
    """Each reply would be answered so, though the account can be read: the credentials are at fault."""
    server.post(f"{API}/statuses", status=403, body=body)
    with pytest.raises(VendorAuthError):
        line().reply(REPLY, "intent-1")


@pytest.mark.parametrize("status", [401, 403, 500])
def test_reply_that_is_forbidden_to_an_account_that_is_shut(server, status):
    """Its own account cannot be read either, or not just now: nothing is said about the one reply."""
    server.post(f"{API}/statuses", status=403, json={"error": "Your login is currently disabled"})
    server.replace("GET", f"{API}/accounts/verify_credentials", status=status)
    with pytest.raises(VendorAuthError):
        line().reply(REPLY, "intent-1")


def test_post_that_came_another_way_is_looked_up(server):
    """A tag source knows the address only: our server is asked for its own id of it."""
    server.get(f"{SERVER}/api/v2/search", json={"statuses": [status("10"), status("11")]})
    server.post(f"{API}/statuses", json=answer("20", "We found it."))
    line().reply(replace(REPLY, target=replace(TARGET, native_id="")), "intent-1")
    assert json.loads(server.calls[-1].request.body)["in_reply_to_id"] == "11"
    asked = parse_qs(urlsplit(server.calls[0].request.url).query)
    assert (asked["q"], asked["resolve"], asked["type"]) == ([TARGET.id], ["true"], ["statuses"])


def test_post_that_our_server_cannot_see_cannot_be_answered(server):
    """Not found by search: no deletion, but no reply either."""
    server.get(f"{SERVER}/api/v2/search", json={"statuses": []})
    unseen = replace(TARGET, native_id="")
    assert line().preflight(unseen, ()).obstacles == {Obstacle.CLOSED}
    assert line().read_thread(unseen) == ()
    assert line().find_own_answer(unseen, ()) is None
    assert line().find_reply(replace(REPLY, target=unseen), "intent-1", ()) is None
    with pytest.raises(VendorGoneError):
        line().reply(replace(REPLY, target=unseen), "intent-1")


def test_token_never_travels_in_the_clear():
    """Plain http is for this machine only."""
    open_air = replace(ACCOUNT, fields={"url": "http://social.example"})
    with responses.RequestsMock(), pytest.raises(VendorRefusedError):
        line(open_air).reply(REPLY, "intent-1")


def test_odd_token_is_no_crash(server):
    """A token pasted with a foreign letter is sent as it is, and the server refuses it."""
    server.post(f"{API}/statuses", json=answer("20", "We found it."))
    line(replace(ACCOUNT, secrets={"token": ("test-tokeń",)})).reply(REPLY, "intent-1")


@pytest.mark.parametrize(
    "found",
    [
        answer("20", "We found it."),
        answer("20", "We<br>found  it."),
        answer("20", "", content="<p>@alice@pub.example We found it.</p>"),
        answer("20", "We found it.", created_at=(RECEIVED_AT - timedelta(seconds=90)).isoformat()),
    ],
)
def test_posted_reply_is_found_by_its_words(server, found):
    """However the server writes the mention and the white space, and with clocks a little apart."""
    with_thread(server, status("11"), answer("19", "Hello"), found)
    published = line().find_reply(REPLY, "intent-1", ())
    assert published is not None
    assert published.id == "https://pub.example/posts/20"


@pytest.mark.parametrize(
    "other",
    [
        answer("20", "We lost it."),
        answer("20", "We found it.", created_at=(RECEIVED_AT - timedelta(minutes=5)).isoformat()),
        answer("20", "We found it.", in_reply_to_id="12"),
        answer("20", "We found it.", account=ALICE),
    ],
)
def test_other_posts_are_not_taken_for_the_reply(server, other):
    """Other words, an older post, another parent, another author."""
    with_thread(server, status("11"), other)
    assert line().find_reply(REPLY, "intent-1", ()) is None


@pytest.mark.parametrize("claim", ["20", "https://pub.example/posts/20"])
def test_reply_of_another_intent_is_never_found(server, claim):
    """Two agents may write the same words: each post belongs to one of them."""
    with_thread(server, status("11"), answer("20", "We found it."), answer("21", "We found it."))
    published = line().find_reply(REPLY, "intent-1", {claim})
    assert published is not None
    assert published.id == "https://pub.example/posts/21"


def test_look_at_a_busy_server_does_not_say_not_found(server):
    """ "Could not read" is never "it is not there"."""
    server.get(f"{API}/statuses/11/context", status=503)
    with pytest.raises(VendorBusyError):
        line().find_reply(REPLY, "intent-1", ())


def test_lost_answer_to_a_reply_is_unclear(server):
    """The connection broke after the request left: it may have been posted."""
    server.post(f"{API}/statuses", body=requests.ReadTimeout())
    with pytest.raises(VendorUnclearError):
        line().reply(REPLY, "intent-1")


def test_doctor_is_content_with_a_good_account(server):
    """Identity, mentions and text limit: nothing to fix."""
    server.get(f"{API}/notifications", json=[])
    limits = {"configuration": {"statuses": {"max_characters": 500}}}
    server.get(f"{SERVER}/api/v2/instance", json=limits)
    assert [finding.ok for finding in line().check()] == [True, True, True]


def test_doctor_finds_each_fault(server):
    """Another person's token, a missing scope, a limit that differs: each with its fix."""
    server.replace("GET", f"{API}/accounts/verify_credentials", json=ALICE)
    server.get(f"{API}/notifications", status=403)
    limits = {"configuration": {"statuses": {"max_characters": 5000}}}
    server.get(f"{SERVER}/api/v2/instance", json=limits)
    findings = line().check()
    assert [finding.ok for finding in findings] == [False, False, False]
    assert all(finding.fix for finding in findings)
    assert "5000" in findings[2].fix


def test_doctor_says_that_the_token_does_not_work(server):
    """401: the rest is not asked."""
    server.replace("GET", f"{API}/accounts/verify_credentials", status=401)
    [finding] = line().check()
    assert not finding.ok
    assert finding.fix


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<br />two</p><p>three</p>", "one\ntwo\n\nthree"),
        ("<p>a &lt;b&gt; &amp; c</p>", "a <b> & c"),
        ("<p>x<script>alert(1)</script><style>p{}</style>y</p>", "xy"),
        (
            '<p><a href="https://x.example/long"><span class="invisible">https://</span>x.example/long</a></p>',
            "https://x.example/long",
        ),
        ('<p>my <a href="https://x.example/1">report</a></p>', "my report (https://x.example/1)"),
        ('<p><a href="https://x.example/tags/fail" rel="tag">#<span>fail</span></a></p>', "#fail"),
        ('<p><a href="javascript:alert(1)">press</a></p>', "press"),
        ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
        ("<blockquote><p>quoted</p></blockquote><p>said</p>", "quoted\n\nsaid"),
        ("plain.html", "plain.html"),
        ("https://x.example", "https://x.example"),
        ("", ""),
    ],
)
def test_html_becomes_words(html, text):
    """What the customer sees is what the agent reads."""
    assert plain_text(html) == text


_words = st.text(alphabet=st.characters(exclude_characters="<>&", exclude_categories=["Cs"]), max_size=12)
_blocks = ["p", "br", "div", "ul", "li", "pre", "h1", "td"]
_spans = ["a", "b", "i", "span", "script", "style"]
_tags = st.sampled_from([*_blocks, *_spans, "!--", "?xml", "![CDATA["])


@given(pieces=st.lists(st.tuples(_tags, _words, st.booleans()), max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_tag_is_left(pieces):
    """However tags are nested, closed or not: none of them is shown."""
    html = "".join(f"<{tag}>{words}" + (f"</{tag}>" if closed else "") for tag, words, closed in pieces)
    text = plain_text(html)
    assert not any(
        f"<{tag}>" in text or f"</{tag}>" in text for tag in ("p", "br", "a", "b", "div", "span", "li")
    )


@given(html=st.text() | st.text(alphabet="<>&/!-[]?=\"'apbr ;#x"))
@settings(max_examples=200, deadline=None)
def test_any_text_is_turned_into_words(html):
    """No markup is so broken that it stops a message."""
    assert isinstance(plain_text(html), str)


def test_deep_nesting_is_turned_into_words():
    """Ten thousand open tags are no stack of calls."""
    assert plain_text("<b>" * 10_000 + "x") == "x"


@pytest.mark.parametrize(
    "piece", ["<a>", "<a href=http://x>", "<p>", "<br>", "<li>", "<a ", "<a/", " ", "<!--"]
)
def test_hostile_markup_is_read_in_a_moment(piece):
    """Whoever fills a post with tags, open ones or half ones, keeps no thread from its work."""
    html = "x" + (piece * LONGEST_HTML)[: LONGEST_HTML - 2] + "x"
    begun = time.monotonic()
    assert plain_text(html).startswith("x")
    assert time.monotonic() - begun < 5


def test_more_than_any_server_allows_is_cut():
    """A post's words come long before."""
    assert plain_text("<p>" + "x" * LONGEST_HTML) == "x" * (LONGEST_HTML - 3)


def test_link_in_a_link_ends_it():
    """As in a browser, which knows no such thing."""
    html = '<a href="https://x.example/1">one <a href="https://x.example/2">two</a> three</a>'
    assert plain_text(html) == "one  (https://x.example/1)two (https://x.example/2) three"


def test_tag_that_never_ends_is_text():
    """What stands behind the last tag is read as the customer wrote it."""
    assert plain_text("<p>1 < 2, a <b and no end") == "1 < 2, a <b and no end"


def test_folding_keeps_words_apart():
    """Only white space, the form of mentions and Unicode's two ways to write an accent are folded."""
    assert folded("@Alice@pub.example  caf\u0065\u0301") == folded("@alice caf\u00e9")
    assert folded("We found it") != folded("We found it.")


def test_times_of_a_status_are_read_with_their_offset():
    """A server in another zone means the same moment."""
    body = json.dumps({"status": status("11", created_at="2026-11-21T18:40:00+07:00")}).encode()
    assert the_message(body).posted_at == datetime.fromisoformat("2026-11-21T11:40:00+00:00")
