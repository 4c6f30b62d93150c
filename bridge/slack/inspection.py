"""What ``bridge doctor`` and ``bridge mappings check --live`` say about Slack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bridge.core.ports import Finding, Named, Standing
from bridge.errors import VendorBusyError, VendorError
from bridge.slack.account import SlackAccount
from bridge.slack.manifest import SCOPES

Read = Callable[[str, Callable[[], SlackResponse]], SlackResponse]
CHANNEL, USER = "channel", "user"
"""The kinds of names that are looked up in Slack."""
UNKNOWN_USER = ("user_not_found", "user_not_visible")

REINSTALL = "update the app from the manifest that `bridge setup slack` prints, and install it again"


class Inspection:
    """One look at the app, its scopes, the way presses come in, and the channels."""

    def __init__(
        self, account: SlackAccount, client: WebClient, read: Read, channel_id: Callable[[str], str]
    ) -> None:
        self._account = account
        self._client = client
        self._read = read
        self._channel_id = channel_id

    def findings(self, channels: Mapping[str, str]) -> list[Finding]:
        try:
            identity = self._read("auth.test", self._client.auth_test)
        except VendorError as error:
            fix = _fix(error, "set SLACK_BOT_TOKEN to the bot token (xoxb-…)")
            return [Finding("Slack token", False, str(error), fix)]
        who = f"{identity.get('user')} in {identity.get('team')}"
        return [
            Finding("Slack token", True, f"the app is {who}"),
            self._scopes(identity),
            self._presses(),
            *(self._checked(channel, named_in) for channel, named_in in channels.items()),
        ]

    def _scopes(self, identity: SlackResponse) -> Finding:
        headers = {name.lower(): str(value) for name, value in identity.headers.items()}
        granted = {scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",")}
        missing = sorted(set(SCOPES) - granted)
        if missing:
            return Finding("Slack scopes", False, f"missing: {', '.join(missing)}", REINSTALL)
        return Finding("Slack scopes", True, "all that are needed")

    def _presses(self) -> Finding:
        check = "Slack buttons"
        if self._account.app_token:
            try:
                open_socket = partial(self._client.apps_connections_open, app_token=self._account.app_token)
                self._read("apps.connections.open", open_socket)
            except VendorError as error:
                fix = "set SLACK_APP_TOKEN to an app-level token (xapp-…) with the scope connections:write"
                return Finding(check, False, str(error), _fix(error, fix))
            return Finding(check, True, "by Socket Mode")
        if any(self._account.signing_secrets):
            return Finding(check, True, "by signed requests")
        fix = "set SLACK_SIGNING_SECRET, or SLACK_APP_TOKEN for Socket Mode"
        return Finding(check, False, "no signing secret and no app token: presses cannot come in", fix)

    def _checked(self, channel: str, named_in: str) -> Finding:
        found, check = self.channel(channel), f"Slack channel {channel}"
        if found.standing is Standing.THERE:
            return Finding(check, True, found.detail)
        if found.standing is Standing.OUTSIDE:
            fix = found.fix
        elif found.standing is Standing.RETIRED:
            fix = f"unarchive it, or name another in {named_in}"
        else:
            fix = f"check the name in {named_in}; if it is right, {found.fix}"
        return Finding(check, False, found.detail, fix)

    def channel(self, channel: str) -> Named:
        """How *channel* (``#name`` or id) stands with the app. Raises nothing of a vendor."""
        invite = f"in Slack, type `/invite @` and the app's name in {channel}"
        try:
            found = self._channel_id(channel)
            answer = self._read("conversations.info", partial(self._client.conversations_info, channel=found))
        except VendorError as error:
            missing = error.detail.startswith("channel_not_found")
            return Named(CHANNEL, channel, Standing.MISSING if missing else None, str(error), invite)
        info = answer.get("channel") or {}
        if info.get("is_archived"):
            return Named(CHANNEL, channel, Standing.RETIRED, "archived", "unarchive it, or name another")
        if not info.get("is_member"):
            return Named(CHANNEL, channel, Standing.OUTSIDE, "the app is not a member", invite)
        return Named(CHANNEL, channel, Standing.THERE, "the app is a member")

    def user(self, user: str) -> Named:
        """How the member with this id stands. Raises nothing of a vendor."""
        fix = "copy the id anew (in Slack: profile, Copy member ID)"
        try:
            answer = self._read("users.info", partial(self._client.users_info, user=user))
        except VendorError as error:
            missing = error.detail in UNKNOWN_USER
            return Named(USER, user, Standing.MISSING if missing else None, str(error), fix)
        if (answer.get("user") or {}).get("deleted"):
            return Named(USER, user, Standing.RETIRED, "deactivated", "name somebody else")
        return Named(USER, user, Standing.THERE, "a member")


def _fix(error: VendorError, token: str) -> str:
    """What mends *error*: *token*, unless Slack has not even looked at the token."""
    if isinstance(error, VendorBusyError):
        return "see whether Slack can be reached from here: network, proxy, and SLACK_API_URL if it is set"
    return token
