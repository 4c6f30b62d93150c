"""Block Kit's limits, and a message's blocks as plain parts that a page can show.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import html
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

# Not in the documents: the sum of all texts above which Slack answers msg_blocks_too_long.
TOTAL_LIMIT = 13_200
_KNOWN = {"section", "header", "divider", "context", "actions", "image", "rich_text", "markdown"}


class BlocksError(Exception):
    """Blocks that Slack refuses; ``code`` is its error."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


def check_blocks(blocks: Any) -> None:
    """Raise BlocksError if Slack would refuse *blocks*."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise BlocksError("invalid_blocks_format", "blocks are a list of objects")
    if len(blocks) > 50:
        raise BlocksError("invalid_blocks", "no more than 50 blocks")
    if sum(_size(block) for block in blocks) > TOTAL_LIMIT:
        raise BlocksError("msg_blocks_too_long", f"more than {TOTAL_LIMIT} characters in all")
    seen: set[str] = set()
    for block in blocks:
        _check_block(block)
        for element in block.get("elements", []) if block["type"] == "actions" else []:
            if element.get("action_id") in seen:
                raise BlocksError("invalid_blocks", "an action_id is used twice")
            seen.add(str(element.get("action_id")))


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(
            len(one) if key == "text" and isinstance(one, str) else _size(one) for key, one in value.items()
        )
    return sum(_size(one) for one in value) if isinstance(value, list) else 0


def _check_block(block: Json) -> None:
    kind = block.get("type")
    if kind not in _KNOWN:
        raise BlocksError("invalid_blocks", f"unknown block {kind}")
    if len(str(block.get("block_id", ""))) > 255:
        raise BlocksError("invalid_blocks", "block_id over 255")
    if kind == "header":
        _check_text(block.get("text"), 150, plain=True)
    if kind == "section":
        if not block.get("text") and not block.get("fields"):
            raise BlocksError("invalid_blocks", "a section needs text or fields")
        if block.get("text"):
            _check_text(block["text"], 3000)
        fields = block.get("fields", [])
        if len(fields) > 10:
            raise BlocksError("invalid_blocks", "more than 10 fields")
        for one in fields:
            _check_text(one, 2000)
        if "accessory" in block:
            _check_element(block["accessory"])
    if kind in ("context", "actions"):
        _check_elements(block, 10 if kind == "context" else 25)
    if kind == "markdown" and len(str(block.get("text", ""))) > 12_000:
        raise BlocksError("invalid_blocks", "markdown over 12000")


def _check_elements(block: Json, most: int) -> None:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= most:
        raise BlocksError("invalid_blocks", f"{block['type']} has 1 to {most} elements")
    for element in elements:
        if block["type"] == "actions":
            _check_element(element)
        elif element.get("type") in ("mrkdwn", "plain_text"):
            _check_text(element, 3000)


def _check_element(element: Json) -> None:
    if len(str(element.get("action_id", ""))) > 255:
        raise BlocksError("invalid_blocks", "action_id over 255")
    if element.get("type") != "button":
        return
    _check_text(element.get("text"), 75, plain=True)
    if len(str(element.get("value", ""))) > 2000 or len(str(element.get("url", ""))) > 3000:
        raise BlocksError("invalid_blocks", "a button's value or url is too long")
    if element.get("style") not in (None, "primary", "danger"):
        raise BlocksError("invalid_blocks", "a button's style is primary or danger")


def _check_text(text: Any, most: int, *, plain: bool = False) -> None:
    if not isinstance(text, dict) or text.get("type") not in ("plain_text", "mrkdwn"):
        raise BlocksError("invalid_blocks", "a text is an object of type plain_text or mrkdwn")
    if plain and text["type"] != "plain_text":
        raise BlocksError("invalid_blocks", "this text has to be plain_text")
    if not 1 <= len(str(text.get("text", ""))) <= most:
        raise BlocksError("invalid_blocks", f"a text has 1 to {most} characters")


def shown(text: Any) -> str:
    """A text object (or a bare string) as Slack shows it: its three entities decoded."""
    value = str(text.get("text", "")) if isinstance(text, dict) else str(text or "")
    if isinstance(text, dict) and text.get("type") == "plain_text":
        return value
    return html.unescape(value)


def parts_of(blocks: list[Json]) -> list[Json]:
    """*blocks* as a flat list of ``{"kind", "text"}`` and ``{"kind": "buttons", "buttons": […]}``.

    Texts are plain, to be inserted as text and never as markup.
    """
    parts: list[Json] = []
    for block in blocks:
        kind = block["type"]
        if kind == "divider":
            parts.append({"kind": "divider", "text": ""})
        elif kind in ("header", "section", "markdown"):
            if block.get("text"):
                parts.append({"kind": kind, "text": shown(block["text"])})
            parts += [{"kind": "field", "text": shown(one)} for one in block.get("fields", [])]
            if block.get("accessory", {}).get("type") == "button":
                parts.append({"kind": "buttons", "buttons": [_button(block["accessory"])]})
        elif kind == "context":
            texts = [shown(one) for one in block["elements"] if "text" in one]
            parts.append({"kind": "context", "text": " · ".join(texts)})
        elif kind == "actions":
            buttons = [_button(one) for one in block["elements"] if one.get("type") == "button"]
            parts.append({"kind": "buttons", "buttons": buttons})
        elif kind == "rich_text":
            parts.append({"kind": "section", "text": _rich(block)})
    return parts


def _rich(value: Any) -> str:
    if isinstance(value, dict):
        own = str(value["text"]) if isinstance(value.get("text"), str) else ""
        return own + "".join(_rich(one) for one in value.get("elements", []))
    return ""


def _button(element: Json) -> Json:
    return {
        "label": shown(element["text"]),
        "action_id": element.get("action_id", ""),
        "value": element.get("value", ""),
        "style": element.get("style", ""),
        "url": element.get("url"),
    }
