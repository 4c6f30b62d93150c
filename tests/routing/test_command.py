"""The commands that admins use."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli.mappings import mappings
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import STARTER
from tests.running import starter_to_edit


@pytest.fixture
def run(monkeypatch):
    """Run ``bridge mappings …`` on the starter, unless another folder is given."""
    monkeypatch.setattr("bridge.networks.NETWORKS", NETWORKS, raising=False)
    monkeypatch.setenv("BRIDGE_MAPPINGS", str(STARTER))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(mappings, arguments)

    return invoke


def broken(tmp_path: Path) -> str:
    """A copy of the starter with two faults."""
    folder = starter_to_edit(tmp_path / "m")
    queues = folder / "queues.yaml"
    queues.write_text(queues.read_text().replace("urgent", "urgentt").replace("jakarta-desk", "jakarta"))
    return str(folder)


def test_check_says_what_a_good_mapping_has(run):
    """One line, and exit code 0."""
    result = run("check")

    assert result.output == (
        f"OK: 2 brands, 6 queues, 7 routes, 5 tags, 12 replies in {STARTER}; 20 examples pass, 5 tests pass\n"
    )
    assert result.exit_code == 0


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_check_waits_for_no_pipe_and_reads_no_device(run, tmp_path, form):
    """Nor does it open them once more for the lines that it shows: what they are is said."""
    folder = starter_to_edit(tmp_path / "m")
    os.mkfifo(folder / "routes/99-x.yaml")
    (folder / "queues.yaml").unlink()
    (folder / "queues.yaml").symlink_to("/dev/null")
    result = run("check", "--format", form, "--mappings", str(folder))
    assert result.exit_code == 2
    assert result.output.count("this is not a file") >= 2


def test_check_reports_every_fault_and_fails(run, tmp_path):
    """Each with its place and rule, then how many there are."""
    result = run("check", "--mappings", broken(tmp_path))
    lines = result.output.splitlines()

    rules = [line.rpartition(" ")[2] for line in lines if line.startswith(str(tmp_path))]
    assert rules == ["(unknown-calendar)", "(unknown-priority)"]
    assert lines[0].startswith(f"{tmp_path}/m/queues.yaml:")
    assert lines[1:3] == ["  32 |     hours: jakarta", "     |            ^"]
    assert lines[-1] == "2 faults"
    assert result.exit_code == 1


def test_a_caret_stands_under_its_letter_in_any_script(run, tmp_path):
    """Wide letters take two columns, accents none; what is far along a line is shown from there."""
    folder = Path(broken(tmp_path))
    long = f"  b: {{meaning: {'y' * 200}, c: 1}}"
    (folder / "tags.yaml").write_text(f"tags:\n  あ: {{meaning: ภู่, ส่ง: 1}}\n{long}\n", encoding="utf-8")
    lines = run("check", "--mappings", str(folder)).output.splitlines()
    at = [number for number, line in enumerate(lines) if "tags.yaml" in line and "means nothing" in line]

    assert [lines[number + 1 : number + 3] for number in at] == [
        ["  2 |   あ: {meaning: ภู่, ส่ง: 1}", "    |                    ^"],
        [f"  3 | {'y' * 58}, c: 1}}", f"    | {' ' * 60}^"],
    ]


def test_a_report_shows_no_secret(run, tmp_path):
    """Reports go to logs, and the line beside the fault may hold what belongs in no file."""
    folder = Path(broken(tmp_path))
    brands = folder / "brands.yaml"
    brands.write_text(
        brands.read_text().replace(
            "secret: {env: KOPI_PLAZA_SECRET}", "secrt: hush-1\n        token: [hush-2"
        )
    )
    for form in ("text", "json", "github", "sarif"):
        assert "hush" not in run("check", "--mappings", str(folder), "--format", form).output


def test_check_fails_on_warnings_only_when_it_is_told_to(run, tmp_path):
    """They are about what serves."""
    folder = starter_to_edit(tmp_path / "m")
    routes = folder / "routes/10-social.yaml"
    routes.write_text(routes.read_text().replace("queue: sales", "queue: community"))
    said = run("check", "--mappings", str(folder))

    assert said.output.startswith(f"warning: {folder}/queues.yaml:62:3 sales: no route leads to this queue")
    assert (said.exit_code, said.output.splitlines()[-1][-24:]) == (0, "examples pass; 1 warning")
    assert run("check", "--mappings", str(folder), "--strict").exit_code == 1


def test_check_speaks_to_pipelines(run, tmp_path):
    """JSON, GitHub's annotations and SARIF say the same faults, and nothing else is printed."""
    folder = broken(tmp_path)
    plain = json.loads(run("check", "--mappings", folder, "--format", "json").output)
    rules = [fault["rule"] for fault in plain["faults"]]
    assert (plain["ok"], rules) == (False, ["unknown-calendar", "unknown-priority"])

    notes = run("check", "--mappings", folder, "--format", "github").output.splitlines()
    at = f"file={folder}/queues.yaml,line=32,col=12".replace(":", "%3A")
    assert notes[0].startswith(f"::error {at},title=unknown-calendar::hours: there is no calendar")

    log = json.loads(run("check", "--mappings", folder, "--format", "sarif").output)
    [results] = [run["results"] for run in log["runs"]]
    assert [(one["ruleId"], one["level"]) for one in results] == [(rule, "error") for rule in rules]

    well = run("check", "--format", "json")
    assert (json.loads(well.output), well.exit_code) == ({"ok": True, "faults": []}, 0)


