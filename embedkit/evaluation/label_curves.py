"""Confidence against how often it was right, and what abstaining brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.reliability import reliability_curve
from embedkit.evaluation.label_results import CurveBin, RiskPoint
from embedkit.types import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.evaluation.outcomes import Outcomes
    from embedkit.types import Mask

COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Shares of the rows whose accuracy is told."""
Z = 1.959964
"""Standard deviations that 95 % of a normal distribution are within."""


def curve(outcomes: Outcomes) -> tuple[CurveBin, ...]:
    """Return the rows of each bin of confidence, and how often they were right.

    Where rows have several labels, each label of a row counts as one.
    """
    bins = reliability_curve(outcomes.probabilities, outcomes.targets)
    whole = sum(one.rows for one in bins)
    return tuple(
        CurveBin(
            one.low,
            one.high,
            one.rows,
            one.rows / whole,
            one.confidence,
            wilson(round(one.accuracy * one.rows), one.rows),
        )
        for one in bins
        if one.rows
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
