"""A Slack workspace's app, with its credentials resolved."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SlackAccount:
    """How the bridge reaches its team. No secret shows in a repr.

    ``signing_secrets`` are all that are valid now (several during rotation).
    ``app_token`` (``xapp-…``) turns Socket Mode on. ``timeout_s`` bounds each call.
    """

    bot_token: str = field(repr=False)
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)
    app_token: str | None = field(default=None, repr=False)
    api_url: str = "https://slack.com/api/"
    public_url: str | None = None
    timeout_s: float = 10.0

    @property
    def socket_mode(self) -> bool:
        return bool(self.app_token)
