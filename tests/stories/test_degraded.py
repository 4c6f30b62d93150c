"""One vendor is down, slow or has thrown us out: the others do not notice, and it heals by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.core.intent import IntentState
from bridge.sandbox import Sandbox
from bridge.store.tables import Case, Intent, LeaseRow
from tests.running import InProcess, eventually, stays
from tests.stories.seen import Ahead, brand_posts, first_poll, the_card, the_ticket

pytestmark = pytest.mark.usefixtures("quick_sweep")

WORDS = "The app logs me out every hour"
ALWAYS = 100_000
A_WAIT = timedelta(seconds=61)  # longer than a lane stays parked


@pytest.fixture
def clock(running: InProcess) -> Ahead:
    world = running.bridge.world
    # A turn that is under way when the clock is put forward keeps its lease.
    world.timing = replace(world.timing, call_timeout=timedelta(seconds=8))
    assert world.timing.lease > A_WAIT + timedelta(seconds=30)
    clock = Ahead()
    clock.rule(running)
    return clock


def down(sandbox: Sandbox, vendor: str) -> Any:
    """The vendor answers 503 to everything, until the faults are cleared."""
    return sandbox.faults.add(vendor, "*", "status", times=ALWAYS, status=503, retry_after=1)


def heal(sandbox: Sandbox, clock: Ahead) -> None:
    """Everything works again, and nobody has to sit out the longest of the waits."""
    sandbox.faults.clear()
    clock.by = A_WAIT


def complain(sandbox: Sandbox, site: str = "plaza"):
    return getattr(sandbox, site).post("dewi", WORDS, language="en")


def open_case(sandbox: Sandbox, running: InProcess, site: str):
    """A case on *site* whose ticket and card are there."""
    if site == "mastodon":
        first_poll(running)
    complain(sandbox, site)
    ticket = the_ticket(sandbox)
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the opening note"
    )
    the_card(sandbox, "support-technical")
    return ticket


NEITHER = {"ZENDESK_SUBDOMAIN": "", "SLACK_BOT_TOKEN": ""}


@pytest.mark.parametrize("missing", [["ZENDESK_SUBDOMAIN"], ["SLACK_BOT_TOKEN"], list(NEITHER)], ids=str)
def test_what_waited_for_a_vendor_goes_out_when_it_is_set_up(
    sandbox: Sandbox, tmp_path: Path, missing: list[str]
):
    """The first evening: posts came in before anybody had connected Zendesk or Slack."""
    away = InProcess(tmp_path / "first", sandbox, **{name: NEITHER[name] for name in missing})
    try:
        sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
        eventually(lambda: some_case_waits(away), what="a case that waits for what is not set up")
    finally:
        away.stop()
    back = InProcess(tmp_path / "first", sandbox)
    try:
        one_of_each(sandbox, back)
    finally:
        back.stop()


def test_a_closed_case_is_not_woken_for_what_is_not_set_up(sandbox: Sandbox, tmp_path: Path):
    """Its card waits for Slack, which may never come: closed cases are many, and nobody looks at them."""
    running = InProcess(tmp_path / "data", sandbox, SLACK_BOT_TOKEN="")
    try:
        sandbox.plaza.post("dewi", WORDS, language="en", tags=["technical-issue"])
        ticket = the_ticket(sandbox)
        sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
        eventually(lambda: rests(running), what="the end of the case")
    finally:
        running.stop()


def rests(running: InProcess) -> bool:
    with running.database.read() as tx:
        case = tx.query(Case).one()
        return case.state == "closed" and case.due_at is None


def some_case_waits(running: InProcess) -> bool:
    with running.database.read() as tx:
        held = tx.query(LeaseRow).where(LeaseRow.key.startswith("case:"), LeaseRow.until > datetime.now(UTC))
        return held.count() == 0 and tx.query(Intent).where(Intent.state == IntentState.APPROVED).count() > 0


def test_a_credential_that_cannot_be_read_stops_its_own_account_only(sandbox: Sandbox, tmp_path: Path):
    """A secret's file is away: the account is named, its webhooks are asked to come again, others go on."""
    file = tmp_path / "token"
    file.write_text(sandbox.mastodon.tokens["rower"], encoding="utf-8")
    changes = {"ROWER_MASTODON_TOKEN": "", "ROWER_MASTODON_TOKEN_FILE": str(file)}
    running = InProcess(tmp_path / "data", sandbox, **changes)
    try:
        ticket = open_case(sandbox, running, "plaza")
        file.unlink()
        eventually(
            lambda: "ROWER_MASTODON_TOKEN_FILE names a file that cannot be read" in problems(running),
            what="the account is named",
        )
        assert requests.get(f"{running.url}/metrics", timeout=5).status_code == 200
        hook = requests.get(f"{running.url}/hooks/social/rower-mastodon", timeout=5)
        assert (hook.status_code, "Retry-After" in hook.headers) == (503, True)
        sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
        eventually(lambda: brand_posts(sandbox.plaza) != [], what="the closing reply of the other account")
    finally:
        running.stop()


