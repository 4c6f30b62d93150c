"""``bridge setup zendesk``: the webhook, the triggers and the ticket fields that the bridge needs.

Everything is found by its title, created where it is missing and repaired where it
differs, so that it may be run any number of times.
https://developer.zendesk.com/documentation/webhooks/creating-and-monitoring-webhooks/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from zenpy.lib.api_objects import TicketField, Trigger, Webhook

from bridge.errors import VendorRefusedError
from bridge.zendesk.account import ZendeskAccount
from bridge.zendesk.answer import VENDOR
from bridge.zendesk.catalogue import FIELD_TITLES
from bridge.zendesk.client import ZendeskClient
from bridge.zendesk.payload import TAG
from bridge.zendesk.token import SETUP_SCOPES
from bridge.zendesk.webhook import SCHEMA

HOOK_PATH = "/hooks/zendesk"

_MOST = 5000
_NOT_YET = "(the new webhook)"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that setup looked at. ``applied`` False with an action other than
    unchanged: a dry run, nothing was written.
    """

    what: str
    action: Literal["created", "repaired", "unchanged"]
    applied: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of object in Zendesk, and how it is written through zenpy."""

    api: str
    make: Callable[..., Any]
    label: str


_WEBHOOK = _Kind("webhooks", Webhook, "webhook")
_TRIGGER = _Kind("triggers", Trigger, "trigger")
_FIELD = _Kind("ticket_fields", TicketField, "ticket field")


def plan(account: ZendeskAccount, public_url: str) -> list[Step]:
    """What ``apply`` would do. Writes nothing."""
    return _reconcile(account, public_url, write=False)


def apply(account: ZendeskAccount, public_url: str) -> list[Step]:
    """Create what is missing and repair what differs. Raises the classes of VendorError."""
    return _reconcile(account, public_url, write=True)


def signing_secret(account: ZendeskAccount) -> str:
    """The secret with which our webhook signs, for ``ZENDESK_WEBHOOK_SECRET``.

    Raises VendorRefusedError while there is no webhook of ours.
    """
    client = ZendeskClient(account, SETUP_SCOPES)
    webhook = find(listed(client, _WEBHOOK.api), "name", webhook_name(account))
    if webhook is None:
        raise VendorRefusedError(VENDOR, "show secret", "there is no webhook yet: run bridge setup zendesk")
    with client.through_zenpy("show secret", repeatable=True) as zenpy:
        shown = zenpy.webhooks.show_secret(webhook["id"])
        return str(shown.to_dict()["secret"])


def webhook_name(account: ZendeskAccount) -> str:
    return f"{account.installation}: social bridge"


def wanted_webhook(account: ZendeskAccount, public_url: str) -> dict[str, Any]:
    """The webhook that our triggers call."""
    return {
        "name": webhook_name(account),
        "status": "active",
        "endpoint": public_url.rstrip("/") + HOOK_PATH,
        "http_method": "POST",
        "request_format": "json",
        # Fixed for life: a webhook for triggers cannot also be subscribed to events.
        "subscriptions": ["conditional_ticket_events"],
    }


def wanted_triggers(account: ZendeskAccount, webhook_id: str) -> list[dict[str, Any]]:
    """One trigger for what agents say and one for the status, last in Zendesk's order by being new.

    They do not ask which way an update came: agents also work through other tools.
    """
    ours: list[dict[str, Any]] = [
        {"field": "current_tags", "operator": "includes", "value": TAG},
        {"field": "update_type", "operator": "is", "value": "Change"},
    ]
    said = [
        {"field": "comment_is_public", "operator": "is", "value": "true"},
        {"field": "role", "operator": "is", "value": "agent"},
    ]
    moved: list[dict[str, Any]] = [{"field": "status", "operator": "changed", "value": None}]
    return [
        _trigger(account, "public answer", ours + said, webhook_id, "agent_public_comment"),
        _trigger(account, "status changed", ours + moved, webhook_id, "status_changed"),
    ]


def wanted_fields() -> list[dict[str, Any]]:
    return [{"title": title, "type": "text", "active": True} for title in FIELD_TITLES.values()]


def listed(client: ZendeskClient, kind: str) -> list[dict[str, Any]]:
    """Every webhook, trigger or ticket field of the account, as plain dicts."""
    with client.through_zenpy(f"list {kind}", repeatable=True) as zenpy:
        api = getattr(zenpy, kind)
        entries = api.list() if kind == _WEBHOOK.api else api()
        return [entry.to_dict() for entry in islice(entries, _MOST)]


def find(entries: list[dict[str, Any]], key: str, value: str) -> dict[str, Any] | None:
    """The first entry with this name or title."""
    return next((entry for entry in entries if entry.get(key) == value), None)


def differs(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether *found* lacks something of *wanted*, apart from order and what Zendesk adds."""
    return any(_plain(found.get(name)) != _plain(value) for name, value in wanted.items())


