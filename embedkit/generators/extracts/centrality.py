"""How much a sentence says of the whole: by its likeness to the others, and by where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Vectors

DAMPING = 0.85
"""Of the random walk, as in the paper."""
STEPS = 100
CLOSE = 1e-9


def lexrank(vectors: Vectors) -> NDArray[np.float64]:
    """Return how central each sentence is: how often a walk over like sentences comes by.

    The walk goes from a sentence to another with a probability that grows with their cosine; one
    below 0 counts as 0. This is the continuous form of LexRank, on embeddings in place of TF-IDF.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
        Unit vectors of the sentences.

    Returns
    -------
    float64 array, shape (n,), larger is more central; the mean is 1

    Source
    ------
    Erkan and Radev, "LexRank: graph-based lexical centrality as salience in text summarization",
    Journal of Artificial Intelligence Research 22, 2004.
    """
    n = len(vectors)
    weights = np.maximum(vectors @ vectors.T, 0, dtype=np.float64)
    np.fill_diagonal(weights, 0)
    sums = weights.sum(axis=1)
    alone = sums <= 0  # like no other sentence: from there the walk goes anywhere
    weights /= np.where(alone, 1, sums)[:, np.newaxis]
    share = np.full(n, 1 / n)
    for _ in range(STEPS):
        lost = share[alone].sum() / n
        moved = (1 - DAMPING) / n + DAMPING * (share @ weights + lost)
        done = np.abs(moved - share).sum() < CLOSE
        share = moved
        if done:
            break
    found: NDArray[np.float64] = share * n
    return found


def stretch(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values brought to the range from 0 to 1; zeros where all are equal."""
    spread = float(np.ptp(values)) if len(values) else 0.0
    return (values - values.min()) / spread if spread > 1e-12 else np.zeros(len(values))


def earliness(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 for what stands first to 0 for what stands last of its source."""
    return 1 - places
