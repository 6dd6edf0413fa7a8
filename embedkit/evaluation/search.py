"""How relevant the hits of a search are, by judgements of its queries."""

from __future__ import annotations

from collections.abc import Collection as Ids
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import unquote

from embedkit.errors import InvalidInputError
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.evaluation.measures import DEFAULT, Qrels, check_measures, deepest, per_query
from embedkit.evaluation.results import Missed, QueryScore, SearchEvaluation, named

if TYPE_CHECKING:
    from embedkit.retrieval.options import SearchOptions
    from embedkit.searching import Searching

DEPTH = 100
"""Hits of each query that are looked at, where a measure does not need more."""
SEEN = 10
"""Hits that a person sees; a relevant record after them was missed."""
BATCH = 256
JUDGED = 8
"""Queries that are searched together, and the same where a reranker reads many texts for each."""

Found = Mapping[str, Sequence[tuple[str, float]]]
"""``{query id: (record id, score), best first}``."""


def evaluate_search(
    collection: Searching,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    measures: Iterable[str] = DEFAULT,
    k: int | None = None,
    seed: int = 0,
    **options: Unpack[SearchOptions],
) -> SearchEvaluation:
    """Search for each judged query and measure how relevant the hits are.

    Parameters
    ----------
    collection : Collection
    queries : mapping of query id to text
    qrels : mapping of query id to mapping of record id to relevance
        Whole numbers; above 0 is relevant. See
        :func:`embedkit.evaluation.judgements.read_qrels`. Records that nobody judged count as not
        relevant. Blanks in ids may be written ``%20``, as in TREC files.
    measures : iterable of str
        Such as ``"nDCG@10"``, ``"MRR@10"``, ``"recall@100"``, ``"MAP"`` or any name of ir-measures.
    k : int, optional
        How many hits of each query are looked at. Default: 100, more where a measure needs more.
    seed : int
        Of the bootstrap.
    **options
        How to search; see :meth:`embedkit.Collection.search`.

    Raises
    ------
    InvalidInputError
        A measure that there is not, one that needs more than k hits, or judgements of which none
        fits the queries or the collection.
    MissingDependencyError
        ir-measures is not installed.
    Also what :meth:`embedkit.Collection.search_many` raises.

    Examples
    --------
    >>> questions = embedkit.open("questions")                                 # doctest: +SKIP
    >>> found = embedkit.evaluate_search(                                      # doctest: +SKIP
    ...     questions, {"1": "money back"}, {"1": {"r17": 1}}, mode="hybrid")
    >>> found.measures["nDCG@10"].mean                                         # doctest: +SKIP
    """
    checked = check_measures(measures)
    depth = check_depth(k, checked)
    judged = Judged.match(queries, qrels, collection)
    found = search_all(collection, judged.queries, depth, options)
    subject = describe(collection.name, options)
    return score(subject, judged, found, checked, depth, seed=seed)


def evaluate_run(
    run: Found,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    collection: Searching,
    name: str = "run",
    measures: Iterable[str] = DEFAULT,
    k: int | None = None,
    seed: int = 0,
) -> SearchEvaluation:
    """Measure hits that were found elsewhere, such as those of another search engine.

    Parameters
    ----------
    run : mapping of query id to (record id, score) pairs, best first
        What :func:`embedkit.evaluation.judgements.read_run` returns.
    collection : Collection
        What the judged records are of.
    name : str
        What the result calls it.

    Raises
    ------
    InvalidInputError
        As of :func:`evaluate_search`, or the run has hits for none of the queries.
    """
    checked = check_measures(measures)
    depth = check_depth(k, checked)
    judged = Judged.match(queries, qrels, collection)
    asked = as_written(run, judged.queries)
    if not asked:
        raise InvalidInputError(
            f"{name} has hits for none of the judged queries: {named(list(run))}",
            do=f"the ids of the queries look like {named(list(judged.queries))}",
        )
    found = {}
    for query, hits in run.items():
        if query in asked:
            spelt = as_written([id for id, _ in hits], judged.qrels[asked[query]])
            found[asked[query]] = [(spelt.get(id, id), value) for id, value in hits[:depth]]
    return score(name, judged, found, checked, depth, seed=seed)


def check_depth(k: int | None, measures: Mapping[str, Any]) -> int:
    """Return how many hits to look at."""
    from embedkit.validate import check_k

    needed = deepest(measures)
    if k is None:
        return max(DEPTH, needed)
    if check_k(k) < needed:
        raise InvalidInputError(
            f"expected k of at least {needed}, which {', '.join(measures)} need, got {k}",
            do="raise k, or choose measures of fewer hits",
        )
    return k


def describe(name: str, options: Mapping[str, Any]) -> str:
    """Return what is searched and how: ``questions, mode=hybrid``."""
    told = [f"{key}={value}" for key, value in options.items() if value is not None]
    return ", ".join([name, *told])


