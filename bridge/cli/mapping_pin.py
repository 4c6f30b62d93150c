"""``bridge mappings pin``: a real case becomes a test of the mapping, with personal data replaced."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session

from bridge.cli.mapping_explain import recorded
from bridge.cli.mappings import load_or_exit, mappings_folder, networks
from bridge.cli.opened import find_case, opened_database, short
from bridge.cli.terminal import say
from bridge.core.message import SocialMessage
from bridge.errors import MappingError
from bridge.routing.load import load_files
from bridge.routing.model import Mapping, Route
from bridge.routing.pin import FILE, NotPinnedError, Pinned, differences, pin
from bridge.routing.shape import FALLBACK
from bridge.routing.testfile import NONE, Outcome, outcome
from bridge.store.tables import Case, MappingVersion


@click.command("pin")
@mappings_folder
@click.argument("case", metavar="CASE")
@click.option("--to", "file", default=FILE, show_default=True, help="The file in the folder to add it to.")
@click.option("--name", help="The test's name; left out, after the case or the ticket.")
@click.option("--expect-case", "choice", flag_value="case", help="Expect what became of it then.")
@click.option("--expect-now", "choice", flag_value="now", help="Expect what would become of it today.")
@click.option("--reply", "with_reply", is_flag=True, help="Expect the words of the closing reply, too.")
def pin_case(
    folder: Path, case: str, file: str, name: str | None, choice: str | None, with_reply: bool
) -> None:
    """Write the post that opened CASE as a test, with personal data replaced.

    CASE is a case's id, the end of one, or a ticket's number. Names and handles, links, e-mail
    addresses, telephone, order and card numbers are replaced; the brand's own names stay. Nothing
    that is in the file is touched. Where the files as they are now would do something else with
    the post than was done, --expect-case or --expect-now says which of the two is right.
    """
    mapping = load_or_exit(folder)
    message = recorded(None, case)
    if message.account not in mapping.account_brand:
        raise click.ClickException(f"account {message.account} is in no mapping file any more")
    with opened_database() as database, database.read() as tx:
        row = find_case(tx, case)
        then = _version(tx, row, mapping)
    before = _outcome(row, message, mapping, then.route(row.route))
    changed = list(differences(before, outcome(message, mapping, networks())))
    if changed and choice is None:
        said = "\n  ".join(changed)
        raise click.ClickException(
            f"Today something else would become of that post:\n  {said}\n"
            "Say --expect-now if it should be like that, or --expect-case if it should be as it was."
        )
    if changed and choice == "case":
        _refuse_gone(row, before.copies, mapping)
    try:
        pinned = pin(
            message,
            mapping,
            networks(),
            name or _name(case, row),
            file=_within(file, folder),
            expected=before if changed and choice == "case" else None,
            with_reply=with_reply,
        )
    except NotPinnedError as error:
        raise click.ClickException(f"{error}\nNothing was written.") from None
    _append(folder / pinned.file, pinned.addition)
    _tell(pinned, folder, message)


def _version(tx: Session, case: Case, mapping: Mapping) -> Mapping:
    """The mapping that *case* was opened with; *mapping*, today's, where that no longer loads."""
    row = tx.get(MappingVersion, case.mapping_version)
    try:
        return mapping if row is None else load_files(row.files, networks(), try_out=False)
    except MappingError:
        return mapping


def _refuse_gone(case: Case, copies: Collection[str], mapping: Mapping) -> None:
    """A test cannot expect what the files no longer name."""
    for what, name, names in (
        ("route", case.route, {route.name for route in mapping.routes}),
        *(("queue", name, set(mapping.queues)) for name in (case.queue, *copies)),
    ):
        if name is not None and name not in names:
            raise click.ClickException(
                f"The case went to the {what} {name}, which is in no file any more: say --expect-now."
            )


def _outcome(case: Case, message: SocialMessage, mapping: Mapping, route: Route | None) -> Outcome:
    """What became of the post then, by the *route* as it was."""
    zone = ZoneInfo(mapping.brands[mapping.account_brand[message.account]].zone)
    end = case.promise_at
    return Outcome(
        route=case.route or FALLBACK,
        queue=case.queue,
        ticket=case.with_ticket,
        priority=case.priority or NONE,
        type=case.kind or NONE,
        closing=case.closing,
        language=case.language,
        public_reply=case.light,
        promise=end.astimezone(zone).replace(second=0, microsecond=0, tzinfo=None) if end else None,
        reply="",
        severity=(route and route.severity) or NONE,
        assignee=(route and case.with_ticket and route.assignee) or NONE,
        fields=route.fields if route and case.with_ticket else {},
        copies=route.copies if route else (),
    )


def _name(asked: str, case: Case) -> str:
    return f"ticket-{asked}" if asked.isdigit() else f"case-{short(case.id)}"


def _within(file: str, folder: Path) -> str:
    """*file* as the mapping names it, given from its folder or from where the command runs."""
    path = Path(file)
    if path.resolve().is_relative_to(folder.resolve()):
        return path.resolve().relative_to(folder.resolve()).as_posix()
    return path.as_posix()


def _append(path: Path, addition: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        # At once, so that a running bridge that looks just now meets the old file or the new one.
        with path.open("ab", buffering=0) as file:
            file.write(addition.encode())
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from error


def _tell(pinned: Pinned, folder: Path, message: SocialMessage) -> None:
    say(f"Added to {folder / pinned.file}:\n")
    say(re.sub(r"\A.*?(?=^ *- )", "", pinned.addition, flags=re.DOTALL | re.MULTILINE))
    say(f"Replaced: {', '.join(pinned.replaced) or 'nothing'}.")
    say("A name of somebody else in the text cannot be told from a word: read it before you share it.")
    if pinned.fails:
        say("\n`bridge mappings check` fails until the files do so again:")
        for line in pinned.fails:
            say(f"  {line}")
