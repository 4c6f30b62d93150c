"""Corners of the story: crossings, refusals, faults that stay, and cards that vanish."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from bridge.core.intent import Effect, IntentState
from bridge.flows import settle
from bridge.intake.health import Health
from bridge.sandbox import Sandbox
from bridge.sandbox.mastodon import MastodonRefusalError
from bridge.store import cases, intents, lanes, leases, tickets
from bridge.store.leases import LeaseLostError
from bridge.store.presence import presence
from bridge.store.tables import Case, Cursor, Intent, TicketRow
from bridge.zendesk import ZendeskDesk
from tests.running import InProcess, Process, eventually, starter_to_edit, stays
from tests.stories.seen import brand_posts, the_card, the_ticket

TECH = "support-technical"


def complain(sandbox: Sandbox, text: str = "The app logs me out every hour", tag: str = "technical-issue"):
    return sandbox.plaza.post("dewi", text, language="en", tags=[tag])


def the_case(running: InProcess) -> Case:
    with running.database.read() as tx:
        return tx.scalars(select(Case)).one()


def replies(running: InProcess) -> list[Intent]:
    with running.database.read() as tx:
        return list(tx.scalars(select(Intent).where(Intent.effect == Effect.REPLY).order_by(Intent.id)))


def asks(sandbox: Sandbox, channel: str = TECH) -> int:
    return sum(b.label.startswith("Post it") for c in sandbox.slack.cards(channel) for b in c.buttons)


def pause(running: InProcess) -> None:
    with running.database.write() as tx:
        lanes.park(tx, lanes.PUBLIC, "crisis", "ana", datetime.now(UTC))


def resume(running: InProcess) -> None:
    with running.database.write() as tx:
        lanes.resume(tx, lanes.PUBLIC)
        for case_id in tx.scalars(select(Case.id)).all():
            intents.wake_case(cases.lock(tx, case_id), datetime.now(UTC))


def test_a_case_of_an_older_mapping_opens_its_ticket_after_a_restart(sandbox: Sandbox, tmp_path: Path):
    """The desk was down, an admin edited the mapping, the bridge was restarted."""
    folder = tmp_path / "mappings"
    starter_to_edit(folder)
    bridge = InProcess(tmp_path / "data", sandbox, BRIDGE_MAPPINGS=str(folder))
    try:
        sandbox.faults.add("zendesk", "register_user", "status", times=1000, status=429, retry_after=1)
        complain(sandbox)
        the_card(sandbox, TECH)
        bridge.stop()
        queues = folder / "queues.yaml"
        queues.write_text(queues.read_text() + "\n# edited\n")
        sandbox.faults.clear()
        bridge.start()
        the_ticket(sandbox)
    finally:
        bridge.stop()


def test_a_customer_who_comes_back_after_the_ticket_was_closed_gets_a_follow_up(sandbox, running, ticket):
    """Zendesk closes solved tickets by itself after some days, and its trigger tells us."""
    root = sandbox.plaza.posts()[0].id
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: the_case(running).state == "closed", what="the receipt")
    time.sleep(0.7)
    sandbox.zendesk.close(ticket.id)
    sandbox.wait_idle()
    time.sleep(0.7)
    sandbox.plaza.post("dewi", "It is broken again!", reply_to=root)

    follow_up = the_ticket(sandbox, count=2)
    assert follow_up.says("It is broken again!")


def test_a_customer_who_comes_back_opens_the_solved_ticket_again(sandbox, running, ticket):
    """Where it stayed solved nobody would read it, and for words in another's name Zendesk leaves it so."""
    root = sandbox.plaza.posts()[0].id
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: the_case(running).state == "closed", what="the receipt")
    sandbox.plaza.post("dewi", "It is broken again!", reply_to=root)

    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("broken again"), what="the words on the ticket")
    assert sandbox.zendesk.ticket(ticket.id).status == "open"
    eventually(lambda: the_case(running).state == "open", what="the case is open, too")


def test_a_customer_whose_record_agents_deleted_gets_a_ticket(sandbox, running, ticket):
    """Or merged into another: what the bridge remembers of the requester is of no use any more."""
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: the_case(running).state == "closed", what="the receipt")
    with sandbox.zendesk.lock:
        records = sandbox.zendesk.records
        records.users[records.tickets[ticket.id].values["requester_id"]].active = False
    complain(sandbox, "And now the app does not start at all")

    second = the_ticket(sandbox, count=2)
    assert second.says("does not start at all")
    assert second.requester_external_id == ticket.requester_external_id
    with running.database.read() as tx:
        refused = tx.scalars(select(Intent).where(Intent.state == IntentState.REFUSED)).all()
    assert all(intent.decided_by for intent in refused)  # nobody has to look at it


