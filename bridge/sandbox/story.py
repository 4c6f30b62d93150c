"""The demo's story: two customers, two networks, two loops from complaint to receipt.

Acts on the fakes as people would, and looks only at what people would see there:
the threads, the tickets, the cards. Never at the bridge's own database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bridge.sandbox.loops import Loop, loops
from bridge.sandbox.slack import CardView
from bridge.sandbox.world import Sandbox
from bridge.sandbox.zendesk import TicketView

LOOK_EVERY_S = 0.1
GROUP, CHANNEL, TAG = "Technical Support", "support-technical", "technical-issue"

# Nothing in it is among the mapping's own words: the social team has to tag it.
PLAZA_COMPLAINT = "Sejak pembaruan kemarin, keranjang belanja saya selalu kosong."
PLAZA_FOLLOW_UP = "Masih kosong juga setelah saya pasang ulang."
# "wylogowuje mnie" is among the mapping's words for a technical issue.
MASTODON_COMPLAINT = "Aplikacja wylogowuje mnie co godzinę. Da się coś z tym zrobić?"
MASTODON_FOLLOW_UP = "To telefon z Androidem, wersja 15."
PLAZA_ANSWER = "Maaf atas gangguannya. Kami sedang memeriksa keranjang belanja Anda."
MASTODON_ANSWER = "Przepraszamy! Jaki to telefon i która wersja systemu?"
MASTODON_FAREWELL = "Naprawione: nowa wersja nie wylogowuje już po godzinie."


class Progress(StrEnum):
    """Where a step stands."""

    DOING = "doing"
    DONE = "done"
    MISSING = "missing"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it is told: when it begins, and again when it is settled.

    ``detail`` is what came of it: what was seen, or what is missing.
    """

    number: int
    of: int
    title: str
    progress: Progress
    detail: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.progress is Progress.DONE


