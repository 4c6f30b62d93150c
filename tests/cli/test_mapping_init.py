"""`bridge mappings init`: a mapping of one's own, that passes every check from the start."""

from __future__ import annotations

import shlex
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from bridge import cli
from bridge.cli.mapping_plan import KINDS, REST
from bridge.cli.mapping_words import WORDING
from bridge.errors import Fault, MappingError
from bridge.networks import NETWORKS
from bridge.routing.load import load
from bridge.routing.wording import Words, render
from bridge.sandbox import Sandbox
from tests.cli.conftest import Said, Shell, environment_of, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mine"


def check(alone: Shell, folder: Path) -> Said:
    return alone("mappings", "check", "--strict", "--mappings", str(folder))


def answered(folder: Path, *answers: str) -> Result:
    """The command, with a person at the keyboard."""
    words = ["mappings", "init", str(folder)]
    return CliRunner().invoke(cli.bridge, words, input="".join(f"{one}\n" for one in answers))


def test_without_a_question_it_writes_what_passes_every_check(alone: Shell, folder: Path):
    """With --yes: five tags, a team for each and one for the rest, and what to do next."""
    said = alone("mappings", "init", str(folder), "--yes")
    assert (said.code, said.err) == (0, "")
    assert check(alone, folder).out.startswith("OK: 1 brand, 6 queues, 5 routes, 5 tags, 2 replies")
    assert check(alone, folder).code == 0
    for words in (
        "passes every check",
        "TAG_SOURCE_SECRET",
        "BRIDGE_MAPPINGS",
        " --live",
    ):
        assert words in said.out
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert {"README.md", "playbook.md", ".schema/queues.json"} <= names


def test_every_flag_is_taken_and_nothing_is_asked(alone: Shell, folder: Path):
    """All of them given: no --yes is needed, and nothing is read from the keyboard."""
    said = alone(
        *("mappings", "init", str(folder), "--brand", "Żabka Kawa", "--zone", "Europe/Warsaw"),
        *("--language", "pl", "--language", "en", "--hours", "08:00-16:00", "--country", "PL"),
        *("--account", "mastodon", "@zabka@social.example", "--account", "standard", "zabka"),
        *("--account", "standard", "zabka2"),
        *("--team", "technical-issue", "Help Desk", "Support", "#help", "2h"),
        *("--team", "crisis", "Help Desk", "Support", "#help", "2h"),
        *("--team", "sales-lead", "Sales", "-", "#sales", "-"),
        *("--team", "rest", "Front Desk", "Front", "C01234567", "-"),
    )
    assert (said.code, said.err) == (0, "")
    assert check(alone, folder).code == 0
    mapping = load(folder, NETWORKS)
    brand = mapping.brands["zabka-kawa"]
    assert (brand.name, brand.languages, brand.zone) == ("Żabka Kawa", ("pl", "en"), "Europe/Warsaw")
    assert set(mapping.account_brand) == {
        "zabka-kawa-mastodon",
        "zabka-kawa-standard",
        "zabka-kawa-standard-2",
    }
    assert [(route.name, route.queue) for route in mapping.routes] == [
        ("crisis", "help-desk"),
        ("technical-issue", "help-desk"),
        ("sales-lead", "sales"),
    ]
    assert mapping.fallback == "front-desk"
    queues = mapping.queues
    assert (queues["help-desk"].group, queues["sales"].ticket) == ("Support", False)
    assert (queues["front-desk"].channel, queues["front-desk"].promise) == ("C01234567", None)
    assert mapping.calendars["office"].country == "PL"
    assert "ZABKA_KAWA_MASTODON_TOKEN" in said.out


def test_a_person_is_asked_and_a_slip_is_asked_again(alone: Shell, folder: Path):
    """Enter takes what is offered; an answer that no file would take is not taken here either."""
    said = answered(
        folder,
        "Kopi",
        "en, id",
        "Europe/Warsow",
        "Europe/Warsaw",
        "9-17",
        "09:00-17:00",
        "PL",
        *("mastodon", "@kopi@social.example", ""),
        *("Safety", "", ""),  # crisis: group and channel as offered
        *("Support", "Tech", "Support", "#tech"),  # a channel without its #
        "-",  # nobody tags feature requests
        "Support",  # known by now: nothing more is asked
        "-",
        *("", "", ""),
    )
    assert said.exit_code == 0, said.output
    assert 'Did you mean "Europe/Warsaw"?' in said.output
    assert check(alone, folder).code == 0
    mapping = load(folder, NETWORKS)
    assert [(route.name, route.queue) for route in mapping.routes] == [
        ("crisis", "safety"),
        ("technical-issue", "support"),
        ("sales-lead", "support"),
    ]
    assert mapping.queues["support"].channel == "#tech"


