"""What the bridge knows of a signed webhook's sender before it has spoken to one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridge.core.account import Account, AccountField, FieldKind
from bridge.core.message import InboundEvent, SocialMessage
from bridge.core.ports import Capabilities, Connection
from bridge.core.reply import Composed, Light
from bridge.networks.limit import graphemes, text_limit
from bridge.networks.standard import inbound, signature
from bridge.networks.standard.outbound import StandardConnection


class StandardNetwork:
    """Signed webhooks by the Standard Webhooks specification, and replies by a signed callback."""

    name = inbound.NAME
    label = "Signed webhook"
    capabilities = Capabilities(
        push=True,
        poll=True,  # for what its webhooks missed, where the relay keeps a list of them
        reply=True,
        edits=True,
        deletions=True,
        # The receiver of the callback promises to take each webhook-id once.
        reply_key_covers_resend=True,
        settle_s=5.0,
    )
    account_fields = (
        AccountField("secret", FieldKind.SECRET, "whsec_… with which the sender signs its webhooks"),
        AccountField("reply_url", FieldKind.URL, "where replies are posted; without it, none are", False),
        AccountField("reply_secret", FieldKind.SECRET, "whsec_… for what we send; else secret", False),
        AccountField("own_id", FieldKind.TEXT, "author id of our own posts, beside the handle", False),
        AccountField("label", FieldKind.TEXT, "What people call this network, e.g. Plaza.", required=False),
        AccountField("text_limit", FieldKind.NUMBER, "characters in a reply; 500 if not given", False),
    )

    def challenge(self, account: Account, query: Mapping[str, str]) -> str | None:
        return None

    def verify(self, account: Account, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        return signature.verify(account.secrets.get("secret", ()), body, headers, now)

    def normalise(self, account: Account, body: bytes, received_at: datetime) -> list[InboundEvent]:
        return inbound.normalise(account, body, received_at)

    def compose(self, account: Account, text: str, target: SocialMessage) -> Composed:
        """The text as it is: the relay addresses the customer. Counted in grapheme clusters."""
        text = text.strip()
        return Composed(text, used=graphemes(text), limit=text_limit(account), unit="characters")

    def light(self, account: Account, message: SocialMessage) -> Light:
        if not account.fields.get("reply_url"):
            return Light(False, "This account only brings messages in: it has no reply_url.")
        if not message.visibility.is_public:
            return Light(False, "The customer did not write in public.")
        return Light(True, "The reply is handed to the account's relay.")

    def connect(self, account: Account, *, timeout_s: float) -> Connection:
        return StandardConnection(account, timeout_s=timeout_s)


NETWORK = StandardNetwork()