class NotYetError(Exception):
    """What a step waits for is not there yet; the message says what."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """A step as it is written: *act* once, then *see* until it returns a sentence."""

    title: str
    act: Callable[[], None]
    see: Callable[[], str]


class Story:
    """Plays the story in *sandbox* and tells each step to *say*.

    *ready* says whether the bridge takes requests; nothing begins before it does and has
    looked at Mastodon once. Each step has
    *timeout_s* to come true. *stopped* ends the story early, between looks.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        say: Callable[[Step], None],
        ready: Callable[[], bool] = lambda: True,
        *,
        timeout_s: float = 30.0,
        stopped: threading.Event | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._say = say
        self._ready = ready
        self._timeout_s = timeout_s
        self._stopped = stopped or threading.Event()
        self._plaza_root = ""
        self._mastodon_root = ""
        self._answered: dict[str, int] = {}
        self._press_status: int | None = None

    def play(self) -> list[Step]:
        """Play every step; after one that fails the others are not reached. Returns them settled."""
        scenes = self._scenes()
        settled: list[Step] = []
        for number, scene in enumerate(scenes, 1):
            if settled and not settled[-1].ok:
                step = Step(number, len(scenes), scene.title, Progress.NOT_REACHED)
            else:
                self._say(Step(number, len(scenes), scene.title, Progress.DOING))
                step = self._settle(number, len(scenes), scene)
            self._say(step)
            settled.append(step)
        return settled

    def _settle(self, number: int, of: int, scene: _Scene) -> Step:
        began = time.monotonic()
        try:
            scene.act()
            progress, detail = Progress.DONE, self._wait_for(scene.see, began + self._timeout_s)
        except (NotYetError, LookupError) as error:
            progress, detail = Progress.MISSING, str(error)
        return Step(number, of, scene.title, progress, detail, time.monotonic() - began)

    def _wait_for(self, see: Callable[[], str], deadline: float) -> str:
        while True:
            try:
                return see()
            except NotYetError:
                if time.monotonic() >= deadline or self._stopped.wait(LOOK_EVERY_S):
                    raise

    def _scenes(self) -> list[_Scene]:
        return [
            _Scene("The bridge starts", lambda: None, self._see_ready),
            _Scene("Dewi complains on Plaza, in Indonesian", self._post_on_plaza, self._see_webhook),
            _Scene("The social team tags her post “technical issue”", self._tag, self._see_plaza_ticket),
            _Scene(
                "Kasia complains on Mastodon, in Polish; the mapping’s words tag it",
                self._post_on_mastodon,
                self._see_mastodon_ticket,
            ),
            _Scene("The owning team hears of both in Slack", lambda: None, self._see_cards),
            _Scene("Ana presses “I’ll take this”", self._press, self._see_claim),
            _Scene("The agent answers in both tickets", self._answer, self._see_answers),
            _Scene("Both customers answer in their threads", self._follow_up, self._see_follow_ups),
            _Scene("The agent solves both tickets", self._solve, self._see_closing),
            _Scene("The loops are closed: receipts", lambda: None, self._see_receipts),
            _Scene("Everything was said once", lambda: None, self._see_once),
        ]

    def _loop(self, root_id: str) -> Loop:
        for one in loops(self._sandbox):
            if one.root.id == root_id:
                return one
        raise LookupError("the post is gone")

    def _both(self) -> list[tuple[str, Loop]]:
        return [("Plaza", self._loop(self._plaza_root)), ("Mastodon", self._loop(self._mastodon_root))]

    def _ticket(self, root_id: str, where: str) -> TicketView:
        """The thread's only ticket, in the right group."""
        found = self._loop(root_id).tickets
        if not found:
            raise NotYetError(f"no ticket for the post on {where}")
        if len(found) > 1:
            raise NotYetError(f"{len(found)} tickets for one post on {where}")
        if found[0].group != GROUP:
            raise NotYetError(f"ticket #{found[0].id} is in {found[0].group or 'no group'}, not in {GROUP}")
        return found[0]

    def _card(self, loop: Loop, where: str) -> CardView:
        found = [card for card in loop.cards if card.channel_name == CHANNEL]
        if len(found) != 1:
            raise NotYetError(f"{len(found) or 'no'} cards in #{CHANNEL} for the post on {where}")
        return found[0]

    def _see_ready(self) -> str:
        if not self._ready():
            raise NotYetError("the bridge does not say that it is ready")
        # A bridge rakes up no posts that are older than its first look.
        looks = self._sandbox.calls.list("mastodon", "list_notifications")
        if len(looks) < len(self._sandbox.mastodon.tokens):
            raise NotYetError("the bridge has not looked at its Mastodon accounts yet")
        return "it says that it is ready, and listens to Mastodon"

    def _post_on_plaza(self) -> None:
        self._plaza_root = self._sandbox.plaza.post("dewi", PLAZA_COMPLAINT, language="id").id

    def _see_webhook(self) -> str:
        attempts = self._sandbox.plaza.sender.attempts()
        if not attempts or not 200 <= attempts[-1].status < 300:
            last = attempts[-1].status if attempts else 0
            raise NotYetError(f"Plaza’s webhook was answered with {last or 'nothing'}")
        return f"a signed webhook, answered {attempts[-1].status}"

    def _tag(self) -> None:
        self._sandbox.tags.tag(self._sandbox.plaza.network, self._plaza_root, TAG, by="budi")

    def _see_plaza_ticket(self) -> str:
        ticket = self._ticket(self._plaza_root, "Plaza")
        if PLAZA_COMPLAINT not in ticket.comments[0].text:
            raise NotYetError(f"ticket #{ticket.id} does not hold her words")
        return f"ticket #{ticket.id} in {ticket.group}, priority {ticket.priority}"

    def _post_on_mastodon(self) -> None:
        post = self._sandbox.mastodon.post("kasia", MASTODON_COMPLAINT, language="pl", to="rower")
        self._mastodon_root = post.id

    def _see_mastodon_ticket(self) -> str:
        ticket = self._ticket(self._mastodon_root, "Mastodon")
        if "wylogowuje mnie" not in ticket.comments[0].text:
            raise NotYetError(f"ticket #{ticket.id} does not hold her words")
        return f"found by polling: ticket #{ticket.id} in {ticket.group}"

    def _see_cards(self) -> str:
        cards = [self._card(loop, where) for where, loop in self._both()]
        for card in cards:
            if card.button("take this") is None:
                raise NotYetError("a card has no button “I’ll take this”")
        return f"two cards in #{CHANNEL}"

    def _press(self) -> None:
        self._press_status = None
        card = self._card(self._loop(self._plaza_root), "Plaza")
        button = card.button("take this")
        if button is None:
            raise NotYetError("the card has no button “I’ll take this”")
        self._press_status = self._sandbox.slack.press(
            card.channel, card.ts, button.action_id, value=button.value
        )

    def _see_claim(self) -> str:
        if self._press_status is None or not 200 <= self._press_status < 300:
            raise NotYetError(f"the press was answered with {self._press_status or 'nothing'}")
        loop = self._loop(self._plaza_root)
        card, ticket = self._card(loop, "Plaza"), self._ticket(self._plaza_root, "Plaza")
        if "Ana" not in card.words:
            raise NotYetError("the card does not say that Ana took it")
        if ticket.assignee != "Agent One":
            raise NotYetError(f"ticket #{ticket.id} is not assigned to her")
        return f"the card names her, and ticket #{ticket.id} is hers"

    def _answer(self) -> None:
        answers = {"Plaza": PLAZA_ANSWER, "Mastodon": MASTODON_ANSWER}
        for where, loop in self._both():
            self._sandbox.zendesk.agent_comments(loop.tickets[0].id, answers[where])

    def _see_answers(self) -> str:
        for text, (where, loop) in zip((PLAZA_ANSWER, MASTODON_ANSWER), self._both(), strict=True):
            if not any(text in post.text for post in loop.answers):
                raise NotYetError(f"the agent’s answer is not in the thread on {where}")
        return "both answers are in the threads"

    def _follow_up(self) -> None:
        plaza, mastodon = self._loop(self._plaza_root), self._loop(self._mastodon_root)
        self._sandbox.plaza.post("dewi", PLAZA_FOLLOW_UP, plaza.answers[-1].id, language="id")
        # Without a mention: only who reads the thread again hears it.
        self._sandbox.mastodon.post(
            "kasia", MASTODON_FOLLOW_UP, mastodon.answers[-1].id, language="pl", mention=False
        )

    def _see_follow_ups(self) -> str:
        for text, (where, loop) in zip((PLAZA_FOLLOW_UP, MASTODON_FOLLOW_UP), self._both(), strict=True):
            heard = [one for one in loop.tickets[0].comments if text in one.text and not one.by_staff]
            if not heard:
                raise NotYetError(f"the ticket did not hear the customer on {where}")
        return "both tickets heard them, as the customers’ own comments"

    def _solve(self) -> None:
        self._answered = {where: len(loop.answers) for where, loop in self._both()}
        plaza, mastodon = (loop.tickets[0].id for _, loop in self._both())
        self._sandbox.zendesk.solve(plaza)
        # The comment and the solve in one update: one reply, and it is the closing one.
        self._sandbox.zendesk.agent_comments(mastodon, MASTODON_FAREWELL, status="solved")

    def _see_closing(self) -> str:
        for where, loop in self._both():
            if len(loop.answers) <= self._answered[where]:
                raise NotYetError(f"no closing reply in the thread on {where}")
        if MASTODON_FAREWELL not in self._loop(self._mastodon_root).answers[-1].text:
            raise NotYetError("the closing reply on Mastodon is not what the agent wrote")
        return "the brand’s words on Plaza, the agent’s own on Mastodon"

    def _see_receipts(self) -> str:
        for where, loop in self._both():
            if loop.receipt_on_card() is None:
                raise NotYetError(f"no receipt on the card of the post on {where}")
            if loop.receipt_on_ticket() is None:
                raise NotYetError(f"no receipt on the ticket of the post on {where}")
        return "on both tickets and both cards"

    def _see_once(self) -> str:
        for where, loop in self._both():
            if len(loop.answers) != 2:
                raise NotYetError(f"{len(loop.answers)} public answers on {where} instead of 2")
            if len(loop.tickets) != 1 or len(loop.cards) != 1:
                raise NotYetError(f"{len(loop.tickets)} tickets and {len(loop.cards)} cards on {where}")
        return "one ticket, one card and two public answers each"
