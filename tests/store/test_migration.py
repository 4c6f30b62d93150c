"""The tables are made by migrations, and are what the models say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, select, text

from bridge.errors import StoreBusyError, StoreError
from bridge.store import embedded
from bridge.store.database import Database, migrations_config
from bridge.store.ids import new_id
from bridge.store.tables import CLOSED_EVER, FOUND, PUT_OFF, REFUSED_OUTSIDE, Base, Case, Message
from tests.store.conftest import NOON, make_case


def test_migrating_from_nothing_makes_every_table(open_database):
    """An empty file, in a folder that is not there yet, becomes a whole database."""
    database: Database = open_database()
    assert database.revision() is None

    head = database.migrate()

    assert head == database.revision()
    with database.read() as tx:
        for table in Base.metadata.sorted_tables:
            assert tx.execute(table.select()).all() == []
    database.require_current()


def test_the_folder_of_the_database_is_made(tmp_path: Path):
    """Nobody has to create BRIDGE_DATA first."""
    database = Database(f"sqlite:///{tmp_path}/not/there/yet/bridge.db")
    database.migrate()
    database.close()
    assert (tmp_path / "not/there/yet/bridge.db").is_file()


def test_migrating_twice_changes_nothing(database: Database, file: Path):
    """Every `bridge serve` migrates: the second time is a no-op."""
    before = schema(file)
    assert database.migrate() == database.revision()
    assert schema(file) == before


def schema(file: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    finally:
        connection.close()


def test_migrations_and_models_say_the_same(database: Database):
    """A column that is only in the models, or only in a migration, is found here and not in the field."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_the_partial_indexes_of_the_models_are_in_the_database(database: Database, file: Path):
    """Alembic's comparison does not look at a partial index's condition; this does."""
    made = dict(schema(file))
    assert made["uq_cases_open"].startswith("CREATE UNIQUE INDEX")
    assert made["uq_cases_open"].endswith("WHERE state != 'closed'")
    assert made["ix_intents_refused"].endswith(f"WHERE {REFUSED_OUTSIDE}")
    assert made["ix_deliveries_put_off"].endswith(f"WHERE {PUT_OFF}")
    assert made["ix_cases_lately"].endswith(f"WHERE {CLOSED_EVER}")
    assert made["ix_events_found"].endswith(f"WHERE {FOUND}")


def test_a_database_newer_than_the_code_is_refused_and_left_alone(database: Database, file: Path):
    """After a downgrade: a sentence that says what to do, and not one table touched."""
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = schema(file)

    for attempt in (database.revision, database.migrate, database.require_current):
        with pytest.raises(StoreError, match=r"revision 9999.*install the newer version.*restore a backup"):
            attempt()
    assert schema(file) == before


def test_a_database_that_is_not_migrated_is_refused_with_the_command(open_database):
    """`bridge web` and the commands never migrate by themselves."""
    with pytest.raises(StoreError, match="run `bridge migrate` first"):
        open_database().require_current()


def test_a_file_that_is_no_database_is_refused_with_a_sentence(file: Path, open_database):
    """DATABASE_URL names something else: no traceback of the driver, and the file stays as it is."""
    file.write_text("This is a shopping list, not a database.\n" * 40)
    for attempt in (Database.require_current, Database.migrate):
        with pytest.raises(StoreError, match="bridge\\.db"):
            attempt(open_database())
    assert file.read_text().startswith("This is a shopping list")


def test_migrating_while_another_process_writes_says_that_it_is_busy(database: Database, file: Path):
    """Not the driver's own exception: the caller can say it in a sentence."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreBusyError, match="locked"):
            database.migrate()
    finally:
        other.close()


@pytest.fixture
def empty(store_url: str) -> Iterator[Database]:
    """An empty database of either kind."""
    database = Database(store_url)
    yield database
    database.close()


def upgrade(database: Database, revision: str) -> None:
    if database.embedded:
        embedded.make_folder(database.file)
    config = migrations_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_every_released_state_comes_forward_with_what_is_in_it(empty: Database, revision: str):
    """A case and its post, written by that version, are there after the migration."""
    upgrade(empty, revision)
    with empty.engine.begin() as connection:
        old = MetaData()
        old.reflect(connection)
        case, message = rows_of_0001()
        connection.execute(old.tables["cases"].insert(), case)
        connection.execute(old.tables["messages"].insert(), message)

    assert empty.migrate() == empty.head()

    with empty.write() as tx:
        [post] = tx.scalars(select(Message))
        assert (post.text, post.erased_at) == ("It logs me out", None)
        assert (post.kind, post.followers, post.severity, post.sentiment) == (None,) * 4
        assert tx.get_one(Case, post.case_id).queue == "support-technical"
        post.permalink = post.global_id = "https://social.example/" + "x" * 900  # longer than 0001 took
    with empty.engine.connect() as connection:
        assert differences(connection) == []


def test_migrations_and_models_say_the_same_on_either_kind(empty: Database):
    """From nothing, too."""
    empty.migrate()
    with empty.engine.connect() as connection:
        assert differences(connection) == []


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def test_a_newer_database_is_refused_on_either_kind(empty: Database):
    """After a downgrade of the program: a sentence, and no table touched."""
    empty.migrate()
    with empty.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (empty.migrate, empty.require_current):
        with pytest.raises(StoreError, match=r"revision 9999.*install the newer version.*restore a backup"):
            attempt()


def test_two_that_migrate_at_once_do_not_get_in_each_others_way(store_url: str):
    """Two processes of a deployment start together."""
    databases = [Database(store_url, busy_timeout_s=10) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        heads = {done.result() for done in [pool.submit(one.migrate) for one in databases]}
    assert heads == {databases[0].head()}
    for one in databases:
        one.close()


def rows_of_0001() -> tuple[dict[str, object], dict[str, object]]:
    """A case and its message, as version 0.1.0 wrote them."""
    case: dict[str, object] = {
        column: getattr(made := make_case(id=new_id()), column)
        for column in ("installation", "network", "account", "brand", "thread_root", "author_id", "queue")
    }
    case |= {
        column: getattr(made, column) for column in ("id", "route_place", "reason", "language", "closing")
    }
    case |= {"mapping_version": "one", "state": "open", "tags": [], "language_reason": "", "ticket_tags": []}
    case |= {"with_ticket": True, "light": True, "light_reason": "", "failures": 0}
    case |= {"posted_at": NOON, "received_at": NOON, "opened_at": NOON}
    message: dict[str, object] = {"id": new_id(), "installation": "bridge", "network": "standard"}
    message |= {
        "global_id": "post-1",
        "attachments": [],
        "own": False,
        "received_at": NOON,
        "posted_at": NOON,
    }
    message |= {"text": "It logs me out", "case_id": case["id"]}
    return case, message
