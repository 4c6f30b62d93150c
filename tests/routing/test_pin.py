"""A real post becomes a test of the whole mapping, and tells nobody who wrote it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.message import Author, MessageKind, Sentiment, Severity
from bridge.routing.load import load_files
from bridge.routing.pin import FILE, NotPinnedError, pin
from bridge.routing.testfile import outcome
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import make_message, starter_files

DEWI = Author("d1", "@dewi.l@old.example", "Dewi Lestari")
HEAD = 'tests:\n  # Ours.\n  - name: one\n    text: "x"\n    expect: {route: no-case}   # as ever\n'


def complaint(text: str = "It logs me out, @kopi! Dewi", **given: Any):
    facts = {"author": DEWI, "language": "en", "posted_at": datetime(2026, 1, 5, 3, 20, 40, tzinfo=UTC)}
    return make_message(text, **{**facts, **given})


@cache
def mapping_with(text: str | None = None, file: str = FILE):
    return load_files({**starter_files(), **({} if text is None else {file: text})}, NETWORKS)


def test_a_post_is_written_down_with_all_that_becomes_of_it():
    """As an admin would write it, in the brand's time, and without who wrote it."""
    pinned = pin(complaint(), mapping_with(), NETWORKS, "logged-out")

    assert pinned.file == FILE
    assert pinned.addition.partition("\n\n")[2] == (
        "tests:\n"
        "  - name: logged-out\n"
        '    text: "It logs me out, @kopi! Anna"\n'
        "    account: kopi-mastodon\n"
        '    language: "en"\n'
        "    at: 2026-01-05 10:20\n"
        "    expect:\n"
        "      route: technical-issue\n"
        "      queue: support-technical\n"
        "      ticket: true\n"
        "      priority: high\n"
        "      type: problem\n"
        "      closing: auto\n"
        '      language: "en"\n'
        "      public_reply: true\n"
        "      promise: 2026-01-05 15:20\n"
    )
    assert pinned.replaced == ("name",)


def test_a_post_of_an_early_year_is_pinned_with_all_its_digits():
    """Whoever relays it may not know when it was posted; without the zeros it would be no moment."""
    early = datetime(1, 6, 1, 12, tzinfo=UTC)
    pinned = pin(complaint(posted_at=early), mapping_with(), NETWORKS, "early")

    assert "    at: 0001-06-01 19:07\n" in pinned.addition
    assert "      promise: 0001-06-0" in pinned.addition
    load_files({**starter_files(), pinned.file: pinned.addition}, NETWORKS)


def test_the_words_of_the_reply_are_expected_where_that_is_asked():
    """They change more often than where a post goes."""
    pinned = pin(complaint(), mapping_with(), NETWORKS, "logged-out", with_reply=True)

    assert '      reply: {text: "Hi Anna, good news: ' in pinned.addition


def test_a_post_without_a_ticket_and_a_promise_is_pinned_too():
    """`none` is an expectation; a tag that no file knows is left out, and so is a name that is none."""
    message = complaint(
        "Kopi pagi", tags=frozenset({"User-Generated Content", "vip"}), author=Author("1", "@x", "🔥")
    )
    addition = pin(message, mapping_with(), NETWORKS, "praise").addition

    for line in ("tags: [user-generated-content]", 'customer: ""', "  ticket: false", "  promise: none"):
        assert f"    {line}\n" in addition


def test_what_a_route_gives_is_pinned_where_it_gives_it():
    """Severity, assignee, fields and copies; of the others nothing is said."""
    files = starter_files()
    files["routes/10-social.yaml"] = """\
routes:
  - name: app
    when: {tags: [technical-issue], brands: [kopi]}
    queue: support-technical
    severity: high
    assignee: "*ola@kopi.example"
    fields: {"Product: which": 'The "app"'}
    copies: [triage, sales]
"""
    addition = pin(complaint(), load_files(files, NETWORKS), NETWORKS, "app").addition
    expected = yaml.safe_load(addition)["tests"][0]["expect"]

    assert {key: expected[key] for key in ("severity", "assignee", "fields", "copies")} == {
        "severity": "high",
        "assignee": "*ola@kopi.example",
        "fields": {"Product: which": 'The "app"'},
        "copies": ["triage", "sales"],
    }
    plain = pin(complaint(), mapping_with(), NETWORKS, "logged-out").addition
    assert not any(key in plain for key in ("severity", "assignee", "fields", "copies"))


def test_of_a_post_without_a_tag_it_is_expected_that_no_case_is_opened():
    """Where the words that tagged it were taken out of tags.yaml since: nothing else can be expected."""
    pinned = pin(complaint("What a strange café"), mapping_with(), NETWORKS, "cafe", with_reply=True)

    assert pinned.addition.endswith("    expect:\n      route: no-case\n")


def test_a_post_whose_only_tag_is_in_no_file_is_not_pinned():
    """A test cannot give it, and without it the post opens no case: that is no matter of personal data."""
    with pytest.raises(NotPinnedError, match=r"no tag that is not in tags.yaml \(Urgent!\)"):
        pin(complaint("A café", tags=frozenset({"Urgent!"})), mapping_with(), NETWORKS, "cafe")


