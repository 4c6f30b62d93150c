"""Customers' words on their way into Zendesk: nothing expands, nothing renders, nothing vanishes."""

from __future__ import annotations

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.zendesk.text import COMMENT_LIMIT_BYTES, CUT, as_html, as_line, inert

HOSTILE = st.text(alphabet=st.sampled_from("{%}<>&\"' \n\ra\u0000é😀\ud800"))


@settings(deadline=None)  # other work may hold the machine up
@given(st.one_of(HOSTILE, st.text(alphabet=st.characters())))
def test_no_placeholder_and_no_tag_survives(text):
    """Zendesk expands {{…}} and {% … %}, and renders HTML, in what our credentials write."""
    made = as_html(text)
    for form in (made, html.unescape(made), inert(text), as_line(text, 80)):
        assert "{{" not in form
        assert "{%" not in form
    assert "<" not in made.replace("<br>", "")
    assert ">" not in made.replace("<br>", "")
    made.encode()


@settings(deadline=None)  # other work may hold the machine up
@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"])))
def test_the_text_still_reads_the_same(text):
    """What a reader sees is what the customer wrote."""
    assert html.unescape(as_html(text)).replace("\u200b", "") == text.replace("\u200b", "")


def test_lines_stay_lines():
    """Zendesk would run the lines of a plain body together."""
    assert as_html("one\ntwo\r\nthree\rfour") == "one<br>two<br>three<br>four"


def test_a_lone_surrogate_becomes_a_replacement_character():
    """JSON may carry half an emoji; UTF-8 may not."""
    assert inert("a\ud83db") == "a\ufffdb"
    assert inert("😀") == "😀"


@pytest.mark.parametrize("character", ["a", "é", "😀", "<", "&", "{"])
def test_what_is_too_long_is_cut_visibly_and_whole(character):
    """Over 64 kB Zendesk cuts without a word; here the reader sees it, and no entity is halved."""
    made = as_html(character * 70_000)
    assert made.endswith(CUT)
    assert len(made.encode()) <= COMMENT_LIMIT_BYTES
    assert set(html.unescape(made.removesuffix(CUT))) <= {character, "\u200b"}


def test_what_just_fits_is_left_whole():
    """The limit is in bytes of what is sent."""
    assert as_html("a" * COMMENT_LIMIT_BYTES) == "a" * COMMENT_LIMIT_BYTES
    assert as_html("a" * (COMMENT_LIMIT_BYTES + 1)).endswith(CUT)


def test_a_subject_is_one_line_of_a_certain_length():
    """Subjects and names have no lines."""
    assert as_line(" one\n two\t three ", 80) == "one two three"
    assert as_line("word " * 100, 20) == "word word word word…"