class Judged:
    """Queries and their judgements, matched with each other and with a collection.

    Attributes
    ----------
    queries : dict of query id to text
        Those that have something relevant.
    qrels : dict of query id to dict of record id to relevance
        Of the same queries, by the ids of the collection's records.
    unjudged, unasked, unknown : tuple of str
        As in :class:`SearchEvaluation`.
    """

    def __init__(self, queries: dict[str, str], qrels: dict[str, dict[str, float]]) -> None:
        self.queries = queries
        self.qrels = qrels
        self.unjudged: tuple[str, ...] = ()
        self.unasked: tuple[str, ...] = ()
        self.unknown: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()

    @classmethod
    def match(cls, queries: Mapping[str, str], qrels: Qrels, collection: Searching) -> Judged:
        """Match them.

        Raises
        ------
        InvalidInputError
            None of the judgements is of a query that was given, or of a record that is there.
        """
        if not queries:
            raise InvalidInputError("expected at least one query, got none")
        asked = as_written(qrels, queries)
        documents = list(dict.fromkeys(id for docs in qrels.values() for id in docs))
        spelt = {id: unquote(id) for id in documents}
        there = collection.having([*documents, *spelt.values()])
        known = as_written(documents, there)
        made: dict[str, dict[str, float]] = {}
        for query, docs in qrels.items():
            if query in asked:
                made[asked[query]] = {known.get(id, id): value for id, value in docs.items()}
        relevant = [q for q in queries if any(value > 0 for value in made.get(q, {}).values())]
        judged = cls({q: queries[q] for q in relevant}, {q: made[q] for q in relevant})
        judged.unjudged = tuple(q for q in queries if q not in judged.queries)
        judged.unasked = tuple(q for q in qrels if q not in asked)
        judged.unknown = tuple(id for id in documents if id not in known)
        judged._refuse(queries, qrels, collection, documents)
        judged.notes = tuple(judged._tell(len(documents)))
        return judged

    def _refuse(
        self,
        queries: Mapping[str, str],
        qrels: Qrels,
        collection: Searching,
        documents: Sequence[str],
    ) -> None:
        if not documents:
            raise InvalidInputError("expected judgements of the queries, got none")
        if len(self.unknown) == len(documents):
            raise InvalidInputError(
                f"none of the {len(documents):,} judged records is in collection "
                f"{collection.name!r}: {named(documents)}",
                do=f"its ids look like {named(collection.some_ids())}; judge records by these",
            )
        if len(self.unasked) == len(qrels):
            raise InvalidInputError(
                f"none of the {len(qrels):,} judged queries is among the {len(queries):,} given: "
                f"{named(self.unasked)}",
                do=f"the ids of the queries look like {named(list(queries))}",
            )
        if not self.queries:
            raise InvalidInputError("none of the queries has a judgement of relevance above 0")

    def _tell(self, documents: int) -> Iterable[str]:
        if self.unjudged:
            yield (
                f"{_many(self.unjudged, 'query', 'queries')} without anything judged relevant left "
                f"out: {named(self.unjudged)}"
            )
        if self.unasked:
            yield (
                f"{_many(self.unasked, 'judged query', 'judged queries')} not among those given: "
                f"{named(self.unasked)}"
            )
        if self.unknown:
            yield (
                f"{len(self.unknown):,} of {documents:,} judged records not in the collection, "
                f"which count as not found: {named(self.unknown)}"
            )


def as_written(given: Iterable[str], there: Ids[str]) -> dict[str, str]:
    """Return which of the ids that are there each given id means: itself, or itself unescaped."""
    found = {}
    for id in given:
        if id in there:
            found[id] = id
        elif "%" in id and unquote(id) in there:
            found[id] = unquote(id)
    return found


def search_all(
    collection: Searching, queries: Mapping[str, str], k: int, options: Mapping[str, Any]
) -> dict[str, list[tuple[str, float]]]:
    """Return the hits of each query, in batches."""
    listed = list(queries.items())
    size = BATCH if options.get("rerank") is None else JUDGED
    found = {}
    for start in range(0, len(listed), size):
        batch = listed[start : start + size]
        answers = collection.search_many([text for _, text in batch], k, **options)
        for (id, _), hits in zip(batch, answers, strict=True):
            found[id] = [(hit.id, hit.score) for hit in hits]
    return found


def score(
    subject: str,
    judged: Judged,
    found: Found,
    measures: Mapping[str, Any],
    k: int,
    *,
    seed: int = 0,
) -> SearchEvaluation:
    """Measure hits that were found already.

    Parameters
    ----------
    found : mapping of query id to (record id, score) pairs, best first
    measures : mapping
        What :func:`check_measures` returned.
    """
    rankings = {query: [id for id, _ in hits] for query, hits in found.items()}
    values = per_query(measures, judged.qrels, rankings)
    unknown = frozenset(judged.unknown)
    queries = tuple(
        QueryScore(
            query,
            text,
            values[query],
            tuple(rankings.get(query, ())),
            tuple(score for _, score in found.get(query, ())),
            sum(value > 0 for value in judged.qrels[query].values()),
            _missed(judged.qrels[query], rankings.get(query, ()), unknown),
        )
        for query, text in judged.queries.items()
    )
    means = {
        name: mean_with_interval([query.values[name] for query in queries], seed=seed)
        for name in measures
    }
    return SearchEvaluation(
        subject, k, means, queries, judged.unjudged, judged.unasked, judged.unknown, judged.notes
    )


def _missed(
    relevance: Mapping[str, float], ranking: Sequence[str], unknown: Ids[str]
) -> Missed | None:
    """Return the most relevant record after the first ten, the best placed of several."""
    places = {id: rank for rank, id in enumerate(ranking, start=1)}
    after = [
        Missed(id, value, places.get(id), id not in unknown)
        for id, value in relevance.items()
        if value > 0 and places.get(id, SEEN + 1) > SEEN
    ]
    return min(
        after,
        key=lambda m: (not m.known, -m.relevance, len(ranking) + 1 if m.rank is None else m.rank),
        default=None,
    )


def _many(ids: Sequence[str], noun: str, plural: str) -> str:
    return f"{len(ids):,} {noun if len(ids) == 1 else plural}"
