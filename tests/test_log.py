"""The log says what happened to whom by id, and nothing that anybody wrote."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge import log
from bridge.errors import VendorRefusedError
from bridge.flows.engine import Engine
from bridge.sandbox import Sandbox
from bridge.store import lanes, logbook
from bridge.store.database import Database
from tests.running import InProcess, eventually
from tests.stories.seen import brand_posts, the_card, the_ticket


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the log would write to standard error; the test's own logging comes back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("bridge")
    before = root.handlers, root.level, ours.level
    yield io.StringIO()
    root.handlers, root.level = before[0], before[1]
    ours.setLevel(before[2])


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_line_of_json_for_each_event(stream: io.StringIO):
    """With time, level, logger and process, for whatever collects them."""
    log.configure("INFO", "auto", stream)
    logging.getLogger("bridge.flows.work").warning("intent %s failed", "one")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == (
        "intent one failed",
        "warning",
        "bridge.flows.work",
    )
    assert line["timestamp"].endswith("Z")
    assert isinstance(line["pid"], int)


def test_lines_for_people_are_not_json(stream: io.StringIO):
    """An error's frames stand under it, as in any traceback."""
    log.configure("INFO", "text", stream)
    try:
        raise VendorRefusedError("zendesk", "open ticket", "RecordInvalid", status=422)
    except VendorRefusedError:
        logging.getLogger("bridge").exception("it failed")
    text = stream.getvalue()
    assert not text.startswith("{")
    assert "it failed" in text.splitlines()[0]
    assert "VendorRefusedError: zendesk open ticket answered 422: RecordInvalid" in text
    assert "test_log.py" in text


def test_an_error_of_others_is_told_without_its_message(stream: io.StringIO):
    """A validator quotes what it could not read; the type and the place say enough."""
    log.configure("INFO", "json", stream)
    try:
        try:
            raise ValueError("the app logs me out every hour")
        except ValueError as error:
            raise VendorRefusedError("zendesk", "open ticket", "not JSON") from error
    except VendorRefusedError:
        logging.getLogger("bridge").exception("it failed")
    assert "logs me out" not in stream.getvalue()
    ours, theirs = lines(stream)[0]["error"]
    assert ours["message"] == "zendesk open ticket: not JSON"
    assert theirs["type"] == "ValueError"
    assert any("test_log.py" in frame for frame in theirs["at"])


def test_what_a_flow_logs_says_which_flow_and_about_what(stream: io.StringIO):
    """Also when it ends in an error, and nothing of it stays for the next."""
    log.configure("INFO", "json", stream)
    ours = logging.getLogger("bridge.flows")

    def fail(_key: str) -> None:
        ours.info("begun")
        raise RuntimeError("a customer's words")

    flows = {"work": fail, "sweep": lambda _key: ours.info("swept")}
    engine = Engine(flows, threads=1, every_s=0.05, failed=lambda _flow, _key: None)
    engine.start()
    engine.wake("work", "case-1")
    eventually(lambda: "failed" in stream.getvalue())
    engine.stop()
    of_case = [line for line in lines(stream) if line.get("flow") == "work"]
    assert [line["case"] for line in of_case] == ["case-1", "case-1"]
    assert "customer's words" not in stream.getvalue()
    assert all("case" not in line for line in lines(stream) if line.get("flow") == "sweep")


WORDS = "The kettle app logs me out every hour, says my heron"
ANSWER = "Please descale the plover"
FINAL = "All herons are quiet now"


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_a_whole_story_leaves_nobodys_words_and_no_key_in_the_log(
    stream: io.StringIO, tmp_path: Path, level: str
):
    """Post, ticket, card, answer, solve, receipt, refusals at the door and failing calls: ids only."""
    log.configure(level, "json", stream)
    with Sandbox() as sandbox:
        running = InProcess(tmp_path / "data", sandbox)
        try:
            sandbox.faults.add("zendesk", "open_ticket", "status", times=1, status=503, retry_after=0)
            sandbox.faults.add("slack", "chat.postMessage", "lost_response", times=1)
            sandbox.faults.add("plaza", "reply", "lost_response", times=1)
            sandbox.plaza.post("dewi", WORDS, language="en")
            ticket = the_ticket(sandbox)
            the_card(sandbox, "support-technical")
            sandbox.zendesk.agent_comments(ticket.id, ANSWER)
            eventually(lambda: brand_posts(sandbox.plaza), within=30, what="the answer")
            sandbox.zendesk.agent_comments(ticket.id, FINAL, status="solved")
            eventually(
                lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False),
                within=30,
                what="the receipt",
            )
            for path in ("/hooks/zendesk", "/hooks/social/kopi-plaza", "/slack/events"):
                requests.post(f"{running.url}{path}", data=WORDS.encode(), timeout=5)
            secrets = [
                value
                for name, value in running.bridge.settings.environment.items()
                if any(part in name for part in ("SECRET", "TOKEN", "KEY")) and len(value) > 5
            ]
        finally:
            running.stop()
    text = stream.getvalue()
    assert len(text.splitlines()) > 3
    assert len(secrets) >= 4
    hidden = (
        "kettle",
        "logs me out",
        "heron",
        "plover",
        "dewi",
        "Dewi",
        "whsec_",
        "xoxb-",
        "Bearer ",
        *secrets,
    )
    assert [one for one in hidden if one in text] == []
    assert any(line.get("case") for line in lines(stream))


