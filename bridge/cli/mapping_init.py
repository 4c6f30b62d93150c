"""``bridge mappings init``: a mapping of one's own, from a few answers."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError
from rapidfuzz import fuzz, process, utils

from bridge import settings
from bridge.cli.mapping_live import Offers, offers
from bridge.cli.mapping_plan import KINDS, REST, Kind, Plan, Team, files_of, slug, variables, wording
from bridge.cli.mapping_schema import write_schemas
from bridge.cli.mapping_words import WORDING
from bridge.cli.mappings import EXIT_UNASKED, networks
from bridge.errors import MappingError
from bridge.routing.folder import PLAYBOOK
from bridge.routing.language import normalise_language
from bridge.routing.lint import lint
from bridge.routing.load import load_files
from bridge.routing.shape import Channel, Country, Duration, Language, Shift, Zone, handle_problem

NONE = "-"
_SHOWN = 40
_LONGEST = 60
# People know these by heart; they stand in the starter, and nothing in them is a brand's own.
_COPIED = ("README.md", PLAYBOOK)


class Checked(click.ParamType[str]):
    """An answer that the mapping files would take, or nothing ("-") where that is one."""

    def __init__(self, name: str, kind: Any, *, optional: bool = False) -> None:
        self.name = name
        self._adapter: TypeAdapter[object] = TypeAdapter(kind)
        self._optional = optional

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if self._optional and text == NONE:
            return text
        try:
            self._adapter.validate_python(text)
        except ValidationError as error:
            self.fail(error.errors()[0]["msg"], param, ctx)
        return text


class Words(click.ParamType[str]):
    """A name that people gave something: one line, not too long; or nothing ("-") where that is one."""

    name = "text"

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = " ".join(str(value).split())
        if self._optional and text == NONE:
            return text
        if not text.isprintable() or len(text) > _LONGEST or not any(map(str.isalnum, text)):
            self.fail(f"one line of at most {_LONGEST} letters is wanted", param, ctx)
        return text


class Handle(Words):
    """How an account is called on its network, as the mapping files take it."""

    name = "handle"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        handle = super().convert(value, param, ctx)
        if problem := handle_problem(handle):
            self.fail(problem, param, ctx)
        return handle


WORDS = Words()
HANDLE = Handle()
WORDS_OR_NONE = Words(optional=True)
LANGUAGE = Checked("language", Language)
ZONE = Checked("zone", Zone)
COUNTRY = Checked("country", Country, optional=True)
HOURS = Checked("hours", Shift)
CHANNEL = Checked("channel", Channel)
PROMISE = Checked("promise", Duration, optional=True)


@dataclass(slots=True)
class _Asker:
    """Asks what no flag has said; with *yes*, takes what would be offered."""

    yes: bool
    offers: Offers | None
    named: dict[str, Team] = field(default_factory=dict)  # label → team, as answered

    def text(self, question: str, given: str | None, offered: str, kind: click.ParamType[str] = WORDS) -> str:
        if given is not None:
            return given
        if self.yes:
            return offered
        return str(click.prompt(question, default=offered, type=kind))

    def team(self, tag: str) -> Team | None:
        """The team that takes *tag*; None: nobody tags posts so. There is one for REST."""
        kind = KINDS[tag]
        question = f"Team for posts tagged {tag} (- for none)" if tag != REST else "Team for everything else"
        label = self.text(question, None, kind.team, WORDS_OR_NONE if tag != REST else WORDS)
        if label == NONE:
            return None
        if label not in self.named:
            group, channel = self._closest(label, kind)
            group = self.text("  its group in Zendesk (- for no tickets)", None, group, WORDS_OR_NONE)
            channel = self.text("  its channel in Slack", None, channel, CHANNEL)
            self.named[label] = Team(label, None if group == NONE else group, channel, kind.promise)
        return self.named[label]

    def _closest(self, label: str, kind: Kind) -> tuple[str, str]:
        """What to offer: of what exists the most alike, else the team's own name."""
        group, channel = label, f"#{slug(label, kind.tag)}"
        if self.offers is not None:
            group = _alike(group, self.offers.groups) or group
            channel = _alike(channel, self.offers.channels) or channel
        return (group if kind.ticket else NONE), channel


def _alike(word: str, known: Iterable[str]) -> str | None:
    # Whatever the order of the words: #support-technical is for the team Technical Support.
    found = process.extractOne(
        word, sorted(known), scorer=fuzz.token_sort_ratio, processor=utils.default_process, score_cutoff=70
    )
    return found[0] if found else None


def _given(answer: str) -> str | None:
    return None if answer == NONE else answer


