"""``bridge mappings check --live``: whether what the files name exists in Zendesk and Slack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from bridge import app, settings, slack, zendesk
from bridge.core.ports import Named, Standing
from bridge.errors import Fault, SettingsError, VendorError
from bridge.routing.folder import shown
from bridge.routing.model import Mapping, Place, Route
from bridge.routing.nodes import Node, Report, nearest, read
from bridge.routing.route import items_of, name_of
from bridge.routing.rules import LIVE
from bridge.settings import Settings
from bridge.slack.inspection import CHANNEL, USER
from bridge.zendesk.catalogue import FIELD_TITLES
from bridge.zendesk.check import AGENT, BRAND, CUSTOM, FIELD, GROUP

NO_ZENDESK = "set ZENDESK_SUBDOMAIN, ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET"
NO_SLACK = "set SLACK_BOT_TOKEN; `bridge setup slack` has the manifest"


@dataclass(frozen=True, slots=True)
class Claim:
    """A name of a *kind* that the files write down, and where."""

    kind: str
    key: str
    name: str
    place: Place


@dataclass(slots=True)
class Answer:
    """``faults``: what does not exist. ``unasked``: what could not be asked, each in a sentence."""

    faults: list[Fault] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Offers:
    """What there is to choose from: groups, and channels (``#name`` → whether the app is a member)."""

    groups: list[str] = field(default_factory=list)
    channels: dict[str, bool] = field(default_factory=dict)
    unasked: list[str] = field(default_factory=list)


def offers() -> Offers:
    """What Zendesk and Slack have. Raises nothing of a vendor: what could not be asked is said."""
    found = Offers()
    try:
        loaded = settings.load()
    except SettingsError as error:
        found.unasked.append(f"Zendesk and Slack: the settings cannot be used: {error}")
        return found
    desk, team = app.zendesk_account(loaded), app.slack_account(loaded)
    if desk is None:
        found.unasked.append(f"Zendesk: it is not set up: {NO_ZENDESK}")
    else:
        try:
            found.groups = zendesk.ZendeskDesk(desk).names(GROUP)
        except (VendorError, SettingsError) as error:
            found.unasked.append(_unasked("Zendesk", str(error)))
    if team is None:
        found.unasked.append(f"Slack: it is not set up: {NO_SLACK}")
    else:
        try:
            found.channels = slack.SlackTeam(team).channels()
        except (VendorError, SettingsError) as error:
            found.unasked.append(_unasked("Slack", str(error)))
    return found


def ask(mapping: Mapping) -> Answer:
    """Hold what *mapping* names against what Zendesk and Slack have. Raises nothing of a vendor."""
    answer = Answer()
    try:
        loaded = settings.load()
    except SettingsError as error:
        answer.unasked.append(f"Zendesk and Slack: the settings cannot be used: {error}")
        return answer
    claims = list(_claims(mapping))
    _ask_zendesk(loaded, claims, answer)
    _ask_slack(loaded, claims, answer)
    answer.faults.sort()
    answer.unasked = list(dict.fromkeys(answer.unasked))
    return answer


def _claims(mapping: Mapping) -> Iterator[Claim]:
    spots = _Spots(mapping)
    tickets = [queue for queue in mapping.queues.values() if queue.ticket]
    for brand in mapping.brands.values():
        if brand.desk_brand:
            at = spots.of(brand.place, "brands", brand.key, "desk_brand")
            yield Claim(BRAND, "desk_brand", brand.desk_brand, at)
    for queue in mapping.queues.values():
        if queue.group:
            yield Claim(GROUP, "group", queue.group, spots.of(queue.place, "queues", queue.key, "group"))
        yield Claim(CHANNEL, "channel", queue.channel, spots.of(queue.place, "queues", queue.key, "channel"))
        for number, user in enumerate(queue.approvers):
            at = spots.of(queue.place, "queues", queue.key, "approvers", number)
            yield Claim(USER, "approvers", user, at)
    for route in mapping.routes:
        for key in route.fields:
            yield Claim(CUSTOM, "fields", key, spots.of_route(route, "fields", key))
        if route.assignee:
            yield Claim(AGENT, "assignee", route.assignee, spots.of_route(route, "assignee"))
    for title in FIELD_TITLES.values() if tickets else ():
        # No file names the bridge's own fields: every ticket has them.
        first = tickets[0]
        yield Claim(FIELD, "ticket", title, spots.of(first.place, "queues", first.key, "ticket"))


class _Spots:
    """Where a value stands: the mapping keeps the places of entries only."""

    def __init__(self, mapping: Mapping) -> None:
        self._files = mapping.files
        self._read: dict[str, Node | None] = {}

    def of(self, entry: Place, *path: str | int) -> Place:
        root = self._root(entry.file)
        if root is None:
            return entry
        spot = root.find(path).spot
        return Place(entry.file, spot.line, spot.column)

    def of_route(self, route: Route, *path: str) -> Place:
        root = self._root(route.place.file)
        names = [name_of(node) for node in items_of(root)]
        return self.of(route.place, "routes", names.index(route.name), *path)

    def _root(self, file: str) -> Node | None:
        if file not in self._read:
            self._read[file] = read(file, self._files.get(file.removeprefix(shown("")), ""), Report())
        return self._read[file]


def _ask_zendesk(loaded: Settings, claims: list[Claim], answer: Answer) -> None:
    kinds: tuple[tuple[str, bool], ...] = (
        (GROUP, True), (BRAND, True), (FIELD, False), (CUSTOM, True), (AGENT, False),
    )  # fmt: skip
    wanted = [claim for claim in claims if claim.kind in dict(kinds)]
    account = app.zendesk_account(loaded)
    if account is None:
        if wanted:
            answer.unasked.append(f"Zendesk: it is not set up: {NO_ZENDESK}")
        return
    desk = zendesk.ZendeskDesk(account)
    for kind, is_listed in kinds:
        names = {claim.name for claim in wanted if claim.kind == kind}
        found = desk.look_up(kind, names) if names else []
        # An address has no nearest one, and the bridge's own fields are not misspelt.
        _judge("Zendesk", found, wanted, answer, partial(desk.names, kind) if is_listed else tuple)


def _ask_slack(loaded: Settings, claims: list[Claim], answer: Answer) -> None:
    wanted = [claim for claim in claims if claim.kind in (CHANNEL, USER)]
    account = app.slack_account(loaded)
    if account is None:
        answer.unasked.append(f"Slack: it is not set up: {NO_SLACK}")
        return
    team = slack.SlackTeam(account)
    for kind, offered in ((CHANNEL, team.channels), (USER, tuple)):
        names = {claim.name for claim in wanted if claim.kind == kind}
        _judge("Slack", team.look_up(kind, names), wanted, answer, offered)


def _judge(
    vendor: str,
    found: list[Named],
    claims: list[Claim],
    answer: Answer,
    offered: Callable[[], Iterable[str]],
) -> None:
    """Put each of *found* that is not as it should be at every line that names it."""
    answer.unasked += [_unasked(vendor, one.detail) for one in found if one.standing is None]
    wrong = [one for one in found if one.standing not in (None, Standing.THERE)]
    known: list[str] = []
    if any(one.standing is Standing.MISSING for one in wrong):
        try:
            known = list(offered())
        except VendorError as error:
            answer.unasked.append(_unasked(vendor, str(error)))
    for one in wrong:
        rule, said = _said(one, known)
        for claim in claims:
            if (claim.kind, claim.name) == (one.kind, one.name):
                place, message = claim.place, f"{claim.key}: {said}"
                answer.faults.append(Fault(place.file, place.line, place.column, message, rule))


def _unasked(vendor: str, why: str) -> str:
    return f"{vendor}: {why}; `bridge doctor` says what to do"


def _said(one: Named, known: list[str]) -> tuple[str, str]:
    rule = _RULE_OF[one.kind, one.standing]
    if rule not in LIVE:
        raise ValueError(f"{rule} is no rule of what vendors have")
    what = (_OWN if one.kind == FIELD else _WHAT[rule]).format(one.name)
    hint = nearest(one.name, known) if known else ""
    return rule, f"{what}{hint}{' Else' if hint else ';'} {one.fix}"


_RULE_OF: dict[tuple[str, Standing | None], str] = {
    (GROUP, Standing.MISSING): "unknown-group",
    (BRAND, Standing.MISSING): "unknown-desk-brand",
    (FIELD, Standing.MISSING): "unknown-field",
    (CUSTOM, Standing.MISSING): "unknown-field",
    (AGENT, Standing.MISSING): "unknown-agent",
    (CHANNEL, Standing.MISSING): "unknown-channel",
    (CHANNEL, Standing.RETIRED): "archived-channel",
    (CHANNEL, Standing.OUTSIDE): "not-in-channel",
    (USER, Standing.MISSING): "unknown-approver",
    (USER, Standing.RETIRED): "unknown-approver",
}
_OWN = 'tickets need the field "{}", which Zendesk does not have'
_WHAT = {
    "unknown-group": 'Zendesk has no group "{}"',
    "unknown-desk-brand": 'Zendesk has no active brand "{}"',
    "unknown-field": 'Zendesk has no ticket field "{}"',
    "unknown-agent": 'Zendesk has no agent "{}"',
    "unknown-channel": 'the app sees no channel "{}" in Slack',
    "archived-channel": "{} is archived in Slack",
    "not-in-channel": "the app is not a member of {}",
    "unknown-approver": 'Slack has no active user "{}"',
}
