"""The playbook: what it says, that it is safe to open, and how it looks and works in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.folder import PLAYBOOK
from bridge.routing.load import load_files
from bridge.routing.playbook import page, playbook, policy
from bridge.routing.prose import Block, Span, read_prose
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import starter_files

ROUTES = "routes/10-social.yaml"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}</style>"
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
Files = dict[str, str]


def starter() -> Files:
    return starter_files()


def many() -> Files:
    """Five hundred tags."""
    files = starter()
    number = 500 - len(load_files(files, NETWORKS).tags)
    files["tags.yaml"] += "".join(f"\n  tag-{n}:\n    meaning: Meaning {n}.\n" for n in range(number))
    return files


def hard() -> Files:
    """Right-to-left words, very long names, and what looks like HTML, wherever admins may write."""
    files = starter()
    files["tags.yaml"] += (
        f"\n  {'n' * 90}:\n    meaning: {'Donaudampfschifffahrt' * 8}\n"
        '\n  شكوى:\n    meaning: "العميل غاضب جدا، والتطبيق لا يعمل (app)."\n'
        f'    words: ["لا يعمل", "{HOSTILE}"]\n'
        f'\n  markup:\n    meaning: "{HOSTILE}"\n'
    )
    files["queues.yaml"] = re.sub(
        "(label|meaning|next_step|owner): (Head of sales|Sales)\n",
        rf'\1: "{HOSTILE}"\n',
        files["queues.yaml"],
    ).replace("label: Community", 'label: "فريق المجتمع"')
    files[ROUTES] += (
        "\n  - name: arabic\n    queue: community\n"
        "    when: {tags: [شكوى], networks: [mastodon], no_tags: [crisis]}\n"
        f"\n  - name: wordy\n    when: {{words: ['{HOSTILE}', tea], brands: [rower]}}\n    queue: sales\n"
    )
    files[PLAYBOOK] = (
        f"# {HOSTILE}\n\n#### Deep\n{HOSTILE} لا تجادل العميل [link](https://help.example/?a=1&b=2) "
        "[no link](javascript:alert(1))\n\n- one\n- **two**\n"
    )
    return files


def empty() -> Files:
    """No tags, one route, no house rules."""
    files = starter()
    del files[PLAYBOOK]
    return {
        **files,
        "tags.yaml": "tags: {}\n",
        ROUTES: "routes:\n  - {name: all-kopi, when: {brands: [kopi]}, queue: triage}\n",
    }


MADE = {"starter": starter, "many": many, "hard": hard, "empty": empty}


def drawn(files: Files) -> str:
    return page(load_files(files, NETWORKS), NETWORKS)


class Reader(HTMLParser):
    """The page's elements with their attributes, and its text, as a browser would have them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def article(html: str, tag: str) -> str:
    """What the page says of *tag*."""
    [found] = re.findall(rf"<article[^>]*>\s*<h3[^>]*>{tag}</h3>.*?</article>", html, re.DOTALL)
    return Reader(found).text


def test_a_tag_says_all_that_a_person_needs():
    """Meaning, owner, next step, promise in words, hours, who is told, and a reply in each language."""
    said = article(drawn(starter()), "technical-issue")
    for words in (
        "Something in the app or the service does not work.",
        "log me out , logs me out ,",
        "When not tagged user-generated-content ; by somebody on the list of VIPs , it goes to Technical",
        "Otherwise it goes to Technical Support",
        "Next step Reproduce it",
        "Owner Head of technical support",
        "The customer hears from us within 4 opening hours.",
        "Monday to Thursday 08:00–12:00 and 13:00–18:00",
        "Sunday closed",
        "Closed on 25 December 2026, 1 January 2027",
        "Asia/Jakarta",
        "In Slack: #support-technical ; in Zendesk: the group Technical Support",
        "The closing reply goes out when the ticket is solved.",
        "in English, Indonesian, Thai, Polish",
        "Hi Anna, good news",
        "Halo Kak Anna",
        "คุณAnna",
        "Cześć, Anna!",
        "Route technical-issue , mappings/routes/10-social.yaml:",
    ):
        assert words in said


