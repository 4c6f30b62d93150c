"""A logger for Slack's SDKs that never writes a body down.

slack_sdk logs every request and answer at DEBUG, Bolt whole deliveries at DEBUG,
INFO and WARNING, and both hand their logger's level on to loggers of their own.
Every failure comes back to us as an exception, so nothing is lost.
"""

from __future__ import annotations

import logging


def sdk_logger(part: str) -> logging.Logger:
    """The logger to give to the SDK's *part*: only what is CRITICAL passes, whatever level is set."""
    logger = logging.getLogger(f"bridge.slack.sdk.{part}")
    logger.setLevel(logging.CRITICAL)
    if not logger.filters:
        logger.addFilter(_is_critical)
    return logger


def _is_critical(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL
