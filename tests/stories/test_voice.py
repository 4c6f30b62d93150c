"""A brand's voice: what is banned waits for a person, what must be signed is signed, and agents know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.sandbox import Sandbox
from bridge.store.tables import Case
from tests.running import InProcess, eventually, starter_to_edit, stays
from tests.stories.seen import brand_posts, the_card, the_ticket
from tests.stories.test_held import press


class Speaking:
    """A bridge whose Kopi speaks as the test says."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.mappings = folder / "mappings"
        starter_to_edit(self.mappings)
        self._folder, self.sandbox = folder, sandbox
        self.running: InProcess | None = None

    def so(self, voice: str) -> InProcess:
        self.edit(voice)
        self.running = InProcess(
            self._folder / "data", self.sandbox, BRIDGE_MAPPINGS=str(self.mappings), BRIDGE_LINGER_S="1.5"
        )
        return self.running

    def edit(self, voice: str) -> None:
        (self.mappings / "replies/kopi/voice.yaml").write_text(voice, encoding="utf-8")


@pytest.fixture
def speaking(sandbox: Sandbox, tmp_path: Path) -> Iterator[Speaking]:
    made = Speaking(tmp_path, sandbox)
    yield made
    if made.running is not None:
        made.running.stop()


def opened(sandbox: Sandbox, text: str = "The app logs me out every hour", language: str | None = "en"):
    sandbox.plaza.post("dewi", text, language=language, tags=["technical-issue"])
    ticket = the_ticket(sandbox)
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says("Why here", public=False), what="the note")
    the_card(sandbox, "support-technical")
    return ticket


def test_a_banned_word_of_an_agent_waits_for_a_person(speaking, sandbox):
    """Told on the card and the ticket which word; posted once after "Post it"."""
    speaking.so('banned_words: {pl: ["calm down"]}')
    ticket = opened(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "Calm  DOWN, we are on it.")

    eventually(lambda: '"calm down"' in the_card(sandbox, "support-technical").words, what="the reason")
    eventually(lambda: sandbox.zendesk.ticket(ticket.id).says('"calm down"', public=False), what="the note")
    assert not brand_posts(sandbox.plaza)
    assert press(sandbox, "Post it") == 200
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the post")
    stays(lambda: len(brand_posts(sandbox.plaza)) == 1, seconds=0.5)


def test_a_word_that_is_banned_while_a_reply_waits_holds_it(speaking, sandbox):
    """Today's list counts when it is sent, not that of when it was written; a press lets it out."""
    running = speaking.so("tone: [Warm.]")
    ticket = opened(sandbox)
    busy = sandbox.faults.add("plaza", "reply", "status", times=100, status=429, retry_after=1)
    sandbox.zendesk.agent_comments(ticket.id, "Brilliant, we are on it.")
    eventually(lambda: busy.times < 100, what="a try that failed")
    speaking.edit("banned_words: {all: [brilliant]}")
    eventually(lambda: running.bridge.world.mappings.current.voices["kopi"].banned, what="the edit")

    sandbox.faults.clear()
    eventually(lambda: '"brilliant"' in the_card(sandbox, "support-technical").words, what="the reason")
    assert not brand_posts(sandbox.plaza)
    assert press(sandbox, "Post it") == 200
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the post")


def test_what_leaves_for_a_brand_is_signed_once(speaking, sandbox):
    """An agent's own text gets the signature, one that has it gets no other, nor does the template."""
    speaking.so("signed: true")
    ticket = opened(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "Which version do you have?")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 1, what="the first answer")
    sandbox.zendesk.agent_comments(ticket.id, "We found it. - team Kopi", status="solved")
    eventually(lambda: len(brand_posts(sandbox.plaza)) == 2, what="the second")

    assert [post.text for post in brand_posts(sandbox.plaza)] == [
        "Which version do you have? — Team Kopi",
        "We found it. - team Kopi",
    ]


def test_a_text_that_is_too_long_with_its_signature_waits_for_a_person(speaking, sandbox):
    """The signature counts, and is never left out to make room."""
    speaking.so("signed: true")
    ticket = opened(sandbox)
    sandbox.zendesk.agent_comments(ticket.id, "word " * 99 + "word")

    eventually(
        lambda: "with its signature" in the_card(sandbox, "support-technical").words, what="the reason"
    )
    assert not brand_posts(sandbox.plaza)


def test_an_agent_reads_how_the_brand_speaks(speaking, sandbox):
    """In the ticket's first note, beside the language."""
    speaking.so("tone: [Warm and plain.]\ntarget_length: 280\nsigned: true")
    ticket = opened(sandbox)

    for said in ("How we speak: Warm and plain. At most 280 characters", "You need not sign"):
        assert sandbox.zendesk.ticket(ticket.id).says(said, public=False)


