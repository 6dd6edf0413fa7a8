"""The one writer of a collection: its session over the lock, the database and the vectors.

Order of commits: vectors are appended and made durable, then the records that use them are
committed with their ledger entry, and now and then a generation is published: a copy of the
database, the index, and last the manifest that names them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from embedkit.errors import DamagedError, StorageError
from embedkit.indexes.promise import RECALL
from embedkit.integrity import FileDigest, copy_durably, storage_error, sync_folder
from embedkit.store.database import (
    Connection,
    commit,
    committed,
    connect_writer,
    expected_commits,
    remove_database,
    scalar,
    translated,
    write_commits,
)
from embedkit.store.indexing import Indexing
from embedkit.store.layout import Layout
from embedkit.store.ledger import close_interrupted
from embedkit.store.lexical import update_lexical
from embedkit.store.lock import WriterLock
from embedkit.store.manifest import IndexEntry, Manifest, Model, VectorSet
from embedkit.store.passages import largest_row
from embedkit.store.published import live_rows
from embedkit.store.sets import (
    current_set,
    other_sets,
    undo_unpublished,
    use_set,
    vector_names,
)
from embedkit.store.vectors import VectorWriter
from embedkit.types import Metric

if TYPE_CHECKING:
    from embedkit.types import Mask


@dataclass(frozen=True, slots=True)
class Settings:
    """What a collection is made with; fixed once it exists, but for the index and its recall."""

    model: Model
    metric: Metric
    index_spec: str
    recall: float = RECALL
    """What its index is to find of the nearest, at least."""
    chunk: str | None = None
    """How texts are cut into passages; None where they are not."""


class Writer:
    """A writing session, as a context manager.

    Parameters
    ----------
    layout : Layout
    settings : Settings
        For a collection that is not there yet it is made with these.

    Raises
    ------
    CollectionLockedError
        Another process is writing.
    DamagedError
        A file is not what was written; nothing was changed.
    """

    connection: Connection
    vectors: VectorWriter

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout = layout
        self.settings = settings
        self.manifest: Manifest | None = None
        self._lock = WriterLock(layout.lock, layout.root.name)

    def __enter__(self) -> Writer:
        make_folder(self.layout.root)
        self._lock.__enter__()
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _open(self) -> None:
        self.layout.clear()
        with contextlib.suppress(FileNotFoundError):
            self.manifest = Manifest.read(self.layout.manifest)
        if self.manifest is not None:
            # Another process may have made the collection while this one was about to.
            self.manifest.model.expect(self.settings.model.model_id, self.layout.root.name)
            self.settings = replace(self.settings, chunk=self.manifest.chunk)
            self._expect(self.layout.work)
        self.connection = self._connect()
        if self.manifest is not None and current_set(self.connection) != self.manifest.vector_set:
            self.connection.close()
            with translated(self.layout.work):
                undo_unpublished(self.layout, self.manifest)
            self.connection = self._connect()
        self._check_commits()
        rows = largest_row(self.connection) + 1
        rows = max(rows, self.manifest.vector_rows if self.manifest else 0)
        number = current_set(self.connection)
        self.vectors = open_writer(self.layout, VectorSet(number, self.settings.model, rows))
        self.vectors.check()
        if scalar(self.connection, "SELECT 1 FROM runs WHERE status = 'running' LIMIT 1"):
            with self.commit():
                close_interrupted(self.connection)
        if self.manifest is None:
            self.publish()

    def _connect(self) -> Connection:
        try:
            return connect_writer(self.layout)
        except DamagedError:
            if self.manifest is not None or self.layout.commits.exists():
                raise
            # A process died while it made the file: nothing was ever committed to it.
            remove_database(self.layout.work)
            return connect_writer(self.layout)

    def _expect(self, path: Path) -> None:
        if not path.exists():
            raise DamagedError(f"{path} is missing", do=self._repair)

    @property
    def _repair(self) -> str:
        return f"run: embedkit doctor {self.layout.root.name} --repair"

    def _check_commits(self) -> None:
        published = self.manifest.commits if self.manifest else 0
        expected = max(published, (expected_commits(self.layout) or 0) if self.manifest else 0)
        there = committed(self.connection)
        if self.manifest is None and there:
            raise DamagedError(f"{self.layout.manifest} is missing", do=self._repair)
        if there < expected:
            raise DamagedError(
                f"{self.layout.work} is damaged: it has lost the last {expected - there} of "
                f"{expected} commits",
                do=self._repair,
            )

    def _close(self) -> None:
        connection = getattr(self, "connection", None)
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
        self._lock.__exit__(None, None, None)

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Commit what the block does to the database, all or nothing."""
        with translated(self.layout.work), commit(self.connection, self.layout):
            yield

    @property
    def current(self) -> VectorSet:
        """The vectors that the records use, as they are now."""
        number = current_set(self.connection)
        return VectorSet(number, self.settings.model, self.vectors.rows)

    def switch(
        self, new: VectorSet, vectors: VectorWriter, also: Callable[[], None] | None = None
    ) -> Manifest:
        """Let the records use another set of vectors, and publish that: all of it or nothing.

        Whoever dies on the way leaves the old set in use: the manifest decides, and a database that
        is ahead of it is set back when the next writer opens.

        Parameters
        ----------
        new : VectorSet
        vectors : VectorWriter
            Its rows, one for the text of each record.
        also : callable, optional
            Does what belongs into the same transaction.
        """
        old = self.current
        self.publish(build_index=False)
        with self.commit():
            use_set(self.connection, old, new, vectors)
            if also is not None:
                also()
        self.vectors = vectors
        self.settings = replace(self.settings, model=new.model)
        return self.publish()

    # -- publishing -----------------------------------------------------------------------------

    def publish(self, *, build_index: bool = True, rebuild: bool = False) -> Manifest:
        """Make the present state what readers see.

        Parameters
        ----------
        build_index : bool
            Rebuild the index where that pays; otherwise new rows are searched exactly meanwhile.
        rebuild : bool
            Rebuild the index in any case.
        """
        layout = self.layout
        generation = self.manifest.generation + 1 if self.manifest else 1
        live = live_rows(self.connection, self.vectors.rows)
        try:
            index = self._index(generation, live, build_index, rebuild)
            lexical = update_lexical(self, generation, live, build=build_index, rebuild=rebuild)
            database = self._snapshot(generation)
            manifest = Manifest(
                model=self.settings.model,
                metric=self.settings.metric,
                index_spec=self.settings.index_spec,
                recall=self.settings.recall,
                generation=generation,
                records=int(scalar(self.connection, "SELECT count(*) FROM records")),
                vector_rows=self.vectors.rows,
                commits=committed(self.connection),
                database=database,
                index=index,
                lexical=lexical,
                vector_set=current_set(self.connection),
                sets=other_sets(self.connection),
                chunk=self.settings.chunk,
            )
            if self.manifest is not None:
                copy_durably(layout.manifest, layout.previous)
            manifest.write(layout.manifest)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise storage_error(error, layout.root) from error
        write_commits(layout, manifest.commits)
        previous, self.manifest = self.manifest, manifest
        self._collect(previous)
        return manifest

    def _index(self, generation: int, live: Mask, build: bool, rebuild: bool) -> IndexEntry | None:
        entry = self.manifest.index if self.manifest else None
        if self.manifest and self.manifest.vector_set != current_set(self.connection):
            entry = None  # it was built on other vectors
        if not build and not rebuild:
            return entry
        settings = self.settings
        indexing = Indexing(
            self.layout,
            self.vectors.matrix,
            live,
            settings.metric,
            settings.index_spec,
            settings.recall,
        )
        if rebuild:
            return indexing.build(generation)
        return indexing.up_to_date(entry, generation)

    def _snapshot(self, generation: int) -> FileDigest:
        target = self.layout.records(generation)
        with translated(target):
            self.connection.execute("CHECKPOINT")
            # The checkpoint left everything in the one file, and only this thread writes to it.
            copy_durably(self.layout.work, target)
        sync_folder(self.layout.root)
        return FileDigest.of(target)

    def _collect(self, previous: Manifest | None) -> None:
        """Delete what neither this generation nor the one before needs."""
        kept: set[str] = vector_names(self.layout, *(self.manifest.sets if self.manifest else ()))
        for manifest in (self.manifest, previous):
            if manifest is not None:
                kept.add(self.layout.records(manifest.generation).name)
                kept |= {e.folder for e in (manifest.index, manifest.lexical) if e is not None}
                kept |= vector_names(self.layout, manifest.vectors)
        for path in self.layout.root.iterdir():
            if path.name in kept:
                continue
            with contextlib.suppress(OSError):
                if path.name.startswith(("records-", "vectors")):
                    path.unlink()
                elif path.name.startswith(("index-", "lexical-")):
                    shutil.rmtree(path)


def open_writer(layout: Layout, vectors: VectorSet) -> VectorWriter:
    """Open a set of vectors to append to. The lock must be held."""
    model = vectors.model
    rows, keys = layout.vectors(vectors.number, model.precision)
    with translated(rows):
        return VectorWriter(rows, keys, model.dim, vectors.rows, model.precision)


def make_folder(path: Path) -> None:
    """Make a folder and those above it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error
