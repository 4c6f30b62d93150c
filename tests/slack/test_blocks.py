"""Cards as blocks: readable, within every limit, and deaf to what customers write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block, HeaderBlock, RichTextBlock

from bridge.core.card import Action, Ask, Card
from bridge.slack.blocks import TOTAL_LIMIT, render, render_note, size
from bridge.slack.text import escape, fit, length
from tests.slack.cards import ASK, card

HOSTILE = [
    "<!channel> <!here> <!everyone>",
    "<@U0BOSS001> <!subteam^S123> <#C123>",
    "<https://evil.example|bank.example>",
    "*bold* _slanted_ ~struck~ `code` ```block```",
    ":skull: @channel &lt;!channel&gt;",
    "\u202egnp.exe\u202c \ud800 \x00\x1b[31m",
    "👩‍👩‍👧‍👦" * 400,
    "e" + "\u0301" * 9000,
    '"\\\n' * 3000,
    "ไม่มีช่องว่าง" * 500,
    "&<>" * 3000,
    "",
    " \n\t ",
    "https://" + "x" * 5000,
]
texts = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=200), st.text(max_size=5).map(lambda t: t * 2000)
)
maybe = st.none() | texts
subjects = st.uuids().map(str)
asks = st.builds(
    Ask,
    intent_id=subjects,
    text=texts,
    reason=texts,
    actions=st.lists(st.sampled_from(Action), max_size=5).map(tuple),
)
cards = st.builds(
    Card,
    case_id=subjects,
    title=texts,
    stage=texts,
    brand=texts,
    network=texts,
    author=texts,
    text=texts,
    route=texts,
    queue=texts,
    permalink=maybe,
    priority=maybe,
    ticket_id=maybe,
    ticket_url=maybe,
    promise_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    light=maybe,
    claimed_by=maybe,
    receipt=maybe,
    receipt_url=maybe,
    next_step=maybe,
    timeline=st.lists(texts, max_size=30).map(tuple),
    asks=st.lists(asks, max_size=12).map(tuple),
    actions=st.lists(st.sampled_from(Action), max_size=6).map(tuple),
)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in *value*, at any depth."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def words(blocks: list[dict[str, Any]]) -> str:
    return "".join(found["text"] for found in objects(blocks) if isinstance(found.get("text"), str))


def buttons(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for found in objects(blocks) if found.get("type") == "button"]


def assert_within_limits(blocks: list[dict[str, Any]]) -> None:
    """The numbers of docs.slack.dev/reference/block-kit."""
    assert 1 <= len(blocks) <= 50
    assert size(blocks) <= TOTAL_LIMIT
    for block in blocks:
        assert block["type"] in {"header", "rich_text", "actions", "context"}
        if block["type"] == "header":
            assert 1 <= length(block["text"]["text"]) <= 150
        if block["type"] in {"actions", "context"}:
            assert 1 <= len(block["elements"]) <= (25 if block["type"] == "actions" else 10)
        if block["type"] == "actions":
            ids = [element["action_id"] for element in block["elements"]]
            assert len(ids) == len(set(ids))
    for found in objects(blocks):
        if found.get("type") in {"plain_text", "text"}:
            assert 1 <= length(found["text"]) <= 3000
        if found.get("type") == "button":
            assert length(found["text"]["text"]) <= 75
            assert len(found["action_id"]) <= 255
            assert 1 <= len(found["value"]) <= 2000
        if found.get("type") == "link":
            assert re.match(r"https?://", found["url"])
            assert len(found["url"]) <= 3000
        if "confirm" in found and "deny" in found:
            limits = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
            assert all(length(found[name]["text"]) <= limit for name, limit in limits.items())


def assert_deaf(text: str) -> None:
    """No sequence that Slack would obey is left in mrkdwn."""
    assert "<" not in text
    assert ">" not in text
    assert re.fullmatch(r"([^&]|&(amp|lt|gt);)*…?", text, re.DOTALL)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cards)
def test_any_card_is_within_every_limit_and_obeys_nobody(any_card: Card) -> None:
    """Whatever people write, Slack takes the card, and shows the words instead of following them."""
    blocks, text = render(any_card)

    assert_within_limits(blocks)
    assert not [found for found in objects(blocks) if found.get("type") == "mrkdwn"]
    assert_deaf(text)
    assert 1 <= length(text) <= 4000
    text.encode()
    words(blocks).encode()
    for block in blocks:
        Block.parse(block).validate_json()


@settings(max_examples=150, deadline=None)
@given(texts)
def test_any_note_is_within_every_limit_and_obeys_nobody(note: str) -> None:
    """The same for a note in the thread."""
    blocks, text = render_note(note)

    assert_within_limits(blocks)
    assert_deaf(text)
    assert length(text) <= 4000
    assert text


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(min_value=1, max_value=300))
def test_fitted_text_is_never_longer_and_never_half_an_entity(text: str, limit: int) -> None:
    """The cut is counted after escaping, and falls between graphemes."""
    fitted = fit(text, limit, escape)

    assert length(fitted) <= limit
    assert_deaf(fitted)


def test_text_is_cut_between_graphemes() -> None:
    """A family of four is one grapheme of eleven UTF-16 units: it stays or goes whole."""
    family = "👩‍👩‍👧‍👦"

    assert fit(family * 3, 24) == family * 2 + "…"
    assert fit(family * 3, 23) == family * 2 + "…"
    assert fit(family * 3, 22) == family + "…"


def test_text_that_fits_is_left_alone() -> None:
    """No ellipsis where nothing was cut."""
    assert fit("exactly", 7) == "exactly"
    assert fit("a & b", 9, escape) == "a &amp; b"
    assert fit("a & b", 8, escape) == "a &amp;…"


def test_escaping_is_not_done_twice() -> None:
    """The ampersand comes first."""
    assert escape("<!channel> & co") == "&lt;!channel&gt; &amp; co"


@pytest.mark.parametrize("mark", ["*", "_", "~", "`"])
def test_marks_of_a_customer_do_not_pair_up(mark: str) -> None:
    """A zero-width space stands on both sides of each."""
    assert escape(f"{mark}x{mark}") == f"\u200b{mark}\u200bx\u200b{mark}\u200b"


def test_an_open_card_says_what_a_person_needs() -> None:
    """Stage and title, the post, whose and where, until when, what to open, what to press."""
    blocks, text = render(card())

    assert blocks[0]["text"]["text"] == "Opened · The app logs me out"
    quote = next(found for found in objects(blocks) if found.get("type") == "rich_text_quote")
    assert quote["elements"][0]["text"] == "The app logs me out every hour & nobody answers."
    said = words(blocks)
    for part in ("Acme", "Mastodon", "@ana@example.social", "Technical support", "technical-issue", "high"):
        assert part in said
    assert "Ask for the app's version." in said
    links = {found["text"]: found["url"] for found in objects(blocks) if found.get("type") == "link"}
    assert links == {
        "#35436": "https://acme.zendesk.com/agent/tickets/35436",
        "open the thread": "https://example.social/@ana/1",
    }
    assert [(b["action_id"], b["value"]) for b in buttons(blocks)] == [
        ("bridge_claim", "case-1"),
        ("bridge_why", "case-1"),
    ]
    assert text.startswith("Opened: The app logs me out (Acme · Mastodon · @ana@example.social)")


def test_the_promise_is_shown_in_the_readers_own_time() -> None:
    """Slack renders the date in each reader's zone; the fallback says the team's, as the ticket does."""
    blocks, _ = render(card(zone="Asia/Jakarta"))
    date = next(found for found in objects(blocks) if found.get("type") == "date")

    assert date["timestamp"] == int(datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp())
    assert date["fallback"] == "2026-11-22 17:00 (Asia/Jakarta)"


@pytest.mark.parametrize(
    ("user_id", "mentioned"), [("U0AGENT1", True), ("W0AGENT1", True), ("U1> <!here", False), ("ana", False)]
)
def test_only_a_user_id_becomes_a_mention(user_id: str, mentioned: bool) -> None:
    """Anything else is shown as words."""
    blocks, _ = render(card(claimed_by=user_id))

    assert [found for found in objects(blocks) if found.get("type") == "user"] == (
        [{"type": "user", "user_id": user_id}] if mentioned else []
    )


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://example.com/x", "http://", "https://a b.example", "//example.com", "x"],
)
def test_only_web_addresses_become_links(url: str) -> None:
    """A link that a browser would run or cannot open is left out."""
    blocks, _ = render(card(permalink=url, ticket_url=url, receipt="closed publicly", receipt_url=url))

    assert [found for found in objects(blocks) if found.get("type") == "link"] == []
    assert "#35436" in words(blocks)


def test_an_ask_shows_the_whole_text_the_reason_and_three_buttons() -> None:
    """What waits for a person, with its intent's id; posting asks once more."""
    blocks, _ = render(card(asks=(ASK,)))

    assert ASK.text in words(blocks)
    assert ASK.reason in words(blocks)
    asked = [button for button in buttons(blocks) if button["value"] == "intent-7"]
    assert [(b["action_id"], b["text"]["text"]) for b in asked] == [
        ("bridge_approve", "Post it"),
        ("bridge_refuse", "Don't"),
        ("bridge_there_already", "It is there already"),
    ]
    assert ["confirm" in button for button in asked] == [True, False, False]


