"""Reading a collection: search, neighbours, records, the ledger; always the published state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from embedkit import catalog, registry
from embedkit.errors import DamagedError, InvalidInputError, RecordNotFoundError
from embedkit.model import ModelChoice, read_manifest
from embedkit.protocols import Embedder, Reranker
from embedkit.store.layout import Layout, check_name
from embedkit.types import CollectionInfo, Hits, Passage, Record, RunInfo

if TYPE_CHECKING:
    from embedkit.retrieval.calibration import Calibration
    from embedkit.retrieval.candidates import Asked
    from embedkit.retrieval.options import SearchOptions, Wanted
    from embedkit.store.view import View
    from embedkit.store.warm import Warm
    from embedkit.types import Vectors

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
        self._warm: Warm | None = None
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
            self._view, self._warm = None, None

    def _kept(self) -> Warm:
        """Return what this process keeps of the collection from one call to the next."""
        from embedkit.store.warm import Warm

        if self._warm is None:
            self._warm = Warm()
        return self._warm

    def _refreshed(self) -> View | None:
        """Return the view of the last published generation, or None before the first."""
        from embedkit.store.view import open_view

        with self._reading:
            stamp = _stamp(self._layout.manifest)
            if self._view is None or stamp != self._stamp:
                if stamp is None and read_manifest(self._layout) is None:
                    self._view = None
                else:
                    self._view = open_view(self._layout, self._view, self._kept().opened)
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
                with database_errors(self._layout.records(view.manifest.snapshot)):
                    return work(view)
            except ReplacedError:
                with self._reading:
                    self._view = None
        raise DamagedError(
            f"{self.path} misses files of its index",
            do=f"run: embedkit doctor {self.name} --repair",
        )

    def search(self, query: str, k: int = 10, **options: Unpack[SearchOptions]) -> Hits:
        """Return the k records that answer the query best, best first.

        Parameters
        ----------
        query : str
        k : int, >= 1
        offset : int, >= 0
            How many of the best are passed over: the next page has ``offset=k``.
        where : str, optional
            SQL over the records' own columns, such as ``"lang = 'en' AND votes > 3"``. There are
            always min(k, matching records) hits.
        mode : {"dense", "lexical", "hybrid"}
            Records near in meaning, those that share words with the query (BM25; no model is
            asked), or both lists fused.
        fusion : str, optional
            How ``hybrid`` fuses them: a spec such as ``"rrf?k=60"`` or ``"weighted?dense=0.7"``.
        rerank : str or Reranker, optional
            A spec such as ``"cross-encoder:MODEL"`` or a reranker of your own. It reads the
            best records together with the query, and the k that it finds most relevant are
            returned, with its relevance as their score.
        candidates : int, >= 1
            How many of the best it reads, or ``diversity`` chooses from; at least k.
        diversity : float, optional
            From 0 to 1: how much hits are to differ from each other (maximal marginal relevance).
        min_score : float, optional
            Only hits of at least this score, of whatever kind it is.
        min_confidence : float, optional
            From 0 to 1: only hits that are relevant with at least this probability. There may be
            none: then nothing in the collection is good enough.
        explain : bool
            Say of each hit why it is one (``Hit.why``), and how it was found (``Hits.plan``). This
            embeds the hits' texts some dozens of times, each without one of its words.

        Raises
        ------
        CollectionNotFoundError, FilterError, InvalidInputError, DamagedError
        UnknownBackendError, MissingDependencyError, WeightsError, EmbeddingError, ProviderError
            The embedder or the reranker cannot be had, or failed.
        """
        if not isinstance(query, str):
            raise InvalidInputError(f"expected a text as query, got {type(query).__name__}")
        return self.search_many([query], k, **options)[0]

    def search_many(
        self, queries: Sequence[str], k: int = 10, **options: Unpack[SearchOptions]
    ) -> list[Hits]:
        """Return the hits of each query, in the order of the queries; see :meth:`search`.

        All are searched in one pass. A reranker is called once a query.
        """
        from embedkit.retrieval.candidates import Asked
        from embedkit.retrieval.options import check_options
        from embedkit.validate import check_texts

        texts = check_texts(queries)
        for i, text in enumerate(texts):
            if not text.strip():
                raise InvalidInputError(f"expected a query with words, query {i + 1} is empty")
        wanted = check_options(k, options)
        reranker = self._reranker(wanted.rerank)
        self._existing()
        if not texts:
            return []
        if not wanted.asks_model:
            found = self._search(Asked(texts=texts), wanted, reranker)
            assert found is not None
            return found
        while True:
            embedder = self.embedder
            asked = Asked(embedder.embed(texts, input_type="query"), texts)
            hits = self._search(asked, wanted, reranker, embedder)
            if hits is not None:
                return hits
            # The collection has changed to another model meanwhile: ask with that one.

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
        self, vectors: Any, k: int = 10, **options: Unpack[SearchOptions]
    ) -> list[Hits]:
        """Return the hits of each query vector, shape (n, dim) or (dim,); see :meth:`search`.

        Options that need the query's text (``mode``, ``rerank``) are refused.
        """
        from embedkit.retrieval.candidates import Asked
        from embedkit.retrieval.options import check_options

        wanted = check_options(k, options).by_vector()
        return self._search(Asked(vectors), wanted) or []

    def _search(
        self,
        asked: Asked,
        wanted: Wanted,
        reranker: Reranker | None = None,
        made_by: Embedder | None = None,
    ) -> list[Hits] | None:
        """Return the hits, or None where the collection's vectors are not of that model."""
        from embedkit.retrieval.search import search
        from embedkit.validate import check_vectors

        def work(view: View) -> list[Hits] | None:
            if made_by is not None and view.manifest.model.model_id != made_by.model_id:
                return None
            checked = asked
            if asked.vectors is not None:
                dim = view.manifest.model.dim
                vectors = check_vectors(asked.vectors, dim, what="query vectors")
                checked = replace(asked, vectors=vectors)
            return search(view, checked, wanted, reranker)

        found = self._read(work)
        if found is not None and wanted.explain and made_by is not None:
            from embedkit.retrieval.explain import with_words

            assert asked.vectors is not None
            return with_words(made_by, asked.vectors, found)
        return found

    def similar(
        self,
        id: str | Sequence[str],
        k: int = 10,
        *,
        unlike: str | Sequence[str] = (),
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """Return the neighbours of records that are there, themselves left out; embeds nothing.

        A record that is cut into passages asks with the mean of their vectors.

        Parameters
        ----------
        id : str or sequence of str
            One record, or several examples of what is wanted.
        unlike : str or sequence of str
            Examples of what is not wanted.

        Raises
        ------
        RecordNotFoundError, FilterError, InvalidInputError
        """
        import numpy as np

        from embedkit.retrieval.candidates import Asked
        from embedkit.retrieval.examples import query_from_examples
        from embedkit.retrieval.options import check_options
        from embedkit.retrieval.search import search

        wanted = check_options(k, options).by_vector()
        like = [id] if isinstance(id, str) else list(id)
        other = [unlike] if isinstance(unlike, str) else list(unlike)
        if not like:
            raise InvalidInputError("expected the id of at least one record, got none")

        def work(view: View) -> list[Hits]:
            near, far = (
                np.array([self._vector(view, name) for name in ids], np.float32)
                for ids in (like, other)
            )
            vectors = near if len(like) == 1 and not other else query_from_examples(near, far)
            return search(view, Asked(vectors, without=frozenset(like + other)), wanted)

        return self._read(work)[0]

    def _vector(self, view: View, id: str) -> Vectors:
        vector = view.vector(str(id))
        if vector is None:
            raise self._unknown(view, id)
        return vector

    def _found(self, view: View, id: str) -> tuple[int, Record]:
        found = view.get(str(id))
        if found is None:
            raise self._unknown(view, id)
        return found

    def _unknown(self, view: View, id: str) -> RecordNotFoundError:
        return RecordNotFoundError(
            f"no record {id!r} in collection {self.name!r}",
            do=f"ids look like {self._example(view)!r}",
        )

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

    def passages(self, id: str) -> list[Passage]:
        """Return the passages of a record, in order; of one that is not cut, its whole text.

        Raises
        ------
        RecordNotFoundError
        """
        return self._read(lambda view: self._passages(view, id))

    def _passages(self, view: View, id: str) -> list[Passage]:
        text = self._found(view, id)[1].text
        cut: list[Passage] = []
        if view.passages is not None:
            ((seq,),) = view.query("SELECT seq FROM records WHERE id = ?", [str(id)])
            cut = view.passages.cut(seq, text)
        return cut or [Passage(1, 1, 0, len(text), text)]

    def having(self, ids: Sequence[str]) -> set[str]:
        """Return those of the ids that there are records of."""
        from embedkit.validate import is_unicode

        listed = [id for id in ids if is_unicode(id)]
        sql = "SELECT id FROM records WHERE id IN (SELECT unnest(?::VARCHAR[]))"
        return {str(row[0]) for row in self._read(lambda view: view.query(sql, [listed]))}

    def sample(self, n: int, *, seed: int = 0, where: str | None = None) -> list[Record]:
        """Return n records at random, or all where there are fewer; by the same seed the same.

        What is drawn stays, mostly, when records are added: two measurements can be compared.

        Raises
        ------
        FilterError
        """
        from embedkit.validate import check_k

        check_k(n, "n")
        return self._read(lambda view: view.sample(n, str(seed), where))

    def some_ids(self, n: int = 3) -> list[str]:
        """Return the ids of the first records, to show what ids look like."""
        sql = "SELECT id FROM records ORDER BY seq LIMIT ?"
        return [str(row[0]) for row in self._read(lambda view: view.query(sql, [n]))]

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
            chunk=manifest.chunk,
            passages=view.count_passages(),
            kept=tuple(describe(self._layout, vectors) for vectors in manifest.sets),
            recall=manifest.recall,
            measurement=manifest.index.measurement if manifest.index else None,
        )

    def calibration(self) -> Calibration:
        """Return which probability of being relevant a hit's similarity stands for.

        From judgements where :func:`embedkit.calibrate` kept some, else from the collection itself.

        Raises
        ------
        InvalidInputError
            There are too few records to tell.
        """
        from embedkit.retrieval.confidence import calibration_of

        return self._read(calibration_of)

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
        return self._read(lambda view: read(view.ledger))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one published manifest from the next."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