def one_of_each(sandbox: Sandbox, running: InProcess) -> None:
    ticket = the_ticket(sandbox)
    eventually(lambda: notes(sandbox, ticket.id) == 1, what="the opening note")
    the_card(sandbox, "support-technical", str(ticket.id))
    stays(
        lambda: (
            [1, 1] == [len(sandbox.zendesk.tickets()), len(sandbox.slack.cards("support-technical"))]
            and notes(sandbox, ticket.id) == 1
        ),
        seconds=0.4,
    )


def notes(sandbox: Sandbox, ticket_id: int) -> int:
    return sum("Why here" in comment.text for comment in sandbox.zendesk.ticket(ticket_id).comments)


def problems(running: InProcess) -> str:
    return "\n".join(requests.get(f"{running.url}/readyz", timeout=5).json()["problems"])


def in_seconds(seconds: int) -> str:
    return str(seconds)


def as_a_date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds + 1), usegmt=True)


def is_heeded(sandbox: Sandbox, vendor: str, operation: str, wait: str) -> bool:
    """Whether the refused call was made again, and not before the time that the vendor asked for."""
    calls = sandbox.calls.list(vendor, operation)
    refused = next(number for number, call in enumerate(calls) if call.fault)
    if wait.isdigit():
        earliest = calls[refused].at + timedelta(seconds=int(wait)) - timedelta(seconds=0.1)
    else:
        earliest = parsedate_to_datetime(wait)
    return calls[refused + 1].at >= earliest


def test_without_slack_tickets_and_replies_go_on(sandbox: Sandbox, running: InProcess, clock: Ahead):
    """Nobody sees a card, and the customer is answered; the card comes when Slack does, up to date."""
    down(sandbox, "slack")
    complain(sandbox)
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "We are on it.")
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    assert [] == sandbox.slack.cards()
    heal(sandbox, clock)

    eventually(lambda: sandbox.slack.cards("support-technical"), what="the card")
    eventually(lambda: "nswered" in the_card(sandbox, "support-technical").words, what="the card's stage")
    one_of_each(sandbox, running)
    assert 1 == len(brand_posts(sandbox.plaza))


def test_without_zendesk_the_team_hears_and_the_ticket_opens_later(
    sandbox: Sandbox, running: InProcess, clock: Ahead
):
    """The card is there at once; the ticket comes when Zendesk does, once, with the card's link to it."""
    down(sandbox, "zendesk")
    complain(sandbox)
    card = the_card(sandbox, "support-technical", "logs me out")
    assert [] == sandbox.zendesk.tickets()
    heal(sandbox, clock)

    one_of_each(sandbox, running)
    assert [card.ts] == [one.ts for one in sandbox.slack.cards("support-technical")]


