"""`bridge.core.ports.Team` over Slack's Web API.

https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import copy
import re
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from urllib.request import HTTPRedirectHandler, Request

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bridge.core.card import Card, CardRef
from bridge.core.deadline import time_left
from bridge.core.patience import again
from bridge.core.ports import Finding, Named, Team
from bridge.errors import VendorGoneError, VendorRefusedError
from bridge.slack import blocks, failure
from bridge.slack.account import SlackAccount
from bridge.slack.inspection import CHANNEL, UNKNOWN_USER, USER, Inspection
from bridge.slack.quiet import sdk_logger

CARD = "bridge_card"
NOTE = "bridge_note"
BLANKED = "(erased)"
NOTICE = "bridge_notice"

PAGE = 200
CHANNELS_PAGE = 1000
MAX_PAGES = 50
# Slack's clock and ours are two clocks.
SKEW = timedelta(seconds=60)
CHANNELS_FRESH_S = 600.0

_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{7,}")


class _Direct(WebClient):
    """Follows no redirect: urllib would take the token along, to wherever it leads."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        # Where urllib counts whom it has followed already: so many are enough.
        req.redirect_dict = dict.fromkeys(range(HTTPRedirectHandler.max_redirections), 1)  # type: ignore[attr-defined]
        return super()._perform_urllib_http_request_internal(url, req)


def web_client(account: SlackAccount) -> WebClient:
    """A client that says nothing of its own in the log, repeats nothing and goes to one address only."""
    return _Direct(
        token=account.bot_token,
        base_url=account.api_url,
        timeout=account.timeout_s,  # type: ignore[arg-type]  # urllib takes fractions of a second too
        logger=sdk_logger("web"),
        # The default handler posts again when a connection drops: that is two cards.
        retry_handlers=[],
        # Python 3.11 would read all certificates anew for each call: more work than all else about it.
        ssl=trusted() if account.api_url.lower().startswith("https:") else None,
    )


@cache
def trusted() -> ssl.SSLContext:
    """Whose word this machine takes for it that a server is Slack's."""
    return ssl.create_default_context()


_PERMALINK = re.compile(r"^https?://[^/]+/archives/([CG][A-Z0-9]+)/p([0-9]{10})([0-9]{6})(?![0-9])")


