"""The fake Slack, talked to by slack_sdk as the bridge does."""

import hashlib
import hmac
import json
from urllib.parse import parse_qs

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bridge.sandbox import Sandbox
from tests.sandbox.conftest import Receiver

BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": "App logs out"}},
    {"type": "section", "text": {"type": "mrkdwn", "text": "&lt;!channel&gt; &amp; me"}},
    {
        "type": "actions",
        "block_id": "case",
        "elements": [
            {
                "type": "button",
                "text": {"type": "plain_text", "text": "I'll take this"},
                "action_id": "claim",
                "value": "case-1",
            }
        ],
    },
]
KEY = {"event_type": "card", "event_payload": {"key": "intent-1"}}


@pytest.fixture
def client(sandbox: Sandbox) -> WebClient:
    return WebClient(token=sandbox.slack.bot_token, base_url=sandbox.slack.api_url, retry_handlers=[])


def error_of(call, *arguments, **named) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(*arguments, **named)
    return caught.value.response["error"]


def test_scopes_are_told_in_a_header(client):
    """auth.test names the bot, and its answer's header the scopes."""
    answer = client.auth_test()
    assert answer["user_id"] == "U0BRIDGE1"
    assert "chat:write" in answer.headers["x-oauth-scopes"]


def test_wrong_token_is_invalid_auth(sandbox):
    """An error in Slack's shape, with HTTP 200."""
    client = WebClient(token="xoxb-wrong", base_url=sandbox.slack.api_url, retry_handlers=[])
    assert error_of(client.auth_test) == "invalid_auth"


def test_card_is_posted_by_name_found_by_metadata_and_updated_by_id(client, sandbox):
    """History is searched by id; metadata comes only when asked for, and stays after an update."""
    posted = client.chat_postMessage(channel="support-technical", text="card", blocks=BLOCKS, metadata=KEY)
    channel, ts = posted["channel"], posted["ts"]
    assert error_of(client.conversations_history, channel="support-technical") == "channel_not_found"
    bare = client.conversations_history(channel=channel)["messages"][0]
    assert "metadata" not in bare
    client.chat_update(channel=channel, ts=ts, text="card", blocks=BLOCKS[:2], parse="none")
    full = client.conversations_history(channel=channel, include_all_metadata=True, oldest="0")["messages"][0]
    assert full["metadata"]["event_payload"] == {"key": "intent-1"}
    (card,) = sandbox.slack.cards("support-technical")
    assert card.edited_at
    assert card.words == "App logs out\n<!channel> & me"


def test_update_with_text_alone_takes_the_blocks_away(client, sandbox):
    """The trap: a card loses its buttons."""
    posted = client.chat_postMessage(channel="triage", text="card", blocks=BLOCKS)
    client.chat_update(channel=posted["channel"], ts=posted["ts"], text="only words")
    (card,) = sandbox.slack.cards("triage")
    assert (card.buttons, card.words) == ((), "only words")


def test_replies_stay_out_of_the_channels_history(client, sandbox):
    """A note under a card is in its thread."""
    posted = client.chat_postMessage(channel="triage", text="card", blocks=BLOCKS)
    channel, ts = posted["channel"], posted["ts"]
    client.chat_postMessage(channel=channel, text="note", thread_ts=ts, metadata=KEY)
    assert len(client.conversations_history(channel=channel)["messages"]) == 1
    replies = client.conversations_replies(channel=channel, ts=ts, include_all_metadata=True)["messages"]
    assert replies[1]["metadata"]["event_payload"]["key"] == "intent-1"
    assert [one.text for one in sandbox.slack.thread(ts)] == ["note"]


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}], "invalid_blocks"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "invalid_blocks"),
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5, "msg_blocks_too_long"),
        ([{"type": "actions", "elements": []}], "invalid_blocks"),
        ([{"type": "poem"}], "invalid_blocks"),
    ],
)
def test_blocks_beyond_the_limits_are_refused(client, blocks, error):
    """Each block's own limit, and the undocumented total."""
    assert error_of(client.chat_postMessage, channel="triage", text="x", blocks=blocks) == error


def test_channel_without_the_bot_and_channel_that_is_not(client, sandbox):
    """Membership is checked."""
    next(one for one in sandbox.slack.channels.values() if one.name == "triage").has_bot = False
    assert error_of(client.chat_postMessage, channel="#triage", text="x") == "not_in_channel"
    assert error_of(client.chat_postMessage, channel="no-such", text="x") == "channel_not_found"