def test_nobody_approves_a_text_that_is_not_shown_whole() -> None:
    """Too long for a card: no button to post it, and where to read it instead."""
    ask = Ask("intent-7", "long " * 2000, "holds an e-mail address", (Action.APPROVE, Action.REFUSE))
    blocks, _ = render(card(asks=(ask,)))

    asked = [button["action_id"] for button in buttons(blocks) if button["value"] == "intent-7"]
    assert asked == ["bridge_refuse"]
    assert "bridge intent approve intent-7" in words(blocks)


def test_a_long_post_gives_way_to_what_waits_for_a_person() -> None:
    """The post is cut, the text to approve is not."""
    ask = Ask("intent-7", "y" * 2800, "no route", (Action.APPROVE,))
    blocks, _ = render(card(text='"' * 9000, timeline=("z" * 500,) * 30, asks=(ask,)))

    assert "y" * 2800 in words(blocks)
    assert_within_limits(blocks)


def test_what_waits_beyond_the_room_is_counted() -> None:
    """No ask disappears in silence."""
    many = tuple(Ask(f"intent-{n}", "text", "reason", (Action.APPROVE,)) for n in range(8))
    blocks, _ = render(card(asks=many))

    assert "3 more wait for a person: bridge intent list" in words(blocks)


def test_a_closed_card_is_a_receipt() -> None:
    """How it ended, with the public reply to look at, and nothing left to press."""
    blocks, _ = render(
        card(
            stage="closed",
            actions=(),
            receipt="closed publicly",
            receipt_url="https://example.social/@acme/9",
        )
    )

    assert blocks[0]["text"]["text"].startswith("Closed")
    assert "Closed publicly" in words(blocks)
    assert "https://example.social/@acme/9" in [found.get("url") for found in objects(blocks)]
    assert buttons(blocks) == []


def test_the_history_keeps_its_latest_lines() -> None:
    """Oldest first, the newest last, the oldest of many left out."""
    blocks, _ = render(card(timeline=tuple(f"line {n}" for n in range(30))))

    assert blocks[-1]["elements"][0]["text"].splitlines() == [f"line {n}" for n in range(20, 30)]


def test_slacks_own_classes_know_these_blocks() -> None:
    """A guard on the guard: the parser that the limits are checked with really parses."""
    blocks, _ = render(card(asks=(ASK,)))

    parsed = [Block.parse(block) for block in blocks]
    assert isinstance(parsed[0], HeaderBlock)
    assert isinstance(parsed[1], RichTextBlock)