def test_what_the_customer_writes_while_zendesk_is_down_is_on_the_ticket_later(
    sandbox: Sandbox, running: InProcess, clock: Ahead
):
    """Three posts before there is a ticket: each of them is on it, once and in order."""
    down(sandbox, "zendesk")
    post = complain(sandbox)
    the_card(sandbox, "support-technical")
    for number, words in enumerate(("Second thing", "Third thing"), 1):
        sandbox.plaza.post("dewi", words, reply_to=post.id)
        the_card(sandbox, "support-technical", f"wrote {number} more")
    heal(sandbox, clock)

    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Third thing", public=True), what="the third")
    said = [one.text.splitlines()[0] for one in sandbox.zendesk.ticket(ticket.id).comments if one.public]
    assert [WORDS, "Second thing", "Third thing"] == said


@pytest.mark.parametrize(("site", "how"), [("plaza", "status"), ("mastodon", "drop_before")])
def test_without_the_network_the_reply_goes_out_later_and_once(
    sandbox: Sandbox, running: InProcess, clock: Ahead, site: str, how: str
):
    """The agent's words wait for as long as it takes; the desk and the team go on."""
    ticket = open_case(sandbox, running, site)
    gone = sandbox.faults.add(site, "*", how, times=ALWAYS, status=503, retry_after=1)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")
    assert gone.reached.wait(10)
    eventually(lambda: "olved" in the_card(sandbox, "support-technical").words, what="the card goes on")
    assert [] == brand_posts(getattr(sandbox, site))
    heal(sandbox, clock)

    eventually(lambda: brand_posts(getattr(sandbox, site)), what="the reply")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")
    stays(lambda: 1 == len(brand_posts(getattr(sandbox, site))), seconds=0.4)


def test_what_was_posted_while_a_network_could_not_be_polled_is_heard_later(
    sandbox: Sandbox, running: InProcess, clock: Ahead
):
    """/readyz names the account meanwhile; the cursor knows where to go on."""
    first_poll(running)
    down(sandbox, "mastodon")
    complain(sandbox, "mastodon")
    eventually(lambda: "poll:kopi-mastodon does not work" in problems(running), what="the problem in /readyz")
    assert [] == sandbox.zendesk.tickets()
    heal(sandbox, clock)

    one_of_each(sandbox, running)
    eventually(lambda: "poll:" not in problems(running), what="/readyz is content again")


def test_with_everything_down_nothing_is_lost(sandbox: Sandbox, running: InProcess, clock: Ahead):
    """Whatever comes back first: one of each in the end."""
    for vendor in ("zendesk", "slack", "plaza"):
        down(sandbox, vendor)
    complain(sandbox)
    eventually(lambda: sandbox.calls.list("zendesk") and sandbox.calls.list("slack"), what="both were tried")
    assert sandbox.wait_idle(), "the door took it"
    heal(sandbox, clock)

    one_of_each(sandbox, running)


@pytest.mark.parametrize("asked", [in_seconds, as_a_date])
def test_a_vendor_that_asks_for_time_while_the_case_opens_gets_it(
    sandbox: Sandbox, running: InProcess, asked
):
    """429 with Retry-After, as seconds or as a date: the same call later, and nothing twice."""
    wait = asked(1)
    for vendor, operation in (("zendesk", "open_ticket"), ("slack", "chat.postMessage")):
        sandbox.faults.add(vendor, operation, "status", status=429, retry_after=wait)
    complain(sandbox)

    one_of_each(sandbox, running)
    assert is_heeded(sandbox, "zendesk", "open_ticket", wait)
    assert is_heeded(sandbox, "slack", "chat.postMessage", wait)


