"""``bridge mappings explain``: which way a message goes, why, and all that follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated
from zoneinfo import ZoneInfo

import click
from click.core import ParameterSource
from pydantic import Field

from bridge.cli.mappings import MOMENT, load_or_exit, mappings_folder, networks
from bridge.cli.opened import find_case, opened_database
from bridge.cli.terminal import say
from bridge.core.message import Author, MessageKind, Sentiment, Severity, SocialMessage
from bridge.routing.account import network_label, public_account
from bridge.routing.decide import consider, decide
from bridge.routing.examples import described
from bridge.routing.fit import fit
from bridge.routing.folder import located
from bridge.routing.match import tag_name
from bridge.routing.model import AccountEntry, Considered, Decision, Mapping, Place
from bridge.routing.nodes import Node, Report, Spot, nearest
from bridge.routing.shape import Kind, Known, Language, SentimentWord, SeverityWord, Shape, Text
from bridge.routing.voice import remarks
from bridge.routing.wording import Words, render
from bridge.store import messages


@click.command()
@mappings_folder
@click.argument("file", required=False, type=click.File("rb"))
@click.option("--text", help="What the customer wrote.")
@click.option("--tag", "tags", multiple=True, help="A tag on the message; may be given several times.")
@click.option("--account", help="The key of the account that heard it; left out, the first.")
@click.option("--language", help="The language that the source names.")
@click.option("--author", show_default="Anna", help="The customer's name.")
@click.option("--handle", show_default="@customer", help="The customer's handle.")
@click.option(
    "--kind", type=click.Choice([one.value for one in MessageKind]), help="How it was said; left out, public."
)
@click.option("--followers", type=click.IntRange(0), help="How many followers the customer has.")
@click.option(
    "--severity", type=click.Choice([one.value for one in Severity]), help="How severe the source calls it."
)
@click.option(
    "--sentiment", type=click.Choice([one.value for one in Sentiment]), help="The mood that the source reads."
)
@click.option("--at", type=MOMENT, help="When it was posted, UTC; left out, now.")
@click.option("--message", "message_id", help="A message that came in: its id, or the end of it.")
@click.option("--case", "case_id", help="The post that opened a case: the case's id, or its ticket's number.")
@click.pass_context
def explain(
    context: click.Context,
    /,
    folder: Path,
    file: IO[bytes] | None,
    at: datetime | None,
    message_id: str | None,
    case_id: str | None,
    **options: object,
) -> None:
    """Show which route takes a message, why, and all that follows from it.

    The message comes from the options, from FILE (a JSON object with the keys text, tags: a list,
    account, language, author: a name, handle, kind, followers: a number, severity, sentiment), or
    from what came in. It is held against the files as they are now, whatever served then. Exits
    as check does.
    """
    given = _given(context)
    if message_id or case_id:
        _refuse_others(given, context)
    mapping = load_or_exit(folder)
    if message_id or case_id:
        message = recorded(message_id, case_id)
        if message.account not in mapping.account_brand:
            raise click.ClickException(f"account {message.account} is in no mapping file any more")
    else:
        told = _told(file, {key: value for key, value in options.items() if key in given})
        message = _message(mapping, told, at.replace(tzinfo=UTC) if at else datetime.now(UTC))
    for tag in sorted(tag for tag in message.tags if tag_name(tag) not in mapping.tags):
        say(f'Note: the tag "{tag}" is not in tags.yaml{_meant(tag, mapping)}', err=True)
    decision = decide(message, mapping, message.posted_at)
    for line in _Story(message, decision, mapping, folder).lines():
        say(line)


def _given(context: click.Context) -> dict[str, str]:
    """What was typed besides the folder: the parameter's name → how it is written."""
    return {
        one.name: one.opts[0] if isinstance(one, click.Option) else "FILE"
        for one in context.command.params
        if one.name not in (None, "folder")
        and context.get_parameter_source(one.name) is ParameterSource.COMMANDLINE
    }


def _refuse_others(given: dict[str, str], context: click.Context) -> None:
    """A message that came in is taken as it is: whatever else is said of one would be ignored."""
    asked, *others = sorted(given, key=lambda name: name not in ("message_id", "case_id"))
    if others:
        told = ", ".join(given[name] for name in others)
        said = f"{given[asked]} takes a message that came in, as it is. Leave out {told}, or {given[asked]}."
        raise click.UsageError(said, context)


