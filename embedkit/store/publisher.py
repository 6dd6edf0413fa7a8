"""How a writing session publishes: a frame or a snapshot, the indexes, and last the manifest."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import DamagedError, StorageError
from embedkit.indexes.promise import RECALL
from embedkit.integrity import FileDigest, copy_durably, storage_error, sync_folder
from embedkit.store.database import (
    Connection,
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
    used_rows,
)
from embedkit.store.indexing import Indexing
from embedkit.store.layout import Layout
from embedkit.store.lexical import Slack, update_lexical
from embedkit.store.manifest import IndexEntry, Manifest, Model, VectorSet
from embedkit.store.published import live_rows
from embedkit.store.sets import (
    current_set,
    other_sets,
    vector_names,
)
from embedkit.store.vectors import VectorWriter
from embedkit.store.warm import Warm
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

    @classmethod
    def of(
        cls, manifest: Manifest, index: str | None = None, recall: float | None = None
    ) -> Settings:
        """Return those of a collection that is there, with another index or recall if given."""
        return cls(
            manifest.model,
            manifest.metric,
            index or manifest.index_spec,
            recall or manifest.recall,
            manifest.chunk,
        )


class Publisher:
    """What a writer does to let readers see what it has committed.

    Attributes
    ----------
    manifest : Manifest or None
        The generation that was published last.
    changes : Changes
        What was committed since.
    """

    connection: Connection
    vectors: VectorWriter

    def __init__(self, layout: Layout, settings: Settings, warm: Warm) -> None:
        self.layout = layout
        self.settings = settings
        self.manifest: Manifest | None = None
        self.changes = Changes()
        self.lexical_slack: Slack | None = None
        """What is known of the index of words, so that it need not be looked at each time."""
        self._commits = 0
        self._live: Mask | None = None
        self._delta: DeltaFile | None = None
        self._warm = warm

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
            database, delta = self._records(frame, generation)
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

    def _records(self, frame: Frame | None, generation: int) -> tuple[FileDigest, Delta | None]:
        """Write the records of a generation: a frame, or else a snapshot."""
        delta = self._append(frame)
        if delta is not None and self.manifest is not None:
            return self.manifest.database, delta
        return self._snapshot(generation), None

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