@pytest.mark.parametrize(("site", "asked"), [("plaza", as_a_date), ("mastodon", in_seconds)])
def test_a_vendor_that_asks_for_time_while_the_case_goes_on_gets_it(
    sandbox: Sandbox, running: InProcess, site: str, asked
):
    """On what the customer writes, and on the public reply."""
    network = getattr(sandbox, site)
    ticket = open_case(sandbox, running, site)
    wait = asked(1)
    sandbox.faults.add("zendesk", "update_ticket", "status", status=429, retry_after=wait)
    network.post("dewi", "And on the website, too", reply_to=network.posts()[0].id)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("website", public=True), what="the second post")
    assert is_heeded(sandbox, "zendesk", "update_ticket", wait)

    reply = "reply" if site == "plaza" else "post_status"
    wait = asked(1)
    sandbox.faults.add(site, reply, "status", status=429, retry_after=wait)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.", status="solved")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Receipt", public=False), what="the receipt")
    assert is_heeded(sandbox, site, reply, wait)
    stays(lambda: 1 == len(brand_posts(network)), seconds=0.3)
    comments = sandbox.zendesk.ticket(ticket.id).comments
    assert [1, 1] == [sum(words in one.text for one in comments) for words in ("website", "Receipt")]


def test_wrong_credentials_of_one_account_park_only_its_lane(
    sandbox: Sandbox, running: InProcess, clock: Ahead
):
    """Plaza refuses our signature: its reply waits, Mastodon's leaves, and /readyz says which is parked."""
    first_poll(running)
    ticket = open_case(sandbox, running, "plaza")
    sandbox.faults.add("plaza", "*", "status", times=ALWAYS, status=401)
    sandbox.zendesk.agent_comments(ticket.id, "We are on it.")
    eventually(
        lambda: "lane account:kopi-plaza is parked" in problems(running), what="the problem in /readyz"
    )
    sandbox.mastodon.post("somchai", WORDS, language="en")
    other = the_ticket(sandbox, count=2)
    sandbox.zendesk.agent_comments(other.id, "We are on yours, too.")
    eventually(lambda: brand_posts(sandbox.mastodon), what="Mastodon's reply")
    tries = len(sandbox.calls.list("plaza"))
    stays(lambda: tries == len(sandbox.calls.list("plaza")) and not brand_posts(sandbox.plaza), seconds=0.5)
    heal(sandbox, clock)

    eventually(lambda: brand_posts(sandbox.plaza), what="Plaza's reply, once the credentials work")
    eventually(lambda: "parked" not in problems(running), what="/readyz is content again")
    stays(lambda: 1 == len(brand_posts(sandbox.plaza)), seconds=0.3)


def test_wrong_credentials_of_the_desk_park_only_the_desk(sandbox: Sandbox, running: InProcess, clock: Ahead):
    """The card comes all the same; the ticket opens when the client works again."""
    sandbox.faults.add("zendesk", "*", "status", times=ALWAYS, status=401)
    complain(sandbox)
    the_card(sandbox, "support-technical", "logs me out")
    eventually(lambda: "lane desk is parked" in problems(running), what="the problem in /readyz")
    heal(sandbox, clock)

    one_of_each(sandbox, running)


def test_wrong_credentials_of_slack_park_only_the_team(sandbox: Sandbox, tmp_path: Path):
    """Tickets and replies go on; the card comes when somebody has corrected the token and restarted."""
    running = InProcess(tmp_path / "data", sandbox, SLACK_BOT_TOKEN="xoxb-another-token")
    try:
        complain(sandbox)
        ticket = the_ticket(sandbox)
        sandbox.zendesk.agent_comments(ticket.id, "We are on it.")
        eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
        eventually(lambda: "lane team is parked" in problems(running), what="the problem in /readyz")
        assert [] == sandbox.slack.cards()
    finally:
        running.stop()
    running = InProcess(tmp_path / "data", sandbox)
    try:
        running.bridge.world.clock = clock = Ahead()
        heal(sandbox, clock)
        one_of_each(sandbox, running)
        assert 1 == len(brand_posts(sandbox.plaza))
    finally:
        running.stop()
