"""The worker killed with SIGKILL, and answers lost: one ticket, one comment, one card, one reply."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.sandbox import Sandbox
from tests.running import InProcess, Process, eventually, stays
from tests.stories.seen import brand_posts, the_card, the_ticket

# What is done outside, by which call: (vendor, operation in the sandbox).
OPENING = {
    "ticket": ("zendesk", "open_ticket"),
    "comment": ("zendesk", "update_ticket"),
    "card": ("slack", "chat.postMessage"),
}
BEFORE, AFTER = "hold", "hold_after"


def complain(sandbox: Sandbox) -> None:
    sandbox.plaza.post("dewi", "The app logs me out every hour", language="en", tags=["technical-issue"])


def one_of_each(sandbox: Sandbox) -> None:
    """The case was opened: once."""
    ticket = the_ticket(sandbox)
    eventually(lambda: notes(sandbox, ticket.id), what="the opening note")
    the_card(sandbox, "support-technical")
    stays(
        lambda: (
            len(sandbox.zendesk.tickets()) == 1
            and notes(sandbox, ticket.id) == 1
            and len(sandbox.slack.cards("support-technical")) == 1
        ),
        seconds=2.5,
    )


def notes(sandbox: Sandbox, ticket_id: int) -> int:
    return sum("Why here" in comment.text for comment in sandbox.zendesk.ticket(ticket_id).comments)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("what", OPENING)
def test_a_kill_around_a_call_that_opens_the_case(
    sandbox: Sandbox, start_process: Callable[..., Process], what: str, when: str
):
    """Killed while the call is on its way, or after the vendor has done it and before we recorded it."""
    fault = sandbox.faults.add(*OPENING[what], when)
    bridge = start_process()
    complain(sandbox)
    assert fault.reached.wait(20)

    bridge.kill()
    fault.release()
    bridge.start()

    one_of_each(sandbox)


@pytest.mark.parametrize("site", ["plaza", "mastodon"])
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_kill_around_the_public_reply(
    sandbox: Sandbox, start_process: Callable[..., Process], site: str, when: str
):
    """The one that everybody would see twice. Mastodon's key is not trusted: the thread is read."""
    bridge = start_process()
    network = open_on(sandbox, site)
    ticket = the_ticket(sandbox)
    fault = sandbox.faults.add(site, "reply" if site == "plaza" else "post_status", when)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")
    assert fault.reached.wait(20)

    bridge.kill()
    fault.release()
    bridge.start()

    eventually(lambda: brand_posts(network), what="the closing reply")
    link = brand_posts(network)[0].url
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(link, public=False), what="the receipt")
    stays(lambda: len(brand_posts(network)) == 1, seconds=2.5)


def test_a_kill_after_everything_was_recorded_does_nothing_again(
    sandbox: Sandbox, start_process: Callable[..., Process]
):
    """Killed when all is settled: the restart looks at it and leaves it alone."""
    bridge = start_process()
    complain(sandbox)
    one_of_each(sandbox)
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")

    bridge.kill()
    bridge.start()

    one_of_each(sandbox)
    assert 1 == len(brand_posts(sandbox.plaza))


def open_on(sandbox: Sandbox, site: str):
    if site == "plaza":
        complain(sandbox)
        return sandbox.plaza
    polls = lambda: len(sandbox.calls.list("mastodon", "list_notifications"))  # noqa: E731
    eventually(lambda: polls() > 4, what="both accounts' second polls")
    sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    return sandbox.mastodon


@pytest.mark.parametrize("kind", ["lost_response", "drop_before", "status_after", "status"])
@pytest.mark.parametrize("what", OPENING)
def test_an_answer_that_never_came_while_opening(sandbox: Sandbox, running: InProcess, what: str, kind: str):
    """The vendor did it or did not, and the caller gets a reset or a 5xx: it is looked up, then one."""
    sandbox.faults.add(*OPENING[what], kind)
    complain(sandbox)

    one_of_each(sandbox)


@pytest.mark.parametrize("kind", ["lost_response", "drop_before", "status_after", "status"])
@pytest.mark.parametrize("site", ["plaza", "mastodon"])
def test_an_answer_that_never_came_to_the_public_reply(
    sandbox: Sandbox, running: InProcess, site: str, kind: str
):
    """One public reply, whatever became of the answer to it."""
    network = open_on(sandbox, site)
    ticket = the_ticket(sandbox)
    sandbox.faults.add(site, "reply" if site == "plaza" else "post_status", kind)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")

    eventually(lambda: brand_posts(network), what="the closing reply")
    link = brand_posts(network)[0].url
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says(link, public=False), what="the receipt")
    stays(lambda: len(brand_posts(network)) == 1, seconds=1.0)
