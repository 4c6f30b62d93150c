"""What a route gives besides a queue: who is told, who gets the ticket, and where a post must not come."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.flows import forget as forgetting
from bridge.sandbox import Sandbox
from bridge.store.person import find_person
from bridge.store.tables import Message
from tests.running import REPOSITORY, InProcess, eventually, starter_to_edit, stays
from tests.stories.seen import brand_posts, quiet, the_card, the_ticket

NOTICE = "For your information"


@pytest.fixture
def with_routes(sandbox: Sandbox, tmp_path: Path, store_url: str) -> Iterator[Callable[..., InProcess]]:
    """Starts a bridge on the starter, in which a route has more lines."""
    started: list[InProcess] = []

    def start(route: str, lines: str, channel: str = "", instead: str = "") -> InProcess:
        folder = starter_to_edit(tmp_path / "edited")
        file = folder / "routes/10-social.yaml"
        text, found = re.subn(rf"(  - name: {route}\n    when: .*\n)", rf"\1{lines}", file.read_text())
        assert found == 1
        file.write_text(text)
        queues = folder / "queues.yaml"
        queues.write_text(queues.read_text().replace(channel, instead) if channel else queues.read_text())
        started.append(
            InProcess(tmp_path / "data", sandbox, DATABASE_URL=store_url, BRIDGE_MAPPINGS=str(folder))
        )
        return started[-1]

    yield start
    for one in started:
        one.stop()


def notices(sandbox: Sandbox) -> list:
    return [one for one in sandbox.slack.cards() if NOTICE in one.words]


def test_another_team_is_told_once_with_a_link_to_the_one_ticket(sandbox, running):
    """A crisis: the social media lead hears of it, and of nothing that the customer wrote."""
    sandbox.plaza.post("dewi", "The battery caught fire!", language="en", tags=["crisis"])
    ticket = the_ticket(sandbox)
    [notice] = eventually(lambda: notices(sandbox), what="the notice")
    eventually(lambda: quiet(running), what="a quiet moment")

    assert notice.channel_name == "social-triage"
    assert f"Ticket #{ticket.id}" in notice.words
    assert any(link.endswith(f"/tickets/{ticket.id}") for link in notice.links)
    assert "battery" not in notice.words + notice.text
    assert len(notices(sandbox)) == len(sandbox.zendesk.tickets()) == 1
    card = the_card(sandbox, "incident-response")
    assert "Also told Triage" in card.words
    assert "Severity critical" in card.words
    assert "severity-critical" in sandbox.zendesk.ticket(ticket.id).tags
    assert sandbox.zendesk.ticket(ticket.id).says("Severity: critical", public=False)


def test_a_team_whose_channel_is_not_there_is_missed_on_the_card(sandbox, with_routes):
    """The other team hears nothing; the team that has the case reads why."""
    running = with_routes("technical-issue", "    copies: [community]\n", '"#community"', '"#not-there"')
    sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])
    the_ticket(sandbox)

    the_card(sandbox, "support-technical", "Refused: notice to another team")
    eventually(lambda: quiet(running), what="a quiet moment")
    assert notices(sandbox) == []


def test_a_ticket_has_the_routes_fields_and_its_agent(sandbox, with_routes):
    """By title and by id; what Zendesk lacks is left out; the agent gets the ticket once it is there."""
    desk = sandbox.zendesk
    for number, title in ((360012, "Product"), (360013, "Tier")):
        desk.ticket_fields[number] = {"id": number, "title": title, "key": None, "active": True}
    with_routes(
        "technical-issue",
        '    fields: {Product: app, "360013": gold, Nowhere: lost}\n    assignee: agent-one@example.com\n',
    )
    sandbox.plaza.post("dewi", "The app logs me out", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)

    eventually(lambda: desk.ticket(ticket.id).assignee, what="the agent")
    values = desk.records.tickets[ticket.id].custom_fields
    assert (values[360012], values[360013]) == ("app", "gold")
    assert "lost" not in values.values()


def test_a_route_closes_in_words_of_its_own(sandbox, with_routes):
    """The reply that the route names; nobody is asked about a resolution that it does not tell."""
    number = sandbox.zendesk.records.next_id()
    field = {"id": number, "title": "Public resolution", "type": "text", "active": True}
    sandbox.zendesk.ticket_fields[number] = field
    running = with_routes("technical-issue", "    closing_template: thanks\n")
    file = Path(running.bridge.settings.mappings) / "replies/kopi/thanks.pl.txt.j2"
    file.write_text(file.read_text().replace("{% if resolution %}{{ resolution }} {% endif %}", ""))
    before = running.bridge.world.mappings.current.version
    eventually(lambda: running.bridge.world.mappings.current.version != before, what="the edit")
    sandbox.plaza.post("dewi", "The app logs me out", language="pl", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    sandbox.zendesk.fill_in(ticket.id, "Public resolution", "Filled in by a robot.", "api")
    sandbox.zendesk.solve(ticket.id)
    [reply] = eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply")

    thanks = (REPOSITORY / "mappings/replies/kopi/thanks.pl.txt.j2").read_text().rpartition("%}")[2]
    assert thanks.partition(".")[0].strip() in reply.text


def test_a_later_tag_tells_the_team_that_the_case_would_go_to_now(sandbox, running):
    """A post becomes a crisis: its team and whom its route tells hear of it once, and the case stays."""
    post = sandbox.plaza.post("dewi", "The battery caught fire!", language="en", tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    card = the_card(sandbox, "support-technical")
    eventually(lambda: quiet(running), what="a quiet moment")
    sandbox.tags.tag("standard", post.id, "crisis")

    later = "was tagged crisis after it had gone to"
    told = lambda: [one for one in sandbox.slack.cards() if later in one.words]  # noqa: E731
    eventually(lambda: len(told()) == 2, what="the notices")
    assert {one.channel_name for one in told()} == {"incident-response", "social-triage"}
    assert all(f"Ticket #{ticket.id}" in one.words and "battery" not in one.words for one in told())
    eventually(lambda: "that team was told" in "".join(n.words for n in sandbox.slack.thread(card.ts)))

    sandbox.tags.tag("standard", post.id, "feature-request")
    eventually(lambda: quiet(running), what="a quiet moment")
    stays(lambda: len(told()) == 2, seconds=0.5)
    assert len(sandbox.zendesk.tickets()) == 1


def test_a_later_tag_takes_no_post_to_a_queue_that_its_route_keeps_off(sandbox, with_routes):
    """No ticket is opened for it; its team is told that, and by which route."""
    running = with_routes("sales-lead", "    never: [support-technical]\n")
    post = sandbox.plaza.post("dewi", "What does it cost?", language="en", tags=["sales-lead"])
    card = the_card(sandbox, "sales-leads")
    eventually(lambda: quiet(running), what="a quiet moment")
    sandbox.tags.tag("standard", post.id, "technical-issue")

    told = eventually(lambda: sandbox.slack.thread(card.ts), what="a note under the card")
    assert "Posts of the route sales-lead must not come to that queue" in told[0].words
    stays(lambda: not sandbox.zendesk.tickets(), seconds=0.5)


def test_who_is_forgotten_and_stands_in_the_list_of_vips_is_told_of(sandbox, with_routes):
    """The files are the admins' own: the proof says that somebody has to take the name out of them."""
    running = with_routes("sales-lead", "")
    vips = running.bridge.world.mappings.current.vips
    with running.database.write() as tx:
        listed = Message(
            installation="bridge",
            network="mastodon",
            global_id="https://gazette.example/1",
            author_id="https://gazette.example/@newsdesk",
            author_handle=vips[0].handle,
            received_at=datetime.now(UTC),
            attachments=[],
            own=False,
        )
        tx.add(listed)
    with running.database.read() as tx:
        person = find_person(tx, "bridge", "mastodon", handle=vips[0].handle)
    told = forgetting.forget(running.bridge.world, person, "a test").remains

    assert any("vips.yaml" in sentence and "newsdesk" not in sentence for sentence in told)
