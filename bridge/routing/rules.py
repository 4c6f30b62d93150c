"""Every rule that a mapping can break: a permanent id, and what it means in one line.

An id never changes and is never used again for something else: admins search for
it, and pipelines quote it. Each has its entry in ``mappings/README.md``.
"""

from __future__ import annotations

RULES: dict[str, str] = {
    # Files
    "missing-file": "A file or folder that every mapping needs is not there.",
    "unknown-file": "A file whose name or place means nothing to the bridge; it would be ignored silently.",
    "unreadable-file": "The file is there, but it cannot be read.",
    "not-utf8": "The file is not saved as UTF-8 text.",
    "file-too-large": "The file is larger than any mapping file has reason to be.",
    # YAML
    "yaml-syntax": "The file is not YAML.",
    "yaml-tab": "A tab where spaces must be.",
    "yaml-anchor": "Anchors and aliases (&name, *name): a reader must see what a line says where it stands.",
    "yaml-merge-key": "The merge key (<<): same reason.",
    "yaml-tag": "A YAML tag (!name): values are plain text, numbers, true and false.",
    "several-documents": "More than one document (---) in a file.",
    "too-deep": "Nested deeper than any mapping file has reason to be.",
    "duplicate-key": "The same key twice in one place; one of them would be ignored silently.",
    # Shape
    "wrong-type": "A value of another kind than this key takes.",
    "unknown-key": "A key that means nothing here.",
    "missing-key": "A key that must be given is not.",
    "empty-value": "A text or list that must say something is empty.",
    "bad-name": "A name that is not made of small letters, digits and hyphens.",
    "bad-duration": "A span of time that is not written like 30m, 4h or 2d.",
    "bad-email": "Not an e-mail address.",
    "bad-language": "Not a language code, such as en or pt-BR.",
    "bad-url": "Not a web address that starts with https:// or http://.",
    "bad-shift": "Opening hours that are not written like 09:00-17:30, earlier time first.",
    "shift-overlap": "Two shifts of one day overlap.",
    "bad-percent": "A share that is not written like 20%.",
    "bad-date": "Not a date like 2026-12-25.",
    "bad-time": "Not a time like 2026-12-25 18:30.",
    "never-open": "A calendar without any opening hours: a promise in it would never end.",
    "channel-format": "Not a Slack channel: a name like #support, or a channel's id.",
    "approver-format": "Not a Slack user's id.",
    "handle-format": "Not a handle: how somebody is called on a network, in one word.",
    "env-name": "Not the name of an environment variable.",
    "secret-in-file": "A secret in the file. Only the name of an environment variable belongs here.",
    # What files say of each other
    "unknown-priority": "A priority that Zendesk does not have.",
    "unknown-type": "A ticket type that Zendesk does not have.",
    "unknown-closing": "A closing policy that the bridge does not have.",
    "unknown-day": "Not a day of the week.",
    "unknown-kind": "Not a kind of post.",
    "unknown-severity": "A severity that the bridge does not have.",
    "unknown-sentiment": "A sentiment that the bridge does not have.",
    "unknown-shift": "What a calendar cannot be: neither open, closed nor one of its named shifts.",
    "unknown-zone": "A time zone that does not exist.",
    "unknown-country": "A country whose public holidays the bridge does not know.",
    "unknown-network": "A network that the bridge does not speak.",
    "unknown-account": "An account that no brand has.",
    "unknown-brand": "A brand that brands.yaml does not have.",
    "unknown-queue": "A queue that queues.yaml does not have.",
    "unknown-tag": "A tag that tags.yaml does not have.",
    "unknown-calendar": "A calendar that hours.yaml does not have.",
    "unknown-reply": "A closing reply that no brand has.",
    "unknown-promise": "A promise that queues.yaml does not name.",
    "unknown-route": "A route that no file in routes/ has.",
    "account-twice": "An account that is given more than once: it belongs to one brand.",
    "language-twice": "A language that stands twice in a brand's list.",
    "tag-twice": "A tag that stands twice in a list.",
    "vip-twice": "Somebody who is in vips.yaml more than once.",
    "route-twice": "Two routes of one name.",
    "canary-without-limit": "A canary that has no limit would watch and never do anything.",
    "copy-to-owner": "A copy to the queue that the route leads to anyway.",
    "never-reached": "A route leads, or copies, to a queue that it says its posts must never come to.",
    "no-condition": "A route without a condition would take everything; that is the fallback's work.",
    "queue-twice": "Two queues of one name.",
    "queue-without-group": "A queue with tickets needs the Zendesk group that they go to.",
    "group-without-ticket": "A queue without tickets has no use for a group, priority, type or promise.",
    # Replies
    "template-missing": "A brand has no closing reply in its default language.",
    "template-syntax": "The reply is not a template.",
    "template-name": "A name that replies do not know.",
    "template-forbidden": "Something that replies may not do: loops, imports, calls, arithmetic.",
    "unknown-part": "A part that the brand does not have in the reply's language.",
    "part-cycle": "A part that would be in itself.",
    "template-empty": "The reply would be empty.",
    "template-empty-name": "Without a usable name of the customer, the reply would greet nobody.",
    "template-too-long": "The reply is longer than any network takes.",
    "banned-word": "A reply says what its brand's voice bans.",
    "reply-held": "A reply says what the airlock holds: each would wait for a person.",
    "reply-beyond-limit": "A reply is longer than its network takes, however little is filled in.",
    # Examples
    "example-mismatch": "An example does not take the route that it expects.",
    "example-unplaced": "No account fits the brand, network and account that an example names.",
    # Tests of the whole
    "test-mismatch": "Something else becomes of a test's post than the test expects.",
    "test-unplaced": "No account, or no VIP, fits what a test says of brand, network and account.",
    "test-twice": "Two tests of one name.",
}

WARNINGS: dict[str, str] = {
    "unreachable-route": "A route that never takes a post, because one before it takes all of them.",
    "unused-queue": "A queue that no route leads to.",
    "unused-promise": "A promise that no queue and no route gives.",
    "unused-tag": "A tag that no route asks for.",
    "unused-reply": "A reply that no queue and no route asks for.",
    "unused-part": "A part that no reply takes in.",
    "reply-beyond-target": "A reply is longer than its brand's voice aims at.",
    "promise-beyond-window": "A promise ends when the network takes no reply any more.",
    "without-ticket": "A route says something about its ticket, and its queue has no tickets.",
    "no-vips": "A route asks for VIPs, and the list of them is empty.",
    "reply-language-missing": "A brand speaks a language in which it has no closing reply.",
}
"""What `check` says of a mapping that is sound, and serves."""

LIVE: dict[str, str] = {
    "unknown-group": "A group that Zendesk does not have.",
    "unknown-desk-brand": "A brand that Zendesk does not have, or that is not active.",
    "unknown-field": "A ticket field that Zendesk does not have.",
    "unknown-agent": "An agent whom Zendesk does not have, or who is suspended.",
    "unknown-channel": "A channel that Slack does not have, or that the app cannot see.",
    "archived-channel": "A channel that is archived: nothing can be posted in it.",
    "not-in-channel": "A channel that the app is not a member of: its cards would be refused.",
    "unknown-approver": "A user that Slack does not have, or whose account is deactivated.",
}
"""What `check --live` says of a mapping that is sound, and names what the vendors do not have."""
