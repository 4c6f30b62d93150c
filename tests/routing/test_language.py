"""Which language a customer wrote in, and which one to answer in."""

from __future__ import annotations

import pytest

from bridge.routing.decide import decide
from bridge.routing.language import detect, normalise_language
from tests.routing.conftest import MONDAY_NOON, make_message


@pytest.mark.parametrize(
    ("code", "normal"),
    [
        ("pl", "pl"),
        ("pt_BR", "pt-br"),
        ("ZH-Hant-TW", "zh-hant-tw"),
        (" en ", "en"),
        ("und", None),
        ("zxx", None),
        ("", None),
        (None, None),
        ("Polish", None),
        ("{{", None),
    ],
)
def test_a_language_code_has_one_form(code, normal):
    """What names no language is none."""
    assert normalise_language(code) == normal


@pytest.mark.parametrize(
    ("said", "answered", "reason"),
    [
        ("th", "th", "the source says th"),
        ("id-ID", "id", "the source says id-id; the nearest that Kopi replies in is id"),
        ("ms", "id", "the source says ms; the nearest that Kopi replies in is id"),
        ("ms-MY", "id", "the source says ms-my; the nearest that Kopi replies in is id"),
        ("fr", "en", "the source says fr; the nearest that Kopi replies in is en"),
    ],
)
def test_the_reply_falls_back_along_the_chain(starter, said, answered, reason):
    """The customer's language, its wider form, the stated fallbacks, the brand's default."""
    decision = decide(make_message("x", language=said), starter, MONDAY_NOON)

    assert (decision.language, decision.language_reason) == (answered, reason)


def test_a_brand_that_does_not_speak_it_answers_in_its_own_language(starter):
    """Rower speaks Polish first."""
    decision = decide(make_message("x", account="rower-mastodon", language="th"), starter, MONDAY_NOON)

    assert decision.language == "pl"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the app logs me out every hour", "en"),
        ("aplikasinya error terus dari kemarin kak", "id"),
        ("แอปเด้งทุกครั้งที่เปิดเลยค่ะ", "th"),
        ("Aplikacja wylogowuje mnie co godzinę", "pl"),
        ("AND NOW IT IS DOWN AGAIN, SERIOUSLY?", "en"),
    ],
)
def test_the_text_tells_where_the_source_does_not(starter, text, language):
    """The four languages of the starter."""
    decision = decide(make_message(text, language="und"), starter, MONDAY_NOON)

    assert decision.language == language
    assert decision.language_reason == f"the text reads like {language}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍",
        "https://kopi.example/a/very/long/path/that/is/no/text",
        "@kopi@social.example @anna@social.example",
        "Die App stürzt dauernd ab und ich kann mich nicht anmelden",
        "La aplicación no funciona desde ayer, qué hago",
        "\ud800" * 30,
    ],
)
def test_an_unsure_guess_is_no_guess(starter, text):
    """Too short, no words, or a language that the brand has nothing to do with: the default."""
    decision = decide(make_message(text), starter, MONDAY_NOON)

    assert detect(text, starter.brands["kopi"]) is None
    assert decision.language == "en"
    assert decision.language_reason.endswith("the brand's default")
