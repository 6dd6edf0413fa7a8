"""Whether an adapter helps: measured on rows held out, without it and with it, the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.types import AdapterMeasure, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

    Values = NDArray[np.float64]

NEIGHBOURS = 10
SHARPNESS = 10.0
"""How much more a nearer neighbour says: votes weigh ``exp(SHARPNESS * cosine)``."""
DEPTH = 10
RESAMPLES = 1000
BLOCK = 1024


def nearest_classes(
    vectors: Vectors, targets: Keys, n_classes: int, queries: Vectors, k: int = NEIGHBOURS
) -> Keys:
    """Return the class that the k nearest vectors vote for, shape (n_queries,).

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
        Of length 1, their classes in ``targets``.
    queries : float32 array, shape (n_queries, dim)
    """
    k = min(k, len(vectors))
    out = np.empty(len(queries), np.int64)
    for first in range(0, len(queries), BLOCK):
        cosines = queries[first : first + BLOCK] @ vectors.T
        near = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        votes = np.zeros((len(cosines), n_classes))
        rows = np.repeat(np.arange(len(cosines)), k)
        weights = np.exp(SHARPNESS * np.take_along_axis(cosines, near, axis=1))
        np.add.at(votes, (rows, targets[near].ravel()), weights.ravel())
        out[first : first + len(cosines)] = votes.argmax(axis=1)
    return out


def head_classes(vectors: Vectors, targets: Keys, n_classes: int, queries: Vectors) -> Keys:
    """Return the classes that logistic regression gives queries, shape (n_queries,)."""
    from embedkit.classification.heads.logreg import LogisticRegressionHead
    from embedkit.classification.inputs import Inputs

    head = LogisticRegressionHead()
    head.fit(Inputs([""] * len(vectors), vectors), targets, n_classes)
    found: Keys = head.scores(Inputs([""] * len(queries), queries)).argmax(axis=1)
    return found


def ndcg_of(vectors: Vectors, meanings: Keys, queries: Keys) -> NDArray[np.float64]:
    """Return nDCG@10 of each query, shape (n_queries,), searching among all other vectors.

    Relevant are all vectors of the same meaning.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
    meanings : int64 array, shape (n,)
    queries : int64 array, shape (n_queries,)
        Rows of the vectors that are searched for; each has another of its meaning.
    """
    gains = 1 / np.log2(np.arange(2, DEPTH + 2))
    best = np.concatenate([[0.0], np.cumsum(gains)])
    sizes = np.bincount(meanings)
    out = np.empty(len(queries))
    depth = min(DEPTH, len(vectors) - 1)
    for first in range(0, len(queries), BLOCK):
        some = queries[first : first + BLOCK]
        cosines = vectors[some] @ vectors.T
        cosines[np.arange(len(some)), some] = -np.inf
        near = np.argpartition(-cosines, depth - 1, axis=1)[:, :depth]
        order = np.argsort(-np.take_along_axis(cosines, near, axis=1), axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        relevant = meanings[near] == meanings[some, np.newaxis]
        wanted = np.minimum(sizes[meanings[some]] - 1, DEPTH)
        out[first : first + len(some)] = (relevant * gains[:depth]).sum(axis=1) / best[wanted]
    return out


def paired(name: str, before: Values, after: Values, seed: int = 0) -> AdapterMeasure:
    """Return a measure that is a mean over rows, with the interval of its difference."""
    gaps = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    difference = mean_with_interval(gaps.tolist(), seed=seed)
    return AdapterMeasure(name, float(np.mean(before)), float(np.mean(after)), difference)


def auc(cosines: Values, same: NDArray[np.bool_]) -> float:
    """Return how often a pair that means the same is nearer than one that does not; ties are half.

    Source
    ------
    The Mann-Whitney statistic; Hanley and McNeil: The Meaning and Use of the Area under a Receiver
    Operating Characteristic (ROC) Curve, Radiology 1982.
    """
    from scipy.stats import rankdata

    positives, negatives = int(same.sum()), int((~same).sum())
    ranks = rankdata(cosines)[same].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def paired_auc(
    before: Values, after: Values, same: NDArray[np.bool_], seed: int = 0
) -> AdapterMeasure:
    """Return the AUC without and with, and the interval of the difference over resampled pairs.

    Pairs of each kind are resampled apart, so that there are always some of both.
    """
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(same), np.flatnonzero(~same)]
    gaps = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        gaps.append(auc(after[rows], same[rows]) - auc(before[rows], same[rows]))
    low, high = np.percentile(gaps, (2.5, 97.5))
    old, new = auc(before, same), auc(after, same)
    return AdapterMeasure("auc", old, new, Estimate(new - old, float(low), float(high), len(same)))