def test_check_of_nothing_is_not_a_check(run, tmp_path):
    """A folder that cannot be read has an exit code of its own."""
    result = run("check", "--mappings", str(tmp_path / "nowhere"))

    assert "there is no folder" in result.output
    assert result.exit_code == 2


def test_explain_shows_the_way_of_a_post(run):
    """Routes and conditions, ticket, promise on the wall, card, light, and the reply in each language."""
    result = run(
        "explain",
        "--text",
        "แอปเด้งทุกครั้งเลยค่ะ",
        "--account",
        "kopi-mastodon",
        "--author",
        "สมชาย ใจดี",
        "--at",
        "2026-01-05T02:00:00",
    )

    assert result.exit_code == 0
    for expected in (
        "Tags     technical-issue (by words: technical-issue)",
        f"  no   crisis ({STARTER}/routes/10-social.yaml:",
        "         false  tags: any of crisis (seen: technical-issue)",
        f"  yes  technical-issue ({STARTER}/routes/10-social.yaml:",
        "Ticket   Technical Support, priority high, type problem",
        "Promise  Monday 2026-01-05 14:00 in Asia/Jakarta (2026-01-05 07:00 UTC)",
        "Card     #support-technical",
        "Public reply  possible: It was said in public.",
        "Closing  auto, in th (the text reads like th)",
        "of 500 characters: @customer สวัสดีค่ะ คุณสมชาย",
    ):
        assert expected in result.output
    assert [line[2:4] for line in result.output.splitlines() if " of 500 " in line] == [
        "en",
        "id",
        "pl",
        "th",
    ]


def test_explain_shows_what_is_left_on_each_account_and_what_the_voice_says(run, tmp_path):
    """Below each reply: every network of the brand, and what an agent would be told of the text."""
    folder = starter_to_edit(tmp_path / "m")
    (folder / "replies/kopi/voice.yaml").write_text("target_length: 150\nbanned_words: {pl: [hello]}\n")
    given = ("--text", "the app logs me out every hour", "--account", "kopi-plaza", "--author", "Hello")
    said = run("explain", "--mappings", str(folder), *given).output
    lines = said[said.index("Closing") :].splitlines()[1:]

    assert [line.split()[0] for line in lines] == [
        "en",
        "left:",
        "voice:",
        "id",
        "left:",
        "voice:",
        "pl",
        "left:",
        "voice:",
        "voice:",
        "th",
        "left:",
    ]
    assert lines[1] == "      left: 310 on Plaza (kopi-plaza), 310 on Mastodon (kopi-mastodon)"
    assert lines[2] == "      voice: It has 180 characters; Kopi aims at 150."
    assert lines[8] == '      voice: It says "hello", which is not said in the voice of Kopi.'


def test_explain_shows_what_no_route_takes(run):
    """The fallback, and every route with the condition that failed."""
    result = run(
        "explain", "--text", "nothing special", "--account", "rower-mastodon", "--tag", "something-else"
    )

    assert f"Taken    no route: the fallback → triage ({STARTER}/queues.yaml:" in result.output
    assert result.output.count("false  tags:") == 6


