"""What a server's 403 to a reply is about."""

from __future__ import annotations

import re

from pydantic import TypeAdapter, ValidationError

from bridge.networks.shape import Shape

# What a token lacks, in the words of Mastodon and GoToSocial ("scope"), and of Pleroma and its kin.
_OF_THE_TOKEN = re.compile(r"scope|insufficient permission|\b(read|write):", re.IGNORECASE)


class _Error(Shape):
    error: str


_ERROR = TypeAdapter(_Error)


def may_be_of_one_reply(body: bytes) -> bool:
    """Whether *body* is the server's own word, and says nothing of what the token lacks."""
    try:
        return not _OF_THE_TOKEN.search(_ERROR.validate_json(body).error)
    except ValidationError:
        return False  # a proxy's error page
