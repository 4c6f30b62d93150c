"""A bridge on strings: does by hand, over HTTP, what the bridge would do for one post."""

from dataclasses import dataclass

import requests
from slack_sdk import WebClient

from bridge.sandbox import Sandbox
from bridge.sandbox.signing import standard_headers


@dataclass
class Puppet:
    """Opens a ticket and a card for a post, answers, and gives the receipt."""

    sandbox: Sandbox

    def __post_init__(self) -> None:
        desk = self.sandbox.zendesk
        wanted = {
            "grant_type": "client_credentials",
            "client_id": desk.client_id,
            "client_secret": desk.client_secret,
            "scope": "read write",
        }
        token = requests.post(f"{desk.url}/oauth/tokens", json=wanted, timeout=5).json()["access_token"]
        self._desk_headers = {"Authorization": f"Bearer {token}"}
        self._slack = WebClient(
            token=self.sandbox.slack.bot_token, base_url=self.sandbox.slack.api_url, retry_handlers=[]
        )

    def _desk(self, method: str, path: str, body: dict) -> dict:
        url = f"{self.sandbox.zendesk.url}/api/v2/{path}"
        answer = requests.request(method, url, json=body, headers=self._desk_headers, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def open_case(
        self, author: str, text: str, permalink: str, group: str, channel: str
    ) -> tuple[int, str, str]:
        """Returns the ticket's id, the card's channel and its ts."""
        user = {"user": {"name": author, "external_id": f"social:{author}"}}
        customer = self._desk("POST", "users/create_or_update.json", user)["user"]["id"]
        group_id = next(key for key, name in self.sandbox.zendesk.groups.items() if name == group)
        ticket = {
            "subject": text[:60],
            "requester_id": customer,
            "group_id": group_id,
            "priority": "high",
            "tags": ["social"],
            "comment": {"html_body": f"{text}<br>{permalink}", "author_id": customer, "public": True},
        }
        number = self._desk("POST", "tickets.json", {"ticket": ticket})["ticket"]["id"]
        self.note(number, "Came here by route technical-issue (routes/10-social.yaml:22).")
        posted = self._slack.chat_postMessage(
            channel=channel, text="card", blocks=self._card("Opened", text, permalink, number)
        )
        return number, posted["channel"], posted["ts"]

    def note(self, ticket_id: int, text: str) -> None:
        comment = {"html_body": text, "public": False}
        self._desk("PUT", f"tickets/{ticket_id}.json", {"ticket": {"comment": comment}})

    def customer_comment(self, ticket_id: int, text: str) -> None:
        requester = self._desk("GET", f"tickets/{ticket_id}.json", {})["ticket"]["requester_id"]
        comment = {"html_body": text, "public": True, "author_id": requester}
        self._desk("PUT", f"tickets/{ticket_id}.json", {"ticket": {"comment": comment}})

    def update_card(
        self, channel: str, ts: str, *, stage: str, text: str, permalink: str, ticket_id: int
    ) -> None:
        blocks = self._card(stage, text, permalink, ticket_id)
        self._slack.chat_update(channel=channel, ts=ts, text="card", blocks=blocks)

    def _card(self, stage: str, text: str, permalink: str, ticket_id: int) -> list[dict]:
        def words(text: str, **more: object) -> dict:
            return {"type": "text", "text": text} | more

        quote = {"type": "rich_text_quote", "elements": [words(text)]}
        facts = [
            words("Ticket ", style={"bold": True}),
            words(f"#{ticket_id}   "),
            {"type": "link", "url": permalink, "text": "open the thread"},
        ]
        buttons = [("claim", "I'll take this"), ("why", "Why here?")]
        return [
            {"type": "header", "text": {"type": "plain_text", "text": stage}},
            {"type": "rich_text", "elements": [quote, {"type": "rich_text_section", "elements": facts}]},
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "action_id": action,
                        "text": {"type": "plain_text", "text": label},
                        "value": str(ticket_id),
                    }
                    for action, label in buttons
                ],
            },
        ]

    def assign(self, ticket_id: int, email: str) -> None:
        self._desk("PUT", f"tickets/{ticket_id}.json", {"ticket": {"assignee_email": email}})

    def answer_on_plaza(self, parent: str, text: str, key: str) -> None:
        data = {"in_reply_to": parent, "network": "standard", "text": text, "visibility": "public"}
        envelope = {"type": "social.reply.requested", "timestamp": "now", "data": data}
        body = requests.Request("POST", "http://x", json=envelope).prepare().body
        assert isinstance(body, bytes)
        headers = standard_headers(self.sandbox.plaza.secret, key, body)
        requests.post(self.sandbox.plaza.reply_url, data=body, headers=headers, timeout=5).raise_for_status()

    def answer_on_mastodon(self, parent: str, text: str, key: str, brand: str = "kopi") -> None:
        mastodon = self.sandbox.mastodon
        headers = {"Authorization": f"Bearer {mastodon.tokens[brand]}", "Idempotency-Key": key}
        body = {"status": text, "in_reply_to_id": parent}
        url = f"{mastodon.url}/api/v1/statuses"
        requests.post(url, json=body, headers=headers, timeout=5).raise_for_status()


def play(sandbox: Sandbox) -> None:
    """Fill the sandbox: one loop closed, one under way, one just begun."""
    puppet = Puppet(sandbox)
    thai = sandbox.plaza.post("somchai", "แอปเด้งทุกครั้งที่เปิดเลยครับ อัปเดตแล้วก็ยังเป็น", language="th")
    words = (thai.author, thai.text, thai.url)
    ticket, channel, ts = puppet.open_case(*words, group="Technical Support", channel="support-technical")
    sandbox.zendesk.agent_comments(ticket, "ขออภัยครับ เรากำลังตรวจสอบอยู่")
    puppet.answer_on_plaza(thai.id, "ขออภัยครับ เรากำลังตรวจสอบอยู่", "one")
    later = sandbox.plaza.post("somchai", "ขอบคุณครับ รออยู่", reply_to=thai.id)
    puppet.customer_comment(ticket, later.text)
    sandbox.zendesk.agent_comments(ticket, "แก้แล้วครับ", status="solved")
    puppet.answer_on_plaza(thai.id, "แก้แล้วครับ — Team Kopi", "two")
    puppet.note(ticket, f"Closed publicly: {thai.url}")
    puppet.update_card(
        channel, ts, stage="Closed publicly", text=thai.text, permalink=thai.url, ticket_id=ticket
    )
    english = sandbox.mastodon.post(
        "maria", "your app logs me out every hour <b>&amp; nobody cares</b>", language="en"
    )
    sandbox.tags.tag("mastodon", english.uri, "technical-issue")
    ticket, *_ = puppet.open_case(
        english.author, "your app logs me out", english.url, "Technical Support", "triage"
    )
    sandbox.zendesk.agent_comments(ticket, "internal only: see the release notes", public=False)
    puppet.answer_on_mastodon(english.id, "@maria sorry! Which phone is it?", "three")
    sandbox.plaza.post("jan", "Przydałby się tryb ciemny", language="pl")
