"""Words and phrases found in texts of every script."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.match import first_found, fold, tag_name


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The app CRASHED", "crashed"),
        ("it crashed.", "crashed"),
        ("(crash)", "crash"),
        ("log\nme  out", "log me out"),
        ("don’t like it", "don't"),
        ("Nie moge sie zalogowac", "nie mogę się zalogować"),
        ("ŻÓŁTY ROWER", "zolty rower"),
        ("cafe\u0301", "CAFÉ"),
        ("STRASSE", "straße"),
        ("ИСТЁК СРОК", "истек"),
        ("แอปเด้งทุกครั้งเลย", "เด้ง"),
        ("แอปcrashตลอด", "crash"),
        ("アプリが落ちる", "落ちる"),
        ("النِّظام معطل", "النظام"),
        ("ｃｒａｓｈ", "crash"),
        ("𝔍ava", "java"),
        ("#crash", "#crash"),
    ],
)
def test_a_word_is_found_whatever_its_case_accents_and_script(text, word):
    """As a reader would find it."""
    assert first_found(fold(text), [word]) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("I am happy", "app"),
        ("crashes", "crash"),
        ("my_crash", "crash"),
        ("log me outside", "log me out"),
        ("กา", "กี"),  # another vowel is another word
        ("anything", ""),
        ("anything", "\u0301"),
    ],
)
def test_a_word_inside_another_word_is_not_found(text, word):
    """Where a script puts spaces between words, a word stands alone."""
    assert first_found(fold(text), [word]) is None


def test_the_first_word_of_the_list_that_stands_in_the_text_is_named():
    """In the list's order, not the text's."""
    assert first_found(fold("a crash, then an error"), ["none", "error", "crash"]) == "error"


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("Technical Issue", "technical-issue"),
        ("  SALES_lead! ", "sales-lead"),
        ("crisis", "crisis"),
        ("ปัญหาเทคนิค", "ปัญหาเทคนิค"),
        ("!!", ""),
    ],
)
def test_a_tools_tag_has_one_name_in_mapping_files(tag, name):
    """However the tool writes it."""
    assert tag_name(tag) == name


@given(st.text())
def test_a_text_contains_itself_word_by_word(text):
    """Folding both sides alike loses nothing that was there."""
    words = fold(text).split()

    assert all(first_found(fold(text), [word]) for word in words)


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "ab " * 70_000, "\u0e48\u0e38" * 100_000, "\u0301\u0323" * 100_000]
)
def test_a_hostile_text_costs_no_more_than_its_length(text):
    """No text makes the search slow."""
    started = time.process_time()
    first_found(fold(text), ["a" * 50, "ab ab ab x", "crash"] * 10)

    assert time.process_time() - started < 1


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_letters_are_folded_as_all_others_are(text):
    """They take a shorter way, to the same end."""
    assert fold(f"{text} é") == f"{fold(text)} e".strip()
