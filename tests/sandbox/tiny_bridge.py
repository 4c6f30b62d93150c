"""The smallest bridge that closes the story's loops: no ledger, no proof, no mercy.

Stands in for the real one where the sandbox itself is under test.
"""

import json
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import requests
from flask import Flask, request

from bridge.sandbox import Sandbox
from bridge.sandbox.loops import Said, loops
from bridge.sandbox.serving import Served
from tests.sandbox.puppet import Puppet


@dataclass
class Case:
    post: Said
    ticket: int
    channel: str
    ts: str
    seen: set[int] = field(default_factory=set)  # comments that were published
    heard: set[str] = field(default_factory=set)  # posts that the ticket knows
    closed: bool = False


class TinyBridge:
    """Running from construction to `stop`. *deaf_to_solves*: the fault that the story has to notice."""

    def __init__(self, sandbox: Sandbox, *, deaf_to_solves: bool = False) -> None:
        self._sandbox = sandbox
        self._puppet = Puppet(sandbox)
        self._deaf = deaf_to_solves
        self._cases: dict[str, Case] = {}
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        app = Flask("tiny-bridge")
        app.add_url_rule("/<path:path>", "hear", self._hear, methods=["POST"])
        self._served = Served("tiny-bridge", app)
        sandbox.point_at(self._served.url)
        sandbox.zendesk.install_webhook(self._served.url)
        self._poller = threading.Thread(target=self._poll)
        self._poller.start()

    def stop(self) -> None:
        self._stopped.set()
        self._poller.join()
        self._served.stop()

    def _hear(self, path: str) -> tuple[str, int]:
        with self._lock:
            if path == "slack/events":
                self._claim(json.loads(parse_qs(request.get_data(as_text=True))["payload"][0]))
            elif path == "hooks/zendesk":
                self._desk_told(request.get_json())
            elif path == "hooks/social/social-team-tags":
                self._open(request.get_json()["data"]["id"])
        return "", 202

    def _poll(self) -> None:
        for token in self._sandbox.mastodon.tokens.values():
            headers = {"Authorization": f"Bearer {token}"}
            url = f"{self._sandbox.mastodon.url}/api/v1/notifications"
            requests.get(url, headers=headers, timeout=5).raise_for_status()
        while not self._stopped.wait(0.05):
            with self._lock:
                for loop in loops(self._sandbox):
                    if "wylogowuje mnie" in loop.root.text and loop.root.id not in self._cases:
                        self._open(loop.root.id)
                    self._follow_up(loop.posts)

    def _open(self, post_id: str) -> None:
        post = next(loop.root for loop in loops(self._sandbox) if loop.root.id == post_id)
        told = self._puppet.open_case(
            post.author, post.text, post.url, group="Technical Support", channel="support-technical"
        )
        self._cases[post_id] = Case(post, *told)

    def _follow_up(self, posts: list[Said]) -> None:
        case = self._cases.get(posts[0].id)
        for post in posts[1:]:
            if case and not post.own and post.id not in case.heard:
                case.heard.add(post.id)
                self._puppet.customer_comment(case.ticket, post.text)

    def _claim(self, payload: dict) -> None:
        case = next(one for one in self._cases.values() if one.ts == payload["message"]["ts"])
        self._puppet.assign(case.ticket, "agent-one@example.com")
        self._show(case, "Claimed by Ana")

    def _show(self, case: Case, stage: str) -> None:
        self._puppet.update_card(
            case.channel,
            case.ts,
            stage=stage,
            text=case.post.text,
            permalink=case.post.url,
            ticket_id=case.ticket,
        )

    def _desk_told(self, told: dict) -> None:
        case = next(one for one in self._cases.values() if str(one.ticket) == told["ticket_id"])
        ticket = self._sandbox.zendesk.ticket(case.ticket)
        said = False
        for comment in ticket.comments:
            if comment.via == "web" and comment.public and comment.id not in case.seen:
                case.seen.add(comment.id)
                self._reply(case, comment.text, f"comment-{comment.id}")
                said = True
        if ticket.status == "solved" and not case.closed and not self._deaf:
            case.closed = True
            if not said:
                self._reply(case, "Sudah beres!", f"closing-{case.ticket}")
            self._puppet.note(case.ticket, f"Closed publicly: {case.post.url}")
            self._show(case, "Closed publicly")

    def _reply(self, case: Case, text: str, key: str) -> None:
        if case.post.network == "plaza":
            self._puppet.answer_on_plaza(case.post.id, text, key)
        else:
            self._puppet.answer_on_mastodon(case.post.id, f"@{case.post.author} {text}", key, "rower")
