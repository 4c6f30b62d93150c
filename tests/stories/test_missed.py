"""Webhooks get lost: what agents did all the same is found by the sweep over Zendesk's export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from bridge.flows import reconcile
from bridge.flows.finds import METRIC, of_late
from bridge.sandbox import Sandbox
from bridge.sandbox.zendesk import Limits, TicketView
from bridge.store import tallies, tickets
from bridge.store.tables import Case, Cursor, Delivery, Intent, TicketRow
from tests.running import InProcess, eventually, stays
from tests.stories.seen import brand_posts, first_poll, the_card, the_ticket

pytestmark = pytest.mark.usefixtures("quick_sweep")

COMMENT = "Thanks for telling us. Which version do you use?"
FAREWELL = "Fixed in 4.3, which is out now."


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Zendesk whose export leaves nothing out, so that nobody has to wait for a minute."""
    with Sandbox(export_lag_s=0.0) as sandbox:
        yield sandbox


@pytest.fixture
def deaf(sandbox: Sandbox, running: InProcess, ticket: TicketView) -> TicketView:
    """A case with its ticket; from now on every webhook of Zendesk gets lost."""
    lose_webhooks(sandbox, running)
    return ticket


def lose_webhooks(sandbox: Sandbox, running: InProcess) -> None:
    """Those that have left are heard, and what they hinted at is read; no other one arrives."""
    assert sandbox.zendesk.sender.wait_idle()
    eventually(lambda: not waiting(running), what="what was heard is taken in")
    sandbox.zendesk.sender.losing = True
    eventually(lambda: not is_unread(running), what="the reading")
    first_sweep(running)
    next_second()


def waiting(running: InProcess) -> list[Delivery]:
    with running.database.read() as tx:
        return list(tx.scalars(select(Delivery).where(Delivery.state == "received")))


def sweeps(running: InProcess) -> int:
    return len(running.sandbox.calls.list("zendesk", "export_tickets"))


def cursor_of(running: InProcess) -> Cursor:
    with running.database.read() as tx:
        return tx.get_one(Cursor, reconcile.KEY)


def first_sweep(running: InProcess) -> None:
    """The one that a start asks for is over: on a busy machine it could be taken for the next."""
    eventually(lambda: cursor_of(running).heard_at or cursor_of(running).failures, what="the first sweep")


def next_second() -> None:
    """What changes in the second of an earlier sweep is told only by a real export, a minute later."""
    second = int(datetime.now(UTC).timestamp())
    eventually(lambda: int(datetime.now(UTC).timestamp()) > second, what="the next second")


def due(running: InProcess) -> None:
    """The next sweep is due."""
    next_second()
    with running.database.write() as tx:
        tx.get_one(Cursor, reconcile.KEY).due_at = datetime.now(UTC)


def sweep(running: InProcess) -> None:
    """A sweep from its beginning to its end."""
    first_sweep(running)
    before = cursor_of(running).heard_at
    due(running)
    eventually(lambda: cursor_of(running).heard_at != before, what="the sweep")


def finds(running: InProcess) -> int:
    """How many finds are written down."""
    with running.database.read() as tx:
        return of_late(tx, datetime.now(UTC), timedelta(hours=1))


def counted(running: InProcess) -> dict[str, float]:
    """How many finds are counted for /metrics, by who should have told."""
    running.bridge.world.tallies.bring(running.database)
    with running.database.read() as tx:
        return {labels["what"]: value for labels, value in tallies.read(tx).get(METRIC, [])}


def closed(running: InProcess) -> Callable[[], bool]:
    def check() -> bool:
        with running.database.read() as tx:
            return all(case.state == "closed" for case in tx.scalars(select(Case)))

    return check


def problems(running: InProcess) -> str:
    return "\n".join(requests.get(f"{running.url}/readyz", timeout=5).json()["problems"])


