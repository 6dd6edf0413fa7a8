"""From labelled pairs to a threshold that holds a wished precision, and to probabilities.

The threshold is the lowest at which precision on the labelled pairs, taken with caution, is still
what was wished: its Wilson bound one standard error below must reach it (Wilson, "Probable
inference, the law of succession, and statistical inference", 1927). The best of many thresholds,
taken at its face value, would promise too much: of such thresholds, learned from 300 to 1,000 pairs
of two public collections, half missed the wished precision on pairs they had not seen, and with
the bound one in five. How good it is is measured by cross-validation, each threshold on pairs it
has not seen. Probabilities are those of Platt ("Probabilistic outputs for support vector machines",
1999).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from embedkit.types import Mask, Scores

CAUTION = 1.0
"""Standard errors that the precision of a threshold is taken lower."""
CONFIDENCE = 1.96
"""Standard errors to either side of an interval of 95 %."""
LEAST = 10
"""Pairs of each label without which nothing can be said."""
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """What labelled pairs say of cosines.

    Precision, recall and F1 are those of thresholds found in the same way on four fifths of the
    pairs, on the fifth that each has not seen.

    Attributes
    ----------
    threshold : float
        Least cosine of a pair.
    wished : float
        The precision that was asked for.
    precision, low, high : float
        Measured share of true duplicates among the pairs it lets through, with its interval of
        95 %. It holds for pairs as the labelled ones are: where duplicates are rarer, it is lower.
    recall, f1 : float
        Share of the duplicates that it finds, and the harmonic mean of that and precision.
    pairs, duplicates : int
        How many were labelled, and how many of them as duplicates.
    slope, intercept : float
        Of the log odds that a pair is a duplicate, by its cosine.
    """

    threshold: float
    wished: float
    precision: float
    low: float
    high: float
    recall: float
    f1: float
    pairs: int
    duplicates: int
    slope: float
    intercept: float

    def probability(self, score: float) -> float:
        """Return the probability that a pair of this cosine is a duplicate."""
        odds = self.slope * score + self.intercept
        return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, in the order of its fields."""
        return asdict(self)


def calibrate(scores: Scores, labels: Mask, *, precision: float = 0.95) -> Calibration:
    """Learn a threshold and probabilities from labelled pairs.

    Parameters
    ----------
    scores : array, shape (n,)
        Cosine of each pair.
    labels : bool array, shape (n,)
        Whether it is a duplicate.
    precision : float
        Wished share of true duplicates among the pairs above the threshold, between 0 and 1.

    Raises
    ------
    InvalidInputError
        Too few pairs, or none of the thresholds is sure of that precision; the best is named.
    """
    wished = _check_precision(precision)
    x, y = np.asarray(scores, np.float64), np.asarray(labels, np.bool_)
    found = int(np.count_nonzero(y))
    if min(found, len(y) - found) < LEAST:
        raise InvalidInputError(
            f"expected at least {LEAST} pairs of each label, got {found} duplicates and"
            f" {len(y) - found} others",
            do="label more pairs",
        )
    threshold = _choose(x, y, wished)
    if threshold is None:
        raise _unreachable(x, y, wished)
    hits, shown = _cross_validated(x, y, wished)
    measured = hits / shown if shown else 0.0
    recall = hits / found
    low, high = wilson(hits, shown, CONFIDENCE)
    slope, intercept = _log_odds(x, y)
    return Calibration(
        threshold=threshold,
        wished=wished,
        precision=measured,
        low=low,
        high=high,
        recall=recall,
        f1=2 * measured * recall / (measured + recall) if hits else 0.0,
        pairs=len(y),
        duplicates=found,
        slope=slope,
        intercept=intercept,
    )


def _log_odds(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """Return slope and intercept of the log odds of a duplicate by its cosine."""
    from sklearn.linear_model import LogisticRegression

    found = np.count_nonzero(y)
    # Platt's targets keep the odds finite where a cosine tells all pairs apart.
    yes = np.where(y, (found + 1) / (found + 2), 1 / (len(y) - found + 2))
    twice = np.concatenate((x, x))[:, np.newaxis]
    flags = np.repeat([True, False], len(x))
    model = LogisticRegression(C=np.inf, max_iter=1000)
    model.fit(twice, flags, sample_weight=np.concatenate((yes, 1 - yes)))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def wilson(hits: int, n: int, z: float) -> tuple[float, float]:
    """Return the bounds of a share of hits, z standard errors to either side."""
    if not n:
        return 0.0, 1.0
    low, high = (float(_wilson(np.array([hits]), np.array([n]), sign * z)[0]) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def _wilson(hits: NDArray[Any], n: NDArray[Any], z: float) -> NDArray[np.float64]:
    share = hits / n
    spread = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    bound: NDArray[np.float64] = (share + z * z / (2 * n) + spread) / (1 + z * z / n)
    return bound


def _check_precision(precision: float) -> float:
    if not isinstance(precision, (int, float)) or isinstance(precision, bool):
        raise InvalidInputError(f"expected precision to be a number, got {precision!r}")
    if not 0 < precision < 1:
        raise InvalidInputError(
            f"expected precision to be between 0 and 1, got {precision!r}", do="0.95 is usual"
        )
    return float(precision)


def _cautious(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return each threshold, falling, its cautious precision and the pairs it lets through."""
    order = np.argsort(-x, kind="stable")
    x, y = x[order], y[order]
    # Pairs of one score pass together.
    last = np.append(x[1:] != x[:-1], True)
    hits, n = np.cumsum(y)[last], np.flatnonzero(last) + 1
    return x[last], _wilson(hits, n, -CAUTION), n


def _choose(x: NDArray[Any], y: NDArray[Any], wished: float) -> float | None:
    thresholds, sure, n = _cautious(x, y)
    good = np.flatnonzero((sure >= wished) & (n >= LEAST))
    return float(thresholds[good[-1]]) if len(good) else None


def _unreachable(x: NDArray[Any], y: NDArray[Any], wished: float) -> InvalidInputError:
    thresholds, sure, n = _cautious(x, y)
    sure = np.where(n >= LEAST, sure, 0)
    best = int(np.argmax(sure))
    return InvalidInputError(
        f"no threshold is sure of a precision of {wished:g} on these {len(y)} pairs; the surest,"
        f" {thresholds[best]:.3f}, is of {math.floor(sure[best] * 1000) / 1000:g}",
        do="ask for less with --precision, or label more pairs",
    )


def _cross_validated(x: NDArray[Any], y: NDArray[Any], wished: float) -> tuple[int, int]:
    """Return duplicates found and pairs let through by thresholds that had not seen them."""
    from sklearn.model_selection import StratifiedKFold

    hits = shown = 0
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for seen, unseen in folds.split(x[:, np.newaxis], y):
        threshold = _choose(x[seen], y[seen], wished)
        if threshold is not None:
            passed = x[unseen] >= threshold
            shown += int(np.count_nonzero(passed))
            hits += int(np.count_nonzero(passed & y[unseen]))
    return hits, shown
