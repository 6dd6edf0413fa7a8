"""DuckDB: connections for the writer and for readers, the schema, errors in our words."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from embedkit.errors import (
    CollectionLockedError,
    DamagedError,
    EmbedkitError,
    FormatVersionError,
    StorageError,
)
from embedkit.integrity import storage_error
from embedkit.store.layout import Layout

Connection = duckdb.DuckDBPyConnection

_Config = dict[str, str | bool | int | float | list[str]]
_QUIET: _Config = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_WRITER: _Config = _QUIET | {
    # A quarter of the default: a small collection then takes a quarter of the disk, and a large
    # one is as quick.
    "default_block_size": "65536",
    # A checkpoint writes parts of the table again; in a long run a publication makes one anyway.
    "wal_autocheckpoint": "256MB",
}
READER_MEMORY = "1GB"
"""What a query of a reader may take, whatever its filter asks for."""
WRITER_MEMORY = "2GB"
"""What DuckDB may hold in memory before it spills into the collection's folder."""


def connect_reader(path: Path) -> Connection:
    """Open a published database: read-only, with no way to any other file.

    It is attached to a database in memory because DuckDB gives a process that opens the same path
    twice the same database, though another file may have taken its place meanwhile.
    """
    with translated(path):
        connection = duckdb.connect(":memory:", config=_QUIET)
        try:
            connection.execute(f"ATTACH {quote_text(str(path))} AS published (READ_ONLY)")
            connection.execute("USE published")
            _hide_bar(connection)
            connection.execute(f"SET memory_limit = '{READER_MEMORY}'")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        except BaseException:
            connection.close()
            raise
        return connection


def connect_planner(layout: Layout, published: Path | None) -> Connection:
    """Open a database in memory with a view of the published records, to plan without writing."""
    with translated(layout.root):
        connection = duckdb.connect(":memory:", config=_QUIET)
        _bound_memory(connection, Path(tempfile.gettempdir()) / f"embedkit-{os.getpid()}")
        if published is None:
            migrate(connection)
        else:
            connection.execute(f"ATTACH {quote_text(str(published))} AS published (READ_ONLY)")
            connection.execute("USE published")
        return connection


def connect_writer(layout: Layout) -> Connection:
    """Open the writer's own database, made or migrated as needed. The lock must be held."""
    with translated(layout.work):
        connection = duckdb.connect(layout.work, config=_WRITER)
        try:
            _bound_memory(connection, layout.temporary)
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def connect_host(layout: Layout) -> Connection:
    """Open a database in memory to which ``attach_work`` attaches the writer's own."""
    host = duckdb.connect(":memory:", config=_WRITER)
    _bound_memory(host, layout.temporary)
    # A checkpoint writes parts of the tables again; a snapshot makes one, and so does a long log.
    host.execute("PRAGMA disable_checkpoint_on_shutdown")
    return host


def attach_work(host: Connection, layout: Layout) -> Connection:
    """Open the writer's own database, made or migrated as needed. The lock must be held."""
    connection = host.cursor()
    try:
        connection.execute(f"ATTACH {quote_text(str(layout.work))} AS work")
        connection.execute("USE work")
        migrate(connection)
    except BaseException:
        detach_work(connection)
        raise
    return connection


def detach_work(connection: Connection) -> None:
    """Close what ``attach_work`` opened: file and lock are let go of."""
    connection.execute("USE memory")
    connection.execute("DETACH DATABASE IF EXISTS work")
    connection.close()


def _hide_bar(connection: Connection) -> None:
    """Keep DuckDB from drawing a bar on stdout, amid our data, where it thinks a person looks."""
    # In Jupyter without ipywidgets it cannot draw one, and refuses even to be told not to.
    with contextlib.suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def _bound_memory(connection: Connection, temporary: Path) -> None:
    _hide_bar(connection)
    connection.execute(f"SET memory_limit = '{WRITER_MEMORY}'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = {quote_text(str(temporary))}")


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of DuckDB and of the operating system about files into ours."""
    try:
        with database_errors(path):
            yield
    except EmbedkitError:
        raise
    except OSError as error:
        raise storage_error(error, path) from error


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn DuckDB's errors about files into ours; those of a source or a model pass."""
    try:
        yield
    except Exception as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        if not isinstance(error, duckdb.Error):
            raise
        ours = _translate(error, path)
        if ours is error:
            raise
        raise ours from error


def is_interrupt(error: BaseException) -> bool:
    """Whether an error is Ctrl-C: DuckDB makes a RuntimeError of one that meets a query."""
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    )