def test_a_post_that_a_relay_brought_from_another_network_gets_its_ticket(sandbox, running):
    """The signed webhook may speak of any network: an Instagram comment, say."""
    sandbox.plaza.network = "instagram"
    complain(sandbox)
    the_ticket(sandbox)


def test_a_queue_that_asks_for_approval_gets_it_for_a_solving_comment_too(sandbox, running):
    """queues.yaml, incident response: nothing is posted before they have read it."""
    complain(sandbox, "The battery caught fire!", tag="crisis")
    ticket = the_ticket(sandbox)
    the_card(sandbox, "incident-response")
    sandbox.zendesk.agent_comments(ticket.id, "All good, please ignore.", status="solved")

    stays(lambda: not brand_posts(sandbox.plaza), seconds=3)


def test_an_answer_that_has_not_left_yet_counts_as_the_closing_reply(sandbox, running, ticket):
    """Paused: the agent answers, and solves a moment later. One public word, not two."""
    pause(running)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3, which is out now.")
    eventually(lambda: len(replies(running)) == 1, what="the answer waits")
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: the_case(running).state != "open", what="the solve is read")
    resume(running)
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=3)


def test_a_template_does_not_go_out_before_an_answer_that_is_held(sandbox, running, ticket):
    """The answer waits for a person; the solve after it must not overtake it."""
    sandbox.zendesk.agent_comments(ticket.id, "Write to me at ana@kopi.example please")
    eventually(lambda: asks(sandbox) == 1, what="the question")
    sandbox.zendesk.solve(ticket.id)
    stays(lambda: not brand_posts(sandbox.plaza), seconds=3)


def test_a_solve_that_is_older_than_the_customers_last_word_closes_nothing(sandbox, running, ticket):
    """The agent solves; before the bridge has read that, the customer writes again."""
    root = sandbox.plaza.posts()[0].id
    fault = sandbox.faults.add("zendesk", "read_ticket", "hold")
    sandbox.zendesk.solve(ticket.id)
    assert fault.reached.wait(10)
    sandbox.plaza.post("dewi", "It is worse now!", reply_to=root)
    sandbox.wait_idle()
    time.sleep(1.0)
    fault.release()

    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("It is worse now!"), what="the new post")
    stays(lambda: not brand_posts(sandbox.plaza), seconds=3)


def test_what_a_person_refused_is_not_posted_by_a_late_press(sandbox, running, ticket):
    """Two people, one card: Don't, and a moment later "Post it" on the old drawing."""
    sandbox.zendesk.agent_comments(ticket.id, "Mail ana@kopi.example for the rest", status="solved")
    card = eventually(lambda: next((c for c in sandbox.slack.cards(TECH) if c.button("Post it")), None))
    yes, no = card.button("Post it"), card.button("Don't")
    hold = sandbox.faults.add("slack", "chat.update", "hold")  # the card is redrawn late
    sandbox.slack.press(TECH, card.ts, no.action_id)
    eventually(lambda: the_case(running).state == "closed", what="the refusal")
    sandbox.slack.press(TECH, card.ts, yes.action_id)
    hold.release()

    stays(lambda: not brand_posts(sandbox.plaza), seconds=3)


def test_a_closing_reply_that_a_crash_interrupted_is_looked_at_again(
    sandbox: Sandbox, start_process: Callable[..., Process]
):
    """Killed before the call arrived; the customer wrote again meanwhile: it may not go out by itself."""
    bridge = start_process()
    root = complain(sandbox).id
    ticket = the_ticket(sandbox)
    the_card(sandbox, TECH)
    fault = sandbox.faults.add("plaza", "reply", "hold")
    sandbox.zendesk.solve(ticket.id)
    assert fault.reached.wait(20)
    bridge.kill()
    sandbox.plaza.post("dewi", "It is worse now!", reply_to=root)
    sandbox.plaza.edit(root, "The app logs me out every MINUTE")
    bridge.start()
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("It is worse now!"), within=20)
    stays(lambda: not brand_posts(sandbox.plaza), seconds=4)


def test_a_card_that_could_not_be_posted_is_told_somewhere(sandbox, running):
    """The app was not invited: /readyz does not call that well."""
    next(c for c in sandbox.slack.channels.values() if c.name == "sales-leads").has_bot = False
    complain(sandbox, "what does the pro plan cost?", tag="sales-lead")

    def refused() -> bool:
        with running.database.read() as tx:
            found = tx.scalars(select(Intent).where(Intent.effect == Effect.POST_CARD)).first()
            return found is not None and found.state == IntentState.REFUSED

    eventually(refused, what="the refusal")
    health = Health(running.bridge.door, mapping_version=lambda: "x", mapping_error=lambda: None).report()
    assert any("refused" in problem for problem in health["problems"]), health


