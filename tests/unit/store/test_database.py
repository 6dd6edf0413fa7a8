"""The writer's database: schema, commits, and what readers may do."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from embedkit.errors import DamagedError, FormatVersionError, StorageError
from embedkit.store import database
from embedkit.store.layout import Layout


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def schema(connection):
    return database.scalar(connection, "SELECT value FROM meta WHERE key = 'schema'")


def test_a_database_is_migrated_step_by_step_and_once(layout, monkeypatch):
    known = len(database.MIGRATIONS)
    steps = []

    def another(connection):
        steps.append(known + 1)
        connection.execute("ALTER TABLE runs ADD COLUMN host VARCHAR")

    with database.connect_writer(layout) as connection:
        assert schema(connection) == known
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, another))
    for _ in range(2):
        with database.connect_writer(layout) as connection:
            assert schema(connection) == known + 1
            connection.execute("SELECT host FROM runs")
    assert steps == [known + 1]


def test_a_database_of_the_first_schema_is_brought_up_with_its_rows(layout, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
        with database.connect_writer(layout) as connection:
            connection.execute("INSERT INTO batches VALUES (1, now(), 2, 3, 4, 5, 6, 7)")
    with database.connect_writer(layout) as connection:
        assert schema(connection) == len(database.MIGRATIONS)
        assert database.scalar(connection, "SELECT tokens FROM batches") == 5


def test_a_migration_that_fails_leaves_the_version_before(layout, monkeypatch):
    database.connect_writer(layout).close()

    def broken(connection):
        connection.execute("ALTER TABLE runs ADD COLUMN host VARCHAR")
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, broken))
        with pytest.raises(RuntimeError):
            database.connect_writer(layout)
    with database.connect_writer(layout) as connection:
        assert schema(connection) == len(database.MIGRATIONS)
        assert "host" not in [row[0] for row in connection.execute("DESCRIBE runs").fetchall()]


def test_a_newer_schema_is_refused(layout):
    with database.connect_writer(layout) as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")
    with pytest.raises(FormatVersionError, match=r"schema 99.*upgrade"):
        database.connect_writer(layout)


def test_a_commit_is_all_or_nothing_and_counted(layout):
    connection = database.connect_writer(layout)
    with database.commit(connection, layout):
        connection.execute("INSERT INTO columns VALUES ('m0', 'a', 'JSON')")
    with pytest.raises(duckdb.Error), database.commit(connection, layout):
        connection.execute("INSERT INTO columns VALUES ('m1', 'b', 'JSON'); SELECT nowhere")
    assert database.scalar(connection, "SELECT count(*) FROM columns") == 1
    assert database.committed(connection) == database.expected_commits(layout) == 1


@pytest.mark.parametrize("content", [b"", b"1", b"2 00000000\n", b"x y\n", b"1 2 3", b"\xff\xff"])
def test_a_spoiled_count_is_no_count(layout, content):
    assert database.expected_commits(layout) == 0
    layout.commits.write_bytes(content)
    assert database.expected_commits(layout) is None


def test_a_reader_can_neither_write_nor_reach_another_file(layout, tmp_path):
    database.connect_writer(layout).close()
    (tmp_path / "secret.txt").write_text("secret")
    connection = database.connect_reader(layout.work)
    for statement in (
        "INSERT INTO columns VALUES ('m0', 'a', 'JSON')",
        "DROP TABLE records",
        f"SELECT * FROM read_text('{tmp_path / 'secret.txt'}')",
        f"COPY records TO '{tmp_path / 'out.csv'}'",
        f"ATTACH '{tmp_path / 'other.duckdb'}'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
    assert not (tmp_path / "other.duckdb").exists()


def test_a_path_with_a_quote_in_it(tmp_path):
    layout = Layout(tmp_path / "it's")
    layout.root.mkdir()
    database.connect_writer(layout).close()
    connection = database.connect_reader(layout.work)
    assert database.scalar(connection, "SELECT count(*) FROM records") == 0


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"x"])
def test_what_is_no_database_is_damage(layout, content):
    layout.work.write_bytes(content)
    for connect in (database.connect_writer, lambda layout: database.connect_reader(layout.work)):
        with pytest.raises(DamagedError, match=r"cannot be read .*--repair"):
            connect(layout)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (duckdb.IOException("No space left on device"), "the disk is full; free some space"),
        (duckdb.IOException("Permission denied"), "permission denied; choose another folder"),
        (duckdb.OutOfMemoryException("x"), "not enough memory"),
        (duckdb.IOException("Could not set lock on file"), "is open in another program"),
        (duckdb.Error("Corrupt database file: x"), "cannot be read"),
    ],
)
def test_errors_about_files_are_told_in_our_words(tmp_path, error, said):
    with pytest.raises(StorageError, match=said), database.database_errors(tmp_path / "x.duckdb"):
        raise error


def test_errors_about_anything_else_pass(tmp_path):
    with pytest.raises(duckdb.ConversionException), database.translated(tmp_path):
        raise duckdb.ConversionException("x")
    with pytest.raises(ConnectionError), database.database_errors(tmp_path):
        raise ConnectionError("a model's own")


def test_asking_for_the_commits_leaves_the_connection_free(layout):
    connection = database.connect_writer(layout)
    assert database.committed(connection) == 0
    # With a result unfinished, DuckDB takes no table.
    connection.register("ours", pa.table({"a": [1]}))
    assert database.scalar(connection, "SELECT a FROM ours") == 1
