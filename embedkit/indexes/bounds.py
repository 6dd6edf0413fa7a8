"""How sure a mean recall is: bounds that hold for any distribution and however often one looks.

Recall is a mean of numbers between 0 and 1, mostly 1: intervals that assume a normal distribution,
or resample what was seen, call a few hundred perfect answers certain. These bounds do not, and the
number of queries need not be fixed beforehand, so that measuring may stop as soon as it is decided.

Source
------
Waudby-Smith and Ramdas: Estimating means of bounded random variables by betting, Journal of the
Royal Statistical Society B 86 (2024), section 4. Against the hypothesis that the mean is m, a
gambler bets that values are larger; while it is true his capital is a martingale, and exceeds
1 / alpha ever with a probability of alpha at most (Ville's inequality). Here he splits his capital
over constant bets, so that it depends on the values and not on their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SHARES = np.array([0.98, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02])
"""Bets, as a share of the largest that cannot ruin the gambler."""
WEIGHTS = np.array([0.5, *[0.0625] * 8])
"""How the capital is split over them: half on what wins quickest where every answer is perfect."""
PRECISION = 1e-5


def lower_bound(values: Any, alpha: float) -> float:
    """Return what the mean exceeds with a confidence of 1 - alpha.

    Parameters
    ----------
    values : float array of numbers from 0 to 1, shape (n,)
    alpha : float
        Probability that the bound is wrong, at most, in the whole course of the measurement.
    """
    seen, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
    if not len(seen):
        return 0.0
    low, high = 0.0, float(seen @ counts / counts.sum())
    while high - low > PRECISION:
        middle = (low + high) / 2
        if _log_capital(seen, counts, middle) > np.log(1 / alpha):
            low = middle
        else:
            high = middle
    return low


def upper_bound(values: Any, alpha: float) -> float:
    """Return what the mean stays below with a confidence of 1 - alpha."""
    return 1 - lower_bound(1 - np.asarray(values, np.float64), alpha)


def queries_needed(recall: float, alpha: float) -> int:
    """Return how many perfect answers show that the mean recall is at least that."""
    gain = np.log1p(SHARES[0] * (1 / recall - 1))
    return int(np.ceil(-np.log(alpha * WEIGHTS[0]) / gain))


def _log_capital(values: Any, counts: Any, mean: float) -> float:
    """Return the logarithm of the capital of bets against that mean."""
    gains = np.log1p(SHARES[:, np.newaxis] * (values / mean - 1)) @ counts
    return float(np.logaddexp.reduce(gains + np.log(WEIGHTS)))