def test_a_comment_and_a_solve_that_no_webhook_told_are_answered_once_and_closed(
    sandbox: Sandbox, running: InProcess, deaf: TicketView
):
    """Two updates, one sweep: the answer, the closing reply, the receipt, and two finds."""
    sandbox.zendesk.agent_comments(deaf.id, COMMENT)
    sandbox.zendesk.agent_comments(deaf.id, FAREWELL, status="solved")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)

    sweep(running)

    eventually(closed(running), what="the receipt")
    assert [COMMENT, FAREWELL] == [post.text for post in brand_posts(sandbox.plaza)]
    sweep(running)
    stays(lambda: 2 == len(brand_posts(sandbox.plaza)), seconds=0.4)
    assert 2 == finds(running)
    eventually(lambda: {"zendesk": 2} == counted(running), what="the count")


def test_what_the_webhook_told_is_no_find(sandbox: Sandbox, running: InProcess, ticket: TicketView):
    """Webhook and sweep both tell of it: one reply, and nothing was missed."""
    # It would find what the webhook is just about to tell, and so would what it has asked to be read.
    first_sweep(running)
    eventually(lambda: not is_unread(running), what="the reading")
    sandbox.zendesk.agent_comments(ticket.id, FAREWELL, status="solved")
    eventually(closed(running), what="the receipt")

    sweep(running)

    with running.database.read() as tx:
        assert tx.scalars(select(TicketRow)).one().swept_to is not None
    stays(lambda: 1 == len(brand_posts(sandbox.plaza)), seconds=0.4)
    assert 0 == finds(running)


def test_a_version_that_was_read_is_not_read_again(sandbox: Sandbox, running: InProcess, ticket: TicketView):
    """Sweeps overlap by a minute; what they bring twice costs Zendesk nothing."""
    eventually(lambda: all_taken_in(running), what="what the webhooks had to say of its opening")
    sweep(running)
    eventually(lambda: not is_unread(running), what="the reading")
    reads = len(sandbox.calls.list("zendesk", "list_audits"))
    sweep(running)
    stays(lambda: reads == len(sandbox.calls.list("zendesk", "list_audits")), seconds=0.4)


def all_taken_in(running: InProcess) -> bool:
    with running.database.read() as tx:
        return tx.scalars(select(Delivery).where(Delivery.state == "received")).first() is None


def is_unread(running: InProcess) -> bool:
    with running.database.read() as tx:
        return any(tickets.is_unread(row) for row in tx.scalars(select(TicketRow)))


def test_words_after_the_receipt_are_found(sandbox: Sandbox, running: InProcess, ticket: TicketView):
    """The loop is closed; an agent has one more thing to say, and solves again."""
    first_sweep(running)
    sandbox.zendesk.agent_comments(ticket.id, FAREWELL, status="solved")
    eventually(closed(running), what="the receipt")
    lose_webhooks(sandbox, running)
    sandbox.zendesk.reopen(ticket.id)
    sandbox.zendesk.agent_comments(ticket.id, "And sorry for the trouble.", status="solved")

    sweep(running)

    eventually(lambda: 2 == len(brand_posts(sandbox.plaza)), what="the words after the receipt")
    assert 2 == finds(running)  # the reopening is one of them
    assert closed(running)()


def test_a_deleted_ticket_is_noticed(sandbox: Sandbox, running: InProcess, deaf: TicketView):
    """No trigger runs then: only the export tells, and the team hears of it under the card."""
    sandbox.zendesk.delete(deaf.id)

    sweep(running)

    eventually(lambda: 1 == finds(running), what="the find")
    with running.database.read() as tx:
        assert "deleted" == tx.scalars(select(TicketRow)).one().state