def test_explain_says_that_a_post_without_a_tag_opens_no_case(run, tmp_path):
    """Whatever route would take it: the routes are shown, how a tag comes about, and no ticket."""
    folder = starter_to_edit(tmp_path / "m")
    (folder / "routes/20-all.yaml").write_text(
        "routes:\n  - {name: all-of-kopi, when: {brands: [kopi]}, queue: triage}\n"
    )
    given = ("--mappings", str(folder), "--text", "nothing special", "--account", "kopi-mastodon")
    said = run("explain", *given).output.splitlines()
    at = next(number for number, line in enumerate(said) if line.startswith("Case     none is opened:"))

    assert said[1] == "Tags     none"
    assert f"  yes  all-of-kopi ({folder}/routes/20-all.yaml:2)" in said[:at]
    assert "--tag" in said[at + 1]
    assert "tags.yaml" in said[at + 1]
    assert [line for line in said if line.startswith(("Taken", "Ticket", "Card", "Closing"))] == []
    assert "Taken    all-of-kopi → triage" in run("explain", *given, "--tag", "y").output


def test_explain_reads_a_message_from_a_file(run, tmp_path):
    """JSON with the same names as the options."""
    file = tmp_path / "message.json"
    file.write_text(
        json.dumps({"text": "Look!", "tags": ["User-Generated Content"], "account": "kopi-plaza"})
    )

    result = run("explain", str(file))

    assert "Account  kopi-plaza (Kopi, Plaza)" in result.output
    assert "Tags     user-generated-content\n" in result.output
    assert "Ticket   none: a card is enough" in result.output


def test_explain_shows_no_closing_reply_where_there_is_no_ticket(run):
    """It would be posted when the ticket is solved, which never comes."""
    output = run("explain", "--text", "What a cup", "--tag", "user-generated-content").output
    with_ticket = run("explain", "--text", "It crashes", "--tag", "technical-issue").output

    assert output.splitlines()[-1] == "Closing  none: there is no ticket, so somebody answers by hand"
    assert "left:" not in output
    assert "left:" in with_ticket


def test_places_name_the_folder_as_it_was_given(run, tmp_path, monkeypatch):
    """An admin opens the file that a line names, from where the command was run."""
    broken(tmp_path)
    monkeypatch.chdir(tmp_path)
    faulty = run("check", "--mappings", "m").output
    shutil.copytree(STARTER, "good")
    explained = run("explain", "--mappings", "good", "--text", "x", "--tag", "y").output

    assert {line.partition(":")[0] for line in faulty.splitlines()[:-1:3]} == {"m/queues.yaml"}
    assert "(good/queues.yaml:" in explained
    assert run("check", "--mappings", "none").output.startswith("none:1:1 there is no folder none ")


@pytest.mark.parametrize(
    ("tag", "note"),
    [
        ("Technical Issu", 'the tag "Technical Issu" is not in tags.yaml. Did you mean "technical-issue"?'),
        ("banana", 'the tag "banana" is not in tags.yaml. No route can ask for it'),
        ("Technical Issue", None),
    ],
)
def test_explain_says_when_a_tag_is_not_known(run, tag, note):
    """A tag is as good as none when it is misspelt; one written as a tool writes it is known."""
    result = run("explain", "--text", "x", "--tag", tag)

    assert (f"Note: {note}\n" in result.output) if note else ("Note:" not in result.output)
    assert result.exit_code == 0


def test_explain_leaves_out_what_a_ticket_does_not_have(run, tmp_path):
    """A queue without a type and a priority has a ticket without them."""
    folder = starter_to_edit(tmp_path / "m")
    queues = folder / "queues.yaml"
    queues.write_text(queues.read_text().replace("    type: question\n    priority: normal\n", ""))

    result = run("explain", "--mappings", str(folder), "--text", "nothing special", "--tag", "y")

    assert "Ticket   Social Triage\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "content", "complaint"),
    [
        ((), None, "Give the message"),
        (("--text", "x", "--account", "kopi"), None, "There is no account"),
        ((), "not json", "FILE is not JSON"),
        ((), '{"text": "x", "txt": "x"}', '"txt" means nothing here. Did you mean "text"?'),
        ((), "[" * 100_000, "FILE is not JSON"),
        ((), '["text"]', "must be a table of keys and values"),
        ((), '{"text": "x", "text": "y"}', '"text" stands in FILE twice'),
        ((), '{"tags": ["crisis"]}', "Give the message"),
        (("--text", "y"), '{"text": "x"}', "text: it is in FILE, and given as an option, too"),
        (("--text", ""), None, "text: must not be empty"),
    ],
)
def test_explain_says_what_it_needs(run, tmp_path, arguments, content, complaint):
    """A wrong call is a sentence, and exit code 2."""
    if content is not None:
        file = tmp_path / "message.json"
        file.write_text(content)
        arguments = (*arguments, str(file))

    result = run("explain", *arguments)

    assert complaint in result.output
    assert result.exit_code == 2


