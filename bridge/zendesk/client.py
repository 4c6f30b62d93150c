"""One account's API: zenpy where it works, plain JSON over the same session where it does not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from zenpy import Zenpy
from zenpy.lib.exception import ZenpyException

from bridge.zendesk.account import ZendeskAccount
from bridge.zendesk.answer import other_shape
from bridge.zendesk.payload import as_bytes
from bridge.zendesk.rate import RateState
from bridge.zendesk.session import ZendeskSession, calling, provider_for
from bridge.zendesk.token import RUN_SCOPES

# zenpy writes whole payloads to the log at DEBUG: names and words of customers.
logging.getLogger("zenpy").setLevel(logging.INFO)

_JSON = {"Content-Type": "application/json"}


class ZendeskClient:
    """A zenpy and a session per thread.

    zenpy keeps the object it is about to send on a shared Api object, so two threads
    on one client can send each other's bodies, or empty ones.
    """

    def __init__(
        self,
        account: ZendeskAccount,
        scopes: tuple[str, ...] = RUN_SCOPES,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self.scopes = scopes
        self.rates = RateState()
        self._provider = provider_for(account, scopes, sleep)
        self._sleep = sleep
        self._mine = threading.local()

    @property
    def session(self) -> ZendeskSession:
        """This thread's session."""
        session: ZendeskSession | None = getattr(self._mine, "session", None)
        if session is None:
            session = ZendeskSession(self.account, self._provider, self.rates, self._sleep)
            self._mine.session = session
        return session

    @property
    def zenpy(self) -> Any:
        """This thread's zenpy. Its cache is off: it would give us our own stale tickets."""
        zenpy = getattr(self._mine, "zenpy", None)
        if zenpy is None:
            zenpy = Zenpy(
                subdomain=self.account.subdomain.lower(),
                session=self.session,
                anonymous=True,  # the session signs in
                timeout=self.account.timeout_s,
                disable_cache=True,
            )
            self._mine.zenpy = zenpy
        return zenpy

    @property
    def uses_oauth(self) -> bool:
        """False for the old e-mail and token pair."""
        return self._provider is not None

    @property
    def granted_scopes(self) -> tuple[str, ...] | None:
        """The scopes of the token at hand; None where there is no OAuth token or it names none."""
        return (self._provider.granted or None) if self._provider else None

    @contextmanager
    def through_zenpy(self, operation: str, *, repeatable: bool | None = None) -> Iterator[Any]:
        """This thread's zenpy for one operation.

        The session has raised whatever Zendesk refused; what zenpy itself raises means
        that it could not make sense of an answer, and quotes that answer.
        """
        with calling(operation, repeatable=repeatable):
            try:
                yield self.zenpy
            except (ZenpyException, AttributeError, KeyError, TypeError, ValueError):
                raise other_shape(operation, repeatable=bool(repeatable)) from None

    def get(
        self, operation: str, path: str, params: Mapping[str, str] | None = None, *, patient: bool = True
    ) -> bytes:
        """The body of a read; *path* may be a link that Zendesk gave.

        *patient* False: it is not repeated in place, for the caller counts what it asks.
        """
        with calling(operation, patient=patient):
            return self.session.get(path, params=params).content

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of the answer to a write, which is sent byte for byte as ``as_bytes`` says."""
        with calling(operation, {**_JSON, **(headers or {})}):
            return self.session.request(method, path, data=as_bytes(body)).content
