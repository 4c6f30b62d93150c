"""What the bridge says of its routes is true: whatever is sent, only what is described comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bridge.app import Bridge
from bridge.intake.description import describe
from tests.intake.conftest import open_door
from tests.intake.knocking import HOOKS, Hook, names, stored

ROUTES = sorted(
    (path, method) for path, item in describe()["paths"].items() for method in item if method != "parameters"
)
# What takes nothing cannot be sent anything that does not fit.
MADE = [
    (path, method, mode)
    for path, method in ROUTES
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or method == "post"
]
TRUTH = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
quick = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """One door for all examples."""
    built = open_door(tmp_path_factory.mktemp("described") / "data")
    yield built
    built.stop()


@pytest.fixture(scope="module")
def described(shared: Bridge) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", shared.web)


@pytest.mark.parametrize(("path", "method", "mode"), MADE, ids=str)
def test_whatever_a_stranger_sends_the_answer_is_one_that_is_described(
    described, path: str, method: str, mode
):
    """Made from the description, to fit it and not to: no 5xx, no other status, no other shape."""
    answered = []

    @quick
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def holds(case):
        answer = case.call()
        answered.append(answer.status_code)
        # /readyz alone may say 503 here: no worker runs.
        case.validate_response(answer, checks=TRUTH if path == "/readyz" else [not_a_server_error, *TRUTH])

    holds()
    assert answered


@pytest.mark.parametrize("hook", HOOKS, ids=names(HOOKS))
@pytest.mark.parametrize("key", ["kopi-plaza", "kopi-mastodon", "nobody"])
def test_whatever_is_signed_the_answer_is_one_that_is_described(
    described, shared: Bridge, hook: Hook, key: str
):
    """The vendors' own requests get past the signature: 200, 202, 400 and 404 are described too."""
    path = hook.path.replace("kopi-plaza", key)
    template = "/hooks/social/{key}" if path.startswith("/hooks/social") else path
    allowed = set(describe()["paths"][template]["post"]["responses"])
    client = shared.web.test_client()
    for number, body in enumerate((hook.good, hook.good, b"{", b"", b'{"type": "a.b", "schema": 9}')):
        headers = hook.headers(body, number=f"{key}_{min(number, 1)}_{number}")
        answer = client.post(path, data=body, headers=headers, content_type=hook.content_type)
        assert str(answer.status_code) in allowed, (path, body)
    if path == hook.path:  # else nobody listens there
        assert stored(shared)


def test_every_route_is_described_and_nothing_else(bridge):
    """A route that somebody adds without a word about it fails here."""
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in bridge.web.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == set(ROUTES)


def test_the_description_is_served(client):
    """To anybody: it names no account of this installation."""
    answer = client.get("/openapi.json")
    assert (200, describe()) == (answer.status_code, answer.json)
    assert "kopi" not in answer.text