def test_an_archived_channel_takes_nothing(client, sandbox):
    """It can be read, and neither posted in nor changed."""
    posted = client.chat_postMessage(channel="triage", text="x")
    next(one for one in sandbox.slack.channels.values() if one.name == "triage").is_archived = True
    assert error_of(client.chat_postMessage, channel="#triage", text="x") == "is_archived"
    changed = error_of(client.chat_update, channel=posted["channel"], ts=posted["ts"], text="y")
    assert changed == "is_archived"
    assert client.conversations_history(channel=posted["channel"])["messages"]


def test_second_message_in_a_second_is_429():
    """One message per second and channel, when the knob is on."""
    with Sandbox(posts_per_second=1) as sandbox:
        client = WebClient(token=sandbox.slack.bot_token, base_url=sandbox.slack.api_url, retry_handlers=[])
        client.chat_postMessage(channel="triage", text="one")
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel="triage", text="two")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "1"
        client.chat_postMessage(channel="sales", text="elsewhere")


def test_press_sends_a_signed_form_that_carries_the_buttons_value(client, sandbox, receiver: Receiver):
    """What Bolt gets to see: signature over timestamp and raw body, payload as a form field."""
    sandbox.point_at(receiver.url)
    posted = client.chat_postMessage(channel="triage", text="card", blocks=BLOCKS)
    (card,) = sandbox.slack.cards("triage")
    button = card.button("take this")
    assert sandbox.slack.press(posted["channel"], posted["ts"], button.action_id) == 200
    (heard,) = receiver.wait_for(1, "/slack/events")
    content = f"v0:{heard.headers['x-slack-request-timestamp']}:".encode() + heard.body
    digest = hmac.new(sandbox.slack.signing_secret.encode(), content, hashlib.sha256).hexdigest()
    assert heard.headers["x-slack-signature"] == f"v0={digest}"
    payload = json.loads(parse_qs(heard.body.decode())["payload"][0])
    assert payload["type"] == "block_actions"
    assert payload["actions"][0]["value"] == "case-1"
    assert payload["user"]["id"] == "U0ANA0001"


def test_press_on_a_bridge_that_is_down_is_0(client, sandbox):
    """Nobody answers: the person sees a warning triangle."""
    sandbox.point_at("http://127.0.0.1:9")
    posted = client.chat_postMessage(channel="triage", text="card", blocks=BLOCKS)
    assert sandbox.slack.press("triage", posted["ts"], "claim") == 0
    with pytest.raises(LookupError):
        sandbox.slack.press("triage", posted["ts"], "no-such-button")


def test_users_have_e_mails(client):
    """So that a Slack user can be mapped to an agent."""
    assert client.users_info(user="U0ANA0001")["user"]["profile"]["email"] == "agent-one@example.com"
    assert error_of(client.users_info, user="U0NOBODY") == "user_not_found"


def test_ephemeral_is_seen_by_one(client, sandbox):
    """A whisper is in no channel's history."""
    client.chat_postEphemeral(channel="triage", user="U0BEN0002", text="because &amp; so")
    assert sandbox.slack.cards() == []
    assert sandbox.slack.whispers[0]["parts"][0]["text"] == "because & so"


def test_rich_text_and_mrkdwn_are_shown_as_plain_runs(client, sandbox):
    """What a page may show: words, bold, and links that a browser may open."""
    blocks = [
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "Ticket ", "style": {"bold": True}},
                        {"type": "link", "url": "http://127.0.0.1/7", "text": "#7"},
                        {"type": "link", "url": "javascript:alert(1)", "text": "no"},
                    ],
                },
                {"type": "rich_text_quote", "elements": [{"type": "text", "text": "<b> *x*"}]},
            ],
        },
        {"type": "section", "text": {"type": "mrkdwn", "text": "*now* <https://a.example|here> &lt;b"}},
    ]
    client.chat_postMessage(channel="triage", text="card", blocks=blocks)
    (card,) = sandbox.slack.cards("triage")
    assert card.words == "Ticket #7no\n<b> *x*\nnow here <b"
    assert card.links == ("http://127.0.0.1/7", "https://a.example")
    assert card.parts[1]["kind"] == "quote"
