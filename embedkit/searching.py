"""The part of a collection that searches; always in the published state."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from embedkit import registry
from embedkit.errors import InvalidInputError
from embedkit.protocols import Embedder, Reranker
from embedkit.reader import Reader
from embedkit.types import Hits

if TYPE_CHECKING:
    from embedkit.retrieval.calibration import Calibration
    from embedkit.retrieval.candidates import Asked
    from embedkit.retrieval.options import SearchOptions, Wanted
    from embedkit.store.view import View
    from embedkit.types import Vectors


class Searching(Reader):
    """Finds records by texts, vectors and examples. Safe from several threads."""

    def __init__(self, name: str, home: Path, embedder: str | Embedder | None) -> None:
        super().__init__(name, home, embedder)
        self._rerankers: dict[str, Reranker] = {}
        self._choosing = threading.Lock()

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
        from embedkit.validate import check_vectors, normalize

        def work(view: View) -> list[Hits] | None:
            if made_by is not None and view.manifest.model.model_id != made_by.model_id:
                return None
            checked = asked
            if asked.vectors is not None:
                dim = view.manifest.model.dim
                vectors = check_vectors(asked.vectors, dim, what="query vectors")
                if view.manifest.metric == "cosine":
                    vectors = normalize(vectors)
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
        like, other = _ids(id), _ids(unlike)
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


def _ids(given: Any) -> list[str]:
    """Return ids, of which one may be given by itself."""
    alone = isinstance(given, str) or not isinstance(given, Iterable)
    return [str(given)] if alone else [str(id) for id in given]
