"""Which Zendesk account, and how the bridge signs in to it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ZendeskAccount:
    """One Zendesk account with its credentials resolved.

    ``client_id`` and ``client_secret`` (an OAuth confidential client) are the way in;
    ``email`` and ``api_token`` still work until 2027-04-30. ``url`` replaces
    ``https://<subdomain>.zendesk.com`` for loopback and proxies. ``webhook_secrets``
    holds every signing secret that is valid now, newest first. ``public_url`` is where
    Zendesk reaches the bridge; without it the doctor cannot judge the webhook.
    """

    subdomain: str
    url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    email: str | None = None
    api_token: str | None = field(default=None, repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    installation: str = "bridge"
    timeout_s: float = 20.0
    public_url: str | None = None

    @property
    def home(self) -> str:
        """The account's own address, which zenpy and Zendesk's links use."""
        return f"https://{self.subdomain}.zendesk.com"

    @property
    def base(self) -> str:
        """The address that is really dialled."""
        return (self.url or self.home).rstrip("/")

    def ticket_url(self, ticket_id: str) -> str:
        """Where an agent opens the ticket."""
        return f"{self.base}/agent/tickets/{ticket_id}"
