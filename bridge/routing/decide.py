"""What should happen to a message: the first route whose conditions all hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.core.message import SocialMessage
from bridge.routing.index import facts as index_facts
from bridge.routing.language import chain, speaks, spoken
from bridge.routing.match import Tokens, first_found, fold, tag_name, tokens
from bridge.routing.model import (
    CLOSED,
    OPEN,
    Brand,
    Calendar,
    Condition,
    Considered,
    Decision,
    Mapping,
    Route,
    Tested,
    Vip,
)
from bridge.routing.promise import is_open, promise_end

NO_ROUTE = "no route"
UNKNOWN = "unknown"
"""What a message has where nobody told; no condition on it holds."""


def decide(message: SocialMessage, mapping: Mapping, at: datetime) -> Decision:
    """Say what should happen to *message*, and why.

    The first route whose conditions all hold wins. A message that no route
    claims goes to the fallback queue with the reason "no route". The promise
    counts from the post's own time, or from *at* if that time is still to come;
    what routes ask of opening hours is asked of the same instant.

    Reads no clock and no database: the same message, mapping and time give the
    same answer tomorrow.
    """
    facts = _facts(message, mapping, at)
    return _decision(facts, mapping, route=_taken(facts, mapping))


def consider(message: SocialMessage, mapping: Mapping, at: datetime) -> tuple[Considered, ...]:
    """Every route up to the one that takes *message*, with each of its conditions held against it."""
    facts = _facts(message, mapping, at)
    considered: list[Considered] = []
    for route in mapping.routes:
        tested = tuple(_test(route.when, facts))
        holds = all(test.holds for test in tested)
        considered.append(Considered(route.name, route.place, holds, tested))
        if holds:
            break
    return tuple(considered)


def choose(message: SocialMessage, mapping: Mapping, at: datetime) -> tuple[str | None, frozenset[str]]:
    """The name of the route that takes *message* (None: no route), and the tags that it was seen with.

    Needs no queues: what a route leads to does not matter here.
    """
    facts = _facts(message, mapping, at)
    taken = _taken(facts, mapping)
    return (taken.name if taken else None), facts.tags


@dataclass(frozen=True, slots=True)
class _Facts:
    """What routes may ask about a message."""

    message: SocialMessage
    folded: str
    tokens: Tokens
    brand: Brand | None
    tags: frozenset[str]
    language: str | None
    language_source: str
    since: datetime  # the post's own time, or now
    vip: Vip | None
    calendars: Map[str, Calendar]


def _facts(message: SocialMessage, mapping: Mapping, at: datetime) -> _Facts:
    folded = fold(message.text)
    parts = tokens(folded)
    likely = (mapping.auto_tags[number] for number in mapping.own_words.candidates(parts))
    own = {auto.tag for auto in likely if first_found(folded, auto.words) is not None}
    brand = mapping.brands.get(mapping.account_brand.get(message.account, ""))
    language, source = spoken(message, brand)
    given = {name for tag in message.tags if (name := tag_name(tag))}
    return _Facts(
        message,
        folded,
        parts,
        brand,
        frozenset(given | own),
        language,
        source,
        min(message.posted_at, at),
        mapping.vip(message.network, message.author.id, message.author.handle),
        mapping.calendars,
    )


def _taken(facts: _Facts, mapping: Mapping) -> Route | None:
    """The first route whose conditions all hold; those that cannot hold are not tried."""
    known: Collection[str] = facts.tags
    if mapping.index.by_fact:
        post = facts.message
        known = (
            *known,
            *index_facts(
                kind=post.kind,
                severity=post.severity,
                sentiment=post.sentiment,
                vip=facts.vip is not None,
            ),
        )
    positions = mapping.index.candidates(
        known,
        facts.tokens,
        account=facts.message.account,
        brand=facts.brand.key if facts.brand else "",
        network=facts.message.network,
    )
    likely = (mapping.routes[position] for position in positions)
    return next((route for route in likely if _holds(route.when, facts)), None)


def _holds(when: Condition, facts: _Facts) -> bool:
    """Whether every condition of *when* holds: what `_test` tells, without telling it."""
    brand = facts.brand.key if facts.brand else ""
    return (
        (not when.tags or not facts.tags.isdisjoint(when.tags))
        and facts.tags.issuperset(when.all_tags)
        and facts.tags.isdisjoint(when.no_tags)
        and (not when.networks or facts.message.network in when.networks)
        and (not when.accounts or facts.message.account in when.accounts)
        and (not when.brands or brand in when.brands)
        and (not when.languages or speaks(facts.language, when.languages))
        and (not when.words or first_found(facts.folded, when.words) is not None)
        and (not when.kinds or facts.message.kind in when.kinds)
        and (not when.severities or facts.message.severity in when.severities)
        and (not when.sentiments or facts.message.sentiment in when.sentiments)
        and (when.min_followers is None or _reaches(facts.message.author.followers, when.min_followers))
        and (when.vip is None or when.vip is (facts.vip is not None))
        and (not when.hours or all(_works(facts, *asked) for asked in when.hours))
    )


def _reaches(followers: int | None, wanted: int) -> bool:
    return followers is not None and followers >= wanted


def _works(facts: _Facts, name: str, wanted: str) -> bool:
    """Whether the post was written while the calendar *name* was as *wanted*."""
    calendar = facts.calendars[name]
    if wanted in (OPEN, CLOSED):
        return is_open(calendar, facts.since) is (wanted == OPEN)
    return is_open(calendar.named[wanted], facts.since)


def _test(when: Condition, facts: _Facts) -> Iterator[Tested]:
    """Every condition that *when* states, held against *facts*."""
    tags = ", ".join(sorted(facts.tags)) or "no tags"
    if when.tags:
        yield _tested("tags: any of", when.tags, not facts.tags.isdisjoint(when.tags), tags)
    if when.all_tags:
        yield _tested("tags: all of", when.all_tags, facts.tags.issuperset(when.all_tags), tags)
    if when.no_tags:
        yield _tested("tags: none of", when.no_tags, facts.tags.isdisjoint(when.no_tags), tags)
    brand = facts.brand.key if facts.brand else ""
    for name, wanted, seen in (
        ("network", when.networks, facts.message.network),
        ("account", when.accounts, facts.message.account),
        ("brand", when.brands, brand),
    ):
        if wanted:
            yield _tested(f"{name}: any of", wanted, seen in wanted, seen or f"no {name}")
    if when.languages:
        holds = speaks(facts.language, when.languages)
        yield _tested("language: any of", when.languages, holds, facts.language or "unknown")
    if when.words:
        word = first_found(facts.folded, when.words)
        seen = "none of them" if word is None else f'"{word}"'
        yield _tested("words: any of", when.words, word is not None, seen)
    yield from _test_author_and_time(when, facts)


def _test_author_and_time(when: Condition, facts: _Facts) -> Iterator[Tested]:
    """The conditions on how the post was said, by whom and when."""
    post = facts.message
    for name, wanted, word in (
        ("kind", when.kinds, post.kind),
        ("severity", when.severities, post.severity),
        ("sentiment", when.sentiments, post.sentiment),
    ):
        if wanted:
            yield _tested(f"{name}: any of", wanted, word in wanted, str(word or UNKNOWN))
    if when.min_followers is not None:
        reach = post.author.followers
        holds = _reaches(reach, when.min_followers)
        seen = UNKNOWN if reach is None else f"{reach:,}"
        kept = seen if reach is None else "so many" if holds else "fewer"
        yield Tested(f"followers: at least {when.min_followers:,}", holds, seen, kept)
    if when.vip is not None:
        listed = facts.vip is not None
        seen = f"on the list: {facts.vip.why}" if facts.vip else "not on the list"
        kept = "on the list" if listed else seen
        yield Tested(f"vip: {'yes' if when.vip else 'no'}", when.vip is listed, seen, kept)
    for name, wanted_state in when.hours:
        yield Tested(f"hours: {name} is {wanted_state}", *_hours(facts, name, wanted_state))


def _hours(facts: _Facts, name: str, wanted: str) -> tuple[bool, str]:
    """Whether the calendar was as *wanted*, and what it was at the post's own time, by its own clock."""
    holds = _works(facts, name, wanted)
    shift = wanted not in (OPEN, CLOSED)
    here = is_open(facts.calendars[name], facts.since)
    state = ("in it" if holds else "not in it") if shift else OPEN if here else CLOSED
    try:
        local = facts.since.astimezone(ZoneInfo(facts.calendars[name].zone))
    except OverflowError:
        return holds, state
    return holds, f"{state} on {local:%A %Y-%m-%d %H:%M}"


