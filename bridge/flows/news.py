"""What the look before a reply shows of the customer that nobody has told the bridge yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from bridge.core.account import Account
from bridge.core.message import EventKind, RawItem, SocialMessage
from bridge.errors import IntakeError
from bridge.flows import listen
from bridge.flows.world import World
from bridge.store import messages
from bridge.store.tables import Case


def take_in(
    world: World, case: Case, account: Account, target: SocialMessage, thread: Sequence[RawItem]
) -> list[SocialMessage]:
    """Record what the customer of *case* wrote after *target* and no flow has considered; say what it is.

    Oldest first. It is taken in by the flow that takes in every delivery, as if a poll had brought it.
    """
    theirs = list(_theirs(world, case, account, target, thread))
    if not theirs:
        return []
    with world.database.read() as tx:
        ids, senders = [post.id for _, post in theirs], world.senders(case.network)
        known = messages.considered(tx, case.installation, case.network, ids, senders)
    news = [(item, post) for item, post in theirs if post.id not in known]
    if not news:
        return []
    with world.database.write() as tx:
        recorded = listen.write_down(tx, world, account, [item for item, _ in news])
    for delivery in recorded:
        world.wake("take_in", delivery)
    return sorted((post for _, post in news), key=_posted_at)


def not_let_pass(news: Sequence[SocialMessage], known: Collection[str]) -> list[SocialMessage]:
    """Those of *news* that were said after the latest which a person let pass, by its id in *known*."""
    let_pass = [place for place, post in enumerate(news) if post.id in known]
    return list(news[let_pass[-1] + 1 :] if let_pass else news)


def _theirs(
    world: World, case: Case, account: Account, target: SocialMessage, thread: Sequence[RawItem]
) -> Iterator[tuple[RawItem, SocialMessage]]:
    """The posts that would join *case* and are newer than *target*."""
    room, now = world.networks[account.network], world.clock.now()
    for item in thread:
        try:
            events = room.normalise(account, item.body, now)
        except IntakeError:
            continue  # somebody's malformed post is no reason to keep a reply back
        for event in events:
            post = event.message
            if post is None or event.kind not in (EventKind.CREATED, EventKind.UPDATED) or post.own:
                continue
            is_theirs = (post.network, post.author.id) == (case.network, case.author_id)
            if is_theirs and post.thread == case.thread_root and post.posted_at > target.posted_at:
                yield item, post


def _posted_at(post: SocialMessage) -> datetime:
    return post.posted_at
