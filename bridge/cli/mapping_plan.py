"""From a few answers to the texts of a whole mapping: what `bridge mappings init` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass

from bridge.cli.mapping_words import WORDING, Wording
from bridge.core.account import FieldKind
from bridge.core.ports import Network
from bridge.routing.language import widen
from bridge.routing.match import fold

REST = "rest"
"""In place of a tag: whatever no route takes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a tag of the starter means, and what its team is called unless somebody says otherwise."""

    tag: str
    team: str
    meaning: str
    next_step: str
    example: str = ""
    ticket: bool = True
    promise: str | None = None
    priority: str = "normal"
    type: str = "question"
    always: bool = False  # the promise counts day and night
    reply: str = "closing"


KINDS: dict[str, Kind] = {
    kind.tag: kind
    for kind in (
        Kind(
            "crisis",
            "Incident Response",
            "Danger to people, money or our name. Everything else waits.",
            "Call the person on duty. The closing reply waits until they let it out.",
            "Your charger caught fire in my hallway!",
            promise="1h",
            priority="urgent",
            type="incident",
            always=True,
        ),
        Kind(
            "technical-issue",
            "Technical Support",
            "Something does not work for a customer.",
            "Reproduce it, answer in the ticket, solve it when it works again.",
            "The app logs me out every hour",
            promise="4h",
            priority="high",
            type="problem",
        ),
        Kind(
            "feature-request",
            "Product Feedback",
            "An idea, or a wish for something that we do not have.",
            "Thank the customer, file the idea, solve the ticket.",
            "Could you add a dark mode?",
            promise="16h",
            type="task",
            reply="thanks",
        ),
        Kind(
            "sales-lead",
            "Sales",
            "Somebody wants to buy, or asks what something costs.",
            "Answer from the brand's account, or hand over to the regional team.",
            "What does the pro plan cost?",
            ticket=False,
        ),
        Kind(
            "user-generated-content",
            "Community",
            "A customer shows or praises what we make, and we may want to share it.",
            "Say thank you, and ask before sharing.",
            "Our Sunday morning with your coffee",
            ticket=False,
        ),
        Kind(
            REST,
            "Triage",
            "No route claimed it. A person decides whose it is.",
            "Tag it, or answer it. Add a route when it comes again.",
            promise="8h",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Team:
    """One team as answered. ``group`` None: no tickets. ``promise`` None: nothing is promised."""

    label: str
    group: str | None
    channel: str
    promise: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every answer. ``teams``: tag, or REST → its team. ``accounts``: (network, handle)."""

    brand: str
    languages: tuple[str, ...]
    zone: str
    country: str | None
    hours: str
    accounts: tuple[tuple[str, str], ...]
    teams: Map[str, Team]

    @property
    def key(self) -> str:
        return slug(self.brand, "brand")

    @property
    def keys(self) -> dict[str, str]:
        """Each team's label → its key. Two labels may look alike in Latin letters, or have none."""
        keys: dict[str, str] = {}
        for tag, team in self.teams.items():
            key = slug(team.label, tag)
            if team.label not in keys:
                keys[team.label] = key if key not in keys.values() else f"{key}-{len(keys)}"
        return keys

    @property
    def spoken(self) -> tuple[str, ...]:
        """The languages that we have words for, in the order given."""
        return tuple(language for language in self.languages if wording(language))

    @property
    def unspoken(self) -> tuple[str, ...]:
        return tuple(language for language in self.languages if not wording(language))


def wording(language: str) -> Wording | None:
    """Our words in *language*, or in the wider one: those for pt serve for pt-br."""
    return next((WORDING[code] for code in widen(language) if code in WORDING), None)