class SlackTeam(Team):
    """Cards and notes in Slack. Safe to share between threads: it holds no connection."""

    def __init__(self, account: SlackAccount, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._account = account
        self._client = web_client(account)
        self._sleep = sleep
        self._channels: dict[str, str] = {}
        self._channels_read_at = float("-inf")

    def post_card(self, channel: str, card: Card, key: str) -> CardRef:
        """Post *card* in *channel* (``#name`` or id). The ref holds the channel's id."""
        shown, text = blocks.render(card)
        channel_id = self._channel_id(channel)
        answer = self._post(CARD, key, channel=channel_id, blocks=shown, text=text)
        return CardRef(channel=channel_id, id=str(answer["ts"]))

    def update_card(self, ref: CardRef, card: Card) -> None:
        """Raises VendorGoneError when the message was deleted."""
        self._update(ref, *blocks.render(card))

    def blank(self, ref: CardRef) -> None:
        """Text without blocks takes the blocks away. Raises VendorGoneError like `update_card`."""
        self._update(ref, [], BLANKED)

    def _update(self, ref: CardRef, shown: list[blocks.Block], text: str) -> None:
        call = partial(
            self._writer("chat.update").chat_update,
            channel=ref.channel,
            ts=ref.id,
            text=text,
            blocks=shown,
            # Left out, it becomes "client" here, and words turn into links and mentions.
            parse="none",
        )
        failure.called("chat.update", call, write=True)

    def find_card(self, channel: str, key: str, since: datetime) -> CardRef | None:
        """Look for the card with *key* among what was posted in *channel* after *since*.

        Raises VendorRefusedError when there is more than may be looked through: then
        "not found" is not known.
        """
        channel_id = self._channel_id(channel)
        found = self._find_in(channel_id, CARD, key, since)
        return None if found is None else CardRef(channel=channel_id, id=found)

    def post_note(self, ref: CardRef, text: str, key: str) -> str:
        """Returns the note's ``ts``."""
        shown, fallback = blocks.render_note(text)
        answer = self._post(NOTE, key, channel=ref.channel, thread_ts=ref.id, blocks=shown, text=fallback)
        return str(answer["ts"])

    def find_note(self, ref: CardRef, key: str) -> str | None:
        call = partial(
            self._client.conversations_replies,
            channel=ref.channel,
            ts=ref.id,
            limit=PAGE,
            include_all_metadata=True,
        )
        try:
            return self._look("conversations.replies", call, NOTE, key)
        except VendorGoneError:
            return None

    def announce(self, channel: str, text: str, key: str, link: str | None = None) -> str:
        """Returns the message's ``ts``."""
        shown, fallback = blocks.render_note(text, link)
        channel_id = self._channel_id(channel)
        return str(self._post(NOTICE, key, channel=channel_id, blocks=shown, text=fallback)["ts"])

    def find_announcement(self, channel: str, key: str, since: datetime) -> str | None:
        """Raises VendorRefusedError like `find_card`."""
        return self._find_in(self._channel_id(channel), NOTICE, key, since)

    def locate(self, url: str) -> CardRef | None:
        """The message behind a permalink: …/archives/<channel>/p<ts without its dot>."""
        found = _PERMALINK.search(url)
        return None if found is None else CardRef(found[1], f"{found[2]}.{found[3]}")

    def email_of(self, user_id: str) -> str | None:
        """The e-mail address of a member; None for bots, strangers and those who hide it."""
        try:
            answer = self._read("users.info", partial(self._client.users_info, user=user_id))
        except VendorRefusedError as error:
            if error.detail in UNKNOWN_USER:
                return None
            raise
        profile = _dict(_dict(answer.get("user")).get("profile"))
        return str(profile["email"]) if profile.get("email") else None

    def check(self, channels: Mapping[str, str]) -> list[Finding]:
        """What Slack says of the app, and of each of *channels*. Never raises a VendorError."""
        return self._inspection().findings(channels)

    def look_up(self, kind: str, names: Collection[str]) -> list[Named]:
        """How each channel (``#name`` or id) or user (id) stands with the app. Never raises a VendorError."""
        inspection = self._inspection()
        look = {CHANNEL: inspection.channel, USER: inspection.user}[kind]
        found: list[Named] = []
        for name in sorted(names):
            # What could not be asked once is not asked for the others: each would wait as long.
            failed = found and found[-1].standing is None
            found.append(replace(found[-1], name=name) if failed else look(name))
        return found

    def channels(self) -> dict[str, bool]:
        """Every channel that the app sees, as ``#name``, and whether the app is a member."""
        return {f"#{found.get('name')}": bool(found.get("is_member")) for found in self._list_channels()}

    def _inspection(self) -> Inspection:
        return Inspection(self._account, self._client, self._read, self._channel_id)

    def _post(self, event_type: str, key: str, **message: Any) -> SlackResponse:
        call = partial(
            self._writer("chat.postMessage").chat_postMessage,
            **message,
            unfurl_links=False,
            unfurl_media=False,
            # Every app in the workspace can read it: the key, and nothing of a person.
            metadata={"event_type": event_type, "event_payload": {"key": key}},
        )
        return failure.called("chat.postMessage", call, write=True, owed="ts")

    def _writer(self, operation: str) -> WebClient:
        """A client whose timeout is what is left for a write. To be had right before it."""
        writer = copy.copy(self._client)
        left_s = time_left(self._account.timeout_s, failure.VENDOR, operation)
        writer.timeout = left_s  # type: ignore[assignment]  # urllib takes fractions of a second too
        return writer

    def _find_in(self, channel_id: str, event: str, key: str, since: datetime) -> str | None:
        call = partial(
            self._client.conversations_history,
            channel=channel_id,
            oldest=f"{(since - SKEW).timestamp():.6f}",
            limit=PAGE,
            include_all_metadata=True,
        )
        return self._look("conversations.history", call, event, key)

    def _look(self, operation: str, call: Callable[..., SlackResponse], event: str, key: str) -> str | None:
        for page in self._pages(operation, call):
            for message in _dicts(page.get("messages")):
                metadata = _dict(message.get("metadata"))
                payload = _dict(metadata.get("event_payload"))
                if metadata.get("event_type") == event and payload.get("key") == key and "ts" in message:
                    return str(message["ts"])
        return None

    def _channel_id(self, channel: str) -> str:
        """The id of *channel*, given as ``#name``, name or id."""
        if _CHANNEL_ID.fullmatch(channel):
            return channel
        name = channel.removeprefix("#")
        if name not in self._channels or time.monotonic() - self._channels_read_at > CHANNELS_FRESH_S:
            self._read_channels()
        try:
            return self._channels[name]
        except KeyError:
            detail = f"channel_not_found: {failure.REFUSED['channel_not_found']}"
            raise VendorRefusedError(failure.VENDOR, "conversations.list", detail) from None

    def _read_channels(self) -> None:
        channels = {str(found.get("name")): str(found.get("id")) for found in self._list_channels()}
        # Replaced, never changed: other threads read it meanwhile.
        self._channels, self._channels_read_at = channels, time.monotonic()

    def _list_channels(self) -> Iterator[dict[str, Any]]:
        call = partial(
            self._client.conversations_list,
            types="public_channel,private_channel",
            exclude_archived=True,
            limit=CHANNELS_PAGE,
        )
        for page in self._pages("conversations.list", call):
            yield from _dicts(page.get("channels"))

    def _pages(self, operation: str, call: Callable[..., SlackResponse]) -> Iterator[SlackResponse]:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = self._read(operation, partial(call, cursor=cursor))
            yield page
            cursor = _dict(page.get("response_metadata")).get("next_cursor") or None
            if cursor is None:
                return
        raise VendorRefusedError(failure.VENDOR, operation, f"more than {MAX_PAGES} pages to look through")

    def _read(self, operation: str, call: Callable[[], SlackResponse]) -> SlackResponse:
        """Again for some seconds while Slack is busy."""
        return again(self._sleep)(failure.called, operation, call, write=False)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [found for found in value if isinstance(found, dict)] if isinstance(value, list) else []
