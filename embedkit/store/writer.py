"""The one writer of a collection: its session over the lock, the database and the vectors.

Order of commits: vectors are appended and made durable, then the records that use them are
committed with their ledger entry, and now and then a generation is published: a copy of the
database, the index, and last the manifest that names them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import DamagedError, StorageError
from embedkit.indexes.promise import RECALL
from embedkit.integrity import FileDigest, copy_durably, storage_error, sync_folder
from embedkit.store.database import (
    Connection,
    commit,
    committed,
    expected_commits,
    remove_database,
    scalar,
    translated,
    write_commits,
)
from embedkit.store.deltas import (
    KEYS,
    Changes,
    Delta,
    DeltaFile,
    Frame,
    gather,
    in_list,
    used_rows,
)
from embedkit.store.indexing import Indexing
from embedkit.store.layout import Layout
from embedkit.store.ledger import close_interrupted
from embedkit.store.lexical import Slack, update_lexical
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
from embedkit.store.warm import Kept, Warm
from embedkit.types import Metric

if TYPE_CHECKING:
    from embedkit.types import Mask

MOST_KEYS = 2000
"""Changed records beyond which a snapshot is published: it is read more quickly."""
MOST_FRAMES = 64
"""Frames after which a snapshot is published, so that opening stays quick."""
LARGEST_SHARE = 0.25
"""Bytes of frames, as a share of their snapshot, past which another one is published."""
LEAST_SNAPSHOT = 2**20
"""Bytes of a snapshot below which another one costs no more than a frame."""


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
    warm : Warm, optional
        What an earlier session of this process left, and this one will leave to the next.

    Raises
    ------
    CollectionLockedError
        Another process is writing.
    DamagedError
        A file is not what was written; nothing was changed.
    """

    connection: Connection
    vectors: VectorWriter

    def __init__(self, layout: Layout, settings: Settings, warm: Warm | None = None) -> None:
        self.layout = layout
        self.settings = settings
        self.manifest: Manifest | None = None
        self.changes = Changes()
        self._commits = 0
        self._committing = False
        self.lexical_slack: Slack | None = None
        """What is known of the index of words, so that it need not be looked at each time."""
        self._live: Mask | None = None
        self._delta: DeltaFile | None = None
        self._own_warm = warm is None
        self._warm = warm or Warm()
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
        if error is None:
            self._keep()
        self._close()

    def _keep(self) -> None:
        """Leave to the next session what it can use, where all that was committed is published."""
        if self.manifest is None or self._live is None or self.changes.size:
            return
        if self.changes.known:
            delta = self._delta or DeltaFile(self.layout.delta(self.manifest.snapshot))
            self._warm.keep(
                Kept.of(self.manifest, self.vectors, self._live, delta, self.lexical_slack)
            )

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
            self._warm.release(self.connection, self.layout)
            with translated(self.layout.work):
                undo_unpublished(self.layout, self.manifest)
            self.connection = self._connect()
        self._check_commits()
        kept = self._warm.take(self.manifest)
        if kept is not None and self.changes.known:
            self.vectors, self._live, self._delta = kept.vectors, kept.live, kept.delta
            self.lexical_slack = kept.lexical
        else:
            self._open_vectors()
        if kept is None and scalar(
            self.connection, "SELECT 1 FROM runs WHERE status = 'running' LIMIT 1"
        ):
            with self.commit():
                close_interrupted(self.connection)
        if self.manifest is None:
            self.publish()

    def _open_vectors(self) -> None:
        rows = largest_row(self.connection) + 1
        rows = max(rows, self.manifest.vector_rows if self.manifest else 0)
        number = current_set(self.connection)
        self.vectors = open_writer(self.layout, VectorSet(number, self.settings.model, rows))
        self.vectors.check()

    def _connect(self) -> Connection:
        try:
            return self._warm.connect(self.layout)
        except DamagedError:
            if self.manifest is not None or self.layout.commits.exists():
                raise
            # A process died while it made the file: nothing was ever committed to it.
            remove_database(self.layout.work)
            return self._warm.connect(self.layout)

    def _expect(self, path: Path) -> None:
        if not path.exists():
            raise DamagedError(f"{path} is missing", do=self._repair)

    @property
    def _repair(self) -> str:
        return f"run: embedkit doctor {self.layout.root.name} --repair"

    def _check_commits(self) -> None:
        published = self.manifest.commits if self.manifest else 0
        expected = max(published, (expected_commits(self.layout) or 0) if self.manifest else 0)
        there = self._commits = committed(self.connection)
        # What a session that died committed and did not publish is known to nobody.
        self.changes.known = there == published
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
            self._warm.release(connection, self.layout)
        if self._own_warm:
            self._warm.close()
        self._lock.__exit__(None, None, None)

    @contextlib.contextmanager
    def commit(self, *, noted: bool = False) -> Iterator[None]:
        """Commit what the block does to the database, all or nothing.

        Within another such block it is part of that one, and committed with it.

        Parameters
        ----------
        noted : bool
            The block notes in ``changes`` what it does; otherwise the next publication takes a
            snapshot of everything.
        """
        self.changes.known &= noted
        if self._committing:
            yield
            return
        self._committing = True
        try:
            with (
                translated(self.layout.work),
                commit(self.connection, self.layout, self._count_commit),
            ):
                yield
        finally:
            self._committing = False

    def _count_commit(self, commits: int) -> None:
        self._commits = commits

    def delete(self, ids: Sequence[str]) -> int:
        """Commit the deletion of records and return how many were there."""
        found = self.connection.execute(
            "SELECT seq FROM records WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)]
        ).fetchall()
        seqs = [seq for (seq,) in found]
        if seqs:
            self.note_records(seqs)
            with self.commit(noted=True):
                for name in KEYS["seq"]:
                    self.connection.execute(f"DELETE FROM {name} WHERE {in_list('seq', seqs)}")
        return len(seqs)

    def note_records(self, seqs: Sequence[int]) -> None:
        """Note that records are about to be changed or deleted."""
        if len(seqs) > MOST_KEYS:
            self.changes.known = False
        elif self.changes.known and len(seqs):
            self.changes.add("seq", seqs)
            self.changes.freed |= used_rows(self.connection, "seq", seqs)

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
        # Whoever dies on the way is set back to this: see undo_unpublished.
        self.changes.known = False
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
        try:
            frame = self._frame(generation)
            live = self._live_after(frame)
            index = self._index(generation, live, build_index, rebuild)
            if self.lexical_slack is not None:
                spent = len(live) if frame is None else _rows_changed(frame, self.changes)
                self.lexical_slack = self.lexical_slack.less(spent)
            lexical = update_lexical(self, generation, live, build=build_index, rebuild=rebuild)
            delta = self._append(frame)
            if delta is not None and self.manifest is not None:
                database = self.manifest.database
            else:
                database = self._snapshot(generation)
            manifest = Manifest(
                model=self.settings.model,
                metric=self.settings.metric,
                index_spec=self.settings.index_spec,
                recall=self.settings.recall,
                generation=generation,
                records=int(scalar(self.connection, "SELECT count(*) FROM records")),
                vector_rows=self.vectors.rows,
                commits=self._commits,
                database=database,
                index=index,
                lexical=lexical,
                vector_set=self.vector_set,
                sets=self._other_sets(),
                chunk=self.settings.chunk,
                delta=delta,
            )
            self._write(manifest)
        except BaseException as error:
            self._delta = None  # a frame that no manifest names is overwritten by the next
            if not isinstance(error, OSError) or isinstance(error, StorageError):
                raise
            raise storage_error(error, layout.root) from error
        write_commits(layout, manifest.commits)
        previous, self.manifest = self.manifest, manifest
        self.changes, self._live = Changes(), live
        self._collect(previous)
        return manifest

    @property
    def vector_set(self) -> int:
        """The number of the set of vectors that the records use."""
        # What is noted of changes never has to do with sets.
        if self.manifest is not None and self.changes.known:
            return self.manifest.vector_set
        return current_set(self.connection)

    def _other_sets(self) -> tuple[VectorSet, ...]:
        if self.manifest is not None and self.changes.known:
            return self.manifest.sets
        return other_sets(self.connection)

    def _frame(self, generation: int) -> Frame | None:
        """Return what changed since the last generation, None where a snapshot is due."""
        manifest, changes = self.manifest, self.changes
        if manifest is None or not changes.known or changes.size > MOST_KEYS:
            return None
        if manifest.database.size < LEAST_SNAPSHOT or (
            manifest.delta is not None
            and (
                manifest.delta.frames >= MOST_FRAMES
                or manifest.delta.size > LARGEST_SHARE * manifest.database.size
            )
        ):
            return None
        with translated(self.layout.work):
            return gather(self.connection, changes, generation)

    def _append(self, frame: Frame | None) -> Delta | None:
        """Write a frame behind those that the present generation has."""
        if frame is None or self.manifest is None:
            return None
        manifest = self.manifest
        if self._delta is None:
            self._delta = DeltaFile(self.layout.delta(manifest.snapshot))
            if manifest.delta is not None:
                try:
                    self._delta.advance(manifest.delta)
                except DamagedError:
                    self._delta = None
                    return None
        return self._delta.append(frame, manifest.snapshot)

    def _live_after(self, frame: Frame | None) -> Mask:
        """Return which vector rows some record uses now, shape (rows,)."""
        if frame is None or self._live is None:
            return live_rows(self.connection, self.vectors.rows)
        live: Mask = np.zeros(self.vectors.rows, np.bool_)
        live[: len(self._live)] = self._live
        came = {row for name in KEYS["seq"] if name in frame.tables for row in _rows(frame, name)}
        freed = self.changes.freed - came
        freed -= used_rows(self.connection, "row", freed)
        live[list(freed)] = False
        live[list(came)] = True
        return live

    def _write(self, manifest: Manifest) -> None:
        if self.manifest is not None:
            copy_durably(self.layout.manifest, self.layout.previous)
        manifest.write(self.layout.manifest)

    def _index(self, generation: int, live: Mask, build: bool, rebuild: bool) -> IndexEntry | None:
        entry = self.manifest.index if self.manifest else None
        if self.manifest and self.manifest.vector_set != self.vector_set:
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
            self._warm.opened,
        )
        if rebuild:
            return indexing.build(generation)
        return indexing.up_to_date(entry, generation)

    def _snapshot(self, generation: int) -> FileDigest:
        target = self.layout.records(generation)
        self._delta = None
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
                kept.add(self.layout.records(manifest.snapshot).name)
                kept.add(self.layout.delta(manifest.snapshot).name)
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


def _rows_changed(frame: Frame, changes: Changes) -> int:
    """Return how many vector rows at most have come, gone or got another text."""
    return len(changes.freed) + sum(len(_rows(frame, n)) for n in KEYS["seq"] if n in frame.tables)


def _rows(frame: Frame, name: str) -> list[int]:
    rows: list[int] = frame.tables[name].column("row").to_pylist()
    return rows


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
