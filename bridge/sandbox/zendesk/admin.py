"""The parts of the fake Zendesk's API that a set-up uses: webhooks, triggers, fields, groups, brands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, request

from bridge.sandbox.zendesk.answers import NotFoundError, error_answer, page_of
from bridge.sandbox.zendesk.records import Json, RecordError
from bridge.sandbox.zendesk.rules import Trigger, Webhook, check_trigger

if TYPE_CHECKING:
    from bridge.sandbox.zendesk.desk import ZendeskSandbox


def add_admin_routes(app: Flask, desk: ZendeskSandbox) -> None:
    _add_places(app, desk)
    _add_fields(app, desk)
    _Webhooks(desk).add_to(app)
    _Triggers(desk).add_to(app)


def _body(name: str) -> Json:
    return dict((request.get_json(silent=True) or {}).get(name) or {})


def _add_places(app: Flask, desk: ZendeskSandbox) -> None:
    @app.get("/api/v2/groups", endpoint="list_groups")
    def list_groups() -> Json:
        rows = [{"id": key, "name": name, "deleted": False} for key, name in desk.groups.items()]
        return page_of("groups", rows)

    @app.get("/api/v2/brands", endpoint="list_brands")
    def list_brands() -> Json:
        rows = [
            {"id": key, "name": name, "active": True, "subdomain": name.lower()}
            for key, name in desk.brands.items()
        ]
        return page_of("brands", rows)


def _add_fields(app: Flask, desk: ZendeskSandbox) -> None:
    fields = desk.ticket_fields

    @app.get("/api/v2/ticket_fields", endpoint="list_ticket_fields")
    def list_ticket_fields() -> Json:
        return page_of("ticket_fields", list(fields.values()))

    @app.post("/api/v2/ticket_fields", endpoint="create_ticket_field")
    def create_ticket_field() -> Any:
        wanted = _body("ticket_field")
        if not wanted.get("title") or not wanted.get("type"):
            raise RecordError(title="cannot be blank")
        number = desk.records.next_id()
        fields[number] = {"active": True, "key": None} | wanted | {"id": number}
        return {"ticket_field": fields[number]}, 201

    @app.put("/api/v2/ticket_fields/<int:field_id>", endpoint="update_ticket_field")
    def update_ticket_field(field_id: int) -> Json:
        if field_id not in fields:
            raise NotFoundError
        fields[field_id] |= _body("ticket_field") | {"id": field_id}
        return {"ticket_field": fields[field_id]}


class _Webhooks:
    """https://developer.zendesk.com/api-reference/webhooks/webhooks-api/webhooks/"""

    def __init__(self, desk: ZendeskSandbox) -> None:
        self._desk = desk

    def add_to(self, app: Flask) -> None:
        one = "/api/v2/webhooks/<webhook_id>"
        app.add_url_rule("/api/v2/webhooks", "list_webhooks", self.list)
        app.add_url_rule("/api/v2/webhooks", "create_webhook", self.create, methods=["POST"])
        app.add_url_rule(one, "read_webhook", self.read)
        app.add_url_rule(one, "update_webhook", self.update, methods=["PUT", "PATCH"])
        app.add_url_rule(one, "delete_webhook", self.delete, methods=["DELETE"])
        app.add_url_rule(f"{one}/signing_secret", "read_signing_secret", self.secret)

    def _webhook(self, webhook_id: str) -> Webhook:
        if webhook_id not in self._desk.webhooks:
            raise NotFoundError
        return self._desk.webhooks[webhook_id]

    def _shown(self, webhook: Webhook) -> Json:
        return webhook.raw | {
            "id": webhook.id,
            "name": webhook.name,
            "endpoint": webhook.endpoint,
            "status": webhook.status,
            "subscriptions": webhook.subscriptions,
            "created_by": str(self._desk.service_user.id),
        }

    def list(self) -> Json:
        wanted = request.args.get("filter[name_contains]", "").lower()
        rows = [self._shown(one) for one in self._desk.webhooks.values() if wanted in one.name.lower()]
        return {"webhooks": rows, "meta": {"has_more": False}, "links": {"next": None, "prev": None}}

    def create(self) -> Any:
        wanted = _body("webhook")
        missing = [
            name
            for name in ("name", "status", "endpoint", "http_method", "request_format")
            if not wanted.get(name)
        ]
        if missing:
            return error_answer(400, "BadRequest", f"{missing[0]} is required")
        events = set(wanted.get("subscriptions") or ()) - {"conditional_ticket_events"}
        if events and not self._desk.event_subscriptions:
            return error_answer(403, "Forbidden", "Ticket event subscriptions are not part of this account")
        return {"webhook": self._shown(self._desk.add_webhook(wanted))}, 201

    def read(self, webhook_id: str) -> Json:
        return {"webhook": self._shown(self._webhook(webhook_id))}

    def update(self, webhook_id: str) -> Any:
        webhook, wanted = self._webhook(webhook_id), _body("webhook")
        webhook.raw |= wanted
        webhook.name = str(wanted.get("name", webhook.name))
        webhook.endpoint = str(wanted.get("endpoint", webhook.endpoint))
        webhook.status = str(wanted.get("status", webhook.status))
        webhook.subscriptions = list(wanted.get("subscriptions", webhook.subscriptions))
        return "", 204

    def delete(self, webhook_id: str) -> Any:
        del self._desk.webhooks[self._webhook(webhook_id).id]
        return "", 204

    def secret(self, webhook_id: str) -> Json:
        webhook = self._webhook(webhook_id)
        return {"signing_secret": {"algorithm": "SHA256", "secret": webhook.secret}}


