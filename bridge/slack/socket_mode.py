"""Presses over a WebSocket that we open, for installations without a public address.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import logging
import threading
from functools import partial

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bridge.errors import VendorBusyError, VendorError
from bridge.slack import failure
from bridge.slack.account import SlackAccount
from bridge.slack.quiet import sdk_logger
from bridge.slack.team import web_client

FIX = "SLACK_APP_TOKEN must be an app-level token (xapp-…) with the scope connections:write"

log = logging.getLogger(__name__)


class SocketMode:
    """The connection; one process of the installation holds it at a time."""

    def __init__(self, account: SlackAccount, app: App) -> None:
        if not account.app_token:
            raise ValueError("Socket Mode needs an app token")
        self._account = account
        self._app = app
        self._lock = threading.Lock()
        self._handler: SocketModeHandler | None = None

    def start(self) -> bool:
        """Connect, unless connected. False: it did not work, the log says why; call again later."""
        with self._lock:
            if self._handler is not None:
                return True
            try:
                self._handler = self._connected()
            except VendorError as error:
                log.warning("Slack's buttons do not work yet: %s (%s)", error, FIX)
                return False
            return True

    def stop(self) -> None:
        """Disconnect, if connected."""
        with self._lock:
            if self._handler is not None:
                self._handler.client.close()
                self._handler = None

    def _connected(self) -> SocketModeHandler:
        client = web_client(self._account)
        # Asked for here, because the SDK would sleep through a rate limit.
        ask = partial(client.apps_connections_open, app_token=self._account.app_token or "")
        url = failure.called("apps.connections.open", ask, write=False, owed="url")["url"]
        handler = SocketModeHandler(
            self._app,
            self._account.app_token,
            logger=sdk_logger("socket"),
            web_client=client,
            # At first: a connection that never was must not come back by itself.
            auto_reconnect_enabled=False,
        )
        handler.client.wss_uri = url
        handler.client.connect()
        # A handshake that fails raises nothing in there.
        if not handler.client.is_connected():
            handler.client.close()
            raise VendorBusyError(failure.VENDOR, "Socket Mode", "the WebSocket could not be opened")
        handler.client.auto_reconnect_enabled = handler.client.default_auto_reconnect_enabled = True
        return handler
