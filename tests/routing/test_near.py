"""A text that is nearly in another."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from bridge.routing.near import is_nearly_in

LETTERS = "abcde "


@st.composite
def likes(draw: st.DrawFn) -> tuple[str, str]:
    """A text, and a part of it in which some letters are others, more or fewer."""
    text = draw(st.text(LETTERS, max_size=150))
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    part = list(draw(st.text(LETTERS, max_size=8)) + text[first:last] + draw(st.text(LETTERS, max_size=8)))
    for place, others in draw(st.lists(st.tuples(st.integers(0, 150), st.text(LETTERS, max_size=2)))):
        part[place : place + 1] = others
    return "".join(part), text


@given(likes())
@example(("abcabcab", "cabcabca"))
@example(("", ""))
def test_the_answer_is_that_of_sliding_one_along_the_other(pair: tuple[str, str]):
    """Each place is looked at, also those where one stands out at an end of the other."""
    for one, other in (pair, pair[::-1]):
        assert is_nearly_in(one, other, 0.85) == (
            fuzz.partial_ratio(one, other, score_cutoff=85) > 0 and one != ""
        )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3, 0.5])
def test_a_text_that_is_hardly_like_enough_costs_little(share: float):
    """Draft after draft of a reply, on its ticket: none of them takes the time of all places."""
    text = "".join(chr(97 + place * place % 23 + place % 3) for place in range(10_000))
    draft = "".join(
        "#" if place * 61 % 1_000 < share * 1_000 else text[place] for place in range(4_000, 7_000)
    )
    started = time.process_time()

    assert is_nearly_in(draft, text, 0.85) == (share < 0.15)
    assert time.process_time() - started < 0.15  # it takes a tenth of that
