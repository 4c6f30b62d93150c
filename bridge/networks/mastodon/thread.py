"""Which posts of a thread belong together, from the entities as the server gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge.core.message import RawItem
from bridge.networks.mastodon.inbound import JsonObject, raw_item


def as_items(ancestors: Sequence[JsonObject] | None, statuses: Sequence[JsonObject]) -> Iterator[RawItem]:
    """*statuses* as items, each with the posts above it: found among *ancestors* and *statuses*.

    *ancestors* is None where they could not be read.
    """
    placed, ancestors = ancestors is not None, ancestors or ()
    by_id = {str(entity.get("id")): entity for entity in (*ancestors, *statuses)}
    for status in statuses:
        if {"id", "uri", "created_at"} <= status.keys():
            yield raw_item(status, _above(status, by_id), placed=placed)


def _above(status: JsonObject, by_id: Mapping[str, JsonObject]) -> list[JsonObject]:
    """The posts above *status*, oldest first."""
    above: dict[str, JsonObject] = {}
    parent_id = str(status.get("in_reply_to_id"))
    # A server in disorder could give a ring.
    while parent_id in by_id and parent_id not in above:
        above[parent_id] = by_id[parent_id]
        parent_id = str(by_id[parent_id].get("in_reply_to_id"))
    return list(reversed(above.values()))


def same_author(one: JsonObject, other: JsonObject) -> bool:
    """Whether two posts are of one account; False where nobody says of whom they are."""
    return bool(one.get("account")) and _account_id(one) == _account_id(other)


def _account_id(status: JsonObject) -> object:
    account = status.get("account")
    return account.get("id") if isinstance(account, dict) else None
