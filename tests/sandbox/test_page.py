"""The page, over HTTP and in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bridge.sandbox import Sandbox
from bridge.sandbox.page import Page, Pulse
from tests.sandbox.puppet import play


class Supervisor:
    """Says what it is told to say, and counts killings."""

    def __init__(self) -> None:
        self.up = True
        self.killed = 0

    def pulse(self) -> Pulse:
        return Pulse(self.up, 4242 if self.up else None)

    def kill(self) -> None:
        self.killed += 1
        self.up = False


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


@pytest.fixture
def page(sandbox: Sandbox, supervisor: Supervisor) -> Iterator[Page]:
    running = Page(sandbox, supervisor)
    yield running
    running.stop()


def act(page: Page, name: str, **given: object) -> requests.Response:
    return requests.post(f"{page.url}act/{name}", json=given, timeout=5)


def state(page: Page) -> dict:
    return requests.get(f"{page.url}state.json", timeout=5).json()


def test_acts_of_every_person_show_in_the_state(sandbox, page):
    """Customer, social team and agent; each with its line in the timeline."""
    play(sandbox)
    assert act(page, "post", network="plaza", author="@nina", text="help").status_code == 200
    post = next(one for one in sandbox.plaza.posts() if one.author == "nina")
    assert act(page, "tag", network="plaza", id=post.id, tag="crisis").status_code == 200
    assert act(page, "comment", ticket=2, text="Fixed.", public=True, solve=True).status_code == 200
    seen = state(page)
    assert seen["loops"][3]["posts"][0]["tags"] == ["crisis"]
    assert seen["tickets"][1]["status"] == "solved"
    texts = {one["text"] for one in seen["timeline"]}
    assert {"nina wrote on Plaza", "Agent One set #2 to solved", "A card appeared in #triage"} <= texts


def test_state_that_did_not_change_is_304(page):
    """The page re-renders nothing."""
    first = requests.get(f"{page.url}state.json", timeout=5)
    headers = {"If-None-Match": first.headers["ETag"]}
    assert requests.get(f"{page.url}state.json", headers=headers, timeout=5).status_code == 304


@pytest.mark.parametrize(
    ("name", "given", "status"),
    [
        ("post", {"author": "nina", "text": "  "}, 400),
        ("tag", {"id": "x", "tag": "no-such-tag"}, 400),
        ("solve", {"ticket": 99}, 404),
        ("dance", {}, 404),
    ],
)
def test_acts_that_cannot_be_are_told(page, name, given, status):
    """With a sentence for the person."""
    answer = act(page, name, **given)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_strangers_are_refused(page):
    """A form of another site, and a name that was bent to this address."""
    form = requests.post(f"{page.url}act/kill", data={"x": "1"}, timeout=5)
    bent = requests.get(page.url, headers={"Host": "evil.example"}, timeout=5)
    assert (form.status_code, bent.status_code) == (403, 403)


def test_killing_the_bridge_is_told_and_its_return_too(page, supervisor):
    """The timeline says who did it, and when it was up again."""
    assert state(page)["bridge"] == {"known": True, "up": True, "pid": 4242}
    act(page, "kill")
    assert supervisor.killed == 1
    assert state(page)["bridge"]["up"] is False
    supervisor.up = True
    state(page)
    texts = [one["text"] for one in state(page)["timeline"]]
    assert texts == ["You killed the bridge", "The bridge is down", "The bridge is up again, process 4242"]


@pytest.fixture
def tab(browser, page: Page) -> Iterator:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(page.url)
    yield opened
    context.close()
    assert faults == []


def test_person_plays_customer_and_agent(tab, sandbox):
    """Post, see it, comment on the ticket and solve it: all by the labels on the page."""
    play(sandbox)
    tab.get_by_label("Name").fill("nina")
    tab.get_by_label("What happened?").fill("the cart is <b>empty</b>")
    tab.get_by_role("button", name="Post in public").click()
    tab.get_by_text("the cart is <b>empty</b>").wait_for()
    tab.get_by_role("button", name="#2").click()
    tab.get_by_label("Comment").fill("Fixed it.")
    tab.get_by_role("button", name="Submit and solve").click()
    tab.locator("#ticket").get_by_text("Fixed it.").wait_for()
    assert sandbox.zendesk.ticket(2).status == "solved"


def test_typed_text_and_focus_outlive_a_change(tab, sandbox):
    """News come while somebody types: the words and the cursor stay where they are."""
    box = tab.get_by_label("What happened?")
    box.fill("half a sent")
    box.focus()
    sandbox.plaza.post("jan", "something new")
    tab.get_by_text("something new").wait_for()
    assert box.input_value() == "half a sent"
    assert tab.evaluate("document.activeElement.name") == "text"


def test_press_on_a_bridge_that_is_down_is_told(tab, sandbox, supervisor):
    """The error is on the page, and the kill button tells that there is nothing to kill."""
    play(sandbox)
    sandbox.point_at("http://127.0.0.1:9")
    tab.get_by_role("button", name="I'll take this").first.click()
    tab.get_by_role("alert").get_by_text("Press again when it is up").wait_for()
    tab.get_by_role("button", name="Kill the bridge").click()
    tab.get_by_text("Bridge down", exact=True).wait_for()
    assert supervisor.killed == 1


@pytest.mark.parametrize("width", [360, 800, 1440])
def test_nothing_is_wider_than_the_window(tab, sandbox, width):
    """Long words, links and many loops included."""
    play(sandbox)
    sandbox.plaza.post("x" * 30, "y" * 400)
    tab.set_viewport_size({"width": width, "height": 800})
    tab.get_by_text("y" * 50).first.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_page_package_holds_everything_it_needs(page):
    """No address but its own: works without a network."""
    static = Path(__file__).parents[2] / "bridge" / "sandbox" / "static"
    texts = [path.read_text() for path in static.iterdir() if path.suffix in (".html", ".css", ".js")]
    assert not any("https://" in text or "//cdn" in text or "innerHTML" in text for text in texts)
    for name in ("page.css", "page.js", "icon.svg"):
        assert requests.get(f"{page.url}static/{name}", timeout=5).status_code == 200