def test_a_refused_card_goes_to_the_channel_that_the_mapping_names_today(sandbox: Sandbox, tmp_path: Path):
    """The admin corrects the channel in queues.yaml and lets the card go again."""
    folder = tmp_path / "mappings"
    starter_to_edit(folder)
    queues = folder / "queues.yaml"
    right = queues.read_text()
    queues.write_text(right.replace("#support-technical", "#no-such-channel"))
    bridge = InProcess(tmp_path / "data", sandbox, BRIDGE_MAPPINGS=str(folder))
    try:
        complain(sandbox)

        def refused() -> Intent | None:
            with bridge.database.read() as tx:
                return tx.scalars(
                    select(Intent).where(Intent.effect == Effect.POST_CARD, Intent.state == "refused")
                ).first()

        found = eventually(refused, what="the refusal")
        queues.write_text(right)
        time.sleep(1.5)
        with bridge.database.write() as tx:
            settle.approve(tx, bridge.bridge.world, found.id, "ana", again=True)
        eventually(lambda: sandbox.slack.cards(TECH), within=6, what="the card")
    finally:
        bridge.stop()


@pytest.mark.parametrize(
    ("effect", "url"),
    [
        ("open_ticket", "{z}/agent/tickets/77"),
        ("post_card", "https://kopi.slack.com/archives/C00000001/p1795292109751821"),
    ],
)
def test_an_unknown_ticket_or_card_can_be_settled_with_its_address(sandbox, running, effect, url):
    """`bridge intent settle ID --sent URL`, as DESIGN §5 says."""
    operation = ("zendesk", "open_ticket") if effect == "open_ticket" else ("slack", "chat.postMessage")
    sandbox.faults.add(*operation, "status", times=1000, status=429, retry_after=600)
    complain(sandbox)

    def waiting() -> Intent | None:
        with running.database.read() as tx:
            return tx.scalars(
                select(Intent).where(Intent.effect == effect, Intent.attempts > 0, Intent.state == "approved")
            ).first()

    found = eventually(waiting, what="the intent")
    with running.database.write() as tx:
        intent = tx.get_one(Intent, found.id)
        intent.state = IntentState.UNKNOWN.value
    address = url.format(z=sandbox.zendesk.url)
    with running.database.write() as tx:
        settle.happened(tx, running.bridge.world, found.id, address, "ana")
    if effect == "open_ticket":
        with running.database.read() as tx:
            assert "77" == tx.scalars(select(TicketRow.ticket_id)).one()


def test_a_network_that_always_answers_5xx_is_not_written_to_again_and_again(sandbox, running):
    """After a second unclear answer a person decides; no copy every few seconds, for ever."""
    polls = lambda: len(sandbox.calls.list("mastodon", "list_notifications"))  # noqa: E731
    eventually(lambda: polls() > 4, what="both accounts' second polls")
    sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    sandbox.faults.add("mastodon", "post_status", "status", times=1000, status=502)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    time.sleep(8)
    assert len(sandbox.calls.list("mastodon", "post_status")) <= 2


def test_a_refusal_after_an_approval_is_on_the_card(sandbox, running, ticket):
    """Somebody pressed "Post it"; the network says no: the card that asked says so."""
    sandbox.zendesk.agent_comments(ticket.id, "Write to me at ana@kopi.example please")
    card = eventually(lambda: next((c for c in sandbox.slack.cards(TECH) if c.button("Post it")), None))
    sandbox.faults.add("plaza", "reply", "status", status=422)
    sandbox.slack.press(TECH, card.ts, card.button("Post it").action_id)
    eventually(lambda: replies(running)[0].state == "refused", what="the refusal")
    eventually(lambda: "Refused: answer" in the_card(sandbox, TECH).words, within=4, what="the card says so")


def test_a_ticket_that_cannot_be_read_for_days_is_still_asked_in_peace(sandbox, running, ticket):
    """After a thousand failures the wait is still five minutes, not an overflow each second."""
    with running.database.write() as tx:
        tx.scalars(select(Case)).one().failures = 1023
    sandbox.faults.add("zendesk", "read_ticket", "status", times=1000, status=400)
    before = len(sandbox.calls.list("zendesk", "read_ticket"))
    sandbox.zendesk.agent_comments(ticket.id, "Hello!")
    time.sleep(5)
    assert len(sandbox.calls.list("zendesk", "read_ticket")) - before <= 3


