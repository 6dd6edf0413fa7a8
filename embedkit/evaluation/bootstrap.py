"""How sure a mean is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.types import Estimate

RESAMPLES = 2000


def mean_with_interval(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Return the mean of values, one a query, and its 95 % interval.

    Parameters
    ----------
    values : sequence of float, at least one
    seed : int
        Of the resampling; the same values and seed give the same interval.

    Source
    ------
    Efron and Tibshirani: An Introduction to the Bootstrap, 1993, section 13.3: the percentile
    interval, here of 2,000 resamples.

    Raises
    ------
    InvalidInputError
        There are no values.
    """
    if not len(values):
        raise InvalidInputError("expected at least one value to take the mean of, got none")
    array = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(array), (RESAMPLES, len(array)))
    low, high = np.percentile(array[drawn].mean(axis=1), (2.5, 97.5))
    return Estimate(float(array.mean()), float(low), float(high), len(array))
