"""Whether a text is nearly in another: what sliding it along would find, without sliding it everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rapidfuzz import process
from rapidfuzz.distance import LCSseq

_STRETCH = 3
"""Places looked at together, in lengths of the shorter text: of more, too many have to be looked at again."""


def is_nearly_in(one: str, other: str, least: float) -> bool:
    """Whether the shorter text is like a part of the longer one that is as long, or shorter at an end of it.

    Likeness is 0 to 1, and *least* is more than 0: of all letters of both, how many are in
    both in the same order. The same answer as rapidfuzz's ``partial_ratio``, whose time grows
    with the cube of the length; here most of what is unlike is told from a few comparisons.
    """
    short, long = sorted((one, other), key=len)
    # Of two that are as long, a part of either may be in the other.
    return _slides(short, long, least) or (len(short) == len(long) and _slides(long, short, least))


def _slides(short: str, long: str, least: float) -> bool:
    if not short:
        return False
    ahead = list(_stretches(short, long, least))
    while ahead:
        first, last = ahead.pop()
        # What all parts of a stretch together do not have, none of them has.
        together = long[max(first, 0) : last + len(short)]
        fewest = min(_fewest(short, len(long), place, least) for place in (first, last))
        if not LCSseq.similarity(short, together, score_cutoff=fewest):
            continue
        if first == last:
            return True
        middle = (first + last) // 2
        ahead += [(first, middle), (middle + 1, last)]
    return False


def _stretches(short: str, long: str, least: float) -> Iterator[tuple[int, int]]:
    """The first and last place of each stretch of *long* where *short* may be.

    A place is where *short* begins; what is before *long* or behind it is no part of it.
    """
    size, end = len(short), len(long) - len(short)
    # So far it can stand out: of a part that is shorter still, not even each letter would be enough.
    out = math.floor(size * (1 - least / (2 - least)) + 1e-9)
    yield -out, 0
    yield end, end + out
    step = _STRETCH * size
    firsts = range(0, end + 1, step)
    # In one call: most texts have nothing to do with each other, and this is all that is done.
    found = process.extract(
        short,
        [long[first : first + step - 1 + size] for first in firsts],
        scorer=LCSseq.similarity,
        score_cutoff=_fewest(short, len(long), 0, least),
        limit=None,
    )
    for _, _, number in found:
        yield firsts[number], min(firsts[number] + step - 1, end)


def _fewest(short: str, end: int, place: int, least: float) -> int:
    """How many letters of *short* must be in the part at *place* of a text that ends at *end*."""
    length = min(place + len(short), end) - max(place, 0)
    return math.ceil(least * (len(short) + length) / 2 - 1e-9)
