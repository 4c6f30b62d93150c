"""The README's generated tables. ``python -m tests.tables`` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.core.ports import Exempt
from bridge.networks import NETWORKS
from bridge.settings import VARIABLES

README = Path(__file__).resolve().parent.parent / "README.md"


def networks() -> str:
    """What each network can do; what it cannot is said with the reason."""
    rows = [
        "| network | heard by | replies | edits | deletions | the same key twice |",
        "|---|---|---|---|---|---|",
    ]
    for network in NETWORKS.values():
        can = network.capabilities
        ways = [name for name, value in (("webhook", can.push), ("poll", can.poll)) if value is True]
        key = "makes one post" if can.reply_key_covers_resend else "is not trusted: the thread is read first"
        rows.append(
            f"| [{network.name}](bridge/networks/{network.name}/README.md) | {' and '.join(ways)} "
            f"| {_said(can.reply)} | {_said(can.edits)} | {_said(can.deletions)} | {key} |"
        )
    return "\n".join(rows)


def settings() -> str:
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for one in VARIABLES:
        default = f"`{one.default}`" if one.default else ""
        rows.append(f"| `{one.name}` | {default} | {one.help}{' (secret)' if one.secret else ''} |")
    return "\n".join(rows)


def written(text: str) -> str:
    """*text* with its tables as they should be."""
    for name, table in (("networks", networks()), ("settings", settings())):
        pattern = re.compile(f"<!-- {name} -->\n.*?\n<!-- /{name} -->", re.DOTALL)
        assert pattern.search(text), f"the README has no place for the table {name}"
        text = pattern.sub(lambda _match, n=name, t=table: f"<!-- {n} -->\n{t}\n<!-- /{n} -->", text)
    return text


def _said(value: bool | Exempt) -> str:
    return f"no: {value.reason}" if isinstance(value, Exempt) else "yes"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
