"""What should happen to a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.routing.decide import NO_ROUTE, consider, decide
from bridge.routing.model import ClosingPolicy, Condition, Mapping, Place, Route
from tests.routing.conftest import MONDAY_NOON, make_message


def with_routes(mapping: Mapping, *conditions: Condition, queue: str = "community") -> Mapping:
    """*mapping* with routes r0, r1, … of these conditions and no others."""
    routes = tuple(
        Route(name=f"r{number}", when=when, queue=queue, place=Place("mappings/routes/x.yaml", number))
        for number, when in enumerate(conditions)
    )
    return replace(mapping, routes=routes)


def test_the_first_route_whose_conditions_hold_takes_the_message(starter):
    """A crisis that is a technical issue, too, is a crisis: that route comes first."""
    decision = decide(make_message("x", "technical-issue", "crisis"), starter, MONDAY_NOON)

    assert decision.route == "crisis"
    assert decision.queue == "incident-response"
    considered = consider(make_message("x", "technical-issue", "crisis"), starter)
    assert [(seen.route, seen.taken) for seen in considered] == [("crisis", True)]


def test_what_no_route_claims_goes_to_the_fallback(starter):
    """With the reason "no route", and every route shown as not taken."""
    decision = decide(make_message("nothing that anybody knows"), starter, MONDAY_NOON)

    assert (decision.route, decision.queue, decision.reason) == (None, "triage", NO_ROUTE)
    assert decision.place == starter.queues["triage"].place
    considered = consider(make_message("nothing that anybody knows"), starter)
    assert [seen.taken for seen in considered] == [False] * len(starter.routes)


def test_the_mappings_words_tag_a_message_that_nobody_tagged(starter):
    """A phrase of tags.yaml in the text is as good as the social team's tag."""
    decision = decide(make_message("It LOGS me   out, again!"), starter, MONDAY_NOON)

    assert decision.tags == {"technical-issue"}
    assert decision.queue == "support-technical"


def test_a_tag_counts_however_the_tool_spells_it(starter):
    """A tag source's "Technical Issue" is technical-issue."""
    decision = decide(make_message("x", "Technical Issue"), starter, MONDAY_NOON)

    assert decision.tags == {"technical-issue"}
    assert decision.route == "technical-issue"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (Condition(tags=("praise", "crisis")), True),
        (Condition(tags=("praise",)), False),
        (Condition(all_tags=("crisis", "sales-lead")), True),
        (Condition(all_tags=("crisis", "praise")), False),
        (Condition(no_tags=("praise",)), True),
        (Condition(no_tags=("praise", "crisis")), False),
        (Condition(networks=("mastodon",)), True),
        (Condition(networks=("standard",)), False),
        (Condition(accounts=("kopi-mastodon",)), True),
        (Condition(accounts=("kopi-plaza",)), False),
        (Condition(brands=("kopi",)), True),
        (Condition(brands=("rower",)), False),
        (Condition(languages=("pt",)), True),
        (Condition(languages=("pt-br",)), True),
        (Condition(languages=("pt-pt", "th")), False),
        (Condition(words=("refund", "conta")), True),
        (Condition(words=("refund",)), False),
        (Condition(tags=("crisis",), brands=("rower",)), False),
    ],
)
def test_a_condition_holds_or_not(starter, when, holds):
    """Each kind of condition, both ways; all conditions of a route must hold."""
    message = make_message("A conta sumiu", "crisis", "sales-lead", language="pt-BR")

    mapping = with_routes(starter, when)

    assert (decide(message, mapping, MONDAY_NOON).route == "r0") is holds
    assert consider(message, mapping)[0].taken is holds


def test_a_decision_says_what_was_asked_and_what_was_seen(starter):
    """The trace names each condition as written and what the message has."""
    when = Condition(tags=("crisis",), brands=("rower",), words=("crash",))
    tested = consider(make_message("no", "crisis"), with_routes(starter, when))[0].tested

    assert [(test.condition, test.holds, test.seen) for test in tested] == [
        ("tags: any of crisis", True, "crisis"),
        ("brand: any of rower", False, "kopi"),
        ("words: any of crash", False, "none of them"),
    ]


def test_a_route_may_say_otherwise_than_its_queue(starter):
    """Priority, type, closing, promise and extra tags of the route go before the queue's."""
    route = replace(
        starter.routes[1],
        priority="low",
        type="question",
        closing=ClosingPolicy.MANUAL,
        promise=timedelta(minutes=30),
        ticket_tags=("extra",),
    )
    at = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)  # 09:00 in Jakarta
    message = make_message("x", "technical-issue", posted_at=at)

    decision = decide(message, replace(starter, routes=(route,)), at)

    assert (decision.priority, decision.type, decision.closing) == ("low", "question", ClosingPolicy.MANUAL)
    assert decision.promise_at == at + timedelta(minutes=30)
    assert decision.ticket_tags == ("extra",)


def test_a_queue_without_tickets_gets_a_card_only(starter):
    """User-generated content: no ticket, no clock."""
    decision = decide(make_message("look", "user-generated-content"), starter, MONDAY_NOON)

    assert not decision.ticket
    assert decision.promise_at is None