def test_a_ticket_that_the_desk_will_not_give_is_told_once_and_read_when_it_can_be(sandbox, running, ticket):
    """Whoever writes on it must know that nobody hears it; a refusal that lasts is asked about ever less."""
    sandbox.faults.add("zendesk", "read_ticket", "status", times=1000, status=400)
    sandbox.zendesk.agent_comments(ticket.id, "Hello!")

    def notes() -> list[Intent]:
        with running.database.read() as tx:
            return [
                intent
                for intent in tx.scalars(select(Intent).where(Intent.effect == Effect.POST_NOTE))
                if "cannot be read" in intent.payload["text"]
            ]

    def waits_for(least: timedelta) -> bool:
        case = the_case(running)
        return case.due_at is not None and case.due_at - datetime.now(UTC) > least

    def ask_again() -> None:
        with running.database.write() as tx:
            case = cases.lock(tx, tx.scalars(select(Case.id)).one())
            case.failures += 6
            intents.wake_case(case, datetime.now(UTC))

    eventually(lambda: the_case(running).failures, what="the first refusal")
    assert not notes()
    ask_again()
    eventually(lambda: [note.state for note in notes()] == ["confirmed"], what="the note under the card")
    why = f"Ticket {ticket.id} cannot be read: zendesk read ticket answered 400"
    assert why in notes()[0].payload["text"]
    ask_again()
    eventually(lambda: waits_for(timedelta(minutes=30)), what="a long wait")
    assert len(notes()) == 1
    sandbox.faults.clear()
    ask_again()
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")


def test_what_the_customer_wrote_before_the_tag_reaches_the_ticket_too(sandbox, running):
    """Two posts in a row, and then the social team tags the first one."""
    root = sandbox.plaza.post("dewi", "Your app is a joke", language="en")
    sandbox.plaza.post("dewi", "It loses my order number 7 each time", reply_to=root.id)
    sandbox.wait_idle()
    time.sleep(0.7)
    sandbox.tags.tag("standard", root.id, "technical-issue")
    ticket = the_ticket(sandbox)
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("order number 7"), within=5, what="the second post"
    )


def test_a_poll_of_an_account_that_was_taken_out_is_not_woken_each_second(sandbox, running):
    """Its cursor is still in the table, and always due."""
    with running.database.write() as tx:
        tx.add(Cursor(key="poll:gone", due_at=datetime.now(UTC)))
    time.sleep(4)
    with running.database.read() as tx:
        assert tx.get(Cursor, "poll:gone") is None


def test_an_old_holder_cannot_pass_for_a_new_one_after_its_lease_was_forgotten(sandbox, running):
    """The fence of a key must never come back."""
    now, span = datetime.now(UTC), timedelta(seconds=30)
    with running.database.write() as tx:
        old = leases.take(tx, "case:x", presence(running.database), now - timedelta(hours=2), span)
    with running.database.write() as tx:
        leases.forget_old(tx, now - timedelta(hours=1))
        new = leases.take(tx, "case:x", presence(running.database), now, span)
    assert old is not None
    assert new is not None
    with pytest.raises(LeaseLostError), running.database.write() as tx:
        leases.guard(tx, old)


def test_a_ticket_merged_into_another_of_ours_loses_no_words_of_the_customer(sandbox, running, ticket):
    """The same person complained twice; the agent merges; the customer answers in the first thread."""
    root = sandbox.plaza.posts()[0].id
    complain(sandbox, "And the app crashes")
    other = the_ticket(sandbox, count=2)
    eventually(lambda: sandbox.zendesk.ticket(other.id).says("Why here", public=False))
    sandbox.zendesk.merge(ticket.id, other.id)
    time.sleep(1.5)
    sandbox.plaza.post("dewi", "Any news on this?", reply_to=root)

    def heard() -> bool:
        return any(one.says("Any news on this?") for one in sandbox.zendesk.tickets())

    eventually(heard, within=6, what="the customer's words on some ticket")


def test_a_question_is_asked_again_when_its_card_was_deleted(sandbox, running, ticket):
    """Somebody deleted the card, or the workspace's retention did."""
    for channel in sandbox.slack.channels.values():
        channel.messages.clear()
    sandbox.zendesk.agent_comments(ticket.id, "Write to me at ana@kopi.example please")
    eventually(lambda: asks(sandbox) == 1, within=6, what="the question, on a card of its own")


