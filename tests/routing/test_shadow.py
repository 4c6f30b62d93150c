"""Which routes are never reached, found without comparing each with each."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.routing.decide import decide
from bridge.routing.lint import lint
from bridge.routing.model import Condition
from bridge.routing.shadow import _Asked, shadowed
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import MONDAY_NOON
from tests.routing.test_decide import CONDITIONS, POSTS, listed, with_routes

__all__ = ["listed"]  # a fixture

MANY = 10_000
SECONDS = 10
"""Of the processor, for the warnings about so many routes."""


@settings(deadline=None, max_examples=300)
@given(conditions=st.lists(CONDITIONS, max_size=12))
def test_what_is_found_is_what_comparing_each_with_each_finds(listed, conditions):
    """The shortcut leaves out no pair, and the first that covers a route is named."""
    mapping = with_routes(listed, *conditions)
    asked = [_Asked.of(when, mapping) for when in conditions]
    expected = {
        number: next(before for before in range(number) if asked[before].covers(narrow))
        for number, narrow in enumerate(asked)
        if any(asked[before].covers(narrow) for before in range(number))
    }
    found = {route.name: earlier.name for route, earlier in shadowed(mapping)}

    assert found == {f"r{number}": f"r{before}" for number, before in expected.items()}


@settings(deadline=None, max_examples=300)
@given(conditions=st.lists(CONDITIONS, max_size=8), posts=st.lists(POSTS, max_size=8))
def test_a_route_that_is_called_unreachable_never_takes_a_post(listed, conditions, posts):
    """Whatever is said, by whomever, and wherever."""
    mapping = with_routes(listed, *conditions)
    never = {route.name for route, _ in shadowed(mapping)}

    assert not never & {decide(post, mapping, MONDAY_NOON).route for post in posts}


@pytest.mark.parametrize(
    "shared",
    [
        Condition(),
        Condition(tags=("technical-issue",)),
        Condition(tags=("crisis",), languages=("en",), no_tags=("sales-lead",)),
        Condition(brands=("kopi",), min_followers=1000),
    ],
    ids=["nothing", "tag", "language", "place"],
)
def test_ten_thousand_routes_are_linted_within_seconds(starter, shared):
    """With a tag, a language or a place that all of them share: what only one has tells them apart."""
    mapping = with_routes(starter, *(replace(shared, words=(f"w{number}",)) for number in range(MANY)))
    before = time.process_time()
    found = [fault.rule for fault in lint(mapping, NETWORKS)]

    assert time.process_time() - before < SECONDS
    assert "unreachable-route" not in found


BARS = st.none() | st.integers(1, 4)
ALIKE = st.sampled_from([Condition(tags=("technical-issue",)), Condition(vip=True), Condition()])


@settings(deadline=None, max_examples=300)
@given(conditions=st.lists(st.builds(lambda when, bar: replace(when, min_followers=bar), ALIKE, BARS)))
def test_routes_that_differ_by_followers_alone_are_compared_like_all(listed, conditions):
    """Of those that ask for the same otherwise only some are looked at: none is missed for that."""
    mapping = with_routes(listed, *conditions)
    asked = [_Asked.of(when, mapping) for when in conditions]
    expected = [
        (number, next(before for before in range(number) if asked[before].covers(narrow)))
        for number, narrow in enumerate(asked)
        if any(asked[before].covers(narrow) for before in range(number))
    ]

    assert [(route.name, other.name) for route, other in shadowed(mapping)] == [
        (f"r{number}", f"r{before}") for number, before in expected
    ]


@pytest.mark.parametrize("bars", [range(MANY, 0, -1), range(1, MANY + 1)], ids=["falling", "rising"])
def test_ten_thousand_steps_of_followers_are_linted_within_seconds(starter, bars):
    """Each for fewer than the one before, as an admin would write it; or for more, and none is reached."""
    mapping = with_routes(starter, *(Condition(min_followers=bar) for bar in bars))
    before = time.process_time()
    unreached = sum(fault.rule == "unreachable-route" for fault in lint(mapping, NETWORKS))

    assert time.process_time() - before < SECONDS
    assert unreached == (MANY - 1 if bars[0] == 1 else 0)
