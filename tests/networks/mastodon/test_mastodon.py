from bridge.core.account import Account

ACCOUNT = Account(
    key="masto",
    network="mastodon",
    brand="acme",
    handle="@care@social.example",
    fields={"url": "https://social.example"},
    secrets={"token": ("test-token-one",)},
)