def test_the_held_closing_reply_of_an_earlier_round_does_not_wait_beside_the_new_one(
    sandbox, running, ticket
):
    """Solved, reopened, solved: one question, not two closing replies to let out."""
    sandbox.zendesk.solve(ticket.id, via="rule")
    eventually(lambda: asks(sandbox) == 1, what="the first question")
    sandbox.zendesk.reopen(ticket.id)
    eventually(lambda: the_case(running).state == "open", what="reopened")
    sandbox.zendesk.solve(ticket.id, via="rule")
    eventually(lambda: the_case(running).state == "solved", what="solved again")
    time.sleep(1.5)
    assert 1 == len([one for one in replies(running) if one.state == "held"])
    assert 1 == asks(sandbox)


def test_a_desk_that_has_been_away_for_an_hour_is_no_good_health(sandbox, running):
    """Each try moves due_at on, so "oldest due" never grows old."""
    sandbox.faults.add("zendesk", "open_ticket", "status", times=1000, status=429, retry_after=300)
    complain(sandbox)

    def tried() -> bool:
        with running.database.read() as tx:
            return any(i.attempts for i in tx.scalars(select(Intent).where(Intent.effect == "open_ticket")))

    eventually(tried, what="a try")
    with running.database.write() as tx:
        for intent in tx.scalars(select(Intent)):
            intent.created_at -= timedelta(hours=1)
    health = Health(running.bridge.door, mapping_version=lambda: "x", mapping_error=lambda: None).report()
    assert any("intent" in problem or "desk" in problem for problem in health["problems"]), health


def test_the_words_of_a_merged_ticket_from_before_the_merge_stay_where_they_are(sandbox, running, ticket):
    """An e-mail ticket of somebody: what was said there before is no reply to our customer."""
    mail = sandbox.zendesk
    made = a_foreign_ticket(sandbox)
    mail.agent_comments(made, "Your divorce lawyer's bill is attached, Somebody.")
    mail.merge(ticket.id, made)
    time.sleep(3)
    assert not replies(running), [(i.state, i.payload["text"]) for i in replies(running)]


@pytest.mark.parametrize("lag_s", [0, 3])
def test_an_answer_right_after_the_merge_is_passed_on(sandbox, running, ticket, lag_s):
    """In the very second of the merge; or the desk, for which that is a job, closes ours seconds after it."""
    made = a_foreign_ticket(sandbox)
    sandbox.zendesk.agent_comments(made, "Your divorce lawyer's bill is attached, Somebody.")
    eventually(lambda: is_over(running), what="the end of the turn")
    with sandbox.zendesk.lock:
        sandbox.zendesk.merge(ticket.id, made)
        source = sandbox.zendesk.records.tickets[ticket.id]
        source.audits[-1].created_at += timedelta(seconds=lag_s)
        source.updated_at += timedelta(seconds=lag_s)
        sandbox.zendesk.agent_comments(made, "Please install 4.3.")

    eventually(lambda: replies(running), what="a reply, held: the other ticket is somebody else's")
    assert states_of_tickets(running) == ["merged", "current"]
    assert [one.payload["text"] for one in replies(running)] == ["Please install 4.3."]


@pytest.mark.parametrize("after", ["read_ticket", "read_updates"])
def test_a_merge_between_two_reads_of_the_ticket_is_no_end_of_the_case(
    sandbox, running, ticket, after, monkeypatch
):
    """The bridge reads updates and ticket one after the other: it was "closed without being solved"."""
    read, merged = getattr(ZendeskDesk, after), []
    made = a_foreign_ticket(sandbox)
    eventually(lambda: is_over(running), what="the end of the turn")
    time.sleep(1.1)  # later than the last update of ours, as the desk tells time
    sandbox.zendesk.agent_comments(made, "Your divorce lawyer's bill is attached, Somebody.")

    def and_then_merge(desk, ticket_id, *given):
        found = read(desk, ticket_id, *given)
        if not merged:
            merged.append(ticket_id)
            sandbox.zendesk.merge(ticket.id, made)
        return found

    monkeypatch.setattr(ZendeskDesk, after, and_then_merge)
    with running.database.write() as tx:  # somebody hints at it
        case = cases.lock(tx, tx.scalars(select(Case.id)).one())
        [row] = tx.scalars(select(TicketRow))
        tickets.hint(row, datetime.now(UTC))
        intents.wake_case(case, datetime.now(UTC))

    eventually(lambda: merged and is_over(running) and states_of_tickets(running) == ["merged", "current"])
    assert not replies(running), [(one.state, one.payload["text"]) for one in replies(running)]
    assert not asks(sandbox)


