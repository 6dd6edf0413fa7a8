"""Reading a collection: search, neighbours, records, the ledger; always the published state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embedkit import catalog, registry
from embedkit.errors import DamagedError, InvalidInputError, RecordNotFoundError
from embedkit.model import ModelChoice, read_manifest
from embedkit.protocols import Embedder, Reranker
from embedkit.store.layout import Layout, check_name
from embedkit.types import CollectionInfo, Hit, Record, RunInfo

if TYPE_CHECKING:
    from embedkit.store.view import View

_ATTEMPTS = 20

T = TypeVar("T")


class Reader:
    """The reading half of a collection. Safe from several threads; never waits for a writer."""

    def __init__(self, name: str, home: Path, embedder: str | Embedder | None) -> None:
        self.name = check_name(name)
        self.home = home
        self.path = home / name
        self._layout = Layout(self.path)
        self._model = ModelChoice(self._layout, embedder)
        self._view: View | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._reading = threading.Lock()
        self._rerankers: dict[str, Reranker] = {}
        self._choosing = threading.Lock()
        catalog.check_home(home)
        self._model.check_given()

    @property
    def embedder(self) -> Embedder:
        """The embedder of this collection; a managed one with the home's cache before it.

        Raises
        ------
        ModelMismatchError
            It is not the model that filled the collection.
        UnsupportedOperationError
            The collection holds vectors of the user's own.
        """
        return self._model.embedder()

    def close(self) -> None:
        """Let go of the files. The collection can be used again; it then opens them again."""
        with self._reading:
            # Threads may be reading; the files are closed when the last of them lets go.
            self._view = None

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
        from embedkit.store.database import database_errors
        from embedkit.store.view import ReplacedError

        for _ in range(_ATTEMPTS):
            view = self._existing()
            try:
                with database_errors(self._layout.records(view.manifest.generation)):
                    return work(view)
            except ReplacedError:
                with self._reading:
                    self._view = None
        raise DamagedError(
            f"{self.path} misses files of its index",
            do=f"run: embedkit doctor {self.name} --repair",
        )

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        where: str | None = None,
        rerank: str | Reranker | None = None,
        candidates: int = 100,
    ) -> list[Hit]:
        """Return the k records whose texts are nearest to the query in meaning, best first.

        Parameters
        ----------
        query : str
        k : int, >= 1
        where : str, optional
            SQL over the records' own columns, such as ``"lang = 'en' AND votes > 3"``. There are
            always min(k, matching records) hits.
        rerank : str or Reranker, optional
            A spec such as ``"cross-encoder:MODEL"`` or a reranker of your own. It reads the
            nearest records together with the query, and the k that it finds most relevant are
            returned, with its relevance as their score.
        candidates : int, >= 1
            How many of the nearest records it reads; at least k.

        Raises
        ------
        CollectionNotFoundError, FilterError, InvalidInputError, DamagedError
        UnknownBackendError, MissingDependencyError, WeightsError, EmbeddingError, ProviderError
            The embedder or the reranker cannot be had, or failed.
        """
        if not isinstance(query, str):
            raise InvalidInputError(f"expected a text as query, got {type(query).__name__}")
        return self.search_many([query], k, where=where, rerank=rerank, candidates=candidates)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: str | None = None,
        rerank: str | Reranker | None = None,
        candidates: int = 100,
    ) -> list[list[Hit]]:
        """Return the hits of each query, in the order of the queries; see :meth:`search`.

        A reranker is called once a query.
        """
        from embedkit.retrieval.search import rerank as reranked
        from embedkit.validate import check_k, check_texts

        texts = check_texts(queries)
        for i, text in enumerate(texts):
            if not text.strip():
                raise InvalidInputError(f"expected a query with words, query {i + 1} is empty")
        count, read = check_k(k), check_k(candidates, "candidates")
        reranker = self._reranker(rerank)
        self._existing()
        if not texts:
            return []
        while True:
            embedder = self.embedder
            vectors = embedder.embed(texts, input_type="query")
            depth = count if reranker is None else max(count, read)
            hits = self._search(vectors, depth, where, embedder.model_id)
            if hits is not None:
                break
            # The collection has changed to another model meanwhile: ask with that one.
        if reranker is None:
            return hits
        return [reranked(*pair, count, reranker) for pair in zip(texts, hits, strict=True)]

    def _reranker(self, given: str | Reranker | None) -> Reranker | None:
        """Return the reranker that is meant; what a spec names is made once."""
        if given is None or not isinstance(given, str):
            if given is not None and not isinstance(given, Reranker):
                raise InvalidInputError(
                    f"expected a spec or a reranker for rerank, got {type(given).__name__}"
                )
            return given
        with self._choosing:  # its own lock: importing a backend takes seconds
            if given not in self._rerankers:
                self._rerankers[given] = registry.create("reranker", given)
            return self._rerankers[given]

    def search_vectors(
        self, vectors: Any, k: int = 10, *, where: str | None = None
    ) -> list[list[Hit]]:
        """Return the hits of each query vector, shape (n, dim) or (dim,)."""
        return self._search(vectors, k, where) or []

    def _search(
        self, vectors: Any, k: int, where: str | None, made_by: str | None = None
    ) -> list[list[Hit]] | None:
        """Return the hits, or None where the collection's vectors are not of that model."""
        from embedkit.retrieval.search import search
        from embedkit.validate import check_k, check_vectors

        count = check_k(k)

        def work(view: View) -> list[list[Hit]] | None:
            if made_by is not None and view.manifest.model.model_id != made_by:
                return None
            queries = check_vectors(vectors, view.manifest.model.dim, what="query vectors")
            return search(view, queries, count, where)

        return self._read(work)

    def similar(self, id: str, k: int = 10, *, where: str | None = None) -> list[Hit]:
        """Return the neighbours of a record that is there, itself left out; embeds nothing.

        Raises
        ------
        RecordNotFoundError, FilterError, InvalidInputError
        """
        from embedkit.retrieval.search import similar
        from embedkit.validate import check_k

        count = check_k(k)
        return self._read(lambda view: similar(view, self._found(view, id)[0], id, count, where))

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
        from embedkit.store.sets import describe

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
            precision=manifest.model.precision,
            kept=tuple(describe(self._layout, vectors) for vectors in manifest.sets),
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


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one published manifest from the next."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
