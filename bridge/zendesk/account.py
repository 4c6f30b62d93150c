"""Which Zendesk account, and how the bridge signs in to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.errors import SettingsError

# Anything else would end up in the address that the credentials are sent to.
_SUBDOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class ZendeskAccount:
    """One Zendesk account with its credentials resolved.

    ``client_id`` and ``client_secret`` (an OAuth confidential client) are the way in;
    ``email`` and ``api_token`` still work until 2027-04-30. ``url`` replaces
    ``https://<subdomain>.zendesk.com`` for loopback and proxies. ``webhook_secrets``
    holds every signing secret that is valid now, newest first. ``public_url`` is where
    Zendesk reaches the bridge; without it the doctor cannot judge the webhook.

    Raises SettingsError when the subdomain is none.
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

    def __post_init__(self) -> None:
        if not _SUBDOMAIN.fullmatch(self.subdomain):
            raise SettingsError('ZENDESK_SUBDOMAIN is the "acme" of acme.zendesk.com, and nothing more')

    @property
    def home(self) -> str:
        """The account's own address, which zenpy and Zendesk's links use."""
        # In lower case, as requests writes it: addresses are compared.
        return f"https://{self.subdomain.lower()}.zendesk.com"

    @property
    def base(self) -> str:
        """The address that is really dialled."""
        return (self.url or self.home).rstrip("/")

    def ticket_url(self, ticket_id: str) -> str:
        """Where an agent opens the ticket."""
        return f"{self.base}/agent/tickets/{ticket_id}"