def test_a_tag_says_what_the_customers_of_each_brand_read():
    """A reply of the route's own is not among the team's."""
    files = starter()
    files[ROUTES] = files[ROUTES].replace(
        "  - name: technical-issue\n", "  - name: technical-issue\n    closing_template: thanks\n"
    )
    page = drawn(files)
    for name in ("technical-issue", "feature-request", "Product Feedback"):
        said = article(page, name)
        for words in ("Kopi , Indonesian", "Kopi , English", "Rower , Polish", "Rower , English"):
            assert words in said, (name, words)
    book = playbook(load_files(files, NETWORKS), NETWORKS)
    [entry] = [entry for entry in book.tags if entry.tag == "technical-issue"]
    for sample in entry.ways[-1].team.samples:
        assert " ".join(sample.text.split()) in article(page, "technical-issue")


def test_what_the_ticket_gets_is_told_in_words():
    """The route's own before the queue's; the team has the queue's."""
    files = starter()
    page = drawn(files)
    assert "Ticket Priority high ; type problem Closing" in article(page, "Technical Support")
    given = (
        "Ticket Priority urgent ; type incident ; severity critical ; tagged as the post is, and {} Closing"
    )
    said = article(page, "crisis")
    assert given.format("social-crisis, page-duty-manager and severity-critical") in said
    assert given.format("social-crisis and severity-critical") in said

    files[ROUTES] = files[ROUTES].replace(
        "  - name: technical-issue\n",
        "  - name: technical-issue\n    priority: low\n    assignee: ola@kopi.example\n"
        '    fields: {Product: "Roaster", "360012": "vip"}\n',
    )
    said = article(drawn(files), "technical-issue")
    assert (
        "Ticket Priority low ; type problem ; its field Product says Roaster ; its field 360012 says vip ; "
        "assigned to ola@kopi.example Closing"
    ) in said


def test_a_ticket_that_gets_little_is_told_so_and_none_only_where_something_is_set():
    """What a route calls severe stands on the card, ticket or none."""
    files = starter()
    files["queues.yaml"] = files["queues.yaml"].replace("    type: question\n    priority: normal\n", "")
    assert "Ticket No priority ; no type Closing" in Reader(drawn(files)).text
    assert " Ticket " not in article(drawn(files), "sales-lead")
    files[ROUTES] = files[ROUTES].replace(
        "  - name: sales-lead\n", "  - name: sales-lead\n    severity: low\n"
    )
    assert "Ticket None; on the card stands severity low" in article(drawn(files), "sales-lead")


def test_where_there_is_one_brand_its_name_is_not_said_with_each_reply():
    """There is nobody else whose words they could be."""
    files = {name: text for name, text in starter().items() if not name.startswith("replies/rower/")}
    files["brands.yaml"] = re.sub(r"\n  rower:\n(    .*\n)+", "\n", files["brands.yaml"])
    files[ROUTES] = files[ROUTES].replace("brand: rower", "brand: kopi")
    said = article(drawn(files), "technical-issue")
    assert " Indonesian Halo Kak Anna" in said
    assert "Kopi , Indonesian" not in said


def test_a_tag_with_conditions_names_them_and_what_happens_otherwise():
    """Nobody is told half of a route."""
    said = article(drawn(starter()), "user-generated-content")
    assert "When not tagged technical-issue , it goes to Community" in said
    assert "Somebody answers by hand: there is no ticket." in said
    assert "Tagged crisis , technical-issue , feature-request or sales-lead as well, it may go where" in said


def ways(files: Files, tag: str) -> list[str]:
    """The names of the routes that the entry of *tag* lists, in its order; the fallback is "fallback"."""
    book = playbook(load_files(files, NETWORKS, try_out=False), NETWORKS)
    [entry] = [entry for entry in book.tags if entry.tag == tag]
    return [way.route.name if way.route else "fallback" for way in entry.ways]


