"""How a brand speaks in public: what is banned, and the signature."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MappingError
from bridge.routing.load import load_files
from bridge.routing.model import Brand, Mapping, Place, Voice
from bridge.routing.voice import banned_in, has_signature, hints, objections, signed, visible_length
from bridge.routing.wording import Words, render
from tests.routing.catalogue import NETWORKS
from tests.routing.test_faulty import base_files

BRAND = Brand("kopi", "Kopi", ("en",), {}, "— Team Kopi", "UTC", (), Place("x", 1))
VOICE = Voice("kopi", {}, signed=True, tone=(), target_length=None, place=Place("x", 1))
MUTE = replace(VOICE, signed=False)


def with_ban(**words: tuple[str, ...]) -> Voice:
    return replace(VOICE, banned=words)


@pytest.mark.parametrize(
    ("text", "posted"),
    [
        ("We are on it.", "We are on it. — Team Kopi"),
        ("We are on it.\n\nMore soon.", "We are on it.\n\nMore soon.\n\n— Team Kopi"),
        ("We are on it. — Team Kopi", "We are on it. — Team Kopi"),
        ("We are on it. - team kopi", "We are on it. - team kopi"),
        ("We are on it.\n–Team  KOPI!", "We are on it.\n–Team  KOPI!"),
        ("We are on it. — Team Kopi ☕", "We are on it. — Team Kopi ☕"),
        (
            "We are on it. — Team Kopi\nhttps://help.kopi.example",
            "We are on it. — Team Kopi\nhttps://help.kopi.example",
        ),
        ("On it. — Team Kopi P.S. Thanks!", "On it. — Team Kopi P.S. Thanks!"),
        ("Ask the Steam Kopi", "Ask the Steam Kopi — Team Kopi"),
        ("The team Kopi sent is here.", "The team Kopi sent is here. — Team Kopi"),
        ("", ""),
        ("  \n", "  \n"),
    ],
)
def test_a_reply_is_signed_once(text, posted):
    """However its writer wrote the dash; a text without words is left alone."""
    assert signed(text, BRAND, VOICE) == posted
    assert signed(text, BRAND, MUTE) == signed(text, BRAND, None) == text


@pytest.mark.parametrize(
    ("signature", "text", "posted"),
    [
        ("Kopi", "Welcome to Kopi, all is well.", "Welcome to Kopi, all is well. Kopi"),
        ("Kopi", "All is well. Kopi.", "All is well. Kopi."),
        ("☕", "All is well.", "All is well. ☕"),
        ("☕", "All is well ☕", "All is well ☕"),
        ("ทีมงาน Kopi", "เรียบร้อยแล้วค่ะ", "เรียบร้อยแล้วค่ะ ทีมงาน Kopi"),
        ("ทีมงาน Kopi", "เรียบร้อยแล้วค่ะทีมงาน Kopi", "เรียบร้อยแล้วค่ะทีมงาน Kopi"),
        ("", "All is well.", "All is well."),
    ],
)
def test_any_signature_is_recognised(signature, text, posted):
    """The brand's bare name in a sentence is no signature; emoji and Thai may be one."""
    assert signed(text, replace(BRAND, signature=signature), VOICE) == posted


@given(st.text(max_size=60))
def test_a_signed_text_is_never_signed_again(text):
    """Whatever was written: twice is as once."""
    once = signed(text, BRAND, VOICE)

    assert signed(once, BRAND, VOICE) == once
    assert once.startswith(text.rstrip())
    assert has_signature(once, BRAND) or not text.strip()


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("calm down", "Please CALM\n down."),
        ("cafe", "Our Café is closed"),
        ("zażółć", "ZAZOLC gesla"),
        ("ใจเย็น", "ขอให้ใจเย็นนะคะ"),
        ("дурак", "Вы ДУРАК!"),
        ("غبي", "هذا غَبِيّ"),
        ("笨蛋", "你是笨蛋吗"),
        ("as per our policy", "As per our policy, no."),
        ("calm down", "ca\u200blm down"),
        ("calm down", "Calm\u200bdown"),
        ("calm down", "Ｃａｌｍ down"),
        ("calm down", "Calm\u00a0down"),
        ("valued customer", "Dear valued-customer!"),
        ("valued customer", "valued\u00adcustomer"),
        ("valued customer", "valued\u2011customer"),
        ("valued customer", "valued_customer"),
        ("state-of-the-art", "it is state of the art"),
        ("—", "so — no"),
        ("wiki.kopi.example", "see https://wiki.kopi.example/page"),
        ("-ish", "small-ish"),
    ],
)
def test_a_banned_word_is_found_in_any_script(word, text):
    """Capitals and accents do not matter, as in routes."""
    assert banned_in(text, with_ban(all=(word,))) == [word]


