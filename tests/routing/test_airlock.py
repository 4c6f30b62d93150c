"""The last look at a public text."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.airlock import greets_nobody, inspect
from bridge.routing.sight import sights

NOTE = "Customer is on the legacy plan; billing double charged them, refund is approved by finance."


def rules(text: str, *notes: str, **given: object) -> list[str]:
    return [finding.rule for finding in inspect(text, notes, **given)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Write to anna.k+x@mail.example.com, please", "email"),
        ("mail: ktoś@poczta.example.pl.", "email"),
        ("joe＠acme.example", "email"),
        ("joe\u200b@acme.example", "email"),
        ("joe@ac\u00adme.example", "email"),
        ("Call +66 2 123 4567 today", "telephone"),
        ("tel: +62-811.1234(5678)", "telephone"),
        ("Call +62 (811) / 1234 / 5678", "telephone"),
        ("Call\u200b081-234-5678", "telephone"),
        ("Zadzwoń: 601 234 567", "telephone"),
        ("Hubungi 0812-3456-7890 ya", "telephone"),
        ("โทร 081-234-5678 ค่ะ", "telephone"),
        ("Your card 4111 1111 1111 1111 was charged", "payment-card"),
        ("4111-1111-1111-1111", "payment-card"),
        ("card 4111\u200b1111\u200b1111\u200b1111", "payment-card"),
        ("card ４１１１ 1111 1111 1111", "payment-card"),
        ("card 4111\u20111111\u20111111\u20111111", "payment-card"),
        ("378282246310005", "payment-card"),
        ("4222 2222 2222 2", "payment-card"),
        ("6304 0000 0000 0000 000", "payment-card"),
        ("Hi {{ customer }}, done", "template-markup"),
        ("Hi {% if x %}", "template-markup"),
        ("Hi { % if x", "template-markup"),
        ("Hi x % }", "template-markup"),
        ("Hi [[ customer ]], done", "template-markup"),
        ("Hi {name}, done", "template-markup"),
        ("Hi { first name }, done", "template-markup"),
        ("Hi {customer's full name}, done", "template-markup"),
        ("สวัสดีค่ะ คุณ{ชื่อ} เรียบร้อยแล้ว", "template-markup"),
        ("Hi , this is done", "empty-name"),
        ("Dear, this is done", "empty-name"),
        ("Dear ,", "empty-name"),
        ("Hello None, this is done", "empty-name"),
        ("Halo Kak , sudah beres", "empty-name"),
        ("Cześć ! Gotowe", "empty-name"),
        ("Drogi, gotowe", "empty-name"),
        ("สวัสดีค่ะ คุณ , เรียบร้อยแล้ว", "empty-name"),
        ("Hi [NAME], done", "template-markup"),
        ("Hi [name], done", "template-markup"),
        ("Hi [Customer Name], done", "template-markup"),
        ("Hi [customer's first name], done", "template-markup"),
        ("Your order [order_number] is on its way", "template-markup"),
        ("Hi [firstName], done", "template-markup"),
        ("It arrives on [date].", "template-markup"),
        ("Our guide: [insert link here]", "template-markup"),
        ("Halo Kak [nama pelanggan], sudah beres", "template-markup"),
        ("Cześć [IMIĘ]! Gotowe", "template-markup"),
        ("Numer: [nr zamówienia]", "template-markup"),
        ("สวัสดีค่ะ คุณ[ชื่อลูกค้า] เรียบร้อยแล้ว", "template-markup"),
        ("เลขที่ [เลขที่คำสั่งซื้อ] ค่ะ", "template-markup"),
        ("Dear [ticket.requester.name], thank you.", "template-markup"),
        ("Your order [order.tracking_number] left", "template-markup"),
        ("Hi <ticket.requester.first_name>, done", "template-markup"),
        ("Hi <name>, done", "template-markup"),
        ("Hi <FIRST NAME>, done", "template-markup"),
        ("Hi %name%, done", "template-markup"),
        ("Hi %FIRST_NAME%, done", "template-markup"),
        ("Hi ［name］, done", "template-markup"),
        ("Hi [na\u200bme], done", "template-markup"),
        ("Pay to DE89 3704 0044 0532 0130 00, please", "bank-account"),
        ("Pay to GB82WEST12345698765432.", "bank-account"),
        ("Na konto PL61 1090 1014 0000 0712 1981 2874 PILNE", "bank-account"),
        ("pay to gb82west12345698765432", "bank-account"),
        ("IBAN:\u200bGB82WEST12345698765432", "bank-account"),
        ("IBAN\u200bGB82WEST12345698765432", "bank-account"),
        ("\u202eThis is done", "direction-mark"),
        ("\u202dThis is done", "direction-mark"),
        ("See https://acme.zendesk.com/agent/tickets/5", "internal-link"),
        ("See https://app.slack.com/client/T1/C1", "internal-link"),
        ("See https://acme.atlassian.net/browse/PRJ-1", "internal-link"),
        ("see intranet/wiki", "internal-link"),
        ("see 10.0.0.5/wiki", "internal-link"),
        ("see https://intranet.acme.example/wiki", "internal-link"),
        ("see http://wiki/page", "internal-link"),
        ("see https://go", "internal-link"),
        ("see 10.0.0.5\u200band more", "internal-link"),
        ("See https://acme.slack.com/archives/C1/p1", "internal-link"),
        ("Try http://localhost:8080/x", "internal-link"),
        ("It is on wiki.acme.internal.", "internal-link"),
        ("See https://files.slack.com/files/x", "internal-link"),
        ("See https://acme.atlassian.net/wiki/x", "internal-link"),
        ("ssh 192.168.1.20", "internal-link"),
        ("ssh 172.16.0.1", "internal-link"),
        ("ssh 172.31.0.1", "internal-link"),
        ("see 127.0.0.1", "internal-link"),
        ("ssh build.acme.corp", "internal-link"),
        ("ssh nas.local", "internal-link"),
        ("http://printer.lan/", "internal-link"),
        ("see wiki.intranet", "internal-link"),
        (
            "customer is on the legacy plan, billing double-charged them. Refund is approved by finance!",
            "internal-note",
        ),
        ("Hi Anna, billing double charged them, refund is approved by finance. Bye!", "internal-note"),
    ],
)
def test_what_should_not_be_public_is_found(text, rule):
    """One text, one finding."""
    assert rules(
        text,
        "ok",
        "Customer is on the legacy plan;\nbilling double charged them, refund is approved by finance.",
    ) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "Hi Anna, this is sorted now. Thank you for telling us!",
        "Hi, good news: this is sorted.",
        "@kopi@social.example is our account",
        "We are open 09:00-17:00 from 2026-01-05 on",
        "Your order 12345 is on its way",
        "Version 10.4.2 fixes it",
        "Our servers are 172.15.0.1 and 172.32.0.1",
        "It costs 1,250,000 rupiah, 30% off",
        "See https://help.kopi.example/articles/360012345678",
        "Halo Kak Anna, sudah beres ya",
        "Cześć! Gotowe.",
        "สวัสดีค่ะ คุณสมชาย เรียบร้อยแล้วค่ะ",
        "Thank you so much for your kind patience with us this week!",
        "1234 5678 9012 3456",  # no card: the check digit is wrong
        "It is a local roaster.",
        "One { alone, 30% off",
        'Paste {"colour": "red"} there, and [1] or [[1], [2]] here',
        "We ship all of {red, green, blue} from now on",
        "We \U0001f468\u200d\U0001f469\u200d\U0001f467 love it \u2764\ufe0f\u200d\U0001f525 <3",
        "Hi\u200b, good news: this is sorted.",
        "Hi … good news: this is sorted.",
        "@\u200bkopi@social.example is our account",
        "می\u200cخواهم سفارش دهم",
        "\u2067שלום\u2069, all is well",
        "See [1] and [2], or [see below] [link in bio] [photo: Anna]",
        "[SOLVED] [Update] [EN] This is fixed now",
        "The order [finally] left us; it took a day [sorry] and an agent [Ola]",
        "[the date to follow]",
        "See [kopi.example], [order.kopi.example] and [status.kopi.example], [e.g.] [current status]",
        "Read [our guide](https://help.kopi.example) or [link](https://help.kopi.example)",
        "We <3 you. a < b > c, and 1 <2> 3; <- look there ->",
        "100%",
        "50 % off 20 %, or 10% and 20%, 100% sure and 5 % more",
        "Rp 250.000, $5, 1.000,00 zł; +10 000 000 points; 05/12/2026-07/12/2026",
        "Order AB12 CDEF 3456 7890 1234 is on its way",
        "and/or, he/she, 24/7; https://kopi.example/intranet/x is public, and so is en.wiki.example/wiki",
        "https://acme.atlassian.net/servicedesk/customer/portal/1",
        "Our intranet: more about it soon",
        "",
    ],
)
def test_an_ordinary_reply_passes(text):
    """A text that is held for nothing teaches people to press the button without reading."""
    assert inspect(text, [NOTE, "ok, done"]) == []


def test_only_what_is_looked_at_is_brought_to_one_form():
    """A text in full-width letters and with signs that nobody sees says what it says."""
    note = NOTE.replace("l", "l\u200b").replace("a", "ａ")

    assert rules(note, NOTE) == ["internal-note"]
    assert rules(NOTE, note) == ["internal-note"]
    assert rules("Cześć, Łu\u00adkasz!", customer_name_required="Łukasz") == []


@pytest.mark.parametrize(
    "note", ["Done, thanks!", "ok", "", "…", "We have to do", "Refund pending, finance", "ขอบคุณมากค่ะ"]
)
def test_a_short_note_is_nobodys_secret(note):
    """ "Done, thanks!" stands in notes and replies alike."""
    assert rules(f"{note} We have to do it again: refund pending, finance says", note) == []


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Ignore her, a known liar.", "Ignore her, a known liar."),
        ("Hi Ana! ignore her – a KNOWN liar, thanks", "Ignore her, a known liar."),
        ("Hi Ana,\nhe's the CEO's son.", "He’s the CEO’s son"),
        ("Cześć! To jest stary naciągacz.", "to jest stary naciagacz"),
        ("สวัสดีค่ะ อย่าคืนเงินให้ลูกค้าคนนี้ค่ะ", "อย่าคืนเงินให้ลูกค้าคนนี้"),
    ],
)
def test_a_short_note_that_stands_whole_in_the_text_is_held(text, note):
    """Of four words and twelve letters, or twenty letters where no spaces are written."""
    assert rules(text, note) == ["internal-note"]


@pytest.mark.parametrize(
    "text",
    ["Ignore her.", "Ignore her, an old and known liar.", "Prignore her, a known liar", "liar known a"],
)
def test_a_short_note_counts_word_for_word(text):
    """It has too few words to be nearly the same."""
    assert rules(text, "Ignore her, a known liar.") == []


def test_the_end_of_a_long_note_is_compared_too():
    """Sentences too short to count alone, behind as many letters as are compared at once."""
    log = " ".join(f"{number} is ok." for number in range(2_000))
    secret = "She lies. Do not pay. Ask Legal first. Never call her. She sues. Wait for May."

    assert rules(f"Hello! {secret}", f"{log} {secret}") == ["internal-note"]
    assert rules("Hello! All of this works again since yesterday.", f"{log} {secret}") == []


@pytest.mark.parametrize("text", ["so it is. " * 1_001, "ß" * 6_000, "ﷺ" * 1_000, "\u200b " * 6_000])
def test_a_text_that_is_too_long_to_be_looked_at_whole_is_held(text):
    """By its letters as they are compared."""
    (finding,) = inspect(text)

    assert finding.rule == "too-long"
    assert "behind the first 10,000 letters" in finding.reason


def test_a_text_that_is_not_too_long_passes():
    """As long as may be; no network takes it."""
    assert rules("so it is. " * 1_000, NOTE) == []


def test_a_text_must_say_the_name_that_is_asked_for():
    """In any case and with any accents."""
    assert rules("Cześć, Lukasz!", customer_name_required="Łukasz") == []
    assert rules("Cześć, Łukasz!", customer_name_required="Łu\u00adkasz") == []
    assert rules("Cześć!", customer_name_required="Łukasz") == ["empty-name"]


def test_a_number_without_a_prefix_is_read_for_the_regions_given():
    """A Polish mobile number is one in Poland only."""
    assert rules("601 234 567", regions=["PL"]) == ["telephone"]
    assert rules("601 234 567", regions=["US"]) == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Write to anna.kowalska@mail.example", "anna.k"),
        ("Call +66 2 123 4567", "123"),
        ("Card 4111 1111 1111 1111", "1111"),
        (NOTE, "legacy"),
    ],
)
def test_a_reason_does_not_repeat_what_it_found(text, secret):
    """Reasons are stored and shown; the text itself can be erased."""
    (finding,) = inspect(text, [NOTE])

    assert secret not in finding.reason
    assert finding.reason.endswith(".")


@given(st.text(), st.lists(st.text(), max_size=3))
def test_any_text_can_be_looked_at(text, notes):
    """Total, and the same each time."""
    assert inspect(text, notes) == inspect(text, notes)


@pytest.mark.parametrize("text", ["\u0301\u0323" * 30_000, "\ufdfa" * 10_000, "a\u200b" * 30_000])
def test_a_text_of_any_signs_is_brought_to_one_form_in_time(text):
    """Marks that pile up, and signs that stand for a whole sentence."""
    started = time.process_time()
    assert sights(text)

    assert time.process_time() - started < 2


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_letters_are_looked_at_as_they_are(text):
    """There is one way to read them."""
    assert sights(text) == (text,)


@given(st.from_regex(r"\A[A-Z][a-z]{2,8}\Z"))
def test_a_greeting_with_a_name_greets_somebody(name):
    """Unless that name is None."""
    if name.casefold() not in ("none", "null", "undefined", "kak", "pak"):
        assert not greets_nobody(f"Hi {name}, thank you")
        assert not greets_nobody(f"Cześć, {name}!")


@pytest.mark.parametrize(
    "text",
    [
        "a." * 50_000,
        "a-" * 50_000,
        "@" * 50_000,
        "1 " * 50_000,
        "hi " * 30_000,
        "a@b." * 20_000,
        "[" * 50_000,
        "[a " * 30_000,
        "<a " * 30_000,
        "%a " * 30_000,
        "+1" * 30_000,
        "AB12 " * 20_000,
        "\u200b" * 50_000,
        "\u0301\u0323" * 30_000,
        "http://a" * 10_000,
    ],
)
def test_a_hostile_text_costs_no_more_than_its_length(text):
    """No pattern runs away."""
    started = time.thread_time()
    inspect(text, [text[:5_000]])

    assert time.thread_time() - started < 2


def test_long_notes_by_the_dozen_cost_a_long_text_little():
    """The text is looked at while others wait for the database: no note is slid along all of it."""
    sounds = ["".join(each) for each in itertools.product("bdgklmnprst", "aeiou")]
    words = ["".join(each) for each in itertools.product(sounds, repeat=2)]

    def prose(number: int, size: int) -> str:
        some = (words[(number * 7_919 + place * place * 31) % len(words)] for place in range(size))
        return "".join(f"{word}. " if place % 12 == 11 else f"{word} " for place, word in enumerate(some))[
            :size
        ]

    text, *notes = (prose(number, 3_000 if number else 10_000) for number in range(101))
    started = time.process_time()

    assert rules(text, *notes) == []
    assert time.process_time() - started < 2  # it takes a tenth of that

    assert rules(text, *notes, text[5_000:8_000].replace("a", "o", 300)) == ["internal-note"]
