"""``bridge mappings init``: a mapping of one's own, from a few answers."""

from __future__ import annotations

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
from bridge.cli.mapping_plan import KINDS, REST, Kind, Plan, Team, files_of, slug, variables
from bridge.cli.mapping_schema import write_schemas
from bridge.cli.mapping_words import WORDING
from bridge.cli.mappings import EXIT_UNASKED, networks
from bridge.errors import MappingError
from bridge.routing.folder import PLAYBOOK
from bridge.routing.lint import lint
from bridge.routing.load import load_files
from bridge.routing.shape import Channel, Country, Duration, Language, Shift, Zone

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
    """A name that people gave something: one line, not too long."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = " ".join(str(value).split())
        if not text or not text.isprintable() or len(text) > _LONGEST:
            self.fail(f"one line of at most {_LONGEST} letters is wanted", param, ctx)
        return text


WORDS = Words()
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
        """The team that takes *tag*; None: nobody tags posts so."""
        kind = KINDS[tag]
        question = f"Team for posts tagged {tag} (- for none)" if tag != REST else "Team for everything else"
        label = self.text(question, None, kind.team)
        if label == NONE and tag != REST:
            return None
        if label == NONE:
            label = kind.team
        if label not in self.named:
            group, channel = self._closest(label, kind)
            group = self.text("  its group in Zendesk (- for no tickets)", None, group)
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


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--brand", type=WORDS, help="What customers call the brand.")
@click.option("--language", "languages", type=LANGUAGE, multiple=True, help="The default first; repeat it.")
@click.option("--zone", type=ZONE, help="The time that customers are told, such as Europe/Warsaw.")
@click.option("--hours", type=HOURS, help="When the teams work, Monday to Friday: 09:00-17:00.")
@click.option("--country", type=COUNTRY, help="Whose public holidays are closed: PL, DE-BY; - for none.")
@click.option(
    "--account",
    "accounts",
    type=(str, str),
    multiple=True,
    metavar="NETWORK HANDLE",
    help="An account of the brand, such as: mastodon @kopi@social.example. Repeat it.",
)
@click.option(
    "--team",
    "teams",
    type=(click.Choice(list(KINDS)), WORDS, WORDS, CHANNEL, PROMISE),
    multiple=True,
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
    teams: tuple[tuple[str, str, str, str, str], ...],
    from_live: bool,
    yes: bool,
) -> None:
    """Write a mapping of your own into FOLDER, which must be empty or not there.

    Asks what no option has said. What it writes passes `bridge mappings check --strict`. Exits with 3,
    and has written nothing, when --from-live cannot ask Zendesk or Slack.
    """
    _refuse_what_is_there(folder)
    found = _offers() if from_live else None
    asker = _Asker(yes, found)
    name = asker.text("Brand", brand, "Our Brand")
    plan = Plan(
        brand=name,
        languages=languages or _languages(asker),
        zone=asker.text("Time zone", zone, "UTC", ZONE),
        hours=asker.text("The teams work Monday to Friday", hours, "09:00-17:00", HOURS),
        country=_given(asker.text("Country whose holidays are closed (- for none)", country, NONE, COUNTRY)),
        accounts=_accounts(accounts) or _ask_accounts(asker, name),
        teams=_given_teams(teams) if teams else dict(_ask_teams(asker)),
    )
    if not plan.spoken:
        raise click.UsageError(
            f"There are no replies in {', '.join(plan.unspoken)} here. Name one of these first, and write "
            f"your own later: {', '.join(WORDING)}."
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


def _given(answer: str) -> str | None:
    return None if answer == NONE else answer


def _languages(asker: _Asker) -> tuple[str, ...]:
    if asker.yes:
        return ("en",)

    def convert(answer: str) -> tuple[str, ...]:
        codes = answer.replace(",", " ").split()
        return tuple(LANGUAGE.convert(code, None, None) for code in codes) or ("en",)

    question = f"Languages, the default first (there are words for {', '.join(WORDING)})"
    asked: tuple[str, ...] = click.prompt(question, default="en", value_proc=convert)
    return asked


def _accounts(given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    for network, _ in given:
        if network not in networks():
            known = ", ".join(networks())
            raise click.BadParameter(f'there is no network "{network}": {known}', param_hint="--account")
    return given


def _ask_accounts(asker: _Asker, brand: str) -> tuple[tuple[str, str], ...]:
    handle = slug(brand, "brand")
    if asker.yes:
        return (("standard", handle),)
    found: list[tuple[str, str]] = []
    choice = click.Choice(list(networks()))
    while not found or click.confirm("Another account?", default=False):
        network = click.prompt("Network of the brand's account", default="standard", type=choice)
        found.append((network, click.prompt("  its handle there", default=handle, type=WORDS)))
    return tuple(found)


def _ask_teams(asker: _Asker) -> Iterator[tuple[str, Team]]:
    for tag in KINDS:
        team = asker.team(tag)
        if team is not None:
            yield tag, team


def _given_teams(given: tuple[tuple[str, str, str, str, str], ...]) -> dict[str, Team]:
    """As given, the urgent ones first; what nobody claims has a team whether or not it is named."""
    named = {
        tag: Team(label, _given(group), channel, _given(promise))
        for tag, label, group, channel, promise in given
    }
    answered: dict[str, Team] = {}
    for team in named.values():
        if answered.setdefault(team.label, team) != team:
            raise click.BadParameter(
                f"{team.label} is given twice, and not the same way", param_hint="--team"
            )
    asker = _Asker(yes=True, offers=None)
    rest = named.get(REST) or asker.team(REST)
    return {tag: named[tag] for tag in KINDS if tag in named and tag != REST} | ({REST: rest} if rest else {})


def _sound(plan: Plan) -> dict[str, str]:
    """The texts, held against every rule before anything is written."""
    files = files_of(plan, networks())
    try:
        faults = lint(load_files(files, networks()), networks())
    except MappingError as error:
        faults = error.faults
    if faults:
        said = "\n".join(str(fault) for fault in faults)
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
    steps = [
        f"bridge mappings check --mappings {folder}, after every edit; README.md there explains each file"
    ]
    if plan.unspoken:
        first, missing = plan.spoken[0], ", ".join(plan.unspoken)
        steps.append(f"write replies in {missing}: until then, {first} is used (see brands.yaml)")
    steps.append("read the replies, and make the words your brand's own; put names of people as owners")
    steps.append(f"set these variables where the bridge runs: {', '.join(variables(plan, networks()))}")
    if found is None:
        steps.append("bridge mappings check --live says which groups and channels do not exist yet")
    else:
        steps += _to_create(plan, found)
    steps.append(f"set BRIDGE_MAPPINGS={folder}, then run `bridge doctor`, then `bridge serve`")
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