def is_over(running):
    with running.database.read() as tx:
        rows = list(tx.scalars(select(TicketRow)))
        return all(case.due_at is None for case in tx.scalars(select(Case))) and not any(
            tickets.is_unread(row) for row in rows
        )


def states_of_tickets(running):
    with running.database.read() as tx:
        return [row.state for row in tx.scalars(select(TicketRow).order_by(TicketRow.number))]


def test_a_case_whose_ticket_was_closed_without_a_solve_is_shown_to_somebody(sandbox, running, ticket):
    """Closed straight from open: the loop is open, and the card goes on saying "opened"."""
    sandbox.zendesk.close(ticket.id)
    eventually(
        lambda: (
            the_case(running).state != "open" or asks(sandbox) or "losed" in the_card(sandbox, TECH).words
        ),
        within=5,
        what="any sign",
    )


def test_an_answer_by_hand_that_was_let_pass_once_does_not_hold_every_later_answer(sandbox, running, ticket):
    """A person saw it and said "Post it": the next answers need not ask about it again."""
    root = sandbox.plaza.posts()[0].id
    sandbox.plaza.brand_posts("We saw this, hang on", reply_to=root)
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    card = eventually(lambda: next((c for c in sandbox.slack.cards(TECH) if c.button("Post it")), None))
    sandbox.slack.press(TECH, card.ts, card.button("Post it").action_id)
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, what="the answer")
    sandbox.zendesk.agent_comments(ticket.id, "We found the cause.")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 3, within=5, what="the next answer")


def test_a_customer_who_wrote_while_our_answer_was_unclear_gets_a_closing_word(sandbox, running, ticket):
    """Silence counts from the answer's own time on the thread, not from when we learnt of it."""
    root = sandbox.plaza.posts()[0].id
    fault = sandbox.faults.add("plaza", "reply", "hold_after")
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    assert fault.reached.wait(10)
    eventually(lambda: brand_posts(sandbox.plaza), what="the answer")
    sandbox.plaza.post("dewi", "4.2, and it is worse now", reply_to=root)
    sandbox.wait_idle()
    time.sleep(1.0)
    fault.release()
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("it is worse now"), what="the new post")
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: the_case(running).state != "open", what="the solve is read")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, within=5, what="the closing word")


def test_none_of_many_tickets_solved_at_once_is_closed_publicly_by_itself(sandbox, tmp_path):
    """A bulk solve of six: all are held, the first four too."""
    bridge = InProcess(tmp_path / "data", sandbox, BRIDGE_LINGER_S="2")
    try:
        solve_six(sandbox)
    finally:
        bridge.stop()


def solve_six(sandbox: Sandbox) -> None:
    for number in range(6):
        sandbox.plaza.post(f"person{number}", "The app crashes", language="en", tags=["technical-issue"])
    eventually(lambda: len(sandbox.zendesk.tickets()) == 6, what="six tickets")
    time.sleep(2)
    for one in sandbox.zendesk.tickets():
        sandbox.zendesk.solve(one.id)
    stays(lambda: not brand_posts(sandbox.plaza), seconds=4)
    told = "Not on the thread yet. It waits for a person, who was asked in Slack: Many tickets were solved"
    for one in sandbox.zendesk.tickets():
        eventually(lambda: sandbox.zendesk.ticket(one.id).says(told, public=False), what="the word")  # noqa: B023
    assert [] == brand_posts(sandbox.plaza)


def test_the_sweep_outlives_a_failure_of_noting_a_failure():
    """A sweep fails while the database is busy: the next second sweeps all the same."""
    from bridge.errors import StoreBusyError
    from bridge.flows.engine import Engine

    swept = []

    def sweep(_key: str) -> None:
        swept.append(1)
        raise PermissionError("the mapping folder")

    def failed(_flow: str, _key: str) -> None:
        raise StoreBusyError("busy")

    engine = Engine({"sweep": sweep}, threads=1, every_s=0.1, failed=failed)
    engine.start()
    time.sleep(0.6)
    engine.stop()
    assert len(swept) > 1


def test_a_held_closing_reply_says_that_the_customer_has_written_again(sandbox, running, ticket):
    """An approval holds for that state of the thread: whoever presses must know that it changed."""
    root = sandbox.plaza.posts()[0].id
    sandbox.zendesk.solve(ticket.id, via="rule")
    eventually(lambda: asks(sandbox) == 1, what="the question")
    sandbox.plaza.post("dewi", "It is worse now!", reply_to=root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("It is worse now!"), what="the new post")
    time.sleep(1)
    assert "wrote again" in the_card(sandbox, TECH).words


