"""The examples that admins write into routes are tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bridge.core.message import Author, MessageKind, Sentiment, Severity, SocialMessage, Visibility
from bridge.routing.decide import choose
from bridge.routing.model import AccountEntry, Condition, Example, Mapping, Route
from bridge.routing.nodes import Report, Spot
from bridge.routing.shape import FALLBACK, NO_CASE

MONDAY_MORNING = datetime(2026, 1, 5, 10, 0)  # noqa: DTZ001 - the brand's own time
"""When an example was written that does not say when."""

UNTAGGED = 'has no tag, so no case is opened: give it "tags:"'

_ANYTHING = Condition()


def run(mapping: Mapping, report: Report, sure: int | None = None) -> None:
    """Report each example that does not take the route that it expects, and names that examples need.

    *sure* says how many routes stand before the first that could not be read (None:
    all could). What none of these takes is left open, since the unread one might take it.
    """
    known = replace(mapping, routes=mapping.routes[:sure])
    # Where nobody asks for it, it is not told: that takes a model of 90 MB.
    tells = any(route.when.languages for route in known.routes)
    for route in mapping.routes:
        if route.name == NO_CASE:
            # Here, not where routes are read: a version that has served may have such a route.
            at = Spot(route.place.file, route.place.line, route.place.column)
            report.add(at, "bad-name", f'"{NO_CASE}" is what examples call "no case is opened"')
        for example in route.examples:
            if not _in_doubt(example, route, mapping):
                _try(example, route, known, report, whole=sure is None, tells_language=tells)


def _try(
    example: Example, route: Route, mapping: Mapping, report: Report, *, whole: bool, tells_language: bool
) -> None:
    spot = Spot(example.place.file, example.place.line, example.place.column)
    account = account_of(example, mapping, route.when)
    if account is None:
        said = "no account fits what this example says of brand, network, account"
        report.add(spot, "example-unplaced", said)
        return
    message = example_message(example, account, mapping.brands[mapping.account_brand[account.key]].zone)
    if not tells_language:
        brand = mapping.brands[mapping.account_brand[account.key]]
        message = replace(message, language=message.language or brand.languages[0])
    taken, seen = choose(message, mapping, message.posted_at)
    text = example.text if len(example.text) <= 40 else example.text[:39] + "…"
    if not seen:
        if example.expect != NO_CASE:
            report.add(spot, "example-mismatch", f'example "{text}" {UNTAGGED}, or expect {NO_CASE}')
        return
    if taken == example.expect or (taken is None and not whole):
        return
    took, expected = taken or FALLBACK, example.expect or FALLBACK
    tags = ", ".join(sorted(seen))
    report.add(spot, "example-mismatch", f'example "{text}" ({tags}) takes {took}, not {expected}')


def example_message(example: Example, account: AccountEntry, zone: str) -> SocialMessage:
    """*example* as if it had come in on *account*, of a brand whose time is that of *zone*."""
    handle = example.author or "@example"
    message = SocialMessage(
        network=account.network,
        id="example",
        account=account.key,
        author=Author(id=handle, handle=handle, followers=example.followers),
        text=example.text,
        posted_at=(example.at or MONDAY_MORNING).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC),
        language=example.language,
        tags=frozenset(example.tags),
    )
    return described(message, example.kind, example.severity, example.sentiment)


def described(
    message: SocialMessage, kind: str | None, severity: str | None, sentiment: str | None
) -> SocialMessage:
    """*message* as these words of the files describe it; one whose kind is left out is public."""
    said = MessageKind(kind or MessageKind.PUBLIC)
    return replace(
        message,
        kind=said,
        visibility=visibility_of(said),
        severity=Severity(severity) if severity else None,
        sentiment=Sentiment(sentiment) if sentiment else None,
    )


def visibility_of(kind: MessageKind) -> Visibility:
    """Who can read a message of which only the *kind* is told."""
    return Visibility.DIRECT if kind is MessageKind.DIRECT else Visibility.PUBLIC


def account_of(example: Example, mapping: Mapping, when: Condition = _ANYTHING) -> AccountEntry | None:
    """The first account that fits what the example says, and, where it says nothing, its route's *when*."""
    networks = [example.network] if example.network else when.networks
    for key in _candidates(example, when, mapping):
        entry = mapping.accounts[key]
        if not networks or entry.network in networks:
            return entry
    return None


def _in_doubt(example: Example, route: Route, mapping: Mapping) -> bool:
    """Whether an account that the example may be about could not be read."""
    return any(key not in mapping.accounts for key in _candidates(example, route.when, mapping))


def _candidates(example: Example, when: Condition, mapping: Mapping) -> list[str]:
    accounts = [example.account] if example.account else when.accounts
    brands = [example.brand] if example.brand else when.brands
    return [
        key
        for key, brand in mapping.account_brand.items()
        if (not accounts or key in accounts) and (not brands or brand in brands)
    ]