def slug(text: str, instead: str) -> str:
    """*text* as a key and a folder's name; *instead* when it has no Latin letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", fold(text)).strip("-") or instead


def files_of(plan: Plan, networks: Map[str, Network]) -> dict[str, str]:
    """The texts of the mapping, by path."""
    files = {
        "brands.yaml": _lines(_brands(plan, networks)),
        "queues.yaml": _lines(_queues(plan)),
        "hours.yaml": _lines(_hours(plan)),
        "tags.yaml": _lines(_tags(plan)),
        "routes/10-social.yaml": _lines(_routes(plan)),
    }
    replies = {"closing", *(KINDS[tag].reply for tag, team in plan.teams.items() if team.group)}
    for language in plan.spoken:
        words = wording(language)
        if words is None:
            continue
        for name in sorted(replies):
            text = words.thanks if name == "thanks" else words.closing
            files[f"replies/{plan.key}/{name}.{language}.txt.j2"] = text
    return files


def variables(plan: Plan, networks: Map[str, Network]) -> list[str]:
    """The environment variables that the files name."""
    accounts = (line for _, _, lines in _accounts(plan, networks) for line in lines)
    named = (re.search(r"\{env: (\w+)\}", line) for line in accounts)
    return [*(match[1] for match in named if match), _TAG_SECRET]


_TAG_SECRET = "TAG_SOURCE_SECRET"  # noqa: S105 - the name of a variable


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # What JSON quotes, YAML reads alike; in any script, and whatever stands in it.
    return json.dumps(text, ensure_ascii=False)


def _brands(plan: Plan, networks: Map[str, Network]) -> Iterator[str]:
    yield "# yaml-language-server: $schema=.schema/brands.json"
    yield "# Your brands, and the accounts that people write to. Passwords and tokens never stand here:"
    yield "# {env: NAME} names the environment variable that holds one."
    yield ""
    yield "brands:"
    yield f"  {plan.key}:"
    yield f"    name: {_quoted(plan.brand)}"
    yield f"    languages: [{', '.join(map(_quoted, plan.spoken))}]"
    if plan.unspoken:
        yield "    # There are no replies in these languages yet. When you have written them"
        yield f"    # (replies/{plan.key}/closing.LANGUAGE.txt.j2), name the language above instead."
        yield "    fallbacks:"
        yield from (f"      {_quoted(code)}: [{_quoted(plan.spoken[0])}]" for code in plan.unspoken)
    yield f"    signature: {_quoted('— ' + plan.brand)}"
    yield f"    zone: {plan.zone}"
    yield "    accounts:"
    for key, network, lines in _accounts(plan, networks):
        yield f"      {key}:"
        yield f"        network: {network}"
        yield from (f"        {line}" for line in lines)
    yield ""
    yield "# Where the social team's tags come from: a tool that sends them as signed webhooks."
    yield "tag_sources:"
    yield "  social-team-tags:"
    yield "    network: standard"
    yield f"    secret: {{env: {_TAG_SECRET}}}"


def _accounts(plan: Plan, networks: Map[str, Network]) -> Iterator[tuple[str, str, list[str]]]:
    """Key, network and lines of each account: what the network must have, and its addresses."""
    taken: set[str] = set()
    for network, handle in plan.accounts:
        key = base = f"{plan.key}-{network}"
        number = 1
        while key in taken:
            number += 1
            key = f"{base}-{number}"
        taken.add(key)
        lines = [f"handle: {_quoted(handle)}"] if handle else []
        for field in networks[network].account_fields:
            if field.required or field.kind is FieldKind.URL:
                variable = re.sub(r"^(?=[0-9])", "BRAND_", f"{key}-{field.name}".upper().replace("-", "_"))
                lines.append(f"{field.name}: {{env: {variable}}}")
        yield key, network, lines


def _distinct(plan: Plan) -> dict[str, tuple[Team, Kind]]:
    """Each team once, with the kind of the first tag that it takes."""
    keys = plan.keys
    found: dict[str, tuple[Team, Kind]] = {}
    for tag, team in plan.teams.items():
        found.setdefault(keys[team.label], (team, KINDS[tag]))
    return found


def _queues(plan: Plan) -> Iterator[str]:
    yield "# yaml-language-server: $schema=.schema/queues.json"
    yield "# The teams that own a case. README.md explains every key."
    yield "#"
    yield "# closing   auto: the closing reply is posted when the ticket is solved; approve: after somebody"
    yield '#           pressed "Post it" on the card; manual: somebody answers by hand'
    yield ""
    yield f"fallback: {_quoted(plan.keys[plan.teams[REST].label])}"
    yield ""
    yield "queues:"
    for number, (key, (team, kind)) in enumerate(_distinct(plan).items()):
        if number:
            yield ""
        yield f"  {key}:"
        yield f"    label: {_quoted(team.label)}"
        yield f"    meaning: {_quoted(kind.meaning)}"
        yield f"    next_step: {_quoted(kind.next_step)}"
        yield f"    owner: {_quoted('Lead of ' + team.label)}"
        yield f"    channel: {_quoted(team.channel)}"
        yield f"    ticket: {'true' if team.group else 'false'}"
        if team.group:
            yield f"    group: {_quoted(team.group)}"
            yield f"    type: {kind.type}"
            yield f"    priority: {kind.priority}"
            if team.promise:
                yield f"    promise: {team.promise}"
                yield from () if kind.always else ("    hours: office",)
            yield "    closing: approve"
            yield from () if kind.reply == "closing" else (f"    closing_template: {kind.reply}",)


def _hours(plan: Plan) -> Iterator[str]:
    yield "# yaml-language-server: $schema=.schema/hours.json"
    yield "# When teams work. A promise counts these hours only; a day that is left out is closed."
    yield ""
    yield "calendars:"
    yield "  office:"
    yield f"    zone: {plan.zone}"
    if plan.country:
        yield f"    country: {_quoted(plan.country)}   # its public holidays are closed"
    yield "    week:"
    for day in ("monday", "tuesday", "wednesday", "thursday", "friday"):
        yield f'      {day}: ["{plan.hours}"]'
    yield "    holidays: []   # more days off, as 2026-12-25"


def _tags(plan: Plan) -> Iterator[str]:
    yield "# yaml-language-server: $schema=.schema/tags.json"
    yield "# The words that your social team tags posts with. With words: the bridge gives the tag by"
    yield "# itself to a post that contains one of them."
    yield ""
    kinds = [KINDS[tag] for tag in plan.teams if tag != REST]
    yield "tags:" if kinds else "tags: {}"
    for kind in kinds:
        yield f"  {kind.tag}:"
        yield f"    meaning: {_quoted(kind.meaning)}"


def _routes(plan: Plan) -> Iterator[str]:
    yield "# yaml-language-server: $schema=../.schema/routes.json"
    yield "# Which post goes to which team. The first route whose conditions all hold takes the post:"
    yield "# put the urgent ones first. `bridge mappings check` tries the examples."
    yield ""
    routes = [(KINDS[tag], team) for tag, team in plan.teams.items() if tag != REST]
    yield "routes:" if routes else "routes: []"
    for number, (kind, team) in enumerate(routes):
        if number:
            yield ""
        yield f"  - name: {kind.tag}"
        yield f"    when: {{tags: [{kind.tag}]}}"
        # In quotes, since a team may be called 24, or True.
        yield f"    queue: {_quoted(plan.keys[team.label])}"
        yield "    examples:"
        yield f"      - {{text: {_quoted(kind.example)}, tags: [{kind.tag}]}}"
