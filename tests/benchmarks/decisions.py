"""Decisions a second, by the number of routes.

    python -m tests.benchmarks.decisions

The starter's brands and queues, with routes over tags, networks, accounts and words beside each
other; posts that the last routes take, or none. Prints the rate for each size in one process on
one core, and how the cost of a decision grows. Exits 1 below 50,000 a second at 1,000 routes.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from bridge.core.message import Author, SocialMessage
from bridge.networks import NETWORKS
from bridge.routing.decide import decide
from bridge.routing.load import load
from bridge.routing.model import Condition, Mapping, Place, Route

STARTER = Path(__file__).parents[2] / "mappings"
SIZES = (10, 100, 1_000, 10_000)
DECISIONS = 20_000
WANTED = 50_000
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def mapping_of(starter: Mapping, size: int) -> Mapping:
    """*starter* with *size* routes in the place of its own."""
    conditions = (
        lambda number: Condition(tags=(f"tag-{number}",)),
        lambda number: Condition(tags=(f"tag-{number}",), networks=("mastodon",), no_tags=("spam",)),
        lambda number: Condition(all_tags=(f"tag-{number}", "sales-lead"), accounts=("kopi-plaza",)),
        lambda number: Condition(words=(f"word{number}", f"phrase number{number}"), languages=("en",)),
    )
    routes = (
        Route(f"r{number}", make(number), "support-technical", Place("mappings/routes/x.yaml", number + 1))
        for number, make in islice(enumerate(cycle(conditions)), size)
    )
    return replace(starter, routes=tuple(routes))


def posts(size: int) -> list[SocialMessage]:
    said = (
        ("Nothing works since the update of yesterday, and nobody answers", f"tag-{size - size % 4 - 4}"),
        ("Every hour the same again, with the newest version of all", f"tag-{size - size % 4 - 3}"),
        (f"I was told that word{size - size % 4 - 1} is sold out", "sales-lead"),
        ("Good morning from a small and rainy island", "praise"),
    )
    return [
        SocialMessage(
            network="mastodon",
            id="x",
            account="kopi-mastodon",
            author=Author("a1", "@anna@social.example", "Anna"),
            text=text,
            posted_at=NOON,
            language="en",
            tags=frozenset({tag}),
        )
        for text, tag in said
    ]


def rate(mapping: Mapping, some: list[SocialMessage]) -> float:
    for post in some:
        decide(post, mapping, NOON)
    began = time.process_time()
    for post in islice(cycle(some), DECISIONS):
        decide(post, mapping, NOON)
    return DECISIONS / (time.process_time() - began)


def main() -> None:
    starter = load(STARTER, NETWORKS)
    found = {size: max(rate(mapping_of(starter, size), posts(size)) for _ in range(3)) for size in SIZES}
    for size, each in found.items():
        print(f"{size:>6,} routes  {each:>9,.0f} decisions/s  {found[SIZES[0]] / each:5.2f} times the cost")
    sys.exit(found[1_000] < WANTED)


if __name__ == "__main__":
    main()
