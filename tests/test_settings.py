"""Every environment variable, read in one place, with every fault said at once."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge import settings
from bridge.errors import SettingsError
from bridge.settings import VARIABLES
from bridge.store.database import Database

PACKAGE = Path(settings.__file__).parent
SECRETS = [variable.name for variable in VARIABLES if variable.secret]
WHOLE = {
    "DATABASE_URL": "postgresql://bridge:test-secret-nine@127.0.0.1/bridge",
    "REDIS_URL": "redis://:test-secret-ten@127.0.0.1/0",
    "ZENDESK_SUBDOMAIN": "kopi",
    "ZENDESK_CLIENT_ID": "client",
    "ZENDESK_CLIENT_SECRET": "test-secret-one",
    "ZENDESK_WEBHOOK_SECRET": "test-secret-two,test-secret-three",
    "ZENDESK_EMAIL": "agent@kopi.example",
    "ZENDESK_API_TOKEN": "test-secret-four",
    "SLACK_BOT_TOKEN": "test-secret-five",
    "SLACK_SIGNING_SECRET": "test-secret-six,test-secret-seven",
    "SLACK_APP_TOKEN": "test-secret-eight",
}


CHANGES = {
    "DATABASE_URL": "sqlite:///other.db",
    "REDIS_URL": "rediss://other.example/1",
    "BRIDGE_PUBLIC_URL": "https://other.example",
    "BRIDGE_LOG_LEVEL": "ERROR",
    "BRIDGE_LOG_FORMAT": "json",
    "ZENDESK_URL": "https://other.example",
    "SLACK_API_URL": "https://other.example",
}


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES])
def test_every_variable_in_the_table_changes_something(name: str):
    """The README's table is made of VARIABLES: nothing in it may be without effect."""
    changed = settings.load(WHOLE | {name: CHANGES.get(name, "7")})
    assert replace(changed, environment={}) != replace(settings.load(WHOLE), environment={})


def test_every_variable_that_is_read_is_in_the_table():
    """And nothing that has an effect may be missing from it."""
    body = inspect.getsource(settings.load)
    read = set(re.findall(r'(?:text|number|whole|address|get)\("([A-Z][A-Z_]+)"', body))
    assert read == {variable.name for variable in VARIABLES}


def test_nothing_else_in_the_package_reads_the_environment():
    """Except the demo, which passes it on to its own bridge without the real accounts."""
    reading = re.compile(r"os\.environ|getenv|from os import .*environ")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if reading.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"settings.py", "cli/demo.py"}


def test_every_variable_says_what_it_is_for():
    """One line of the README's table each, and no name twice."""
    names = [variable.name for variable in VARIABLES]
    assert len(set(names)) == len(names)
    assert all(variable.help.endswith((".", "…")) for variable in VARIABLES)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in names)


def test_an_empty_environment_is_enough():
    """The bridge starts before anybody has connected anything."""
    loaded = settings.load({})
    assert (loaded.zendesk, loaded.slack) == (None, None)
    assert loaded.database_url == "sqlite:///var/bridge.db"
    assert (loaded.host, loaded.port) == ("127.0.0.1", 8080)
    assert loaded.settle_s is None


@pytest.mark.parametrize("name", ["one?y", "%41", "a b+c", "käse#1", ":@"])
def test_the_data_folder_is_taken_as_it_is_written(tmp_path: Path, name: str):
    """Not as a part of an address, where some signs mean something: the tables would be in another file."""
    database = Database(settings.load({"BRIDGE_DATA": str(tmp_path / name)}).database_url)
    database.migrate()
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "bridge.db").is_file()


def test_a_data_folder_that_is_not_utf8_is_refused():
    """No address can be made of it."""
    with pytest.raises(SettingsError, match="BRIDGE_DATA is not UTF-8: give the folder another name"):
        settings.load({"BRIDGE_DATA": "/srv/\udcff"})