def told(stream: io.StringIO, what: str) -> dict[str, Any]:
    """The one line of the log that says *what*."""
    [line] = [line for line in lines(stream) if line["event"] == what]
    return line


def test_the_log_tells_a_case_from_its_opening_to_its_end(stream: io.StringIO, tmp_path: Path):
    """One line each, with the ids of the case, of the intent where it is about one, and of the worker."""
    log.configure("INFO", "json", stream)
    with Sandbox() as sandbox:
        running = InProcess(tmp_path / "data", sandbox)
        worker = running.bridge.world.presence.worker
        try:
            sandbox.plaza.post("dewi", WORDS, language="en")
            ticket = the_ticket(sandbox)
            sandbox.zendesk.agent_comments(ticket.id, f"{ANSWER}, or mail ana@kopi.example")
            eventually(lambda: "answer is held for a person" in stream.getvalue(), what="the held answer")
            sandbox.zendesk.agent_comments(ticket.id, ANSWER)
            eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
            with running.database.write() as tx:
                lanes.park(tx, lanes.PUBLIC, "a fire among herons", "ana", running.bridge.world.clock.now())
            eventually(lambda: "everything public is paused" in stream.getvalue(), what="the pause")
            with running.database.write() as tx:
                lanes.resume(tx, lanes.PUBLIC)
            eventually(lambda: "the pause is over" in stream.getvalue(), what="its end")
            sandbox.zendesk.agent_comments(ticket.id, FINAL, status="solved")
            eventually(lambda: "case closed" in stream.getvalue(), what="the end of the case")
        finally:
            running.stop()
    opened = told(stream, "case opened")
    place = (opened["network"], opened["route"], opened["queue"])
    assert place == ("standard", "technical-issue", "support-technical")
    case = opened["case"]
    assert told(stream, "ticket opened")["ticket"] == str(ticket.id)
    about = [
        told(stream, "ticket opened"),
        told(stream, "answer is held for a person"),
        told(stream, "answer is on the thread"),
        told(stream, "closing reply is on the thread"),
    ]
    assert len({line["intent"] for line in about}) == 4
    assert [line["case"] for line in about] == [case] * 4
    assert [line["network"] for line in about] == ["standard"] * 4
    assert told(stream, "receipt: closed publicly")["case"] == case
    assert told(stream, "case closed")["case"] == case
    assert told(stream, f"worker {worker} signed on")["level"] == "info"
    assert told(stream, f"worker {worker} said goodbye")
    assert [word for word in ("heron", "plover", "ana", "dewi") if word in stream.getvalue()] == []


def test_every_line_about_an_intent_has_its_id(stream: io.StringIO, tmp_path: Path):
    """Also what is logged when the call is over: who looks for a reply looks for its id."""
    log.configure("INFO", "json", stream)
    with Sandbox() as sandbox:
        running = InProcess(tmp_path / "data", sandbox)
        try:
            sandbox.faults.add("plaza", "reply", "status", times=1, status=503, retry_after=0)
            sandbox.plaza.post("dewi", WORDS, language="en")
            sandbox.zendesk.agent_comments(the_ticket(sandbox).id, ANSWER)
            eventually(lambda: "answer is on the thread" in stream.getvalue(), what="the answer")
        finally:
            running.stop()
    [failed] = [line for line in lines(stream) if line["event"].startswith("answer of case")]
    assert failed["intent"] == told(stream, "answer is on the thread")["intent"]


def test_what_was_rolled_back_is_not_in_the_log(stream: io.StringIO, tmp_path: Path):
    """The log says what is so."""
    log.configure("INFO", "json", stream)
    database = Database(f"sqlite:///{tmp_path / 'some.db'}")
    database.migrate()
    with pytest.raises(RuntimeError), database.write() as tx:
        logbook.note(tx, "case opened", case="one")
        raise RuntimeError("no")
    with database.write() as tx:
        logbook.note(tx, "case opened", case="two")
        assert lines(stream) == []
    database.close()
    assert [line["case"] for line in lines(stream)] == ["two"]
