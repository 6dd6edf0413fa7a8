"""How sure a mean is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.types import Estimate

RESAMPLES = 2000
HELD = 2**22
"""Values drawn at once: 32 MiB."""


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
    rng = np.random.default_rng(seed)
    block = max(1, HELD // len(array))
    means = [
        array[rng.integers(0, len(array), (min(block, RESAMPLES - start), len(array)))].mean(axis=1)
        for start in range(0, RESAMPLES, block)
    ]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return Estimate(float(array.mean()), float(low), float(high), len(array))