def test_the_whole_environment_is_read():
    """Values of every kind, with spaces and slashes that people leave in."""
    loaded = settings.load(
        WHOLE
        | {
            "DATABASE_URL": "sqlite:////srv/bridge/b.db",
            "PORT": " 9000 ",
            "BRIDGE_PUBLIC_URL": "https://bridge.example/",
            "BRIDGE_SETTLE_S": "0",
            "BRIDGE_POLL_S": "2.5",
            "BRIDGE_THREADS": "3",
            "BRIDGE_LOG_LEVEL": "debug",
            "SLACK_API_URL": "http://127.0.0.1:1/api",
        }
    )
    assert loaded.public_url == "https://bridge.example"
    assert (loaded.port, loaded.settle_s, loaded.poll_s, loaded.threads) == (9000, 0.0, 2.5, 3)
    assert loaded.log_level == "DEBUG"
    assert loaded.zendesk is not None
    assert loaded.zendesk.webhook_secrets == ("test-secret-two", "test-secret-three")
    assert loaded.slack is not None
    assert loaded.slack.signing_secrets == ("test-secret-six", "test-secret-seven")
    assert loaded.slack.api_url == "http://127.0.0.1:1/api/"


def test_an_empty_value_is_as_good_as_none():
    """`BRIDGE_SETTLE_S=` in an .env file does not mean zero seconds: that could post twice."""
    for blank in ("", "  "):
        loaded = settings.load({variable.name: blank for variable in VARIABLES})
        assert loaded.settle_s is None
        assert loaded.poll_s == 30


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_be_in_a_file(tmp_path: Path, name: str):
    """Docker's and systemd's way: the file's text, without the newline that editors put at its end."""
    (tmp_path / "secret").write_text(f"{WHOLE[name]}\n")
    environment = {key: value for key, value in WHOLE.items() if key != name}
    environment[f"{name}_FILE"] = str(tmp_path / "secret")
    from_file, direct = settings.load(environment), settings.load(WHOLE)
    assert replace(from_file, environment={}) == replace(direct, environment={})


def test_a_value_goes_before_its_file(tmp_path: Path):
    """Both are set: the one that is in sight wins."""
    (tmp_path / "secret").write_text("from the file")
    loaded = settings.load({"SLACK_BOT_TOKEN": "direct", "SLACK_BOT_TOKEN_FILE": str(tmp_path / "secret")})
    assert loaded.slack is not None
    assert loaded.slack.bot_token == "direct"


