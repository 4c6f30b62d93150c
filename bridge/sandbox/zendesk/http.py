"""The fake Zendesk's API: its door, its limits and its errors; the routes are next door.

https://developer.zendesk.com/api-reference/ticketing/introduction/
Operations are named by their endpoint, for the chaos knobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from bridge.sandbox.reading_room import thread_page
from bridge.sandbox.zendesk.admin import add_admin_routes
from bridge.sandbox.zendesk.answers import NotFoundError, error_answer
from bridge.sandbox.zendesk.auth import AuthError, is_allowed
from bridge.sandbox.zendesk.records import RecordError
from bridge.sandbox.zendesk.tickets import TicketRoutes
from bridge.sandbox.zendesk.users import add_user_routes

if TYPE_CHECKING:
    from bridge.sandbox.zendesk.desk import ZendeskSandbox

OPEN_TO_ALL = ("mint_token", "read_me", "agent_page")


def build_app(desk: ZendeskSandbox) -> Flask:
    """The account's API as a Flask app. Every request runs under the desk's lock."""
    app = Flask("sandbox-zendesk", static_folder=None)
    _add_door(app, desk)
    _add_errors(app)
    add_user_routes(app, desk)
    TicketRoutes(desk).add_to(app)
    add_admin_routes(app, desk)
    return app


def _add_door(app: Flask, desk: ZendeskSandbox) -> None:
    @app.before_request
    def admit() -> Response | None:
        desk.lock.acquire()
        g.locked = True
        scopes = desk.door.scopes_of(request.headers.get("Authorization", ""))
        g.known = scopes is not None
        g.rate_headers = {}
        if scopes is None:
            return None if request.endpoint in OPEN_TO_ALL else error_answer(401, "Couldn't authenticate you")
        if not is_allowed(scopes, request.method, request.path):
            text = "You do not have access to this page. Please contact the account owner of this help desk."
            answer = jsonify({"error": {"title": "Forbidden", "message": text}})
            answer.status_code = 403
            return answer
        ticket_id = (request.view_args or {}).get("ticket_id")
        g.rate_headers, wait = desk.meter.measure(str(request.endpoint), ticket_id, desk.service_user.id)
        if wait is not None:
            answer = error_answer(429, "TooManyRequests", "Rate limit exceeded")
            answer.headers["Retry-After"] = str(wait)
            return answer
        return None

    @app.after_request
    def add_rate_headers(answer: Response) -> Response:
        answer.headers.update(g.get("rate_headers", {}))
        return answer

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        if g.pop("locked", False):
            desk.lock.release()

    @app.get("/agent/tickets/<int:ticket_id>", endpoint="agent_page")
    def agent_page(ticket_id: int) -> str:
        if ticket_id not in desk.records.tickets:
            raise NotFoundError
        ticket = desk.ticket(ticket_id)
        return thread_page(
            f"#{ticket_id} {ticket.subject}", [(one.author, one.text) for one in ticket.comments]
        )

    @app.post("/oauth/tokens", endpoint="mint_token")
    def mint_token() -> Any:
        wanted = request.get_json(silent=True) or request.form.to_dict()
        try:
            return desk.door.mint(wanted)
        except AuthError as error:
            return error_answer(
                error.status, error.code, "Client authentication failed or the request is wrong."
            )


def _add_errors(app: Flask) -> None:
    @app.errorhandler(RecordError)
    def refuse(error: RecordError) -> Response:
        details = {
            name: [{"description": text, "error": "InvalidValue"}] for name, text in error.details.items()
        }
        return error_answer(422, "RecordInvalid", "Record validation errors", details)

    @app.errorhandler(NotFoundError)
    def missing(_: NotFoundError) -> Response:
        return error_answer(404, "RecordNotFound", "Not found")

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> Response:
        if error.code == 404:
            body = {"error": {"title": "Invalid Endpoint", "message": "Not found"}}
            answer = jsonify(body)
            answer.status_code = 404
            return answer
        return error_answer(error.code or 500, error.name)
