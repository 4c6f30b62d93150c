"""What should happen to a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.message import Author, MessageKind, Sentiment, Severity
from bridge.routing.decide import NO_ROUTE, consider, decide
from bridge.routing.model import Calendar, ClosingPolicy, Condition, Mapping, Place, Route, Vip
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
    considered = consider(make_message("x", "technical-issue", "crisis"), starter, MONDAY_NOON)
    assert [(seen.route, seen.taken) for seen in considered] == [
        ("crisis-while-nobody-is-in", False),  # it is noon of a Monday
        ("crisis", True),
    ]


def test_what_no_route_claims_goes_to_the_fallback(starter):
    """With the reason "no route", and every route shown as not taken."""
    decision = decide(make_message("nothing that anybody knows"), starter, MONDAY_NOON)

    assert (decision.route, decision.queue, decision.reason) == (None, "triage", NO_ROUTE)
    assert decision.place == starter.queues["triage"].place
    considered = consider(make_message("nothing that anybody knows"), starter, MONDAY_NOON)
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
    assert consider(message, mapping, MONDAY_NOON)[0].taken is holds


def test_a_decision_says_what_was_asked_and_what_was_seen(starter):
    """The trace names each condition as written and what the message has."""
    when = Condition(tags=("crisis",), brands=("rower",), words=("crash",))
    tested = consider(make_message("no", "crisis"), with_routes(starter, when), MONDAY_NOON)[0].tested

    assert [(test.condition, test.holds, test.seen) for test in tested] == [
        ("tags: any of crisis", True, "crisis"),
        ("brand: any of rower", False, "kopi"),
        ("words: any of crash", False, "none of them"),
    ]


def test_a_route_may_say_otherwise_than_its_queue(starter):
    """Priority, type, closing, promise and extra tags of the route go before the queue's."""
    route = replace(
        next(route for route in starter.routes if route.name == "technical-issue"),
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


def test_a_route_gives_what_no_queue_has(starter):
    """Severity, fields, an assignee, copies; a reply of its own, and a promise by its name."""
    route = replace(
        starter.route("technical-issue"),
        severity="high",
        closing_template="thanks",
        promise=timedelta(minutes=30),
        promise_class="gold",
        fields={"Product": "App"},
        assignee="ola@kopi.example",
        copies=("triage",),
    )
    mapping = replace(starter, routes=(route,))
    given = decide(make_message("x", "technical-issue"), mapping, MONDAY_NOON)

    assert (given.severity, given.assignee, given.copies) == ("high", "ola@kopi.example", ("triage",))
    assert (given.fields, given.closing_template) == ({"Product": "App"}, "thanks")
    assert given.promise_class == "gold"
    nobodys = decide(make_message("nobody knows"), mapping, MONDAY_NOON)
    assert (nobodys.severity, nobodys.assignee, nobodys.copies, nobodys.fields) == (None, None, (), {})
    assert nobodys.closing_template == "closing"
    crisis = decide(make_message("x", "crisis"), starter, MONDAY_NOON)
    assert crisis.promise_class == "within-the-hour"  # the queue's


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


MINISTER = Vip(
    "minister",
    "mastodon",
    "@minister@gov.example",
    None,
    "Speaks for the ministry",
    Place("mappings/vips.yaml", 2),
)
NIGHT = ("jakarta-desk", "night")


@pytest.fixture(scope="session")
def listed(starter):
    """The starter with a VIP, and with a shift by night."""
    desk = starter.calendars["jakarta-desk"]
    night = Calendar("night", desk.zone, {day: ((time(20), time(0)),) for day in range(7)}, desk.holidays)
    calendars = {**starter.calendars, "jakarta-desk": replace(desk, named={"night": night})}
    return replace(starter, vips=(MINISTER,), calendars=calendars)


JUDGED = {
    "author": Author("a9", "@Minister@gov.example", followers=10_000),
    "kind": MessageKind.REPLY,
    "severity": Severity.HIGH,
    "sentiment": Sentiment.NEGATIVE,
}


@pytest.mark.parametrize(
    ("when", "holds", "seen"),
    [
        (Condition(kinds=("review", "reply")), True, "reply"),
        (Condition(kinds=("direct",)), False, "reply"),
        (Condition(severities=("high", "critical")), True, "high"),
        (Condition(severities=("low",)), False, "high"),
        (Condition(sentiments=("negative",)), True, "negative"),
        (Condition(sentiments=("positive", "neutral")), False, "negative"),
        (Condition(min_followers=10_000), True, "10,000"),
        (Condition(min_followers=10_001), False, "10,000"),
        (Condition(vip=True), True, "on the list: Speaks for the ministry"),
        (Condition(vip=False), False, "on the list: Speaks for the ministry"),
        (Condition(hours=(("jakarta-desk", "closed"),)), True, "closed on Monday 2026-01-05 20:00"),
        (Condition(hours=(("jakarta-desk", "open"),)), False, "closed on Monday 2026-01-05 20:00"),
        (Condition(hours=(NIGHT,)), True, "in it on Monday 2026-01-05 20:00"),
        (Condition(hours=(("warsaw-office", "open"), NIGHT)), True, "open on Monday 2026-01-05 14:00"),
        (Condition(hours=(("warsaw-office", "closed"), NIGHT)), False, "open on Monday 2026-01-05 14:00"),
    ],
)
def test_a_condition_on_who_how_and_when_holds_or_not(listed, when, holds, seen):
    """Each kind of condition, both ways, and what was seen."""
    at = datetime(2026, 1, 5, 13, 0, tzinfo=UTC)
    message = make_message("x", posted_at=at, **JUDGED)
    mapping = with_routes(listed, when)

    assert (decide(message, mapping, at).route == "r0") is holds
    [considered] = consider(message, mapping, at)
    assert considered.taken is holds
    assert considered.tested[0].seen == seen


@pytest.mark.parametrize(
    "when",
    [
        Condition(severities=("low", "medium", "high", "critical")),
        Condition(sentiments=("positive", "neutral", "negative")),
        Condition(min_followers=1),
    ],
)
def test_a_condition_on_what_nobody_told_does_not_hold(starter, when):
    """And the trace says that it is unknown."""
    [considered] = consider(make_message("x"), with_routes(starter, when), MONDAY_NOON)

    assert not considered.taken
    assert considered.tested[0].seen == "unknown"


@pytest.mark.parametrize("vip", [MINISTER, replace(MINISTER, handle=None, author_id="A9")])
def test_a_vip_is_known_by_handle_or_by_id_on_their_own_network_only(starter, vip):
    """Whatever the case of the letters; somebody of that name elsewhere is somebody else."""
    mapping = with_routes(replace(starter, vips=(vip,)), Condition(vip=True))

    assert decide(make_message("x", **JUDGED), mapping, MONDAY_NOON).route == "r0"
    assert decide(make_message("x", network="standard", **JUDGED), mapping, MONDAY_NOON).route is None
    assert decide(make_message("x"), mapping, MONDAY_NOON).route is None


def test_a_case_file_keeps_no_name_and_no_number_of_a_person(listed):
    """The reason is kept for good: that somebody is on the list, and not why."""
    when = Condition(vip=True, min_followers=5_000)
    reason = decide(make_message("x", **JUDGED), with_routes(listed, when), MONDAY_NOON).reason

    assert reason == "followers: at least 5,000 (seen: so many); vip: yes (seen: on the list)"


@pytest.mark.parametrize(
    ("posted", "state"),
    [
        ("2026-03-27T16:30+01:00", "closed"),  # the Friday before summer time: open until 16:00
        ("2026-03-30T09:30+02:00", "open"),  # the Monday after it; an hour earlier by UTC
        ("2026-03-30T08:30+02:00", "closed"),
        ("2026-10-26T16:30+01:00", "open"),  # the Monday after summer time has ended
        ("2026-10-26T08:59+01:00", "closed"),
        ("2026-10-26T17:00+01:00", "closed"),
        ("2026-12-24T10:00+01:00", "closed"),  # a holiday
        ("2026-10-25T02:30+01:00", "closed"),  # in the hour that comes twice
    ],
)
def test_hours_are_those_of_the_posts_own_time_by_the_calendars_clock(starter, posted, state):
    """Summer time in both directions, whatever time it is now."""
    at = datetime.fromisoformat(posted)
    later = at + timedelta(days=3, hours=5)
    for asked in ("open", "closed"):
        mapping = with_routes(starter, Condition(hours=(("warsaw-office", asked),)))
        assert (decide(make_message("x", posted_at=at), mapping, later).route == "r0") is (asked == state)


def test_a_post_from_the_future_is_asked_for_the_hours_of_now(starter):
    """As its promise counts from now."""
    mapping = with_routes(starter, Condition(hours=(("warsaw-office", "open"),)))
    message = make_message("x", posted_at=MONDAY_NOON + timedelta(hours=12))

    assert decide(message, mapping, MONDAY_NOON).route == "r0"


def maybe(*words):
    return st.sets(st.sampled_from(words), max_size=2).map(tuple)


ASKED = {
    "kinds": maybe("public", "reply", "review", "direct"),
    "severities": maybe("low", "high", "critical"),
    "sentiments": maybe("negative", "positive"),
    "min_followers": st.none() | st.none() | st.sampled_from([1, 1_000, 50_000]),
    "vip": st.sampled_from([None, None, True, False]),
    "hours": st.just(())
    | maybe(("jakarta-desk", "open"), ("jakarta-desk", "closed"), ("warsaw-office", "closed"), NIGHT),
}
TOLD = {
    "author": st.builds(
        Author,
        st.sampled_from(["a1", "a9"]),
        st.sampled_from(["@anna@social.example", "@minister@gov.example", ""]),
        followers=st.none() | st.sampled_from([0, 1_000, 60_000]),
    ),
    "kind": st.sampled_from(MessageKind),
    "severity": st.none() | st.sampled_from(Severity),
    "sentiment": st.none() | st.sampled_from(Sentiment),
}
_TAGS = ("crisis", "technical-issue", "sales-lead", "praise")
conditions = st.builds(
    Condition,
    tags=st.sets(st.sampled_from(_TAGS)).map(tuple),
    all_tags=st.sets(st.sampled_from(_TAGS), max_size=1).map(tuple),
    no_tags=st.sets(st.sampled_from(_TAGS), max_size=1).map(tuple),
    brands=st.sets(st.sampled_from(("kopi", "rower"))).map(tuple),
    languages=st.sets(st.sampled_from(("en", "th", "pt"))).map(tuple),
    words=st.lists(st.text(min_size=1, max_size=4), max_size=2).map(tuple),
    **ASKED,
)
messages = st.builds(
    make_message,
    st.text(alphabet=st.characters(), max_size=60),
    account=st.sampled_from(("kopi-plaza", "kopi-mastodon", "rower-mastodon", "unknown")),
    tags=st.sets(st.sampled_from(_TAGS) | st.text(max_size=5)).map(frozenset),
    language=st.none() | st.sampled_from(("en", "th", "pt-BR", "x", "")) | st.text(max_size=5),
    posted_at=st.datetimes(timezones=st.just(UTC)),
    **TOLD,
)


@settings(deadline=None)
@given(message=messages, when=st.lists(conditions, max_size=4), at=st.datetimes(timezones=st.just(UTC)))
def test_any_message_gets_one_decision_and_always_the_same(listed, message, when, at):
    """Total and pure: no message, mapping or time that has no answer, or two."""
    mapping = with_routes(listed, *when)

    decision = decide(message, mapping, at)

    assert decision == decide(message, mapping, at)
    assert decision.queue in mapping.queues
    assert decision.mapping_version == mapping.version


@settings(deadline=None)
@given(message=messages, when=st.lists(conditions, min_size=1, max_size=4))
def test_the_order_of_routes_is_the_only_order(listed, message, when):
    """The winner is the first of those that would take the message if they stood alone."""
    alone = [decide(message, with_routes(listed, one), MONDAY_NOON).route for one in when]
    expected = next((f"r{number}" for number, taken in enumerate(alone) if taken), None)

    assert decide(message, with_routes(listed, *when), MONDAY_NOON).route == expected


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
    **ASKED,
)
POSTS = st.builds(
    lambda parts, tags, account, language, **told: make_message(
        "".join(parts), *tags, account=account, network="mastodon", language=language, **told
    ),
    st.lists(
        st.sampled_from((*WORDS, " ", "  ", "x", "อ", ".", "CRASH", "Naive", "\u0301", "_")), max_size=6
    ),
    some(*TAGS),
    st.sampled_from(["kopi-mastodon", "rower-mastodon", "nobody"]),
    st.sampled_from(["en", "th-TH", "pl"]),
    posted_at=st.integers(0, 200).map(lambda hours: MONDAY_NOON + timedelta(hours=hours)),
    **TOLD,
)


@settings(deadline=None, max_examples=300)
@given(conditions=st.lists(CONDITIONS, max_size=12), post=POSTS)
def test_the_trace_agrees_with_the_decision(listed, conditions, post):
    """`decide` tries only routes that may hold; what it takes is what trying each in turn takes."""
    mapping = with_routes(listed, *conditions)
    considered = consider(post, mapping, MONDAY_NOON)
    taken = considered[-1].route if considered and considered[-1].taken else None

    assert decide(post, mapping, MONDAY_NOON).route == taken
    assert [seen.route for seen in considered] == [f"r{number}" for number in range(len(considered))]
    assert not any(seen.taken for seen in considered[:-1])
