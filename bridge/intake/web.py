"""The HTTP side of the door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, Request, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from bridge.core.account import Account
from bridge.core.ports import Network
from bridge.errors import (
    SettingsError,
    StoreBusyError,
    UnauthenticRequestError,
    UnreadablePayloadError,
    UnsupportedEventError,
)
from bridge.intake.description import describe
from bridge.intake.door import MAX_BODY, Door
from bridge.intake.health import Health
from bridge.intake.metrics import Metrics, show_metrics
from bridge.intake.playbook import Playbook, show_playbook
from bridge.store.deliveries import DESK_SOURCE

Verify = Callable[[bytes, Mapping[str, str], datetime], str]


@dataclass(frozen=True, slots=True)
class DeskHook:
    """How the desk's webhook is verified (giving the delivery's id) and read (giving the ticket's)."""

    verify: Verify
    read: Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class TeamHook:
    """How the team tool's requests are verified, and who answers them once they are."""

    verify: Callable[[bytes, Mapping[str, str], datetime], None]
    answer: Callable[[Request], Response]


def create_web(
    door: Door,
    health: Health,
    metrics: Metrics,
    playbook: Playbook,
    *,
    networks: Mapping[str, Network],
    account: Callable[[str], Account | None],
    desk: DeskHook,
    team: TeamHook | None,
) -> Flask:
    """The Flask app. Nothing in it talks to a vendor."""
    web = Flask("bridge", static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    web.register_error_handler(StoreBusyError, door.busy)
    web.register_error_handler(SettingsError, door.busy)  # a credential's file is away for the moment
    web.register_error_handler(HTTPException, lambda error: Response(status=error.code))

    _hear_networks(web, door, networks, account)
    _hear_desk(web, door, desk)
    _hear_team(web, door, team)
    _say_how_it_is(web, health)
    show_metrics(web, metrics, door.tallies)
    show_playbook(web, playbook)
    _describe_itself(web)
    return web


def _hear_networks(
    web: Flask, door: Door, networks: Mapping[str, Network], account: Callable[[str], Account | None]
) -> None:
    @web.get("/hooks/social/<key>")
    def shake_hands(key: str) -> Response:
        found = account(key)
        answer = None
        if found is not None:
            answer = networks[found.network].challenge(found, request.args)
        if answer is None:
            return door.refuse(404, "no handshake here")
        return Response(answer, mimetype="text/plain")

    @web.post("/hooks/social/<key>")
    def hear_network(key: str) -> Response:
        found = account(key)
        if found is None or networks[found.network].capabilities.push is not True:
            return door.refuse(404, "no webhook for this account")
        network = networks[found.network]
        body = request.get_data(cache=False)
        now = door.clock.now()
        try:
            delivery_id = network.verify(found, body, _headers(request), now)
        except UnauthenticRequestError as error:
            return door.refuse(401, f"{found.network}: {error}")
        try:
            # Pure and quick; done here only so that the sender hears of what we will never take.
            network.normalise(found, body, now)
        except UnsupportedEventError as error:
            door.record(network.name, key, delivery_id, body, state="unwanted", reason=str(error))
            return Response(status=200)
        except UnreadablePayloadError as error:
            door.record(network.name, key, delivery_id, body, state="unreadable", reason=str(error))
            return door.refuse(400, f"{found.network}: {error}")
        new = door.record(network.name, key, delivery_id, body)
        return Response(status=202 if new else 200)


def _hear_desk(web: Flask, door: Door, desk: DeskHook) -> None:
    @web.post("/hooks/zendesk")
    def hear_desk() -> Response:
        body = request.get_data(cache=False)
        try:
            delivery_id = desk.verify(body, _headers(request), door.clock.now())
        except UnauthenticRequestError as error:
            return door.refuse(401, str(error))
        try:
            desk.read(body)
        except UnsupportedEventError as error:
            door.record(DESK_SOURCE, "", delivery_id, body, state="unwanted", reason=str(error))
            return Response(status=200)
        except UnreadablePayloadError as error:
            door.record(DESK_SOURCE, "", delivery_id, body, state="unreadable", reason=str(error))
            return door.refuse(400, str(error))
        new = door.hint(DESK_SOURCE, delivery_id, body)
        return Response(status=202 if new else 200)


def _hear_team(web: Flask, door: Door, team: TeamHook | None) -> None:
    @web.post("/slack/events")
    def hear_team() -> Response:
        if team is None:
            return door.refuse(404, "the team's tool is not set up")
        # Kept on the request: Bolt reads it again once we know who sent it.
        body = request.get_data(cache=True)
        try:
            team.verify(body, _headers(request), door.clock.now())
        except UnauthenticRequestError as error:
            return door.refuse(401, str(error))
        return team.answer(request)


def _say_how_it_is(web: Flask, health: Health) -> None:
    @web.get("/healthz")
    def alive() -> Response:
        return jsonify(status="ok")

    @web.get("/readyz")
    def ready() -> Response:
        report = health.report()
        answer = jsonify(report)
        answer.status_code = 503 if report["status"] == "down" else 200
        return answer


def _describe_itself(web: Flask) -> None:
    @web.get("/openapi.json")
    def describe_routes() -> Response:
        return jsonify(describe())


def _headers(incoming: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in incoming.headers.items()}