@pytest.mark.parametrize(
    "before",
    [
        HEAD,
        HEAD.rstrip("\n"),
        HEAD.replace("\n", "\r\n"),
        HEAD.replace("\n  ", "\n"),
        HEAD + "  # The end.\n",
    ],
    ids=[
        "dashes",
        "no last break",
        "windows",
        "not indented",
        "a comment at the end",
    ],
)
def test_what_is_in_the_file_stays_as_it_is(before):
    """Comments, breaks and all; the test comes after it."""
    mapping = mapping_with(before)
    pinned = pin(complaint(), mapping, NETWORKS, "logged-out")
    after = load_files({**mapping.files, FILE: before + pinned.addition}, NETWORKS)

    assert after.tests == (*mapping.tests, "logged-out")
    assert ("\r\n" in before) == ("\r\n" in pinned.addition)


@pytest.mark.parametrize(
    "before", ["tests: []\n", "tests: [{name: one, text: x, expect: {route: no-case}}]\n"]
)
def test_a_list_in_brackets_is_left_alone(before):
    """Nothing can be added after it."""
    with pytest.raises(NotPinnedError, match="name another file"):
        pin(complaint(), mapping_with(before), NETWORKS, "logged-out")


def test_a_name_is_given_once():
    """And a file that is no file of tests is not written to."""
    with pytest.raises(NotPinnedError, match="a test called one already"):
        pin(complaint(), mapping_with(HEAD), NETWORKS, "one")
    with pytest.raises(NotPinnedError, match=r"not in queues\.yaml"):
        pin(complaint(), mapping_with(), NETWORKS, "two", file="queues.yaml")


@pytest.mark.parametrize("name", ["A name", "x: y", "ok\n    text: no"])
def test_a_bad_name_is_refused(name):
    """By the rule that every name obeys."""
    with pytest.raises(NotPinnedError, match="would not be sound"):
        pin(complaint(), mapping_with(), NETWORKS, name)


def test_a_post_that_hangs_on_what_is_replaced_is_not_pinned():
    """A route asks for a word that is personal data: it is said what would become of the post without."""
    files = starter_files()
    files["routes/05-order.yaml"] = (
        "routes:\n  - {name: the-order, when: {words: [order 20481937]}, queue: sales}\n"
    )
    mapping = load_files(files, NETWORKS)
    with pytest.raises(NotPinnedError) as refused:
        pin(complaint("my order 20481937 crashes"), mapping, NETWORKS, "order")

    assert "(number)" in str(refused.value)
    assert "queue: sales, now support-technical" in str(refused.value)
    assert "20481937" not in str(refused.value)


def test_what_was_can_be_expected_against_what_is():
    """The case is right and the files are wrong: the test says so until they are mended."""
    mapping = mapping_with()
    was = replace(outcome(complaint(), mapping, NETWORKS), queue="triage", priority="low")
    pinned = pin(complaint(), mapping, NETWORKS, "logged-out", expected=was)

    assert "      queue: triage\n" in pinned.addition
    assert pinned.fails == (
        "logged-out: queue is support-technical, not triage",
        "logged-out: priority is high, not low",
    )


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60),
    name=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_whatever_somebody_wrote_can_stand_in_a_file(text, name):
    """Any letters: it is pinned and sound, or refused with a reason; never half."""
    mapping = mapping_with(HEAD)
    message = complaint(text, author=Author("1", "@somebody.else", name))
    try:
        pinned = pin(message, mapping, NETWORKS, "any")
    except NotPinnedError as refused:
        assert "would become something else" in str(refused)
        return
    assert load_files({**mapping.files, FILE: HEAD + pinned.addition}, NETWORKS).tests == ("one", "any")
    assert yaml.safe_load(HEAD + pinned.addition)["tests"][1]["name"] == "any"


def test_what_a_source_tells_of_a_post_is_pinned_as_far_as_routes_ask():
    """A VIP is not named, and the exact number of followers would tell whose they are."""
    files = starter_files()
    files["vips.yaml"] += '  press: {network: mastodon, handle: "@dewi.l@old.example", why: She prints.}\n'
    files["routes/05-facts.yaml"] = (
        "routes:\n  - {name: vips, when: {vip: true, min_followers: 1000, kinds: [review]}, queue: sales}\n"
    )
    message = complaint(
        author=replace(DEWI, followers=1234),
        kind=MessageKind.REVIEW,
        severity=Severity.HIGH,
        sentiment=Sentiment.NEGATIVE,
    )
    addition = pin(message, load_files(files, NETWORKS), NETWORKS, "press").addition

    for line in ("kind: review", "severity: high", "sentiment: negative", "followers: 1000", "vip: true"):
        assert f"    {line}\n" in addition
    assert "      route: vips\n" in addition
    assert "dewi" not in addition.lower()