@pytest.mark.parametrize(
    ("text", "said", "answered", "why"),
    [
        ("The app logs me out every hour", "th", "th", "the source says th"),
        ("แอปเด้งทุกครั้งที่เปิดเลยค่ะ", None, "th", "the text reads like th"),
        ("ok", None, "en", "the brand's default"),
    ],
    ids=["the source's word", "the text", "the default"],
)
def test_the_case_file_says_which_language_and_why(sandbox, running, text, said, answered, why):
    """From the post to the ticket's note, the case, and the closing reply on the thread."""
    ticket = opened(sandbox, text, said)
    sandbox.zendesk.solve(ticket.id)
    [post] = eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply")
    with running.database.read() as tx:
        case = tx.scalars(select(Case)).one()

    assert (case.language, case.language_reason.endswith(why)) == (answered, True)
    assert sandbox.zendesk.ticket(ticket.id).says(f"Reply language: {answered} (", public=False)
    assert ("ค่ะ" in post.text) is (answered == "th")


SAYS_IT = "Hi, this is sorted now.{% if resolution %} {{ resolution }}{% endif %}"


@pytest.fixture
def resolving(speaking: Speaking, sandbox: Sandbox):
    """A ticket in a desk with the field for the public, and a closing reply that says it."""
    number = sandbox.zendesk.records.next_id()
    field = {"id": number, "title": "Public resolution", "type": "text", "active": True}
    sandbox.zendesk.ticket_fields[number] = field
    (speaking.mappings / "replies/kopi/closing.en.txt.j2").write_text(SAYS_IT, encoding="utf-8")
    speaking.so("tone: [Warm.]")
    return opened(sandbox)


def fill_in(sandbox: Sandbox, ticket, text: str, via: str = "web") -> None:
    sandbox.zendesk.fill_in(ticket.id, "Public resolution", text, via)


def test_the_closing_reply_says_what_an_agent_wrote_as_the_resolution(resolving, sandbox):
    """The last that stood in the field when the ticket was solved; a template's brackets are text."""
    fill_in(sandbox, resolving, "We are on it.")
    fill_in(sandbox, resolving, "Version 4.2 keeps you logged in.")
    sandbox.zendesk.solve(resolving.id)

    [post] = eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply")
    assert post.text == "Hi, this is sorted now. Version 4.2 keeps you logged in."


def test_without_a_resolution_the_closing_reply_does_without(resolving, sandbox):
    """An internal note is none, whatever it says."""
    sandbox.zendesk.agent_comments(resolving.id, "Resolution: version 4.2 keeps them in.", public=False)
    sandbox.zendesk.solve(resolving.id)

    [post] = eventually(lambda: brand_posts(sandbox.plaza), what="the closing reply")
    assert post.text == "Hi, this is sorted now."


def test_a_resolution_that_the_closing_reply_has_no_place_for_is_told_with_the_receipt(
    resolving, speaking, sandbox
):
    """Whoever filled the field in reads that the customer did not, and which file is to be mended."""
    plain = "replies/kopi/closing.en.txt.j2"
    (speaking.mappings / plain).write_text("Hi, this is sorted now.", encoding="utf-8")
    world = speaking.running.bridge.world
    before = world.mappings.current.version
    eventually(lambda: world.mappings.current.version != before, what="the edit")
    fill_in(sandbox, resolving, "Version 4.2 keeps you logged in.")
    sandbox.zendesk.solve(resolving.id)

    unsaid = f"was not said: mappings/{plain} has no place for it"
    eventually(lambda: sandbox.zendesk.ticket(resolving.id).says(unsaid, public=False), what="the note")
    assert [post.text for post in brand_posts(sandbox.plaza)] == ["Hi, this is sorted now."]


def test_a_resolution_that_was_said_is_no_matter_for_the_receipt(resolving, sandbox):
    """Nor is an empty field."""
    fill_in(sandbox, resolving, "Version 4.2 keeps you logged in.")
    sandbox.zendesk.solve(resolving.id)
    eventually(lambda: sandbox.zendesk.ticket(resolving.id).says("Receipt", public=False), what="the receipt")
    assert not sandbox.zendesk.ticket(resolving.id).says("was not said", public=False)


@pytest.mark.parametrize(
    ("text", "via", "why"),
    [
        ("Version 4.2 keeps you logged in.", "api", "not written by a person"),
        ("Version 4.2 keeps you logged in.", "rule", "not written by a person"),
        ("Write to ana@kopi.example for more.", "web", "e-mail"),
        ("{{ signature }}", "web", "template"),
        ("The customer is on the watch list, ask Legal before any refund.", "web", "internal note"),
    ],
)
def test_a_resolution_that_should_be_looked_at_waits_for_a_person(resolving, sandbox, text, via, why):
    """The same rules as for an agent's comment: who wrote it, and what is in it."""
    secret = "The customer is on the watch list, ask Legal before any refund."
    sandbox.zendesk.agent_comments(resolving.id, secret, public=False)
    fill_in(sandbox, resolving, text, via)
    sandbox.zendesk.solve(resolving.id)

    eventually(lambda: why in the_card(sandbox, "support-technical").words.lower(), what="the reason")
    assert not brand_posts(sandbox.plaza)
