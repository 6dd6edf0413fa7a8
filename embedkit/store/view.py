"""What a reader sees: one published generation, immutable, checked when it is opened."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from embedkit.errors import DamagedError, MissingDependencyError, StorageError
from embedkit.indexes.rows import RowIndex
from embedkit.store.columns import Column, decode, read_columns
from embedkit.store.database import (
    Connection,
    connect_reader,
    reader_cursor,
    translated,
)
from embedkit.store.filters import Filter, Matches
from embedkit.store.layout import Layout
from embedkit.store.manifest import Manifest
from embedkit.store.published import live_rows, open_index, open_vectors
from embedkit.store.vectors import VectorFile
from embedkit.types import Record
from embedkit.validate import is_unicode

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask

_log = logging.getLogger("embedkit")
_ITERATED = 10_000


class View:
    """One generation of a collection. Several threads may read it at once.

    Raises
    ------
    DamagedError
        A file is not what was published.
    FileNotFoundError
        The generation was replaced and deleted meanwhile; open the next one.
    """

    def __init__(self, layout: Layout, manifest: Manifest, previous: View | None = None) -> None:
        self.layout = layout
        self.manifest = manifest
        if previous is not None and "_index" not in previous.__dict__:
            # Nobody searched it, so it has no index to hand on; it must not keep the ones before.
            previous = previous._previous
        self._previous: View | None = previous
        path = layout.records(manifest.generation)
        if not path.exists():
            raise ReplacedError(path)
        manifest.database.check(path, do=self._repair)
        self._connection = connect_reader(path)
        self._local = threading.local()
        self._lock = threading.Lock()
        try:
            with translated(path):
                self.columns: list[Column] = read_columns(self._connection)
        except BaseException:
            self._connection.close()
            raise

    @property
    def _repair(self) -> str:
        return f"run: embedkit doctor {self.layout.root.name} --repair"

    @property
    def cursor(self) -> Connection:
        """A connection for this thread."""
        cursor: Connection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = reader_cursor(self._connection)
        return cursor

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with translated(self.layout.records(self.manifest.generation)):
            return self.cursor.execute(sql, list(parameters)).fetchall()

    # -- vectors --------------------------------------------------------------------------------

    @functools.cached_property
    def vectors(self) -> VectorFile:
        """The vectors, checked: small files whole, large ones in samples."""
        try:
            file = open_vectors(self.layout, self.manifest.vectors)
        except DamagedError as error:
            if _generation(self.layout.manifest) != self.manifest.generation:
                # Perhaps it went with the model that it was of.
                raise ReplacedError(self.layout.root / "vectors") from error
            raise
        file.check()
        return file

    @functools.cached_property
    def live(self) -> Mask:
        """Which vector rows some record uses."""
        return live_rows(self.cursor, self.manifest.vector_rows)

    @property
    def index(self) -> RowIndex:
        """The index; where its files are damaged, exact search over all vectors."""
        with self._lock:
            return self._index

    @functools.cached_property
    def _index(self) -> RowIndex:
        entry, metric = self.manifest.index, self.manifest.metric
        matrix = self.vectors.matrix
        previous, self._previous = self._previous, None
        if previous is not None and entry is not None and previous.manifest.index == entry:
            loaded: RowIndex | None = previous.__dict__.get("_index")
            if loaded is not None:
                return loaded.refreshed(matrix, self.live)
        if entry is not None:
            try:
                return open_index(self.layout, entry, matrix, metric, self.live)
            except (StorageError, MissingDependencyError) as error:
                if _generation(self.layout.manifest) != self.manifest.generation:
                    raise ReplacedError(self.layout.root / entry.folder) from error
                _log.warning("%s", error)
        return RowIndex.build(matrix, metric=metric, spec="flat", live=self.live)

    # -- records --------------------------------------------------------------------------------

    @functools.cached_property
    def _listed(self) -> str:
        return ", ".join(["seq", "row", "id", "text", *(c.physical for c in self.columns)])

    def _record(self, row: Sequence[Any]) -> Record:
        metadata = {
            column.name: decode(value, column.type)
            for column, value in zip(self.columns, row[4:], strict=True)
        }
        return Record(row[2], row[3], metadata)

    def get(self, id: str) -> tuple[int, Record] | None:
        """Return a record and the row of its vector, or None."""
        if not is_unicode(id):
            return None
        rows = self.query(f"SELECT {self._listed} FROM records WHERE id = ?", [id])
        return (int(rows[0][1]), self._record(rows[0])) if rows else None

    def by_row(
        self, rows: Sequence[int], limit: int, where: str | None = None
    ) -> list[tuple[int, int, Record]]:
        """Return (seq, row, record) of the records that have one of these vectors.

        Parameters
        ----------
        limit : int
            How many to return of each vector at most, the first of them.
        where : str or None
            Only of those that the condition lets through; it was checked before.
        """
        allowed = f" AND seq IN ({self._filter.select(where)})" if where is not None else ""
        found = self.query(
            f"SELECT {self._listed} FROM records"
            f" WHERE row IN (SELECT unnest(?::BIGINT[])){allowed}"
            " QUALIFY row_number() OVER (PARTITION BY row ORDER BY seq) <= ? ORDER BY seq",
            [list(rows), limit],
        )
        return [(row[0], row[1], self._record(row)) for row in found]

    def sample(self, n: int, seed: str, where: str | None = None) -> list[Record]:
        """Return the n records whose ids have the smallest digests, for a seed.

        Raises
        ------
        FilterError
        """
        allowed = ""
        if where is not None:
            self.filter(where)
            allowed = f" WHERE seq IN ({self._filter.select(where)})"
        found = self.query(
            f"SELECT {self._listed} FROM records{allowed}"
            " ORDER BY md5(? || ' ' || id), seq LIMIT ?",
            [seed, n],
        )
        return [self._record(row) for row in found]

    def __iter__(self) -> Iterator[Record]:
        cursor = reader_cursor(self._connection)
        with translated(self.layout.records(self.manifest.generation)):
            cursor.execute(f"SELECT {self._listed} FROM records ORDER BY seq")
            while rows := cursor.fetchmany(_ITERATED):
                yield from map(self._record, rows)

    def filter(self, where: str) -> Matches:
        """Return what a condition matches.

        Raises
        ------
        FilterError
        """
        return self._filter.run(self.cursor, where)

    @functools.cached_property
    def _filter(self) -> Filter:
        aliases: list[tuple[str, str]] = []
        for texts, id_column in self.query("SELECT text_columns, id_column FROM sources"):
            aliases += [(texts[0], "text")] if len(texts or ()) == 1 else []
            aliases += [(id_column, "id")] if id_column else []
        return Filter(self.columns, aliases)

    def mask(self, rows: Keys) -> Mask:
        """Return row numbers as flags over all vector rows."""
        mask = np.zeros(self.manifest.vector_rows, np.bool_)
        mask[rows] = True
        return mask


class ReplacedError(FileNotFoundError):
    """The generation is gone: a newer one took its place."""


def open_view(layout: Layout, previous: View | None = None, attempts: int = 20) -> View | None:
    """Open the published generation, the next one if it is replaced meanwhile.

    Returns
    -------
    View or None
        None where nothing was ever published.
    """
    for attempt in range(attempts):
        try:
            manifest = Manifest.read(layout.manifest)
        except FileNotFoundError:
            return None
        try:
            return View(layout, manifest, previous)
        except (ReplacedError, duckdb.Error, DamagedError) as error:
            newer = _generation(layout.manifest) != manifest.generation
            if newer and attempt + 1 < attempts:
                continue
            if isinstance(error, ReplacedError):
                raise DamagedError(
                    f"{error} is missing", do=f"run: embedkit doctor {layout.root.name} --repair"
                ) from error
            raise
    return None


def _generation(path: Path) -> int:
    try:
        return Manifest.read(path).generation
    except (OSError, DamagedError):
        return -1
