"""The sandbox: a fake Zendesk, Slack, Mastodon and Plaza on loopback, as one thing to start and stop."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from bridge.sandbox.faults import CallLog, Faults
from bridge.sandbox.mastodon import MastodonSandbox
from bridge.sandbox.plaza import PlazaSandbox
from bridge.sandbox.slack import SlackSandbox
from bridge.sandbox.tags import TagSource
from bridge.sandbox.zendesk import Limits, ZendeskSandbox


class Sandbox:
    """Four vendors and the social team's tag source, each on a loopback port of its own.

    Running from construction to `stop`; also a context manager. Nothing is kept.

    ``faults`` arms chaos (its weather is told by *seed*), ``calls`` logs what reached the fakes.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        event_subscriptions: bool = False,
        export_lag_s: float = 60.0,
        honours_keys: bool = True,
        visible_after_s: float = 0.0,
        posts_per_second: float | None = None,
        seed: int | None = None,
    ) -> None:
        self.faults = Faults(seed)
        self.calls = CallLog()
        self.zendesk = ZendeskSandbox(
            self.faults,
            self.calls,
            limits=limits,
            event_subscriptions=event_subscriptions,
            export_lag_s=export_lag_s,
        )
        self.slack = SlackSandbox(self.faults, self.calls, posts_per_second=posts_per_second)
        self.mastodon = MastodonSandbox(
            self.faults, self.calls, honours_keys=honours_keys, visible_after_s=visible_after_s
        )
        self.plaza = PlazaSandbox(self.faults, self.calls)
        self.tags = TagSource()

    def point_at(self, bridge_url: str) -> None:
        """Send webhooks and presses to the bridge at *bridge_url* from now on."""
        address = bridge_url.rstrip("/")
        self.slack.bridge_url = self.plaza.bridge_url = self.tags.bridge_url = address

    def environment(self, bridge_url: str) -> dict[str, str]:
        """The environment of a bridge at *bridge_url* that talks to this sandbox; also points at it."""
        self.point_at(bridge_url)
        return {
            "ZENDESK_SUBDOMAIN": "sandbox",
            "ZENDESK_URL": self.zendesk.url,
            "ZENDESK_CLIENT_ID": self.zendesk.client_id,
            "ZENDESK_CLIENT_SECRET": self.zendesk.client_secret,
            "ZENDESK_WEBHOOK_SECRET": self.zendesk.webhook_secret,
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "SLACK_API_URL": self.slack.api_url,
            "KOPI_PLAZA_SECRET": self.plaza.secret,
            "KOPI_PLAZA_REPLY_URL": self.plaza.reply_url,
            "KOPI_MASTODON_URL": self.mastodon.url,
            "KOPI_MASTODON_TOKEN": self.mastodon.tokens["kopi"],
            "ROWER_MASTODON_URL": self.mastodon.url,
            "ROWER_MASTODON_TOKEN": self.mastodon.tokens["rower"],
            "TAG_SOURCE_SECRET": self.tags.secret,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def wait_idle(self, timeout_s: float = 5.0) -> bool:
        """Wait until no webhook is left to be sent; False if that did not come in time."""
        senders = (self.zendesk.sender, self.plaza.sender, self.tags.sender)
        return all(sender.wait_idle(timeout_s) for sender in senders)

    def stop(self) -> None:
        self.faults.clear()
        for part in (self.zendesk, self.slack, self.mastodon, self.plaza, self.tags):
            part.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
