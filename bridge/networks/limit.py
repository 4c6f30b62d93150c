"""How long a reply may be, and how long it is."""

from __future__ import annotations

import re

import regex

from bridge.core.account import Account

DEFAULT_TEXT_LIMIT = 500


def text_limit(account: Account) -> int:
    """The account's ``text_limit``, a whole number above 0; 500 where it is none."""
    written = account.fields.get("text_limit", "")
    return int(written) if re.fullmatch("[1-9][0-9]{0,8}", written) else DEFAULT_TEXT_LIMIT


def graphemes(text: str) -> int:
    """Characters as a reader counts them: a family emoji is one, a Thai syllable with its signs too."""
    return len(regex.findall(r"\X", text))
