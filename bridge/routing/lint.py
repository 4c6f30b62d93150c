"""What a sound mapping may still have got wrong: warnings. Nothing here keeps a mapping from serving."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Map
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from bridge.core.ports import Network
from bridge.errors import Fault
from bridge.routing.folder import shown
from bridge.routing.model import Calendar, Condition, Mapping, Place, Route
from bridge.routing.nodes import nearest
from bridge.routing.promise import promise_end
from bridge.routing.reply import unused_parts
from bridge.routing.rules import WARNINGS
from bridge.routing.shadow import accounts_of, shadowed
from bridge.routing.voice import visible_length
from bridge.routing.wording import Words, render_template

_ANYTHING = Condition()
_SOME_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def lint(mapping: Mapping, networks: Map[str, Network] = MappingProxyType({})) -> list[Fault]:
    """Every warning about *mapping*, in file order. *networks* tell how long they take replies."""
    found = {
        *_routes(mapping),
        *_queues(mapping),
        *_without_ticket(mapping),
        *_promises(mapping),
        *_windows(mapping, networks),
        *_tags(mapping),
        *_parts(mapping),
        *_unused_replies(mapping),
        *_replies(mapping),
        *_lengths(mapping),
    }
    return sorted(found)


def _warning(place: Place, rule: str, message: str) -> Fault:
    if rule not in WARNINGS:
        raise ValueError(f"{rule} is no warning")
    return Fault(place.file, place.line, place.column, message, rule)


def _routes(mapping: Mapping) -> Iterator[Fault]:
    """Routes that never take a post."""
    nobody = {route.name for route in mapping.routes if route.when.vip and not mapping.vips}
    for route in mapping.routes:
        if route.name in nobody:
            message = f"{route.name} asks for VIPs, and vips.yaml names nobody: it never takes a post"
            yield _warning(route.place, "no-vips", message)
    for route, earlier in shadowed(mapping):
        if route.name not in nobody:
            message = f"{route.name} never takes a post: {_named(earlier)} takes all of them before it"
            yield _warning(route.place, "unreachable-route", message)


def _named(route: Route) -> str:
    return f"{route.name} ({route.place.file.removeprefix(shown(''))}:{route.place.line})"


def _queues(mapping: Mapping) -> Iterator[Fault]:
    used = {mapping.fallback, *(name for route in mapping.routes for name in (route.queue, *route.copies))}
    for queue in mapping.queues.values():
        if queue.key not in used:
            yield _warning(queue.place, "unused-queue", f"{queue.key}: no route leads to this queue")


def _without_ticket(mapping: Mapping) -> Iterator[Fault]:
    """Routes that say what only a ticket has, of a queue that has none."""
    for route in mapping.routes:
        given = [key for key in ("fields", "assignee", "ticket_tags", "type") if getattr(route, key)]
        if given and not mapping.queues[route.queue].ticket:
            message = f"{route.name}: {route.queue} has no tickets, so {', '.join(given)} would do nothing"
            yield _warning(route.place, "without-ticket", message)


def _windows(mapping: Mapping, networks: Map[str, Network]) -> Iterator[Fault]:
    """Promises that may end when the network takes no reply any more."""
    windows = {
        key: (networks[entry.network].label, window)
        for key, entry in mapping.accounts.items()
        if entry.network in networks and (window := networks[entry.network].capabilities.reply_window)
    }
    if not windows:
        return
    longest: dict[tuple[timedelta, str | None], timedelta] = {}
    fallback = mapping.queues[mapping.fallback]
    promising = [(fallback, fallback.promise, fallback.place, _ANYTHING)]
    for route in mapping.routes:
        queue = mapping.queues[route.queue]
        place = route.place if route.promise else queue.place
        promising.append((queue, route.promise or queue.promise, place, route.when))
    for queue, promise, place, when in promising:
        if promise is None:
            continue
        calendar = queue.calendar
        if (promise, calendar) not in longest:
            longest[promise, calendar] = _longest(promise, mapping.calendars.get(calendar or ""))
        wait = longest[promise, calendar]
        for label, window in sorted({windows[key] for key in accounts_of(when, mapping) if key in windows}):
            if wait > window:
                due = f"an answer may be due {_said(wait)} after the post"
                message = f"{queue.key}: {due}, and {label} takes replies for {_said(window)}"
                yield _warning(place, "promise-beyond-window", message)


def _longest(promise: timedelta, calendar: Calendar | None) -> timedelta:
    """The longest that *promise* lasts on the wall, for a post of any hour of two weeks."""
    if calendar is None:
        return promise
    posts = [_SOME_MONDAY + timedelta(hours=hour) for hour in range(24 * 14)]
    return max((promise_end(at, promise, calendar) or datetime.max.replace(tzinfo=UTC)) - at for at in posts)


def _said(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    return f"{hours} h" if hours <= 48 else f"{hours // 24} days" + (f" {hours % 24} h" if hours % 24 else "")


def _lengths(mapping: Mapping) -> Iterator[Fault]:
    """Replies that are longer than their brand means to be, to a customer of a usual name."""
    for template in mapping.templates.values():
        voice = mapping.voices.get(template.brand)
        if voice is None or voice.target_length is None:
            continue
        words = Words("Katarzyna", "@katarzyna", "Mastodon", _SOME_MONDAY)
        text = render_template(template, mapping.brands[template.brand], words, voice)
        length = visible_length(text)
        if length > voice.target_length:
            message = f"{length} characters, and {template.brand} aims at {voice.target_length}"
            yield _warning(Place(template.file, 1), "reply-beyond-target", message)


def _promises(mapping: Mapping) -> Iterator[Fault]:
    given = {queue.promise_class for queue in mapping.queues.values()}
    given |= {route.promise_class for route in mapping.routes}
    for name, place in mapping.promise_places.items():
        if name not in given:
            yield _warning(place, "unused-promise", f"{name}: no queue and no route gives this promise")


def _tags(mapping: Mapping) -> Iterator[Fault]:
    asked = {
        tag
        for route in mapping.routes
        for tag in (*route.when.tags, *route.when.all_tags, *route.when.no_tags)
    }
    for tag, place in mapping.tag_places.items():
        if tag not in asked:
            yield _warning(place, "unused-tag", f"{tag}: no route asks for this tag")


def _parts(mapping: Mapping) -> Iterator[Fault]:
    for path in unused_parts(mapping.files, mapping.templates.values()):
        yield _warning(Place(shown(path), 1), "unused-part", "no reply takes this part in")


def _unused_replies(mapping: Mapping) -> Iterator[Fault]:
    wanted = {queue.closing_template for queue in mapping.queues.values()}
    wanted |= {route.closing_template for route in mapping.routes if route.closing_template}
    for template in mapping.templates.values():
        if template.name not in wanted:
            hint = nearest(template.name, wanted)
            message = f"{template.name}: no queue and no route asks for this reply{hint}"
            yield _warning(Place(template.file, 1), "unused-reply", message)


def _replies(mapping: Mapping) -> Iterator[Fault]:
    """Languages that a brand speaks, and in which a closing reply would be told in another one."""
    wanted = {queue.closing_template for queue in mapping.queues.values() if queue.ticket}
    for brand in mapping.brands.values():
        own = {
            route.closing_template
            for route in mapping.routes
            if route.closing_template and brand.key in mapping.brands_of(route.when)
        }
        for name in sorted(wanted | own):
            for language in brand.languages[1:]:
                if (brand.key, name, language) not in mapping.templates:
                    path = f"replies/{brand.key}/{name}.{language}.txt.j2"
                    message = f"{brand.key} speaks {language}, and there is no {path}: another is used"
                    yield _warning(brand.place, "reply-language-missing", message)