def recorded(message_id: str | None, case_id: str | None) -> SocialMessage:
    """The message with the row id *message_id*, or the first of a case, with the tags that it has now."""
    with opened_database() as database, database.read() as tx:
        if case_id:
            found = messages.of_case(tx, find_case(tx, case_id).id)[:1]
        else:
            found = messages.named(tx, message_id or "")
        if len(found) > 1:
            raise click.ClickException(f"Several messages' ids end in {message_id}: give more of it.")
        if not found:
            raise click.ClickException(f"There is no message {message_id}: give its id, or the end of it.")
        if not found[0].complete or found[0].erased_at is not None:
            raise click.ClickException(
                "That message is not known, or was erased: there is nothing to decide on."
            )
        return messages.as_message(found[0], [tag.name for tag in messages.tags_of(tx, found[0])])


def _meant(tag: str, mapping: Mapping) -> str:
    return nearest(tag_name(tag), mapping.tags) or ". No route can ask for it"


class _MessageShape(Shape):
    """A message as FILE tells it; the options say the same."""

    text: Text
    tags: Annotated[list[Text], Field(default_factory=list)]
    account: Text | None = None
    language: Language | None = None
    author: str = "Anna"
    handle: str = "@customer"
    kind: Kind | None = None
    followers: Annotated[int, Field(ge=0, le=10**12)] | None = None
    severity: SeverityWord | None = None
    sentiment: SentimentWord | None = None


def _told(file: IO[bytes] | None, options: dict[str, object]) -> _MessageShape:
    """The message of *file*, with what *options* say besides. Ends the command with every fault of it."""
    report = Report()
    node = Node(_HERE, entries={}) if file is None else _read_file(file, report)
    if node.entries is not None:
        for key in sorted(options.keys() & node.entries.keys()):
            report.add(_HERE, "duplicate-key", f"{key}: it is in FILE, and given as an option, too")
        node.entries.update({key: (_HERE, _node(value, report)) for key, value in options.items()})
        if "text" not in node.entries:
            raise click.UsageError("Give the message: --text, or a FILE with it.")
    told = fit(node, _HERE, _MessageShape, Known(), report)
    if told is None or report.faults:
        raise click.UsageError("\n  ".join(("This is no message:", *(one.message for one in report.faults))))
    return told


_HERE = Spot("")


def _read_file(file: IO[bytes], report: Report) -> Node:
    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        # JSON itself would take the last of them silently.
        for key in sorted({key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number])}):
            report.add(_HERE, "duplicate-key", f'"{key}" stands in FILE twice')
        return dict(pairs)

    try:
        return _node(json.load(file, object_pairs_hook=table), report)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"FILE is not JSON: {error}") from None


def _node(value: object, report: Report) -> Node:
    """*value* as what mapping files are read into, so that it is judged in the same words."""
    if isinstance(value, dict):
        return Node(_HERE, entries={key: (_HERE, _node(one, report)) for key, one in value.items()})
    if isinstance(value, (list, tuple)):
        return Node(_HERE, items=[_node(one, report) for one in value])
    if isinstance(value, str):
        return Node(_HERE, str(value))  # an option's choice is more than text
    return Node(_HERE, value if isinstance(value, (int, float, bool)) else None)


def _message(mapping: Mapping, told: _MessageShape, posted_at: datetime) -> SocialMessage:
    account = told.account or next(iter(mapping.account_brand))
    if account not in mapping.account_brand:
        known = ", ".join(mapping.account_brand)
        raise click.UsageError(f'There is no account "{account}". The accounts are {known}.')
    message = SocialMessage(
        network=mapping.accounts[account].network,
        id="explained",
        account=account,
        author=Author("customer", told.handle, told.author, followers=told.followers),
        text=told.text,
        posted_at=posted_at,
        language=told.language,
        tags=frozenset(told.tags),
    )
    return described(message, told.kind, told.severity, told.sentiment)


_NO_CASE = (
    "Case     none is opened: the post has no tag. Without one no route and no fallback gets it.",
    "         A tag comes from the social team's tool (here: --tag), or from the words in tags.yaml.",
    "         Where the same person has a case in the same thread, the post joins it all the same.",
)


