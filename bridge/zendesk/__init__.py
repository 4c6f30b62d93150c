"""The desk's room: Zendesk through its ticket API, its webhook and its audits."""

from bridge.zendesk.account import ZendeskAccount
from bridge.zendesk.desk import ZendeskDesk

__all__ = ["ZendeskAccount", "ZendeskDesk"]