def test_a_route_that_asks_for_no_tag_takes_tagged_posts_too():
    """In the order of the routes: what it takes before the fallback never comes there."""
    files = starter()
    files["tags.yaml"] += "\n  unheard-of:\n    meaning: No route asks for it.\n"
    rest = "  - {{name: {0}, when: {{brands: [{0}]}}, queue: {1}}}\n"
    files["routes/20-rest.yaml"] = "routes:\n" + rest.format("kopi", "community")
    one_brand = Reader(drawn(files)).text
    assert ways(files, "unheard-of") == ["vip", "kopi", "fallback"]
    assert "When said to kopi , it goes to Community Route kopi , mappings/routes/20-rest.yaml" in one_brand

    files["routes/20-rest.yaml"] += rest.format("rower", "triage")
    assert ways(files, "unheard-of") == ["vip", "kopi", "rower"]
    assert ways(files, "crisis") == ["crisis-while-nobody-is-in", "crisis"]

    # Of one brand nothing comes to what stands below, and posts of the other go on.
    files["routes/00-first.yaml"] = files["routes/20-rest.yaml"].replace("kopi, when", "first, when")
    files["routes/00-first.yaml"] = files["routes/00-first.yaml"].partition("  - {name: rower")[0]
    idea = "routes:\n  - {name: idea, when: {tags: [feature-request], brands: [kopi]}, queue: triage}\n"
    files["routes/05-ideas.yaml"] = idea
    assert ways(files, "feature-request") == ["first", "vip", "feature-request"]


def test_a_route_that_a_tag_is_kept_out_of_is_not_among_its_ways():
    """Neither by its own no_tags, nor where another tag is asked for."""
    assert ways(starter(), "user-generated-content") == ["user-generated-content"]
    assert ways(starter(), "technical-issue") == ["vip", "technical-issue"]


def test_a_tag_that_a_route_keeps_out_leaves_no_post_for_the_fallback():
    """Nobody waits in Triage for posts that the other tag leads to another team."""
    said = article(drawn(starter()), "user-generated-content")
    assert "Otherwise" not in said
    assert "Triage" not in said


def test_a_tag_that_a_route_keeps_out_and_no_route_asks_for_may_lead_anywhere():
    """And what takes such a post after it is told, where it asks for this tag."""
    files = starter()
    files["tags.yaml"] += "\n  private:\n    meaning: Not for everybody.\n"
    files[ROUTES] = files[ROUTES].replace(
        "no_tags: [technical-issue]}", "no_tags: [technical-issue, private]}"
    )
    said = article(drawn(files), "user-generated-content")
    assert "Tagged private as well, it may go elsewhere." in said
    assert ways(files, "user-generated-content") == ["user-generated-content"]

    files["routes/20-rest.yaml"] = (
        "routes:\n  - {name: quiet, when: {tags: [user-generated-content]}, queue: sales}\n"
    )
    assert ways(files, "user-generated-content") == ["user-generated-content", "quiet"]
    assert "Otherwise it goes to Sales" in article(drawn(files), "user-generated-content")

    # What comes to it with that tag alone has gone its way before.
    files[ROUTES] = files[ROUTES].replace(
        "no_tags: [technical-issue, private]}", "no_tags: [technical-issue]}"
    )
    assert ways(files, "user-generated-content") == ["user-generated-content"]


def test_a_tag_says_which_other_tags_may_lead_elsewhere():
    """In one sentence, since the first route that takes a post has it."""
    page = drawn(starter())
    assert "Tagged crisis as well, it may go where that tag leads." in article(page, "technical-issue")
    assert "Tagged crisis , technical-issue or feature-request as well" in article(page, "sales-lead")
    assert "as well" not in article(page, "crisis")
    files = many()
    files["routes/05-many.yaml"] = "routes:\n" + "".join(
        f"  - {{name: r-{n}, when: {{tags: [tag-{n}]}}, queue: triage}}\n" for n in range(20)
    )
    assert "or tag-4 (or 15 more) as well" in article(drawn(files), "crisis")


