"""What the bridge writes on tickets, in plain words. Nothing here is ever public.

The desk's room makes customers' words safe; here they are only put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from bridge.core.message import SocialMessage
from bridge.store.tables import Case

SUBJECT_LENGTH = 80
NO_CARD = "`bridge intent list`: there is no card in Slack to ask on"


def subject(message: SocialMessage, network: str) -> str:
    words = " ".join(message.text.split()) or "(no text)"
    if len(words) > SUBJECT_LENGTH:
        words = words[:SUBJECT_LENGTH].rsplit(" ", 1)[0] + " …"
    return f"{network}: {words}"


def first_post(message: SocialMessage, network: str) -> str:
    """The customer's post with what an agent needs to never ask again."""
    lines = [message.text or "(no text)", ""]
    if message.parent_text:
        lines += [f"In answer to: {message.parent_text}", ""]
    lines += [
        f"{item.kind}: {item.url}" + (f" ({item.alt})" if item.alt else "") for item in message.attachments
    ]
    lines.append(f"{message.author.handle} on {network}, {message.posted_at:%Y-%m-%d %H:%M} UTC")
    if message.permalink:
        lines.append(message.permalink)
    return "\n".join(lines)


def later_post(message: SocialMessage) -> str:
    lines = [message.text or "(no text)"]
    lines += [f"{item.kind}: {item.url}" for item in message.attachments]
    if message.permalink:
        lines += ["", message.permalink]
    return "\n".join(lines)


def edited_post(message: SocialMessage) -> str:
    return "The customer edited the post. It now reads:\n\n" + later_post(message)


def opening_note(
    case: Case,
    owner: str,
    next_step: str,
    meaning: str,
    zone: str,
    severity: str | None = None,
    voice: Sequence[str] = (),
) -> str:
    """Why the ticket is here, until when, and whether a public reply will be possible.

    *voice* is what to know before writing in the brand's name.
    """
    why = f"Why here: {case.reason} ({case.route_place})."
    lines = [why]
    if meaning:
        lines.append(f"What it means: {meaning}")
    if severity:
        lines.append(f"Severity: {severity}.")
    if case.promise_at is not None:
        lines.append(f"Promised by: {case.promise_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone}).")
    lines.append("Public reply: " + ("possible. " if case.light else "NOT possible. ") + case.light_reason)
    if case.light:
        lines.append(
            "What you write to the customer here as a public comment appears on the thread. "
            "An internal note never does. When you solve the ticket, the loop is closed on the thread."
        )
    lines.append(f"Reply language: {case.language} ({case.language_reason}).")
    if case.light and voice:
        lines.append("How we speak: " + " ".join(voice))
    if next_step:
        lines.append(f"Next step: {next_step}")
    lines.append(f"Owner of this queue: {owner}.")
    return "\n".join(lines)


def follow_up_note(case: Case, closed: str) -> str:
    return (
        f"The customer wrote again after ticket {closed} was closed; "
        f"this ticket goes on with the same case ({case.reason})."
    )


def posted_note(link: str, closing: bool) -> str:
    what = "The closing reply was posted" if closing else "Your reply was posted"
    return f"{what} on the thread: {link}" if link else f"{what} on the thread."


def not_posted_note(reason: str) -> str:
    return f"NOT posted on the thread: {reason}."


def held_note(reason: str, *, asked: bool) -> str:
    """*asked*: there is a card that asks. Without one, whoever runs the bridge has to look."""
    who = "a person, who was asked in Slack" if asked else f"whoever runs the bridge ({NO_CARD})"
    return f"Not on the thread yet. It waits for {who}: {reason}"


def paused_note(said: str) -> str:
    return (
        "Not on the thread yet, and nobody has to do anything here: it leaves by itself "
        f"when the pause is over. It waits because {said}"
    )


def unknown_note(reason: str, *, asked: bool) -> str:
    """*asked* as for `held_note`."""
    who = "A person was asked in Slack" if asked else f"Whoever runs the bridge has to look ({NO_CARD})"
    return f"Nobody knows yet whether it is on the thread. {who}: {reason}"


def card_note(intent_id: str, reason: str) -> str:
    return (
        f"The team's card in Slack may be missing: {reason} "
        f"Whoever runs the bridge looks there, then says `bridge intent settle {intent_id}`."
    )


def closed_already_note(receipt: str, url: str | None) -> str:
    where = f" {url}" if url else ""
    return (
        f"Solved again, and nothing was posted: the loop is closed already ({receipt}).{where} "
        "What you write as a public comment still goes to the customer."
    )


def receipt_note(receipt: str, url: str | None, reason: str | None, unsaid_by: str | None = None) -> str:
    """*unsaid_by*: the template that had no place for the resolution that the ticket's field holds."""
    parts = [f"Receipt: {receipt}."]
    if reason:
        parts.append(f"{reason}.")
    if url:
        parts.append(url)
    if unsaid_by:
        parts.append(
            "The field for the public resolution is filled, "
            f"and was not said: {unsaid_by} has no place for it."
        )
    return " ".join(parts)


def retagged_note(tags: str, queue: str, reason: str, never: str | None = None) -> str:
    """*never*: the route that keeps its posts off *queue*."""
    now = f"The post was tagged {tags} since. Opened now, it would go to the queue {queue} ({reason}). "
    if never:
        return now + f"Posts of the route {never} must not come to that queue, so the case stays here."
    return now + "The case stays here until somebody moves the ticket; that team was told in its channel."


def copy_notice(
    brand: str,
    network: str,
    queue: str,
    route: str,
    ticket_id: str | None,
    channel: str,
    tags: str | None = None,
) -> str:
    """To a team that is told of another team's case. Nobody's words: they are on the ticket, once.

    *tags* came later, and are why this team is told.
    """
    where = f"Ticket #{ticket_id}." if ticket_id else f"It has no ticket; its card is in {channel}."
    if tags:
        return (
            f"A post to {brand} on {network} was tagged {tags} after it had gone to {queue} (route {route}). "
            f"That team has the case until somebody moves the ticket. {where}"
        )
    return (
        f"For your information: a post to {brand} on {network} went to {queue} (route {route}), "
        f"which answers it. {where}"
    )


def no_ticket_note(what: str) -> str:
    return f"The {what}. The loop is still open, and no ticket stands for it until the customer writes again."


def unreadable_note(ticket_id: str, why: str) -> str:
    return (
        f"Ticket {ticket_id} cannot be read: {why}. What is written or solved there does not reach the "
        "customer meanwhile, and may have to be answered by hand. It is tried again now and then; "
        "`bridge case replay` has it tried at once."
    )


def astray_note(speaks: str) -> str:
    return (
        "This ticket is not connected to the social thread any more: the bridge's database was restored "
        "from a backup that does not know it. What is written or solved here does not reach the customer. "
        f"Ticket {speaks} speaks for the thread now: merge this one into it, or close this one."
    )


def beside_note(speaks: str | None) -> str:
    """*speaks*: the ticket that stands for the thread; None while it is being opened."""
    which = f"Ticket {speaks}" if speaks is not None else "Another ticket, which is being opened,"
    return (
        "This ticket is not connected to the social thread: the customer wrote again, and another one was "
        "opened for that. What is written or solved here does not reach the customer. "
        f"{which} speaks for the thread now: merge this one into it, or close this one."
    )


def deleted_note() -> str:
    return "The customer deleted a post of this case on the network."


ERASED_NAME = "Erased customer"


def erased_subject(network: str) -> str:
    return f"{network}: (erased)"