def _tested(condition: str, wanted: Collection[str], holds: bool, seen: str) -> Tested:
    return Tested(f"{condition} {', '.join(wanted)}", holds, seen)


def _decision(
    facts: _Facts,
    mapping: Mapping,
    *,
    route: Route | None,
) -> Decision:
    queue = mapping.queues[route.queue if route else mapping.fallback]
    promised = route if route and route.promise else queue
    promise = promised.promise
    calendar = mapping.calendars[queue.calendar] if queue.calendar else None
    template = (route.closing_template if route else None) or queue.closing_template
    language, language_reason = _reply_language(facts, mapping, template)
    return Decision(
        route=route.name if route else None,
        queue=queue.key,
        reason=_reason(_test(route.when, facts)) if route else NO_ROUTE,
        place=route.place if route else queue.place,
        brand=facts.brand.key if facts.brand else "",
        tags=facts.tags,
        language=language,
        language_reason=language_reason,
        ticket=queue.ticket,
        priority=(route.priority if route else None) or queue.priority,
        type=(route.type if route else None) or queue.type,
        closing=(route.closing if route else None) or queue.closing,
        promise_at=promise_end(facts.since, promise, calendar) if promise else None,
        ticket_tags=route.ticket_tags if route else (),
        mapping_version=mapping.version,
        closing_template=template,
        promise_class=promised.promise_class,
        severity=route.severity if route else None,
        fields=route.fields if route else {},
        assignee=route.assignee if route else None,
        copies=route.copies if route else (),
    )


def _reason(tested: Iterable[Tested]) -> str:
    return "; ".join(f"{test.condition} (seen: {test.kept or test.seen})" for test in tested)


def _reply_language(facts: _Facts, mapping: Mapping, template: str) -> tuple[str, str]:
    """The language in which the brand has the closing reply, and how it was come by."""
    if facts.brand is None:
        return facts.language or "en", facts.language_source
    for code in chain(facts.language, facts.brand):
        if (facts.brand.key, template, code) in mapping.templates:
            break
    else:
        code = facts.brand.languages[0]
    if code == facts.language:
        return code, facts.language_source
    if facts.language is None:
        return code, f"{facts.language_source}: the brand's default"
    return code, f"{facts.language_source}; the nearest that {facts.brand.name} replies in is {code}"