def test_a_way_says_which_teams_never_get_its_posts():
    """Beside those who are told."""
    said = article(drawn(starter()), "crisis")
    assert "Never comes to Sales , Community" in said
    assert "Never comes to" not in article(drawn(starter()), "sales-lead")


def test_the_page_says_that_a_post_without_a_tag_goes_nowhere():
    """Where the routes are that ask for none: they take only what has one."""
    text = Reader(drawn(starter())).text
    assert "they take a post with any tag" in text
    assert "A post without a tag opens no case" in text


def test_what_a_route_says_instead_of_its_queue_is_what_is_told():
    """Its promise and its closing; the queue's own stay with the team."""
    files = starter()
    files[ROUTES] = files[ROUTES].replace(
        "  - name: technical-issue\n",
        "  - name: technical-issue\n    promise: 30m\n    closing: manual\n    copies: [product-feedback]\n",
    )
    said = article(drawn(files), "technical-issue")
    assert "; also Product Feedback in #product-feedback" in said
    assert "within 30 minutes of opening time" in said
    assert "Somebody writes the closing reply by hand." in said
    assert "What a customer reads" not in said
    assert "within 4 opening hours" in article(drawn(files), "Technical Support")


@pytest.mark.parametrize(
    ("promise", "hours", "says"),
    [
        ("2d", None, "within 2 days, day and night"),
        ("90m", None, "within 90 minutes, day and night"),
        ("1h", "jakarta-desk", "within 1 opening hour."),
        ("2d", "jakarta-desk", "within 48 opening hours."),
        ("90m", "jakarta-desk", "within 1.5 opening hours."),
        (None, None, "Nothing is promised."),
    ],
)
def test_a_promise_is_told_in_words(promise, hours, says):
    """As `check` and the clock count it: a day of opening hours is 24 of them."""
    files = starter()
    given = f"    promise: {promise}\n" if promise else ""
    given += f"    hours: {hours}\n" if hours else ""
    files["queues.yaml"] = files["queues.yaml"].replace("    promise: within-the-hour\n", given)
    assert says in article(drawn(files), "crisis")


def test_public_holidays_are_told_by_the_country():
    """Not as a list of dates that is out of date next year."""
    files = starter()
    files["hours.yaml"] = files["hours.yaml"].replace(
        "  jakarta-desk:\n", "  jakarta-desk:\n    country: DE-BY\n"
    )
    assert "Closed on the public holidays of Germany (BY)" in article(drawn(files), "technical-issue")


def test_the_house_rules_stand_on_the_page_and_change_nothing_else():
    """playbook.md is a file of the mapping: it is stored, compared and rolled back with it."""
    files = starter()
    with_rules, without = (
        load_files(files, NETWORKS),
        load_files({name: text for name, text in files.items() if name != PLAYBOOK}, NETWORKS),
    )
    assert "Trolls" in Reader(page(with_rules, NETWORKS)).text
    assert "House rules" not in Reader(page(without, NETWORKS)).text
    assert with_rules.version != without.version
    assert with_rules.routes == without.routes


def test_the_same_mapping_makes_the_same_page():
    """It may be kept in a repository: only an edit changes it."""
    assert drawn(starter()) == drawn(starter())


def test_an_empty_list_of_tags_says_so():
    """And what is asked of posts without a tag is still there."""
    text = Reader(drawn(empty())).text
    assert "No tag is written down" in text
    assert "When said to kopi , it goes to Triage" in text


def test_every_tag_of_a_starter_of_ours_is_on_the_page():
    """None is left out, and none is there twice."""
    book = playbook(load_files(many(), NETWORKS), NETWORKS)
    assert len({entry.tag for entry in book.tags}) == len(book.tags) == 500


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_nothing_that_admins_wrote_becomes_markup(made):
    """Only our own style and script, no address but links that somebody clicks on."""
    found = Reader(drawn(made()))
    assert [tag for tag, _ in found.elements].count("script") == 1
    assert not {"img", "iframe", "object", "form", "base"} & {tag for tag, _ in found.elements}
    for tag, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style")]
        if "href" in attributes:
            allowed = {"a": r"#\w[\w-]*|https?://.*|mailto:.*", "link": "data:,"}[tag]
            assert re.fullmatch(allowed, attributes["href"] or "")
    if made is hard:
        assert HOSTILE in "".join(found.words)
        assert "49" not in article(drawn(hard()), "markup")