def test_each_answer_is_held_against_the_rules_when_it_is_given(alone: Shell, folder: Path):
    """Not after the last question: whoever slips is asked the same again, and loses nothing."""
    said = answered(
        folder,
        *("-", "Kopi"),  # a brand is called something
        *("fi", "en, xx-, id", "fi, EN, en"),  # nothing to answer in; no language; in our words
        *("", "", "Poland", "PL"),
        *("mastadon", "mastodon", "@", "@kopi coffee", "@kopi@social.example", "y"),
        *("mastodon", "@Kopi@social.example", "@help@social.example", ""),
        *("Safety", "", ""),
        *("-", "-", "-", "-"),
        *("-", "Us", "", ""),  # somebody takes all the rest
    )
    assert said.exit_code == 0, said.output
    for words in (
        "There are no replies in fi here",
        '"xx-" is not a language code',
        '"Poland" is not a country by two letters',
        '"@kopi coffee" is not a handle such as @kopi',
        "@Kopi@social.example on mastodon is given twice",
    ):
        assert words in said.output
    assert check(alone, folder).code == 0
    mapping = load(folder, NETWORKS)
    brand = mapping.brands["kopi"]
    assert (brand.languages, brand.fallbacks) == (("en",), {"fi": ("en",)})
    assert [one.handle for one in brand.accounts] == ["@kopi@social.example", "@help@social.example"]
    assert (mapping.fallback, set(mapping.queues)) == ("us", {"safety", "us"})


@pytest.mark.parametrize("language", sorted(WORDING))
def test_our_words_pass_every_check_in_each_language(alone: Shell, folder: Path, language: str):
    """With the customer's name and without, and with the brand's signature at the end."""
    assert alone("mappings", "init", str(folder), "--yes", "--language", language).code == 0
    assert check(alone, folder).code == 0
    mapping = load(folder, NETWORKS)
    for name in ("closing", "thanks"):
        for customer in ("Anna", ""):
            reply = render(mapping, "our-brand", name, language, Words(customer=customer, handle="@x"))
            assert reply is not None
            assert reply.text.endswith(" — Our Brand")
            assert len(reply.text) < 500
            words = Words(customer=customer, handle="@x", resolution="Version 4.2 has it.")
            told = render(mapping, "our-brand", name, language, words)
            assert told is not None
            assert told.text.count("Version 4.2 has it.") == 1


def test_a_language_without_words_of_ours_is_answered_in_another_and_said(alone: Shell, folder: Path):
    """Nobody is answered in English under the name of Finnish; pt-br is served by pt."""
    words = ("mappings", "init", str(folder), "--yes")
    said = alone(*words, "--language", "pt-br", "--language", "fi")
    assert "write replies in fi: until then, pt-br is used" in said.out
    assert check(alone, folder).code == 0
    brand = load(folder, NETWORKS).brands["our-brand"]
    assert (brand.languages, brand.fallbacks) == (("pt-br",), {"fi": ("pt-br",)})


def test_only_languages_without_words_of_ours_are_no_beginning(alone: Shell, folder: Path):
    """The brand's default must be one that can be answered in."""
    said = alone("mappings", "init", str(folder), "--yes", "--language", "fi")
    assert (said.code, folder.exists()) == (2, False)
    assert "There are no replies in fi here" in said.err


@pytest.mark.parametrize(
    "name", ['"Quotes: {{ #1 }}"', "กาแฟ", "7 Days", "تطبيق", "a" * 60, "- x: [y", "True", "1e5"]
)
def test_a_brand_and_a_team_may_be_called_anything(alone: Shell, folder: Path, name: str):
    """Quotes, colons, no Latin letter at all: the files hold it as it was said."""
    said = alone(
        *("mappings", "init", str(folder), "--yes", f"--brand={name}"),
        *("--team", "crisis", f"{name} 1" if len(name) < 60 else name, name, "#a", "1h"),
        *("--team", "technical-issue", "ทีมช่วยเหลือ", name, "#ช่วย", "1h"),
        *("--team", "sales-lead", "ทีมขาย", "-", "#b", "-"),
    )
    assert said.code == 0, said.err
    assert check(alone, folder).code == 0
    mapping = load(folder, NETWORKS)
    assert [brand.name for brand in mapping.brands.values()] == [name]
    assert {queue.label for queue in mapping.queues.values()} >= {"ทีมช่วยเหลือ", "ทีมขาย", "Triage"}


