"""``bridge forget``: a person's words and names, erased on their request."""

from __future__ import annotations

from datetime import timedelta

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from bridge.cli.opened import opened_database, opened_world, who
from bridge.cli.terminal import say
from bridge.flows import forget as forgetting
from bridge.flows.world import World
from bridge.store.person import Person, find_person, similar_handles
from bridge.store.tables import Erasure, Message


@click.command()
@click.argument("whom", metavar="@HANDLE@NETWORK", required=False)
@click.option("--author-id", metavar="ID", help="The network's own id of the person, instead of a handle.")
@click.option("--network", metavar="NAME", help="The network that --author-id is of.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--list", "listing", is_flag=True, help="Show the proofs of past erasures.")
def forget(
    whom: str | None, author_id: str | None, network: str | None, dry_run: bool, yes: bool, listing: bool
) -> None:
    """Erase a person's words and names: @dewi@plaza, or @dewi@kopi.example@mastodon.

    Everywhere in the bridge's tables, and outside as far as Zendesk and Slack allow it.
    Nothing of it can be brought back.
    """
    if listing:
        _list()
        return
    with opened_world() as world:
        person, elsewhere = _person(world, whom, author_id, network)
        patience = timedelta(0) if dry_run else forgetting.PATIENCE
        rehearsed = forgetting.forget(world, person, who(), rehearse=True, patience=patience)
        if not rehearsed.counts:
            raise click.ClickException(_nothing(person, rehearsed))
        _say("Would be erased:" if dry_run else "To be erased:", rehearsed)
        if dry_run:
            return
        if not yes:
            click.confirm("Erase it for good?", abort=True)
        done = forgetting.forget(world, person, who())
        _say("Erased:", done)
        if not world.database.empty_log():
            say("The database's write-ahead log is in use and keeps the words until its next turn.")
        say("What remains, and is yours to decide:")
        for sentence in done.remains:
            say(f"  {sentence}")
        for other in elsewhere:
            say(f"  {other} is known, too: if that is the same person, `bridge forget {other}`")
        say(f"Proof: {done.proof} (`bridge forget --list` shows it, with what vendors refuse from now on)")


def _person(
    world: World, whom: str | None, author_id: str | None, network: str | None
) -> tuple[Person, list[str]]:
    """Whom to erase, and who has one of their handles on another network."""
    handle = ""
    if bool(whom) == bool(author_id) or bool(author_id) != bool(network):
        raise click.UsageError("Give @HANDLE@NETWORK, or --author-id ID with --network NAME.")
    if whom:
        handle, _, network = whom.strip().lstrip("@").rpartition("@")
        if not handle:
            raise click.UsageError("The last @-part is the network's name: @dewi@plaza.")
    with world.database.read() as tx:
        name = _network(tx, world, network or "")
        person = find_person(tx, world.installation, name, handle=handle, author_id=author_id or "")
        elsewhere = _elsewhere(tx, world, person)
        if not person.author_ids:
            similar = similar_handles(tx, world.installation, name, handle)
            raise click.ClickException(
                _unknown(name, handle, [*elsewhere, *(f"@{one}@{name}" for one in similar)])
            )
        return person, elsewhere


def _elsewhere(tx: Session, world: World, person: Person) -> list[str]:
    """Who has one of *person*'s handles on another network, or on the same by a relay's name for it."""
    return [
        f"@{handle}@{network}"
        for network in sorted(_networks(tx, world) - {person.network})
        for handle in sorted(person.handles)
        if find_person(tx, world.installation, network, handle=handle).author_ids
    ]


def _unknown(network: str, handle: str, similar: list[str]) -> str:
    """Whoever may only be somebody of the same name is asked about, never erased."""
    wrong = f"Nobody is known as @{handle} on {network}"
    if not similar:
        return f"{wrong}. If you have the network's own id of them, give --author-id and --network."
    return f"{wrong}; did you mean {' or '.join(similar)}?"


def _nothing(person: Person, rehearsed: forgetting.Forgotten) -> str:
    """Not even in others' words: a proof of it would prove nothing, and the slip in the id be overlooked."""
    named = " or ".join(sorted(person.author_ids))
    listed = f" They are {forgetting.ON_THE_LIST}." if forgetting.ON_THE_LIST in rehearsed.remains else ""
    return (
        f"Nothing is known of {named} on {person.network}, and nothing was erased.{listed} "
        "If you expected something, look at the id; `bridge forget --list` shows what was erased before."
    )


def _networks(tx: Session, world: World) -> set[str]:
    """The networks that there are rooms for, and those that relays have named."""
    heard = tx.scalars(select(Message.network).distinct())
    return set(world.networks) | set(heard)


def _network(tx: Session, world: World, named: str) -> str:
    """The network called *named*, by its own name or by what the mapping calls it."""
    known = _networks(tx, world)
    if named in known:
        return named
    accounts = world.mappings.current.accounts.values()
    called = {
        entry.network for entry in accounts if entry.fields.get("label", "").casefold() == named.casefold()
    }
    if len(called) != 1:
        raise click.ClickException(f"There is no network {named}. There are: {', '.join(sorted(known))}.")
    return called.pop()


def _say(head: str, what: forgetting.Forgotten) -> None:
    say(head if what.counts else "Nothing is known of them.")
    for table, number in what.counts.items():
        say(f"  {number:>6}  {table}")


def _list() -> None:
    with opened_database() as database, database.read() as tx:
        proofs = list(tx.scalars(select(Erasure).order_by(Erasure.id)))
    if not proofs:
        say("Nothing was erased yet.")
    for proof in proofs:
        counts = ", ".join(f"{table}: {number}" for table, number in proof.counts.items())
        say(
            f"{proof.id}  {proof.at:%Y-%m-%d %H:%M} UTC  {proof.cause:<9} by {proof.by}"
            f"{f', {proof.network}' if proof.network else ''}  {counts}"
        )
        for sentence in proof.remains:
            say(f"    remains {sentence}")
