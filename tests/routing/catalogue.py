"""Two made-up networks with the fields of the real ones: what routing knows of a network."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.account import Account, AccountField, FieldKind
from bridge.core.message import SocialMessage
from bridge.core.ports import Capabilities
from bridge.core.reply import Composed, Light


class FakeNetwork:
    """The part of a network that mapping files touch."""

    def __init__(
        self, name: str, label: str, *fields: AccountField, reply_window: timedelta | None = None
    ) -> None:
        self.name = name
        self.label = label
        self.account_fields = fields
        self.capabilities = Capabilities(
            push=True,
            poll=True,
            reply=True,
            edits=True,
            deletions=True,
            reply_key_covers_resend=False,
            settle_s=1.0,
            reply_window=reply_window,
        )

    def closing_after(self, window: timedelta) -> FakeNetwork:
        """The same, where posts can be answered for so long."""
        return FakeNetwork(self.name, self.label, *self.account_fields, reply_window=window)

    def compose(self, account: Account, text: str, target: SocialMessage) -> Composed:
        shown = f"{target.author.handle} {text}"
        return Composed(shown, used=len(shown), limit=500, unit="characters")

    def light(self, account: Account, message: SocialMessage) -> Light:
        return Light(message.visibility.is_public, "It was said in public.")


NETWORKS = {
    "mastodon": FakeNetwork(
        "mastodon",
        "Mastodon",
        AccountField("url", FieldKind.URL, "the server's address"),
        AccountField("token", FieldKind.SECRET, "the account's access token"),
        AccountField("text_limit", FieldKind.NUMBER, "characters in a post", required=False),
    ),
    "standard": FakeNetwork(
        "standard",
        "Signed webhook",
        AccountField("secret", FieldKind.SECRET, "the key that deliveries are signed with"),
        AccountField("reply_url", FieldKind.URL, "where replies go", required=False),
        AccountField("own_id", FieldKind.TEXT, "the author id of our own posts", required=False),
        AccountField("label", FieldKind.TEXT, "what people call this network", required=False),
    ),
}
