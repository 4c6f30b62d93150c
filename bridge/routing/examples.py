"""The examples that admins write into routes are tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bridge.core.message import Author, SocialMessage
from bridge.errors import Fault
from bridge.routing.decide import decide
from bridge.routing.model import AccountEntry, Example, Mapping, Route
from bridge.routing.shape import FALLBACK

SOME_MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""Routes ask nothing of the time, so any will do."""


def run(mapping: Mapping) -> list[Fault]:
    """A fault for each example that does not take the route that it expects."""
    return [
        fault
        for route in mapping.routes
        for example in route.examples
        if (fault := _try(example, route, mapping)) is not None
    ]


def _try(example: Example, route: Route, mapping: Mapping) -> Fault | None:
    account = _account(example, route, mapping)
    if account is None:
        return _fault(
            example, "no account fits what this example says of brand, network, account", "example-unplaced"
        )
    message = example_message(example, account)
    if not any(other.when.languages for other in mapping.routes):
        # Nobody asks for it here, and telling a text's language takes a model of 90 MB.
        brand = mapping.brands[mapping.account_brand[account.key]]
        message = replace(message, language=message.language or brand.languages[0])
    decision = decide(message, mapping, SOME_MOMENT)
    if decision.route == example.expect:
        return None
    took, expected = decision.route or FALLBACK, example.expect or FALLBACK
    tags = ", ".join(sorted(decision.tags)) or "no tags"
    text = example.text if len(example.text) <= 40 else example.text[:39] + "…"
    said = f'example "{text}" ({tags}) takes {took}, not {expected}'
    return _fault(example, said, "example-mismatch")


def example_message(example: Example, account: AccountEntry) -> SocialMessage:
    """*example* as if it had come in on *account*."""
    return SocialMessage(
        network=account.network,
        id="example",
        account=account.key,
        author=Author(id="example", handle="@example"),
        text=example.text,
        posted_at=SOME_MOMENT,
        language=example.language,
        tags=frozenset(example.tags),
    )


def _account(example: Example, route: Route, mapping: Mapping) -> AccountEntry | None:
    """The first account that fits what the example says, and, where it says nothing, its route."""
    when = route.when
    accounts = [example.account] if example.account else when.accounts
    brands = [example.brand] if example.brand else when.brands
    networks = [example.network] if example.network else when.networks
    for key, brand in mapping.account_brand.items():
        entry = mapping.accounts[key]
        fits = (key, accounts), (brand, brands), (entry.network, networks)
        if all(not wanted or value in wanted for value, wanted in fits):
            return entry
    return None


def _fault(example: Example, message: str, rule: str) -> Fault:
    place = example.place
    return Fault(place.file, place.line, place.column, message, rule)