def test_a_ticket_of_ours_that_no_case_knows_is_noticed(
    sandbox: Sandbox, running: InProcess, deaf: TicketView
):
    """As after restoring a backup: the list of what is wrong names it until it is merged or closed."""
    with sandbox.zendesk.lock:
        sandbox.zendesk.records.tickets[deaf.id].values["external_id"] = "bridge:a-lost-case:1"
    with running.database.write() as tx:
        tx.scalars(select(TicketRow)).one().ticket_id = "999999"
    sandbox.zendesk.agent_comments(deaf.id, COMMENT)

    sweep(running)

    eventually(lambda: f"ticket {deaf.id} (" in problems(running), what="the condition")
    assert "merge it into ticket 999999" in problems(running)
    stays(lambda: not brand_posts(sandbox.plaza), seconds=0.3)
    sandbox.zendesk.close(deaf.id)
    sweep(running)
    eventually(lambda: f"ticket {deaf.id} (" not in problems(running), what="its end")


def test_a_follow_up_made_by_hand_beside_ours_is_told_so(
    sandbox: Sandbox, running: InProcess, ticket: TicketView
):
    """The customer wrote before the sweep saw it, so the bridge opened one: the other reaches nobody."""
    root = sandbox.plaza.posts()[0].id
    sandbox.zendesk.agent_comments(ticket.id, FAREWELL, status="solved")
    eventually(closed(running), what="the receipt")
    sandbox.zendesk.close(ticket.id)
    sandbox.wait_idle()
    by_hand = sandbox.zendesk.open_follow_up(ticket.id, "We looked into it again.")
    sandbox.plaza.post("dewi", "It is broken again!", reply_to=root)
    eventually(lambda: 2 == len(tickets_of(running)), what="our follow-up")
    ours = tickets_of(running)[-1].ticket_id
    sandbox.zendesk.agent_comments(by_hand, "A new build is on its way", status="solved")
    for _ in range(2):
        sweep(running)

    def notes() -> list[str]:
        return [c.text for c in sandbox.zendesk.ticket(by_hand).comments if "not connected" in c.text]

    eventually(notes, what="the note")
    assert f"Ticket {ours} speaks" in notes()[0]
    stays(lambda: 1 == len(notes()), seconds=0.4)
    assert 2 == len(tickets_of(running))


def test_a_merge_is_followed(sandbox: Sandbox, running: InProcess, deaf: TicketView):
    """The agent answers in the ticket that ours was merged into; it lacks our tag, so no trigger runs."""
    desk = sandbox.zendesk
    with desk.lock:
        wanted = {"comment": {"body": "by telephone"}, "requester_id": requester_of(sandbox, deaf)}
        target = desk.records.create(wanted, desk.agents["agent-2"], "web").ticket.id
    desk.merge(deaf.id, target)

    sweep(running)
    eventually(lambda: 2 == len(tickets_of(running)), what="the target speaks for the case")
    eventually(lambda: not is_unread(running), what="the reading")
    desk.agent_comments(target, FAREWELL, status="solved")
    sweep(running)

    eventually(lambda: [FAREWELL] == [post.text for post in brand_posts(sandbox.plaza)], what="the reply")


def test_a_ticket_that_was_deleted_by_mistake_goes_on(sandbox: Sandbox, running: InProcess, deaf: TicketView):
    """It was heard to be deleted, and an admin has restored it: it speaks for the case again."""
    sandbox.zendesk.delete(deaf.id)
    sweep(running)
    eventually(lambda: ["deleted"] == [row.state for row in tickets_of(running)], what="the deletion")
    sandbox.zendesk.restore(deaf.id)
    next_second()
    sandbox.zendesk.agent_comments(deaf.id, FAREWELL, status="solved")
    sweep(running)

    eventually(lambda: [FAREWELL] == [post.text for post in brand_posts(sandbox.plaza)], what="the reply")
    assert ["current"] == [row.state for row in tickets_of(running)]


def test_a_ticket_that_ours_was_merged_into_after_it_was_solved_is_no_open_loop(
    sandbox: Sandbox, running: InProcess, deaf: TicketView
):
    """Nobody solves it again: what would close the loop waits for a person."""
    desk = sandbox.zendesk
    with desk.lock:
        wanted = {"comment": {"body": "by telephone"}, "requester_id": requester_of(sandbox, deaf)}
        target = desk.records.create(wanted, desk.agents["agent-2"], "web").ticket.id
    desk.solve(target)
    next_second()
    desk.merge(deaf.id, target)
    sweep(running)

    def state() -> str:
        with running.database.read() as tx:
            return str(tx.scalars(select(Case)).one().state)

    eventually(lambda: state() == "solved", what="the solve")
    the_card(sandbox, "support-technical", "solved already")
    assert not brand_posts(sandbox.plaza)