def _reconcile(account: ZendeskAccount, public_url: str, *, write: bool) -> list[Step]:
    client = ZendeskClient(account, SETUP_SCOPES)
    webhook = wanted_webhook(account, public_url)
    step, webhook_id = _settle(client, _WEBHOOK, "name", webhook, listed(client, _WEBHOOK.api), write=write)
    steps = [step]
    triggers = listed(client, _TRIGGER.api)
    for trigger in wanted_triggers(account, webhook_id):
        steps.append(_settle(client, _TRIGGER, "title", trigger, triggers, write=write)[0])
    fields = listed(client, _FIELD.api)
    for wanted in wanted_fields():
        steps.append(_settle(client, _FIELD, "title", wanted, fields, write=write)[0])
    return steps


def _settle(
    client: ZendeskClient,
    kind: _Kind,
    key: str,
    wanted: dict[str, Any],
    entries: list[dict[str, Any]],
    *,
    write: bool,
) -> tuple[Step, str]:
    """Create, repair or leave one object; return the step and the object's id."""
    what = f'{kind.label} "{wanted[key]}"'
    found = find(entries, key, wanted[key])
    if found is None:
        if not write:
            return Step(what, "created"), _NOT_YET
        with client.through_zenpy(f"create {kind.label}") as zenpy:
            made = getattr(zenpy, kind.api).create(kind.make(**wanted))
            return Step(what, "created", applied=True), str(made.id)
    if not differs(wanted, found):
        return Step(what, "unchanged"), str(found["id"])
    if write:
        # Absolute values: the same repair twice is one repair.
        with client.through_zenpy(f"repair {kind.label}", repeatable=True) as zenpy:
            api, changed = getattr(zenpy, kind.api), kind.make(id=found["id"], **wanted)
            if kind is _WEBHOOK:
                api.patch(changed)
            else:
                api.update(changed)
    return Step(what, "repaired", applied=write), str(found["id"])


def _trigger(
    account: ZendeskAccount, title: str, conditions: list[dict[str, Any]], webhook_id: str, event: str
) -> dict[str, Any]:
    # Ids only: free text would have to be escaped for JSON, and Zendesk does not say that it is.
    body = {
        "schema": SCHEMA,
        "event": event,
        "ticket_id": "{{ticket.id}}",
        "ticket_external_id": "{{ticket.external_id}}",
        "current_user_id": "{{current_user.id}}",
        "updated_at": "{{ticket.updated_at_with_timestamp}}",
    }
    return {
        "title": f"{webhook_name(account)}: {title}",
        "active": True,
        "conditions": {"all": conditions, "any": []},
        "actions": [{"field": "notification_webhook", "value": [webhook_id, json.dumps(body)]}],
    }


def _plain(value: Any) -> Any:
    """*value* without what Zendesk may write otherwise: nulls, truth as a word, the order of conditions."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v not in (None, [])}
    if isinstance(value, list):
        plain = [_plain(entry) for entry in value]
        return sorted(plain, key=repr) if all(isinstance(entry, dict) for entry in plain) else plain
    return str(value).lower() if isinstance(value, bool) else value
