"""How far two models agree on the same texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.evaluation.retrieval import ndcg, overlap
from embedkit.indexes import exact
from embedkit.types import Estimate

if TYPE_CHECKING:
    from embedkit.quantized import Matrix
    from embedkit.types import Keys, Vectors

DEPTH = 10
SAMPLED = 200
"""Texts whose neighbours are compared, where no queries are given."""


@dataclass(frozen=True, slots=True)
class Side:
    """The texts as one model sees them.

    Attributes
    ----------
    matrix : float32 array or CodedMatrix, shape (n, dim)
    rows : int64 array, shape (texts,)
        The row of each text; both sides have the texts in the same order.
    queries : float32 array, shape (n_queries, dim), or None
        The queries, where there are any, by the same model.
    """

    matrix: Matrix
    rows: Keys
    queries: Vectors | None = None

    def nearest(self, queries: Vectors, k: int) -> list[list[int]]:
        """Return the k nearest texts of each query, exactly, by their place; fewer where there are.

        Equal scores are ordered by place, so that both sides order them in the same way.
        """
        places = np.full(len(self.matrix), -1, np.int64)
        places[self.rows] = np.arange(len(self.rows))
        found, _ = exact.top_k(queries, self.matrix, k, mask=places >= 0, ties=places)
        listed: list[list[int]] = places[found].tolist()
        return listed


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two models agree, and how relevant what they find is."""

    overlap: Estimate | None = None
    by: Literal["records", "queries", ""] = ""
    ndcg_old: Estimate | None = None
    ndcg_new: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Judgements of the queries.

    Attributes
    ----------
    queries : sequence of str
        Their ids, in the order of their vectors.
    qrels : mapping of query id to mapping of record id to relevance
    ids : callable
        Returns the record ids that have the text of each of some places.
    """

    queries: Sequence[str]
    qrels: Mapping[str, Mapping[str, float]]
    ids: Callable[[list[int]], Mapping[int, Sequence[str]]]

    def ndcg(self, found: Sequence[Sequence[int]]) -> Estimate | None:
        """Return the mean nDCG@10 of the queries that have something relevant; None of none."""
        if not self.qrels:
            return None
        ids = self.ids(sorted({place for line in found for place in line}))
        # A record comes once, however many of its passages are near.
        listed = [list(dict.fromkeys(id for place in line for id in ids[place])) for line in found]
        values = [
            ndcg(line, self.qrels.get(query, {}), DEPTH)
            for query, line in zip(self.queries, listed, strict=True)
        ]
        judged = [value for value in values if value is not None]
        return mean_with_interval(judged) if judged else None


def compare_by_queries(old: Side, new: Side, judge: Judge) -> Comparison:
    """Compare what two models find for queries, which both sides have."""
    assert old.queries is not None
    assert new.queries is not None
    before, after = old.nearest(old.queries, DEPTH), new.nearest(new.queries, DEPTH)
    shares = [overlap(*pair) for pair in zip(before, after, strict=True)]
    mean = mean_with_interval(shares) if shares else None
    return Comparison(mean, "queries", judge.ndcg(before), judge.ndcg(after))


def compare_by_records(old: Side, new: Side, *, seed: int = 0) -> Comparison:
    """Compare which others are nearest to each of 200 texts: each asks with its own vectors."""
    texts = len(old.rows)
    if texts < 2:
        return Comparison()
    chosen = np.random.default_rng(seed).choice(texts, min(texts, SAMPLED), replace=False)
    sides = [side.nearest(side.matrix[side.rows[chosen]], DEPTH + 1) for side in (old, new)]
    shares = [
        overlap(*([near for near in line if near != place][:DEPTH] for line in lines))
        for place, *lines in zip(chosen.tolist(), *sides, strict=True)
    ]
    return Comparison(mean_with_interval(shares), "records")
