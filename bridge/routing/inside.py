"""Whether a text has a link, a name or an address that only works inside the company."""

from __future__ import annotations

import ipaddress
import re

# Of a host's name, by what is not in it: in Thai, not every mark of a word counts as a letter.
_HOST = r"[^\s!-,./:-@\[-^`{-~]"
_BEFORE_PATH = r"(?::\d{1,5})?/+"

_INSIDE = re.compile(
    # Not /hc and what else customers see, and not the pages about Zendesk.
    r"(?<![\w-])(?<!www\.)(?<!developer\.)zendesk\.com" + _BEFORE_PATH +
    r"(?:agent|admin|api|explore|chat|sales|sell|talk|knowledge|guide|wfm)(?![\w-])"
    r"|\bhooks\.slack\.com" + _BEFORE_PATH + r"\w"
    r"|(?<!www)(?<!api)\.slack\.com" + _BEFORE_PATH +
    r"(?:archives|client|files(?:-\w{1,9})?|team|messages|docs|canvas|lists|admin|services)(?![\w-])"
    r"|\bslack://\w"
    # Not what is under /servicedesk/customer: it is the customers' portal.
    r"|\.atlassian\.net" + _BEFORE_PATH + r"(?:browse|jira|wiki|projects|secure|issues|people|plans|rest"
    r"|dashboards|plugins|servicedesk(?!/customer))(?![\w-])"
    r"|\blocalhost[:/]|//localhost\b"
    r"|(?<![\w./@-])intranet[:/]\w|(?<![\w.@-])intranet\.[\w-]+\.\w"
    # A host of one word is only known inside; who is to log in there may stand before it.
    r"|(?:https?|s?ftps?|wss?|ssh|git|svn|ldaps?|rdp|vnc|telnet)://(?:[^\s/?#@]{1,200}@)?+"
    r"(?=\w)" + _HOST + r"++(?!\." + _HOST + r")"
    # Folders that are shared in a network of one's own.
    r"|\b(?:smb|cifs|nfs|afp|file)://[\w/]|(?<!\\)\\\\[\w.-]{1,255}\\[\w$]"
    r"|//\[::\]"
    r"|[\w-]\.(?:internal|intranet|corp|local|localdomain|lan|private|home(?:\.arpa)?)(?![\w-]|\.\w)",
    re.IGNORECASE,
)  # fmt: skip

_IPV4 = re.compile(r"(?<![A-Za-z0-9_.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9_]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE)
_SHARED = ipaddress.ip_network("100.64.0.0/10")
"""Between a provider and its customers; Python calls it neither private nor public."""


def leads_inside(text: str) -> bool:
    """Whether somebody outside could not, or should not, follow something that *text* names."""
    if _INSIDE.search(text):
        return True
    addresses = (match[0] for pattern in (_IPV4, _IPV6) for match in pattern.finditer(text))
    return any(map(_is_private, addresses))


def _is_private(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    # 0.9.1.2 is a version, 255.255.255.0 a mask, and :: something between words.
    if written.startswith(("0.", "255.")) or written == "::":
        return address.version == 4 and address.is_unspecified
    return address.is_private or address in _SHARED
