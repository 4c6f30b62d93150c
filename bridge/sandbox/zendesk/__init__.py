"""A fake Zendesk: the Ticketing API, triggers, webhooks, and what people do in its interface."""

from bridge.sandbox.zendesk.desk import TicketView, ZendeskSandbox
from bridge.sandbox.zendesk.limits import Limits

__all__ = ["Limits", "TicketView", "ZendeskSandbox"]