class _Triggers:
    """https://developer.zendesk.com/api-reference/ticketing/business-rules/triggers/"""

    def __init__(self, desk: ZendeskSandbox) -> None:
        self._desk = desk

    def add_to(self, app: Flask) -> None:
        one = "/api/v2/triggers/<int:trigger_id>"
        for path in ("/api/v2/triggers", "/api/v2/triggers/active", "/api/v2/triggers/search"):
            app.add_url_rule(path, "list_triggers", self.list)
        app.add_url_rule("/api/v2/triggers", "create_trigger", self.create, methods=["POST"])
        app.add_url_rule(one, "read_trigger", self.read)
        app.add_url_rule(one, "update_trigger", self.update, methods=["PUT"])
        app.add_url_rule(one, "delete_trigger", self.delete, methods=["DELETE"])

    def _trigger(self, trigger_id: int) -> Trigger:
        if trigger_id not in self._desk.triggers:
            raise NotFoundError
        return self._desk.triggers[trigger_id]

    def _shown(self, trigger: Trigger) -> Json:
        return {
            "id": trigger.id,
            "title": trigger.title,
            "active": trigger.active,
            "description": trigger.description,
            "conditions": {"all": trigger.all, "any": trigger.any},
            "actions": trigger.actions,
            "category_id": None,
        }

    def list(self) -> Json:
        wanted = request.args.get("query", "").strip('"').lower()
        rows = [
            self._shown(one)
            for one in self._desk.triggers.values()
            if wanted in one.title.lower() and (one.active or not request.path.endswith("/active"))
        ]
        return page_of("triggers", rows)

    def create(self) -> Any:
        wanted = _body("trigger")
        check_trigger(wanted)
        trigger = Trigger(self._desk.records.next_id(), "", [], [], [])
        self._fill(trigger, wanted)
        self._desk.triggers[trigger.id] = trigger
        return {"trigger": self._shown(trigger)}, 201

    def _fill(self, trigger: Trigger, wanted: Json) -> None:
        """Take over what *wanted* says. Given conditions replace all the old ones."""
        trigger.title = str(wanted.get("title", trigger.title))
        trigger.active = bool(wanted.get("active", trigger.active))
        trigger.description = wanted.get("description", trigger.description)
        trigger.actions = list(wanted.get("actions", trigger.actions))
        if "conditions" in wanted:
            trigger.all = list(wanted["conditions"].get("all") or [])
            trigger.any = list(wanted["conditions"].get("any") or [])

    def read(self, trigger_id: int) -> Json:
        return {"trigger": self._shown(self._trigger(trigger_id))}

    def update(self, trigger_id: int) -> Json:
        trigger, wanted = self._trigger(trigger_id), _body("trigger")
        check_trigger(self._shown(trigger) | wanted)
        self._fill(trigger, wanted)
        return {"trigger": self._shown(trigger)}

    def delete(self, trigger_id: int) -> Any:
        del self._desk.triggers[self._trigger(trigger_id).id]
        return "", 204