def test_the_page_forbids_itself_everything_from_elsewhere():
    """In the file itself, so that it holds wherever the page is put."""
    metas = [attributes for tag, attributes in Reader(drawn(starter())).elements if tag == "meta"]
    assert policy() in [attributes.get("content") for attributes in metas]
    assert policy().startswith("default-src 'none'; ")
    assert "unsafe" not in policy()


def test_the_marks_of_the_house_rules_are_read():
    """Headings, paragraphs, lists, steps, strong, stressed and quoted words, links."""
    text = "# Top\n\n### Sub\nOne *two*\n**three** `four`\n\n- a\n* b\n\n1. c\n2) [d](https://e.example)\n"
    assert read_prose(text) == (
        Block("heading", ((Span("Top"),),), 1),
        Block("heading", ((Span("Sub"),),), 2),
        Block(
            "text",
            (
                (
                    Span("One "),
                    Span("two", "em"),
                    Span(" "),
                    Span("three", "strong"),
                    Span(" "),
                    Span("four", "code"),
                ),
            ),
        ),
        Block("list", ((Span("a"),), (Span("b"),))),
        Block("steps", ((Span("c"),), (Span("d", "link", "https://e.example"),))),
    )


@given(text=st.text(alphabet=st.sampled_from("#*-`[]()1. \nahttps://<>") | st.characters()))
def test_any_text_can_be_house_rules(text):
    """Blocks of known kinds, links to the web and to mailboxes only."""
    for block in read_prose(text):
        assert block.kind in ("heading", "text", "list", "steps")
        for span in (span for line in block.lines for span in line):
            assert (span.kind == "link") is span.href.startswith(("http://", "https://", "mailto:"))
            assert bool(span.href) is (span.kind == "link")


@given(text=st.text(alphabet=st.characters(exclude_characters="#*`[]()-.")))
def test_what_has_no_marks_is_shown_as_it_was_written(text):
    """No word is lost on the way, in any script."""
    shown = "".join(span.text for block in read_prose(text) for line in block.lines for span in line)
    assert "".join(shown.split()) == "".join(text.split())


