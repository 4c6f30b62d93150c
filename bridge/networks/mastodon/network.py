"""What the bridge knows of Mastodon before it has spoken to a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from bridge.core.account import Account, AccountField, FieldKind
from bridge.core.message import InboundEvent, SocialMessage
from bridge.core.ports import Capabilities, Connection, Exempt
from bridge.core.reply import Composed, Light
from bridge.errors import UnauthenticRequestError
from bridge.networks.limit import text_limit
from bridge.networks.mastodon import inbound
from bridge.networks.mastodon.outbound import MastodonConnection
from bridge.networks.mastodon.text import length, mentions

_HANDLE = re.compile(r"@?(?P<user>\w+(?:[\w.-]*\w)?)(?:@(?P<host>[\w.-]*\w)(?::\d+)?)?")


class MastodonNetwork:
    """Mastodon, and the servers that speak its client API."""

    name = inbound.NAME
    label = "Mastodon"
    capabilities = Capabilities(
        push=Exempt("Mastodon tells an account nothing by webhook; only who runs the server gets any"),
        poll=True,
        reply=True,
        edits=True,
        deletions=True,
        # Mastodon keeps the key for an hour; other servers with this API ignore it.
        reply_key_covers_resend=False,
        settle_s=15.0,
    )
    account_fields = (
        AccountField("url", FieldKind.URL, "the server's address, e.g. https://social.example"),
        AccountField("token", FieldKind.SECRET, "access token of the brand's account"),
        AccountField("text_limit", FieldKind.NUMBER, "characters in a post; 500 if not given", False),
    )

    def challenge(self, account: Account, query: Mapping[str, str]) -> str | None:
        return None

    def verify(self, account: Account, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        raise UnauthenticRequestError("this network is polled and takes no webhooks")

    def normalise(self, account: Account, body: bytes, received_at: datetime) -> list[InboundEvent]:
        return inbound.normalise(account, body, received_at)

    def compose(self, account: Account, text: str, target: SocialMessage) -> Composed:
        """*text* behind a mention of the customer, without which they would not be told of it."""
        text = text.strip()
        mention = _mention(target)
        if mention and not _is_mentioned(mention, text, account):
            text = f"@{mention} {text}".rstrip()
        return Composed(text, used=length(text), limit=text_limit(account), unit="characters")

    def light(self, account: Account, message: SocialMessage) -> Light:
        if not message.visibility.is_public:
            return Light(
                False, "The customer did not write in public: an open reply would show it to everybody."
            )
        return Light(True, "The reply will stand under the customer's post.")

    def connect(self, account: Account, *, timeout_s: float) -> Connection:
        return MastodonConnection(account, timeout_s=timeout_s)


def _mention(target: SocialMessage) -> str:
    """``user@host`` of the customer; ``user`` if the host is not known, empty if there is no handle."""
    handle = _HANDLE.fullmatch(target.author.handle)
    if not handle:
        return ""
    host = handle["host"] or (urlsplit(target.author.url).hostname if target.author.url else None)
    return f"{handle['user']}@{host}" if host else handle["user"]


def _is_mentioned(mention: str, text: str, account: Account) -> bool:
    """Whether *text* names them already: without a host, only people of our own server are meant."""
    user, _, host = mention.casefold().partition("@")
    found = mentions(text)
    is_local = host in ("", urlsplit(account.fields.get("url", "")).hostname)
    return mention.casefold() in found or (is_local and user in found)


NETWORK = MastodonNetwork()
