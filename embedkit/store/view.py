"""What a reader sees: one published generation, immutable, checked when it is opened."""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from embedkit.errors import DamagedError, EmbedkitError, MissingDependencyError, StorageError
from embedkit.indexes.rows import RowIndex
from embedkit.store.columns import Column, read_columns
from embedkit.store.database import Connection, translated
from embedkit.store.deltas import Frame
from embedkit.store.filters import Filter, Matches
from embedkit.store.layout import Layout
from embedkit.store.manifest import IndexEntry, Manifest
from embedkit.store.passages import Passages, rows_of_records
from embedkit.store.published import Opened, open_index, open_vectors
from embedkit.store.records import Records
from embedkit.store.snapshot import Snapshot
from embedkit.store.vectors import VectorFile
from embedkit.types import Record
from embedkit.validate import is_unicode, normalize

if TYPE_CHECKING:
    from embedkit.lexical.index import LexicalIndex
    from embedkit.store.lexical import HeldLexical
    from embedkit.types import Keys, Mask, Vectors

_log = logging.getLogger("embedkit")
_ITERATED = 10_000
_MATCHES = 2**20
"""Records that the conditions kept in memory may match together: 16 MiB."""


class View:
    """One generation of a collection. Several threads may read it at once.

    Raises
    ------
    DamagedError
        A file is not what was published.
    FileNotFoundError
        The generation was replaced and deleted meanwhile; open the next one.
    """

    def __init__(
        self,
        layout: Layout,
        manifest: Manifest,
        previous: View | None = None,
        opened: Opened | None = None,
    ) -> None:
        self.layout = layout
        self.manifest = manifest
        self._words: HeldLexical | None = None
        if previous is not None:
            self._words = previous.__dict__.get("_lexical") or previous._words
        self._opened = opened if opened is not None else Opened()
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._filtering = threading.Lock()
        self._matches: OrderedDict[str, Matches] = OrderedDict()
        self._checked: VectorFile | None = None
        self._snapshot: Snapshot
        following = previous is not None and previous._snapshot.serves(manifest)
        if previous is not None and following:
            self._snapshot = previous._snapshot
        else:
            path = layout.records(manifest.snapshot)
            if not path.exists():
                raise ReplacedError(path)
            self._snapshot = Snapshot(layout, manifest, do=self._repair)
        frames = self._snapshot.advance(manifest)
        self._cursors = _Cursors(self._snapshot, manifest)
        if previous is not None and following:
            self._take_over(previous, frames)

    def _take_over(self, previous: View, frames: Sequence[Frame]) -> None:
        """Keep what the last view knew, as far as what changed since leaves it true."""
        known = previous.__dict__
        self._checked = known.get("vectors") or previous._checked
        if previous.manifest.generation + len(frames) != self.manifest.generation:
            return  # others took in some of the frames
        if "columns" in known:
            self.columns = known["columns"]
        if "_filter" in known and not any(frame.keys["source"] for frame in frames):
            self._filter = known["_filter"]
        if "_records" in known:
            self._records = known["_records"].after(frames, self._cursors)

    @functools.cached_property
    def columns(self) -> list[Column]:
        """The metadata columns."""
        with translated(self.layout.records(self.manifest.snapshot)):
            return read_columns(self.cursor)

    @property
    def whole(self) -> bool:
        """Whether its tables can be relied upon; otherwise it is to be opened anew."""
        return self._snapshot.whole

    @property
    def _repair(self) -> str:
        return f"run: embedkit doctor {self.layout.root.name} --repair"

    @property
    def cursor(self) -> Connection:
        """A connection for this thread."""
        return self._cursors()

    @property
    def ledger(self) -> Connection:
        """A new connection, for which the tables of the ledger are those of this generation too."""
        return self._snapshot.cursor(self.manifest, ledger=True)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with translated(self.layout.records(self.manifest.snapshot)):
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
        checked, self._checked = self._checked, None
        same = checked is not None and checked.paths == file.paths and checked.rows <= file.rows
        # Rows that were there do not change, so that only the ones that came are looked at.
        file.check(first=checked.rows if checked is not None and same else 0)
        return file

    @functools.cached_property
    def live(self) -> Mask:
        """Which vector rows some record uses."""
        with translated(self.layout.records(self.manifest.snapshot)):
            return self._records.live(self.manifest.vector_rows)

    @property
    def index(self) -> RowIndex:
        """The index; where its files are damaged, exact search over all vectors."""
        with self._lock:
            return self._index

    @functools.cached_property
    def _index(self) -> RowIndex:
        entry, metric = self.manifest.index, self.manifest.metric
        matrix = self.vectors.matrix
        if entry is not None:
            layout, live = self.layout, self.live
            failed = functools.partial(_index_failed, layout, entry)
            try:
                return open_index(layout, entry, matrix, metric, live, failed, self._opened)
            except (StorageError, MissingDependencyError) as error:
                failed(error)
        return RowIndex.build(matrix, metric=metric, spec="flat", live=self.live)

    @property
    def lexical(self) -> LexicalIndex:
        """The index of words; where none is on disk, or not a sound one, made in memory."""
        with self._reading:
            return self._lexical.index

    @functools.cached_property
    def _lexical(self) -> HeldLexical:
        from embedkit.store.lexical import hold_lexical, open_base

        earlier, self._words = self._words, None
        base = None
        try:
            base = open_base(self.layout, self.manifest, earlier)
        except StorageError as error:
            if _generation(self.layout.manifest) != self.manifest.generation:
                raise ReplacedError(self.layout.root / "lexical") from error
            _log.warning("%s", error)
        with translated(self.layout.records(self.manifest.snapshot)):
            return hold_lexical(self.manifest, self.cursor, self.live, base, earlier)

    # -- records --------------------------------------------------------------------------------

    @functools.cached_property
    def _records(self) -> Records:
        return Records(self._cursors, self.columns)

    def get(self, id: str) -> tuple[int, Record] | None:
        """Return a record and the row of its vector, or None."""
        if not is_unicode(id):
            return None
        rows = self.query(f"SELECT {self._records.listed} FROM records WHERE id = ?", [id])
        return (int(rows[0][1]), self._records.record(rows[0])) if rows else None

    def by_row(
        self, rows: Sequence[int], limit: int, matches: Matches | None = None
    ) -> list[tuple[int, int, Record]]:
        """Return (seq, row, record) of the records that have one of these vectors.

        Parameters
        ----------
        limit : int
            How many to return of each vector at most, the first of them.
        matches : Matches or None
            Only of those that a filter lets through.
        """
        among = None if matches is None else matches.seqs
        with translated(self.layout.records(self.manifest.snapshot)):
            pairs = self._records.of_rows(rows, limit, among)
            found = self._records.fetch([seq for seq, _ in pairs])
        return [(seq, row, found[seq]) for seq, row in pairs]

    @functools.cached_property
    def passages(self) -> Passages | None:
        """The passages of the records that have several; None where no text is cut."""
        return Passages.read(self.cursor) if self.manifest.chunk is not None else None

    def count_passages(self) -> int | None:
        """Return how many passages all records have; None where no text is cut."""
        if self.manifest.chunk is None:
            return None
        table = rows_of_records(self.cursor)
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])

    def rows_of(self, matches: Matches) -> Keys:
        """Return the vector rows of the records that a filter lets through, of all passages."""
        if self.passages is None:
            return matches.rows
        return np.concatenate([matches.rows, self.passages.among(matches.seqs)])

    def vector(self, id: str) -> Vectors | None:
        """Return the vector of a record, shape (dim,): of several passages, their mean.

        None where there is no such record.
        """
        found = self.get(id)
        if found is None:
            return None
        rows = np.array([found[0]])
        if self.passages is not None:
            ((seq,),) = self.query("SELECT seq FROM records WHERE id = ?", [id])
            several = self.passages.rows[self.passages.of(seq)]
            rows = several if len(several) else rows
        vectors: Vectors = self.vectors.matrix[rows]
        if len(rows) > 1:
            vectors = normalize(vectors.mean(axis=0)[np.newaxis])
        one: Vectors = vectors[0]
        return one

    def sample(self, n: int, seed: str, where: str | None = None) -> list[Record]:
        """Return the n records whose ids have the smallest digests, for a seed.

        Raises
        ------
        FilterError
        """
        allowed = self.condition(where)
        found = self.query(
            f"SELECT {self._records.listed} FROM records{allowed}"
            " ORDER BY md5(? || ' ' || id), seq LIMIT ?",
            [seed, n],
        )
        return [self._records.record(row) for row in found]

    def __iter__(self) -> Iterator[Record]:
        cursor = self._snapshot.cursor(self.manifest)
        with translated(self.layout.records(self.manifest.snapshot)):
            cursor.execute(f"SELECT {self._records.listed} FROM records ORDER BY seq")
            while rows := cursor.fetchmany(_ITERATED):
                yield from map(self._records.record, rows)

    def filter(self, where: str) -> Matches:
        """Return what a condition matches.

        Raises
        ------
        FilterError
        """
        with self._filtering:
            kept = self._matches.get(where) if isinstance(where, str) else None
            if kept is not None:
                self._matches.move_to_end(where)
                return kept
        matches = self._filter.run(self.cursor, where)
        if matches.lasting:
            with self._filtering:
                self._matches[where] = matches
                while sum(len(kept.seqs) + 1 for kept in self._matches.values()) > _MATCHES:
                    self._matches.popitem(last=False)
        return matches

    def condition(self, where: str | None) -> str:
        """Return a filter as a condition for a query of the records, nothing where there is none.

        Raises
        ------
        FilterError
        """
        if where is None:
            return ""
        self.filter(where)
        return f" WHERE seq IN ({self._filter.select(where)})"

    @functools.cached_property
    def _filter(self) -> Filter:
        aliases: list[tuple[str, str]] = []
        with translated(self.layout.records(self.manifest.snapshot)):
            found = self.ledger.execute("SELECT text_columns, id_column FROM sources").fetchall()
        for texts, id_column in found:
            aliases += [(texts[0], "text")] if len(texts or ()) == 1 else []
            aliases += [(id_column, "id")] if id_column else []
        return Filter(self.columns, aliases)

    def mask(self, rows: Keys) -> Mask:
        """Return row numbers as flags over all vector rows."""
        mask = np.zeros(self.manifest.vector_rows, np.bool_)
        mask[rows] = True
        return mask


def _index_failed(layout: Layout, entry: IndexEntry, error: EmbedkitError) -> None:
    """Say that searches are exact, unless the index is gone because a newer one took its place."""
    try:
        current = Manifest.read(layout.manifest).index
    except (OSError, DamagedError):
        current = None
    if current is None or (current.folder, current.files) != (entry.folder, entry.files):
        raise ReplacedError(layout.root / entry.folder) from error
    _log.warning("%s", error)


class _Cursors:
    """A connection for each thread. Apart from the view, which must go when nobody holds it."""

    def __init__(self, snapshot: Snapshot, manifest: Manifest) -> None:
        self._snapshot = snapshot
        self._manifest = manifest
        self._local = threading.local()

    def __call__(self) -> Connection:
        cursor: Connection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._snapshot.cursor(self._manifest)
        return cursor


class ReplacedError(FileNotFoundError):
    """The generation is gone: a newer one took its place."""


def open_view(
    layout: Layout,
    previous: View | None = None,
    opened: Opened | None = None,
    attempts: int = 20,
) -> View | None:
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
            return View(layout, manifest, previous, opened)
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
