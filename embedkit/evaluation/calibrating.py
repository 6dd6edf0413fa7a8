"""A collection's calibration from judged queries: what a similarity is worth on its own data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from embedkit.evaluation.measures import Qrels
from embedkit.evaluation.search import Judged

if TYPE_CHECKING:
    from embedkit.retrieval.calibration import Calibration
    from embedkit.searching import Searching

DEPTH = 10
"""Hits of each query that are labels: what a person sees. Deeper ones would all be irrelevant."""


def calibrate(
    collection: Searching, queries: Mapping[str, str], qrels: Qrels, *, keep: bool = True
) -> Calibration:
    """Learn from judged queries how likely a hit of some similarity is relevant.

    The first ten hits of each judged query, searched by meaning, are the labels; one that nobody
    judged counts as not relevant.

    Parameters
    ----------
    collection : Collection
    queries : mapping of query id to text
    qrels : mapping of query id to mapping of record id to relevance
        Above 0 is relevant.
    keep : bool
        Store it in the collection, where ``min_confidence`` finds it from then on, as long as the
        collection keeps its model.

    Returns
    -------
    Calibration
        Its ``measured`` says what it is worth on queries that it was not fitted on.

    Raises
    ------
    InvalidInputError
        Too few hits are relevant, or too few are not, or the score says nothing about it.
    Also what :meth:`embedkit.Collection.search_many` raises.
    """
    from embedkit.retrieval.calibration import fit_labels
    from embedkit.retrieval.confidence import save

    judged = Judged.match(queries, qrels, collection)
    model_id = collection.info().model_id
    answers = collection.search_many(list(judged.queries.values()), DEPTH, mode="dense")
    pairs = [
        (hit.score, judged.qrels[query].get(hit.id, 0) > 0, query)
        for query, hits in zip(judged.queries, answers, strict=True)
        for hit in hits
    ]
    scores, relevant, groups = zip(*pairs, strict=True)
    found = fit_labels(scores, relevant, groups, model_id=model_id)
    if keep:
        save(found, collection.path)
    return found