def requester_of(sandbox: Sandbox, ticket: TicketView) -> int:
    return int(sandbox.zendesk.records.tickets[ticket.id].values["requester_id"])


def tickets_of(running: InProcess) -> list[TicketRow]:
    with running.database.read() as tx:
        return list(tx.scalars(select(TicketRow).order_by(TicketRow.number)))


def test_a_follow_up_that_an_agent_opened_speaks_for_the_case(
    sandbox: Sandbox, running: InProcess, deaf: TicketView
):
    """Its opening words came by a way that is not an agent's plain comment: a person looks at them first."""
    sandbox.zendesk.solve(deaf.id)
    sandbox.zendesk.close(deaf.id)
    sweep(running)
    eventually(lambda: "closed" == tickets_of(running)[0].state, what="the end of the ticket")
    follow_up = sandbox.zendesk.open_follow_up(deaf.id, "We looked into it again.")

    sweep(running)

    eventually(lambda: 2 == len(tickets_of(running)), what="the follow-up")
    assert str(follow_up) == tickets_of(running)[1].ticket_id
    sandbox.zendesk.agent_comments(follow_up, "It is mended for good now.")
    sweep(running)
    eventually(
        lambda: "It is mended for good now." in [post.text for post in brand_posts(sandbox.plaza)],
        what="words of the follow-up",
    )


def test_a_ticket_whose_opening_nobody_knew_the_outcome_of_is_found(
    sandbox: Sandbox, running: InProcess, deaf: TicketView
):
    """The ticket carries the case's external id: no person has to settle it by hand."""
    with running.database.write() as tx:
        intent = tx.scalars(select(Intent).where(Intent.effect == "open_ticket")).one()
        intent.state, intent.outcome_id, intent.outcome = "unknown", None, None
        tx.delete(tx.scalars(select(TicketRow)).one())

    sweep(running)

    eventually(lambda: [str(deaf.id)] == [row.ticket_id for row in tickets_of(running)], what="the ticket")
    assert 1 == finds(running)


def look(running: InProcess, account: str = "kopi-plaza") -> None:
    """The account's list is looked at from beginning to end."""
    key = f"poll:{account}"

    def heard() -> datetime | None:
        with running.database.read() as tx:
            cursor = tx.get(Cursor, key)
            return None if cursor is None or cursor.due_at < datetime.now(UTC) else cursor.heard_at

    before = eventually(heard, what="the first look")
    with running.database.write() as tx:
        tx.get_one(Cursor, key).due_at = datetime.now(UTC)
    eventually(lambda: heard() not in (None, before), what="the look")


def test_a_post_an_edit_and_a_deletion_that_no_webhook_told_are_found(sandbox: Sandbox, running: InProcess):
    """The relay keeps a list of what it sent; what has arrived is known by its id, and is no find."""
    sandbox.plaza.list_page = 2
    heard = sandbox.plaza.post("dewi", "The app crashes", language="en", tags=["technical-issue"])
    the_ticket(sandbox)
    assert sandbox.wait_idle()
    look(running)
    assert 0 == finds(running)
    sandbox.plaza.sender.losing = True
    sandbox.plaza.post("somchai", "The app crashes, too", language="en", tags=["technical-issue"])
    sandbox.plaza.edit(heard.id, "The app crashes every hour")
    sandbox.plaza.delete(heard.id)
    stays(lambda: 1 == len(sandbox.zendesk.tickets()), seconds=0.3)

    look(running)

    ticket = the_ticket(sandbox, count=2)
    assert ticket.says("The app crashes, too", public=True)
    eventually(
        lambda: sandbox.zendesk.ticket(sandbox.zendesk.tickets()[0].id).says("deleted", public=False),
        what="the note on the deletion",
    )
    look(running)
    assert 3 == finds(running)
    assert {"standard": 3} == counted(running)
    stays(lambda: 2 == len(sandbox.zendesk.tickets()), seconds=0.3)