@pytest.mark.parametrize("mark", ["[", "*", "`", "[a](", "**a", "# "])
def test_a_file_of_nothing_but_marks_is_read_at_once(mark):
    """A megabyte of brackets is no reason to hang."""
    assert read_prose(mark * (500_000 // len(mark)))


@pytest.fixture
def opened(browser, tmp_path: Path) -> Iterator[Callable]:
    """Opens the page of a mapping; fails on any request but the page itself, and on any complaint."""
    contexts, heard = [], []

    def open_page(made: Callable[[], Files], width: int = 1440, **given):
        file = tmp_path / f"{made.__name__}.html"
        file.write_text(drawn(made()), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **given))
        tab = contexts[-1].new_page()
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("request", lambda request: request.url == file.as_uri() or heard.append(request.url))
        tab.goto(file.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_no_page_is_wider_than_its_window(opened, made):
    """Very long names and both directions of writing included, with every reply unfolded."""
    for width in (360, 800, 1440):
        tab = opened(made, width)
        tab.evaluate(UNFOLD)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate(
            "[...document.querySelectorAll('article *')].every((one) => "
            "one.scrollWidth <= one.clientWidth + 1 || getComputedStyle(one).display.startsWith('inline'))"
        )


def test_words_are_found_without_regard_to_case_and_accents(opened):
    """By keyboard alone; how many there are is said to those who do not see it."""
    tab = opened(hard)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.get_by_label("Search the playbook").focus()
    tab.keyboard.type("ZALOGOWAC log")
    cards = tab.locator("[data-found]:visible")
    assert cards.locator("h3").all_inner_texts() == ["technical-issue"]
    assert re.fullmatch(r"1 of \d+ entries", tab.get_by_role("status").inner_text())
    assert tab.get_by_role("heading", name="Teams").is_hidden()
    tab.get_by_label("Search the playbook").fill("لا يعمل")
    assert cards.locator("h3").first.inner_text() == "شكوى"
    tab.keyboard.press("Escape")
    assert tab.get_by_role("status").inner_text() == ""
    assert tab.get_by_role("heading", name="Teams").is_visible()


def test_what_matches_nothing_says_so(opened):
    """And a link of the page brings everything back."""
    tab = opened(starter)
    tab.get_by_label("Search the playbook").fill("zzzz")
    assert tab.get_by_role("status").inner_text().startswith("0 of ")
    tab.get_by_role("link", name="Teams").click()
    assert tab.get_by_role("heading", name="Teams").is_visible()


def test_without_scripts_everything_is_there(opened):
    """But for the search box, which would do nothing."""
    tab = opened(starter, java_script_enabled=False)
    assert tab.get_by_label("Search the playbook").is_hidden()
    assert tab.locator("article").first.is_visible()


def test_on_paper_every_reply_is_unfolded(opened):
    """And nothing that can only be clicked on is printed."""
    tab = opened(starter)
    tab.emulate_media(media="print")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    assert tab.get_by_label("Search the playbook").is_hidden()
    assert tab.get_by_role("navigation").is_hidden()
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details[open]").count() == 0


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Axe's script, from the package registry: it is no part of this repository."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("no npm on this machine, which brings axe-core")
    wanted = [npm, "pack", "axe-core@4", "--silent", "--prefer-offline", "--fetch-retries=0"]
    try:
        subprocess.run(wanted, cwd=folder, check=True, capture_output=True, timeout=30)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("npm cannot bring axe-core here: no registry answers")
    with tarfile.open(next(folder.glob("*.tgz"))) as packed:
        member = packed.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_of(opened, axe, scheme):
    """Contrast, names, order, landmarks, languages; at three widths and with every reply unfolded."""
    for made, width in ((hard, 360), (starter, 800), (hard, 1440), (empty, 800)):
        tab = opened(made, width, color_scheme=scheme)
        tab.evaluate(UNFOLD)
        tab.evaluate(axe)
        found = tab.evaluate("axe.run().then((said) => said.violations)")
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == []


def test_tags_that_a_post_must_have_all_of_are_told_with_and():
    """Three of them, and one that the entry itself is about."""
    files = starter()
    asked = "{all_tags: [crisis, sales-lead, feature-request, technical-issue]}"
    files["routes/05-all.yaml"] = f"routes:\n  - {{name: all-of-it, when: {asked}, queue: triage}}\n"
    said = article(drawn(files), "crisis")
    assert "When also tagged sales-lead, feature-request and technical-issue , it goes to Triage" in said


def test_the_starters_vips_and_nights_are_told_as_people_would():
    """Whom a route asks for, and when; and a reply of the route's own goes before the queue's."""
    files = starter()
    files[ROUTES] = files[ROUTES].replace("  - name: vip\n", "  - name: vip\n    closing_template: thanks\n")
    page = drawn(files)
    # All of these must hold, and a comma may be read as "or".
    told = "When written while jakarta-desk is closed and warsaw-office is closed , it goes to"
    assert told in article(page, "crisis")
    assert "also Triage in" in article(page, "crisis")
    assert "by somebody on the list of VIPs" in page
    book = playbook(load_files(files, NETWORKS), NETWORKS)
    vip = next(way for way in book.others if way.route is not None and way.route.name == "vip")
    queue = next(team for team in book.teams if team.queue.key == "support-technical")
    assert {sample.text for sample in vip.team.samples} != {sample.text for sample in queue.samples}