def test_the_promise_counts_from_the_posts_own_time(starter):
    """A post that was tagged a day later has been waiting for a day."""
    message = make_message("x", "crisis")

    decision = decide(message, starter, MONDAY_NOON + timedelta(days=1))

    assert decision.promise_at == MONDAY_NOON + timedelta(hours=1)


def test_a_post_from_the_future_counts_from_now(starter):
    """A vendor's wrong clock must not stretch a promise."""
    message = make_message("x", "crisis", posted_at=MONDAY_NOON + timedelta(days=400))

    assert decide(message, starter, MONDAY_NOON).promise_at == MONDAY_NOON + timedelta(hours=1)


def test_an_account_that_no_brand_has_still_gets_a_decision(starter):
    """A tag source that carries whole posts belongs to no brand: the brand is empty."""
    decision = decide(make_message("x", "crisis", account="social-team-tags"), starter, MONDAY_NOON)

    assert (decision.brand, decision.queue) == ("", "incident-response")


_TAGS = ("crisis", "technical-issue", "sales-lead", "praise")
conditions = st.builds(
    Condition,
    tags=st.sets(st.sampled_from(_TAGS)).map(tuple),
    all_tags=st.sets(st.sampled_from(_TAGS), max_size=1).map(tuple),
    no_tags=st.sets(st.sampled_from(_TAGS), max_size=1).map(tuple),
    brands=st.sets(st.sampled_from(("kopi", "rower"))).map(tuple),
    languages=st.sets(st.sampled_from(("en", "th", "pt"))).map(tuple),
    words=st.lists(st.text(min_size=1, max_size=4), max_size=2).map(tuple),
)
messages = st.builds(
    make_message,
    st.text(alphabet=st.characters(), max_size=60),
    account=st.sampled_from(("kopi-plaza", "kopi-mastodon", "rower-mastodon", "unknown")),
    tags=st.sets(st.sampled_from(_TAGS) | st.text(max_size=5)).map(frozenset),
    language=st.none() | st.sampled_from(("en", "th", "pt-BR", "x", "")) | st.text(max_size=5),
    posted_at=st.datetimes(timezones=st.just(UTC)),
)


@settings(deadline=None)
@given(message=messages, when=st.lists(conditions, max_size=4), at=st.datetimes(timezones=st.just(UTC)))
def test_any_message_gets_one_decision_and_always_the_same(starter, message, when, at):
    """Total and pure: no message, mapping or time that has no answer, or two."""
    mapping = with_routes(starter, *when)

    decision = decide(message, mapping, at)

    assert decision == decide(message, mapping, at)
    assert decision.queue in mapping.queues
    assert decision.mapping_version == mapping.version


@settings(deadline=None)
@given(message=messages, when=st.lists(conditions, min_size=1, max_size=4))
def test_the_order_of_routes_is_the_only_order(starter, message, when):
    """The winner is the first of those that would take the message if they stood alone."""
    alone = [decide(message, with_routes(starter, one), MONDAY_NOON).route for one in when]
    expected = next((f"r{number}" for number, taken in enumerate(alone) if taken), None)

    assert decide(message, with_routes(starter, *when), MONDAY_NOON).route == expected


TAGS = ("crisis", "sales-lead", "technical-issue")
WORDS = ("crash", "can't log in", "log", "#promo", "แอปเด้ง", "ไม่ได้ app", "naïve", "हिन्दी", "a b")
PARTS = (" ", "  ", "x", "อ", ".", "CRASH", "Naive", "\u0301", "_")


def some(*names: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)


CONDITIONS = st.builds(
    Condition,
    tags=some(*TAGS),
    all_tags=some(*TAGS),
    no_tags=some(*TAGS),
    networks=some("mastodon", "standard"),
    accounts=some("kopi-mastodon", "kopi-plaza", "rower-mastodon"),
    brands=some("kopi", "rower"),
    languages=some("en", "th"),
    words=some(*WORDS),
)
POSTS = st.builds(
    lambda parts, tags, account, language: make_message(
        "".join(parts), *tags, account=account, network="mastodon", language=language
    ),
    st.lists(
        st.sampled_from((*WORDS, " ", "  ", "x", "อ", ".", "CRASH", "Naive", "\u0301", "_")), max_size=6
    ),
    some(*TAGS),
    st.sampled_from(["kopi-mastodon", "rower-mastodon", "nobody"]),
    st.sampled_from(["en", "th-TH", "pl"]),
)


@settings(deadline=None, max_examples=300)
@given(conditions=st.lists(CONDITIONS, max_size=12), post=POSTS)
def test_the_trace_agrees_with_the_decision(starter, conditions, post):
    """`decide` tries only routes that may hold; what it takes is what trying each in turn takes."""
    mapping = with_routes(starter, *conditions)
    considered = consider(post, mapping)
    taken = considered[-1].route if considered and considered[-1].taken else None

    assert decide(post, mapping, MONDAY_NOON).route == taken
    assert [seen.route for seen in considered] == [f"r{number}" for number in range(len(considered))]
    assert not any(seen.taken for seen in considered[:-1])