def test_a_relay_without_a_list_is_no_fault(sandbox: Sandbox, running: InProcess):
    """It answers 404: the account works as it did, and /readyz is content."""
    look(running)
    sandbox.faults.add("plaza", "look", "status", times=1000, status=404)
    look(running)
    assert "poll:kopi-plaza" not in problems(running)


def test_what_happened_while_the_bridge_was_down_is_found_at_its_start(
    sandbox: Sandbox, running: InProcess, ticket: TicketView
):
    """Posts, a comment and a solve, all told to nobody; the next start asks at once."""
    assert sandbox.wait_idle()
    first_poll(running)
    running.stop()
    next_second()
    sandbox.zendesk.sender.losing = True
    sandbox.zendesk.agent_comments(ticket.id, FAREWELL, status="solved")
    sandbox.plaza.sender.losing = True
    sandbox.plaza.post("ani", "The app crashes", language="en", tags=["technical-issue"])
    sandbox.mastodon.post("somchai", "The app crashes", language="en")
    before = sweeps(running)

    running.start()

    eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply")
    the_ticket(sandbox, count=3)
    assert before + 1 == sweeps(running)


def test_a_sweep_that_is_put_off_again_and_again_is_shown(
    sandbox: Sandbox, running: InProcess, ticket: TicketView
):
    """Being asked to wait is no failure; not having come to the end for three periods is one."""
    eventually(lambda: cursor_of(running).heard_at, what="the first sweep")
    with running.database.write() as tx:
        tx.get_one(Cursor, reconcile.KEY).heard_at = datetime.now(UTC) - timedelta(hours=1)
    sandbox.faults.add("zendesk", "export_tickets", "status", times=1000, status=429, retry_after=1)
    due(running)

    eventually(lambda: "export:zendesk does not work: since" in problems(running), what="the problem")


def test_pages_that_end_within_one_second_lose_nothing(
    sandbox: Sandbox, running: InProcess, ticket: TicketView
):
    """Five tickets of one second, two on a page: each is read."""
    sandbox.zendesk.export_page = 2
    for number in range(4):
        sandbox.plaza.post(f"customer-{number}", "The app crashes", language="en", tags=["technical-issue"])
    eventually(lambda: 5 == len(sandbox.zendesk.tickets()), what="five tickets")
    eventually(lambda: 5 == len(sandbox.slack.cards("support-technical")), what="five cards")
    eventually(
        lambda: all(one.says("Why here", public=False) for one in sandbox.zendesk.tickets()), what="the notes"
    )
    lose_webhooks(sandbox, running)
    with sandbox.zendesk.lock:
        for one in sandbox.zendesk.tickets():
            sandbox.zendesk.agent_comments(one.id, COMMENT)
        moment = datetime.now(UTC).replace(microsecond=0)
        for record in sandbox.zendesk.records.tickets.values():
            record.updated_at = moment

    sweep(running)

    eventually(lambda: 5 == len(brand_posts(sandbox.plaza)), what="five answers")
    assert 5 == finds(running)


def test_an_export_that_asks_for_time_gets_it(sandbox: Sandbox, running: InProcess, deaf: TicketView):
    """429 with Retry-After: later, and no reason to call the bridge unwell."""
    sandbox.faults.add("zendesk", "export_tickets", "status", status=429, retry_after=1)
    sandbox.zendesk.agent_comments(deaf.id, COMMENT)

    sweep(running)

    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    calls = sandbox.calls.list("zendesk", "export_tickets")
    refused = next(number for number, call in enumerate(calls) if call.fault)
    assert calls[refused + 1].at - calls[refused].at >= timedelta(seconds=0.9)
    assert 0 == cursor_of(running).failures