def _translate(error: duckdb.Error, path: Path) -> Exception:
    text = str(error)
    if "No space left" in text or "File too large" in text or "disk quota" in text.lower():
        return StorageError(
            f"cannot write {path}: the disk is full",
            do="free some space and run the same command again: it goes on where it stopped",
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return StorageError(
            f"cannot write {path}: permission denied",
            do="choose another folder with --home or mend its permissions",
        )
    if "Could not set lock" in text:
        return CollectionLockedError(
            f"{path} is open in another program", do="close that program and try again"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageError(
            f"not enough memory or temporary space for {path}", do="free some space and try again"
        )
    damaged = (
        duckdb.IOException,
        duckdb.SerializationException,
        duckdb.InternalException,
        duckdb.FatalException,
        duckdb.CatalogException,
    )
    if isinstance(error, damaged) or "Corrupt database file" in text:
        name = path.parent.name if path.suffix else path.name
        first_line = text.splitlines()[0][:200]
        return DamagedError(
            f"{path} cannot be read ({first_line})", do=f"run: embedkit doctor {name} --repair"
        )
    return error


# -- schema -------------------------------------------------------------------------------------


def _first(connection: Connection) -> None:
    for statement in (
        "CREATE TABLE records (seq BIGINT, id VARCHAR, text VARCHAR, row BIGINT, source INTEGER)",
        "CREATE TABLE columns (physical VARCHAR, name VARCHAR, type VARCHAR)",
        "CREATE TABLE sources (source INTEGER, name VARCHAR, text_columns VARCHAR[],"
        " id_column VARCHAR)",
        "CREATE TABLE runs (run BIGINT, started TIMESTAMP, finished TIMESTAMP, status VARCHAR,"
        " source VARCHAR, counts JSON, notes VARCHAR[])",
        "CREATE TABLE failures (run BIGINT, line BIGINT, reason VARCHAR, excerpt VARCHAR,"
        " id VARCHAR)",
        "CREATE TABLE batches (run BIGINT, committed TIMESTAMP, texts BIGINT, first_row BIGINT,"
        " vector_rows BIGINT, tokens BIGINT, truncated BIGINT, tokens_cut BIGINT)",
        "CREATE TABLE meta (key VARCHAR, value BIGINT)",
        "INSERT INTO meta VALUES ('schema', 0), ('commits', 0)",
    ):
        connection.execute(statement)


def _second(connection: Connection) -> None:
    for statement in (
        # What the service billed for a batch, and how many of its texts came from the cache.
        "ALTER TABLE batches ADD COLUMN billed_tokens BIGINT",
        "ALTER TABLE batches ADD COLUMN cached BIGINT",
        # Texts that a model refused for good, by the key of their content.
        "CREATE TABLE refused (model_id VARCHAR, content BLOB, reason VARCHAR, run BIGINT)",
    ):
        connection.execute(statement)


def _third(connection: Connection) -> None:
    for statement in (
        # What other models made of the texts; ``retired`` is when the records used it last.
        "CREATE TABLE vector_sets (number INTEGER, spec VARCHAR, model_id VARCHAR, dim INTEGER,"
        " precision VARCHAR, rows BIGINT, retired TIMESTAMP)",
        # Which set of vectors the rows of the records are in.
        "INSERT INTO meta VALUES ('vector_set', 0)",
    ):
        connection.execute(statement)


def _fourth(connection: Connection) -> None:
    # The passages of the records that have more than one: stretches of the text in characters, and
    # the vector row of each. The record's own row is that of its first passage.
    connection.execute(
        "CREATE TABLE passages (seq BIGINT, part INTEGER, start BIGINT, stop BIGINT, row BIGINT)"
    )


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _second, _third, _fourth)
"""The n-th function takes a database from version n to n + 1, in one transaction."""


def migrate(connection: Connection) -> None:
    """Bring a database to the present schema.

    Raises
    ------
    FormatVersionError
        A newer embedkit wrote it.
    """
    try:
        version = _meta(connection, "schema")
    except duckdb.CatalogException:
        version = 0  # there are no tables yet
    if version > len(MIGRATIONS):
        raise FormatVersionError(
            f"the records have schema {version}, this embedkit knows up to {len(MIGRATIONS)}",
            do="upgrade embedkit: pip install -U embedkit",
        )
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        with transaction(connection):
            step(connection)
            connection.execute("UPDATE meta SET value = ? WHERE key = 'schema'", [number])
    if 0 < version < len(MIGRATIONS):
        # So that it differs from what was published, which has the schema of before.
        connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'commits'")


def _meta(connection: Connection, key: str) -> int:
    # Fetched whole: with a result unfinished, the connection takes no table of ours.
    return int(scalar(connection, "SELECT value FROM meta WHERE key = ?", [key]) or 0)


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit what the block did, or nothing of it."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


# -- commits ------------------------------------------------------------------------------------


@contextlib.contextmanager
def commit(
    connection: Connection, layout: Layout, counted: Callable[[int], None] | None = None
) -> Iterator[None]:
    """Commit a transaction and count it, in the database and in a file beside it.

    The count beside the database is how a loss is noticed: DuckDB opens a file whose write-ahead
    log was cut with fewer rows and no word.

    Parameters
    ----------
    counted : callable, optional
        Is told the count.
    """
    with transaction(connection):
        yield
        query = "UPDATE meta SET value = value + 1 WHERE key = 'commits' RETURNING value"
        count = int(scalar(connection, query))
    write_commits(layout, count)
    if counted is not None:
        counted(count)


def write_commits(layout: Layout, commits: int) -> None:
    """Write the count beside the database: a lower bound, which need not be durable."""
    count = b"%020d" % commits
    data = b"%s %08x\n" % (count, zlib.crc32(count))
    with contextlib.suppress(OSError):
        # One write of one length over the old one: a process killed here leaves either whole.
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        descriptor = os.open(layout.commits, flags, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)


def committed(connection: Connection) -> int:
    """Return how many transactions the database has committed."""
    return _meta(connection, "commits")


def expected_commits(layout: Layout) -> int | None:
    """Return how many transactions the database must at least hold; None where that is damaged."""
    try:
        count, checksum = layout.commits.read_bytes().split()
        return int(count) if int(checksum, 16) == zlib.crc32(count) else None
    except FileNotFoundError:
        return 0
    except (OSError, ValueError):
        return None


def scalar(connection: Connection, query: str, parameters: list[Any] | None = None) -> Any:
    """Return the one value that a query yields."""
    # All of it is fetched, since an unfinished result keeps the connection busy.
    rows = connection.execute(query, parameters or []).fetchall()
    return rows[0][0] if rows else None


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Quote a string."""
    return "'" + text.replace("'", "''") + "'"


def remove_database(path: Path) -> None:
    """Delete a database and its write-ahead log."""
    for file in (path, path.with_name(path.name + ".wal")):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
