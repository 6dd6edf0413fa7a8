"""A collection: a store with the embedder that fills it, opened by name."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from embedkit import catalog, registry
from embedkit.errors import (
    DamagedError,
    InvalidInputError,
    RecordNotFoundError,
)
from embedkit.model import ModelChoice, read_manifest
from embedkit.protocols import Embedder, Source
from embedkit.store.layout import Layout, check_name
from embedkit.types import CollectionInfo, Finding, Hit, Record, Report, RunInfo

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.store.view import View
    from embedkit.store.writer import Settings, Writer

DEFAULT_INDEX = "auto"

T = TypeVar("T")


class Collection:
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
    ) -> None:
        self.name = check_name(name)
        self.home = home
        self.path = home / name
        self._layout = Layout(self.path)
        self._model = ModelChoice(self._layout, embedder)
        self._index_spec = index
        self._view: View | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._reading = threading.Lock()
        self._writing = threading.RLock()
        catalog.check_home(home)
        if index is not None:
            registry.create("index", index)
        self._model.check_given()

    @property
    def embedder(self) -> Embedder:
        """The embedder of this collection.

        Raises
        ------
        ModelMismatchError
            It is not the model that filled the collection.
        UnsupportedOperationError
            The collection holds vectors of the user's own.
        """
        return self._model.embedder()

    # -- writing --------------------------------------------------------------------------------

    def index(
        self,
        source: Any,
        *,
        text: str | Sequence[str] | None = None,
        id: str | None = None,
        sync: bool = False,
        dry_run: bool = False,
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
        """
        from embedkit.ingest.choose import split_columns
        from embedkit.ingest.run import Request
        from embedkit_connectors import open_source

        opened: Source = open_source(source)
        request = Request(opened, split_columns(text), id, sync, progress)
        return self._plan(request) if dry_run else self._execute(request)

    def upsert(self, records: Iterable[Any], *, vectors: Any = None) -> Report:
        """Insert records, or replace the ones whose ids are there.

        Parameters
        ----------
        records : iterable of Record, dict or (id, text)
        vectors : array, shape (n, dim), optional
            Vectors of your own, in the order of the records; then nothing is embedded. They are
            normalised to length 1.

        Raises
        ------
        DimensionMismatchError
            The vectors are not as wide as the collection's, or not one a record.
        """
        from embedkit.ingest.run import Request
        from embedkit_connectors.memory import MemorySource

        listed = [records] if isinstance(records, (Record, dict)) else list(records)
        if not listed:
            raise InvalidInputError("expected at least one record, got none")
        source = MemorySource(listed)
        if vectors is None:
            return self._execute(Request(source))
        from embedkit.validate import check_vectors, normalize

        dim = self._model.width(vectors)
        array = check_vectors(vectors, dim)
        if len(array) != len(listed):
            raise InvalidInputError(
                f"expected one vector a record, got {len(array)} vectors, {len(listed)} records"
            )
        return self._execute(Request(source, vectors=normalize(array)), own_dim=dim)

    def _plan(self, request: Any) -> Report:
        from embedkit.ingest.run import planned_report, stage_and_plan
        from embedkit.store.database import connect_planner

        began = time.monotonic()
        view = self._refreshed()
        published = view.layout.records(view.manifest.generation) if view else None
        connection = connect_planner(self._layout, published)
        try:
            _, plan = stage_and_plan(connection, request, view.vectors if view else None)
        finally:
            connection.close()
        return planned_report(self.name, request, plan, time.monotonic() - began)

    def _execute(self, request: Any, own_dim: int | None = None) -> Report:
        from embedkit.ingest.run import Run

        with self._writing:
            embedder = None if request.vectors is not None else self.embedder
            existed = read_manifest(self._layout) is not None
            try:
                with self._writer(own_dim) as writer:
                    return Run(writer, embedder, request).execute()
            finally:
                if not existed:
                    self._discard_if_empty()

    def _discard_if_empty(self) -> None:
        """Leave nothing behind of a collection whose first run took no record."""
        from embedkit.errors import EmbedkitError

        with contextlib.suppress(EmbedkitError):
            manifest = read_manifest(self._layout)
            if manifest is not None and not manifest.records and manifest.generation == 1:
                catalog.delete(self.home, self.name)

    @contextlib.contextmanager
    def _writer(self, own_dim: int | None = None) -> Iterator[Writer]:
        from embedkit.store.writer import Writer

        with self._writing, Writer(self._layout, self._settings(own_dim)) as writer:
            yield writer

    def _settings(self, own_dim: int | None) -> Settings:
        from embedkit.store.writer import Settings

        manifest = read_manifest(self._layout)
        if manifest is None:
            index = self._index_spec or DEFAULT_INDEX
            return Settings(self._model.describe(own_dim), "cosine", index)
        return Settings(manifest.model, manifest.metric, self._index_spec or manifest.index_spec)

    def delete(self, ids: str | Sequence[str]) -> int:
        """Delete records by id and return how many were there.

        Raises
        ------
        CollectionNotFoundError, CollectionLockedError, StorageError
        """
        self._existing()
        listed = [ids] if isinstance(ids, str) else [str(id) for id in ids]
        with self._writer() as writer:
            with writer.commit():
                deleted = writer.connection.execute(
                    "DELETE FROM records WHERE id IN (SELECT unnest(?::VARCHAR[])) RETURNING id",
                    [listed],
                ).fetchall()
            if deleted:
                writer.publish()
        return len(deleted)

    def rebuild(self, index: str | None = None) -> CollectionInfo:
        """Build the index again, of another kind where one is named; readers go on meanwhile.

        Raises
        ------
        UnknownBackendError, MissingDependencyError, CollectionLockedError
        """
        self._existing()
        if index is not None:
            registry.create("index", index)
            self._index_spec = index
        with self._writer() as writer:
            writer.publish(rebuild=True)
        return self.info()

    # -- reading --------------------------------------------------------------------------------

    def _refreshed(self) -> View | None:
        """Return the view of the last published generation, or None before the first."""
        from embedkit.store.view import open_view

        with self._reading:
            stamp = _stamp(self._layout.manifest)
            if self._view is None or stamp != self._stamp:
                if stamp is None and read_manifest(self._layout) is None:
                    self._view = None
                else:
                    self._view = open_view(self._layout, self._view)
                self._stamp = stamp
            return self._view

    def _existing(self) -> View:
        view = self._refreshed()
        if view is None:
            raise catalog.not_found(self.home, self.name)
        return view

    def _read(self, work: Callable[[View], T]) -> T:
        """Do some reading on the present generation, again if it is replaced meanwhile."""
        from embedkit.store.view import ReplacedError

        for _ in range(20):
            view = self._existing()
            try:
                return work(view)
            except ReplacedError:
                with self._reading:
                    self._view = None
        raise DamagedError(
            f"{self.path} misses files of its index",
            do=f"run: embedkit doctor {self.name} --repair",
        )

    def search(self, query: str, k: int = 10, *, where: str | None = None) -> list[Hit]:
        """Return the k records whose texts are nearest to the query in meaning, best first.

        Parameters
        ----------
        query : str
        k : int, >= 1
        where : str, optional
            SQL over the records' own columns, such as ``"lang = 'en' AND votes > 3"``. There are
            always min(k, matching records) hits.

        Raises
        ------
        CollectionNotFoundError, FilterError, InvalidInputError, DamagedError
        """
        if not isinstance(query, str):
            raise InvalidInputError(f"expected a text as query, got {type(query).__name__}")
        return self.search_many([query], k, where=where)[0]

    def search_many(
        self, queries: Sequence[str], k: int = 10, *, where: str | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query, in the order of the queries."""
        from embedkit.validate import check_texts

        texts = check_texts(queries)
        for i, text in enumerate(texts):
            if not text.strip():
                raise InvalidInputError(f"expected a query with words, query {i + 1} is empty")
        self._existing()
        if not texts:
            return []
        return self.search_vectors(self.embedder.embed(texts, input_type="query"), k, where=where)

    def search_vectors(
        self, vectors: Any, k: int = 10, *, where: str | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query vector, shape (n, dim) or (dim,)."""
        from embedkit.search import search
        from embedkit.validate import check_k, check_vectors

        count = check_k(k)

        def work(view: View) -> list[list[Hit]]:
            queries = check_vectors(vectors, view.manifest.model.dim, what="query vectors")
            return search(view, queries, count, where)

        return self._read(work)

    def similar(self, id: str, k: int = 10, *, where: str | None = None) -> list[Hit]:
        """Return the neighbours of a record that is there, itself left out; embeds nothing.

        Raises
        ------
        RecordNotFoundError, FilterError, InvalidInputError
        """
        from embedkit.search import similar
        from embedkit.validate import check_k

        count = check_k(k)
        return self._read(lambda view: similar(view, self._row(view, id), id, count, where))

    def _row(self, view: View, id: str) -> int:
        return self._found(view, id)[0]

    def _found(self, view: View, id: str) -> tuple[int, Record]:
        found = view.get(str(id))
        if found is None:
            raise RecordNotFoundError(
                f"no record {id!r} in collection {self.name!r}",
                do=f"ids look like {self._example(view)!r}",
            )
        return found

    def _example(self, view: View) -> str:
        rows = view.query("SELECT id FROM records ORDER BY seq LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def get(self, id: str) -> Record:
        """Return a record.

        Raises
        ------
        RecordNotFoundError
        """
        return self._read(lambda view: self._found(view, id)[1])

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self._read(lambda view: view.get(id)) is not None

    def __len__(self) -> int:
        view = self._refreshed()
        return view.manifest.records if view else 0

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order in which they came, as they are when this begins."""
        view = self._refreshed()
        return iter(view) if view else iter(())

    # -- about itself ---------------------------------------------------------------------------

    def info(self) -> CollectionInfo:
        """Describe the collection.

        Raises
        ------
        CollectionNotFoundError
        """
        view = self._existing()
        manifest = view.manifest
        resolved = manifest.index.resolved if manifest.index else "not built yet"
        spec = manifest.index.spec if manifest.index else manifest.index_spec
        runs = self.runs()
        return CollectionInfo(
            name=self.name,
            path=str(self.path),
            records=manifest.records,
            embedder=manifest.model.spec,
            model_id=manifest.model.model_id,
            dim=manifest.model.dim,
            metric=manifest.metric,
            index=spec if spec == resolved else f"{spec} ({resolved})",
            generation=manifest.generation,
            bytes=self._layout.size(),
            columns={column.name: column.type for column in view.columns},
            updated=manifest.updated,
            last_run=runs[0] if runs else None,
        )

    def runs(self) -> list[RunInfo]:
        """Return the ledger of runs, the newest first, without their failures."""
        from embedkit.store import ledger

        return self._ledger(ledger.read_runs)

    def run(self, number: int) -> RunInfo:
        """Return one run with its failures.

        Raises
        ------
        InvalidInputError
            There is no such run.
        """
        from embedkit.store import ledger

        found = self._ledger(lambda connection: ledger.read_run(connection, number))
        if found is None:
            raise InvalidInputError(
                f"collection {self.name!r} has no run {number}", do="see: embedkit runs"
            )
        return found

    def _ledger(self, read: Callable[[Any], T]) -> T:
        return self._read(lambda view: read(view.cursor))

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

    def close(self) -> None:
        """Let go of the files. The collection can be used again; it then opens them again."""
        with self._reading:
            if self._view is not None:
                self._view.close()
            self._view = None

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


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one published manifest from the next."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
