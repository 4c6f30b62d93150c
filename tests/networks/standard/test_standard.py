"""The signed webhook: its contract, and what is peculiar to it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from bridge.core.account import Account
from bridge.core.message import SocialMessage, Visibility
from bridge.core.reply import Obstacle, Published
from bridge.errors import (
    UnauthenticRequestError,
    UnreadablePayloadError,
    VendorAuthError,
    VendorBusyError,
    VendorGoneError,
    VendorRefusedError,
)
from bridge.networks import NETWORKS
from bridge.networks.standard.outbound import StandardConnection
from bridge.networks.standard.signature import sign, verify
from tests.networks.contract import RECEIVED_AT, PushContract


def secret(words: str) -> str:
    return "whsec_" + base64.b64encode(words.encode()).decode()


SECRET = secret("test-secret-one-of-the-relay")
OTHER_SECRET = secret("test-secret-two-of-the-relay")
REPLY_URL = "https://relay.example/replies?room=7"
RELAY = "https://relay.example/replies"
ACCOUNT = Account(
    key="forum",
    network="standard",
    brand="acme",
    handle="@care",
    fields={"reply_url": REPLY_URL},
    secrets={"secret": (SECRET,)},
)
STANDARD = NETWORKS["standard"]
EDITED = {"edited_at": "2026-11-21T11:00:00Z"}
ANSWERED = {"answers": [{"id": "a1", "own": True}]}


class TestStandard(PushContract):
    network = STANDARD
    account = ACCOUNT
    fixtures = Path(__file__).parent / "fixtures"
    reply_api = REPLY_URL
    unknown_event = b'{"type": "invoice.paid", "timestamp": "2026-11-21T12:00:00Z", "data": {}}'

    def connect(self) -> StandardConnection:
        return StandardConnection(self.account, timeout_s=1, sleep=lambda _: None)

    def show(self, vendor: responses.RequestsMock, *, edited_at: datetime, answer: str) -> None:
        answers = [{"id": answer, "own": True}]
        vendor.get(RELAY, json={"state": "edited", "edited_at": edited_at.isoformat(), "answers": answers})

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        timestamp = str(int(at.timestamp()))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        return {
            "webhook-id": "delivery-1",
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(key, "delivery-1", timestamp, body),
        }

    def rotating(self) -> Account:
        return replace(self.account, secrets={"secret": (OTHER_SECRET, SECRET)})

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b'{"type": "social.message.created", "data": {"te', "no JSON: EOF while parsing"),
            (rb'{"text": "half \ud83d"}', "no JSON: unexpected end of hex escape"),
            (b"[]", "not the shape that its type has: it is no object"),
            (b'{"type": "social.message.created", "timestamp": "yesterday"}', "look at .*timestamp"),
        ],
        ids=["cut off", "half a sign", "a list", "a field"],
    )
    def test_the_reason_says_where_to_look(self, body: bytes, why: str):
        """A person compares it with what came: what is well-formed is not called broken."""
        with pytest.raises(UnreadablePayloadError, match=why) as caught:
            self.network.normalise(ACCOUNT, body, datetime(2026, 11, 21, tzinfo=UTC))
        assert "half" not in str(caught.value), "nobody's words are in it"

    def test_published_vector_is_authentic(self):
        """The example with which the specification's own libraries test themselves."""
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        at = datetime.fromtimestamp(1614265330, UTC)
        published = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        assert verify([published], b'{"test": 2432232314}', headers, at) == headers["webhook-id"]

    def test_one_fitting_signature_among_others_is_enough(self):
        """The sender rotates: other signatures, other versions and odd entries are passed over."""
        headers = self.signed(b"{}", RECEIVED_AT)
        true = headers["webhook-signature"]
        headers["webhook-signature"] = f"v1a,AAAA  v1 ,, v2,{true[3:]} v1,AAAA żółć {true}"
        assert self.network.verify(self.account, b"{}", headers, RECEIVED_AT) == "delivery-1"

    def test_signature_of_another_version_is_none(self):
        """The right bytes under a version that we do not know prove nothing."""
        headers = self.signed(b"{}", RECEIVED_AT)
        headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
        self.refuse(b"{}", headers)

    @pytest.mark.parametrize("timestamp", ["", "x", "1.5", "-1", "٣", "1e9", "9" * 40, "nan", " 1"])
    def test_odd_timestamp_is_refused(self, timestamp):
        """A timestamp is whole seconds in ASCII digits, even when it is signed."""
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        headers = {
            "webhook-id": "delivery-1",
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(key, "delivery-1", timestamp, b"{}"),
        }
        self.refuse(b"{}", headers)

    @pytest.mark.parametrize("value", ["", "whsec_", "whsec_%%%", "no base64 at all"])
    def test_unusable_secret_lets_nobody_in(self, value):
        """An empty or malformed secret is none; an empty key would let everybody sign."""
        timestamp = str(int(RECEIVED_AT.timestamp()))
        headers = {
            "webhook-id": "delivery-1",
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(b"", "delivery-1", timestamp, b"{}"),
        }
        with pytest.raises(UnauthenticRequestError):
            verify([value], b"{}", headers, RECEIVED_AT)

    def test_own_post_is_known_by_its_author_id(self):
        """A relay whose handles differ from ours names our author id instead."""
        account = replace(self.account, handle="@somebody", fields={"own_id": "brand-1"})
        [event] = self.network.normalise(account, self.body("our_own_post"), RECEIVED_AT)
        assert event.message is not None
        assert event.message.own

    def test_null_is_the_same_as_left_out(self):
        """Many senders write every key of theirs, known or not."""
        full = {"id": "1", "author": {"id": "2"}, "text": "hi", "created_at": "2026-11-21T11:00:00Z"}
        optional = ["network", "root_id", "parent_id", "parent_text", "language", "permalink", "visibility"]
        nulls = dict.fromkeys([*optional, "edited_at", "attachments", "tags", "own_extra"])
        author = full["author"] | {"handle": None, "name": None, "url": None}

        def read(data: dict[str, object]) -> object:
            body = json.dumps({"type": "social.message.created", "data": data}).encode()
            return self.network.normalise(self.account, body, RECEIVED_AT)

        assert read(full | nulls | {"author": author}) == read(full)

    def test_message_of_another_network_has_no_id_of_that_networks_api(self):
        """A tag source does not know it: the other room asks its own server before it answers."""
        data = {"id": "1", "author": {"id": "2"}, "text": "hi", "created_at": "2026-11-21T11:00:00Z"}

        def native_id(network: str) -> str:
            body = {"type": "social.message.created", "data": {**data, "network": network}}
            [event] = self.network.normalise(self.account, json.dumps(body).encode(), RECEIVED_AT)
            assert event.message is not None
            return event.message.native_id

        assert (native_id("mastodon"), native_id("standard")) == ("", "1")

    def test_account_without_reply_url_shows_red(self):
        """A pure tag source cannot answer, and says so."""
        light = self.network.light(replace(self.account, fields={}), self.target())
        assert not light.possible
        assert "reply_url" in light.reason

    def test_reply_is_signed_and_carries_our_key(self):
        """The relay can prove the sender and knows a repeated request by its webhook-id."""
        with responses.RequestsMock() as relay:
            relay.post(REPLY_URL, json={"id": "post-9", "permalink": "https://forum.example/t/9"})
            published = self.connect().reply(self.wanted_reply(), "intent-1")
            sent = relay.calls[0].request
        assert published == Published("post-9", "https://forum.example/t/9")
        now = datetime.now(UTC)
        headers = {name.lower(): str(value) for name, value in sent.headers.items()}
        assert verify([SECRET], sent.body, headers, now) == "intent-1"
        assert json.loads(sent.body) == {
            "type": "social.reply.requested",
            "timestamp": "2026-11-21T12:00:00+00:00",
            "data": {
                "in_reply_to": "https://social.example/users/alice/statuses/11",
                "network": "standard",
                "text": "We found your parcel.",
                "language": "en",
                "visibility": "unlisted",
            },
        }

    def test_same_reply_has_the_same_bytes(self):
        """A second try is the same request, but for its timestamp."""
        with responses.RequestsMock() as relay:
            relay.post(REPLY_URL, json={"id": "post-9"})
            self.connect().reply(self.wanted_reply(), "intent-1")
            self.connect().reply(self.wanted_reply(), "intent-1")
            first, second = (call.request for call in relay.calls)
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]

    def test_reply_never_has_a_wider_audience_than_the_message(self):
        """Whatever was asked for, an answer to followers goes to followers."""
        reply = self.wanted_reply()
        private = replace(reply, target=replace(reply.target, visibility=Visibility.FOLLOWERS))
        with responses.RequestsMock() as relay:
            relay.post(REPLY_URL, json={"id": "post-9"})
            self.connect().reply(private, "intent-1")
            assert json.loads(relay.calls[0].request.body)["data"]["visibility"] == "followers"

    def test_reply_secret_signs_where_there_is_one(self):
        """What the relay sends and what we send may have different secrets."""
        self_signed = replace(self.account, secrets={"secret": (SECRET,), "reply_secret": (OTHER_SECRET,)})
        with responses.RequestsMock() as relay:
            relay.post(REPLY_URL, json={"id": "post-9"})
            StandardConnection(self_signed, timeout_s=1).reply(self.wanted_reply(), "intent-1")
            sent = relay.calls[0].request
        headers = {name.lower(): str(value) for name, value in sent.headers.items()}
        assert verify([OTHER_SECRET], sent.body, headers, datetime.now(UTC))

    def test_reply_without_a_usable_secret_is_never_sent(self):
        """We do not send unsigned words."""
        with responses.RequestsMock(), pytest.raises(VendorAuthError):
            account = replace(self.account, secrets={"secret": ("whsec_",)})
            StandardConnection(account, timeout_s=1).reply(self.wanted_reply(), "intent-1")

    def test_reply_to_what_is_gone(self):
        """410 is the relay's word for a message that cannot be answered any more."""
        with responses.RequestsMock() as relay, pytest.raises(VendorGoneError):
            relay.post(REPLY_URL, status=410)
            self.connect().reply(self.wanted_reply(), "intent-1")

    def test_reply_url_that_is_not_there_is_not_a_customer_who_left(self):
        """404 to a reply is a wrong address: somebody must be told."""
        with responses.RequestsMock() as relay, pytest.raises(VendorRefusedError):
            relay.post(REPLY_URL, status=404)
            self.connect().reply(self.wanted_reply(), "intent-1")

    def test_sent_reply_is_found_by_its_key(self):
        """After an unclear answer the relay is asked by the key, signed over an empty body."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json={"id": "post-9", "permalink": "https://forum.example/t/9"})
            found = self.connect().find_reply(self.wanted_reply(), "intent-1", ())
            sent = relay.calls[0].request
        assert found == Published("post-9", "https://forum.example/t/9")
        assert parse_qs(urlsplit(sent.url).query) == {"room": ["7"], "key": ["intent-1"]}
        headers = {name.lower(): str(value) for name, value in sent.headers.items()}
        assert verify([SECRET], b"", headers, datetime.now(UTC))

    def test_reply_that_was_never_posted_is_not_found(self):
        """404 says that the relay has no reply with this key."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, status=404)
            assert self.connect().find_reply(self.wanted_reply(), "intent-1", ()) is None

    @pytest.mark.parametrize(
        ("status", "error"), [(501, VendorBusyError), (503, VendorBusyError), (410, VendorRefusedError)]
    )
    def test_look_at_a_relay_that_cannot_say_does_not_say_not_found(self, status, error):
        """ "Could not read" is never "it is not there": 404 alone is."""
        with responses.RequestsMock() as relay, pytest.raises(error):
            relay.get(RELAY, status=status)
            self.connect().find_reply(self.wanted_reply(), "intent-1", ())

    def test_signature_of_a_question_is_of_no_other(self):
        """The body is empty and the address is not signed, so the signed id stands for what is asked."""
        other = replace(self.target(), id="https://social.example/users/alice/statuses/12")
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json={"state": "present"})
            for asked in (self.target(), self.target(), other):
                self.connect().preflight(asked, ())
            first, again, second = (call.request.headers["webhook-id"] for call in relay.calls)
        assert first == again != second

    @pytest.mark.parametrize(
        ("state", "obstacles"),
        [
            ({"state": "present"}, set()),
            ({"state": "deleted"}, {Obstacle.GONE}),
            ({"state": "blocked"}, {Obstacle.GONE}),
            ({"state": "closed"}, {Obstacle.CLOSED}),
            ({"state": "edited"}, {Obstacle.EDITED}),
            ({"state": "present", **EDITED}, {Obstacle.EDITED}),
            ({"state": "present", **ANSWERED}, {Obstacle.ANSWERED}),
            ({"state": "closed", **EDITED, **ANSWERED}, {*Obstacle} - {Obstacle.GONE}),
            ({"state": "deleted", **EDITED, **ANSWERED}, {Obstacle.GONE}),
            ({"state": "present", "answers": [{"id": "a2", "own": False}]}, set()),
            ({"state": "present", "answers": [{"id": "known", "own": True}]}, set()),
        ],
    )
    def test_obstacle_that_the_relay_sees(self, state, obstacles):
        """Each state of the message says whether a reply may leave."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json=state)
            assert self.connect().preflight(self.target(), {"known"}).obstacles == obstacles

    def test_what_the_author_wrote_since_is_shown_as_a_webhook_would_bring_it(self):
        """A relay that says it: each version is a delivery of its own, the same at each look."""
        author = {"id": "customer-7", "handle": "@somchai"}
        data = {"id": "post-2", "author": author, "text": "Still!", "created_at": "2026-11-21T11:59:30Z"}
        edited = {**data, "edited_at": "2026-11-21T11:59:50Z"}
        with responses.RequestsMock() as relay:
            for newer in ([data], [data], [edited]):
                relay.get(RELAY, json={"state": "present", "newer": newer})
            first, again, later = (self.connect().preflight(self.target(), ()).thread for _ in range(3))
        assert first == again != later
        [event] = self.network.normalise(self.account, first[0].body, RECEIVED_AT)
        assert event.message is not None
        assert ("post-2", "Still!", "customer-7") == (
            event.message_id,
            event.message.text,
            event.message.author.id,
        )

    @pytest.mark.parametrize("status", [404, 501])
    def test_relay_that_cannot_say_is_no_obstacle(self, status):
        """A relay without this part of the protocol lets replies through."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, status=status)
            assert not self.connect().preflight(self.target(), ()).obstacles

    @pytest.mark.parametrize(
        ("edited_at", "obstacles"),
        [("2026-11-21T11:30:00Z", set()), ("2026-11-21T11:30:01Z", {Obstacle.EDITED})],
    )
    def test_edit_that_we_know_is_no_obstacle(self, edited_at, obstacles):
        """Only an edit after the version that was answered stops the reply."""
        target = replace(self.target(), edited_at=RECEIVED_AT - timedelta(minutes=30))
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json={"state": "edited", "edited_at": edited_at})
            assert self.connect().preflight(target, ()).obstacles == obstacles

    def test_answer_by_hand_is_the_latest_that_nobody_claims(self):
        """A colleague's answer closes the loop by hand; ours does not count as theirs."""
        answers = [
            {"id": "a1", "own": True, "at": "2026-11-21T11:10:00Z"},
            {"id": "a2", "own": True, "at": "2026-11-21T11:20:00Z", "permalink": "https://forum.example/a2"},
            {"id": "a3", "own": True, "at": "2026-11-21T11:30:00Z"},
            {"id": "a4", "own": False, "at": "2026-11-21T11:40:00Z"},
        ]
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json={"state": "present", "answers": answers})
            found = self.connect().find_own_answer(self.target(), {"a3"})
        at = datetime(2026, 11, 21, 11, 20, tzinfo=UTC)
        assert found == Published("a2", "https://forum.example/a2", at)

    def test_ids_of_any_kind_can_be_asked_for(self):
        """An id with line breaks and Thai letters breaks no header."""
        odd: SocialMessage = replace(self.target(), id="ก\r\nX-Evil: 1")
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json={"state": "present"})
            assert not self.connect().preflight(odd, ()).obstacles

    def test_account_without_reply_url_never_calls(self):
        """A tag source is asked nothing, and a reply through it is refused."""
        connection = StandardConnection(replace(self.account, fields={}), timeout_s=1)
        with responses.RequestsMock():
            assert connection.preflight(self.target(), ()).obstacles == {Obstacle.CLOSED}
            assert connection.find_reply(self.wanted_reply(), "intent-1", ()) is None
            assert connection.find_own_answer(self.target(), ()) is None
            assert connection.read_thread(self.target()) == ()
            assert connection.poll("7").cursor == "7"
            with pytest.raises(VendorRefusedError):
                connection.reply(self.wanted_reply(), "intent-1")

    def listed(self, *ids: str, after: str | None = None, at: str = "2026-11-21T11:59:40Z"):
        body = {"type": "social.message.deleted", "data": {"id": "post-1"}}
        sent = [{"id": one, "at": at, "body": body} for one in ids]
        return {"deliveries": sent, "next": after}

    def test_the_first_look_starts_now_and_asks_nothing(self):
        """What was sent before the bridge knew of the account is not raked up."""
        with responses.RequestsMock():
            polled = self.connect().poll(None)
        assert polled.items == ()
        assert abs(datetime.now(UTC) - datetime.fromisoformat(polled.cursor)) < timedelta(minutes=1)

    def test_what_was_sent_comes_with_its_own_delivery_id(self):
        """From a minute before the latest that is known; the cursor moves by the relay's time."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json=self.listed("msg_1", "msg_2"))
            polled = self.connect().poll("2026-11-21T11:58:00+00:00")
            asked = parse_qs(urlsplit(relay.calls[0].request.url).query)
            headers = {name.lower(): value for name, value in relay.calls[0].request.headers.items()}
        assert asked == {"room": ["7"], "since": ["2026-11-21T11:57:00+00:00"]}
        assert verify((SECRET,), b"", headers, datetime.now(UTC)).startswith("read_")
        assert [item.delivery_id for item in polled.items] == ["msg_1", "msg_2"]
        assert (polled.cursor, polled.more) == ("2026-11-21T11:59:40+00:00", False)
        [event] = STANDARD.normalise(ACCOUNT, polled.items[0].body, RECEIVED_AT)
        assert event.message_id == "post-1"

    def test_a_long_list_is_walked_by_the_relays_marks(self):
        """The mark comes back as it was given; one that leads to itself ends the walk."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json=self.listed("msg_1", after="page-2"))
            first = self.connect().poll("2026-11-21T11:58:00+00:00")
            second = self.connect().poll(first.cursor)
            asked = parse_qs(urlsplit(relay.calls[1].request.url).query)
        assert asked["since"] == ["page-2"]
        assert (first.more, second.more) == (True, False)
        assert second.cursor == "2026-11-21T11:59:40+00:00"

    @pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
    def test_a_relay_that_keeps_no_list_is_left_in_peace(self, status):
        """The cursor stays where it is, should the relay ever keep one."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, status=status)
            polled = self.connect().poll("2026-11-21T11:58:00+00:00")
        assert (polled.items, polled.cursor) == ((), "2026-11-21T11:58:00+00:00")

    def test_a_time_that_has_not_come_makes_nobody_deaf(self):
        """A relay whose clock is a century ahead."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, json=self.listed("msg_1", at="2126-01-01T00:00:00Z"))
            polled = self.connect().poll("2026-11-21T11:58:00+00:00")
        assert datetime.fromisoformat(polled.cursor) <= datetime.now(UTC)

    def test_doctor_is_content_with_a_good_account(self):
        """A long secret and a relay that answers: nothing to fix."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, status=404)
            assert all(finding.ok for finding in self.connect().check())

    @pytest.mark.parametrize("value", [secret("short"), "whsec_%%%"])
    def test_doctor_says_what_is_wrong_with_a_secret(self, value):
        """A weak or broken secret comes with its fix, and is not shown."""
        account = replace(self.account, fields={}, secrets={"secret": (value,)})
        [finding, _] = StandardConnection(account, timeout_s=1).check()
        assert not finding.ok
        assert finding.fix
        assert value not in str(finding)

    def test_doctor_misses_the_secret(self):
        """No secret: every webhook would be refused."""
        [finding, _] = StandardConnection(replace(self.account, fields={}, secrets={}), timeout_s=1).check()
        assert not finding.ok

    def test_doctor_hears_that_the_relay_is_down(self):
        """A relay that cannot be reached is a finding, not a crash."""
        with responses.RequestsMock() as relay:
            relay.get(RELAY, body=requests.ConnectionError())
            assert not self.connect().check()[-1].ok
