"""The log: one line per event, with ids, and without anybody's words.

Lines for people on a terminal, JSON for machines. All of it comes through the standard
library's loggers; a flow's name, key and intent are bound around it and stand on every
line. Other people's libraries are heard from WARNING on, whatever level is set: below
that they write down addresses, bodies and rows.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_plain = structlog.dev.plain_traceback
_process: dict[str, Callable[[], str]] = {}


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Write the bridge's log to *stream* (standard error), from *level* on.

    *form* is json, text, or auto: text on a terminal. May be called again.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_process,
        _tell_error,
    ]
    text = form == "text" or (form == "auto" and stream.isatty())
    last: list[Processor] = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    if text:
        last = [_as_text, structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_plain)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("bridge").setLevel(level)


def name_process(worker: Callable[[], str]) -> None:
    """Have every line say which worker wrote it; one that lost its session signs on under another name."""
    _process["worker"] = worker


def _name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {**event, "pid": os.getpid(), **{name: value() for name, value in _process.items()}}


def _tell_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say what was raised and where. The message only of errors of ours: another's may hold any words."""
    found = event.pop("exc_info", None)
    raised = sys.exc_info() if found is True else found
    if isinstance(raised, BaseException):
        raised = (type(raised), raised, raised.__traceback__)
    if not raised or raised[1] is None:
        return event
    return {**event, "error": _chain(raised[1])}


def _chain(error: BaseException) -> list[dict[str, object]]:
    """*error* and what it came of, the latest first; frames as file:line function."""
    told: list[dict[str, object]] = []
    following: BaseException | None = error
    while following is not None and len(told) < 5:
        ours = type(following).__module__.partition(".")[0] == "bridge"
        told.append(
            {
                "type": type(following).__qualname__,
                "message": str(following) if ours else "(not written down: it may hold somebody's words)",
                "at": [
                    f"{frame.filename}:{frame.lineno} {frame.name}"
                    for frame in traceback.extract_tb(following.__traceback__)
                ],
            }
        )
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return told


def _as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The errors as lines under the event, as people know tracebacks."""
    lines: list[str] = []
    for error in event.pop("error", ()):
        lines += [f"  {frame}" for frame in error["at"]]
        lines.append(f"{error['type']}: {error['message']}")
    return {**event, "exception": "\n".join(lines)} if lines else event