def test_a_second_wording_on_a_solved_ticket_closes_the_loop(sandbox, running, ticket):
    """The closing comment was held for its e-mail address; the agent writes it again without."""
    sandbox.zendesk.agent_comments(ticket.id, "Mail ana@kopi.example for the rest", status="solved")
    eventually(lambda: asks(sandbox) == 1, what="the question")
    sandbox.zendesk.agent_comments(ticket.id, "It works again. Write to us here any time.")
    eventually(lambda: brand_posts(sandbox.plaza), what="the second wording")
    eventually(lambda: the_case(running).state == "closed", within=5, what="the receipt")


def test_after_a_revert_the_reverted_mapping_does_not_come_back(sandbox: Sandbox, tmp_path: Path):
    """A, then B, then A again, then a broken edit and a restart: A is the last that served."""
    folder = tmp_path / "mappings"
    starter_to_edit(folder)
    queues = folder / "queues.yaml"
    first = queues.read_text()
    bridge = InProcess(tmp_path / "data", sandbox, BRIDGE_MAPPINGS=str(folder))
    try:
        version = lambda: bridge.bridge.world.mappings.current.version  # noqa: E731
        good = version()
        queues.write_text(first.replace("label: Triage", "label: Wrong"))
        eventually(lambda: version() != good, what="the edit")
        queues.write_text(first)
        eventually(lambda: version() == good, what="the revert")
        bridge.stop()
        queues.write_text("queues: [")
        bridge.start()
        assert good == version()
    finally:
        bridge.stop()


def test_a_crisis_tag_on_an_open_case_is_seen_by_somebody(sandbox, running, ticket):
    """The social team understands later how bad it is, and tags the same post again."""
    sandbox.tags.tag("standard", sandbox.plaza.posts()[0].id, "crisis")

    def seen() -> bool:
        told = sandbox.zendesk.ticket(ticket.id).says("crisis")
        return told or any("crisis" in card.words.lower() for card in sandbox.slack.cards())

    eventually(seen, within=5, what="a word of it on the ticket or on any card")


def test_a_complaint_in_the_thread_of_a_sales_lead_gets_a_ticket(sandbox, running):
    """The first post needed a card only, and that case has ended; the second is tagged as a fault."""
    root = complain(sandbox, "what does the pro plan cost?", tag="sales-lead").id
    the_card(sandbox, "sales-leads")
    eventually(lambda: the_case(running).state == "closed", what="the end of the first")
    sandbox.plaza.post("dewi", "And the app crashes", reply_to=root, language="en", tags=["technical-issue"])
    eventually(sandbox.zendesk.tickets, within=5, what="a ticket")


def test_a_comment_without_words_is_no_public_reply(sandbox, running):
    """An agent attached a picture and wrote nothing: no bare mention on the thread."""
    polls = lambda: len(sandbox.calls.list("mastodon", "list_notifications"))  # noqa: E731
    eventually(lambda: polls() > 4, what="both accounts' second polls")
    sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, " ")
    stays(lambda: not brand_posts(sandbox.mastodon), seconds=3)


def a_foreign_ticket(sandbox: Sandbox) -> int:
    """A ticket that came by e-mail and has nothing to do with the bridge."""
    desk = sandbox.zendesk
    requester = desk.records.add_user("Somebody", email="somebody@mail.example")
    token = requests.post(
        f"{desk.url}/oauth/tokens",
        json={
            "grant_type": "client_credentials",
            "client_id": desk.client_id,
            "client_secret": desk.client_secret,
            "scope": "read write",
        },
        timeout=3,
    ).json()["access_token"]
    comment = {"body": "Where is my invoice?", "public": True, "author_id": requester.id}
    made = requests.post(
        f"{desk.url}/api/v2/tickets.json",
        json={"ticket": {"subject": "Invoice", "requester_id": requester.id, "comment": comment}},
        headers={"Authorization": f"Bearer {token}"},
        timeout=3,
    )
    return made.json()["ticket"]["id"]


def test_a_merge_that_no_webhook_told_is_found_when_the_customer_writes(sandbox, running, ticket):
    """The update meets a closed ticket: where it was merged into is read before a follow-up is opened."""
    root = sandbox.plaza.posts()[0].id
    other = a_foreign_ticket(sandbox)
    for webhook in sandbox.zendesk.webhooks.values():
        webhook.status = "inactive"
    sandbox.zendesk.merge(ticket.id, other)
    sandbox.plaza.post("dewi", "Any news on this?", reply_to=root)
    eventually(lambda: any(one.says("Any news") for one in sandbox.zendesk.tickets()), what="the words")
    time.sleep(1)
    assert 2 == len(sandbox.zendesk.tickets())