def test_a_banned_word_must_stand_alone():
    """ "cheap" is not in "cheapest", where a script writes spaces."""
    assert banned_in("the cheapest", with_ban(all=("cheap",))) == []
    assert banned_in("maybe, not a-part", with_ban(all=("may be", "apart"))) == []


def test_an_agents_text_is_held_against_every_language_and_a_template_against_its_own():
    """Nobody says what language an agent wrote in."""
    voice = with_ban(all=("damn",), en=("cheap",), pl=("tanio",))

    assert banned_in("damn cheap tanio", voice) == ["damn", "cheap", "tanio"]
    assert banned_in("damn cheap tanio", voice, ["en-gb"]) == ["damn", "cheap"]
    assert banned_in("damn cheap tanio", voice, ["th"]) == ["damn"]
    assert [one.rule for one in objections("so cheap", BRAND, voice)] == ["banned-word"]


def test_many_banned_words_in_a_long_text_cost_no_more_than_their_number():
    """The same bound as for the words of routes."""
    voice = with_ban(all=tuple(f"word{n}" for n in range(2_000)))
    start = time.process_time()

    assert banned_in("x word1999 " + "ab " * 7_000, voice) == ["word1999"]
    assert time.process_time() - start < 2


def test_a_thousand_banned_words_are_enough():
    """Each is looked for in every reply, at every load and before every sending."""
    with pytest.raises(MappingError, match="more than 1,000 words"):
        spoken("banned_words: {en: [" + ", ".join(f"w{n}" for n in range(1_001)) + "]}")


def spoken(voice: str, **files: str) -> Mapping:
    brands = base_files()["brands.yaml"].replace("name: Kopi", "name: Kopi\n    signature: — Team Kopi")
    given = {"brands.yaml": brands, "replies/kopi/voice.yaml": voice, **files}
    return load_files({**base_files(), **given}, NETWORKS)


def test_a_reply_without_its_signature_gets_it():
    """As an agent's text does; `{{ signature }}` in a file is as good."""
    for source in ("Hi, this is sorted.", "Hi, this is sorted. {{ signature }}"):
        mapping = spoken("signed: true", **{"replies/kopi/closing.en.txt.j2": source})
        assert render(mapping, "kopi", "closing", "en", Words()).text == "Hi, this is sorted. — Team Kopi"


def test_agents_are_told_how_the_brand_speaks():
    """Tone, length and that they need not sign; nothing for a brand without a voice."""
    mapping = spoken("tone: [Warm., No jargon.]\ntarget_length: 280\nsigned: true")

    assert hints("kopi", mapping) == [
        "Warm.",
        "No jargon.",
        "At most 280 characters, if you can.",
        'You need not sign: "— Team Kopi" is added.',
    ]
    assert hints("nobody", mapping) == hints("kopi", load_files(base_files(), NETWORKS)) == []


def test_a_reply_that_grows_with_its_brands_words_is_too_long():
    """Found at check time, with the brand's real signature."""
    brands = base_files()["brands.yaml"].replace("name: Kopi", f"name: Kopi\n    signature: {'x' * 3_000}")
    with pytest.raises(MappingError, match="template-too-long"):
        load_files({**base_files(), "brands.yaml": brands}, NETWORKS)


def test_length_is_counted_as_people_count():
    """Signs above a Thai letter belong to it."""
    assert visible_length("ที่นี่") == 2
    assert visible_length("naïve") == visible_length("nai\u0308ve") == 5
