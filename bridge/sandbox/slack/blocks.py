"""Block Kit's limits, and a message's blocks as plain parts that a page can show.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
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
    for block in blocks:
        _check_block(block)
        seen: set[str] = set()  # Slack asks for it within one block only
        for element in block.get("elements", []) if block["type"] == "actions" else []:
            if element.get("action_id") in seen:
                raise BlocksError("invalid_blocks", "an action_id is used twice in one block")
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


def parts_of(blocks: list[Json], names: Mapping[str, str]) -> list[Json]:
    """*blocks* as a flat list of parts for a page.

    A part is ``{"kind", "text", "runs"}``, its runs ``{"text", "bold", "href"}``, or
    ``{"kind": "buttons", "text", "buttons"}``. All texts are plain: to be inserted as text,
    never as markup; an href is http or https. *names* gives the name of each user id.
    """
    return [part for block in blocks for part in _parts(block, names)]


def plain_part(text: str) -> Json:
    """A message without blocks: its text, which Slack reads as mrkdwn."""
    return _part("section", runs_of(text))


def _parts(block: Json, names: Mapping[str, str]) -> list[Json]:
    kind = block["type"]
    if kind == "divider":
        return [_part("divider", [])]
    if kind == "rich_text":
        return [
            _part("quote" if one.get("type") == "rich_text_quote" else "section", _rich_runs(one, names))
            for one in block.get("elements", [])
        ]
    if kind == "context":
        return [_part("context", [run for one in block["elements"] for run in _text_runs(one)])]
    if kind == "actions":
        return [_buttons([one for one in block["elements"] if one.get("type") == "button"])]
    parts = [_part(kind, _text_runs(block["text"]))] if block.get("text") else []
    parts += [_part("field", _text_runs(one)) for one in block.get("fields", [])]
    if block.get("accessory", {}).get("type") == "button":
        parts.append(_buttons([block["accessory"]]))
    return parts


def _part(kind: str, runs: list[Json]) -> Json:
    return {"kind": kind, "text": "".join(run["text"] for run in runs), "runs": runs}


def _run(text: str, *, bold: bool = False, href: str | None = None) -> Json:
    safe = href if href and href.startswith(("http://", "https://")) else None
    return {"text": text, "bold": bold, "href": safe}


def _text_runs(text: Any) -> list[Json]:
    if isinstance(text, str):
        return [_run(text)]
    if text.get("type") == "mrkdwn":
        return runs_of(str(text.get("text", "")))
    return [_run(str(text.get("text", "")))]


_MRKDWN = re.compile(r"<(?P<href>[^<>|\s]+)(?:\|(?P<label>[^<>]*))?>|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)")


def runs_of(text: str) -> list[Json]:
    """mrkdwn as runs: links and bold words; the three entities decoded."""
    runs, end = [], 0
    for match in _MRKDWN.finditer(text):
        runs.append(_run(html.unescape(text[end : match.start()])))
        if match["bold"]:
            runs.append(_run(html.unescape(match["bold"]), bold=True))
        else:
            href = html.unescape(match["href"])
            runs.append(_run(html.unescape(match["label"] or match["href"]), href=href))
        end = match.end()
    runs.append(_run(html.unescape(text[end:])))
    return [run for run in runs if run["text"]]


def _rich_runs(element: Json, names: Mapping[str, str]) -> list[Json]:
    runs: list[Json] = []
    for one in element.get("elements", []):
        match one.get("type"):
            case "text":
                runs.append(_run(str(one["text"]), bold=bool(one.get("style", {}).get("bold"))))
            case "link":
                runs.append(_run(str(one.get("text") or one["url"]), href=one["url"]))
            case "date":
                runs.append(_run(str(one.get("fallback", ""))))
            case "user":
                runs.append(_run("@" + names.get(one["user_id"], one["user_id"])))
            case _:
                runs += _rich_runs(one, names)
    return runs


def _buttons(elements: list[Json]) -> Json:
    buttons = [
        {
            "label": str(element["text"]["text"]),
            "action_id": element.get("action_id", ""),
            "value": element.get("value", ""),
            "style": element.get("style", ""),
        }
        for element in elements
    ]
    return {"kind": "buttons", "text": "", "buttons": buttons}
