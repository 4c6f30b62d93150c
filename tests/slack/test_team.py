"""The team's port, against a loopback server (slack_sdk uses urllib: `responses` does not see it)."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.core import deadline
from bridge.core.card import CardRef
from bridge.core.patience import LONGEST_WAIT_S
from bridge.core.ports import Team
from bridge.errors import (
    VendorAuthError,
    VendorBusyError,
    VendorError,
    VendorGoneError,
    VendorRefusedError,
    VendorUnclearError,
)
from bridge.slack import SlackAccount, SlackTeam
from bridge.slack import team as team_module
from tests.running import eventually
from tests.slack.cards import card
from tests.slack.conftest import TOKEN
from tests.slack.fake import FakeSlack

CHANNEL = "C0SUPPORT1"
REF = CardRef(channel=CHANNEL, id="1700000000.000100")
SINCE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def posted(ts: str = "1700000000.000100") -> dict[str, Any]:
    return {"ok": True, "channel": CHANNEL, "ts": ts}


def message(ts: str, key: str | None, event_type: str = "bridge_card") -> dict[str, Any]:
    plain = {"type": "message", "ts": ts, "text": "…"}
    if key is None:
        return plain
    return plain | {"metadata": {"event_type": event_type, "event_payload": {"key": key}}}


def page(*messages: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    return {"ok": True, "messages": list(messages), "response_metadata": {"next_cursor": cursor}}


def test_a_card_is_posted_with_its_key_and_without_previews(slack: FakeSlack, team: Team) -> None:
    """Blocks, an escaped text, the key in the metadata and nothing unfurled."""
    slack.answer("chat.postMessage", posted())

    ref = team.post_card(CHANNEL, card(), "key-1")

    assert ref == REF
    (sent,) = slack.sent("chat.postMessage")
    assert sent["metadata"] == {"event_type": "bridge_card", "event_payload": {"key": "key-1"}}
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)
    assert "hour &amp; nobody" in sent["text"]
    assert sent["blocks"][0]["type"] == "header"
    assert "thread_ts" not in sent
    assert slack.calls[0].token == f"Bearer {TOKEN}"


def test_a_channel_name_becomes_its_id_once(slack: FakeSlack, team: Team) -> None:
    """The ref holds the id, and the list of channels is read page by page, one time."""
    first = {"ok": True, "channels": [{"id": "C0OTHER01", "name": "general"}]}
    slack.answer("conversations.list", first | {"response_metadata": {"next_cursor": "two"}})
    slack.answer("conversations.list", {"ok": True, "channels": [{"id": CHANNEL, "name": "support-tech"}]})
    slack.default("chat.postMessage", posted())

    assert team.post_card("#support-tech", card(), "key-1").channel == CHANNEL
    assert team.post_card("support-tech", card(), "key-2").channel == CHANNEL

    assert [sent.get("cursor") for sent in slack.sent("conversations.list")] == [None, "two"]
    # A team's channel is often a private one.
    assert {sent["types"] for sent in slack.sent("conversations.list")} == {"public_channel,private_channel"}
    assert [sent["channel"] for sent in slack.sent("chat.postMessage")] == [CHANNEL, CHANNEL]


def test_an_unknown_channel_is_refused_with_what_to_do(slack: FakeSlack, team: Team) -> None:
    """Nothing is posted, and the detail says to create the channel or invite the app."""
    slack.answer("conversations.list", {"ok": True, "channels": []})

    with pytest.raises(VendorRefusedError, match="invite the app"):
        team.post_card("#nowhere", card(), "key-1")

    assert slack.sent("chat.postMessage") == []


def test_updating_a_card_keeps_its_buttons_and_parses_nothing(slack: FakeSlack, team: Team) -> None:
    """chat.update falls back to parse=client and drops blocks that are left out."""
    slack.answer("chat.update", posted())

    team.update_card(REF, card(stage="claimed"))

    (sent,) = slack.sent("chat.update")
    assert sent["parse"] == "none"
    assert (sent["channel"], sent["ts"]) == (REF.channel, REF.id)
    assert any(block["type"] == "actions" for block in sent["blocks"])
    assert sent["text"].startswith("Claimed")


def test_a_deleted_card_is_gone(slack: FakeSlack, team: Team) -> None:
    """Somebody deleted the message: there is nothing to update any more."""
    slack.answer("chat.update", {"ok": False, "error": "message_not_found"})

    with pytest.raises(VendorGoneError):
        team.update_card(REF, card())


def test_a_card_is_found_by_its_key(slack: FakeSlack, team: Team) -> None:
    """The look goes through the pages, from a minute before the sending began."""
    slack.answer("conversations.history", page(message("3.0", None), message("2.0", "other"), cursor="more"))
    slack.answer(
        "conversations.history", page(message("1.5", "key-1", "bridge_note"), message("1.0", "key-1"))
    )

    assert team.find_card(CHANNEL, "key-1", SINCE) == CardRef(channel=CHANNEL, id="1.0")

    first, second = slack.sent("conversations.history")
    assert float(first["oldest"]) == SINCE.timestamp() - 60
    assert (first["include_all_metadata"], second["cursor"]) == ("1", "more")


def test_a_card_that_is_not_there_is_not_found(slack: FakeSlack, team: Team) -> None:
    """No message carries the key."""
    slack.answer("conversations.history", page(message("2.0", "other")))

    assert team.find_card(CHANNEL, "key-1", SINCE) is None


def test_a_look_that_cannot_end_does_not_say_not_found(slack: FakeSlack, team: Team) -> None:
    """More pages than may be read: not found would be a guess, and a second card its price."""
    slack.default("conversations.history", page(cursor="again"))

    with pytest.raises(VendorRefusedError, match="to look through"):
        team.find_card(CHANNEL, "key-1", SINCE)


def test_a_note_goes_under_its_card_and_is_found_there(slack: FakeSlack, team: Team) -> None:
    """In the thread of the parent, with its key, as plain words."""
    slack.answer("chat.postMessage", posted("1700000000.000200"))
    slack.answer(
        "conversations.replies",
        page(message(REF.id, "key-1"), message("1700000000.000200", "key-2", "bridge_note")),
    )

    assert team.post_note(REF, "Route <technical> took it", "key-2") == "1700000000.000200"
    assert team.find_note(REF, "key-2") == "1700000000.000200"

    (sent,) = slack.sent("chat.postMessage")
    assert sent["thread_ts"] == REF.id
    assert sent["text"] == "Route &lt;technical&gt; took it"
    assert sent["metadata"]["event_type"] == "bridge_note"


def test_a_note_is_looked_for_with_what_only_apps_see(slack: FakeSlack, team: Team) -> None:
    """Without asking for it Slack leaves the key out, and the note would be posted a second time."""
    slack.answer("conversations.replies", page(message(REF.id, "key-1"), cursor="more"))
    slack.answer("conversations.replies", page(message("2.0", "key-2", "bridge_note")))

    assert team.find_note(REF, "key-2") == "2.0"

    first, second = slack.sent("conversations.replies")
    assert (first["channel"], first["ts"], first["include_all_metadata"]) == (REF.channel, REF.id, "1")
    assert (second["cursor"], second["include_all_metadata"]) == ("more", "1")


def test_no_note_is_found_under_a_deleted_card(slack: FakeSlack, team: Team) -> None:
    """The thread is gone, and with it every note."""
    slack.answer("conversations.replies", {"ok": False, "error": "thread_not_found"})

    assert team.find_note(REF, "key-2") is None


def test_the_email_of_a_member_is_known(slack: FakeSlack, team: Team) -> None:
    """It maps a press to an agent of the desk."""
    slack.answer("users.info", {"ok": True, "user": {"profile": {"email": "agent@example.com"}}})
    assert team.email_of("U0AGENT1") == "agent@example.com"


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": True, "user": {"profile": {}}},
        {"ok": True, "user": {"profile": {"email": ""}}},
        {"ok": True, "user": {}},
        {"ok": False, "error": "user_not_found"},
        {"ok": False, "error": "user_not_visible"},
    ],
)
def test_a_member_without_an_email_has_none(slack: FakeSlack, team: Team, answer: dict[str, Any]) -> None:
    """A bot, a stranger from another workspace, or one who hides it."""
    slack.answer("users.info", answer)
    assert team.email_of("U0AGENT1") is None


LOST = [
    pytest.param({"drop": True}, id="the connection is reset"),
    pytest.param({"status": 500, "body": {"ok": False, "error": "fatal_error"}}, id="500"),
    pytest.param({"status": 502, "raw": b"<html>bad gateway</html>"}, id="a page of a proxy"),
    pytest.param({"status": 200, "raw": b"<html>maintenance</html>"}, id="a page with status 200"),
    pytest.param({"status": 200, "raw": b'"fine"'}, id="JSON that is no object"),
    pytest.param({"status": 200, "raw": b""}, id="nothing"),
    pytest.param({"body": {"ok": False, "error": "internal_error"}}, id="internal_error"),
    pytest.param({"status": 200, "raw": b"[1]"}, id="a list"),
    pytest.param(
        {"status": 500, "raw": b"\xff", "headers": {"Content-Type": "text/html; charset=no-such"}},
        id="a charset that nobody knows",
    ),
]


@pytest.mark.parametrize("answer", LOST)
def test_a_lost_answer_to_a_post_is_unclear_and_sent_once(
    slack: FakeSlack, team: Team, answer: dict[str, Any]
) -> None:
    """Slack may have posted it: exactly one request, and the caller has to look."""
    slack.default("chat.postMessage", **answer)

    with pytest.raises(VendorUnclearError):
        team.post_card(CHANNEL, card(), "key-1")

    assert len(slack.sent("chat.postMessage")) == 1


def test_a_post_without_a_timestamp_is_unclear(slack: FakeSlack, team: Team) -> None:
    """It says ok and not where: the card has to be looked for."""
    slack.default("chat.postMessage", {"ok": True})

    with pytest.raises(VendorUnclearError):
        team.post_card(CHANNEL, card(), "key-1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_is_not_carried_to_where_a_redirect_leads(
    slack: FakeSlack, team: Team, status: int
) -> None:
    """A write is refused, a look comes again later; nobody else is asked."""
    slack.default("elsewhere", {"ok": True, "ts": "1"})
    moved = {"Location": f"{slack.url}elsewhere"}
    slack.default("chat.postMessage", {}, status=status, headers=moved)
    slack.default("conversations.history", {}, status=status, headers=moved)
    with pytest.raises(VendorRefusedError):
        team.announce("C0SUPPORT", "text", "key")
    with pytest.raises(VendorBusyError):
        team.find_announcement("C0SUPPORT", "key", datetime.now(UTC))
    assert slack.sent("elsewhere") == []


def test_a_time_out_of_the_server_is_unclear_to_a_write(slack: FakeSlack, team: Team) -> None:
    """408: it may have been posted."""
    slack.default("chat.postMessage", {}, status=408)
    with pytest.raises(VendorUnclearError):
        team.announce("C0SUPPORT", "text", "key")


@pytest.mark.parametrize("messages", [None, 7, [7], [{"metadata": 7}], [{"metadata": {"event_payload": []}}]])
def test_messages_of_another_shape_are_passed_over(slack: FakeSlack, team: Team, messages: Any) -> None:
    """Other apps put what they like into a channel."""
    slack.answer("conversations.history", {"ok": True, "messages": messages})

    assert team.find_card(CHANNEL, "key-1", SINCE) is None


def test_a_proxy_is_passed_by_where_the_environment_says_so(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead proxy in the environment, and NO_PROXY for loopback: the sandbox is reached."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    slack.answer("chat.postMessage", posted())

    team = SlackTeam(SlackAccount(bot_token=TOKEN, api_url=slack.url))

    assert team.post_card(CHANNEL, card(), "key-1") == REF


def test_a_post_that_takes_too_long_is_unclear(slack: FakeSlack) -> None:
    """Our timeout says nothing about what Slack did."""
    slack.default("chat.postMessage", hold_s=5, drop=True)
    team = SlackTeam(SlackAccount(bot_token=TOKEN, api_url=slack.url, timeout_s=0.1))

    with pytest.raises(VendorUnclearError):
        team.post_card(CHANNEL, card(), "key-1")

    # Slack may come to read it only now.
    eventually(lambda: slack.sent("chat.postMessage"), what="the post")
    assert len(slack.sent("chat.postMessage")) == 1


def test_nothing_is_posted_once_its_time_is_over(slack: FakeSlack, team: Team) -> None:
    """Looking for the channel is part of the time that a post has."""
    slack.answer("conversations.list", {"ok": True, "channels": [{"id": CHANNEL, "name": "support-tech"}]})

    with deadline.within(0), pytest.raises(VendorBusyError):
        team.post_card("#support-tech", card(), "key-1")
    with deadline.within(0), pytest.raises(VendorBusyError):
        team.update_card(REF, card())

    assert len(slack.calls) == 1


def test_a_post_waits_no_longer_than_its_time(slack: FakeSlack, team: Team) -> None:
    """The rest of it is the timeout of the call."""
    slack.default("chat.postMessage", hold_s=1.5, drop=True)

    began = time.monotonic()
    with deadline.within(0.2), pytest.raises(VendorUnclearError):
        team.post_card(CHANNEL, card(), "key-1")

    assert time.monotonic() - began < 1


def test_certificates_are_read_once(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes longer than a call; and a Slack that nobody vouches for is still no Slack."""
    contexts: list[ssl.SSLContext] = []
    read = ssl.SSLContext.load_default_certs

    def count(self: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        contexts.append(self)
        read(self, purpose)

    team_module.trusted.cache_clear()
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", count)
    url = slack.url.replace("http:", "https:")
    team = SlackTeam(SlackAccount(bot_token=TOKEN, api_url=url, timeout_s=2.0))

    for number in (1, 2):
        with pytest.raises(VendorError):  # no TLS is spoken there
            team.post_card(CHANNEL, card(), f"key-{number}")

    assert [(one.verify_mode, one.check_hostname) for one in contexts] == [(ssl.CERT_REQUIRED, True)]


def test_a_refused_connection_is_busy() -> None:
    """Nobody listens: nothing happened, the same post may be sent again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api/"
        team = SlackTeam(SlackAccount(bot_token=TOKEN, api_url=url))

        with pytest.raises(VendorBusyError):
            team.post_card(CHANNEL, card(), "key-1")


@pytest.mark.parametrize("answer", LOST)
def test_a_lost_answer_to_a_read_is_asked_for_again(
    slack: FakeSlack, team: Team, slept: list[float], answer: dict[str, Any]
) -> None:
    """Reading twice harms nobody."""
    slack.answer("conversations.history", **answer)
    slack.answer("conversations.history", page(message("1.0", "key-1")))

    assert team.find_card(CHANNEL, "key-1", SINCE) is not None
    assert len(slept) == 1
    assert slept[0] <= LONGEST_WAIT_S


def test_a_read_gives_up_after_some_tries(slack: FakeSlack, team: Team, slept: list[float]) -> None:
    """Busy for good: the intent waits, not the thread."""
    slack.default("users.info", {"ok": False, "error": "service_unavailable"}, status=503)

    with pytest.raises(VendorBusyError):
        team.email_of("U0AGENT1")

    assert len(slack.sent("users.info")) == 4
    assert sum(slept) <= 5


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("2", 2.0), ("0", 0.0), ("86400", 3600.0), (None, None), ("soon", None), ("-4", None)],
)
def test_a_rate_limit_says_when_to_come_back(
    slack: FakeSlack, team: Team, value: str | None, wait_s: float | None
) -> None:
    """429 to a post: nothing was posted, and Retry-After is honoured where it can be read."""
    headers = {} if value is None else {"Retry-After": value}
    slack.answer("chat.postMessage", {"ok": False, "error": "ratelimited"}, status=429, headers=headers)

    with pytest.raises(VendorBusyError) as caught:
        team.post_card(CHANNEL, card(), "key-1")

    assert caught.value.retry_after_s == wait_s
    assert len(slack.sent("chat.postMessage")) == 1


def test_a_read_waits_a_short_rate_limit_out(slack: FakeSlack, team: Team, slept: list[float]) -> None:
    """As long as Slack said, when that is seconds."""
    busy = {"ok": False, "error": "ratelimited"}
    slack.answer("users.info", busy, status=429, headers={"Retry-After": "2"})
    slack.answer("users.info", {"ok": True, "user": {"profile": {"email": "agent@example.com"}}})

    assert team.email_of("U0AGENT1") == "agent@example.com"
    assert slept == [2.0]


def test_a_read_does_not_wait_a_long_rate_limit_out(slack: FakeSlack, team: Team, slept: list[float]) -> None:
    """A minute belongs to the intent's due_at."""
    busy = {"ok": False, "error": "ratelimited"}
    slack.answer("users.info", busy, status=429, headers={"Retry-After": "60"})

    with pytest.raises(VendorBusyError) as caught:
        team.email_of("U0AGENT1")

    assert caught.value.retry_after_s == 60
    assert slept == []


@pytest.mark.parametrize(
    ("code", "expected", "advice"),
    [
        ("invalid_auth", VendorAuthError, "SLACK_BOT_TOKEN"),
        ("token_revoked", VendorAuthError, "install"),
        ("account_inactive", VendorAuthError, "install"),
        ("missing_scope", VendorAuthError, "manifest"),
        ("channel_not_found", VendorRefusedError, "invite"),
        ("is_archived", VendorRefusedError, "unarchive"),
        ("not_in_channel", VendorRefusedError, "invite"),
        ("msg_too_long", VendorRefusedError, "longer"),
        ("msg_blocks_too_long", VendorRefusedError, "longer"),
        ("something_new", VendorRefusedError, "something_new"),
        ("rate_limited", VendorBusyError, "rate_limited"),
        ("fatal_error", VendorUnclearError, "fatal_error"),
    ],
)
def test_each_refusal_is_the_class_that_says_what_to_do(
    slack: FakeSlack, team: Team, code: str, expected: type[VendorError], advice: str
) -> None:
    """The class is the retry policy, the detail is for the person."""
    slack.answer("chat.postMessage", {"ok": False, "error": code})

    with pytest.raises(expected, match=advice) as caught:
        team.post_card(CHANNEL, card(), "key-1")

    assert type(caught.value) is expected
    assert caught.value.operation == "chat.postMessage"


def test_a_missing_scope_is_named(slack: FakeSlack, team: Team) -> None:
    """Slack says which; the operator should not have to guess."""
    slack.answer("users.info", {"ok": False, "error": "missing_scope", "needed": "users:read.email"})

    with pytest.raises(VendorAuthError, match=r"missing_scope users:read\.email"):
        team.email_of("U0AGENT1")


def test_errors_and_logs_hold_no_secret_and_no_words(
    slack: FakeSlack, team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what the customer wrote nor our token, even at DEBUG, even in the chain of causes."""
    caplog.set_level(logging.DEBUG)
    for name in ("slack_sdk", "bridge", "bridge.slack", "bridge.slack.sdk.web"):
        caplog.set_level(logging.DEBUG, logger=name)
    echo = {"ok": False, "error": "The app logs me out, said test-bot-token-one"}
    slack.answer("chat.postMessage", echo)
    slack.answer("chat.postMessage", status=502, raw=b"you sent: The app logs me out test-bot-token-one")
    slack.answer("chat.postMessage", drop=True)
    slack.answer("chat.postMessage", posted())

    for _ in range(3):
        with pytest.raises(VendorError) as caught:
            team.post_card(CHANNEL, card(), "key-1")
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        for word in ("logs me out", TOKEN):
            assert word not in str(caught.value)
    team.post_card(CHANNEL, card(), "key-1")

    assert "logs me out" not in caplog.text
    assert TOKEN not in caplog.text


def test_an_account_shows_no_secret() -> None:
    """Not in a repr, and so not in a traceback or a log line."""
    account = SlackAccount(
        bot_token="test-bot-token-one",
        signing_secrets=("test-secret-one",),
        app_token="test-app-token-one",
    )

    assert "-one" not in repr(account)


def test_a_blanked_message_keeps_neither_words_nor_blocks(slack, team):
    """Text and no blocks: Slack takes the old ones away, and the buttons with them."""
    slack.answer("chat.update", {"ok": True, "ts": "1.2", "channel": "C0000001", "text": "x"})
    team.blank(CardRef("C0000001", "1.2"))
    sent = slack.calls[-1].params
    assert (sent["channel"], sent["ts"], sent["text"]) == ("C0000001", "1.2", "(erased)")
    assert sent["blocks"] == []


def test_an_announcement_is_posted_once_and_found_by_its_key(slack: FakeSlack, team: Team) -> None:
    """To a channel and no case: escaped as a note is, and no card with the same key is taken for it."""
    slack.answer("chat.postMessage", posted())
    slack.answer(
        "conversations.history", page(message("1.5", "key-1"), message("1.0", "key-1", "bridge_notice"))
    )

    assert team.announce(CHANNEL, "lane <!channel> is parked", "key-1") == REF.id
    assert team.find_announcement(CHANNEL, "key-1", SINCE) == "1.0"

    (sent,) = slack.sent("chat.postMessage")
    assert sent["metadata"] == {"event_type": "bridge_notice", "event_payload": {"key": "key-1"}}
    assert "<!channel>" not in sent["text"]
    assert "thread_ts" not in sent


def test_an_announcement_has_a_link_to_open(slack: FakeSlack, team: Team) -> None:
    """To the one ticket; an address that no browser may open is left out."""
    for link, shown in (("https://acme.example/agent/tickets/7", True), ("javascript:alert(1)", False)):
        slack.answer("chat.postMessage", posted())
        team.announce(CHANNEL, "For your information", "key-1", link)
        assert (link in str(slack.sent("chat.postMessage")[-1]["blocks"])) is shown
