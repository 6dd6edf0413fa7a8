"""How sure it is that a hit answers the query, from its similarity.

A raw cosine does not say: 0.5 is much for one model and little for another, and the best of a
million records is nearer to anything than the best of a hundred. A :class:`Calibration` turns a
similarity into a probability, ``1 / (1 + exp(-(slope * score + intercept)))``, and comes from:

- **labels** (:func:`fit_labels`): hits of judged queries. Logistic regression, Platt 1999.
- **the corpus itself** (:func:`fit_corpus`), where there are none, from its vectors alone; nothing
  is embedded. Two things are measured:

  - how near the best record comes to a *surrogate query*, which speaks of the corpus' field and of
    nothing in particular: a random mixture of many records, so with their mean taken away and
    their covariance kept. Nothing answers it. (Surrogates that keep the second moments and destroy
    the rest: Theiler et al., "Testing for nonlinearity in time series", Physica D 58, 1992.)
  - how near records come to their relatives: the median similarity of a record with the nearest
    other one that is no copy. Something like this is what an answered query reaches.

  The middle between the two is as likely the one as the other, 0.5; the first alone has 5 %, the
  second 95 %. Both grow with the number of records, and so does what is asked of a hit. Measured in
  ``benchmarks/calibration.py``.

Use, with :mod:`embedkit.retrieval.confidence`::

    calibration = calibration_of(view)               # of labels where they were stored, else corpus
    confidence = calibration.probability(scores)     # dense similarities, any shape

A score per hit is enough: the mean and the spread of a query's own similarities, by which scores
are often normalised, were tried and make it worse where a corpus is about one thing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.quantized import Matrix
    from embedkit.types import Mask, Vectors

SAMPLED = 32_768
"""Rows that are looked at; what more rows change is extrapolated."""
MIXED = 2_048
"""Records that a surrogate query is mixed of."""
PROBES = 128
"""Surrogate queries, and records that look for their relatives."""
PARTS = 8
COPY = 0.95
"""A record nearer than this is a copy and tells nothing of relatives."""
FEWEST = 10
"""Vectors below which a corpus says nothing about itself."""
ODDS = 6.0
"""Logarithm of the odds between what has 5 % and what has 95 %: ln(19) on each side."""
LABELS = 5
"""Hits of each kind, relevant and not, that labels need at least."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A similarity as a probability.

    Attributes
    ----------
    kind : {"labels", "corpus"}
        What it was fitted on.
    slope, intercept : float
        Of the logarithm of the odds as a function of the score; the slope is positive.
    model_id : str
        Whose similarities it is for; empty where nobody said.
    n : int
        Labels, or records, that it was fitted on.
    measured : mapping of str to float
        Of labels: ``auroc`` and ``brier`` on queries it was not fitted on, and ``share`` relevant.
        Of a corpus: what ``unrelated`` and ``related`` texts reach.
    """

    kind: Literal["labels", "corpus"]
    slope: float
    intercept: float
    model_id: str = ""
    n: int = 0
    measured: Mapping[str, float] | None = None

    def probability(self, scores: Any) -> NDArray[np.float64]:
        """Return the probability that hits of these similarities are relevant.

        Parameters
        ----------
        scores : float array of any shape
            Dense similarities, as the index returns them. ``-inf``, an empty cell, has 0.

        Returns
        -------
        float64 array of the same shape, from 0 to 1, growing with the score
        """
        odds = self.slope * np.asarray(scores, np.float64) + self.intercept
        chance: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -700, 700)))
        return np.where(np.isneginf(odds), 0.0, chance)

    def score(self, probability: float) -> float:
        """Return the similarity that has a probability, from above 0 to below 1."""
        return (math.log(probability / (1 - probability)) - self.intercept) / self.slope

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self) | {"measured": dict(self.measured or {})}


# -- from the corpus ---------------------------------------------------------------------------


def fit_corpus(
    matrix: Matrix, live: Mask | None = None, *, seed: int = 0, model_id: str = ""
) -> Calibration:
    """Calibrate from the vectors of a corpus, without labels; the same seed gives the same.

    Parameters
    ----------
    matrix : float32 array or CodedMatrix, shape (n, dim)
        Of length 1.
    live : bool array, shape (n,), optional
        Which rows count. Default: all.

    Raises
    ------
    InvalidInputError
        There are fewer than ten rows.
    """
    rows = np.arange(len(matrix)) if live is None else np.flatnonzero(live)
    n = len(rows)
    if n < FEWEST:
        raise InvalidInputError(
            f"expected at least {FEWEST} different texts to tell what is near, got {n}",
            do="set a score instead (min_score), or calibrate with judgements",
        )
    random = np.random.default_rng(seed)
    if n > SAMPLED:
        rows = np.sort(random.choice(rows, SAMPLED, replace=False))
    vectors = matrix[rows][random.permutation(len(rows))]
    unrelated, spread = _unrelated(vectors, n, random)
    related = max(_related(vectors, n), unrelated + max(2 * spread, 1e-3))
    slope = ODDS / (related - unrelated)
    return Calibration(
        "corpus",
        slope,
        -slope * (related + unrelated) / 2,
        model_id,
        n,
        {"unrelated": unrelated, "related": related},
    )


def _unrelated(vectors: Vectors, n: int, random: np.random.Generator) -> tuple[float, float]:
    """Return the mean of the best similarity of surrogate queries, and its standard deviation."""
    mixed = vectors[:MIXED]
    centred = mixed - mixed.mean(axis=0)
    weights = random.standard_normal((PROBES, len(mixed)), np.float32)
    queries = weights @ centred
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    if lengths.min() < 1e-6:  # all records are alike, and a query is anything
        queries = random.standard_normal((PROBES, vectors.shape[1]), np.float32)
        lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    parts = [(queries / lengths @ part.T).max(axis=1) for part in _parts(vectors)]
    best = np.max(parts, axis=0)
    grown = _growth(float(np.mean(parts)), float(best.mean()), len(parts), len(vectors), n)
    return float(best.mean()) + grown, float(best.std())


def _related(vectors: Vectors, n: int) -> float:
    """Return the median similarity of records with the nearest other one that is no copy."""
    probes = vectors[:PROBES]
    near = []
    for place, part in enumerate(_parts(vectors)):
        scores = probes @ part.T
        if not place:
            np.fill_diagonal(scores, -1)
        scores[scores > COPY] = -1
        near.append(scores.max(axis=1))
    median = float(np.median(np.max(near, axis=0)))
    grown = _growth(float(np.median(near)), median, len(near), len(vectors), n)
    return min(median + grown, COPY)


def _parts(vectors: Vectors) -> Sequence[Vectors]:
    parts = PARTS if len(vectors) >= PARTS * PROBES else 1
    return np.array_split(vectors, parts)


def _growth(within: float, whole: float, parts: int, sampled: int, n: int) -> float:
    """Return how much higher the best of n is than the best of a sample.

    The best of many grows with the logarithm of their number, where their tail falls off
    exponentially; from a part to the whole sample it has grown by as much.
    """
    if parts == 1 or n <= sampled:
        return 0.0
    return (whole - within) / math.log(parts) * math.log(n / sampled)


# -- from labels ---------------------------------------------------------------------------------


def fit_labels(
    scores: Any,
    relevant: Any,
    groups: Sequence[Any] | None = None,
    *,
    model_id: str = "",
) -> Calibration:
    """Calibrate from hits of which it is known whether they are relevant.

    Parameters
    ----------
    scores : float array, shape (n,)
        Dense similarities of hits with their queries.
    relevant : bool array, shape (n,)
    groups : sequence of n values, optional
        Which query each hit is of. Hits of one query are left out together where it is measured
        how good the calibration is. Default: each hit is its own.

    Raises
    ------
    InvalidInputError
        Fewer than five hits of a kind, or a better score makes relevance no likelier.

    Source
    ------
    Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods", 1999: logistic regression on the score, here by scikit-learn.
    """
    values = np.asarray(scores, np.float64).ravel()
    truth = np.asarray(relevant, np.bool_).ravel()
    if len(values) != len(truth) or not np.isfinite(values).all():
        raise InvalidInputError("expected a finite score and a label of each hit")
    kinds = int(truth.sum()), int((~truth).sum())
    if min(kinds) < LABELS:
        raise InvalidInputError(
            f"expected at least {LABELS} relevant hits and {LABELS} others, "
            f"got {kinds[0]} and {kinds[1]}",
            do="judge more queries",
        )
    slope, intercept = _logistic(values, truth)
    if not slope > 0:
        raise InvalidInputError(
            "relevant hits have no higher scores than others, so a score says nothing here",
            do="look at the judgements, or at the model",
        )
    named = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    measured = {"share": float(truth.mean())} | _crossed(values, truth, np.asarray(named))
    return Calibration("labels", slope, intercept, model_id, len(values), measured)


def _logistic(scores: NDArray[np.float64], truth: Mask) -> tuple[float, float]:
    """Return slope and intercept."""
    from sklearn.linear_model import LogisticRegression

    centre, scale = float(scores.mean()), float(scores.std()) or 1.0
    model = LogisticRegression(C=10.0)  # scores are brought to one scale: this hardly holds back
    model.fit(((scores - centre) / scale)[:, np.newaxis], truth)
    slope = float(model.coef_[0, 0]) / scale
    return slope, float(model.intercept_[0]) - slope * centre


def _crossed(
    scores: NDArray[np.float64], truth: Mask, groups: NDArray[np.int64]
) -> dict[str, float]:
    """Return what the calibration is worth on queries that it was not fitted on."""
    from sklearn.metrics import brier_score_loss, roc_auc_score
    from sklearn.model_selection import GroupKFold

    folds = min(5, len(np.unique(groups)))
    if folds < 2:
        return {}
    chance = np.full(len(scores), np.nan)
    for fitted, held in GroupKFold(folds).split(scores, truth, groups):
        if truth[fitted].all() or not truth[fitted].any():
            return {}
        slope, intercept = _logistic(scores[fitted], truth[fitted])
        chance[held] = Calibration("labels", slope, intercept).probability(scores[held])
    return {
        "auroc": float(roc_auc_score(truth, chance)),
        "brier": float(brier_score_loss(truth, chance)),
    }