def test_a_mapping_for_one_team_and_no_tags_is_one(alone: Shell, folder: Path):
    """Everything goes to one place: small firms begin so."""
    said = alone("mappings", "init", str(folder), "--yes", "--team", "rest", "Us", "Us", "#us", "1d")
    assert said.code == 0, said.err
    assert check(alone, folder).code == 0


def test_answers_that_do_not_go_together_are_told_without_a_place(folder: Path):
    """The files that would be faulty were never written: there is nothing to look at."""
    fault = Fault("mappings/queues.yaml", 7, 3, "two of them are one", "queue-twice")
    with mock.patch("bridge.cli.mapping_init.load_files", side_effect=MappingError([fault])):
        said = answered(folder, *[""] * 40)

    assert said.exit_code == 1
    assert said.output.endswith(
        "Error: These answers do not go together, so nothing was written:\n  two of them are one\n"
    )
    assert not folder.exists()


def test_it_says_which_tags_it_knows_and_where_others_go(alone: Shell):
    """In its help; a tag of one's own is nothing that it could ask for."""
    said = " ".join(alone("mappings", "init", "--help").out.split())

    assert "five tags: " in said
    assert all(tag in said for tag in KINDS if tag != REST)
    assert "added to the files later: to tags.yaml" in said


def test_a_folder_that_is_not_empty_is_left_alone(alone: Shell, folder: Path):
    """Somebody's work is not written over, whatever is in it; an empty folder will do."""
    folder.mkdir()
    assert alone("mappings", "init", str(folder), "--yes").code == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    said = alone("mappings", "init", str(folder), "--yes")
    assert said.code == 2
    assert "is not an empty folder: nothing was written" in said.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert alone("mappings", "init", str(folder / "queues.yaml"), "--yes").code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--zone", "Europe/Warsow"), 'Did you mean "Europe/Warsaw"?'),
        (("--language", "english"), "is not a language code"),
        (("--country", "ZZ"), "by two letters"),
        (("--hours", "9-17"), "is not hours like 09:00-17:30"),
        (("--account", "myspace", "@us"), 'there is no network "myspace": '),
        (("--team", "crisis", "A", "A", "support", "1h"), "is not a Slack channel"),
        (("--team", "crisis", "A", "A", "#a", "1 hour"), "is not a span of time"),
        (
            ("--team", "crisis", "A", "A", "#a", "1h", "--team", "rest", "A", "B", "#b", "1h"),
            "A is given twice",
        ),
        (("--brand", "two\nlines\x07"), "one line of at most 60 letters"),
        (("--brand", "-"), "one line of at most 60 letters"),
        (("--language", "fi"), "There are no replies in fi here"),
        (("--account", "mastodon", " "), "one line of at most 60 letters"),
        (("--account", "mastodon", "@kopi coffee"), '"@kopi coffee" is not a handle such as @kopi'),
        (
            ("--account", "standard", "kopi", "--account", "standard", "Kopi"),
            "Kopi on standard is given twice",
        ),
        (
            ("--team", "crisis", "A", "A", "#a", "1h", "--team", "crisis", "B", "B", "#b", "1h"),
            "crisis is given twice: to A and to B",
        ),
        (("--team", "crisis", "-", "A", "#a", "1h"), "one line of at most 60 letters"),
    ],
)
def test_a_flag_that_no_file_would_take_is_refused(alone: Shell, folder: Path, words, says):
    """With the files' own words and the flag's name, before anything is asked or written."""
    said = alone("mappings", "init", str(folder), *words)
    assert (said.code, said.out, folder.exists()) == (2, "", False)
    assert f"Invalid value for '{words[0]}': " in said.err
    assert says in said.err