def test_a_customer_who_deleted_only_the_last_post_is_not_gone(sandbox, running, ticket):
    """The first complaint still stands there in public: the loop is closed under it."""
    root = sandbox.plaza.posts()[0].id
    second = sandbox.plaza.post("dewi", "typo, sorry", reply_to=root)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("typo"), what="the second post")
    pause(running)
    sandbox.zendesk.agent_comments(ticket.id, "Fixed in 4.3.", status="solved")
    eventually(lambda: the_case(running).state == "solved", what="the solve is read")
    sandbox.plaza.delete(second.id)
    sandbox.wait_idle()
    time.sleep(1)
    resume(running)
    eventually(lambda: the_case(running).state == "closed" or asks(sandbox), what="an end")
    assert "customer gone" != the_case(running).receipt


def test_one_thread_that_cannot_be_read_does_not_stop_the_others(sandbox, running):
    """A server that refuses one post must not make the bridge deaf to all the other threads."""
    polls = lambda: len(sandbox.calls.list("mastodon", "list_notifications"))  # noqa: E731
    eventually(lambda: polls() > 4, what="both accounts' second polls")
    bad = sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    the_ticket(sandbox)
    good = sandbox.mastodon.post("somchai", "The app crashes", language="en")
    ticket = the_ticket(sandbox, count=2)
    find, number = sandbox.mastodon._find, sandbox.mastodon._id_of(bad.id)

    def refuse(status_id: str):
        if status_id == number:
            raise MastodonRefusalError(422, "not this one")
        return find(status_id)

    sandbox.mastodon._find = refuse
    sandbox.mastodon.edit(good.id, "The app crashes on Android 15")
    eventually(
        lambda: sandbox.zendesk.ticket(ticket.id).says("on Android 15"), within=6, what="the other's edit"
    )


def test_a_closing_reply_that_only_one_person_can_read_is_not_called_public(sandbox, running):
    """The thread is public, the customer's last word in it was a direct one."""
    polls = lambda: len(sandbox.calls.list("mastodon", "list_notifications"))  # noqa: E731
    eventually(lambda: polls() > 4, what="both accounts' second polls")
    root = sandbox.mastodon.post("dewi", "The app logs me out every hour", language="en")
    ticket = the_ticket(sandbox)
    sandbox.mastodon.post("dewi", "my address is Jalan 5", reply_to=root.id, visibility="direct")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Jalan 5"), what="the direct post")
    sandbox.zendesk.solve(ticket.id)
    eventually(lambda: the_case(running).state == "closed" or asks(sandbox), what="an end")
    posted = brand_posts(sandbox.mastodon)
    assert the_case(running).receipt != "closed publicly" or "direct" != posted[0].visibility


def test_a_trigger_that_solves_in_our_own_update_is_heard():
    """The audit of our note carries our stamp, and the solve of a trigger that ran on it."""
    from bridge.core.desk import Origin, Ticket, TicketStatus, Update
    from bridge.core.verdict import judge

    update = Update("9", datetime.now(UTC), "1", Origin.RULE, stamp="ours", status=TicketStatus.SOLVED)
    ticket = Ticket("1", "u", TicketStatus.SOLVED, "x", "2", "social:standard:dewi")
    assert judge(update, ticket, "social:standard:dewi").solved


@pytest.mark.parametrize("name", ["public", "desk", "team"])
def test_an_account_called_like_a_lane_of_ours_has_a_lane_of_its_own(name: str):
    """Lanes are shared by name: a refused token of the account "public" must not end `bridge pause`."""
    assert lanes.of_account(name) not in (lanes.PUBLIC, lanes.DESK, lanes.TEAM)


def test_slack_that_answers_5xx_is_asked_less_and_less_often(sandbox, running, ticket):
    """An outage of hours: no call every few seconds for each case, and no two lines in the file each time."""
    sandbox.faults.add("slack", "chat.update", "status", times=1000, status=503)
    before = len(sandbox.calls.list("slack", "chat.update"))
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you use?")
    time.sleep(10)
    assert len(sandbox.calls.list("slack", "chat.update")) - before <= 5


def test_two_questions_on_one_card_are_both_asked(sandbox, running, ticket):
    """Two held texts: the card that shows both is one that is taken."""
    sandbox.zendesk.agent_comments(ticket.id, "Write to me at ana@kopi.example please")
    eventually(lambda: asks(sandbox) == 1, what="the first question")
    sandbox.zendesk.agent_comments(ticket.id, "Or to budi@kopi.example, he is in at night")
    eventually(lambda: asks(sandbox) == 2, within=5, what="the second question")
