"""Numbers of payment cards and bank accounts in a text, however their digits are grouped.

Whatever stands beside such a number (its date, its check number, an order's) hides it from nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SIGNS = r"[\s.,/_\-\u2012-\u2015]"
_GROUP = re.compile(rf"({_SIGNS}{{0,2}})(\d+)")

# https://en.wikipedia.org/wiki/Payment_card_number
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]|2[2-7])\d{14}"  # Mastercard, Mir; a year begins with 20
    r"|3[47]\d{13}"  # American Express
    r"|3[0689]\d{12}|3[05689]\d{14,17}"  # Diners Club, JCB
    r"|(?:5[0678]|6\d)\d{11,17}"  # Maestro, Discover, UnionPay, RuPay, GPN
)
_LONGEST_CARD = 19
_SHORTEST_GROUP = 4
_AS_PRINTED = frozenset({(4, 4, 4, 4), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 4), (4, 6, 5)})
"""How many digits the groups on cards have."""
_PLAIN = frozenset({" ", ".", "-", "\u2013"})
"""What may part groups of any size: with a comma, numbers of four digits and more are a list."""
# Cut into other groups, it has to be all there is: dates and amounts have such groups, too.
_CHOPPED = re.compile(r"(?<!\d)\d(?:[ .\-]?\d){12,18}(?!\d)")
# A page's number, as in …/articles/4408846544922; of 15 or 16 digits, it may be a card's.
_PAGE = re.compile(r"(?<=[a-z]/)(?:\d{13,14}|\d{17,19})(?!\d)")


def card_numbers(text: str) -> Iterator[str]:
    """The digits of each number in *text* that has a card's beginning, length and check digit."""
    text = _PAGE.sub("x", text)
    found = False
    groups: list[tuple[str, str]] = []
    end = -1
    for match in _GROUP.finditer(text):
        between, digits = match.groups()
        if match.start() != end or len(digits) > _LONGEST_CARD:
            groups.clear()
        end = match.end()
        groups.append((between, _ascii(digits)))
        number = _ends_with_card(groups)
        if number:
            found = True
            groups.clear()
            yield number
    if not found:
        chopped = (re.sub(r"\D", "", match[0]) for match in _CHOPPED.finditer(text))
        yield from filter(_is_card, map(_ascii, chopped))


def _ends_with_card(groups: list[tuple[str, str]]) -> str | None:
    """The card's number that the last of *groups*, (what is before it, its digits), are together."""
    number, plain = "", True
    sizes: tuple[int, ...] = ()
    for between, digits in reversed(groups):
        if sizes and len(digits) < _SHORTEST_GROUP:
            break
        number = digits + number
        if len(number) > _LONGEST_CARD:
            break
        sizes = (len(digits), *sizes)
        if (plain or sizes in _AS_PRINTED) and _is_card(number):
            return number
        plain = plain and between in _PLAIN
    return None


def _ascii(digits: str) -> str:
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)


def _is_card(number: str) -> bool:
    """By its beginning and length, and by https://en.wikipedia.org/wiki/Luhn_algorithm."""
    if not _CARD.fullmatch(number):
        return False
    digits = [int(digit) for digit in number]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


# By fours, or in one piece: https://en.wikipedia.org/wiki/International_Bank_Account_Number
# Looked for from each word on: "at 12 PL61 1090 …" begins like one, and its own begins later.
_ALNUM = "[A-Za-z0-9]"
_IBAN = re.compile(
    rf"(?<!{_ALNUM})(?=([A-Za-z]{{2}}{_SIGNS}{{0,2}}[0-9]{{2}}(?:{_SIGNS}{{0,2}}{_ALNUM}{{4}}){{2,7}}"
    rf"(?:{_SIGNS}{{0,2}}{_ALNUM}{{1,4}})?)(?!{_ALNUM}))"
)
_BETWEEN = re.compile(f"{_SIGNS}+")
_HEAD = 4
_SHORTEST_IBAN, _LONGEST_IBAN = 15, 34
_FEWEST_DIGITS = 8
"""Fewer are in no account, and keep words of four letters from being one."""


def account_countries(text: str) -> Iterator[str]:
    """The country (two capitals) of each bank account number in *text* whose check digits are right."""
    for match in _IBAN.finditer(text):
        if _begins_with_iban(_BETWEEN.split(match[1])):
            yield match[1][:2].upper()


def _begins_with_iban(groups: list[str]) -> bool:
    """Whether the first of *groups* are one; a word behind it looks like one more group."""
    written, ends = "", set()
    for group in groups:
        written += group
        ends.add(len(written))
    head = int("".join(str(int(letter, 36)) for letter in written[:_HEAD]))
    rest, digits = 0, 2
    for size, letter in enumerate(written[_HEAD:_LONGEST_IBAN], _HEAD + 1):
        value = int(letter, 36)
        rest = (rest * (10 if value < 10 else 100) + value) % 97
        digits += value < 10
        whole = size in ends and size >= _SHORTEST_IBAN and digits >= _FEWEST_DIGITS
        if whole and (rest * 1_000_000 + head) % 97 == 1:
            return True
    return False