def test_a_folder_that_cannot_be_is_refused_before_the_questions(alone: Shell, tmp_path: Path):
    """A file stands where a folder above it should be."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    said = alone("mappings", "init", str(tmp_path / "file" / "mine"))
    assert (said.code, said.out) == (2, "")
    assert "file is not a folder: name another one" in said.err


def test_the_commands_of_what_to_do_next_work_when_they_are_pasted(alone: Shell, tmp_path: Path):
    """Also for a folder with a space in its name, and none of them looks at the starter instead."""
    folder = tmp_path / "my mapping"
    said = alone("mappings", "init", str(folder), "--yes")
    commands = [line.partition(": ")[2] for line in said.lines if ": bridge " in line or ": export " in line]
    assert [shlex.split(one) for one in commands] == [
        ["bridge", "mappings", "check", "--mappings", str(folder)],
        ["bridge", "mappings", "check", "--mappings", str(folder), "--live"],
        ["export", f"BRIDGE_MAPPINGS={folder}"],
        ["bridge", "doctor"],
        ["bridge", "serve"],
    ]
    assert alone(*shlex.split(commands[0])[1:]).out.startswith("OK: 1 brand, 6 queues")


def test_the_folder_that_serves_anyway_need_not_be_named(alone: Shell, folder: Path):
    """BRIDGE_MAPPINGS names it already: the commands are the short ones."""
    said = alone("mappings", "init", str(folder), "--yes", BRIDGE_MAPPINGS=str(folder))
    assert "bridge mappings check --live" in said.out
    assert "--mappings" not in said.out
    assert "export" not in said.out


def test_a_disk_that_fails_leaves_nothing_half_done(alone: Shell, folder: Path):
    """The next try finds the folder empty."""
    write, left = Path.write_text, [4]

    def fail(self: Path, *given: object, **more: object) -> int:
        left[0] -= 1
        if not left[0]:
            raise OSError(28, "No space left on device", str(self))
        return write(self, *given, **more)  # type: ignore[arg-type]

    with mock.patch.object(Path, "write_text", fail):
        said = alone("mappings", "init", str(folder), "--yes")
    assert said.code == 1
    assert "No space left on device" in said.err
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert alone("mappings", "init", str(folder), "--yes").code == 0


@pytest.fixture
def live(sandbox: Sandbox, tmp_path: Path, folder: Path) -> Shell:
    environment = environment_of(tmp_path / "data", sandbox, "http://127.0.0.1:1")

    def init(*words: str, **changes: str) -> Said:
        return run({**environment, **changes}, "mappings", "init", str(folder), "--from-live", *words)

    return init


def test_from_live_takes_the_names_that_exist(live: Shell, sandbox: Sandbox, folder: Path):
    """What is most like the team's name; what is not there, or not open to the app, is to be done."""
    community = next(one for one in sandbox.slack.channels.values() if one.name == "community")
    community.has_bot = False
    said = live("--yes")
    assert (said.code, said.err) == (0, "")
    assert "Groups in Zendesk: " in said.out
    assert "#community (the app is not in it yet)" in said.out
    mapping = load(folder, NETWORKS)
    assert mapping.queues["technical-support"].group == "Technical Support"
    assert mapping.queues["technical-support"].channel == "#support-technical"
    assert "type `/invite @` and the app's name in #community" in said.out
    assert "create the group Technical Support" not in said.out


def test_names_that_do_not_exist_are_on_the_list_of_what_to_do(live: Shell):
    """They may be about to be made: it is said, not refused."""
    said = live("--yes", "--team", "rest", "Zebra", "Zebra", "#zebra", "1h")
    assert said.code == 0
    assert "create the group Zebra in Zendesk" in said.out
    assert "create #zebra in Slack, and type `/invite @`" in said.out


@pytest.mark.parametrize(
    "changes",
    [
        {"SLACK_BOT_TOKEN": ""},
        {"ZENDESK_SUBDOMAIN": ""},
        {"ZENDESK_URL": "http://127.0.0.1:1"},
        {"PORT": "x"},
    ],
)
def test_from_live_writes_nothing_when_it_cannot_ask(live: Shell, folder: Path, changes: dict[str, str]):
    """A vendor that does not answer is not one that has nothing."""
    said = live("--yes", **changes)
    assert (said.code, folder.exists()) == (3, False)
    assert said.err.startswith("not asked: ")
    assert "Nothing was written." in said.err
