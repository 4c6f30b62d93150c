"""Words that reach the public."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.routing.airlock import greets_nobody
from bridge.routing.model import Mapping, Template
from bridge.routing.wording import MAX_NAME, Words, find_template, render, safe_name

NOTHING = Words()


def with_reply(mapping: Mapping, source: str, language: str = "en") -> Mapping:
    """*mapping* with the reply "sample" of kopi in one language."""
    template = Template("kopi", "sample", language, source, "v1", "mappings/replies/kopi/sample.txt.j2")
    return replace(mapping, templates={("kopi", "sample", language): template})


def said(mapping: Mapping, source: str, words: Words = NOTHING, language: str = "en") -> str:
    rendered = render(with_reply(mapping, source, language), "kopi", "sample", language, words)
    assert rendered is not None
    return rendered.text


def test_a_reply_names_its_template_and_version(starter):
    """Every public word can be traced to the file that it came from."""
    rendered = render(starter, "kopi", "closing", "th", Words("สมชาย"))

    assert rendered.template_file == "mappings/replies/kopi/closing.th.txt.j2"
    assert rendered.version == starter.templates["kopi", "closing", "th"].version
    assert rendered.language == "th"
    assert "คุณสมชาย" in rendered.text


def test_a_word_that_nobody_knows_is_not_left_out_in_silence(starter):
    """A reply of a stored mapping may hold one: rather no reply than one with a hole in it."""
    with pytest.raises(jinja2.UndefinedError):
        said(starter, "Order {{ order_number }} is on its way")


@pytest.mark.parametrize(
    ("asked", "found"), [("ms-MY", "id"), ("jv", "id"), ("fr", "en"), (None, "en"), ("PL", "pl")]
)
def test_a_language_without_a_template_falls_back(starter, asked, found):
    """Along the brand's stated chain, to its default language."""
    assert find_template(starter, "kopi", "closing", asked).language == found
    assert render(starter, "kopi", "closing", asked, Words()).language == found


def test_a_reply_that_a_brand_does_not_have_is_none(starter):
    """The caller holds the case for a person; nothing of another brand is said."""
    assert render(starter, "kopi", "birthday", "en", Words()) is None
    assert render(starter, "nobody", "closing", "en", Words()) is None


def test_every_word_of_the_vocabulary_can_be_said(starter):
    """With the promise in the reply's language and the brand's zone (Jakarta)."""
    source = (
        "{{ customer }}|{{ handle }}|{{ network }}|{{ brand }}|{{ signature }}|{{ help_link }}|{{ promise }}"
    )
    words = Words("Anna Nowak", "@anna", "Mastodon", datetime(2026, 1, 5, 12, 0, tzinfo=UTC))

    assert said(starter, source, words) == (
        "Anna|@anna|Mastodon|Kopi|— Team Kopi|https://help.kopi.example|Mon, Jan 5, 19:00"
    )
    assert said(starter, "{{ promise }}", words, "pl") == "pon., 5 sty, 19:00"


def test_line_breaks_in_the_file_are_for_its_readers(starter):
    """One line per paragraph, nothing at the ends, no double spaces."""
    assert said(starter, "\n  Hi,\nthis   is\n sorted.\n\n\n Bye \n") == "Hi, this is sorted.\n\nBye"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Anna Kowalska", "Anna"),
        ("🌸 Mei 🌸", "Mei"),
        ("Łukasz", "Łukasz"),
        ("Jean-Luc", "Jean-Luc"),
        ("Siobhan O’Neil", "Siobhan"),
        ("Dr. House", "Dr. House"),
        ("สมชาย ใจดี", "สมชาย"),
        ("नरेंद्र मोदी", "नरेंद्र"),
        ("محمد علي", "محمد"),
        ("李", "李"),
        ("A\u0301da", "Áda"),
        ("\u202eAnna", "Anna"),
        # No names:
        ("", ""),
        ("   ", ""),
        ("🌸🌸", ""),
        ("x", ""),
        ("@anna", ""),
        ("null", ""),
        ("anna_1990", ""),
        ("user12345", ""),
        ("https://spam.example", ""),
        ("{{ 7 * 7 }}", ""),
        ("{% raw %}", ""),
        ("Anna\u0301\u0302\u0303\u0304\u0305", ""),
        ("A" * 60, ""),
    ],
)
def test_a_customer_is_called_by_their_first_name_or_not_at_all(name, called):
    """What is fit to print in public, from what people call themselves."""
    assert safe_name(name) == called


def test_a_handle_is_no_name():
    """Where the display name only repeats the handle."""
    assert safe_name("Coffeelover", "@coffeelover") == ""


@given(st.text(alphabet=st.characters()))
def test_a_name_is_letters_or_nothing(name):
    """Whatever people call themselves: no markup, no address, no second line."""
    called = safe_name(name)

    assert len(called) <= MAX_NAME
    assert not set(called) & set("{}%<>@/\\:#&*_~`\n\t0123456789")
    assert called == called.strip()


@settings(deadline=None)  # two dozen replies each time: how long that takes is the machine's affair
@given(name=st.text(max_size=30), handle=st.text(max_size=30))
def test_no_name_leaves_a_hole_or_a_bracket_in_a_reply(starter, name, handle):
    """Neither "Hi ," nor "{{": for every reply of the starter and any customer."""
    for brand, reply, language in starter.templates:
        text = render(starter, brand, reply, language, Words(name, handle, "Mastodon")).text

        assert not greets_nobody(text)
        assert "{{" not in text
        assert "{%" not in text
        assert "  " not in text


def test_a_customers_words_are_never_a_template(starter):
    """A handle that looks like a template is text, and loses its brackets."""
    assert said(starter, "{{ handle }}", Words(handle="@{{ signature }}")) == "@signature"


@pytest.mark.parametrize("name", ["x" * 100_000, "ะ" * 100_000 + "1", "a'" * 50_000, "\u0e48\u0e38" * 50_000])
def test_a_hostile_name_costs_nothing(name):
    """Only its beginning is read."""
    assert safe_name(name) == ""