def test_explain_names_every_fault_of_a_message_file(run, tmp_path):
    """At once, each with its field: nothing is taken for what it does not say."""
    file = tmp_path / "message.json"
    faulty = {
        "text": 12,
        "tags": "crisis",
        "account": ["kopi-plaza"],
        "language": "english",
        "author": None,
        "handle": {"name": "@a"},
        "kind": "post",
        "followers": "many",
        "severity": 3,
        "sentiment": "angry",
        "at_night": True,
    }
    file.write_text(json.dumps(faulty))
    said = run("explain", str(file))

    assert said.exit_code == 2
    assert said.output.partition("Error: ")[2].splitlines() == [
        "This is no message:",
        "  text: must be text; put a number, true or false in quotes",
        "  tags: must be a list, such as [a, b]",
        '  account: must be one text, not a list: write "a, b" in quotes, or one of them',
        '  language: "english" is not a language code such as en, th or pt-BR',
        "  author: must be text; put a number, true or false in quotes",
        "  handle: must be one text, not a table: "
        "a text with a colon and a space in it, or in { }, goes in quotes",
        '  kind: "post" is not one of public, reply, review, direct',
        "  followers: must be a whole number, without quotes",
        '  severity: "3" is not one of low, medium, high, critical',
        '  sentiment: "angry" is not one of positive, neutral, negative',
        '  "at_night" means nothing here',
    ]
    file.write_text(json.dumps({"text": "x", "tags": ["crisis", 1]}))
    assert "tags: must be text" in run("explain", str(file)).output


def test_explain_takes_a_file_and_options_that_say_the_rest(run, tmp_path):
    """In the words of the mapping files."""
    file = tmp_path / "message.json"
    file.write_text(json.dumps({"text": "Look!", "tags": ["user-generated-content"], "language": None}))
    said = run("explain", str(file), "--severity", "high", "--kind", "direct", "--sentiment", "positive")

    assert "Taken    user-generated-content" in said.output
    assert "Public reply  not possible" in said.output


@pytest.mark.parametrize("which", ["--case", "--message"])
@pytest.mark.parametrize(
    "more",
    [("--text", "x"), ("--tag", "crisis"), ("--author", "Anna"), ("--at", "2026-12-25"), ("FILE",)],
    ids=lambda more: more[0],
)
def test_explain_of_what_came_in_takes_nothing_besides(run, tmp_path, which, more):
    """It would be ignored; said before any database is asked."""
    file = tmp_path / "message.json"
    file.write_text('{"text": "x"}')
    said = run("explain", which, "12", *(str(file) if word == "FILE" else word for word in more))

    assert said.exit_code == 2
    wanted = f"{which} takes a message that came in, as it is. Leave out {more[0]}, or {which}."
    assert wanted in said.output


def test_explain_takes_one_message(run):
    """A case's and another's are two."""
    said = run("explain", "--case", "12", "--message", "12")

    assert (said.exit_code, "Leave out --case, or --message." in said.output) == (2, True)


def test_explain_of_a_broken_mapping_reports_its_faults(run, tmp_path):
    """As check does: there is nothing to explain."""
    result = run("explain", "--mappings", broken(tmp_path), "--text", "x")

    assert result.output.endswith("2 faults\n")
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (
            "2026-11-20 11:00",
            [
                "support-technical works by jakarta-desk. Times are in Asia/Jakarta.",
                "Friday 2026-11-20 11:00: open until Friday 2026-11-20 11:30.",
                "A post of that moment is promised an answer by Friday 2026-11-20 17:00.",
            ],
        ),
        (
            "2026-12-25 10:00",
            [
                "support-technical works by jakarta-desk. Times are in Asia/Jakarta.",
                "Friday 2026-12-25 10:00: closed (a holiday) until Saturday 2026-12-26 09:00.",
                "A post of that moment is promised an answer by Saturday 2026-12-26 13:00.",
            ],
        ),
    ],
)
def test_hours_say_whether_a_team_works_and_what_is_promised(run, at, said):
    """In the team's own time."""
    assert run("hours", "support-technical", "--at", at).output.splitlines() == said


