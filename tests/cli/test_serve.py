"""The processes, and what the command line says when something is refused."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from bridge import __main__ as entry
from bridge import app, settings
from bridge.cli import run
from bridge.sandbox import Sandbox
from bridge.store import messages
from bridge.store.database import Database
from bridge.store.presence import FolderLock
from bridge.store.tables import Message
from tests.cli.conftest import Said, Shell, environment_of
from tests.running import REPOSITORY, Process, starter_to_edit
from tests.store.conftest import NOON


def process(*words: str, **environment: str) -> Said:
    """``python -m bridge WORDS`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *words],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_second_bridge_on_the_same_folder_says_who_runs_the_first(
    sandbox: Sandbox, start_process, tmp_path: Path
):
    """Status 2, the holder's number, and the two ways out; the first one goes on."""
    first: Process = start_process()
    environment = environment_of(tmp_path / "data", sandbox, first.url)
    second = process("serve", **environment, PORT="0")
    assert second.code == 2
    assert f"process {first.pid} on " in second.err
    assert "already runs the bridge" in second.err
    assert "BRIDGE_DATA" in second.err
    assert "Traceback" not in second.err
    assert first._answers()


def test_a_bridge_that_may_not_run_has_not_its_mapping_served(
    sandbox: Sandbox, start_process, tmp_path: Path
):
    """Started by mistake, from a folder with other files: what the first one posts stays as it was."""
    first: Process = start_process()
    edited = starter_to_edit(tmp_path / "edited")
    queues = edited / "queues.yaml"
    queues.write_text(queues.read_text().replace("label: Community", "label: Komunitas"))
    environment = {**environment_of(tmp_path / "data", sandbox, first.url), "BRIDGE_MAPPINGS": str(edited)}
    assert process("mappings", "check", **environment).code == 0
    second = process("serve", **environment, PORT="0")
    assert (second.code, "already runs the bridge" in second.err) == (2, True)
    history = process("mappings", "history", **environment).out
    assert len([line for line in history.splitlines() if not line.startswith(" ")]) == 1


def test_a_bridge_that_stands_still_in_a_transaction_is_named_all_the_same(
    sandbox: Sandbox, start_process, tmp_path: Path
):
    """A paused process may hold the file's lock: who starts another hears of it, and not of a lock."""
    first: Process = start_process()
    held = sqlite3.connect(tmp_path / "data" / "bridge.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    second = process("serve", **environment_of(tmp_path / "data", sandbox, first.url), PORT="0")
    held.close()
    assert (second.code, f"process {first.pid} on " in second.err) == (2, True), second.err


def test_tables_are_not_migrated_under_a_bridge_that_runs(alone: Shell, tmp_path: Path):
    """A newer version is started while the older one still works on the same folder."""
    folder = tmp_path / "alone"
    folder.mkdir()
    lock = FolderLock(folder / "bridge.db")
    lock.acquire()
    try:
        for command in ("migrate", "serve"):
            said = alone(command)
            assert said.code == 2
            assert "already runs the bridge" in said.err
    finally:
        lock.release()
    database = Database(f"sqlite:///{folder}/bridge.db")
    assert database.revision() is None
    database.close()


def test_migrating_is_a_command_of_its_own(alone: Shell):
    """For a release step; the second time says the same, even while a bridge runs."""
    first = alone("migrate")
    assert first.code == 0
    assert first.out.startswith("The database is at revision 0")
    assert alone("migrate").out == first.out


@pytest.mark.parametrize("command", ["web", "worker"])
def test_what_does_not_migrate_says_which_command_does(alone: Shell, command: str):
    """Only one process may change tables, so the others refuse."""
    said = alone(command)
    assert said.code == 2
    assert said.err == "bridge: the database is not migrated: run `bridge migrate` first\n"


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("migrate",),
        ("case", "list"),
        ("intent", "list"),
        ("delivery", "list"),
        ("pause",),
        ("setup", "zendesk"),
    ],
)
def test_wrong_settings_are_said_without_a_traceback(alone: Shell, words: tuple[str, ...]):
    """Every command, every fault, status 2."""
    said = alone(*words, PORT="eighty", BRIDGE_LOG_LEVEL="chatty")
    assert said.code == 2
    assert said.err.startswith("bridge: ")
    assert "PORT must be" in said.err
    assert "BRIDGE_LOG_LEVEL must be" in said.err


def test_the_module_prints_no_traceback_either():
    """The way that people start it: a process of its own."""
    said = process("serve", PORT="eighty")
    assert (said.code, said.out) == (2, "")
    assert said.err == "bridge: PORT must be a number of at least 0, not 'eighty'.\n"


def test_a_faulty_mapping_stops_the_first_start_with_every_fault(alone: Shell, tmp_path: Path):
    """File and line, as `bridge mappings check` says them."""
    (tmp_path / "empty").mkdir()
    said = alone("serve", BRIDGE_MAPPINGS=str(tmp_path / "empty"))
    assert said.code == 2
    assert not FolderLock(tmp_path / "alone" / "bridge.db").is_held()
    assert "mappings/brands.yaml" in said.err
    assert "mappings/queues.yaml" in said.err


def test_the_mapping_commands_read_the_folder_that_the_bridge_serves(
    alone: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Named, else ./mappings, else the starter: a check of other files would be worse than none."""
    monkeypatch.chdir(tmp_path)
    assert alone("mappings", "check").code == 0
    (tmp_path / "mappings").mkdir()
    assert "mappings/brands.yaml" in alone("mappings", "check").out
    assert alone("mappings", "check", BRIDGE_MAPPINGS=str(REPOSITORY / "mappings")).code == 0


@pytest.mark.parametrize("words", [("surf",), ("case", "open"), ("intent", "send")])
def test_an_unknown_command_is_named(alone: Shell, words: tuple[str, ...]):
    """With the usage, status 2."""
    said = alone(*words)
    assert said.code == 2
    assert f"No such command '{words[-1]}'" in said.err


@pytest.mark.parametrize(
    "words", [("case", "show"), ("intent", "approve"), ("intent", "settle"), ("intent", "refuse")]
)
def test_a_missing_id_is_asked_for(alone: Shell, words: tuple[str, ...]):
    """Before anything is opened."""
    said = alone(*words)
    assert said.code == 2
    assert "Missing argument 'ID'" in said.err


def test_help_names_every_command_in_one_line(alone: Shell):
    """`-h` and `--help`, and the version."""
    said = alone("-h")
    assert said.code == 0
    for command in ("case", "delivery", "demo", "doctor", "intent", "mappings", "pause", "serve", "setup"):
        assert f"\n  {command} " in said.out
    assert alone("--version").out.startswith("bridge, version ")


@pytest.mark.parametrize("words", [("serve",), ("web",), ("worker",), ("forget", "@dewi@standard")])
def test_another_installations_database_is_refused(alone: Shell, tmp_path: Path, words: tuple[str, ...]):
    """A name that was changed: its tickets would be nobody's, and old posts would come in as new ones."""
    assert alone("migrate").code == 0
    database = Database(f"sqlite:///{tmp_path}/alone/bridge.db")
    post = {"network": "standard", "global_id": "post-1", "received_at": NOON}
    with database.write() as tx:
        tx.add(Message(installation="bridge", **post))
    said = alone(*words, BRIDGE_INSTALLATION="kopi-live")
    assert said.code == 2
    assert said.err.startswith("bridge: BRIDGE_INSTALLATION is kopi-live, and ")
    assert "set BRIDGE_INSTALLATION=bridge, or use a database of its own" in said.err
    with database.read() as tx:
        assert messages.whose(tx, "bridge") == "bridge"
    with database.write() as tx:
        tx.add(Message(installation="kopi-live", **post))
    with database.read() as tx:  # renamed before this was refused: either name is its own
        assert [messages.whose(tx, name) for name in ("bridge", "kopi-live")] == ["bridge", "kopi-live"]
    database.close()


def test_a_file_that_is_no_database_is_said_without_a_traceback(alone: Shell, tmp_path: Path):
    """DATABASE_URL names something else."""
    (tmp_path / "list.txt").write_text("This is a shopping list, not a database.\n" * 40)
    for words in (("serve",), ("case", "list")):
        said = alone(*words, DATABASE_URL=f"sqlite:///{tmp_path}/list.txt")
        assert said.code == 2
        assert "file is not a database" in said.err


def test_a_folder_that_cannot_be_made_is_said_without_a_traceback(alone: Shell, tmp_path: Path):
    """BRIDGE_DATA lies under a file."""
    (tmp_path / "file").write_text("")
    said = alone("case", "list", BRIDGE_DATA=str(tmp_path / "file" / "data"))
    assert said.code == 2
    assert str(tmp_path / "file" / "data") in said.err


@pytest.mark.parametrize("words", [("serve",), ("migrate",), ("restore", "any.db")])
def test_a_folder_that_cannot_be_written_is_said_without_a_traceback(
    alone: Shell, tmp_path: Path, words: tuple[str, ...]
):
    """The folder is there, and takes no file: one line that says what to look at."""
    (tmp_path / "any.db").write_text("")
    for place in ({"BRIDGE_DATA": "/proc"}, {"DATABASE_URL": "sqlite:////proc/x.db"}):
        said = alone(*words[:1], *(str(tmp_path / word) for word in words[1:]), **place)
        assert (said.code, said.err.count("\n")) == (2, 1), said.err
        assert said.err.startswith("bridge: /proc/")
        assert "see who may write in that folder" in said.err
        assert "BRIDGE_DATA or DATABASE_URL" in said.err


def test_a_host_that_is_no_address_is_said_without_a_traceback(tmp_path: Path):
    """One line that names the variable, and what people set it to."""
    environment = {"BRIDGE_DATA": str(tmp_path / "data"), "BRIDGE_HOST": "300..1.1", "PORT": "0"}
    said = process("serve", **environment, BRIDGE_LOG_LEVEL="ERROR")
    assert said.code == 2
    assert said.err.startswith("bridge: BRIDGE_HOST names nothing to listen on: '300..1.1' is no address")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(("host", "named"), [("::", "[::]"), ("127.0.0.1", "127.0.0.1")])
def test_the_address_that_is_printed_can_be_opened(capsys: pytest.CaptureFixture[str], host: str, named: str):
    """Brackets around what has colons of its own."""
    bridge = SimpleNamespace(settings=settings.load({"BRIDGE_HOST": host}), web=None)
    with mock.patch.object(run.waitress, "create_server") as server:
        server.return_value.effective_port = 18631
        run._listen(bridge)
    assert capsys.readouterr().err == f"bridge: listening on http://{named}:18631\n"
    assert server.call_args.kwargs["host"] == host


@pytest.fixture
def signals() -> Iterator[None]:
    """What a signal does is as before after the test."""
    before = {one: signal.getsignal(one) for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("serve", signal.SIG_IGN),
        ("web", signal.SIG_IGN),
        ("worker", signal.SIG_IGN),
        ("doctor", signal.SIG_DFL),
    ],
)
@pytest.mark.usefixtures("signals")
def test_a_hangup_while_a_process_loads_does_not_end_it(command: str, expected: signal.Handlers):
    """It means "look at the mapping files again", also in the second before anybody can."""
    seen: list[object] = []
    line = SimpleNamespace(main=lambda: seen.append(signal.getsignal(signal.SIGHUP)))
    with mock.patch.object(sys, "argv", ["bridge", command]), mock.patch("bridge.cli", line):
        entry.main()
    assert seen == [expected]


@pytest.mark.parametrize("words", [("click",), ("bridge.networks", "doctor")], ids=["a group", "a command"])
def test_ctrl_c_while_the_command_line_loads_prints_nothing(words: tuple[str, ...]):
    """Somebody changes their mind at once."""
    interrupted = (
        "import builtins, sys\n"
        "from bridge import __main__ as entry\n"
        "load, at, sys.argv = builtins.__import__, sys.argv[1], sys.argv[1:]\n"
        "def interrupt(name, *arguments):\n"
        "    if name == at:\n"
        "        raise KeyboardInterrupt\n"
        "    return load(name, *arguments)\n"
        "builtins.__import__ = interrupt\n"
        "entry.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted, *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["serve", "web", "worker"])
@pytest.mark.usefixtures("signals")
def test_a_stop_that_comes_upon_a_destructor_while_a_process_is_put_together_is_obeyed(
    alone: Shell, command: str, asked: signal.Signals, monkeypatch: pytest.MonkeyPatch
):
    """What interrupts is lost there, and the process would run for ever; it leaves before it starts."""
    lost: list[object] = []

    def build(*_: object, **__: object) -> mock.Mock:
        try:
            signal.raise_signal(asked)
        except SystemExit as interruption:
            lost.append(interruption)
        return put_together

    put_together = mock.Mock()
    monkeypatch.setattr(app, "build", build)
    assert alone(command).code == 0
    assert (len(lost), put_together.start.called) == (1, False)


@pytest.mark.usefixtures("signals")
def test_what_is_loaded_is_not_looked_through_for_garbage(alone: Shell, monkeypatch: pytest.MonkeyPatch):
    """All of it, once it is loaded: the collector stops every thread for as long as it looks."""
    seen: list[str] = []
    bridge = mock.Mock()
    bridge.start.side_effect = lambda: (seen.append("start"), signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(app, "build", lambda *_, **__: (seen.append("build"), bridge)[1])
    monkeypatch.setattr(run.gc, "freeze", lambda: seen.append("freeze"))
    monkeypatch.setattr(run.log, "name_process", lambda _name: None)
    assert alone("serve").code == 0
    assert seen == ["build", "freeze", "start"]


def test_a_database_whose_rights_forbid_it_says_what_to_look_at(alone: Shell, tmp_path: Path):
    """SQLite only says that it is "unable to open"."""
    (tmp_path / "bridge.db").mkdir()
    said = alone("case", "list", DATABASE_URL=f"sqlite:///{tmp_path}/bridge.db")
    assert said.code == 2
    assert "unable to open database file: see who may read and write it, and in its folder" in said.err


def test_restoring_a_file_that_is_not_there_makes_nothing(alone: Shell, tmp_path: Path):
    """No folder for a database that does not come to be."""
    said = alone("restore", str(tmp_path / "missing.db"))
    assert (said.code, said.err) == (2, f"bridge: there is no file {tmp_path}/missing.db\n")
    assert not (tmp_path / "alone").exists()