@dataclass(frozen=True, slots=True)
class _Story:
    """The explanation of one decision, with places in the *folder* that the mapping was read from."""

    message: SocialMessage
    decision: Decision
    mapping: Mapping
    folder: Path

    def lines(self) -> Iterator[str]:
        decision = self.decision
        entry = self.mapping.accounts[self.message.account]
        brand = self.mapping.brands[decision.brand]
        yield f"Account  {entry.key} ({brand.name}, {_label(entry)})"
        own = ", ".join(sorted(decision.tags - {tag_name(tag) for tag in self.message.tags}))
        yield f"Tags     {', '.join(sorted(decision.tags)) or 'none'}" + (
            f" (by words: {own})" if own else ""
        )
        yield "Routes"
        for considered in consider(self.message, self.mapping, self.message.posted_at):
            yield from self._route(considered)
        if not decision.opens_case:
            yield from _NO_CASE
            return
        taken = decision.route or "no route: the fallback"
        yield f"Taken    {taken} → {decision.queue} ({self._at(decision.place)})"
        yield from self._ticket()
        yield f"Card     {self.mapping.queues[decision.queue].channel}"
        if decision.copies:
            told = (f"{key} in {self.mapping.queues[key].channel}" for key in decision.copies)
            yield f"Copies   {', '.join(told)}"
        yield from self._reply()

    def _at(self, place: Place) -> str:
        return f"{located(place.file, self.folder)}:{place.line}"

    def _route(self, considered: Considered) -> Iterator[str]:
        taken = "yes" if considered.taken else "no "
        yield f"  {taken}  {considered.route} ({self._at(considered.place)})"
        for test in considered.tested:
            yield f"         {'true ' if test.holds else 'false'}  {test.condition} (seen: {test.seen})"

    def _ticket(self) -> Iterator[str]:
        decision, queue = self.decision, self.mapping.queues[self.decision.queue]
        if not decision.ticket:
            yield "Ticket   none: a card is enough"
            return
        said = [str(queue.group)]
        said += [f"priority {decision.priority}"] if decision.priority else []
        said += [f"type {decision.type}"] if decision.type else []
        said += [f"severity {decision.severity}"] if decision.severity else []
        said += [f"tags {', '.join(decision.ticket_tags)}"] if decision.ticket_tags else []
        said += [f"{name} = {value}" for name, value in decision.fields.items()]
        said += [f"assigned to {decision.assignee}"] if decision.assignee else []
        yield f"Ticket   {', '.join(said)}"
        if decision.promise_at is not None:
            calendar = self.mapping.calendars.get(queue.calendar or "")
            zone = calendar.zone if calendar else self.mapping.brands[decision.brand].zone
            local = decision.promise_at.astimezone(ZoneInfo(zone))
            named = f"{decision.promise_class}: " if decision.promise_class else ""
            ends = f"{local:%A %Y-%m-%d %H:%M} in {zone} ({decision.promise_at:%Y-%m-%d %H:%M} UTC)"
            yield f"Promise  {named}{ends}"

    def _reply(self) -> Iterator[str]:
        """Whether a public reply is possible, and the closing reply in each language that there is."""
        message, decision, mapping = self.message, self.decision, self.mapping
        entry = mapping.accounts[message.account]
        network, account = networks()[entry.network], public_account(entry, decision.brand)
        light = network.light(account, message)
        yield f"Public reply  {'possible' if light.possible else 'not possible'}: {light.reason}"
        if not decision.ticket:
            # Nothing is ever solved there, which is what a closing reply would wait for.
            yield "Closing  none: there is no ticket, so somebody answers by hand"
            return
        yield f"Closing  {decision.closing}, in {decision.language} ({decision.language_reason})"
        words = Words(message.author.name, message.author.handle, _label(entry), decision.promise_at)
        name = decision.closing_template
        for brand, template, language in sorted(mapping.templates):
            rendered = render(mapping, brand, template, language, words)
            if (brand, template) == (decision.brand, name) and rendered is not None:
                composed = network.compose(account, rendered.text, replace(message, language=language))
                fits = "" if composed.fits else ", too long"
                size = f"{composed.used} of {composed.limit} {composed.unit}{fits}"
                yield f"  {language}  {size}: {composed.text}"
                yield f"      left: {', '.join(self._left(rendered.text))}"
                for remark in remarks(
                    rendered.text, mapping.brands[brand], mapping.voices.get(brand), language
                ):
                    yield f"      voice: {remark}"

    def _left(self, text: str) -> Iterator[str]:
        """How many characters *text* leaves on each account of the brand."""
        for entry in self.mapping.brands[self.decision.brand].accounts:
            account = public_account(entry, self.decision.brand)
            composed = networks()[entry.network].compose(account, text, self.message)
            yield f"{composed.limit - composed.used} on {_label(entry)} ({entry.key})"


def _label(entry: AccountEntry) -> str:
    return network_label(entry, networks()[entry.network])
