"""How strange each label would be for a text, by its probabilities: what prediction sets cut.

Every score is such that cutting it lower gives a smaller set within the larger one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SetScore = Literal["lac", "aps", "raps", "interval"]
SURE_RANK = 2
"""Labels of a text that ``raps`` lets in for nothing."""
FINE = 0.05
"""What each further one costs."""


def lac(probabilities: Floats) -> Floats:
    """Return 1 - probability, shape (n, n_labels): the sets are the smallest there are.

    Source
    ------
    Sadinle, Lei and Wasserman, "Least ambiguous set-valued classifiers with bounded error levels",
    JASA 114, 2019.
    """
    return np.asarray(1 - probabilities)


def aps(probabilities: Floats) -> Floats:
    """Return the sum of the probabilities down to each label, shape (n, n_labels).

    Sets grow where a text is hard, so that hard texts are covered about as often as easy ones. The
    label itself counts whole, where the paper draws a part of it by lot: the same text always gets
    the same set, and sets are a little too large.

    Source
    ------
    Romano, Sesia and Candès, "Classification with valid and adaptive coverage", NeurIPS 2020.
    """
    return _ranked(probabilities)[0]


def raps(probabilities: Floats) -> Floats:
    """Return :func:`aps` with a fine on every label from the third on, shape (n, n_labels).

    Source
    ------
    Angelopoulos, Bates, Jordan and Malik, "Uncertainty sets for image classifiers using conformal
    prediction", ICLR 2021; with fixed constants in place of tuned ones.
    """
    sums, ranks = _ranked(probabilities)
    return np.asarray(sums + FINE * np.maximum(ranks - SURE_RANK, 0))


def interval(probabilities: Floats) -> Floats:
    """Return what an interval about the best label must hold to reach each label.

    For labels with an order: the interval grows to the side whose next label is more probable, so
    every set is without gaps.

    Source
    ------
    Lu, Angelopoulos and Pomerantz, "Improving trustworthiness of AI disease severity rating in
    medical imaging with ordinal conformal prediction sets", MICCAI 2022.
    """
    n, k = probabilities.shape
    rows = np.arange(n)
    padded = np.pad(probabilities, ((0, 0), (1, 1)), constant_values=-1.0)
    low = probabilities.argmax(axis=1)
    high = low.copy()
    held = probabilities[rows, low]
    scores = np.empty((n, k))
    scores[rows, low] = held
    for _ in range(k - 1):
        below, above = padded[rows, low], padded[rows, high + 2]
        down = below >= above
        low, high = np.where(down, low - 1, low), np.where(down, high, high + 1)
        added = np.where(down, low, high)
        held = held + np.maximum(probabilities[rows, added], 0)
        scores[rows, added] = held
    return scores


SCORES: dict[SetScore, Callable[[Floats], Floats]] = {
    "lac": lac,
    "aps": aps,
    "raps": raps,
    "interval": interval,
}


def _ranked(probabilities: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the sums of the probabilities down to each label, and its rank from 1."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.empty_like(probabilities)
    ranks = np.empty(probabilities.shape, np.int64)
    falling = np.take_along_axis(probabilities, order, axis=1)
    np.put_along_axis(sums, order, falling.cumsum(axis=1), axis=1)
    np.put_along_axis(ranks, order, np.arange(1, probabilities.shape[1] + 1)[None, :], axis=1)
    return sums, ranks