def test_a_mapping_files_own_variable_may_be_in_a_file_too(tmp_path: Path):
    """Accounts name their variables themselves; during a rotation there are two values."""
    (tmp_path / "token").write_text("test-new, test-old\n")
    loaded = settings.load({"KOPI_TOKEN_FILE": str(tmp_path / "token"), "OTHER": "test-other"})
    assert loaded.named("KOPI_TOKEN") == ("test-new", "test-old")
    assert loaded.named("OTHER") == ("test-other",)
    assert loaded.named("NOT_SET") == ()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None):
    """Missing, or no text: the variable and the path, never the content."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"SLACK_BOT_TOKEN_FILE .*{re.escape(str(path))}"):
        settings.load({"SLACK_BOT_TOKEN_FILE": str(path)})
    with pytest.raises(SettingsError, match="KOPI_TOKEN_FILE"):
        settings.load({"KOPI_TOKEN_FILE": str(path)}).named("KOPI_TOKEN")


def test_no_secret_is_in_the_repr():
    """Settings end in tracebacks and logs."""
    loaded = settings.load(WHOLE | {"KOPI_TOKEN": "test-secret-nine"})
    said = f"{loaded!r} {loaded} {loaded.zendesk!r} {loaded.slack!r}"
    assert "test-secret" not in said
    assert "kopi" in said


def test_all_faults_are_said_at_once_with_what_to_do():
    """Nobody wants to restart nine times."""
    wrong = {
        "PORT": "eighty",
        "BRIDGE_THREADS": "0",
        "BRIDGE_POLL_S": "-1",
        "BRIDGE_INSTALLATION": "my bridge!",
        "BRIDGE_PUBLIC_URL": "bridge.example",
        "BRIDGE_LOG_LEVEL": "chatty",
        "DATABASE_URL": "what?",
        "ZENDESK_SUBDOMAIN": "kopi",
        "SLACK_BOT_TOKEN_FILE": "/not/there",
    }
    with pytest.raises(SettingsError) as caught:
        settings.load(wrong)
    lines = str(caught.value).splitlines()
    expected = [name if name != "ZENDESK_SUBDOMAIN" else "ZENDESK_CLIENT_ID" for name in wrong]
    assert all(any(name in line for line in lines) for name in expected), lines
    assert len(lines) == len(wrong)
    assert "create a confidential OAuth client" in str(caught.value)


NUMBERS = [
    "PORT",
    "BRIDGE_THREADS",
    "BRIDGE_CALL_TIMEOUT_S",
    "BRIDGE_SETTLE_S",
    "BRIDGE_POLL_S",
    "BRIDGE_REREAD_S",
]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf", "-inf", "1e400", "12 s"])
def test_what_is_no_number_is_refused(name: str, value: str):
    """Also what Python would call a float: a timeout of nan seconds never ends."""
    with pytest.raises(SettingsError, match=f"{name} must be a number") as caught:
        settings.load({name: value})
    assert repr(value) in str(caught.value)


SPANS = [
    ("BRIDGE_CALL_TIMEOUT_S", "0.1 to 600"),
    ("BRIDGE_SETTLE_S", "0 to 86,400"),
    ("BRIDGE_LINGER_S", "0 to 3,600"),
    ("BRIDGE_POLL_S", "0.1 to 86,400"),
    ("BRIDGE_REREAD_S", "0.1 to 86,400"),
    ("BRIDGE_SWEEP_S", "0.1 to 86,400"),
    ("BRIDGE_SILENCE_H", "0.001 to 8,760"),
]


@pytest.mark.parametrize(("name", "bounds"), SPANS)
@pytest.mark.parametrize("value", ["1e300", "86401", "-1"])
def test_a_span_out_of_reason_is_refused_with_its_bounds(name: str, bounds: str, value: str):
    """A zero too many: said at the start, where a calendar would overflow hours later."""
    with pytest.raises(SettingsError) as caught:
        settings.load({name: value})
    assert str(caught.value) == f"{name} must be a number from {bounds}, not {value!r}."


@pytest.mark.parametrize("port", ["65536", "100000", "80.5"])
def test_a_port_that_does_not_exist_is_refused(port: str):
    """Said at the start, not by the socket's traceback."""
    with pytest.raises(SettingsError, match="PORT must be a whole number"):
        settings.load({"PORT": port})


def test_half_a_thread_is_refused():
    """Whole numbers where only those make sense."""
    with pytest.raises(SettingsError, match="BRIDGE_THREADS must be a whole number"):
        settings.load({"BRIDGE_THREADS": "2.5"})


@pytest.mark.parametrize("name", ["BRIDGE_PUBLIC_URL", "ZENDESK_URL", "SLACK_API_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "kopi.example",
        "ftp://kopi.example",
        "https://",
        "//kopi.example",
        "https://kopi:eighty",
        "https://[::1",
    ],
)
def test_an_address_that_is_none_is_refused(name: str, value: str):
    """Scheme and host must be there; the variable is named."""
    with pytest.raises(SettingsError, match=f"{name} must begin with https://"):
        settings.load({name: value})


