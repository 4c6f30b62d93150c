"""The soak run: however long it takes, what it sends is signed a moment before, and it says what is wrong."""

from __future__ import annotations

import asyncio

import pytest

from tests.benchmarks import soak


def test_nothing_is_signed_long_before_it_is_sent(monkeypatch: pytest.MonkeyPatch):
    """A part of an hour, at one a second: the door would refuse what was signed five minutes ago."""
    signed: list[tuple[str, str, int]] = []

    def posts(url: str, _secret: str, mark: str, number: int) -> list[bytes]:
        signed.append((url, mark, number))
        return [b"a post"] * number

    async def knock(_url: str, requests: list[bytes], _rate: float, _began: float) -> list[float]:
        return [float(len(requests) - turn) for turn in range(len(requests))]

    monkeypatch.setattr(soak, "posts", posts)
    monkeypatch.setattr(soak, "knock", knock)
    at_door, at_floor = asyncio.run(soak.knock_at_both("door", "floor", "soak-1", 3601, 1.0))

    assert (len(at_door), len(at_floor)) == (3601, 3601)
    assert at_door == sorted(at_door)
    assert max(number for _, _, number in signed) <= 120
    assert len({(url, mark) for url, mark, _ in signed}) == len(signed)


@pytest.mark.parametrize(
    ("tickets", "cards", "doubled", "said"),
    [
        (100, 100, 0, []),
        (99, 100, 0, ["99 tickets, not 100"]),
        (100, 101, 1, ["101 cards, not 100", "1 doubled"]),
    ],
)
def test_what_is_missing_or_there_twice_is_said(tickets: int, cards: int, doubled: int, said: list[str]):
    """It ends with 1 for that, too."""
    assert soak.astray(100, {"tickets": tickets, "cards": cards, "doubled": doubled}) == said
