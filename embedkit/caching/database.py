"""The file of the cache: SQLite, shared by threads and processes, never a reason to fail.

What goes wrong with it costs the cache, not the work: a file that is damaged is set aside and begun
anew, one that cannot be used is left alone for a minute. Each kind of trouble is said once.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from embedkit.errors import StorageError

T = TypeVar("T")
Use = Literal["read", "write", "change"]
"""Only writing makes a file where there is none."""

PAGE = 2**16
"""Bytes of a page. Large, because what a row costs is the number of pages that are written."""
VERSION = 1
BUSY_SECONDS = 5.0
"""How long to wait for another process that writes."""
PAUSE_SECONDS = 60.0
"""How long to do without the cache after it failed."""
_LOG_PAGES = 128
"""Pages in the write-ahead log after which they go into the file."""
_APPLICATION = 0x456D6B43
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""Also a plain error: our statements are right, so the tables are not ours."""
_TROUBLE = (sqlite3.Error, OSError, UnicodeDecodeError)
"""The last is what Python makes of an error that quotes a damaged name."""
_SCHEMA = (
    "CREATE TABLE spaces (id INTEGER PRIMARY KEY AUTOINCREMENT, model_id TEXT, input_type TEXT, "
    "precision TEXT, dim INTEGER, UNIQUE (model_id, input_type, precision, dim))",
    # Numbers are never given twice, so that a process knows by them which blocks it has seen.
    "CREATE TABLE blocks (id INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER, used INTEGER, "
    "contents BLOB, sums BLOB)",
    "CREATE INDEX blocks_of_space ON blocks (space)",
    # Apart from the blocks, so that keys are read without the vectors.
    "CREATE TABLE vectors (block INTEGER PRIMARY KEY, rows BLOB)",
    # Nor are those of spaces, not even in another file that takes the place of this one.
    "INSERT INTO sqlite_sequence VALUES ('spaces', abs(random()) >> 12)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

_log = logging.getLogger("embedkit")


class _ForeignError(sqlite3.DatabaseError):
    """A database that somebody else made."""


class _Handle:
    """A connection of one thread, closed when that thread or the cache goes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.process = os.getpid()

    def __del__(self) -> None:
        # A process that was forked off must not close what belongs to its parent.
        if self.process == os.getpid():
            self.connection.close()
        else:
            _inherited.append(self.connection)


_inherited: list[sqlite3.Connection] = []


class Database:
    """Opens the file for each thread that needs it, and takes what happens to it.

    Parameters
    ----------
    path : Path
        Neither it nor its folder need exist; the first write makes both.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._handles: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._paused: dict[Use, float] = {}
        self._said: set[str] = set()

    @property
    def damaged(self) -> Path:
        """Where a file that is damaged is put aside."""
        return self.path.with_name(f"{self.path.name}.damaged")

    def size(self) -> int:
        """Return the bytes of the file and of its log, as far as they can be seen."""
        total = 0
        for path in (self.path, self._beside("-wal")):
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def attempt(self, use: Use, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        """Do some work with the file; return the default where that cannot be."""
        if time.monotonic() < self._paused.get(use, 0.0):
            return default
        try:
            return self._perform(use, work, default)
        except sqlite3.ProgrammingError:
            return default  # another thread has closed it, to set it aside
        except _TROUBLE as error:
            if not self._set_aside(error):
                self._paused[use] = time.monotonic() + PAUSE_SECONDS
                self._say(
                    f"the vector cache {self.path} cannot be used ({error}): going on without it"
                )
            return default

    def insist(self, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        """Do some work that was asked for; the default is for a file that is not there.

        Raises
        ------
        StorageError
            It cannot be done.
        """
        try:
            return self._perform("change", work, default)
        except _TROUBLE as error:
            if self._set_aside(error):
                return default
            raise StorageError(
                f"cannot change the vector cache {self.path}: {error}",
                do="try again when no other process uses it, or delete the file",
            ) from error

    def close(self) -> None:
        """Close the connections of all threads; the next use opens them again."""
        for handle in list(self._handles):
            handle.connection.close()
        self._handles.clear()
        self._local = threading.local()

    def _perform(self, use: Use, work: Callable[[sqlite3.Connection], T], default: T) -> T:
        if use != "write" and not self.path.exists():
            return default
        return work(self._connection())

    def _connection(self) -> sqlite3.Connection:
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None or handle.process != os.getpid():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._local.file = _number(self.path)
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            handle = self._local.handle = _Handle(connection)
            self._local.file = _number(self.path)
            self._handles.add(handle)
        return handle.connection

    def _set_aside(self, error: Exception) -> bool:
        """Begin anew where the file is damaged; return whether it is."""
        if not _is_damage(error):
            return False
        with self._lock, suppress(OSError):
            known = getattr(self._local, "file", None)
            # SQLite removes a log by its name: nobody here may still hold the old one open.
            self.close()
            # Another thread or process may have been quicker.
            if _number(self.path) == known:
                self.path.replace(self.damaged)
                self._beside("-shm").unlink(missing_ok=True)
                self._beside("-wal").unlink(missing_ok=True)
                self._say(
                    f"the vector cache {self.path} is damaged ({error}): it is now "
                    f"{self.damaged.name}, and a new one is begun"
                )
        return True

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            _log.warning("%s", message)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or none of it; what is committed survives the process."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself where the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def pages(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the bytes of the file, and those of them in use."""
    count = int(connection.execute("PRAGMA page_count").fetchone()[0])
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    return count * PAGE, (count - free) * PAGE


def shrink(connection: sqlite3.Connection) -> None:
    """Give back to the disk what is no longer in use, if nobody else is reading or writing."""
    with suppress(sqlite3.OperationalError):
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _prepare(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.execute(f"PRAGMA page_size = {PAGE}")
    _to_wal(connection)
    for setting in (
        "synchronous = NORMAL",
        "cache_size = -16384",
        f"wal_autocheckpoint = {_LOG_PAGES}",
        f"journal_size_limit = {_LOG_PAGES * PAGE}",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    if _version(connection) == 0:
        with transaction(connection):
            if _version(connection) == 0:  # another process may have been quicker
                for statement in _SCHEMA:
                    connection.execute(statement)


def _to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once; SQLite does not wait here when two processes begin."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of the schema; 0 for an empty file."""
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")  # or another process may begin the file between the questions
    version, application, tables = (
        int(connection.execute(question).fetchone()[0])
        for question in (
            "PRAGMA user_version",
            "PRAGMA application_id",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if alone:
        connection.execute("COMMIT")
    if application == _APPLICATION and version != VERSION:
        raise sqlite3.NotSupportedError("another version of embedkit wrote it")
    if application != _APPLICATION and (version or tables):
        raise _ForeignError("it is not a vector cache")
    return version


def _number(path: Path) -> int | None:
    """Return what tells a file from another one of the same name; None where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _is_damage(error: Exception) -> bool:
    if isinstance(error, (_ForeignError, UnicodeDecodeError)):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED
