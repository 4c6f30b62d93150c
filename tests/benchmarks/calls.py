"""The floor of a loop: the calls to Zendesk and Slack that open one, and nothing around them.

No door, no database, no decision, no threads: what zenpy, slack_sdk and requests take of a processor to
say what a loop says, through the bridge's own rooms. A loop cannot cost less.
"""

from __future__ import annotations

import time

from bridge import app, settings
from bridge.core.card import Action, Card
from bridge.core.desk import Customer, TicketDraft, TicketUpdate
from bridge.slack import SlackTeam
from bridge.zendesk import ZendeskDesk
from tests.benchmarks.processes import Stub, vendors

WARM = 20


def measure_calls(number: int) -> float:
    """Milliseconds of this process's CPU for the four calls of one loop."""
    with Stub() as stub:
        loaded = settings.load(vendors(stub.url))
        account, slack = app.zendesk_account(loaded), app.slack_account(loaded)
        assert account is not None
        assert slack is not None
        desk, team = ZendeskDesk(account), SlackTeam(slack)
        for turn in range(WARM):
            _open(desk, team, f"warm-{turn}")
        before = time.process_time()
        for turn in range(number):
            _open(desk, team, f"call-{turn}")
        return 1000 * (time.process_time() - before) / number


def _open(desk: ZendeskDesk, team: SlackTeam, mark: str) -> None:
    text = "The app logs me out every hour, and whatever I do, my basket is empty then."
    customer = desk.register_customer(Customer(f"social:standard:{mark}", "Dewi"))
    draft = TicketDraft(
        external_id=f"bridge:{mark}:1",
        requester_id=customer,
        subject=f"Plaza: {text}",
        text=text,
        tags=("social", "technical-issue"),
        group="Technical Support",
        priority="high",
    )
    ticket = desk.open_ticket(draft, f"ticket:{mark}")
    desk.update_ticket(TicketUpdate(ticket.id, text=f"Why here: {text}"), f"note:{mark}")
    card = Card(
        case_id=mark,
        title="Technical issue",
        stage="opened",
        brand="Kopi",
        network="Plaza",
        author="Dewi @dewi",
        text=text,
        route="technical-issue",
        queue="Technical Support",
        priority="high",
        ticket_id=ticket.id,
        ticket_url=ticket.url,
        timeline=("posted 09:00", "ticket opened 09:01"),
        actions=(Action.CLAIM,),
    )
    team.post_card("#support-technical", card, f"card:{mark}")
