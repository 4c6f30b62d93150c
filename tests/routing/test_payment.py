"""Payment cards and bank accounts, whatever stands beside their numbers and parts them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.airlock import inspect
from bridge.routing.payment import account_countries, card_numbers

CARD = "4111111111111111"


def rules(text: str) -> list[str]:
    return [finding.rule for finding in inspect(text)]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 12/27",
        "4111 1111 1111 1111 123",
        "4111111111111111 12/27",
        "4111111111111111\u200b12/27",
        "3782 822463 10005 12/27",
        "3056 930902 5904",
        "5500005555555559 09 28",
        "41111111 11111111 12/27",
        "Order 7 4111 1111 1111 1111",
        "2026 4111 1111 1111 1111",
        "2026-05-01 4111 1111 1111 1111 09-17",
        "081 4111 1111 1111 1111 081",
        "4111\u20131111\u20131111\u20131111",
        "4111/1111/1111/1111",
        "4111_1111_1111_1111",
        "4111,1111,1111,1111",
        "4111, 1111, 1111, 1111",
        "4111  1111  1111  1111",
        "4111\n1111\n1111\r\n1111",
        "4111 1111-1111.1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "๔๑๑๑ ๑๑๑๑ ๑๑๑๑ ๑๑๑๑",
        "Visa4111111111111111.",
        "https://pay.example/card/4111111111111111",
    ],
)
def test_a_card_is_seen_beside_other_numbers_and_in_any_grouping(text):
    """Its date, its check number, an order's; and signs of many kinds."""
    assert rules(text) == ["payment-card"]


@pytest.mark.parametrize(
    "number",
    [
        "4222222222222", "5555555555554444", "2223003122003222", "371449635398431", "38520000023237",
        "6011111111111117", "3530111333300000", "6759649826438453", "6304000000000000000", "6200000000000005",
    ],
)  # fmt: skip
def test_cards_of_every_kind_are_known(number):
    """Each scheme has its beginnings and lengths."""
    assert list(card_numbers(number)) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 12/27",  # the check digit is wrong
        "0000 0000 0000 0000",
        "1111 1111 1111 1117",
        "Open 2026-07-12 14:30-16:30, 2026-07-13/2026-08-15, 30/04/2026-30/05/2026",
        "Years 2019, 2020, 2021, 2022, 2023",
        "Rp 4.500.000-5.250.000, Rp 450.000, 525.000, 600.000",
        "$4,500, $5,250, $6,100, $7,300",
        "52.229676, 21.012229",
        "Orders 41111111, 11111111",  # with a comma: a list
        "See https://help.kopi.example/articles/4222222222222-Lids",
        "See https://social.example/@kopi/6304000000000000000",
        "Tracking 00 5900 7731 2345 6789 01",
        "41111111111111111111",
        "4111 1111 --- 1111 1111",
    ],
)
def test_other_numbers_are_no_cards(text):
    """Dates, amounts, places, pages, parcels and lists."""
    assert rules(text) == []


@given(st.integers(0, 9999), st.sampled_from([" ", "-", ".", " / ", ", ", "\n"]), st.integers(0, 99999))
def test_no_number_hides_a_card(before, sign, behind):
    """Neither before it nor behind it."""
    assert CARD in list(card_numbers(f"{before}{sign}{CARD}{sign}{behind}"))


@pytest.mark.parametrize(
    "text",
    [
        "pl61 1090 1014 0000 0712 1981 2874",
        "Pl61 1090 1014 0000 0712 1981 2874",
        "PL61.1090.1014.0000.0712.1981.2874",
        "PL61  1090  1014  0000  0712  1981  2874",
        "PL61 1090 1014 0000\n0712 1981 2874",
        "PL 61 1090 1014 0000 0712 1981 2874",
        "PL61-1090-1014-0000-0712-1981-2874",
        "at 12 pl61 1090 1014 0000 0712 1981 2874 with love",
        "de89 3704 0044 0532 0130 00 that was all",
        "gb82 west 1234 5698 7654 32",
        "Gb82West12345698765432",
        "บัญชGB82WEST12345698765432",
    ],
)
def test_an_account_is_seen_in_any_case_and_grouping(text):
    """By its check digits. A line of it may look like a telephone number besides."""
    assert rules(text)[0] == "bank-account"


@pytest.mark.parametrize(
    "text",
    [
        "pl62 1090 1014 0000 0712 1981 2874",
        "In 20 days your next pack will come with more than that from them",
        "Order ab12 cdef 3456 7890 1234 is on its way",
    ],
)
def test_what_only_begins_like_an_account_is_none(text):
    """Wrong check digits, and words of four letters."""
    assert rules(text) == []


def test_a_country_is_named_in_capitals():
    """However it was written."""
    assert list(account_countries("pl61 1090 1014 0000 0712 1981 2874")) == ["PL"]


@pytest.mark.parametrize(
    "part", ["4", "1 ", "4111 ", "4111, ", "41111111 ", "AB12 ", "ab12.", "aa", "pl61 1090 ", "/", "a/4", "๔"]
)
def test_no_text_takes_long(part):
    """Fifty thousand letters of anything."""
    text = part * (50_000 // len(part))
    started = time.thread_time()
    list(card_numbers(text))
    list(account_countries(text))

    assert time.thread_time() - started < 1  # it takes a tenth of that