@pytest.mark.parametrize(
    "host",
    ["bridge.acme.com", "bridge", "10.0.0.7", "localhost.acme.com", "127.0.0.1.acme.com", "[2001:db8::1]"],
)
def test_a_public_address_without_tls_is_refused(host: str):
    """Customers' words would travel where anybody reads them; no vendor would send them there either."""
    with pytest.raises(SettingsError, match="BRIDGE_PUBLIC_URL must begin with https://") as caught:
        settings.load({"BRIDGE_PUBLIC_URL": f"http://{host}:8080"})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "[::1]", "localhost", "bridge.localhost"])
def test_on_loopback_no_tls_is_needed(host: str):
    """The sandbox, and a first try."""
    assert settings.load({"BRIDGE_PUBLIC_URL": f"http://{host}:8080"}).public_url == f"http://{host}:8080"


def test_a_proxy_of_ones_own_may_be_reached_without_tls():
    """It stands in a private network, before the vendor."""
    loaded = settings.load(
        WHOLE | {"ZENDESK_URL": "http://zendesk-proxy:8080", "SLACK_API_URL": "http://slack-proxy/api"}
    )
    assert loaded.zendesk is not None
    assert loaded.slack is not None
    assert (loaded.zendesk.url, loaded.slack.api_url) == (
        "http://zendesk-proxy:8080",
        "http://slack-proxy/api/",
    )


def test_an_api_token_needs_its_user():
    """Only half of the old sign-in."""
    with pytest.raises(SettingsError, match="ZENDESK_API_TOKEN needs ZENDESK_EMAIL"):
        settings.load({"ZENDESK_SUBDOMAIN": "kopi", "ZENDESK_API_TOKEN": "test-secret-one"})


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:test-secret-one@localhost/b", "mysql is not supported; use postgresql://"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("bridge.db", "not a database address"),
        ("postgresql://u:test-secret-one@localhost:54x2/b", "the port must be a number"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_clearly(url: str, says: str):
    """What is not there yet is said to be so, and no password is repeated."""
    with pytest.raises(SettingsError, match=r"DATABASE_URL") as caught:
        settings.load({"DATABASE_URL": url})
    assert says in str(caught.value)
    assert "test-secret" not in str(caught.value)


def test_the_mapping_folder_is_the_named_one_or_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Named, else ./mappings, else the starter that came with the package."""
    monkeypatch.chdir(tmp_path)
    assert settings.load({"BRIDGE_MAPPINGS": "elsewhere"}).mappings == Path("elsewhere")
    assert (settings.load({}).mappings / "queues.yaml").is_file()
    (tmp_path / "mappings").mkdir()
    assert settings.load({}).mappings == Path("mappings")


def test_a_settings_error_is_no_bridge_error():
    """Nothing that catches the bridge's own errors may swallow it."""
    raising = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    [bases] = [node.bases for node in classes(raising) if node.name == "SettingsError"]
    assert [ast.unparse(base) for base in bases] == ["Exception"]


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_address_is_the_same(scheme: str):
    """Platforms and SQLAlchemy write it in their own ways; wake-ups go by the same server."""
    loaded = settings.load({"DATABASE_URL": f"{scheme}://bridge@db.example/bridge"})
    assert loaded.database_url == loaded.wakes_url == "postgresql://bridge@db.example/bridge"


def test_wake_ups_stay_in_the_process_unless_something_else_is_said():
    """Nothing has to be there for the embedded database; Redis goes before PostgreSQL."""
    assert settings.load({}).wakes_url == ""
    redis = {"REDIS_URL": "redis://127.0.0.1/3"}
    assert settings.load(redis).wakes_url == "redis://127.0.0.1/3"
    assert (
        settings.load({**redis, "DATABASE_URL": "postgresql://db.example/b"}).wakes_url
        == "redis://127.0.0.1/3"
    )


def test_a_redis_address_that_is_none_is_refused():
    """The variable is named, its value is not repeated: it may hold a password."""
    with pytest.raises(SettingsError, match="REDIS_URL must begin with redis://") as caught:
        settings.load({"REDIS_URL": "test-secret-one@localhost"})
    assert "secret" not in str(caught.value)