@pytest.mark.parametrize("at", ["2026-12-25 00:00", "2026-12-25T00:00", "2026-12-25T00:00:00", "2026-12-25"])
def test_a_moment_is_written_alike_everywhere(run, tmp_path, at):
    """In `hours`, in `explain`, in the examples of routes and in tests of the whole."""
    assert "Friday 2026-12-25 00:00: closed" in run("hours", "support-technical", "--at", at).output
    told = run("explain", "--text", "a crash", "--account", "kopi-plaza", "--at", at).output
    assert (
        "(seen: closed on Friday 2026-12-25 07:00)"
        in run("explain", "--text", "a fire", "--tag", "crisis", "--account", "kopi-plaza", "--at", at).output
    )
    assert "Promise  Saturday 2026-12-26 13:00 in Asia/Jakarta" in told
    folder = starter_to_edit(tmp_path / "m")
    (folder / "routes/00-holiday.yaml").write_text(
        "routes:\n  - name: holiday\n    queue: triage\n"
        "    when: {hours: {jakarta-desk: closed}, brands: [kopi]}\n"
        f'    examples: [{{text: "a crash", at: "{at}"}}]\n'
    )
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests/social.yaml").write_text(
        'tests:\n  - {name: a, text: "a crash", brand: rower,'
        f' at: "{at}", expect: {{route: technical-issue}}}}\n'
    )
    assert run("check", "--mappings", str(folder)).exit_code == 0


@pytest.mark.parametrize("at", ["tomorrow", "2026-12-25 6:30 pm", "2026-13-01", "2026-12-25T18:30Z", ""])
def test_what_is_no_moment_is_refused_alike(run, at):
    """With the form that is meant."""
    for command in (("hours", "triage"), ("explain", "--text", "x")):
        said = run(*command, "--at", at)
        assert (said.exit_code, f'"{at}" is not a time like 2026-12-25 18:30' in said.output) == (2, True)


@pytest.mark.parametrize("at", ["9999-12-31T23:59", "0001-01-01T00:00", "1899-12-31", "3000-01-01"])
@pytest.mark.parametrize("queue", ["support-technical", "incident-response", "sales"])
def test_a_moment_at_the_edges_of_time_is_refused(run, queue, at):
    """No other clock shows it, and no shift follows; the years that are meant are said."""
    for command in (("hours", queue), ("explain", "--text", "x")):
        said = run(*command, "--at", at)
        assert (said.exit_code, "is too far away: give a year from 1900 to 2999" in said.output) == (2, True)


@pytest.mark.parametrize("at", ["1900-01-01", "2999-12-31 23:59"])
def test_the_first_and_the_last_moment_are_told_of(run, at):
    """With and without a calendar."""
    for command in (
        ("hours", "support-technical"),
        ("hours", "incident-response"),
        ("explain", "--text", "x"),
    ):
        assert run(*command, "--at", at).exit_code == 0


def test_hours_know_teams_without_a_calendar_and_moments_that_are_none(run):
    """Every hour counts there; an hour that summer time skips is said to be none."""
    assert "has no calendar: every hour counts" in run("hours", "incident-response").output
    assert run("hours", "sales").output.splitlines()[-1] == "It promises nothing."
    assert 'Did you mean "sales"?' in run("hours", "sale").output
    assert "does not exist in Europe/Warsaw" in run("hours", "triage", "--at", "2027-03-28 02:30").output


def test_explain_takes_what_routes_ask_of_author_and_post(run, tmp_path):
    """As options, or in the file; and says of the rest that it is unknown."""
    said = ("--text", "Is it true?", "--tag", "technical-issue", "--account", "kopi-mastodon")
    listed = run("explain", *said, "--handle", "@NewsDesk@gazette.example", "--followers", "52000")

    assert "true   vip: yes (seen: on the list: The newsroom of the city's paper." in listed.output
    assert "Taken    vip → support-technical" in listed.output
    assert "false  vip: yes (seen: not on the list)" in run("explain", *said).output
    for content, complaint in (
        ({"kind": "post"}, 'kind: "post" is not one of public, reply'),
        ({"followers": True}, "followers: must be a whole number"),
    ):
        file = tmp_path / "message.json"
        file.write_text(json.dumps({"text": "x", **content}))
        assert complaint in run("explain", str(file)).output
