"""A stored press of a button, read.

https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from bridge.core.card import Action, Press
from bridge.errors import UnreadablePayloadError, UnsupportedEventError
from bridge.slack.blocks import ACTION_PREFIX, read_button_value

_BUTTONS = {ACTION_PREFIX + action.value: action for action in Action}
_NAME_LIMIT = 80


class _User(BaseModel):
    id: str = Field(pattern=r"^[UW][A-Z0-9]{1,30}$")
    username: str = ""
    name: str = ""


class _Button(BaseModel):
    action_id: str
    value: str = Field(min_length=1, max_length=255)
    action_ts: str = Field(pattern=r"^[0-9]{1,10}(\.[0-9]{1,6})?$")


class _BlockActions(BaseModel):
    user: _User
    actions: list[_Button] = Field(min_length=1)


def read_press(body: bytes) -> Press:
    """Read the bytes that `bridge.slack.door` handed over.

    Raises UnsupportedEventError for another kind of interaction or an unknown button,
    UnreadablePayloadError for what is not Slack's shape.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadablePayloadError("Slack: the payload is no JSON") from None
    if not isinstance(payload, dict):
        raise UnreadablePayloadError("Slack: the payload is no object")
    if payload.get("type") != "block_actions":
        raise UnsupportedEventError("Slack: not a press of a button")
    if not any(_action_id(action) in _BUTTONS for action in _list(payload.get("actions"))):
        raise UnsupportedEventError("Slack: not a button of ours")
    try:
        read = _BlockActions.model_validate(payload)
    except ValidationError as error:
        fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        raise UnreadablePayloadError(f"Slack: a press with unreadable {', '.join(fields)}") from None
    button = next(button for button in read.actions if button.action_id in _BUTTONS)
    subject, question = read_button_value(button.value)
    return Press(
        id=press_id(payload),
        action=_BUTTONS[button.action_id],
        subject=subject,
        user_id=read.user.id,
        user_name=(read.user.username or read.user.name)[:_NAME_LIMIT],
        at=datetime.fromtimestamp(float(button.action_ts), UTC),
        question=question,
    )


def press_id(payload: Mapping[str, Any]) -> str:
    """The same for the same press, however often it is delivered."""
    user = payload.get("user")
    user_id = user.get("id") if isinstance(user, dict) else None
    pressed = [
        [action.get(name) for name in ("action_ts", "action_id", "value")]
        for action in _list(payload.get("actions"))
        if isinstance(action, dict)
    ]
    stable = json.dumps([payload.get("trigger_id"), user_id, pressed], default=str)
    return hashlib.sha256(stable.encode()).hexdigest()[:40]


def _action_id(action: Any) -> str | None:
    found = action.get("action_id") if isinstance(action, dict) else None
    return found if isinstance(found, str) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