def test_a_budget_that_is_used_up_is_waited_for_without_a_call(tmp_path: Path):
    """One request a minute is left to us: the second sweep is put off, and no thread sleeps for it."""
    with Sandbox(export_lag_s=0.0, limits=Limits(exports_per_minute=1)) as sandbox:
        running = InProcess(tmp_path / "data", sandbox)
        try:
            eventually(lambda: cursor_of(running).heard_at, what="the first sweep")
            due(running)
            later = datetime.now(UTC) + timedelta(seconds=40)
            eventually(lambda: cursor_of(running).due_at > later, what="the second is put off")
            assert (1, 0) == (sweeps(running), cursor_of(running).failures)
            sandbox.plaza.post("dewi", "The app crashes", language="en", tags=["technical-issue"])
            the_card(sandbox, "support-technical")
        finally:
            running.stop()


def test_where_the_export_is_refused_open_loops_are_read_unasked(
    sandbox: Sandbox, running: InProcess, deaf: TicketView
):
    """The service user is no admin: /readyz says the fix, and a lost solve is found more slowly."""
    sandbox.faults.add("zendesk", "export_tickets", "status", times=1000, status=403)
    due(running)
    eventually(lambda: cursor_of(running).failures, what="the refusal")
    assert "make the service user an admin" in problems(running)
    sandbox.zendesk.agent_comments(deaf.id, FAREWELL, status="solved")
    with running.database.write() as tx:
        row = tx.scalars(select(TicketRow)).one()
        row.hinted_at = row.read_at = datetime.now(UTC) - timedelta(minutes=11)

    eventually(closed(running), within=20, what="the receipt")
    assert 1 == finds(running)


def test_where_the_export_is_refused_a_ticket_that_nobody_ever_hinted_at_is_read_too(
    sandbox: Sandbox, running: InProcess
):
    """Every webhook since the opening got lost: it has been unread for as long as it has been there."""
    sandbox.zendesk.sender.losing = True
    sandbox.faults.add("zendesk", "export_tickets", "status", times=1000, status=403)
    sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    due(running)
    eventually(lambda: cursor_of(running).failures, what="the refusal")
    sandbox.zendesk.agent_comments(ticket.id, FAREWELL, status="solved")
    with running.database.write() as tx:
        row = tx.scalars(select(TicketRow)).one()
        assert row.hinted_at is None
        row.opened_at = datetime.now(UTC) - timedelta(minutes=11)

    eventually(closed(running), within=20, what="the receipt")
    assert 1 == finds(running)


def test_an_answer_that_was_faster_than_the_look_that_finds_its_ticket_is_read(
    sandbox: Sandbox, running: InProcess
):
    """The desk's answer got lost, and so did its webhooks: who knows what happened there before the look?"""
    sandbox.zendesk.sender.losing = True
    first_sweep(running)
    sandbox.faults.add("zendesk", "open_ticket", "lost_response")
    look = sandbox.faults.add("zendesk", "list_tickets", "hold")
    sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])
    assert look.reached.wait(15)
    sandbox.zendesk.agent_comments(the_ticket(sandbox).id, COMMENT)
    look.release()

    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    with running.database.read() as tx:
        opening = tx.scalars(select(Intent).where(Intent.effect == "open_ticket")).one()
    assert 1 == opening.attempts


def test_two_workers_do_not_both_sweep(sandbox: Sandbox, running: InProcess, ticket: TicketView):
    """Whoever has the lease does; the other finds nothing due."""
    world = running.bridge.world
    eventually(lambda: cursor_of(running).heard_at, what="the first sweep")
    held = sandbox.faults.add("zendesk", "export_tickets", "hold")
    before = sweeps(running)
    due(running)
    assert held.reached.wait(10)
    reconcile.reconcile(world, reconcile.KEY)
    assert before + 1 == sweeps(running)
    held.release()
    eventually(lambda: cursor_of(running).due_at > datetime.now(UTC), what="the sweep")
    reconcile.reconcile(world, reconcile.KEY)
    assert before + 1 == sweeps(running)
