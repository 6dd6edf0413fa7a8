"""The one writer of a collection: its session over the lock, the database and the vectors.

Order of commits: vectors are appended and made durable, then the records that use them are
committed with their ledger entry, and now and then a generation is published: a copy of the
database, the index, and last the manifest that names them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from embedkit.errors import DamagedError
from embedkit.integrity import storage_error
from embedkit.store.database import (
    Connection,
    commit,
    committed,
    expected_commits,
    remove_database,
    scalar,
    translated,
)
from embedkit.store.deltas import (
    KEYS,
    DeltaFile,
    in_list,
    used_rows,
)
from embedkit.store.layout import Layout
from embedkit.store.ledger import close_interrupted
from embedkit.store.lock import WriterLock
from embedkit.store.manifest import Manifest, VectorSet
from embedkit.store.passages import largest_row
from embedkit.store.publisher import MOST_KEYS, Publisher, Settings
from embedkit.store.sets import (
    current_set,
    undo_unpublished,
    use_set,
)
from embedkit.store.vectors import VectorWriter
from embedkit.store.warm import Kept, Warm


class Writer(Publisher):
    """A writing session, as a context manager.

    Parameters
    ----------
    layout : Layout
    settings : Settings
        For a collection that is not there yet it is made with these.
    warm : Warm, optional
        What an earlier session of this process left, and this one will leave to the next.
    index, recall : str and float, optional
        What the index of a collection that is there is to be from now on. It stays what it is
        where they are left out, also if it was changed since ``settings`` were made.

    Raises
    ------
    CollectionLockedError
        Another process is writing.
    DamagedError
        A file is not what was written; nothing was changed.
    """

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        warm: Warm | None = None,
        *,
        index: str | None = None,
        recall: float | None = None,
    ) -> None:
        super().__init__(layout, settings, warm or Warm())
        self._wanted = index, recall
        self._committing = False
        self._own_warm = warm is None
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
            # Others may have made the collection, or changed it, while this one was about to.
            self.manifest.model.expect(self.settings.model.model_id, self.layout.root.name)
            self.settings = Settings.of(self.manifest, *self._wanted)
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
