"""Confidence against how often it was right, and what abstaining brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.evaluation.label_results import CurveBin, RiskPoint
from embedkit.types import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.evaluation.tally import Sums
    from embedkit.types import Keys, Mask

BINS = 15
"""Of confidence, equally wide: as many as the literature on calibration takes."""
COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Shares of the rows whose accuracy is told."""
Z = 1.959964
"""Standard deviations that 95 % of a normal distribution are within."""


def bins_of(confidence: NDArray[np.float64]) -> Keys:
    """Return the bin of each confidence, shape (n,): of those above i/15 up to (i+1)/15, i."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


def calibration_error(sums: Sums) -> NDArray[np.float64]:
    """Return the expected calibration error of sums over rows, shape (resamples,), 0 is best.

    Parameters
    ----------
    sums : mapping
        ``confidence`` and ``correct`` of each bin, shape (resamples, 15), and ``rows``.

    Source
    ------
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015, with bins of equal width over the confidence of the answer, as in Guo et
    al., "On calibration of modern neural networks", ICML 2017.
    """
    gaps = np.abs(sums["confidence"] - sums["correct"]).sum(axis=1)
    return np.asarray(gaps / sums["rows"][:, 0], np.float64)


def curve(confidence: NDArray[np.float64], right: Mask) -> tuple[CurveBin, ...]:
    """Return the rows of each bin of confidence, and how often they were right."""
    number = bins_of(confidence)
    rows = np.bincount(number, minlength=BINS)
    sums = np.bincount(number, confidence, BINS)
    hits = np.bincount(number, right, BINS)
    return tuple(
        CurveBin(
            i / BINS,
            (i + 1) / BINS,
            int(rows[i]),
            float(rows[i] / len(right)),
            float(sums[i] / rows[i]),
            wilson(int(hits[i]), int(rows[i])),
        )
        for i in np.flatnonzero(rows).tolist()
    )


def wilson(hits: int, n: int) -> Estimate:
    """Return a share with its 95 % interval, which is sound for few rows too.

    Source
    ------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    share = hits / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    low, high = max(0.0, float(middle - reach)), min(1.0, float(middle + reach))
    return Estimate(share, min(low, share), max(high, share), n)


def risk(confidence: NDArray[np.float64], right: Mask) -> tuple[RiskPoint, ...]:
    """Return the accuracy among the rows of most confidence, for several shares of the rows.

    Source
    ------
    El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 2010:
    the risk-coverage curve.
    """
    order = np.argsort(-confidence, kind="stable")
    hits = np.cumsum(right[order])
    points = {}
    for coverage in COVERAGES:
        taken = max(1, round(coverage * len(order)))
        points[taken] = RiskPoint(
            taken / len(order), float(confidence[order[taken - 1]]), float(hits[taken - 1] / taken)
        )
    return tuple(points.values())
