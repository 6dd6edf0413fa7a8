"""A collection: a store with the embedder that fills it, opened by name."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from embedkit import catalog, registry
from embedkit.chunking.spec import ChunkSpec
from embedkit.errors import (
    DamagedError,
    EmbedkitError,
    InvalidInputError,
    UnsupportedOperationError,
)
from embedkit.indexes.promise import RECALL, check_recall
from embedkit.migrating import Migrating
from embedkit.model import read_manifest
from embedkit.protocols import Embedder, Source
from embedkit.types import CollectionInfo, Finding, Record, Report

if TYPE_CHECKING:
    from embedkit.chunking.chunker import Chunker
    from embedkit.ingest.stage import Progress
    from embedkit.store.publisher import Settings
    from embedkit.store.writer import Writer

DEFAULT_INDEX = "auto"


class Collection(Migrating):
    """Records, their vectors and the embedder that makes them.

    Reading is safe from several threads and never waits for a writer, in this process or another:
    a reader sees the last published state. Writing takes a lock for as long as the call lasts.

    Use :func:`embedkit.open` to get one. It is a context manager; closing lets go of the files.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        *,
        embedder: str | Embedder | None = None,
        index: str | None = None,
        recall: float | None = None,
        chunk: str | None = None,
    ) -> None:
        super().__init__(name, home, embedder)
        self._chunk = self._check_chunk(chunk)
        if index is not None:
            registry.create("index", index)
        self._index_spec = index
        self._recall = None if recall is None else check_recall(recall)
        self._writing = threading.RLock()

    def _check_chunk(self, given: str | None) -> str | None:
        """Return how texts are to be cut, in the form that is stored.

        Raises
        ------
        InvalidInputError
            It cannot be meant, or the collection that is there cuts them otherwise.
        """
        if given is None:
            return None
        chunk = str(ChunkSpec.parse(given))
        try:
            manifest = read_manifest(self._layout)
        except DamagedError:
            return chunk  # said by whatever reads or writes
        if manifest is not None and manifest.chunk != chunk:
            raise InvalidInputError(
                f"collection {self.name!r} has {manifest.chunk or 'no'} chunks, got {chunk}",
                do="leave the chunks out, or index into another collection",
            )
        return chunk

    def _cuts(self) -> str | None:
        """Return how this collection cuts texts, or the one that is about to be."""
        manifest = read_manifest(self._layout)
        return manifest.chunk if manifest is not None else self._chunk

    def _chunker(self, chunk: str | None) -> Chunker | None:
        if chunk is None:
            return None
        from embedkit.chunking.chunker import Chunker

        return Chunker(ChunkSpec.parse(chunk), self.embedder)

    def index(
        self,
        source: Any,
        *,
        text: str | Sequence[str] | None = None,
        id: str | None = None,
        sync: bool = False,
        dry_run: bool = False,
        retry_failed: bool = False,
        max_cost: float | None = None,
        max_texts: int | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Bring the collection up to date with a source; embed only what is new.

        Parameters
        ----------
        source : str, Path, iterable, DataFrame, Arrow table or Source
            A file or folder, ``"-"`` for stdin, a pandas or polars DataFrame, or records, dicts or
            texts. See :func:`embedkit_connectors.open_source`.
        text : str or sequence of str, optional
            The column that holds the text; several (or ``"title,body"``) are joined by newlines.
            Found by itself where that is safe.
        id : str, optional
            The column that names a record. Default: a column ``id``; else the id is made of the
            text.
        sync : bool
            Also delete the records that came from this source and are no longer in it.
        dry_run : bool
            Only plan; nothing is written.
        retry_failed : bool
            Send texts again that a managed model refused in an earlier run.
        max_cost : float, optional
            US dollars; the run stops before more is spent, and the next one goes on.
        max_texts : int, optional
            The run stops after so many texts were sent to the model, and the next one goes on.
        progress : callable, optional
            Called with (what, done, total).

        Returns
        -------
        Report

        Raises
        ------
        SourceError, ColumnError
            The source cannot be read. Single bad rows do not raise: they are in the report.
        CollectionLockedError, StorageError, ModelMismatchError
        CredentialsError
            The key of a managed embedder is missing or refused; nothing was read yet.
        """
        from embedkit.ingest.choose import split_columns
        from embedkit.ingest.limits import check_limit
        from embedkit.ingest.prepare import Request
        from embedkit_connectors import open_source

        self.check_access()
        opened: Source = open_source(source)
        request = Request(
            opened,
            split_columns(text),
            id,
            sync,
            progress=progress,
            retry_failed=retry_failed,
            max_cost=check_limit("max_cost", max_cost),
            max_texts=check_limit("max_texts", max_texts, whole=True),
        )
        return self._plan(request) if dry_run else self._execute(request)

    def check_access(self) -> None:
        """Refuse a missing key of a managed embedder, or one that its service refuses.

        Nothing is sent that costs anything; where the model runs here, nothing is done.

        Raises
        ------
        CredentialsError
        """
        check = getattr(self.embedder, "check_access", None)
        if check is not None:
            check()

    def upsert(self, records: Iterable[Any], *, vectors: Any = None) -> Report:
        """Insert records, or replace the ones whose ids are there.

        Parameters
        ----------
        records : iterable of Record, dict or (id, text), DataFrame or Arrow table
            With ``text``, mostly ``id``, and whatever else as metadata.
        vectors : array, shape (n, dim), optional
            Vectors of your own, in the order of the records; then nothing is embedded. They are
            normalised to length 1, and kept as small as the vectors of the collection's model.

        Raises
        ------
        UnsupportedOperationError
            Vectors of your own for a collection that cuts its texts into passages.
        DimensionMismatchError
            The vectors are not as wide as the collection's, or not one a record.
        """
        from embedkit.ingest.prepare import Request
        from embedkit_connectors.memory import MemorySource

        if isinstance(records, (Record, dict)):
            records = [records]
        countable = isinstance(records, Sized) or not isinstance(records, Iterable)
        listed: Any = records if countable else list(records)
        source, text = MemorySource(listed, name="upsert"), ["text"]
        if not len(listed):
            raise InvalidInputError("expected at least one record, got none")
        if vectors is None:
            return self._execute(Request(source, text, partial=True))
        from embedkit.validate import check_vectors, normalize

        if self._cuts() is not None:
            raise UnsupportedOperationError(
                f"collection {self.name!r} cuts texts into passages, for which there are no "
                "vectors of your own",
                do="leave the vectors out, or cut the texts yourself and use a collection that "
                "does not",
            )
        dim = self._model.width(vectors)
        array = check_vectors(vectors, dim)
        if len(array) != len(listed):
            raise InvalidInputError(
                f"expected one vector a record, got {len(array)} vectors, {len(listed)} records"
            )
        return self._execute(
            Request(source, text, partial=True, vectors=normalize(array)), own_dim=dim
        )

    def _plan(self, request: Any) -> Report:
        from embedkit.ingest.prepare import planned_report, stage_and_plan
        from embedkit.ingest.spending import Spending
        from embedkit.store.database import database_errors
        from embedkit.store.ledger import billing_ratio
        from embedkit.store.restore import connect_to_plan

        began = time.monotonic()
        view = self._refreshed()
        connection = connect_to_plan(self._layout, view.manifest if view else None)
        try:
            with database_errors(self._layout.root):
                vectors = view.vectors if view else None
                chunker = self._chunker(self._cuts())
                _, plan = stage_and_plan(
                    connection, request, vectors, self.embedder, chunker=chunker
                )
                spending = Spending(
                    self.embedder, request.max_cost, ratio=billing_ratio(connection)
                )
        finally:
            connection.close()
        return planned_report(self.name, request, plan, spending, time.monotonic() - began)

    def _execute(self, request: Any, own_dim: int | None = None) -> Report:
        from embedkit.ingest.run import Run

        with self._writing:
            embedder = None if request.vectors is not None else self.embedder
            if request.vectors is None:
                self._chunker(self._cuts())  # refused before anything is made
            existed = read_manifest(self._layout) is not None
            try:
                with self._writer(own_dim) as writer:
                    chunker = self._chunker(writer.settings.chunk)
                    return Run(writer, embedder, request, chunker).execute()
            finally:
                if not existed:
                    self._discard_if_empty()

    def _discard_if_empty(self) -> None:
        """Leave nothing behind of a collection whose first run took no record."""
        with contextlib.suppress(EmbedkitError, FileNotFoundError):
            if self._layout.manifest.exists():
                catalog.discard_empty(self.home, self.name)

    @contextlib.contextmanager
    def _writer(
        self, own_dim: int | None = None, index: str | None = None, recall: float | None = None
    ) -> Iterator[Writer]:
        from embedkit.store.database import database_errors
        from embedkit.store.writer import Writer

        with self._writing:
            session = Writer(
                self._layout,
                self._settings(own_dim),
                self._kept(),
                index=index or self._index_spec,
                recall=recall or self._recall,
            )
            with database_errors(self._layout.work), session as writer:
                yield writer

    def _settings(self, own_dim: int | None) -> Settings:
        from embedkit.store.publisher import Settings

        manifest = read_manifest(self._layout)
        if manifest is None:
            index, recall = self._index_spec or DEFAULT_INDEX, self._recall or RECALL
            model = self._model.describe(own_dim)
            return Settings(model, "cosine", index, recall, self._chunk)
        return Settings.of(manifest)

    def delete(self, ids: str | Sequence[str]) -> int:
        """Delete records by id and return how many were there.

        Raises
        ------
        CollectionNotFoundError, CollectionLockedError, StorageError
        """
        from embedkit.validate import is_unicode

        self._existing()
        single = isinstance(ids, str) or not isinstance(ids, Iterable)
        listed = [str(ids)] if single else [str(id) for id in ids]
        listed = [id for id in listed if is_unicode(id)]
        with self._writer() as writer:
            deleted = writer.delete(listed)
            if deleted:
                writer.publish()
        return deleted

    def rebuild(self, index: str | None = None, *, recall: float | None = None) -> CollectionInfo:
        """Build the index again; readers go on meanwhile.

        Parameters
        ----------
        index : str, optional
            The spec of another kind; the collection keeps it.
        recall : float, optional
            Another contract, in (0, 1]; the collection keeps it.

        Raises
        ------
        InvalidInputError
            A recall that cannot be promised.
        UnknownBackendError, MissingDependencyError, CollectionLockedError
        """
        self._existing()
        if recall is not None:
            recall = check_recall(recall)
        if index is not None:
            registry.create("index", index)
        with self._writer(index=index, recall=recall) as writer:
            writer.publish(rebuild=True)
            # It is the collection's from now on, no longer this object's: others may change it.
            self._index_spec = self._index_spec if index is None else None
            self._recall = self._recall if recall is None else None
        return self.info()

    def check(self, *, thorough: bool = True) -> list[Finding]:
        """Check every file of the collection against what was written."""
        from embedkit.store.check import check

        if not catalog.is_collection(self.path):
            raise catalog.not_found(self.home, self.name)
        return check(self._layout, thorough=thorough)

    def repair(self) -> list[Finding]:
        """Mend what is damaged, embedding again only the vectors that are, and say what was done.

        Raises
        ------
        DamagedError
            Nothing sound is left to mend it from.
        """
        from embedkit.store.repair import repair

        if not catalog.is_collection(self.path):
            raise catalog.not_found(self.home, self.name)
        self.close()
        with self._writing:
            return repair(self._layout, self._model.given_object)

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, home={str(self.home)!r})"