def _languages_of(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    return _spoken(given) if given else ()


def _spoken(codes: Iterable[str]) -> tuple[str, ...]:
    """The languages of *codes*, each once, as the files write them. Raises BadParameter."""
    languages = tuple(dict.fromkeys(normalise_language(code) or code for code in codes))
    if not any(wording(language) for language in languages):
        raise click.BadParameter(
            f"There are no replies in {', '.join(languages)} here. Name one of these too, and write "
            f"your own later: {', '.join(WORDING)}."
        )
    return languages


def _accounts_of(
    _context: click.Context, _option: click.Parameter, given: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    seen: list[tuple[str, str]] = []
    for network, handle in given:
        if network not in networks():
            known = ", ".join(networks())
            raise click.BadParameter(f'there is no network "{network}": {known}')
        _add_account(seen, network, handle)
    return tuple(seen)


def _add_account(seen: list[tuple[str, str]], network: str, handle: str) -> None:
    """Put an account with the others. Raises BadParameter when it is there already."""
    if (network, handle.casefold()) in [(one, of.casefold()) for one, of in seen]:
        raise click.BadParameter(f"{handle} on {network} is given twice")
    seen.append((network, handle))


def _teams_of(
    _context: click.Context, _option: click.Parameter, given: tuple[tuple[str, str, str, str, str], ...]
) -> dict[str, Team]:
    """As given, the urgent ones first; what nobody claims has a team whether or not it is named."""
    named: dict[str, Team] = {}
    labels: dict[str, Team] = {}
    for tag, label, group, channel, promise in given:
        team = Team(label, _given(group), channel, _given(promise))
        if tag in named:
            raise click.BadParameter(f"{tag} is given twice: to {named[tag].label} and to {label}")
        if labels.setdefault(label, team) != team:
            raise click.BadParameter(f"{label} is given twice, and not the same way")
        named[tag] = team
    if not named:
        return {}
    rest = named.get(REST) or _Asker(yes=True, offers=None).team(REST)
    return {tag: named[tag] for tag in KINDS if tag in named and tag != REST} | ({REST: rest} if rest else {})


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--brand", type=WORDS, help="What customers call the brand.")
@click.option(
    "--language",
    "languages",
    type=LANGUAGE,
    multiple=True,
    callback=_languages_of,
    help="The default first; repeat it.",
)
@click.option("--zone", type=ZONE, help="The time that customers are told, such as Europe/Warsaw.")
@click.option("--hours", type=HOURS, help="When the teams work, Monday to Friday: 09:00-17:00.")
@click.option("--country", type=COUNTRY, help="Whose public holidays are closed: PL, DE-BY; - for none.")
@click.option(
    "--account",
    "accounts",
    type=(str, HANDLE),
    callback=_accounts_of,
    multiple=True,
    metavar="NETWORK HANDLE",
    help="An account of the brand, such as: mastodon @kopi@social.example. Repeat it.",
)
@click.option(
    "--team",
    "teams",
    type=(click.Choice(list(KINDS)), WORDS, WORDS_OR_NONE, CHANNEL, PROMISE),
    multiple=True,
    callback=_teams_of,
    metavar="TAG NAME GROUP CHANNEL PROMISE",
    help=f"Who takes the posts with a tag ({REST}: all others): its Zendesk group (- for no tickets), "
    "Slack channel, and promise such as 4h (- for none). Repeat it.",
)
@click.option("--from-live", is_flag=True, help="Offer the groups and channels that Zendesk and Slack have.")
@click.option("--yes", is_flag=True, help="Do not ask: take what would be offered.")
def init(
    folder: Path,
    brand: str | None,
    languages: tuple[str, ...],
    zone: str | None,
    hours: str | None,
    country: str | None,
    accounts: tuple[tuple[str, str], ...],
    teams: dict[str, Team],
    from_live: bool,
    yes: bool,
) -> None:
    """Write a mapping of your own into FOLDER, which must be empty or not there.

    Asks what no option has said. It knows five tags: crisis, technical-issue, feature-request,
    sales-lead and user-generated-content. Tags of your own are added to the files later: to
    tags.yaml, with a route in routes/. What it writes passes `bridge mappings check --strict`. Exits
    with 3, and has written nothing, when --from-live cannot ask Zendesk or Slack.
    """
    _refuse_what_is_there(folder)
    _refuse_where_nothing_can_be(folder)
    found = _offers() if from_live else None
    asker = _Asker(yes, found)
    name = asker.text("Brand", brand, "Our Brand")
    plan = Plan(
        brand=name,
        languages=languages or _languages(asker),
        zone=asker.text("Time zone", zone, "UTC", ZONE),
        hours=asker.text("The teams work Monday to Friday", hours, "09:00-17:00", HOURS),
        country=_given(asker.text("Country whose holidays are closed (- for none)", country, NONE, COUNTRY)),
        accounts=accounts or _ask_accounts(asker, name),
        teams=teams or dict(_ask_teams(asker)),
    )
    _write(folder, _sound(plan))
    for line in _what_next(folder, plan, found):
        click.echo(line)


def _refuse_what_is_there(folder: Path) -> None:
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be read: {error.strerror}") from error
    if taken:
        raise click.UsageError(f"{folder} is not an empty folder: nothing was written. Name a new one.")


def _refuse_where_nothing_can_be(folder: Path) -> None:
    """Before the questions, not after: most of what would keep `_write` from writing."""
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    if not there.is_dir():
        raise click.UsageError(f"{there} is not a folder: name another one.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise click.UsageError(f"{there} is a folder that you may not write in: name another one.")


def _offers() -> Offers:
    found = offers()
    for sentence in found.unasked:
        click.echo(f"not asked: {sentence}", err=True)
    if found.unasked:
        click.echo("Nothing was written. Without --from-live, names are taken as you give them.", err=True)
        sys.exit(EXIT_UNASKED)
    click.echo(f"Groups in Zendesk: {_some(found.groups)}")
    outside = " (the app is not in it yet)"
    channels = [f"{name}{'' if member else outside}" for name, member in found.channels.items()]
    click.echo(f"Channels in Slack: {_some(channels)}")
    return found


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) or "none") + (f" and {more} more" if more > 0 else "")


def _languages(asker: _Asker) -> tuple[str, ...]:
    if asker.yes:
        return ("en",)

    def convert(answer: str) -> tuple[str, ...]:
        codes = answer.replace(",", " ").split()
        return _spoken(LANGUAGE.convert(code, None, None) for code in codes or ["en"])

    question = f"Languages, the default first (there are words for {', '.join(WORDING)})"
    asked: tuple[str, ...] = click.prompt(question, default="en", value_proc=convert)
    return asked


def _ask_accounts(asker: _Asker, brand: str) -> tuple[tuple[str, str], ...]:
    handle = slug(brand, "brand")
    if asker.yes:
        return (("standard", handle),)
    found: list[tuple[str, str]] = []
    choice = click.Choice(list(networks()))
    while not found or click.confirm("Another account?", default=False):
        network = click.prompt("Network of the brand's account", default="standard", type=choice)

        def convert(answer: str, network: str = network) -> None:
            _add_account(found, network, HANDLE.convert(answer, None, None))

        click.prompt("  its handle there", default=handle, value_proc=convert)
    return tuple(found)


def _ask_teams(asker: _Asker) -> Iterator[tuple[str, Team]]:
    for tag in KINDS:
        team = asker.team(tag)
        if team is not None:
            yield tag, team


def _sound(plan: Plan) -> dict[str, str]:
    """The texts, held against every rule before anything is written."""
    files = files_of(plan, networks())
    try:
        faults = lint(load_files(files, networks()), networks())
    except MappingError as error:
        faults = error.faults
    if faults:
        # Without their places: these files are nowhere, and nobody could look there.
        said = "\n".join(f"  {message}" for message in dict.fromkeys(fault.message for fault in faults))
        raise click.ClickException(f"These answers do not go together, so nothing was written:\n{said}")
    starter = settings.mappings_folder("")
    for name in _COPIED:
        if (starter / name).is_file():
            files[name] = (starter / name).read_text(encoding="utf-8")
    return files


def _write(folder: Path, files: dict[str, str]) -> None:
    written: list[Path] = []
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(text, encoding="utf-8")
        write_schemas(folder)
    except OSError as error:
        # Half a mapping would be in the way of the next try.
        for path in written:
            path.unlink(missing_ok=True)
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from error


def _what_next(folder: Path, plan: Plan, found: Offers | None) -> Iterator[str]:
    yield f"{folder} has a mapping that passes every check. What to do next:"
    served = settings.served_mappings().resolve() == folder.resolve()
    check = "bridge mappings check" + ("" if served else f" --mappings {shlex.quote(str(folder))}")
    steps = [f"after every edit (README.md there explains each file): {check}"]
    if plan.unspoken:
        first, missing = plan.spoken[0], ", ".join(plan.unspoken)
        steps.append(f"write replies in {missing}: until then, {first} is used (see brands.yaml)")
    steps.append("read the replies, and make the words your brand's own; put names of people as owners")
    steps.append(f"set these variables where the bridge runs: {', '.join(variables(plan, networks()))}")
    if found is None:
        steps.append(f"to see which groups and channels do not exist yet: {check} --live")
    else:
        steps += _to_create(plan, found)
    if not served:
        steps.append(f"where the bridge runs: export BRIDGE_MAPPINGS={shlex.quote(str(folder.resolve()))}")
    steps.append("see whether all of it works: bridge doctor")
    steps.append("start it: bridge serve")
    for number, step in enumerate(steps, 1):
        yield f"  {number}. {step}"


def _to_create(plan: Plan, found: Offers) -> Iterator[str]:
    """What the mapping names and the vendors do not have."""
    teams = {team.label: team for team in plan.teams.values()}.values()
    known = {" ".join(name.split()).casefold() for name in found.groups}
    for team in teams:
        if team.group and team.group.casefold() not in known:
            yield f"create the group {team.group} in Zendesk (Admin Center → Team → Groups)"
    for team in teams:
        if team.channel.startswith("#") and not found.channels.get(team.channel):
            create = "" if team.channel in found.channels else f"create {team.channel} in Slack, and "
            yield f"{create}type `/invite @` and the app's name in {team.channel}"
